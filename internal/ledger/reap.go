package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/offprint/offprint"
)

const (
	lossesUntilAlone = 2 // a run that took so many workers with it is next made alone
	mostLosses       = 3
)

// A reaper finds the runs and notices that nobody works on any more though
// somebody should. Every process has one; the fence lets only one act.
type reaper struct {
	*Ledger
	renew func(context.Context) error // the claims of this process

	good   time.Time // since when the ledger has answered without a break
	last   reading
	deep   time.Time // the last look for dead tickets
	freed  time.Time // the last time that held runs were released before their time
	cursor string    // where the next look begins
	// Since when tickets that were fetched have not been taken up, or are nobody's.
	seen, seenTell, seenStray map[int64]time.Time
}

// once is one round. Its errors are the ledger's silence, which ends; what was
// not done is done then. A round that took too long is silence as well: when
// the ledger answers again, others may not have had its answer yet.
func (r *reaper) once(ctx context.Context) {
	round, cancel := context.WithTimeout(ctx, max(r.o.Beat, time.Second))
	defer cancel()
	err := r.round(round)
	if err == nil {
		return
	}
	r.good = time.Time{}
	if ctx.Err() == nil {
		r.o.Log.WarnContext(ctx, "no reaping", "err", err)
	}
}

func (r *reaper) round(ctx context.Context) error {
	if err := r.listen(ctx); err != nil {
		return err
	}
	// After an outage every lease looks expired; those who are still alive get
	// one lease's time to say so.
	settled := time.Since(r.good) >= r.o.Lease
	if settled {
		if err := r.takeOverLapsed(ctx); err != nil {
			return err
		}
	}
	// What was fetched and not started is looked for in every round: a lease
	// has to pass after the first look, and ten seconds are all there are.
	if err := errors.Join(r.releaseMissed(ctx), r.reissueUnstarted(ctx)); err != nil {
		return err
	}
	if time.Since(r.deep) < 5*r.o.Reap {
		return nil
	}
	r.deep = time.Now()
	err := errors.Join(r.reissueDead(ctx), r.settleStray(ctx))
	if settled {
		err = errors.Join(err, r.retell(ctx))
	}
	return err
}

// releaseMissed looks every second for held runs that may start: whoever freed
// their place may have ended before he could release them, a restart has given
// their source more places, or it is time to probe it.
func (r *reaper) releaseMissed(ctx context.Context) error {
	if time.Since(r.freed) < time.Second {
		return nil
	}
	r.freed = time.Now()
	return errors.Join(r.giveUpHeld(ctx), r.releaseAll(ctx))
}

// listen learns that the ledger answers, and whether its clock, that of the
// leases, has jumped: then they look as after an outage.
func (r *reaper) listen(ctx context.Context) error {
	now := reading{before: time.Now()}
	if err := one(ctx, r.inner, `SELECT `+r.clock, nil, &now.clock); err != nil {
		return fmt.Errorf("read the ledger's clock: %w", err)
	}
	now.after = time.Now()
	if now.jumped(r.last, r.o.Lease/2) {
		r.o.Log.WarnContext(ctx, "the ledger's clock jumped; no run is taken over for one lease")
		r.good = time.Time{}
	}
	r.last = now
	if r.good.IsZero() {
		r.good = time.Now()
	}
	return nil
}

// lapsed is the condition of a lease that had run out when the round began: if
// the clock has jumped since then, the next round will see it.
func (r *reaper) lapsed() string { return `lease_until < ` + strconv.FormatInt(r.last.clock, 10) }

// A reading of the database's clock was taken between two moments of ours,
// whose distance to others no change of a clock touches.
type reading struct {
	before, after time.Time
	clock         int64
}

// jumped tells whether the clock went further since then than time did, or less
// far, by more than that.
func (r reading) jumped(since reading, more time.Duration) bool {
	if since.clock == 0 {
		return false
	}
	passed := time.Duration(r.clock-since.clock) * time.Microsecond
	return passed > r.after.Sub(since.before)+more || passed < r.before.Sub(since.after)-more
}

// mostReaped bounds a round; the next one goes on.
const mostReaped = 100

// reapAll takes over every running run: whoever holds the lock of SQLite knows
// that nobody works on them.
func (l *Ledger) reapAll(ctx context.Context) error {
	for before := -1; ; {
		var n int
		err := one(ctx, l.inner, `SELECT count(*) FROM running`, nil, &n)
		if err != nil || n == 0 || n == before {
			return err // those that are left cannot be taken over, which was told
		}
		if err := l.takeOver(ctx, anyLease); err != nil {
			return err
		}
		before = n
	}
}

