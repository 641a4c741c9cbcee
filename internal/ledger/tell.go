package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
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
	giveUp  time.Time
	answer  string // to the try before
}

// Work claims the notice, sends it, and records what came of it.
func (t *teller) Work(ctx context.Context, job *river.Job[tellTicket]) error {
	w := t.w
	if err := w.fail("tell: fetched"); err != nil {
		return err
	}
	if !w.gates.enter(job.Args.Address) {
		return w.holdNotice(ctx, job)
	}
	err := w.tellOf(ctx, job)
	return errors.Join(err, w.callNext(context.WithoutCancel(ctx), job.Args.Address))
}

func (w *work) tellOf(ctx context.Context, job *river.Job[tellTicket]) error {
	leave := sync.OnceFunc(func() { w.gates.leave(job.Args.Address) })
	defer leave()
	n, err := w.claim(ctx, job.Args)
	if errors.Is(err, errNotOurs) {
		return nil
	}
	if err != nil {
		return err
	}
	w.keepTelling(job.Args)
	defer w.dropTelling(job.Args)
	if n.Event != offprint.Ping {
		run, err := w.inside(ctx, n.runID)
		if errors.Is(err, errNoRun) {
			return nil
		}
		if err != nil {
			return err
		}
		if n.Event == offprint.RunExpiring && !w.timely(&run) {
			return ignore(ignore(w.withdraw(context.WithoutCancel(ctx), job, n), errNotOurs), errNoRun)
		}
		n.Run = &run.Run
	}
	said := w.tell(ctx, n)
	leave()
	if said != nil {
		w.o.Log.WarnContext(ctx, "a notice was not delivered", "run", n.runID, "notice", n.ID, "try", n.Try, "err", said)
	}
	return w.told(context.WithoutCancel(ctx), job, n, said)
}

func (w *work) keepTelling(t tellTicket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.telling[t] = struct{}{}
}

func (w *work) dropTelling(t tellTicket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.telling, t)
}

// claim takes the notice for one try, by its attempt, until beats no longer
// renew it; a stale ticket gets nothing. A notice whose time is over after
// some tries, each lost with its process, has failed.
func (w *work) claim(ctx context.Context, t tellTicket) (n notice, err error) {
	n = notice{attempt: t.Attempt, Notice: offprint.Notice{ID: t.Notice}}
	over := false
	err = w.step(ctx, "claim a notice", func(ctx context.Context, tx *sql.Tx) error {
		var giveUp, created, planned int64
		err := tx.QueryRowContext(ctx, `UPDATE notices SET state = 'telling', tries = tries + 1, lease_until = `+w.clock+` + $1
			WHERE id = $2 AND attempt = $3 AND state = 'waiting' RETURNING run, event, address, tries, give_up, created, next_attempt, last_answer`,
			w.o.Lease.Microseconds(), n.ID, n.attempt).Scan(&n.runID, &n.Event, &n.Address, &n.Try, &giveUp, &created, &planned, &n.answer)
		n.giveUp, n.At = at(giveUp), at(created)
		if errors.Is(err, sql.ErrNoRows) {
			return errNotOurs
		}
		if over = n.Try > 1 && planned == 0 && !w.now().Before(n.giveUp); err != nil || !over {
			return err
		}
		return settleNotice(ctx, tx, n, `state = 'failed', next_attempt = $3`, 0)
	})
	if err == nil && over {
		err = errNotOurs
	}
	var unknown unknownOutcome
	if errors.As(err, &unknown) {
		err = w.claimed(ctx, n)
	}
	return n, err
}

