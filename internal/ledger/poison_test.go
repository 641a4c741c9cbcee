package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/offprint/offprint"
)

// refuse lets the database refuse what is written into a column of a table.
func (b *bench) refuse(l *Ledger, table, column, what string) {
	b.Helper()
	texts := []string{`ALTER TABLE ` + table + ` ADD CONSTRAINT refused CHECK (NOT (` + column + what + `)) NOT VALID`}
	if l.listen == nil {
		texts = nil
		for _, on := range []string{"INSERT", "UPDATE"} {
			texts = append(texts, `CREATE TRIGGER refused_`+on+` BEFORE `+on+` ON `+table+` WHEN NEW.`+column+what+` BEGIN SELECT RAISE(ABORT, 'refused'); END`)
		}
	}
	for _, text := range texts {
		if _, err := l.db.ExecContext(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestARunEndsWithoutTheNoticeThatCannotBeStored(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		b.refuse(l, "notices", "address", ` = 'bad:x'`)
		told := make(chan string, 1)
		b.work(l, Workers{Slots: 1, Make: makeAtOnce, Tell: func(_ context.Context, n offprint.Notice) error { told <- n.Address; return nil }})
		a := ask()
		a.Run.Notify = addressees("bad:x", "good:x")
		id := b.accept(l, a)
		if r := b.until(l, id, "final", func(r offprint.Run) bool { return r.State.Final() }); r.State != offprint.Succeeded || r.Failures != 0 {
			t.Errorf("it is %s after %d failures", r.State, r.Failures)
		}
		if address := receive(b, told, "told"); address != "good:x" {
			t.Errorf("told %s", address)
		}
	})
}

func TestARunThatCannotBeTakenOverKeepsNoOther(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		ctx := t.Context()
		bad, good := b.in(l, offprint.Running), b.in(l, offprint.Running)
		unreadable := func(is bool) {
			text := `UPDATE runs SET metadata = 'null' WHERE id = $1`
			if is {
				text = `UPDATE runs SET metadata = '{' WHERE id = $1`
			}
			if _, err := l.db.ExecContext(ctx, text, bad.ID); err != nil {
				t.Fatal(err)
			}
		}
		unreadable(true)
		if err := l.takeOver(ctx, anyLease); err != nil {
			t.Errorf("take over: %v", err)
		}
		if r := b.get(l, good.ID); r.State != offprint.Queued || r.Losses != 1 {
			t.Errorf("the other is %s with %d losses", r.State, r.Losses)
		}
		if err := l.reapAll(ctx); err != nil { // and it ends
			t.Errorf("reap all: %v", err)
		}
		unreadable(false)
		if err := l.reapAll(ctx); err != nil {
			t.Errorf("reap all: %v", err)
		}
		if r := b.get(l, bad.ID); r.State != offprint.Queued {
			t.Errorf("in the end it is %s", r.State)
		}
	})
}

