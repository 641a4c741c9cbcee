package ledger

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// A hidden source is one that tests let go down and come back. Whoever reads
// it says so and waits to be told what comes of it.
type hidden struct {
	began chan *Job
	says  chan error    // nil: rows, to the end
	skew  *atomic.Int64 // of everybody's clock
	tries atomic.Int64  // to reach it
}

func newHidden() *hidden {
	return &hidden{began: make(chan *Job, 100), says: make(chan error), skew: new(atomic.Int64)}
}

func (h *hidden) make(ctx context.Context, j *Job) (Made, error) {
	if j.Run.Reads != "shop" {
		return csvOf(j), nil
	}
	h.tries.Add(1)
	h.began <- j
	select {
	case err := <-h.says:
		return csvOf(j), err
	case <-ctx.Done():
		return Made{}, context.Cause(ctx)
	}
}

// options are those of a ledger whose clock the test moves, with so many
// places at the shop.
func (h *hidden) options(most int) Options {
	o := reaped(most)
	o.Lease = time.Minute // nobody is lost, however busy the machine is
	o.Now = func() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) }
	return o
}

func (h *hidden) pass(d time.Duration) { h.skew.Add(int64(d)) }

// nodes are several that try again after an hour, at work.
func (h *hidden) nodes(b *bench, n, most int) []*Ledger {
	nodes := make([]*Ledger, n)
	for i := range nodes {
		nodes[i] = b.open(h.options(most))
		nodes[i].backoff = func(int) time.Duration { return time.Hour }
		b.work(nodes[i], Workers{Slots: 4, Drain: time.Millisecond, Make: h.make})
	}
	return nodes
}

func outOfReach() error {
	err := offprint.Errorf(offprint.SourceUnavailable, "Your order 4711 is kept.")
	err.Title = "The shop database did not answer"
	return err
}

// goesDown lets a first run find the shop out of reach.
func (h *hidden) goesDown(b *bench, l *Ledger) offprint.Run {
	b.Helper()
	id := b.accept(l, ask())
	receive(b, h.began, "the first")
	h.says <- outOfReach()
	return b.until(l, id, "tried again later", func(r offprint.Run) bool { return !r.NextAttempt.IsZero() })
}

// another is a run of another report of the same source.
func (b *bench) another(l *Ledger) string {
	b.Helper()
	a := ask()
	a.Run.Report, a.Run.Who.User = "invoices", "ben"
	return b.accept(l, a)
}

// noneElse holds that nobody began: somebody of another source, who came
// later, has been made by then.
func (h *hidden) noneElse(b *bench, l *Ledger) {
	b.Helper()
	b.untilState(l, b.elsewhere(l), offprint.Succeeded)
	if n := len(h.began); n > 0 {
		b.Fatalf("%d more began", n)
	}
}

