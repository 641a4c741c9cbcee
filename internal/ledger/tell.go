package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"

	"github.com/offprint/offprint"
)

// tellLimit is how long sending one notice may take.
const tellLimit = 30 * time.Second

// teller takes tickets of the tell queue.
type teller struct {
	river.WorkerDefaults[tellTicket]
	w *work
}

// A notice is one row of its table.
type notice struct {
	offprint.Notice
	runID   string
	attempt int64
	ticket  int64
	tries   int
	giveUp  time.Time
}

// Work claims the notice, sends it, and records what came of it.
func (t *teller) Work(ctx context.Context, job *river.Job[tellTicket]) error {
	w := t.w
	if err := w.fail("tell: fetched"); err != nil {
		return err
	}
	n, err := w.claim(ctx, job.Args)
	if errors.Is(err, errNotOurs) {
		return nil
	}
	if err != nil {
		return err
	}
	run, err := w.Get(ctx, n.runID)
	if errors.Is(err, errNoRun) {
		return nil
	}
	if err != nil {
		return err
	}
	n.Run = &run
	said := w.tell(ctx, n)
	if said != nil {
		w.o.Log.WarnContext(ctx, "a notice was not delivered", "run", run.ID, "notice", n.ID, "try", n.tries, "err", said)
	}
	return w.told(context.WithoutCancel(ctx), job, n, said)
}

// claim takes the notice for one try, by its attempt; a stale ticket gets
// nothing.
func (w *work) claim(ctx context.Context, t tellTicket) (n notice, err error) {
	n = notice{attempt: t.Attempt, Notice: offprint.Notice{ID: t.Notice}}
	err = w.tx(ctx, "claim a notice", func(tx *sql.Tx) error {
		var giveUp int64
		err := tx.QueryRowContext(ctx, `UPDATE notices SET state = 'telling', tries = tries + 1, lease_until = `+w.clock+` + $1
			WHERE id = $2 AND attempt = $3 AND state = 'waiting' RETURNING run, event, address, tries, give_up`,
			(tellLimit+w.o.Lease).Microseconds(), n.ID, n.attempt).Scan(&n.runID, &n.Event, &n.Address, &n.tries, &giveUp)
		n.giveUp = at(giveUp)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotOurs
		}
		return err
	})
	var unknown unknownOutcome
	if errors.As(err, &unknown) {
		err = w.claimed(ctx, n)
	}
	return n, err
}

// claimed reads back: nobody else has a ticket of this attempt.
func (w *work) claimed(ctx context.Context, n notice) error {
	var state string
	err := w.reader.QueryRowContext(ctx, `SELECT state FROM notices WHERE id = $1 AND attempt = $2`, n.ID, n.attempt).Scan(&state)
	if err == nil && state != "telling" {
		err = errNotOurs
	}
	return err
}

func (w *work) tell(ctx context.Context, n notice) (err error) {
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if w.Tell == nil {
		return offprint.Errorf(offprint.NotConfigured, "Nothing here can send notices.")
	}
	return w.Tell(ctx, n.Notice)
}

// told records what came of a try. While the ledger does not answer it tries
// again, so that a notice is sent twice only if the process ends in between.
func (w *work) told(ctx context.Context, job *river.Job[tellTicket], n notice, said error) error {
	last := time.Now().Add(tellLimit)
	for {
		err := w.toldOnce(ctx, job, n, said)
		if err == nil || errors.Is(err, errNotOurs) || time.Now().After(last) {
			return ignore(err, errNotOurs)
		}
		pause(ctx, time.Second)
	}
}

func (w *work) toldOnce(ctx context.Context, job *river.Job[tellTicket], n notice, said error) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return w.tx(ctx, "told", func(tx *sql.Tx) error {
		var err error
		next, again := w.nextTry(n, said)
		switch {
		case said == nil:
			err = settleNotice(ctx, tx, n, `state = 'delivered', delivered = $3, last_answer = $4`, stamp(w.now()), "")
		case again:
			err = w.retellAt(ctx, tx, n, next, answerOf(said))
		default:
			err = settleNotice(ctx, tx, n, `state = 'failed', next_attempt = $3, last_answer = $4`, 0, answerOf(said))
		}
		if err != nil {
			return err
		}
		return complete(ctx, tx, job)
	})
}

// settleNotice changes the notice if it is still this attempt's.
func settleNotice(ctx context.Context, tx *sql.Tx, n notice, set string, args ...any) error {
	happened, err := exec(ctx, tx, `UPDATE notices SET `+set+` WHERE id = $1 AND attempt = $2 AND state = 'telling'`, append([]any{n.ID, n.attempt}, args...)...)
	if err == nil && !happened {
		err = errNotOurs
	}
	return err
}

func (w *work) nextTry(n notice, said error) (next time.Time, again bool) {
	if said == nil {
		return next, false
	}
	next = w.in(w.backoff(n.tries))
	switch offprint.CodeOf(said).Decide() {
	case offprint.Again:
		return next, next.Before(n.giveUp) && w.now().Before(n.giveUp)
	case offprint.Attempts:
		return next, n.tries < mostUncounted
	}
	return next, false
}

// mostUncounted is how often a notice is tried whose error is our own.
const mostUncounted = 5

// answerOf is what of an error may be shown.
func answerOf(err error) string {
	var e *offprint.Error
	if errors.As(err, &e) {
		return e.Detail
	}
	return "Something went wrong on our side while this notice was sent."
}