// TestARunThatCannotBeReadHoldsUpNoOther has a record that a later release
// wrote, or that was damaged, first in line for the only place of its source.
func TestARunThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		skew := new(atomic.Int64)
		o := reaped(1)
		o.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
		l := b.open(o)
		past := b.in(l, offprint.Succeeded)
		bad, good := b.accept(l, ask()), b.accept(l, ask())
		for _, id := range []string{past.ID, bad} {
			if _, err := l.db.ExecContext(t.Context(), `UPDATE runs SET asking = '{' WHERE id = $1`, id); err != nil {
				t.Fatal(err)
			}
		}
		line, err := l.Line(t.Context())
		if err != nil || len(line.Waiting) != 2 {
			t.Errorf("the line: %+v, %v", line, err)
		}
		b.work(l, Workers{Slots: 1, Make: makeAtOnce})
		b.untilState(l, good, offprint.Succeeded)
		run := ask().Run
		if past, err := l.History(t.Context(), run.Who.Tenant, run.Report, run.Format); err != nil || len(past) != 1 {
			t.Errorf("the past: %+v, %v", past, err)
		}
		state := func() (is string) {
			if err := l.reader.QueryRow(`SELECT state FROM runs WHERE id = $1`, bad).Scan(&is); err != nil {
				t.Fatal(err)
			}
			return is
		}
		if is := state(); is == string(offprint.Failed) {
			t.Errorf("it is %s, though another release may read it", is)
		}
		skew.Store(int64(48 * time.Hour))
		b.eventually("it is given up", func() bool { return state() == string(offprint.Failed) })
	})
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: migrated(t)}
	l := b.open(quick())
	var many []offprint.Addressee
	for i := range 21 {
		many = append(many, addressees(fmt.Sprintf("mailto:%d@a.example", i))...)
	}
	for what, change := range map[string]func(*offprint.Run){
		"a long address":        func(r *offprint.Run) { r.Notify = addressees("mailto:" + strings.Repeat("x", 506)) },
		"an address of no text": func(r *offprint.Run) { r.Notify = addressees("mailto:\xff") },
		"an address with a NUL": func(r *offprint.Run) { r.Notify = addressees("mailto:a\x00b") },
		"too many addresses":    func(r *offprint.Run) { r.Notify = many },
		"no number":             func(r *offprint.Run) { r.Params = offprint.Params{"n": math.NaN()} },
		"no JSON":               func(r *offprint.Run) { r.Sent = offprint.Sent{"n": []byte(`{`)} },
	} {
		a := ask()
		change(&a.Run)
		if _, err := l.Accept(t.Context(), a); offprint.CodeOf(err) != offprint.Invalid {
			t.Errorf("%s: %v, want it to be invalid", what, err)
		}
	}
	a := ask()
	a.Run.Notify = append(many[:19], addressees("mailto:"+strings.Repeat("x", 505))...)
	b.accept(l, a)
}

func TestTheRestOfABatchIsNotTriedWithoutADatabase(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: migrated(t)}
	l, f := b.openFailing(quick())
	holding, tries := make(chan struct{}), 0
	f.set("accept: before commit", func() error { // all in one batch behind this one
		close(holding)
		b.eventually("ten wait", func() bool { return len(l.asked) == 10 })
		f.set("accept: before commit", func() error {
			if tries++; tries == 1 {
				return &pgconn.PgError{Code: "22000"}
			}
			return errCut
		})
		return nil
	})
	first := make(chan error, 1)
	go func() { _, err := l.Accept(t.Context(), ask()); first <- err }()
	<-holding
	_, errs := together(10, func(int) (Accepted, error) { return l.Accept(t.Context(), ask()) })
	for _, err := range errs {
		b.wantCode(err, offprint.Busy)
	}
	if err := <-first; err != nil || tries != 2 {
		t.Errorf("%d tries, want 2; the first: %v", tries, err)
	}
}

// TestTheLedgersSilenceIsNoFailureOfTheReport cuts the word of a run, whose
// turn has come in its process, that it begins.
func TestTheLedgersSilenceIsNoFailureOfTheReport(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		m := newMakeWhen()
		b.work(l, Workers{Slots: 2, Make: m.make})
		b.accept(l, ask())
		receive(b, m.began, "an ordinary run began")
		f.once("begin: before commit", errCut)
		f.set("start: fetched", func() error { // two workers were lost over the next
			_, err := l.db.ExecContext(context.Background(), `UPDATE runs SET losses = 2 WHERE state = 'queued'`)
			return err
		})
		suspect := b.accept(l, ask())
		b.untilState(l, suspect, offprint.Running)
		close(m.let)
		if r := b.untilState(l, suspect, offprint.Succeeded); r.Failures != 0 || r.Attempt() != 3 {
			t.Errorf("%d failures, attempt %d; want none, 3", r.Failures, r.Attempt())
		}
	})
}

func TestANoticeIsToldOnceThoughTheLedgerIsSilent(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		until := time.Now().Add(3 * quick().Lease)
		f.set("told: before commit", func() error {
			if time.Now().Before(until) {
				return errCut
			}
			return nil
		})
		var told atomic.Int64
		b.work(l, Workers{Slots: 1, Make: makeAtOnce, Tell: func(context.Context, offprint.Notice) error { told.Add(1); return nil }})
		a := ask()
		a.Run.Notify = addressees("x:y")
		id := b.accept(l, a)
		b.eventually("delivered", func() bool {
			notices, err := l.Notices(t.Context(), id)
			return err == nil && len(notices) == 1 && notices[0].State == "delivered"
		})
		if told.Load() != 1 {
			t.Errorf("told %d times, want once", told.Load())
		}
	})
}

