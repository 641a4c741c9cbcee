package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/offprint/offprint"
)

// maker takes tickets of the make queue.
type maker struct {
	river.WorkerDefaults[makeTicket]
	w *work
}

// Work takes one ticket. After an error River gives the ticket up and the
// reaper issues another, if the run still waits.
func (m *maker) Work(ctx context.Context, t *river.Job[makeTicket]) error {
	w := m.w
	if err := w.fail("start: fetched"); err != nil {
		return err
	}
	r, err := w.inside(ctx, t.Args.Run)
	if errors.Is(err, errNoRun) {
		return nil
	}
	if errors.As(err, &r.unread) {
		err = nil // it is put back like one whose version nobody knows, so that it holds up none behind it
	}
	if err != nil {
		return err
	}
	if r.State != offprint.Queued || r.epoch != t.Args.Epoch {
		return nil // a stale ticket
	}
	if w.draining.Load() {
		return w.step(ctx, "hand on", func(ctx context.Context, tx *sql.Tx) error { return w.reissue(ctx, tx, r.ID, r.epoch, r.ticket) })
	}
	return w.make(ctx, t, r)
}

// make is the way of one epoch from Start to its end.
func (w *work) make(ctx context.Context, t *river.Job[makeTicket], r record) error {
	text, err := definition(ctx, w.inner, r.Report, r.Version)
	if err != nil {
		return err
	}
	alone := r.Losses >= lossesUntilAlone
	begun := w.turn.try(alone)
	j, err := w.take(ctx, t, r, begun)
	if err != nil {
		if begun {
			w.turn.leave()
		}
		return ignore(ignore(err, errNotOurs), errHeld)
	}
	j.Definition, j.Alone = text, alone
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	j.cancel = cancel
	defer cancel(nil)
	w.keep(j)
	defer w.drop(j)
	stop := context.AfterFunc(ctx, func() { w.look(own, j) }) // River says cancel; the ledger says why
	defer stop()
	if !begun {
		err = w.wait(own, j)
	}
	var made Made
	if err == nil {
		made, err = w.call(own, j)
		w.turn.leave()
	}
	answered := err == nil
	err = w.settle(own, t, j, made, err)
	ctx = context.WithoutCancel(ctx)
	if answered {
		err = errors.Join(err, w.answered(ctx, r.Reads))
	}
	return errors.Join(err, w.freed(ctx, r.Reads))
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// errHeld is of a run that found no place, and waits for one without a ticket.
var errHeld = errors.New("the source has no place for this run yet")

// take starts the run, or holds it. When COMMIT's answer is lost it reads back
// whose it is; of a hold the fence and River both keep what happened.
func (w *work) take(ctx context.Context, t *river.Job[makeTicket], r record, begun bool) (*Job, error) {
	owner := w.name + "/" + strconv.FormatInt(t.ID, 10)
	var mayStart bool
	err := w.step(context.WithoutCancel(ctx), "start", func(ctx context.Context, tx *sql.Tx) (err error) {
		mayStart, err = w.mayStart(ctx, tx, &r)
		if err != nil {
			return err
		}
		if mayStart {
			return w.start(ctx, tx, &r, owner, begun)
		}
		if err := w.hold(ctx, tx, &r); err != nil {
			return err
		}
		return errors.Join(w.holdMore(ctx, tx, &r), complete(ctx, tx, t))
	})
	switch {
	case errors.Is(err, errNotOurs):
		return nil, err
	case err == nil && !mayStart:
		w.hub.nudge(changeOf(&r.Run))
		return nil, errHeld
	case err != nil && !w.tookAnyway(ctx, &r, owner):
		return nil, err
	}
	w.hub.nudge(changeOf(&r.Run))
	j := &Job{Run: r.Run, is: r, phase: offprint.Querying, progress: offprint.Progress{AtLeast: r.Progress.AtLeast}}
	j.probes.Store(r.outage.is())
	return j, nil
}

// tookAnyway asks for as long as the lease would last. It locks the run to
// wait for a COMMIT that is still on its way; a look would find it queued.
func (w *work) tookAnyway(ctx context.Context, r *record, owner string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.o.Lease)
	defer cancel()
	for ctx.Err() == nil {
		var now record
		err := w.tx(ctx, "read back", func(tx *sql.Tx) (err error) {
			now, err = lock(ctx, tx, r.ID)
			return err
		})
		if err == nil || errors.Is(err, errNoRun) {
			return now.epoch == r.epoch && now.owner == owner
		}
		pause(ctx, 200*time.Millisecond)
	}
	return false
}