// takeOverLapsed takes over the runs whose lease has run out. This process may
// itself be late with a word of its own runs, so it says that first.
func (r *reaper) takeOverLapsed(ctx context.Context) error {
	lapsed := r.lapsed()
	lost, err := r.lost(ctx, lapsed)
	if err != nil || len(lost) == 0 {
		return err
	}
	if err := r.renew(ctx); err != nil {
		return err
	}
	return r.takeOverAll(ctx, lost, lapsed)
}

// takeOver puts back the runs whose lease is as the condition says.
func (l *Ledger) takeOver(ctx context.Context, condition string) error {
	lost, err := l.lost(ctx, condition)
	if err != nil || len(lost) == 0 {
		return err
	}
	return l.takeOverAll(ctx, lost, condition)
}

func (l *Ledger) lost(ctx context.Context, condition string) (lost []makeTicket, err error) {
	err = each(ctx, l.inner, `SELECT run, epoch FROM running WHERE `+condition+` LIMIT $1`, []any{mostReaped}, func(rows *sql.Rows) error {
		var t makeTicket
		err := rows.Scan(&t.Run, &t.Epoch)
		lost = append(lost, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find lost runs: %w", err)
	}
	return lost, nil
}

func (l *Ledger) takeOverAll(ctx context.Context, lost []makeTicket, condition string) error {
	err := l.oneByOne(ctx, len(lost), func(i int) error {
		r := record{Run: offprint.Run{ID: lost[i].Run}, epoch: lost[i].Epoch}
		err := l.tx(ctx, "reap", func(tx *sql.Tx) error { return l.takeOverOne(ctx, tx, &r, condition) })
		if err == nil {
			l.hub.nudge(changeOf(&r.Run))
			l.o.Log.WarnContext(ctx, "a worker was lost", "run", r.ID, "losses", r.Losses+1)
		}
		return err
	})
	return errors.Join(err, l.releaseAll(ctx)) // a held run may have waited for one of them
}

// oneByOne does the same to n runs or notices. One to which it cannot be done
// is told of and passed over, so that it keeps nothing from the others; any
// other error is the ledger's.
func (l *Ledger) oneByOne(ctx context.Context, n int, do func(i int) error) error {
	var errs []error
	for i := 0; i < n && ctx.Err() == nil; i++ {
		errs = append(errs, l.passOver(ctx, do(i)))
	}
	return errors.Join(append(errs, ctx.Err())...)
}

func (l *Ledger) passOver(ctx context.Context, err error) error {
	var own unreadable
	switch {
	case errors.Is(err, errNotOurs):
		return nil
	case badData(err), collided(err), errors.As(err, &own):
		l.o.Log.ErrorContext(ctx, "this cannot be done now; the next round tries again", "err", err)
		return nil
	}
	return err
}

func (l *Ledger) takeOverOne(ctx context.Context, tx *sql.Tx, r *record, condition string) error {
	epoch := r.epoch
	was, wasRunning, err := leave(ctx, tx, r, condition)
	if err != nil {
		return err
	}
	if !wasRunning {
		return errNotOurs
	}
	*r, err = scan(tx.QueryRowContext(ctx, find+`WHERE r.id = $1`, r.ID))
	if err != nil && !errors.Is(err, errNoRun) {
		return err
	}
	if err != nil || r.State != offprint.Running || r.epoch != epoch {
		return nil // a lease of nothing; it is gone now
	}
	if err := l.cancelTicket(ctx, tx, r.ticket); err != nil {
		return err
	}
	if r.Losses+int(was.begun) < mostLosses {
		return l.requeueLeft(ctx, tx, r, was, requeuing{losses: was.begun, until: r.RetryUntil, problem: r.Problem})
	}
	p := offprint.Errorf(offprint.WorkerLost, "Three workers were lost while they made this report, so it is not tried again by itself. Your request is kept. Ask for a shorter period, or tell whoever runs this server.")
	p.TraceID = traceID()
	l.o.Log.ErrorContext(ctx, "three workers were lost over a run", "run", r.ID, "report", r.Report, "trace_id", p.TraceID)
	return l.endLeft(ctx, tx, r, was, ending{state: offprint.Failed, problem: p, losses: was.begun})
}

// reissueUnstarted finds queued runs whose ticket was fetched and not started:
// its worker ended in between if it stays so for a whole lease.
func (r *reaper) reissueUnstarted(ctx context.Context) error {
	var late []deadTicket
	seen := map[int64]time.Time{}
	err := each(ctx, r.inner, `SELECT r.id, r.epoch, r.ticket FROM river_job j JOIN runs r ON r.id = j.args ->> 'run'
		WHERE j.state = 'running' AND j.queue = 'make' AND r.state = 'queued' AND r.ticket = j.id`, nil, func(rows *sql.Rows) error {
		d, err := scanDead(rows)
		if r.lasting(r.seen, seen, d.ticket) {
			late = append(late, d)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("find tickets that were not started: %w", err)
	}
	r.seen = seen
	return r.reissueAll(ctx, late)
}

// lasting tells whether a ticket was seen for a whole lease, and keeps in seen
// since when. That is measured here, for River's times are River's.
func (r *reaper) lasting(before, seen map[int64]time.Time, ticket int64) bool {
	since, known := before[ticket]
	if !known {
		since = time.Now()
	}
	seen[ticket] = since
	return time.Since(since) >= r.o.Lease
}

// settleStray makes tickets worthless that were fetched and are nobody's any
// more: their worker ended between our last step and River's own. River leaves
// those alone, for they have no time-out, and there would be ever more of them.
func (r *reaper) settleStray(ctx context.Context) error {
	var late []int64
	seen := map[int64]time.Time{}
	err := each(ctx, r.inner, `SELECT j.id FROM river_job j
		LEFT JOIN runs r ON r.id = j.args ->> 'run' AND r.ticket = j.id
		LEFT JOIN notices n ON n.id = j.args ->> 'notice' AND n.ticket = j.id AND n.state IN ('waiting', 'telling')
		WHERE j.state = 'running' AND j.metadata ->> 'cancel_attempted_at' IS NULL AND r.id IS NULL AND n.id IS NULL`, nil, func(rows *sql.Rows) error {
		var ticket int64
		err := rows.Scan(&ticket)
		if r.lasting(r.seenStray, seen, ticket) {
			late = append(late, ticket)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("find tickets of nobody: %w", err)
	}
	r.seenStray = seen
	return r.oneByOne(ctx, len(late), func(i int) error {
		return r.tx(ctx, "settle", func(tx *sql.Tx) error { return r.cancelTicket(ctx, tx, late[i]) })
	})
}

// mostLooked is how much of the queue one look for dead tickets covers: with
// the longest queue all of it within a minute.
const mostLooked = 10_000

// reissueDead finds queued runs whose ticket is gone or ended, a piece of the
// queue at a time.
func (r *reaper) reissueDead(ctx context.Context) error {
	var dead []deadTicket
	n := 0
	err := each(ctx, r.inner, `SELECT r.id, r.epoch, r.ticket, CASE WHEN j.id IS NULL THEN 0 ELSE 1 END FROM
		(SELECT id, epoch, ticket FROM runs WHERE state = 'queued' AND held_for = '' AND id > $1 ORDER BY id LIMIT $2) AS r
		LEFT JOIN river_job j ON j.id = r.ticket AND j.state NOT IN ('completed', 'cancelled', 'discarded') ORDER BY r.id`,
		[]any{r.cursor, mostLooked}, func(rows *sql.Rows) error {
			var d deadTicket
			var alive int
			err := rows.Scan(&d.run, &d.epoch, &d.ticket, &alive)
			if n++; alive == 0 {
				dead = append(dead, d)
			}
			r.cursor = d.run
			return err
		})
	if n < mostLooked {
		r.cursor = ""
	}
	if err != nil {
		return fmt.Errorf("find dead tickets: %w", err)
	}
	return r.reissueAll(ctx, dead)
}

type deadTicket struct {
	run           string
	epoch, ticket int64
}

func scanDead(rows *sql.Rows) (d deadTicket, err error) {
	err = rows.Scan(&d.run, &d.epoch, &d.ticket)
	return d, err
}

func (l *Ledger) reissueAll(ctx context.Context, dead []deadTicket) error {
	return l.oneByOne(ctx, len(dead), func(i int) error { return l.reissueOne(ctx, dead[i]) })
}

func (l *Ledger) reissueOne(ctx context.Context, d deadTicket) error {
	return l.step(ctx, "reissue", func(ctx context.Context, tx *sql.Tx) error { return l.reissue(ctx, tx, d.run, d.epoch, d.ticket) })
}
