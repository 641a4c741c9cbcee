package ledger

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// TestRunsAreMadeInTheOrderTheyCame asks in one batch, whose keys are in
// another order, and hands the second back once it has been taken.
func TestRunsAreMadeInTheOrderTheyCame(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		const n = 5
		holding := make(chan struct{})
		f.set("accept: before commit", func() error { // all others in one batch behind this one
			f.set("accept: before commit", nil)
			close(holding)
			b.eventually("all wait", func() bool { return len(l.asked) == n })
			return nil
		})
		first := make(chan string, 1)
		go func() { a, _ := l.Accept(t.Context(), ask()); first <- a.Run.ID }()
		<-holding
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				if _, err := l.Accept(t.Context(), keyed(fmt.Sprint(i), "")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		<-first
		runs, _, err := l.List(t.Context(), Filter{})
		if err != nil || len(runs) != n+1 {
			t.Fatalf("%d runs, %v", len(runs), err)
		}
		want := make([]string, 0, n+1)
		for _, r := range slices.Backward(runs) {
			want = append(want, r.ID)
		}
		var mu sync.Mutex
		var order []string
		b.work(l, Workers{Slots: 1, Make: func(_ context.Context, j *Job) (Made, error) {
			mu.Lock()
			defer mu.Unlock()
			if j.Run.ID == want[1] && j.Run.Failures == 0 {
				return Made{}, fmt.Errorf("oops")
			}
			order = append(order, j.Run.ID)
			return csvOf(j), nil
		}})
		b.untilState(l, want[n], offprint.Succeeded)
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(order, want) {
			t.Errorf("made %v\nasked %v", order, want)
		}
	})
}

func TestADrainHandsNothingOnAndOn(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		telling, tell, m := make(chan struct{}, 10), make(chan struct{}), newMakeWhen()
		stop := b.work(l, Workers{Slots: 2, Make: m.make, Tell: func(context.Context, offprint.Notice) error {
			telling <- struct{}{}
			<-tell
			return nil
		}})
		a := ask()
		a.Run.Notify = addressees("x:y")
		b.accept(l, a)
		receive(b, m.began, "begun")
		m.let <- struct{}{}
		receive(b, telling, "a slow notice")
		b.accept(l, ask())
		receive(b, m.began, "another began")
		var stopped sync.WaitGroup
		stopped.Go(stop)
		time.Sleep(100 * time.Millisecond)
		ids := make([]string, 5)
		for i := range ids {
			ids[i] = b.accept(l, ask())
		}
		time.Sleep(time.Second)
		close(m.let)
		close(tell)
		stopped.Wait()
		for _, id := range ids {
			if r, err := l.get(t.Context(), id); err != nil || r.epoch > 2 || r.State != offprint.Queued {
				t.Errorf("it is %s and was handed on %d times, %v", r.State, r.epoch-1, err)
			}
		}
	})
}

func TestADeafMakeKeepsNoSlotAndNoDrain(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		l.grace = 100 * time.Millisecond
		m := newMakeWhen()
		stop := b.work(l, Workers{Slots: 1, Drain: 100 * time.Millisecond, Make: m.makeDeaf})
		defer close(m.let)
		canceled := b.accept(l, ask())
		receive(b, m.began, "begun")
		if _, err := l.Cancel(t.Context(), canceled); err != nil {
			t.Fatal(err)
		}
		next := b.accept(l, ask())
		if j := receive(b, m.began, "the next began"); j.Run.ID != next {
			t.Errorf("%s began, want %s", j.Run.ID, next)
		}
		asked := time.Now()
		stop()
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if r := b.get(l, next); r.State != offprint.Queued || r.Losses != 0 {
			t.Errorf("it is %s with %d losses", r.State, r.Losses)
		}
	})
}

// TestARunTakenAsADrainEndsIsHandedBack starts a run while its process goes
// down, and has it taken only when the time for that is over.
func TestARunTakenAsADrainEndsIsHandedBack(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		m := newMakeWhen()
		starting, start := make(chan struct{}), make(chan struct{})
		f.set("start: after commit", func() error {
			close(starting)
			<-start
			return nil
		})
		stop := b.work(l, Workers{Slots: 1, Drain: time.Millisecond, Make: m.make})
		id := b.accept(l, ask())
		receive(b, starting, "it starts")
		asked := time.Now()
		var stopped sync.WaitGroup
		stopped.Go(stop)
		time.Sleep(200 * time.Millisecond)
		close(start)
		stopped.Wait()
		if took := time.Since(asked); took > 10*time.Second {
			t.Errorf("the drain took %v", took)
		}
		if r := b.get(l, id); r.State != offprint.Queued || r.Losses != 0 {
			t.Errorf("it is %s with %d losses", r.State, r.Losses)
		}
	})
}

func TestALedgerByAnotherNameHasTheSameLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	real, other := filepath.Join(dir, "real.db"), filepath.Join(dir, "other.db")
	if err := os.Symlink(real, other); err != nil {
		t.Fatal(err)
	}
	o := quick()
	o.Exclusive = true
	for i, paths := range [][2]string{{other, real}, {real, other}} { // the first finds no file behind the link yet
		l, err := Open(t.Context(), "sqlite:"+paths[0], o)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{T: t}
		_, err = Open(t.Context(), "sqlite:"+paths[1], o)
		b.wantCode(err, offprint.NotConfigured)
		if err := l.Close(); err != nil {
			t.Errorf("close %d: %v", i, err)
		}
	}
}

// TestListsReadNoMoreThanTheyShow looks at how SQLite finds the ids of a page;
// PostgreSQL has the same indexes.
func TestListsReadNoMoreThanTheyShow(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: migrated(t)}
	l := b.open(quick())
	ann := Filter{User: "ann", Tenant: "acme"}
	tests := []struct {
		change func(*Filter)
		want   string // in the plan
	}{
		{func(*Filter) {}, "r USING COVERING INDEX runs_of_user (tenant=? AND user_id=?)"},
		{func(f *Filter) { f.States = []offprint.State{offprint.Failed, offprint.Running} }, "r USING COVERING INDEX runs_of_user_by_state (tenant=? AND user_id=? AND state=?)"},
		{func(f *Filter) { f.States, f.Cursor = []offprint.State{offprint.Failed}, "cnVuXw" }, "r USING COVERING INDEX runs_of_user_by_state (tenant=? AND user_id=? AND state=? AND id<?)"},
		{func(f *Filter) { f.Report = "orders" }, "r USING INDEX runs_of_user (tenant=? AND user_id=?)"},
		{func(f *Filter) { f.Metadata = map[string]string{"order": "17"} }, "m USING PRIMARY KEY (name=? AND value=?)"},
	}
	for _, tt := range tests {
		f := ann
		tt.change(&f)
		q, err := f.query(51)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := l.reader.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+q.String(), q.args...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		var id, parent, unused int
		for rows.Next() {
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, step)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !strings.Contains(text, tt.want) || strings.Contains(text, "SCAN r") {
			t.Errorf("%+v:\n%s\nwant %s", f, text, tt.want)
		}
	}
}