// wait waits until the run may begin in this process, and says so to the
// ledger: from then on it is a loss if the process ends. The ledger's silence
// is no failure of the report, so it tries again while the run is ours.
func (w *work) wait(ctx context.Context, j *Job) error {
	if err := w.turn.wait(ctx, j.Alone); err != nil {
		return context.Cause(ctx)
	}
	for {
		happened, err := w.begin(ctx, j)
		if happened {
			return nil
		}
		if err == nil {
			j.cancel(ErrLost)
		}
		if ctx.Err() != nil {
			w.turn.leave()
			return context.Cause(ctx)
		}
		w.o.Log.WarnContext(ctx, "the ledger does not take the beginning of an attempt; trying again", "run", j.Run.ID, "err", err)
		pause(ctx, time.Second)
	}
}

func (w *work) begin(ctx context.Context, j *Job) (begun bool, err error) {
	err = w.step(ctx, "begin", func(ctx context.Context, tx *sql.Tx) error {
		begun, err = exec(ctx, tx, `UPDATE running SET begun = 1 WHERE run = $1 AND epoch = $2`, j.Run.ID, j.is.epoch)
		return err
	})
	return begun && err == nil, err
}

type result struct {
	made Made
	err  error
}

// call calls Make on a goroutine of its own, because Make may spoil its thread.
// Once its context has ended it is not waited for beyond the grace; the fence
// holds against what it does after.
func (w *work) call(ctx context.Context, j *Job) (Made, error) {
	if err := j.is.unread.error; err != nil {
		return Made{}, fmt.Errorf("%w: %w", offprint.ErrUnknownVersion, err)
	}
	done := make(chan result, 1)
	go func() {
		var r result
		ended := false
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			} else if !ended {
				r.err = errors.New("the goroutine of Make ended without an answer")
			}
			done <- r
		}()
		r.made, r.err = w.Make(ctx, j)
		ended = true
	}()
	select {
	case r := <-done:
		return r.made, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.made, r.err
	case <-time.After(w.grace):
		return Made{}, context.Cause(ctx)
	}
}

// settle writes what came of the attempt.
func (w *work) settle(ctx context.Context, t *river.Job[makeTicket], j *Job, made Made, err error) error {
	j.settling.Store(true)
	cause := context.Cause(ctx)
	ctx = context.WithoutCancel(ctx)
	switch {
	case errors.Is(cause, ErrCanceled):
		return nil
	case err == nil:
		err = w.finish(ctx, t, j, made)
		if err == nil || !badData(err) {
			return err
		}
		return w.failed(ctx, t, j, fmt.Errorf("finish: %w", err))
	case errors.Is(cause, ErrLost):
		return nil
	case errors.Is(cause, ErrDrain):
		return w.finally(ctx, "hand back", t, j, func(ctx context.Context, tx *sql.Tx) error {
			return w.requeue(ctx, tx, &j.is, requeuing{until: j.is.RetryUntil, problem: j.is.Problem})
		})
	case cause != nil: // it was given up, of which Make's error is only the echo
		err = cause
	}
	return w.failed(ctx, t, j, err)
}

func (w *work) finish(ctx context.Context, t *river.Job[makeTicket], j *Job, made Made) error {
	j.mu.Lock()
	if made.AsOf.IsZero() {
		made.AsOf = j.asOf
	}
	j.mu.Unlock()
	return w.finally(ctx, "finish", t, j, func(ctx context.Context, tx *sql.Tx) error {
		return w.end(ctx, tx, &j.is, ending{state: offprint.Succeeded, made: &made})
	})
}

// failed ends the attempt: another one later, or none.
func (w *work) failed(ctx context.Context, t *river.Job[makeTicket], j *Job, err error) error {
	p := w.problem(ctx, j, err)
	down := p.Code == offprint.SourceUnavailable && j.Run.Reads != ""
	failed := w.finally(ctx, "fail", t, j, func(ctx context.Context, tx *sql.Tx) error {
		later := w.in(w.backoff(j.is.Outages + 1))
		if down {
			o, err := w.wentDown(ctx, tx, &j.is, p)
			if err != nil {
				return err
			}
			if o.is() {
				later = o.probe
			}
		}
		next, again := w.next(j, err, p, later)
		if again {
			return w.requeue(ctx, tx, &j.is, next)
		}
		if p.Code.Decide() == offprint.Again {
			p = gaveUp(p)
		}
		return w.end(ctx, tx, &j.is, ending{state: offprint.Failed, problem: p, failures: next.failures})
	})
	if down {
		failed = errors.Join(failed, w.tellHeld(ctx, j.Run.Reads, everybody))
	}
	return failed
}

