package ledger

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
)

// A gate is a way to a database that can be shut: what is sent then hangs, and
// arrives late.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the way is free
}

func (g *gate) wait() {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	<-open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) free() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// gated is the address of the same database behind a gate.
func gated(t *testing.T, address string) (string, *gate) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	socket := q.Get("host") + "/.s.PGSQL.5432"
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{open: make(chan struct{})}
	g.free()
	var running sync.WaitGroup
	running.Go(func() { g.serve(&running, door, socket) })
	t.Cleanup(func() {
		door.Close()
		running.Wait()
	})
	q.Del("host")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = door.Addr().String(), q.Encode()
	return u.String(), g
}

func (g *gate) serve(running *sync.WaitGroup, door net.Listener, socket string) {
	for {
		from, err := door.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			g.wait()
			to, err := net.Dial("unix", socket)
			if err != nil {
				from.Close()
				return
			}
			running.Go(func() { g.carry(from, to) })
			g.carry(to, from)
		})
	}
}

func (g *gate) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		g.wait()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// steady are leases that a busy machine does not lose by itself.
func steady() Options {
	o := quick()
	o.Lease = 2500 * time.Millisecond
	return o
}

// TestAHangOfTheDatabaseLosesNoRun lets the database hang, which is no error,
// only silence; it answers the idle process first.
func TestAHangOfTheDatabaseLosesNoRun(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	makers, makersGate := gated(t, address)
	idles, idlesGate := gated(t, address)
	b := &bench{T: t, url: makers}
	maker := b.open(steady())
	b.url = idles
	idle := b.open(steady())
	m := newMakeWhen()
	b.work(maker, Workers{Slots: 1, Make: m.make})
	b.work(idle, Workers{Slots: 0})
	id := b.accept(maker, ask())
	receive(b, m.began, "begun")
	time.Sleep(steady().Lease + 500*time.Millisecond) // idle trusts the ledger by now
	makersGate.shut()
	idlesGate.shut()
	time.Sleep(steady().Lease + time.Second)
	idlesGate.free()
	time.Sleep(steady().Lease / 2)
	makersGate.free()
	time.Sleep(steady().Lease)
	if r := b.get(idle, id); r.State != offprint.Running || r.Losses != 0 {
		t.Errorf("after the hang it is %s with %d losses, want running with none", r.State, r.Losses)
	}
	close(m.let)
	if r := b.untilState(idle, id, offprint.Succeeded); r.Attempt() != 1 {
		t.Errorf("attempt %d, want 1", r.Attempt())
	}
}

// TestSlowReadersHoldUpNobody takes every connection that readers have, for
// longer than a lease.
func TestSlowReadersHoldUpNobody(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, other := b.open(steady()), b.open(steady())
		m := newMakeWhen()
		b.work(l, Workers{Slots: 2, Make: m.make})
		b.work(other, Workers{Slots: 0})
		id := b.accept(l, ask())
		receive(b, m.began, "begun")
		time.Sleep(steady().Lease)
		for range 16 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			conn, err := l.reader.Conn(ctx)
			cancel()
			if err == nil {
				defer conn.Close()
			}
		}
		second := b.accept(l, ask()) // which would wait for readers in vain
		receive(b, m.began, "the second began")
		time.Sleep(steady().Lease + time.Second)
		close(m.let)
		for _, id := range []string{id, second} {
			if r := b.untilState(other, id, offprint.Succeeded); r.Attempt() != 1 {
				t.Errorf("attempt %d, want 1", r.Attempt())
			}
		}
	})
}

// TestAJumpOfTheClockLosesNoRun moves the database's clock an hour ahead, as it
// is after a machine has slept.
func TestAJumpOfTheClockLosesNoRun(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		maker, other := b.open(steady()), b.open(steady())
		for _, l := range []*Ledger{maker, other} {
			l.clock = `(` + l.clock + ` + (SELECT COALESCE(MAX(CAST(value AS BIGINT)), 0) FROM settings WHERE name = 'jump'))`
		}
		m := newMakeWhen()
		b.work(maker, Workers{Slots: 1, Make: m.make})
		b.work(other, Workers{Slots: 0})
		id := b.accept(maker, ask())
		receive(b, m.began, "begun")
		time.Sleep(steady().Lease + 500*time.Millisecond)
		_, err := maker.db.ExecContext(t.Context(), `INSERT INTO settings (name, value) VALUES ('jump', $1)`, "3600000000")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(steady().Lease)
		close(m.let)
		if r := b.untilState(other, id, offprint.Succeeded); r.Attempt() != 1 {
			t.Errorf("attempt %d, want 1", r.Attempt())
		}
	})
}