func TestASourceThatIsDownIsProbedByOne(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		h := newHidden()
		l := h.nodes(b, 2, 0)[0]
		first := h.goesDown(b, l)
		ids := make([]string, 8)
		for i := range ids {
			ids[i] = b.another(l)
		}
		b.eventually("they are held", func() bool { return b.held(l) == len(ids) })
		line, err := l.Line(t.Context())
		if err != nil || len(line.Waiting) != len(ids) || slices.ContainsFunc(line.Waiting, func(s Standing) bool { return !s.Down }) {
			t.Errorf("the line: %+v, %v", line, err)
		}
		told := map[string]offprint.Run{}
		for _, id := range ids {
			r := b.until(l, id, "told", func(r offprint.Run) bool { return !r.RetryUntil.IsZero() })
			if told[id] = r; r.State != offprint.Queued || r.Attempt() != 1 || !r.NextAttempt.Equal(first.NextAttempt) || r.Revision < 2 {
				t.Errorf("it is %s at attempt %d, revision %d, next try at %v, want %v", r.State, r.Attempt(), r.Revision, r.NextAttempt, first.NextAttempt)
			}
			if r.Problem == nil || r.Problem.Title != "The shop database did not answer" || r.Problem.Code != offprint.SourceUnavailable ||
				r.Problem.Detail != "Your request is kept, and made once it answers again." || r.Problem.TraceID != "" {
				t.Errorf("it is told %+v", r.Problem)
			}
		}
		h.noneElse(b, l)

		h.pass(2 * time.Hour) // and its probe finds it down
		if j := receive(b, h.began, "a probe"); j.Run.ID != ids[0] {
			t.Errorf("%s is the probe, want the oldest", j.Run.ID)
		}
		h.noneElse(b, l)
		h.says <- outOfReach()
		for _, id := range ids {
			r := b.until(l, id, "told of it", func(r offprint.Run) bool {
				return r.NextAttempt.After(first.NextAttempt) && r.Revision > told[id].Revision
			})
			if !r.RetryUntil.Equal(told[id].RetryUntil) && id != ids[0] {
				t.Errorf("it is tried until %v, and was until %v", r.RetryUntil, told[id].RetryUntil)
			}
		}
		h.noneElse(b, l)

		h.pass(2 * time.Hour) // and its probe has rows
		j := receive(b, h.began, "another probe")
		if j.Run.ID != ids[1] {
			t.Errorf("%s is the probe, want the oldest that is held", j.Run.ID)
		}
		h.noneElse(b, l)
		j.Report(offprint.Writing, offprint.Progress{Rows: 1})
		for range 6 {
			if j := receive(b, h.began, "who was held"); j.Run.Attempt() != 1 {
				t.Errorf("attempt %d", j.Run.Attempt())
			}
		}
		for range 7 {
			h.says <- nil
		}
		for _, id := range ids[1:] {
			if r := b.untilState(l, id, offprint.Succeeded); r.Attempt() != 1 || r.Failures+r.Losses+r.Outages > 0 || !r.NextAttempt.IsZero() || r.Problem != nil {
				t.Errorf("in the end: attempt %d, %d outages, %v", r.Attempt(), r.Outages, r.Problem)
			}
		}
		if n := h.tries.Load(); n != 9 {
			t.Errorf("it was tried %d times, want 9", n)
		}
	})
}

// TestProbesThatSayNothing ends the probe before anything is known of the
// source: the next goes ahead at once, and alone.
func TestProbesThatSayNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		h := newHidden()
		l := h.nodes(b, 1, 0)[0]
		h.goesDown(b, l)
		ids := make([]string, 5)
		for i := range ids {
			ids[i] = b.another(l)
		}
		b.eventually("they are held", func() bool { return b.held(l) == len(ids) })
		h.pass(2 * time.Hour)
		for i, end := range []func(id string){
			func(id string) {
				if _, err := l.Cancel(t.Context(), id); err != nil {
					t.Fatal(err)
				}
			},
			func(string) { h.says <- offprint.Errorf(offprint.BadQuery, "No.") },
			func(string) { h.says <- offprint.Errorf(offprint.StorageUnavailable, "It is full.") },
			func(string) { h.says <- nil },
		} {
			if j := receive(b, h.began, "a probe"); j.Run.ID != ids[i] {
				t.Errorf("%s is probe %d, want %s", j.Run.ID, i, ids[i])
			}
			h.noneElse(b, l)
			end(ids[i])
		}
		receive(b, h.began, "the last")
		h.says <- nil
		b.untilState(l, ids[4], offprint.Succeeded)
	})
}

func TestAProbeThatIsLostIsReplaced(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		h := newHidden()
		dead := b.silent()
		dead.o.Now, dead.grace = h.options(0).Now, time.Hour
		o := h.options(0)
		o.Lease = quick().Lease
		l := b.open(o)
		l.backoff = func(int) time.Duration { return time.Hour }
		stop := b.work(l, Workers{Slots: 4, Drain: time.Millisecond, Make: h.make})
		h.goesDown(b, l)
		stop()
		zombie := newMakeWhen()
		stop = b.work(dead, Workers{Slots: 1, Drain: time.Millisecond, Make: zombie.makeDeaf})
		defer stop()
		defer close(zombie.let)
		h.pass(2 * time.Hour)
		ids := []string{b.another(l), b.another(l), b.another(l)}
		if j := receive(b, zombie.began, "the probe"); j.Run.ID != ids[0] {
			t.Errorf("%s is the probe", j.Run.ID)
		}
		b.work(l, Workers{Slots: 4, Drain: time.Millisecond, Make: h.make})
		b.eventually("the others are held", func() bool { return b.held(l) == 2 })
		if j := receive(b, h.began, "another probe"); j.Run.ID != ids[0] || j.Run.Losses != 1 {
			t.Errorf("%s is the probe, after %d losses", j.Run.ID, j.Run.Losses)
		}
		h.noneElse(b, l)
		h.says <- nil
		for range ids[1:] {
			receive(b, h.began, "the others")
			h.says <- nil
		}
		for _, id := range ids[1:] {
			if r := b.untilState(l, id, offprint.Succeeded); r.Losses > 0 {
				t.Errorf("%d losses", r.Losses)
			}
		}
	})
}

