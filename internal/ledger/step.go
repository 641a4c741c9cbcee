package ledger

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/offprint/offprint"
)

// The queues. They are apart so that four hour-long reports never hold up a
// mail, nor do webhooks that do not answer.
const (
	makeQueue = "make"
	tellQueue = "tell"
	hookQueue = "hook"
)

// A makeTicket says: somebody please make this run, if this is still its epoch.
type makeTicket struct {
	Run   string `json:"run"`
	Epoch int64  `json:"epoch"`
}

func (makeTicket) Kind() string { return makeQueue }

// opts put a run that was fetched before first again: it came before those that
// were not.
func (t makeTicket) opts(from time.Time) *river.InsertOpts {
	o := ticketOpts(makeQueue, from)
	if o.Priority = 1; t.Epoch == 1 {
		o.Priority = 2
	}
	return o
}

// A tellTicket says: somebody please send this notice, if this is still its attempt.
type tellTicket struct {
	Notice  string `json:"notice"`
	Attempt int64  `json:"attempt"`
	Address string `json:"address,omitempty"` // whose gate it has to pass, if it has one
}

func (tellTicket) Kind() string { return tellQueue }

func (t tellTicket) opts(from time.Time) *river.InsertOpts {
	if t.Address != "" {
		return ticketOpts(hookQueue, from)
	}
	return ticketOpts(tellQueue, from)
}

// ticketOf is the right to an attempt at a notice to the address.
func ticketOf(notice string, attempt int64, address string) tellTicket {
	if !strings.HasPrefix(address, "webhook:") {
		address = ""
	}
	return tellTicket{notice, attempt, address}
}

// ticketOpts are those of a ticket that is good from then on; the zero time is
// now. River's own retries are never used.
func ticketOpts(queue string, from time.Time) *river.InsertOpts {
	return &river.InsertOpts{Queue: queue, MaxAttempts: 1, ScheduledAt: from}
}

// errNotOurs is the fence: the run has moved on, and this step did not happen.
var errNotOurs = errors.New("the right to make this run has passed on")

