package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func TestListIsPagedNewestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		var all []string
		for range 7 {
			all = append(all, b.accept(l, ask()))
		}
		slices.Reverse(all)
		var got []string
		f := Filter{User: "ann", Tenant: "acme", Limit: 3}
		for pages := 1; ; pages++ {
			runs, next, err := l.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range runs {
				got = append(got, r.ID)
			}
			if next == "" {
				if pages != 3 {
					t.Errorf("%d pages, want 3", pages)
				}
				break
			}
			f.Cursor = next
			b.accept(l, ask()) // what comes in between shifts nothing
		}
		if !slices.Equal(got, all) {
			t.Errorf("listed %v\nwant %v", got, all)
		}
		for _, cursor := range []string{"nonsense!", "bm9uc2Vuc2U"} {
			_, _, err := l.List(t.Context(), Filter{Cursor: cursor})
			b.wantCode(err, offprint.Invalid)
		}
	})
}

func TestFilters(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		long := strings.Repeat("x", 3000)
		runs := map[string]string{} // names by id
		add := func(name string, change func(*offprint.Run)) {
			a := ask()
			change(&a.Run)
			runs[b.accept(l, a)] = name
		}
		add("plain", func(*offprint.Run) {})
		add("bob", func(r *offprint.Run) { r.Who.User = "bob" })
		add("alone", func(r *offprint.Run) { r.Who.Tenant = "" })
		add("stock", func(r *offprint.Run) { r.Report = "stock" })
		add("labeled", func(r *offprint.Run) { r.Metadata = map[string]string{"order": "17", "shop": "b"} })
		add("long", func(r *offprint.Run) { r.Metadata = map[string]string{"order": long} })
		add("canceled", func(*offprint.Run) {})
		for id, name := range runs {
			if name != "canceled" {
				continue
			}
			if _, err := l.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		open := []offprint.State{offprint.Queued, offprint.Running}
		tests := []struct {
			filter Filter
			want   string
		}{
			{Filter{}, "alone bob canceled labeled long plain stock"},
			{Filter{User: "ann", Tenant: "acme"}, "canceled labeled long plain stock"},
			{Filter{User: "ann"}, "alone"},
			{Filter{Tenant: "acme"}, "bob canceled labeled long plain stock"},
			{Filter{User: "ann", Tenant: "acme", States: open}, "labeled long plain stock"},
			{Filter{States: []offprint.State{offprint.Canceled, offprint.Failed}}, "canceled"},
			{Filter{Report: "stock"}, "stock"},
			{Filter{Metadata: map[string]string{"order": "17"}}, "labeled"},
			{Filter{Metadata: map[string]string{"order": "17", "shop": "b"}}, "labeled"},
			{Filter{Metadata: map[string]string{"order": "17", "shop": "c"}}, ""},
			{Filter{Metadata: map[string]string{"order": long}}, "long"},
		}
		for _, tt := range tests {
			found, _, err := l.List(t.Context(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range found {
				names = append(names, runs[r.ID])
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("%+.100v: %q, want %q", tt.filter, got, tt.want)
			}
		}
	})
}

func TestChangedAreTheOpenRunsAndWhatEndedSince(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		clock := newClock()
		o := quick()
		o.Now = clock.now
		l := b.open(o)
		canceled := func() string {
			id := b.accept(l, ask())
			if _, err := l.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			return id
		}
		open := b.accept(l, ask())
		canceled()
		clock.add(time.Hour)
		since := clock.now()
		want := []string{open, canceled()}
		runs, err := l.Changed(t.Context(), "ann", "acme", since)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range runs {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("changed %v, want %v", got, want)
		}
		if runs, err := l.Changed(t.Context(), "bob", "acme", since); err != nil || len(runs) != 0 {
			t.Errorf("bob's: %v, %v", runs, err)
		}
	})
}

func TestAhead(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		ids := []string{b.accept(l, ask()), b.accept(l, ask()), b.accept(l, ask())}
		if _, err := l.Cancel(t.Context(), ids[1]); err != nil {
			t.Fatal(err)
		}
		b.untilAhead(l, ids[0], 0)
		b.untilAhead(l, ids[2], 1)
		next := []string{b.accept(l, ask()), b.accept(l, ask())}
		if n := b.ahead(l, next[1]); n != 3 {
			t.Errorf("%d before a run that was just accepted, want 3", n)
		}
	})
}

// TestACrowdThatIsHeldHidesNobodyWhoWaits holds more runs of one source than
// places are told apart.
func TestACrowdThatIsHeldHidesNobodyWhoWaits(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(unreaped(1))
		const crowd = maxAhead + 10
		if _, errs := together(crowd, func(int) (Accepted, error) { return l.Accept(t.Context(), ask()) }); errors.Join(errs...) != nil {
			t.Fatal(errors.Join(errs...))
		}
		m := newMakeWhen()
		b.work(l, Workers{Slots: 2, Drain: time.Millisecond, Make: m.make})
		b.eventually("all but one are held", func() bool { return b.held(l) == crowd-1 })
		receive(b, m.began, "one")
		b.elsewhere(l)
		receive(b, m.began, "one of another source")
		ids := []string{b.elsewhere(l), b.elsewhere(l), b.elsewhere(l)}
		l.order.mu.Lock()
		l.order.read = time.Time{} // what was accepted here is read, not remembered
		l.order.mu.Unlock()
		for i, id := range ids {
			if n := b.ahead(l, id); n != i {
				t.Errorf("%d are before number %d", n, i)
			}
		}
		if n := b.ahead(l, b.accept(l, ask())); n != maxAhead {
			t.Errorf("%d are before one more of the crowd, want %d", n, maxAhead)
		}
	})
}

