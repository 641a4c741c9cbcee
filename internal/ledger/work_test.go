package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func TestMadeAndToldOnce(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		a := ask()
		a.Run.Notify = addressees("mailto:ann@a.example", "mailto:bob@a.example", "mailto:ann@a.example")
		var mu sync.Mutex
		told := map[string]int{}
		expires := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
		b.work(l, Workers{Slots: 1, Make: func(_ context.Context, j *Job) (Made, error) {
			if j.Run.State != offprint.Running || j.Run.Attempt() != 1 || j.Definition != "SELECT 1" || j.Alone {
				t.Errorf("job %+v", j)
			}
			made := csvOf(j)
			made.Warnings = []offprint.Warning{{Code: "text_cut", Detail: "Cut."}}
			made.Expires = expires
			j.At(time.UnixMicro(1000))
			return made, nil
		}, Tell: func(_ context.Context, n offprint.Notice) error {
			mu.Lock()
			defer mu.Unlock()
			if n.Run.State != offprint.Succeeded || n.Event != "run.succeeded" {
				t.Errorf("told %q of a run that is %s", n.Event, n.Run.State)
			}
			told[n.Address+n.ID]++
			return nil
		}})
		id := b.accept(l, a)
		r := b.untilState(l, id, offprint.Succeeded)
		if r.File == nil || r.File.Key != id+"/1/orders.csv" || r.File.State != offprint.Available || !r.File.Expires.Equal(expires) || r.Progress.Rows != 3 {
			t.Errorf("file %+v", r.File)
		}
		if r.Outcome != offprint.Complete || len(r.Warnings) != 1 || r.AsOf != time.UnixMicro(1000).UTC() || r.Finished.IsZero() || r.Started.IsZero() {
			t.Errorf("run %+v", r)
		}
		b.eventually("both notices are delivered", func() bool {
			notices, err := l.Notices(t.Context(), id)
			if err != nil || len(notices) != 2 {
				t.Fatalf("notices %v, %v; want one for each address", notices, err)
			}
			return notices[0].State == "delivered" && notices[1].State == "delivered"
		})
		mu.Lock()
		defer mu.Unlock()
		for who, n := range told {
			if n != 1 {
				t.Errorf("%s was told %d times", who, n)
			}
		}
	})
}

func TestSlowReportsHoldUpNoNotice(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		m := newMakeWhen()
		told := make(chan string, 1)
		b.work(l, Workers{Slots: 1, Make: m.make, Tell: func(_ context.Context, n offprint.Notice) error {
			told <- string(n.Event)
			return nil
		}})
		slow := b.accept(l, ask())
		receive(b, m.began, "begun")
		a := ask()
		a.Run.Notify = addressees("mailto:ann@a.example")
		waiting := b.accept(l, a)
		if _, err := l.Cancel(t.Context(), waiting); err != nil {
			t.Fatal(err)
		}
		if event := receive(b, told, "told"); event != "run.canceled" {
			t.Errorf("told %s", event)
		}
		close(m.let)
		b.untilState(l, slow, offprint.Succeeded)
	})
}

func TestANoticeIsTriedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		var tries atomic.Int64
		ids := make(chan string, 10)
		b.work(l, Workers{Slots: 1, Make: makeAtOnce, Tell: func(_ context.Context, n offprint.Notice) error {
			if strings.HasPrefix(n.Address, "bad") {
				return offprint.Errorf(offprint.BadParameter, "%s", "No such\x00 box\xff: "+strings.Repeat("ü", 2000)) // as a machine may answer
			}
			ids <- n.ID
			if tries.Add(1) < 3 {
				return offprint.Errorf(offprint.SourceUnavailable, "The mail server did not answer.")
			}
			return nil
		}})
		a := ask()
		a.Run.Notify = addressees("bad:x", "good:x")
		id := b.accept(l, a)
		b.untilState(l, id, offprint.Succeeded)
		var notices []NoticeRecord
		b.eventually("one is delivered, one failed", func() bool {
			var err error
			notices, err = l.Notices(t.Context(), id)
			return err == nil && len(notices) == 2 && notices[0].State == "failed" && notices[1].State == "delivered"
		})
		if n := notices[0]; n.Attempts != 1 || n.LastAnswer != "No such box\uFFFD: "+strings.Repeat("ü", 986) {
			t.Errorf("failed: %+v", n)
		}
		if n := notices[1]; n.Attempts != 3 || n.Delivered.IsZero() {
			t.Errorf("delivered: %+v", n)
		}
		first := <-ids
		if second := <-ids; first != second {
			t.Errorf("tries of one notice have the ids %s and %s", first, second)
		}
		b.wantCode(l.ReplayNotice(t.Context(), id, "ntc_none"), offprint.NotFound)
		if err := l.ReplayNotice(t.Context(), id, notices[1].ID); err != nil {
			t.Fatal(err)
		}
		b.eventually("told a fourth time", func() bool { return tries.Load() == 4 })
		b.eventually("delivered again", func() bool {
			now, err := l.Notices(t.Context(), id)
			return err == nil && now[1].State == "delivered"
		})
	})
}

func TestErrorsDecide(t *testing.T) {
	unavailable := offprint.Errorf(offprint.SourceUnavailable, "The shop database did not answer.")
	badQuery := offprint.Errorf(offprint.BadQuery, "The query is wrong.")
	tests := []struct {
		name     string
		errs     []error // one an attempt, then it works
		giveUp   time.Duration
		state    offprint.State
		code     offprint.Code
		attempt  int // 0: any
		failures int
	}{
		{name: "what is internal is tried again", errs: []error{errors.New("oops"), errors.New("oops")}, state: offprint.Succeeded, attempt: 3, failures: 2},
		{name: "and counted", errs: []error{errors.New("1"), errors.New("2"), errors.New("3")}, state: offprint.Failed, code: offprint.Internal, attempt: 3, failures: 3},
		{name: "a panic is internal", errs: []error{errPanic}, state: offprint.Succeeded, attempt: 2, failures: 1},
		{name: "so is a goroutine that ends", errs: []error{errExit}, state: offprint.Succeeded, attempt: 2, failures: 1},
		{name: "a source that is down is not", errs: []error{unavailable, unavailable, unavailable, unavailable}, state: offprint.Succeeded, attempt: 5},
		{name: "until give_up", errs: []error{unavailable, unavailable}, giveUp: time.Nanosecond, state: offprint.Failed, code: offprint.SourceUnavailable}, // at the first attempt or the second
		{name: "a bad query is final", errs: []error{fmt.Errorf("query: %w", badQuery)}, state: offprint.Failed, code: offprint.BadQuery, attempt: 1},
		{name: "an unknown version comes back", errs: []error{fmt.Errorf("compile: %w", offprint.ErrUnknownVersion)}, state: offprint.Succeeded, attempt: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				o := quick()
				if tt.giveUp > 0 {
					o.GiveUp = tt.giveUp
				}
				l := b.open(o)
				var tries atomic.Int64
				b.work(l, Workers{Slots: 1, Make: func(_ context.Context, j *Job) (Made, error) {
					try := int(tries.Add(1)) - 1
					if try >= len(tt.errs) {
						return csvOf(j), nil
					}
					return Made{}, raise(tt.errs[try])
				}})
				a := ask()
				a.Run.MaxAttempts, a.Run.Notify = 3, addressees("x:y")
				id := b.accept(l, a)
				r := b.until(l, id, "final", func(r offprint.Run) bool { return r.State.Final() })
				if r.State != tt.state || tt.attempt > 0 && r.Attempt() != tt.attempt || r.Failures != tt.failures || r.Losses != 0 {
					t.Errorf("%s after attempt %d, %d failures; want %s, %d, %d", r.State, r.Attempt(), r.Failures, tt.state, tt.attempt, tt.failures)
				}
				if tt.code == "" && r.Problem != nil || tt.code != "" && (r.Problem == nil || r.Problem.Code != tt.code || r.Problem.TraceID == "") {
					t.Errorf("problem %+v, want %q", r.Problem, tt.code)
				}
				if r.Problem != nil && strings.Contains(r.Problem.Detail, "query:") {
					t.Errorf("the asker would read %q", r.Problem.Detail)
				}
			})
		})
	}
}