// TestAProcessTakesNothingOverFromItself lets a lease run out whose process is
// alive, and merely late.
func TestAProcessTakesNothingOverFromItself(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		o := steady()
		o.Beat = time.Second
		l := b.open(o)
		m := newMakeWhen()
		b.work(l, Workers{Slots: 1, Make: m.make})
		id := b.accept(l, ask())
		receive(b, m.began, "begun")
		time.Sleep(o.Lease + 500*time.Millisecond)
		if _, err := l.db.ExecContext(t.Context(), `UPDATE running SET lease_until = 1`); err != nil {
			t.Fatal(err)
		}
		b.eventually("the lease is renewed", func() bool {
			var until int64
			err := l.reader.QueryRow(`SELECT lease_until FROM running WHERE run = $1 AND epoch = 1`, id).Scan(&until)
			return err == nil && until > 1
		})
		close(m.let)
		if r := b.untilState(l, id, offprint.Succeeded); r.Attempt() != 1 {
			t.Errorf("attempt %d, want 1", r.Attempt())
		}
	})
}

func TestAClockJumps(t *testing.T) {
	t.Parallel()
	start := time.Now()
	at := func(began, took, clock time.Duration) reading {
		return reading{start.Add(began), start.Add(began + took), (time.Hour + clock).Microseconds()}
	}
	const s = time.Second
	tests := []struct {
		name         string
		since, now   reading
		wantItJumped bool
	}{
		{"the first reading", reading{}, at(0, 0, 0), false},
		{"as time goes", at(0, 0, 0), at(10*s, 0, 10*s), false},
		{"somewhat apart", at(0, 0, 0), at(10*s, 0, 12*s), false},
		{"a slow answer", at(0, 0, 0), at(10*s, 20*s, 30*s), false},
		{"forward", at(0, 0, 0), at(10*s, 0, 14*s), true},
		{"back", at(0, 0, 0), at(10*s, 0, 6*s), true},
	}
	for _, tt := range tests {
		if got := tt.now.jumped(tt.since, 3*s); got != tt.wantItJumped {
			t.Errorf("%s: jumped %v", tt.name, got)
		}
	}
}

// late commits a transaction a while after its do, as one does whose COMMIT is
// on its way when the connection is cut.
func (b *bench) late(l *Ledger, do func(tx *sql.Tx) error) {
	b.Helper()
	tx, err := l.db.BeginTx(context.WithoutCancel(b.Context()), nil) // its COMMIT may be answered after the story
	if err != nil {
		b.Fatal(err)
	}
	if err := do(tx); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		done <- tx.Commit()
	}()
	b.Cleanup(func() {
		if err := <-done; err != nil {
			b.Errorf("the late commit: %v", err)
		}
	})
}

func TestACommitOnItsWayIsWaitedFor(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		ctx := t.Context()
		r, err := l.get(ctx, b.accept(l, ask()))
		if err != nil {
			t.Fatal(err)
		}
		w := &work{Ledger: l}
		b.late(l, func(tx *sql.Tx) error { return l.start(ctx, tx, &r, "me", true) })
		if !w.tookAnyway(ctx, &r, "me") {
			t.Error("a start whose COMMIT was on its way is taken for none")
		}

		a, err := l.asking(ctx, ask())
		if err != nil {
			t.Fatal(err)
		}
		accept := &batch{l: l, queued: &queueLength{}, winners: []*asking{a}}
		if accept.storedAnyway(ctx, unknownOutcome{errCut}) {
			t.Error("an asking that was never written is taken for stored")
		}
		b.late(l, func(tx *sql.Tx) error { return accept.write(ctx, tx, accept.winners) })
		if !accept.storedAnyway(ctx, unknownOutcome{errCut}) {
			t.Error("an asking whose COMMIT was on its way is taken for lost")
		}
	})
}