func TestRunsThatAreHeldForTooLongAreGivenUp(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		h := newHidden()
		l := b.open(h.options(0))
		l.backoff = func(int) time.Duration { return 100 * time.Hour }
		b.work(l, Workers{Slots: 4, Drain: time.Millisecond, Make: h.make})
		first := b.accept(l, ask())
		receive(b, h.began, "the first")
		h.says <- outOfReach()
		b.untilState(l, first, offprint.Failed) // its next try would come too late
		a := ask()
		a.Run.Notify = addressees("x:y")
		held := b.accept(l, a)
		b.until(l, held, "told", func(r offprint.Run) bool { return !r.RetryUntil.IsZero() })
		h.pass(20 * time.Hour)
		late := b.another(l)
		b.until(l, late, "told", func(r offprint.Run) bool { return !r.RetryUntil.IsZero() })
		h.pass(5 * time.Hour)
		for _, id := range []string{first, held} {
			r := b.untilState(l, id, offprint.Failed)
			if r.Problem.Code != offprint.SourceUnavailable || r.Problem.Title != "The shop database did not answer" || r.Problem.TraceID == "" ||
				r.Problem.Detail != "It was tried again for as long as this server does. Make the report again when that is mended." || r.Attempt() != 1 {
				t.Errorf("after attempt %d: %+v", r.Attempt(), r.Problem)
			}
		}
		notices, err := l.Notices(t.Context(), held)
		if err != nil || len(notices) != 1 || notices[0].Event != "run.failed" {
			t.Errorf("notices %v, %v", notices, err)
		}
		if r := b.get(l, late); r.State != offprint.Queued {
			t.Errorf("who came later is %s", r.State)
		}
	})
}

// TestAttemptsThatFailTogetherAreOneOutage counts how often the source was
// found out of reach by the pauses that grow with that.
func TestAttemptsThatFailTogetherAreOneOutage(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		h := newHidden()
		l := b.open(h.options(0))
		l.backoff = func(tries int) time.Duration { return time.Duration(tries) * time.Hour }
		b.work(l, Workers{Slots: 4, Drain: time.Millisecond, Make: h.make})
		ids := make([]string, 4)
		for i := range ids {
			ids[i] = b.accept(l, ask())
			receive(b, h.began, "begun")
		}
		for range ids {
			h.says <- outOfReach()
		}
		var next []time.Time
		for _, id := range ids {
			r := b.until(l, id, "tried again later", func(r offprint.Run) bool { return !r.NextAttempt.IsZero() })
			next = append(next, r.NextAttempt)
		}
		if next = slices.Compact(next); len(next) != 1 || time.Until(next[0]) > time.Hour {
			t.Errorf("they are tried again at %v", next)
		}
	})
}

// TestPlacesComeBackWithTheSource has two places at a source that was down:
// of those who were held no more than two are made at once, and the others are
// told that they only wait in line.
func TestPlacesComeBackWithTheSource(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		h := newHidden()
		l := h.nodes(b, 2, 2)[1]
		h.goesDown(b, l)
		ids := make([]string, 6)
		revisions := map[string]int64{}
		for i := range ids {
			ids[i] = b.another(l)
		}
		for _, id := range ids {
			revisions[id] = b.until(l, id, "told", func(r offprint.Run) bool { return !r.RetryUntil.IsZero() }).Revision
		}
		h.pass(2 * time.Hour)
		j := receive(b, h.began, "a probe")
		j.Report(offprint.Writing, offprint.Progress{Rows: 1})
		receive(b, h.began, "one more")
		for _, id := range ids[2:] {
			b.until(l, id, "in line", func(r offprint.Run) bool {
				return r.NextAttempt.IsZero() && r.Problem == nil && r.Revision > revisions[id]
			})
		}
		h.noneElse(b, l)
		for i := range ids {
			if h.says <- nil; i < 4 {
				receive(b, h.began, fmt.Sprint("number ", i+2))
			}
		}
		for _, id := range ids {
			b.untilState(l, id, offprint.Succeeded)
		}
	})
}
