package ledger

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("LEDGER_TEST_WORKER"); url != "" {
		if err := workHere(url); err != nil {
			panic(err)
		}
		return
	}
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" { // else it is how many processes fuzz
		if err := flag.Set("test.parallel", "8"); err != nil { // the stories wait more than they work
			panic(err)
		}
	}
	pgtest.Main(m)
}

// onEach tells a story on every database. What it opened is checked and
// closed at its end.
func onEach(t *testing.T, story func(t *testing.T, b *bench)) {
	t.Parallel()
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t}
			if name == "sqlite" {
				b.url = migrated(t)
			} else {
				b.url = pgtest.URL(t)
			}
			story(t, b)
		})
	}
}

// migrated is a fresh SQLite ledger whose tables are there already: making
// them takes longer than most stories, under the race detector.
func migrated(t *testing.T) string {
	t.Helper()
	empty, err := emptyLedger()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

var emptyLedger = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "empty.db")
	if err := Migrate(context.Background(), "sqlite:"+path, Options{}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

type bench struct {
	*testing.T
	url string
}

// quick are short leases, and no pause before another try.
func quick() Options {
	return Options{Lease: 1500 * time.Millisecond, Beat: 300 * time.Millisecond, Reap: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
}

func (b *bench) open(o Options) *Ledger {
	b.Helper()
	l, err := Open(b.Context(), b.url, o)
	if err != nil {
		b.Fatal(err)
	}
	l.backoff = func(int) time.Duration { return 0 }
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Check(ctx); err != nil {
			b.Errorf("check: %v", err)
		}
		if err := l.Close(); err != nil {
			b.Errorf("close: %v", err)
		}
	})
	return l
}

// failing is a hook that tests set while the ledger is in use.
type failing struct {
	mu sync.Mutex
	at map[string]func() error
}

// at answers err the next time that step is reached; nil: never more.
func (f *failing) once(step string, err error) {
	f.set(step, func() error { f.set(step, nil); return err })
}

func (f *failing) set(step string, do func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at[step] = do
}

func (f *failing) fail(step string) error {
	f.mu.Lock()
	do := f.at[step]
	f.mu.Unlock()
	if do == nil {
		return nil
	}
	return do()
}

// openFailing is open with a hook; it must come before any work.
func (b *bench) openFailing(o Options) (*Ledger, *failing) {
	l := b.open(o)
	f := &failing{at: map[string]func() error{}}
	l.fail = f.fail
	return l, f
}

// work runs workers until stop, which waits for them.
func (b *bench) work(l *Ledger, o Workers) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Work(ctx, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.Errorf("work: %v", err)
		}
	})
	b.Cleanup(stop)
	return stop
}

func ask() Asking {
	return Asking{Run: offprint.Run{
		Report: "orders", Version: "v1", Title: "Orders", Format: "csv", Reads: "shop",
		Who: offprint.Identity{User: "ann", Tenant: "acme"}, Params: offprint.Params{"region": "EU"},
	}, Definition: "SELECT 1"}
}

// addressees are addresses that are told of every end.
func addressees(addresses ...string) []offprint.Addressee {
	var all []offprint.Addressee
	for _, a := range addresses {
		all = append(all, offprint.Addressee{Address: a, Events: offprint.Ends})
	}
	return all
}

func keyed(key, fingerprint string) Asking {
	a := ask()
	a.Key = Key{"ann POST /v1/runs", key, fingerprint}
	return a
}

// accept is the id of a fresh run.
func (b *bench) accept(l *Ledger, asking Asking) string {
	b.Helper()
	a, err := l.Accept(b.Context(), asking)
	if err != nil {
		b.Fatal(err)
	}
	return a.Run.ID
}

func (b *bench) get(l *Ledger, id string) offprint.Run {
	b.Helper()
	r, err := l.Get(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

const patience = 20 * time.Second

// until waits for a run to be as it should.
func (b *bench) until(l *Ledger, id, what string, is func(offprint.Run) bool) offprint.Run {
	b.Helper()
	w := l.Watch(id)
	defer w.Close()
	end := time.After(patience)
	for {
		r := b.get(l, id)
		if is(r) {
			return r
		}
		select {
		case <-w.C:
		case <-time.After(50 * time.Millisecond): // another process, on SQLite
		case <-end:
			b.Fatalf("run %s is never %s: %s, %d failures, %d losses, %v", id, what, r.State, r.Failures, r.Losses, r.Problem)
		}
	}
}

func (b *bench) untilState(l *Ledger, id string, state offprint.State) offprint.Run {
	b.Helper()
	return b.until(l, id, string(state), func(r offprint.Run) bool { return r.State == state })
}

// eventually waits for what no run says.
func (b *bench) eventually(what string, is func() bool) {
	b.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("never: %s", what)
		}
	}
}