// retellAt gives a notice its next attempt.
func (l *Ledger) retellAt(ctx context.Context, tx *sql.Tx, n notice, from time.Time, answer string) error {
	ticket := tellTicket{n.ID, n.attempt + 1}
	inserted, err := l.queue.InsertTx(ctx, tx, ticket, ticket.opts(from))
	if err != nil {
		return err
	}
	happened, err := exec(ctx, tx, `UPDATE notices SET state = 'waiting', attempt = attempt + 1, ticket = $1, next_attempt = $2, last_answer = $3, lease_until = 0
		WHERE id = $4 AND attempt = $5`, inserted.Job.ID, stamp(from), answer, n.ID, n.attempt)
	if err == nil && !happened {
		err = errNotOurs
	}
	return err
}

// retell gives another ticket to the notices whose teller is gone.
func (r *reaper) retell(ctx context.Context) error {
	var lost []notice
	err := r.each(ctx, `SELECT n.id, n.attempt, n.ticket FROM notices n LEFT JOIN river_job j ON j.id = n.ticket AND j.state NOT IN ('completed', 'cancelled', 'discarded')
		WHERE n.state = 'waiting' AND j.id IS NULL OR n.state = 'telling' AND n.lease_until < `+r.clock+` LIMIT $1`, []any{mostReaped}, func(rows *sql.Rows) error {
		var n notice
		err := rows.Scan(&n.ID, &n.attempt, &n.ticket)
		lost = append(lost, n)
		return err
	})
	if err != nil {
		return fmt.Errorf("find lost notices: %w", err)
	}
	unclaimed, err := r.unclaimed(ctx)
	if err != nil {
		return err
	}
	for _, n := range append(lost, unclaimed...) {
		err := r.tx(ctx, "retell", func(tx *sql.Tx) error {
			if err := r.cancelTicket(ctx, tx, n.ticket); err != nil {
				return err
			}
			return r.retellAt(ctx, tx, n, time.Time{}, "")
		})
		if err := ignore(err, errNotOurs); err != nil {
			return err
		}
	}
	return nil
}

// unclaimed are the notices whose ticket was fetched and not claimed for a
// whole lease.
func (r *reaper) unclaimed(ctx context.Context) (late []notice, err error) {
	now := time.Now()
	seen := map[int64]time.Time{}
	err = r.each(ctx, `SELECT n.id, n.attempt, n.ticket FROM river_job j JOIN notices n ON n.id = j.args ->> 'notice'
		WHERE j.state = 'running' AND j.queue = 'tell' AND n.state = 'waiting' AND n.ticket = j.id`, nil, func(rows *sql.Rows) error {
		var n notice
		err := rows.Scan(&n.ID, &n.attempt, &n.ticket)
		since, known := r.seenTell[n.ticket]
		if !known {
			since = now
		}
		if seen[n.ticket] = since; now.Sub(since) >= r.o.Lease {
			late = append(late, n)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find notices that were not claimed: %w", err)
	}
	r.seenTell = seen
	return late, nil
}

// cancelNotices makes the tickets of a run's open notices worthless.
func (l *Ledger) cancelNotices(ctx context.Context, tx *sql.Tx, run string) error {
	rows, err := tx.QueryContext(ctx, `SELECT ticket FROM notices WHERE run = $1 AND state IN ('waiting', 'telling')`, run)
	if err != nil {
		return err
	}
	var tickets []int64
	err = eachRow(rows, func(rows *sql.Rows) error {
		var ticket int64
		err := rows.Scan(&ticket)
		tickets = append(tickets, ticket)
		return err
	})
	for _, ticket := range tickets {
		err = errors.Join(err, l.cancelTicket(ctx, tx, ticket))
	}
	return err
}

// A NoticeRecord is what became of a notice.
type NoticeRecord struct {
	ID          string
	Event       string // run.succeeded, run.failed, run.canceled
	Address     string
	State       string // waiting, telling, delivered, failed
	Attempts    int
	LastAnswer  string // what was said to the last try that failed
	Created     time.Time
	Delivered   time.Time
	NextAttempt time.Time // while waiting for another try
}

// Notices are the run's notices, by event and address.
func (l *Ledger) Notices(ctx context.Context, run string) ([]NoticeRecord, error) {
	var all []NoticeRecord
	err := l.each(ctx, `SELECT id, event, address, state, tries, last_answer, created, delivered, next_attempt FROM notices WHERE run = $1 ORDER BY event, address`,
		[]any{run}, func(rows *sql.Rows) error {
			var n NoticeRecord
			var created, delivered, next int64
			err := rows.Scan(&n.ID, &n.Event, &n.Address, &n.State, &n.Attempts, &n.LastAnswer, &created, &delivered, &next)
			n.Created, n.Delivered, n.NextAttempt = at(created), at(delivered), at(next)
			all = append(all, n)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list the notices of %s: %w", run, err)
	}
	return all, nil
}

// ReplayNotice sends a notice once more, now, under its old id. One that is
// on its way already stays there.
func (l *Ledger) ReplayNotice(ctx context.Context, run, id string) error {
	return l.tx(ctx, "replay a notice", func(tx *sql.Tx) error {
		n := notice{Notice: offprint.Notice{ID: id}}
		var state string
		err := tx.QueryRowContext(ctx, `SELECT attempt, state FROM notices WHERE id = $1 AND run = $2`, id, run).Scan(&n.attempt, &state)
		if errors.Is(err, sql.ErrNoRows) {
			return offprint.Errorf(offprint.NotFound, "There is no such notice.")
		}
		if err != nil || state == "waiting" || state == "telling" {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE notices SET tries = 0, delivered = 0, give_up = $1 WHERE id = $2 AND attempt = $3`,
			stamp(l.now().Add(l.o.GiveUp)), id, n.attempt); err != nil {
			return err
		}
		return l.retellAt(ctx, tx, n, time.Time{}, "")
	})
}