// start takes a queued run of this epoch, and changes r to what it is then; an
// epoch is started at most once.
func (l *Ledger) start(ctx context.Context, tx *sql.Tx, r *record, owner string, begun bool) error {
	now := l.now()
	row := tx.QueryRowContext(ctx, `UPDATE runs SET state = 'running', started = $1, next_attempt = 0, changed = $1, revision = revision + 1
		WHERE id = $2 AND epoch = $3 AND state = 'queued' RETURNING revision`, stamp(now), r.ID, r.epoch)
	if err := row.Scan(&r.Revision); errors.Is(err, sql.ErrNoRows) {
		return errNotOurs
	} else if err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO running (run, epoch, owner, lease_until, begun, revision, phase, row_count, row_total, exact, bytes, percent, as_of, probes)
		VALUES ($1, $2, $3, `+l.clock+` + $4, $5, $6, $7, 0, 0, 0, 0, $8, 0, $9)`,
		r.ID, r.epoch, owner, l.o.Lease.Microseconds(), number(begun), r.Revision, string(offprint.Querying), r.Progress.AtLeast, r.outage.times)
	if err != nil {
		return err
	}
	r.State, r.Started, r.NextAttempt, r.owner = offprint.Running, now, time.Time{}, owner
	return l.announce(ctx, tx, changeOf(&r.Run))
}

// left is what only the narrow table knew of a run that was running.
type left struct{ revision, percent, asOf, begun int64 }

// leave takes a run out of the narrow table, first of all, so that no beat
// comes between; on a further condition on its lease. A run that is not there
// was not running.
func leave(ctx context.Context, tx *sql.Tx, r *record, condition string) (was left, wasRunning bool, err error) {
	err = tx.QueryRowContext(ctx, `DELETE FROM running WHERE run = $1 AND epoch = $2 AND `+condition+` RETURNING revision, percent, as_of, begun`, r.ID, r.epoch).
		Scan(&was.revision, &was.percent, &was.asOf, &was.begun)
	if errors.Is(err, sql.ErrNoRows) {
		return was, false, nil
	}
	return was, true, err
}

// anyLease is the condition of whoever has the right to the run.
const anyLease = `1 = 1`

// An ending is how a run ends for good.
type ending struct {
	state    offprint.State
	made     *Made           // of succeeded
	problem  *offprint.Error // of failed
	failures int64           // more of them
	losses   int64
}

// end ends a run in the state and epoch that r says, and writes the notices
// of it. It does not touch the ticket.
func (l *Ledger) end(ctx context.Context, tx *sql.Tx, r *record, e ending) error {
	was, _, err := leave(ctx, tx, r, anyLease)
	if err != nil {
		return err
	}
	return l.endLeft(ctx, tx, r, was, e)
}

func (l *Ledger) endLeft(ctx context.Context, tx *sql.Tx, r *record, was left, e ending) error {
	now := stamp(l.now())
	made := Made{}
	file, fileState, warnings, madeAs, pace, remind := "", "", "", "", "", int64(0)
	if e.made != nil {
		made = *e.made
		file, fileState, warnings, madeAs, pace = text(made.File), string(offprint.Available), text(made.Warnings), r.Format, text(made.Paces)
		remind = stamp(l.remindAt(&r.Run, at(now), made.Expires))
	}
	happened, err := exec(ctx, tx, `UPDATE runs SET state = $1, ticket = 0, held_for = '', held_until = 0, next_attempt = 0, retry_until = 0,
		failures = failures + $2, losses = losses + $3, outcome = $4, warnings = $5, problem = $6,
		file = $7, file_key = $8, file_state = $9, expires = $10, as_of = $11, finished = $12, changed = $12,
		revision = 1 + CASE WHEN revision < $13 THEN $13 ELSE revision END, percent = CASE WHEN percent < $17 THEN $17 ELSE percent END, made_as = $18, pace = $19, remind = $20
		WHERE id = $14 AND epoch = $15 AND state = $16 AND finished = 0`,
		string(e.state), e.failures, e.losses, string(made.Outcome), warnings, problemText(e.problem),
		file, made.File.Key, fileState, stamp(made.Expires), max(stamp(made.AsOf), was.asOf), now,
		was.revision, r.ID, r.epoch, string(r.State), was.percent, madeAs, pace, remind)
	if err != nil {
		return err
	}
	if !happened {
		return errNotOurs
	}
	event := offprint.Event("run." + e.state)
	if err := l.writeNotices(ctx, tx, &r.Run, event, toldOf(&r.Run, event)); err != nil {
		return err
	}
	return l.announce(ctx, tx, changeOf(&r.Run))
}

// A requeuing is how a running run gets back into the queue.
type requeuing struct {
	problem                   *offprint.Error // why, if it is for the asker to know
	failures, outages, losses int64           // more of them
	next                      time.Time       // not before; zero: now
	until                     time.Time       // when tries that are not counted end
}

// requeue puts a running run back under its next epoch, with a ticket of its
// own. It does not touch the old one.
func (l *Ledger) requeue(ctx context.Context, tx *sql.Tx, r *record, q requeuing) error {
	was, _, err := leave(ctx, tx, r, anyLease)
	if err != nil {
		return err
	}
	return l.requeueLeft(ctx, tx, r, was, q)
}

func (l *Ledger) requeueLeft(ctx context.Context, tx *sql.Tx, r *record, was left, q requeuing) error {
	ticket := makeTicket{r.ID, r.epoch + 1}
	inserted, err := l.queue.InsertTx(ctx, tx, ticket, ticket.opts(q.next))
	if err != nil {
		return err
	}
	happened, err := exec(ctx, tx, `UPDATE runs SET state = 'queued', epoch = epoch + 1, ticket = $1, next_attempt = $2, retry_until = $3,
		failures = failures + $4, outages = outages + $5, losses = losses + $6, problem = $7, percent = CASE WHEN percent < $8 THEN $8 ELSE percent END,
		changed = $9, revision = 1 + CASE WHEN revision < $10 THEN $10 ELSE revision END
		WHERE id = $11 AND epoch = $12 AND state = 'running'`,
		inserted.Job.ID, stamp(q.next), stamp(q.until), q.failures, q.outages, q.losses, problemText(q.problem), was.percent,
		stamp(l.now()), was.revision, r.ID, r.epoch)
	if err != nil {
		return err
	}
	if !happened {
		return errNotOurs
	}
	return l.announce(ctx, tx, changeOf(&r.Run))
}

// reissue gives a queued run another ticket and epoch: the old ticket died,
// or the run was held without one.
func (l *Ledger) reissue(ctx context.Context, tx *sql.Tx, id string, epoch, ticket int64) error {
	next := makeTicket{id, epoch + 1}
	inserted, err := l.queue.InsertTx(ctx, tx, next, next.opts(time.Time{}))
	if err != nil {
		return err
	}
	happened, err := exec(ctx, tx, `UPDATE runs SET epoch = epoch + 1, ticket = $1, held_for = '', held_until = 0
		WHERE id = $2 AND epoch = $3 AND ticket = $4 AND state = 'queued'`, inserted.Job.ID, id, epoch, ticket)
	if err != nil {
		return err
	}
	if !happened {
		return errNotOurs
	}
	return l.cancelTicket(ctx, tx, ticket)
}

// cancelTicket makes a ticket worthless, and ends the context of whoever works
// on it, also in another process. River settles those whose worker is gone.
func (l *Ledger) cancelTicket(ctx context.Context, tx *sql.Tx, ticket int64) error {
	if ticket == 0 {
		return nil
	}
	_, err := l.queue.JobCancelTx(ctx, tx, ticket)
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	return err
}

// writeNotices queues word of an event to those addresses. One that cannot be
// stored keeps the run from ending no more than it could be sent.
func (l *Ledger) writeNotices(ctx context.Context, tx *sql.Tx, r *offprint.Run, event offprint.Event, to []string) error {
	for _, address := range to {
		err := apart(ctx, tx, func() error { return l.writeNotice(ctx, tx, r, event, address) })
		if badData(err) {
			l.o.Log.ErrorContext(ctx, "a notice cannot be stored, and is left out", "run", r.ID, "err", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// toldOf are the addresses that are told of the run's event, in their order and
// each once.
func toldOf(r *offprint.Run, event offprint.Event) []string {
	var addresses []string
	for _, to := range r.Notify {
		if slices.Contains(to.Events, event) {
			addresses = append(addresses, to.Address)
		}
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

func (l *Ledger) writeNotice(ctx context.Context, tx *sql.Tx, r *offprint.Run, event offprint.Event, address string) error {
	return l.insertNotice(ctx, tx, notice{Notice: offprint.Notice{ID: newID("ntc_"), Event: event, Address: address}, runID: r.ID})
}

func (l *Ledger) insertNotice(ctx context.Context, tx *sql.Tx, n notice) error {
	now := l.now()
	ticket := ticketOf(n.ID, 1, n.Address)
	inserted, err := l.queue.InsertTx(ctx, tx, ticket, ticket.opts(time.Time{}))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO notices (id, run, event, address, state, attempt, ticket, created, give_up) VALUES ($1, $2, $3, $4, 'waiting', 1, $5, $6, $7)`,
		n.ID, n.runID, n.Event, n.Address, inserted.Job.ID, stamp(now), stamp(now.Add(l.o.GiveUp)))
	return err
}

// backoff is the pause after so many tries that failed, spread so that those
// who failed together do not come back together.
func backoff(tries int) time.Duration {
	pauses := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	pause := pauses[min(max(tries-1, 0), len(pauses)-1)]
	return pause + rand.N(pause/5)
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