// waitingNotice is a notice that nobody has told of yet.
func (b *bench) waitingNotice(l *Ledger) (run string, n notice) {
	b.Helper()
	a := ask()
	a.Run.Notify = addressees("x:y")
	run = b.accept(l, a)
	if _, err := l.Cancel(b.Context(), run); err != nil {
		b.Fatal(err)
	}
	err := l.db.QueryRowContext(b.Context(), `SELECT id, attempt, ticket FROM notices WHERE run = $1`, run).Scan(&n.ID, &n.attempt, &n.ticket)
	if err != nil {
		b.Fatal(err)
	}
	return run, n
}

func TestANoticeToldMeanwhileIsNotLost(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		run, n := b.waitingNotice(l)
		set := func(state string, lease int64) {
			_, err := l.db.ExecContext(t.Context(), `UPDATE notices SET state = $1, lease_until = $2 WHERE id = $3`, state, lease, n.ID)
			if err != nil {
				t.Fatal(err)
			}
		}
		r := reaper{Ledger: l, last: reading{clock: time.Now().UnixMicro()}}
		for _, state := range []string{"delivered", "failed", "telling"} {
			set(state, math.MaxInt64)
			if err := r.retellOne(t.Context(), n); err == nil {
				t.Errorf("a notice that is %s was believed lost, and told again", state)
			}
		}
		set("telling", 1)
		if err := r.retellOne(t.Context(), n); err != nil {
			t.Error(err)
		}
		if notices, err := l.Notices(t.Context(), run); err != nil || notices[0].State != "waiting" {
			t.Errorf("%+v, %v; want one that waits", notices, err)
		}
	})
}

func TestANoticeIsGivenUpThoughItsTellersAreLost(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		run, n := b.waitingNotice(l)
		if _, err := l.db.ExecContext(t.Context(), `UPDATE notices SET tries = 3, give_up = 1, last_answer = 'No.' WHERE id = $1`, n.ID); err != nil {
			t.Fatal(err)
		}
		b.work(l, Workers{Slots: 1, Make: makeAtOnce, Tell: func(context.Context, offprint.Notice) error {
			t.Error("told")
			return nil
		}})
		b.eventually("given up", func() bool {
			notices, err := l.Notices(t.Context(), run)
			return err == nil && notices[0].State == "failed" && notices[0].LastAnswer == "No."
		})
	})
}

func TestChangesTogether(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		l := nodes[0]
		ctx := t.Context()
		run := b.in(l, offprint.Running)
		const n = 16
		value := "x"
		_, errs := together(n, func(i int) (Accepted, error) {
			_, err := nodes[i%2].Amend(ctx, run.ID, Amendment{Metadata: map[string]*string{fmt.Sprint("n", i): &value}})
			return Accepted{}, err
		})
		for _, err := range errs {
			if err != nil {
				t.Errorf("amend: %v", err)
			}
		}
		if r := b.get(l, run.ID); len(r.Metadata) != n {
			t.Errorf("%d of %d fields are there", len(r.Metadata), n)
		}

		if _, err := l.Cancel(ctx, run.ID); err != nil {
			t.Fatal(err)
		}
		_, errs = together(n, func(i int) (Accepted, error) { return Accepted{}, nodes[i%2].Erase(ctx, run.ID) })
		erased := 0
		for _, err := range errs {
			if err == nil {
				erased++
				continue
			}
			b.wantCode(err, offprint.NotFound)
		}
		if erased != 1 {
			t.Errorf("erased %d times", erased)
		}
	})
}

func TestPercentDoesNotFallWithTheEnd(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		r := b.in(l, offprint.Running)
		if _, err := l.db.ExecContext(t.Context(), `UPDATE running SET percent = 60 WHERE run = $1`, r.ID); err != nil {
			t.Fatal(err)
		}
		end := ending{state: offprint.Failed, problem: offprint.Errorf(offprint.BadQuery, "No.")}
		err := l.tx(t.Context(), "fail", func(tx *sql.Tx) error {
			if err := l.end(t.Context(), tx, &r, end); err != nil {
				return err
			}
			return l.cancelTicket(t.Context(), tx, r.ticket)
		})
		if err != nil {
			t.Fatal(err)
		}
		if now := b.get(l, r.ID); now.Progress.Percent() != 60 {
			t.Errorf("it failed at %d %%, want the 60 that were shown", now.Progress.Percent())
		}
	})
}