var (
	errPanic = errors.New("panic")
	errExit  = errors.New("exit")
)

func raise(err error) error {
	switch err {
	case errPanic:
		panic("oops")
	case errExit:
		runtime.Goexit()
	}
	return err
}

func TestBackoffGrowsToTenMinutes(t *testing.T) {
	for tries, want := range []time.Duration{5 * time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		if got := backoff(tries); got < want || got > want+want/5 {
			t.Errorf("after %d tries %v, want %v and at most a fifth more", tries, got, want)
		}
	}
}

// TestEveryStepKeepsTheLaw tries every step on a run in every state: it
// happens if and only if Run.Move allows it, and in the right epoch alone.
func TestEveryStepKeepsTheLaw(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		steps := []struct {
			name string
			from []offprint.State
			to   offprint.State
			do   func(ctx context.Context, tx *sql.Tx, r *record) error
		}{
			{"start", []offprint.State{offprint.Queued}, offprint.Running, func(ctx context.Context, tx *sql.Tx, r *record) error {
				return l.start(ctx, tx, r, "me", true)
			}},
			{"requeue", []offprint.State{offprint.Running}, offprint.Queued, func(ctx context.Context, tx *sql.Tx, r *record) error {
				return errors.Join(l.requeue(ctx, tx, r, requeuing{}), l.cancelTicket(ctx, tx, r.ticket))
			}},
			{"finish", []offprint.State{offprint.Running}, offprint.Succeeded, func(ctx context.Context, tx *sql.Tx, r *record) error {
				r.State = offprint.Running
				e := ending{state: offprint.Succeeded, made: &Made{File: offprint.File{Key: r.ID + "/1/x"}}}
				return errors.Join(l.end(ctx, tx, r, e), l.cancelTicket(ctx, tx, r.ticket))
			}},
			{"fail", []offprint.State{offprint.Running}, offprint.Failed, func(ctx context.Context, tx *sql.Tx, r *record) error {
				r.State = offprint.Running
				e := ending{state: offprint.Failed, problem: offprint.Errorf(offprint.BadQuery, "No.")}
				return errors.Join(l.end(ctx, tx, r, e), l.cancelTicket(ctx, tx, r.ticket))
			}},
			{"cancel", []offprint.State{offprint.Queued, offprint.Running}, offprint.Canceled, func(ctx context.Context, tx *sql.Tx, r *record) error {
				return errors.Join(l.end(ctx, tx, r, ending{state: offprint.Canceled}), l.cancelTicket(ctx, tx, r.ticket))
			}},
		}
		for _, step := range steps {
			for _, state := range offprint.States {
				for _, wrong := range []int64{0, 1, -1} {
					ctx := t.Context()
					r := b.in(l, state)
					if wrong != 0 {
						r.epoch += wrong
					}
					may := wrong == 0 && slices.Contains(step.from, state)
					if may && !state.CanMove(step.to) {
						t.Fatalf("%s of a run that is %s: the law does not allow it", step.name, state)
					}
					err := l.tx(ctx, step.name, func(tx *sql.Tx) error { return step.do(ctx, tx, &r) })
					if may != (err == nil) || err != nil && !errors.Is(err, errNotOurs) {
						t.Errorf("%s of a run that is %s, epoch off by %d: %v", step.name, state, wrong, err)
					}
					got := b.get(l, r.ID)
					want := state
					if may {
						want = step.to
					}
					if got.State != want {
						t.Errorf("%s of a run that is %s, epoch off by %d: now %s, want %s", step.name, state, wrong, got.State, want)
					}
					if got.State == offprint.Running { // nobody makes it
						if _, err := l.Cancel(ctx, r.ID); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	})
}

// in is a run in the given state.
func (b *bench) in(l *Ledger, state offprint.State) record {
	b.Helper()
	ctx := b.Context()
	r, err := l.get(ctx, b.accept(l, ask()))
	if err != nil {
		b.Fatal(err)
	}
	if state == offprint.Queued {
		return r
	}
	err = l.tx(ctx, "prepare", func(tx *sql.Tx) error {
		ticket := r.ticket
		if state != offprint.Canceled {
			if err := l.start(ctx, tx, &r, "me", true); err != nil {
				return err
			}
		}
		e := ending{state: state}
		switch state {
		case offprint.Running:
			return nil
		case offprint.Succeeded:
			e.made = &Made{File: offprint.File{Key: r.ID + "/1/x"}}
		case offprint.Failed:
			e.problem = offprint.Errorf(offprint.BadQuery, "No.")
		}
		return errors.Join(l.end(ctx, tx, &r, e), l.cancelTicket(ctx, tx, ticket))
	})
	if err != nil {
		b.Fatal(err)
	}
	r.State = state
	return r
}

func TestProgressIsStoredAndPercentNeverFalls(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		m := newMakeWhen()
		b.work(l, Workers{Slots: 1, Make: m.make})
		id := b.accept(l, ask())
		j := receive(b, m.began, "begun")
		first := b.get(l, id)
		j.At(time.UnixMicro(5000))
		j.Report(offprint.Writing, offprint.Progress{Rows: 50, RowsTotal: 100, Bytes: 7, Exact: true})
		r := b.until(l, id, "half done", func(r offprint.Run) bool { return r.Progress.Rows == 50 })
		if r.Progress.Percent() != 50 || r.Phase != offprint.Writing || r.Progress.Bytes != 7 || !r.Progress.Exact || r.Revision <= first.Revision || r.AsOf.IsZero() {
			t.Errorf("run %+v after revision %d", r, first.Revision)
		}
		j.Report(offprint.Writing, offprint.Progress{Rows: 60, RowsTotal: 1000})
		r = b.until(l, id, "further", func(r offprint.Run) bool { return r.Progress.Rows == 60 })
		if r.Progress.Percent() != 50 {
			t.Errorf("%d %%, want the 50 that were shown", r.Progress.Percent())
		}
		close(m.let)
		if end := b.untilState(l, id, offprint.Succeeded); end.Revision <= r.Revision || end.AsOf != time.UnixMicro(5000).UTC() {
			t.Errorf("revision %d after %d, as of %v", end.Revision, r.Revision, end.AsOf)
		}
	})
}

