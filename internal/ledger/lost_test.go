package ledger

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
)

// silent is a ledger whose beats do not arrive any more: a dead process, or
// one that was frozen.
func (b *bench) silent() *Ledger {
	l, f := b.openFailing(quick())
	f.set("beat: before commit", func() error { return errCut })
	f.set("reap: before commit", func() error { return errCut })
	f.set("reissue: before commit", func() error { return errCut })
	return l
}

func TestALostWorkersRunIsTakenOver(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		frozen, other := b.silent(), b.open(quick())
		zombie, m := newMakeWhen(), newMakeWhen()
		stop := b.work(frozen, Workers{Slots: 1, Drain: time.Second, Make: zombie.makeDeaf})
		id := b.accept(frozen, ask())
		receive(b, zombie.began, "the first worker began")
		b.work(other, Workers{Slots: 1, Make: m.make})
		second := receive(b, m.began, "the second worker began")
		if second.Run.Losses != 1 || second.Run.Attempt() != 2 || second.Blob("x") != id+"/2/x" {
			t.Errorf("second %+v at %s", second.Run, second.Blob("x"))
		}
		close(zombie.let) // it comes back, finishes and is refused
		stop()
		if r := b.get(other, id); r.State != offprint.Running {
			t.Fatalf("after the zombie's end it is %s", r.State)
		}
		close(m.let)
		if r := b.untilState(other, id, offprint.Succeeded); r.File.Key != id+"/2/orders.csv" || r.Losses != 1 {
			t.Errorf("run %+v, file %+v", r, r.File)
		}
	})
}

// TestAWorkerFrozenInATransactionIsTakenOver stops a worker while it holds the
// locks of the run that it ends. Of itself a frozen process gives none back, so
// what the ledger's own time for a step does here comes too late.
func TestAWorkerFrozenInATransactionIsTakenOver(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: pgtest.URL(t)}
	o := quick()
	at, let := make(chan time.Time, 10), make(chan struct{})
	o.Fail = func(step string) error {
		switch step {
		case "finish: before commit":
			at <- time.Now()
			<-let
			return errCut
		case "beat: before commit", "reap: before commit":
			return errCut
		}
		return nil
	}
	frozen, other := b.open(o), b.open(quick())
	stop := b.work(frozen, Workers{Slots: 1, Drain: time.Millisecond, Make: makeAtOnce})
	defer stop()
	defer close(let)
	id := b.accept(other, ask())
	since := receive(b, at, "the worker stands still")
	b.work(other, Workers{Slots: 1, Make: makeAtOnce})
	if b.untilState(other, id, offprint.Succeeded); time.Since(since) > stepLimit-3*time.Second {
		t.Errorf("it was made %v after the freeze", time.Since(since))
	}
}

func TestThreeLostWorkersAreEnough(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		a := ask()
		a.Run.Notify = addressees("x:y")
		id := b.accept(l, a)
		for lost := range 3 {
			ctx := t.Context()
			r, err := l.get(ctx, id)
			if err != nil {
				t.Fatal(err)
			}
			if r.Losses != lost || r.State != offprint.Queued {
				t.Fatalf("before loss %d it is %s with %d", lost+1, r.State, r.Losses)
			}
			if err := l.tx(ctx, "start", func(tx *sql.Tx) error { return l.start(ctx, tx, &r, "dead", true) }); err != nil {
				t.Fatal(err)
			}
			if err := l.takeOver(ctx, anyLease); err != nil {
				t.Fatal(err)
			}
		}
		r := b.get(l, id)
		if r.State != offprint.Failed || r.Problem == nil || r.Problem.Code != offprint.WorkerLost || r.Losses != 3 || r.Failures != 0 {
			t.Errorf("after three losses %+v, %v", r, r.Problem)
		}
		if notices, err := l.Notices(t.Context(), id); err != nil || len(notices) != 1 || notices[0].Event != "run.failed" {
			t.Errorf("notices %+v, %v", notices, err)
		}
	})
}

func TestAfterTwoLossesARunIsMadeAlone(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		m := newMakeWhen()
		stop := b.work(l, Workers{Slots: 3, Drain: time.Second, Make: m.make})
		b.accept(l, ask())
		receive(b, m.began, "an ordinary run began")
		ctx := t.Context()
		suspect := b.accept(l, ask())
		j := receive(b, m.began, "the suspect began beside it")
		if j.Alone || j.Run.ID != suspect {
			t.Fatalf("job %+v", j.Run)
		}
		// Two workers are lost over it, and its third waits for the ordinary run.
		_, err := l.db.ExecContext(ctx, `UPDATE runs SET losses = 1 WHERE id = $1`, suspect)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.db.ExecContext(ctx, `UPDATE running SET lease_until = 0 WHERE run = $1`, suspect); err != nil {
			t.Fatal(err)
		}
		if err := l.takeOver(ctx, `run = '`+suspect+`'`); err != nil {
			t.Fatal(err)
		}
		b.until(l, suspect, "waiting its turn", func(r offprint.Run) bool { return r.State == offprint.Running && r.Losses == 2 })
		behind := b.accept(l, ask())
		b.untilState(l, behind, offprint.Running)
		select {
		case j := <-m.began:
			t.Fatalf("%s began beside another", j.Run.ID)
		case <-time.After(200 * time.Millisecond):
		}
		// Losing one that waits its turn is no loss.
		if err := l.takeOver(ctx, `run = '`+suspect+`'`); err != nil {
			t.Fatal(err)
		}
		if r := b.get(l, suspect); r.Losses != 2 {
			t.Fatalf("%d losses, want 2", r.Losses)
		}
		b.untilState(l, suspect, offprint.Running)
		for range 3 { // the ordinary run, then the two others in either order, one of them alone
			m.let <- struct{}{}
			b.eventually("one less", func() bool {
				runs, _, err := l.List(ctx, Filter{States: []offprint.State{offprint.Succeeded}})
				return err == nil && len(runs) > 0
			})
		}
		b.untilState(l, suspect, offprint.Succeeded)
		b.untilState(l, behind, offprint.Succeeded)
		stop()
	})
}