// receive is the next value, in time.
func receive[T any](b *bench, from <-chan T, what string) T {
	b.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		b.Fatalf("never: %s", what)
		panic("unreachable")
	}
}

func (b *bench) wantCode(err error, code offprint.Code) {
	b.Helper()
	if got := offprint.CodeOf(err); got != code {
		b.Fatalf("error %v is %q, want %q", err, got, code)
	}
}

// csvOf is a file that was made without trouble.
func csvOf(j *Job) Made {
	return Made{File: offprint.File{Key: j.Blob("orders.csv"), Name: "orders.csv", MediaType: "text/csv", Bytes: 12, Rows: 3, SHA256: "ab"}, Outcome: offprint.Complete}
}

func makeAtOnce(_ context.Context, j *Job) (Made, error) { return csvOf(j), nil }

// makeWhen makes a run as soon as it may, and says when it began.
type makeWhen struct {
	began chan *Job
	let   chan struct{}
}

func newMakeWhen() *makeWhen { return &makeWhen{make(chan *Job, 100), make(chan struct{})} }

func (m *makeWhen) make(ctx context.Context, j *Job) (Made, error) {
	m.began <- j
	select {
	case <-m.let:
		return csvOf(j), nil
	case <-ctx.Done():
		return Made{}, context.Cause(ctx)
	}
}

// makeDeaf does not hear that its context ended.
func (m *makeWhen) makeDeaf(_ context.Context, j *Job) (Made, error) {
	m.began <- j
	<-m.let
	return csvOf(j), nil
}

var errCut = errors.New("the connection was cut")

func TestNothingIsLeftRunning(t *testing.T) { // not parallel: it counts all goroutines
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			url := "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")
			if name == "postgres" {
				url = pgtest.URL(t)
			}
			before := goleak.IgnoreCurrent()
			t.Run("story", func(t *testing.T) {
				b := &bench{T: t, url: url}
				l := b.open(quick())
				w := l.Watch()
				defer w.Close()
				b.work(l, Workers{Slots: 2, Make: makeAtOnce})
				b.untilState(l, b.accept(l, ask()), offprint.Succeeded)
			})
			goleak.VerifyNone(t, before)
		})
	}
}

func TestOneProcessServesSQLite(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: "sqlite:" + filepath.Join(t.TempDir(), "a?b %41#.db")}
	o := quick()
	o.Exclusive = true
	l := b.open(o)
	_, err := Open(t.Context(), b.url, o)
	b.wantCode(err, offprint.NotConfigured)

	// The commands that only look or add a key work beside it.
	beside := b.open(quick())
	if err := beside.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := beside.AddKey(t.Context(), APIKey{Name: "ci"}, []byte("hash")); err != nil {
		t.Fatal(err)
	}
	if err := Migrate(t.Context(), b.url, quick()); err != nil {
		t.Fatal(err)
	}
	if keys, err := l.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Fatalf("keys: %v, %v", keys, err)
	}
}

// TestTheLedgersFilesAreForNobodyElse looks at every file while the ledger is
// in use: it keeps secrets.
func TestTheLedgersFilesAreForNobodyElse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	b := &bench{T: t, url: "sqlite:" + filepath.Join(dir, "offprint.db")}
	o := quick()
	o.Exclusive = true
	b.accept(b.open(o), ask())
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if names = append(names, f.Name()); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
	}
	if !slices.Contains(names, "offprint.db") || !slices.Contains(names, "offprint.db-wal") || !slices.Contains(names, "offprint.db.lock") {
		t.Errorf("the files are %v", names)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
}

func TestARestartTakesUpWhatWasRunning(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")}
	dead := b.open(quick()) // its workers never beat again
	f := &failing{at: map[string]func() error{"beat: before commit": func() error { return errCut }}}
	dead.fail = f.fail
	m := newMakeWhen()
	b.work(dead, Workers{Slots: 1, Drain: time.Millisecond, Make: m.make})
	id := b.accept(dead, ask())
	receive(b, m.began, "begun")

	o := quick()
	o.Exclusive, o.Lease = true, time.Hour
	l := b.open(o)
	if r := b.get(l, id); r.State != offprint.Queued || r.Losses != 1 {
		t.Fatalf("after the restart it is %s with %d losses, want queued with 1", r.State, r.Losses)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	b := &bench{T: t}
	for _, url := range []string{"mysql://x", "ledger.db", ""} {
		_, err := Open(t.Context(), url, Options{})
		b.wantCode(err, offprint.NotConfigured)
	}
	_, err := Open(t.Context(), "postgres://localhost/x", Options{Schema: "a; DROP"})
	b.wantCode(err, offprint.NotConfigured)
}

func TestManyMigrateAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		errs := make(chan error)
		for range 4 {
			go func() { errs <- Migrate(t.Context(), b.url, quick()) }()
		}
		for range 4 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		b.accept(b.open(quick()), ask())
	})
}