func TestCancel(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		maker, asker := b.open(quick()), b.open(quick())
		m := newMakeWhen()
		causes := make(chan error, 1)
		b.work(maker, Workers{Slots: 1, Make: func(ctx context.Context, j *Job) (Made, error) {
			made, err := m.make(ctx, j)
			causes <- err
			return made, err
		}})
		running := b.accept(asker, ask())
		receive(b, m.began, "begun")
		queued := b.accept(asker, ask())
		cancel := func(id string) offprint.Run {
			r, err := asker.Cancel(t.Context(), id)
			if err != nil || r.State != offprint.Canceled || r.Finished.IsZero() {
				t.Fatalf("cancel: %+v, %v", r, err)
			}
			return r
		}
		cancel(queued)
		asked := time.Now()
		first := cancel(running)
		if cause := receive(b, causes, "the work stopped"); !errors.Is(cause, ErrCanceled) {
			t.Errorf("the work stopped because %v, want ErrCanceled", cause)
		}
		took := time.Since(asked)
		t.Logf("work in another process stopped after %v", took)
		if took > time.Second {
			t.Errorf("it took %v to stop work in another process, want at most 1 s", took)
		}
		if again := cancel(running); again.Revision != first.Revision {
			t.Errorf("canceled again it has revision %d, want %d", again.Revision, first.Revision)
		}
		_, err := asker.Cancel(t.Context(), "run_none")
		b.wantCode(err, offprint.NotFound)
	})
}