func (b *bench) ahead(l *Ledger, id string) int {
	b.Helper()
	run, err := l.Get(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	n, err := l.Ahead(b.Context(), &run)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func (b *bench) untilAhead(l *Ledger, id string, want int) {
	b.Helper()
	b.eventually(fmt.Sprintf("%d are before %s", want, id), func() bool { return b.ahead(l, id) == want })
}

// TestTheLine has one run that is made, one that waits for another try, and
// some that wait.
func TestTheLine(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		l.backoff = func(int) time.Duration { return time.Hour }
		m := newMakeWhen()
		due := time.UnixMicro(1_800_000_000_000_000).UTC()
		b.work(l, Workers{Slots: 1, Make: func(ctx context.Context, j *Job) (Made, error) {
			if j.Run.Report == "broken" {
				return Made{}, errors.New("oops")
			}
			j.Report(offprint.Querying, offprint.Progress{Forecast: offprint.Forecast{Due: due, Then: time.Minute}})
			return m.make(ctx, j)
		}})
		broken := ask()
		broken.Run.Report = "broken"
		later := b.accept(l, broken)
		b.until(l, later, "waits for another try", func(r offprint.Run) bool { return !r.NextAttempt.IsZero() })
		made := b.accept(l, ask())
		b.until(l, made, "made", func(r offprint.Run) bool { return r.Progress.Left(due) == time.Minute })
		waits := []string{b.accept(l, ask()), b.accept(l, ask())}
		line, err := l.Line(t.Context())
		if err != nil || len(line.Running) != 1 || len(line.Waiting) != 2 || line.More {
			t.Fatalf("%+v, %v", line, err)
		}
		asked := ask().Run
		if r := line.Running[0]; r.ID != made || r.Started.IsZero() || r.Due != due || r.Then != time.Minute || r.Format != asked.Format || r.Wanted != WantedOf(&asked) {
			t.Errorf("%+v", r)
		}
		for i, w := range line.Waiting {
			if w.ID != waits[i] || !w.Started.IsZero() || !w.Due.IsZero() || w.Tenant != "acme" {
				t.Errorf("%+v", w)
			}
			b.untilAhead(l, w.ID, i)
		}
		close(m.let)
		b.untilState(l, waits[1], offprint.Succeeded)
	})
}

func TestWatch(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		id, other := b.accept(l, ask()), b.accept(l, ask())
		one, both, all := l.Watch(id), l.Watch(id, other), l.Watch()
		mine, bobs := l.WatchUser("acme", "ann"), l.WatchUser("acme", "bob")
		more, less := l.WatchUser("acme", "bob"), l.Watch(id)
		more.Also(other)
		more.Also(other)
		less.Also(other)
		less.Not(other)
		for _, id := range []string{id, other} {
			if _, err := l.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		for name, tt := range map[string]struct {
			watch *Watch
			want  []string
		}{"one": {one, []string{id}}, "both": {both, []string{id, other}}, "all": {all, []string{id, other}}, "ann's": {mine, []string{id, other}}, "also": {more, []string{other}}, "not": {less, []string{id}}} {
			receive(b, tt.watch.C, name)
			got := tt.watch.Take()
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v, want %v", name, got, tt.want)
			}
			if again := tt.watch.Take(); len(again) != 0 {
				t.Errorf("%s: taken again %v", name, again)
			}
		}
		if got := bobs.Take(); len(got) != 0 {
			t.Errorf("bob's: %v", got)
		}
		one.Close()
		b.accept(l, ask())
		if got := one.Take(); len(got) != 0 {
			t.Errorf("after Close: %v", got)
		}
		for _, w := range []*Watch{both, all, mine, bobs, more, less} {
			w.Close()
		}
		if !l.hub.idle() {
			t.Error("closed watches are kept")
		}
	})
}

func TestWatchAcrossProcesses(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: pgURL(t)}
	maker, web := b.open(quick()), b.open(quick())
	w := web.WatchUser("acme", "ann")
	defer w.Close()
	b.eventually("it listens", func() bool {
		b.accept(maker, ask())
		select {
		case <-w.C:
			return true
		case <-time.After(100 * time.Millisecond):
			return false
		}
	})
	var slowest time.Duration
	for range 20 {
		w.Take()
		start := time.Now()
		id := b.accept(maker, ask())
		for !slices.Contains(w.Take(), id) {
			receive(b, w.C, "a nudge")
		}
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("the slowest of 20 nudges took %v", slowest)
	if slowest > 2*time.Second {
		t.Errorf("the slowest of 20 nudges took %v; the poll alone would take 5 s", slowest)
	}
}

func TestPayloadsAreShortEnough(t *testing.T) {
	changes := make([]change, 500)
	for i := range changes {
		changes[i] = change{NewID(), userKey("acme", fmt.Sprint(i))}
	}
	l := &Ledger{node: "me"}
	var got []change
	for _, p := range payloads("you", changes) {
		if len(p) >= 8000 {
			t.Errorf("a payload of %d bytes", len(p))
		}
		got = append(got, l.heard(p)...)
		if own := l.heard("me " + p); own != nil {
			t.Errorf("hears itself")
		}
	}
	if !slices.Equal(got, changes) {
		t.Error("what was said is not what was heard")
	}
}