// claimed reads back: nobody else has a ticket of this attempt.
func (w *work) claimed(ctx context.Context, n notice) error {
	var state string
	err := one(ctx, w.inner, `SELECT state FROM notices WHERE id = $1 AND attempt = $2`, []any{n.ID, n.attempt}, &state)
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
// again, and the beats renew its claim, so that a notice is sent twice only if
// the process ends in between, or the ledger is silent for too long.
func (w *work) told(ctx context.Context, job *river.Job[tellTicket], n notice, said error) error {
	last := time.Now().Add(w.contact)
	for {
		err := w.toldOnce(ctx, job, n, said)
		if err == nil || errors.Is(err, errNotOurs) || badData(err) || time.Now().After(last) || w.closing.Err() != nil {
			return ignore(err, errNotOurs)
		}
		w.o.Log.WarnContext(ctx, "the ledger does not take what came of a notice; trying again", "notice", n.ID, "err", err)
		pause(ctx, time.Second)
	}
}

func (w *work) toldOnce(ctx context.Context, job *river.Job[tellTicket], n notice, said error) error {
	return w.step(ctx, "told", func(ctx context.Context, tx *sql.Tx) error {
		var err error
		next, again := w.nextTry(n, said)
		switch {
		case said == nil:
			err = settleNotice(ctx, tx, n, `state = 'delivered', delivered = $3, last_answer = $4`, stamp(w.now()), "")
		case again:
			err = w.retellAt(ctx, tx, n, `state = 'telling'`, next, answerOf(said))
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
	var later *offprint.Later
	if errors.As(said, &later) {
		return w.in(later.In), true
	}
	next = w.in(w.backoff(n.Try))
	switch offprint.CodeOf(said).Decide() {
	case offprint.Again:
		return next, next.Before(n.giveUp) && w.now().Before(n.giveUp)
	case offprint.Attempts:
		return next, n.Try < mostUncounted || n.answer != ourFault
	}
	return next, false
}

// mostUncounted is how often a notice is tried whose error is our own. One that
// others had kept waiting for longer is tried once more: ours may be passing.
const mostUncounted = 5

// ourFault is what is said of an error that is our own.
const ourFault = "Something went wrong on our side while this notice was sent."

// answerOf is what of an error may be shown, and kept: some of it may be what
// a machine elsewhere said.
func answerOf(err error) string {
	const most = 1000
	var e *offprint.Error
	if errors.As(err, &e) {
		clean := []rune(strings.ReplaceAll(strings.ToValidUTF8(e.Detail, "\uFFFD"), "\x00", ""))
		return string(clean[:min(len(clean), most)])
	}
	return ourFault
}

// retellAt gives a notice its next attempt, if its state is as the condition
// says.
func (l *Ledger) retellAt(ctx context.Context, tx *sql.Tx, n notice, condition string, from time.Time, answer string) error {
	ticket := ticketOf(n.ID, n.attempt+1, n.Address)
	inserted, err := l.queue.InsertTx(ctx, tx, ticket, ticket.opts(from))
	if err != nil {
		return err
	}
	happened, err := exec(ctx, tx, `UPDATE notices SET state = 'waiting', attempt = attempt + 1, ticket = $1, next_attempt = CASE WHEN state IN ('held', 'waiting') THEN next_attempt ELSE $2 END, last_answer = $3, lease_until = 0
		WHERE id = $4 AND attempt = $5 AND (`+condition+`)`, inserted.Job.ID, stamp(from), answer, n.ID, n.attempt)
	if err == nil && !happened {
		err = errNotOurs
	}
	return err
}

// findLost begins a look for notices that nobody sends any more.
const findLost = `SELECT n.id, n.attempt, n.ticket, n.address, n.last_answer FROM notices n `

// retell gives another ticket to the notices whose teller is gone, and of those
// that are held for too long to the first to each address. What it believes
// lost it renews first, if it is this process's own.
func (r *reaper) retell(ctx context.Context) error {
	var lost []notice
	err := each(ctx, r.inner, findLost+`LEFT JOIN river_job j ON j.id = n.ticket AND j.state NOT IN ('completed', 'cancelled', 'discarded')
		WHERE n.state IN ('waiting', 'telling') AND (n.state = 'waiting' AND j.id IS NULL OR n.state = 'telling' AND n.`+r.lapsed()+`)
		UNION ALL `+findLost+`WHERE n.id IN (SELECT min(id) FROM notices WHERE state = 'held' AND `+r.lapsed()+` GROUP BY address) LIMIT $1`, []any{mostReaped}, func(rows *sql.Rows) error {
		n, err := scanLost(rows)
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
	if lost = append(lost, unclaimed...); len(lost) == 0 {
		return nil
	}
	if err := r.renew(ctx); err != nil {
		return err
	}
	return r.oneByOne(ctx, len(lost), func(i int) error { return r.retellOne(ctx, lost[i]) })
}

// retellOne asks once more whether the notice is lost: its teller may just have
// come back. It takes the notice first and its ticket then, as every step does.
func (r *reaper) retellOne(ctx context.Context, n notice) error {
	return r.tx(ctx, "retell", func(tx *sql.Tx) error {
		err := r.retellAt(ctx, tx, n, `state = 'waiting' OR state IN ('telling', 'held') AND `+r.lapsed(), time.Time{}, n.answer)
		if err != nil {
			return err
		}
		return r.cancelTicket(ctx, tx, n.ticket)
	})
}

func scanLost(rows *sql.Rows) (n notice, err error) {
	err = rows.Scan(&n.ID, &n.attempt, &n.ticket, &n.Address, &n.answer)
	return n, err
}

// unclaimed are the notices whose ticket was fetched and not claimed for a
// whole lease.
func (r *reaper) unclaimed(ctx context.Context) (late []notice, err error) {
	seen := map[int64]time.Time{}
	err = each(ctx, r.inner, findLost+`JOIN river_job j ON n.id = j.args ->> 'notice'
		WHERE j.state = 'running' AND j.queue IN ('tell', 'hook') AND n.state = 'waiting' AND n.ticket = j.id`, nil, func(rows *sql.Rows) error {
		n, err := scanLost(rows)
		if r.lasting(r.seenTell, seen, n.ticket) {
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

// deleteNotices deletes the notices of which the condition on $1 holds, and
// makes the tickets of those still open worthless.
func (l *Ledger) deleteNotices(ctx context.Context, tx *sql.Tx, condition, arg string) error {
	rows, err := tx.QueryContext(ctx, `DELETE FROM notices WHERE `+condition+` RETURNING state, ticket`, arg)
	if err != nil {
		return fmt.Errorf("delete the notices: %w", err)
	}
	var tickets []int64
	err = eachRow(rows, func(rows *sql.Rows) error {
		var state string
		var ticket int64
		err := rows.Scan(&state, &ticket)
		if state == "waiting" || state == "telling" {
			tickets = append(tickets, ticket)
		}
		return err
	})
	slices.Sort(tickets)
	for _, ticket := range tickets {
		err = errors.Join(err, l.cancelTicket(ctx, tx, ticket))
	}
	return err
}

// A NoticeRecord is what became of a notice.
type NoticeRecord struct {
	ID          string
	Run         string // of a ping, its own id
	Event       offprint.Event
	Address     string
	State       string // waiting, telling, delivered, failed
	Attempts    int
	Status      int    // what a webhook answered to the last try; 0: nothing
	LastAnswer  string // what was said to the last try that failed
	Created     time.Time
	Delivered   time.Time
	NextAttempt time.Time // while waiting for another try
}

const findNotice = `SELECT id, run, event, address, CASE WHEN state = 'held' THEN 'waiting' ELSE state END, tries, status, last_answer, created, delivered,
	CASE WHEN state = 'waiting' THEN next_attempt ELSE 0 END FROM notices `

func scanNotice(row interface{ Scan(...any) error }) (n NoticeRecord, err error) {
	var created, delivered, next int64
	err = row.Scan(&n.ID, &n.Run, &n.Event, &n.Address, &n.State, &n.Attempts, &n.Status, &n.LastAnswer, &created, &delivered, &next)
	n.Created, n.Delivered, n.NextAttempt = at(created), at(delivered), at(next)
	return n, err
}

func (l *Ledger) listNotices(ctx context.Context, text string, args ...any) (all []NoticeRecord, err error) {
	err = each(ctx, l.reader, findNotice+text, args, func(rows *sql.Rows) error {
		n, err := scanNotice(rows)
		all = append(all, n)
		return err
	})
	return all, err
}

// Notices are the run's notices, by event and address.
func (l *Ledger) Notices(ctx context.Context, run string) ([]NoticeRecord, error) {
	all, err := l.listNotices(ctx, `WHERE run = $1 ORDER BY event, address`, run)
	if err != nil {
		return nil, fmt.Errorf("list the notices of %s: %w", run, err)
	}
	return all, nil
}

// ReplayNotice sends one of the run's notices once more, now, under its old id.
// One that is on its way already stays there; one that is not true any more is
// Conflict.
func (l *Ledger) ReplayNotice(ctx context.Context, run, id string) error {
	return l.replayNotice(ctx, id, `run = $2`, run)
}

func (l *Ledger) replayNotice(ctx context.Context, id, condition string, arg any) error {
	return l.tx(ctx, "replay a notice", func(tx *sql.Tx) error {
		n := notice{Notice: offprint.Notice{ID: id}}
		var state string
		err := tx.QueryRowContext(ctx, `SELECT run, event, attempt, state, address FROM notices WHERE id = $1 AND `+condition, id, arg).
			Scan(&n.runID, &n.Event, &n.attempt, &state, &n.Address)
		if errors.Is(err, sql.ErrNoRows) {
			return offprint.Errorf(offprint.NotFound, "There is no such notice.")
		}
		if err == nil && n.Event == offprint.RunExpiring {
			err = l.stillTimely(ctx, tx, n.runID)
		}
		if err != nil || state == "waiting" || state == "telling" || state == "held" {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE notices SET tries = 0, status = 0, delivered = 0, give_up = $1 WHERE id = $2 AND attempt = $3`,
			stamp(l.now().Add(l.o.GiveUp)), id, n.attempt); err != nil {
			return err
		}
		return l.retellAt(ctx, tx, n, `state IN ('delivered', 'failed')`, time.Time{}, "")
	})
}