func TestKilledBetweenFetchAndStart(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		victim, f := b.openFailing(quick())
		stuck := make(chan struct{})
		f.set("start: fetched", func() error {
			<-stuck // as a dead process would: its ticket stays running
			return errCut
		})
		f.set("reissue: before commit", func() error { return errCut })
		stop := b.work(victim, Workers{Slots: 1, Drain: time.Millisecond, Make: makeAtOnce})
		id := b.accept(victim, ask())
		b.eventually("the ticket is fetched", func() bool {
			var n int
			err := victim.reader.QueryRow(`SELECT count(*) FROM river_job WHERE state = 'running' AND queue = 'make'`).Scan(&n)
			return err == nil && n == 1
		})
		other := b.open(quick())
		b.work(other, Workers{Slots: 1, Make: makeAtOnce})
		r := b.untilState(other, id, offprint.Succeeded)
		if r.Attempt() != 1 || r.File.Key != id+"/2/orders.csv" {
			t.Errorf("attempt %d, file %s; want the first attempt in a second epoch", r.Attempt(), r.File.Key)
		}
		close(stuck)
		stop()
	})
}

func TestATicketThatWasGivenUpIsReplaced(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		f.once("start: fetched", errCut)
		b.work(l, Workers{Slots: 1, Make: makeAtOnce})
		discarded := b.accept(l, ask())
		if r := b.untilState(l, discarded, offprint.Succeeded); r.Attempt() != 1 {
			t.Errorf("attempt %d, want 1", r.Attempt())
		}
	})
}

func TestADeletedTicketIsReplaced(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		id := b.accept(l, ask())
		if _, err := l.db.ExecContext(t.Context(), `DELETE FROM river_job`); err != nil {
			t.Fatal(err)
		}
		b.work(l, Workers{Slots: 1, Make: makeAtOnce})
		b.untilState(l, id, offprint.Succeeded)
	})
}

// TestCommitsThatAreCut cuts the answer before and after the COMMIT of every
// step of a run's way, and wants the same end as without.
// A worker that ended after its last step and before River's own leaves a
// ticket that River would keep for ever.
func TestATicketOfNobodyIsSettled(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		a := ask()
		a.Run.Notify = addressees("x:y")
		stop := b.work(l, Workers{Slots: 1, Make: makeAtOnce, Tell: func(context.Context, offprint.Notice) error { return nil }})
		id := b.accept(l, a)
		b.untilState(l, id, offprint.Succeeded)
		for told := false; !told; time.Sleep(10 * time.Millisecond) {
			notices, err := l.Notices(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			told = len(notices) == 1 && notices[0].State == "delivered"
		}
		stop()
		if _, err := l.db.ExecContext(t.Context(), `UPDATE river_job SET state = 'running', finalized_at = NULL`); err != nil {
			t.Fatal(err)
		}
		m := newMakeWhen()
		b.work(l, Workers{Slots: 1, Make: m.make})
		made := b.accept(l, ask()) // whose ticket is somebody's all the while
		receive(b, m.began, "begun")
		b.eventually("both tickets are worthless", func() bool {
			var left int
			err := one(t.Context(), l.inner, `SELECT count(*) FROM river_job WHERE state = 'running' AND metadata ->> 'cancel_attempted_at' IS NULL`, nil, &left)
			return err == nil && left == 1
		})
		m.let <- struct{}{}
		b.untilState(l, made, offprint.Succeeded)
	})
}

func TestCommitsThatAreCut(t *testing.T) {
	for _, step := range []string{"start", "finish", "fail", "hand back", "claim a notice", "told"} {
		t.Run(step, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				l, f := b.openFailing(quick())
				for _, at := range []string{step + ": before commit", step + ": after commit"} {
					f.once(at, errCut)
					b.cut(l, step, at)
				}
			})
		})
	}
}

