package desk_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/pgtest"
)

// A librarian is a catalog that remembers when it was asked for what it does
// not have.
type librarian struct {
	catalog
	mu     sync.Mutex
	missed []time.Time
}

func (l *librarian) Compile(name, version, text string) (*offprint.Report, error) {
	r, err := l.catalog.Compile(name, version, text)
	if errors.Is(err, offprint.ErrUnknownVersion) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.missed = append(l.missed, time.Now())
	}
	return r, err
}

func (l *librarian) times() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.missed)
}

// office is one of several desks over one ledger and store; start lets it
// make one run at a time until the test ends.
func office(t *testing.T, url string, blobs offprint.Blobs, c offprint.Catalog, tried func(desk.Attempt)) (d *desk.Desk, start func()) {
	t.Helper()
	l, err := ledger.Open(t.Context(), url, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	d = desk.New(desk.Config{Catalog: c, Formats: []offprint.Format{csv.Format}, Ledger: l, Blobs: blobs, Drain: time.Second, Tried: tried})
	working := false
	t.Cleanup(func() {
		if stop(); working {
			if err := <-worked; err != nil {
				t.Errorf("work: %v", err)
			}
		}
		if err := errors.Join(l.Check(context.WithoutCancel(t.Context())), l.Close()); err != nil {
			t.Error(err)
		}
	})
	return d, func() {
		working = true
		go func() { worked <- d.Work(ctx, 1) }()
	}
}

// TestWhoeverHasTheVersionMakesIt has a process of the old release and one of
// the new share a ledger: the old one cannot make what is asked of the new.
func TestWhoeverHasTheVersionMakesIt(t *testing.T) {
	url, blobs := pgtest.URL(t), new(blob.Mem)
	second := numbers(counter{rows: 3})
	second.Version = "2"
	end := make(chan struct{})
	slow := numbers(counter{rows: 1, at: func(ctx context.Context, _ int) error {
		select {
		case <-end:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	slow.Name = "slow"
	shelf := &librarian{catalog: catalog{numbers(counter{rows: 1}), slow}}
	old, startOld := office(t, url, blobs, shelf, func(a desk.Attempt) {
		if a.Report == "numbers" {
			t.Errorf("the old release tried it: %v", a.Err)
		}
	})
	young, startYoung := office(t, url, blobs, catalog{second}, nil)
	startOld()
	run := submit(t, young, ann, desk.Ask{})
	for patience := time.Now().Add(time.Minute); len(shelf.times()) < 2; { // it comes back, and not at once
		if time.Now().After(patience) {
			t.Fatal("the old release never takes it again")
		}
		waiting := until(t, young, ann, run.ID, func(r offprint.Run) bool { return !r.NextAttempt.IsZero() })
		if waiting.State != offprint.Queued || waiting.Attempt() != 1 || waiting.Problem != nil {
			t.Fatalf("it is %s in attempt %d, %v", waiting.State, waiting.Attempt(), waiting.Problem)
		}
		time.Sleep(50 * time.Millisecond)
	}
	until(t, old, ann, submit(t, old, ann, desk.Ask{Report: "slow"}).ID, func(r offprint.Run) bool { return r.State == offprint.Running })
	startYoung()
	made := until(t, young, ann, run.ID, final)
	if made.State != offprint.Succeeded || made.Attempt() != 1 || made.Version != "2" {
		t.Errorf("it is %s in attempt %d, %v", made.State, made.Attempt(), made.Problem)
	}
	if got := content(t, old, ann, run.ID); got != "N\r\n0\r\n1\r\n2\r\n" {
		t.Errorf("made %q", got)
	}
	close(end)
	missed := shelf.times()
	for i, at := range missed[1:] {
		if pause := at.Sub(missed[i]); pause < 1900*time.Millisecond {
			t.Errorf("it came back after %v", pause)
		}
	}
	t.Logf("handed on %d times", len(missed))
}