// problem is what the asker sees of an error; the log has it whole, under the
// same trace id.
func (w *work) problem(ctx context.Context, j *Job, err error) *offprint.Error {
	p := offprint.Errorf(offprint.Internal, "Something went wrong on our side while this report was made. Your request is kept. If trying again does not help, tell whoever runs this server the trace id.")
	var known *offprint.Error
	switch {
	case errors.Is(err, offprint.ErrUnknownVersion):
		p = offprint.Errorf(offprint.Internal, "No worker has the version of this report that was asked for. Your request is kept. Ask again for the present one, or tell whoever runs this server.")
	case errors.As(err, &known):
		p = &offprint.Error{Code: known.Code, Title: known.Title, Detail: known.Detail, Fields: known.Fields}
	}
	p.TraceID = traceID()
	w.o.Log.WarnContext(ctx, "an attempt failed", "run", j.Run.ID, "report", j.Run.Report, "attempt", j.Run.Attempt(), "code", string(p.Code), "trace_id", p.TraceID, "err", err)
	return p
}

func traceID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// unknownPause is how long a run stays away from a worker that cannot make
// its version.
const unknownPause = 2 * time.Second

// next says what follows an error, and when, if that is not counted; when
// nothing does, only failures counts.
func (w *work) next(j *Job, err error, p *offprint.Error, uncounted time.Time) (q requeuing, again bool) {
	q = requeuing{problem: p, until: j.is.RetryUntil}
	switch decision := p.Code.Decide(); {
	case errors.Is(err, offprint.ErrUnknownVersion):
		q.next, q.problem = w.in(unknownPause), j.is.Problem // no news for who asked, until it is given up
	case decision == offprint.Again:
		q.outages, q.next = 1, uncounted
	case decision == offprint.Attempts:
		q.failures, q.until = 1, time.Time{}
		q.next = w.in(w.backoff(j.is.Failures + 1))
		return q, j.is.Failures+1 < j.is.MaxAttempts
	default:
		return q, false
	}
	if q.until.IsZero() {
		q.until = w.now().Add(w.o.GiveUp)
	}
	return q, q.until.After(w.now()) && q.until.After(q.next)
}

// finally does the last step of an epoch, as long as the run is ours. While
// the ledger does not answer it tries again: hours of work hang on it.
func (w *work) finally(ctx context.Context, step string, t *river.Job[makeTicket], j *Job, do func(context.Context, *sql.Tx) error) error {
	last := time.Now().Add(w.contact)
	for {
		err := w.once(ctx, step, t, do)
		switch {
		case err == nil:
			w.hub.nudge(changeOf(&j.Run))
			return nil
		case errors.Is(err, errNotOurs), badData(err):
			return ignore(err, errNotOurs)
		case !w.stillOurs(ctx, j):
			w.hub.nudge(changeOf(&j.Run))
			return nil
		case time.Now().After(last), w.closing.Err() != nil:
			return err
		}
		w.o.Log.WarnContext(ctx, "the ledger does not take the end of an attempt; trying again", "run", j.Run.ID, "err", err)
		pause(ctx, time.Second)
	}
}

func (w *work) once(ctx context.Context, step string, t *river.Job[makeTicket], do func(context.Context, *sql.Tx) error) error {
	return w.step(ctx, step, func(ctx context.Context, tx *sql.Tx) error {
		if err := do(ctx, tx); err != nil {
			return err
		}
		return complete(ctx, tx, t)
	})
}

// complete settles the ticket with the step. One that was settled already is
// worth nothing any more.
func complete[T river.JobArgs](ctx context.Context, tx *sql.Tx, t *river.Job[T]) error {
	_, err := river.JobCompleteTx[riverdriver.Driver[*sql.Tx]](ctx, tx, t)
	return ignore(err, rivertype.ErrNotFound)
}

// stillOurs reads back; without an answer it may be.
func (w *work) stillOurs(ctx context.Context, j *Job) bool {
	now, err := w.inside(ctx, j.Run.ID)
	if errors.Is(err, errNoRun) {
		return false
	}
	return err != nil || now.State == offprint.Running && now.epoch == j.is.epoch
}

// look finds out why River ended the ticket. Without an answer the beat will.
func (w *work) look(ctx context.Context, j *Job) {
	if j.settling.Load() {
		return
	}
	now, err := w.inside(ctx, j.Run.ID)
	switch {
	case err != nil && !errors.Is(err, errNoRun):
	case now.State == offprint.Canceled:
		j.cancel(ErrCanceled)
	case err != nil, now.State != offprint.Running, now.epoch != j.is.epoch:
		j.cancel(ErrLost)
	}
}

// keep holds the job for the beats, and for the end of a drain: one that was
// taken just before comes too late for that, and ends now.
func (w *work) keep(j *Job) {
	w.mu.Lock()
	w.held[j.ticket()] = j
	w.mu.Unlock()
	if w.over.Load() {
		j.cancel(ErrDrain)
	}
}

func (w *work) drop(j *Job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.held, j.ticket())
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