func (b *bench) cut(l *Ledger, step, at string) {
	var made, told atomic.Int64
	m := newMakeWhen()
	w := Workers{Slots: 1, Make: func(ctx context.Context, j *Job) (Made, error) {
		switch first := made.Add(1) == 1; {
		case step == "fail" && first:
			return Made{}, errors.New("oops")
		case step == "hand back" && first:
			return m.make(ctx, j)
		}
		return csvOf(j), nil
	}, Tell: func(context.Context, offprint.Notice) error { told.Add(1); return nil }}
	if step == "hand back" {
		w.Drain = time.Millisecond
	}
	stop := b.work(l, w)
	a := ask()
	a.Run.Notify = addressees("x:y")
	id := b.accept(l, a)
	if step == "hand back" {
		receive(b, m.began, "begun")
		stop()
		stop = b.work(l, w)
	}
	defer func() { stop() }()
	r := b.untilState(l, id, offprint.Succeeded)
	if step == "fail" && r.Failures != 1 || step != "fail" && r.Failures != 0 || r.Losses != 0 {
		b.Errorf("cut at %s: %d failures, %d losses", at, r.Failures, r.Losses)
	}
	b.eventually("told", func() bool {
		notices, err := l.Notices(b.Context(), id)
		return err == nil && len(notices) == 1 && notices[0].State == "delivered"
	})
	want := int64(1)
	if step == "fail" || step == "hand back" {
		want = 2
	}
	if made.Load() != want {
		b.Errorf("cut at %s: made %d times, want %d", at, made.Load(), want)
	}
	if told.Load() != 1 && at != "told: before commit" {
		b.Errorf("cut at %s: told %d times, want 1", at, told.Load())
	}
}

func TestCancelsThatAreCut(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		id := b.accept(l, ask())
		f.once("cancel: before commit", errCut)
		if _, err := l.Cancel(t.Context(), id); !errors.Is(err, errCut) {
			t.Errorf("cut before COMMIT: %v", err)
		}
		if r := b.get(l, id); r.State != offprint.Queued {
			t.Errorf("then it is %s", r.State)
		}
		f.once("cancel: after commit", errCut)
		if r, err := l.Cancel(t.Context(), id); err != nil || r.State != offprint.Canceled {
			t.Errorf("cut after COMMIT: %s, %v", r.State, err)
		}
	})
}

func TestDrainHandsBackAndCountsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		old, young := b.open(quick()), b.open(quick())
		m := newMakeWhen()
		stop := b.work(old, Workers{Slots: 2, Drain: 200 * time.Millisecond, Make: m.make})
		id := b.accept(old, ask())
		j := receive(b, m.began, "begun")
		j.Report(offprint.Writing, offprint.Progress{Rows: 40, RowsTotal: 100})
		b.until(old, id, "further", func(r offprint.Run) bool { return r.Progress.Rows == 40 })
		stop()
		r := b.get(old, id)
		if r.State != offprint.Queued || r.Attempt() != 1 || r.Problem != nil || r.Progress.Rows != 0 || r.Progress.Percent() != 40 {
			t.Errorf("handed back %+v, %d %%", r, r.Progress.Percent())
		}
		b.work(young, Workers{Slots: 1, Make: makeAtOnce})
		if r := b.untilState(young, id, offprint.Succeeded); r.Attempt() != 1 {
			t.Errorf("attempt %d, want 1", r.Attempt())
		}
	})
}

func TestDrainWaitsForWhatIsNearlyDone(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		m := newMakeWhen()
		stop := b.work(l, Workers{Slots: 1, Make: m.make})
		id := b.accept(l, ask())
		receive(b, m.began, "begun")
		var stopped sync.WaitGroup
		stopped.Go(stop)
		later := b.accept(l, ask()) // nobody takes it any more
		close(m.let)
		stopped.Wait()
		if r := b.get(l, id); r.State != offprint.Succeeded {
			t.Errorf("it is %s", r.State)
		}
		if r := b.get(l, later); r.State == offprint.Running {
			t.Errorf("what came later is %s", r.State)
		}
	})
}

func TestAHeldRunCanBeCanceled(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(unreaped(1))
		b.in(l, offprint.Running) // by a process that is no more
		b.work(l, Workers{Slots: 1, Make: makeAtOnce})
		id := b.accept(l, ask())
		b.eventually("held", func() bool { return b.held(l) == 1 })
		if r, err := l.Cancel(t.Context(), id); err != nil || r.State != offprint.Canceled {
			t.Errorf("%s, %v", r.State, err)
		}
	})
}

func TestAWebOnlyNodeReapsAndTells(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		frozen, web := b.silent(), b.open(quick())
		zombie := newMakeWhen()
		stop := b.work(frozen, Workers{Slots: 1, Drain: time.Millisecond, Make: zombie.make})
		a := ask()
		a.Run.Notify = addressees("x:y")
		id := b.accept(frozen, a)
		receive(b, zombie.began, "begun")
		told := make(chan string, 1)
		b.work(web, Workers{Slots: 0, Tell: func(_ context.Context, n offprint.Notice) error { told <- string(n.Event); return nil }})
		b.until(web, id, "taken over", func(r offprint.Run) bool { return r.Losses == 1 })
		stop()
		if _, err := web.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if event := receive(b, told, "told"); event != "run.canceled" {
			t.Errorf("told %s", event)
		}
		if r := b.get(web, id); r.State != offprint.Canceled {
			t.Errorf("it is %s", r.State)
		}
	})
}
