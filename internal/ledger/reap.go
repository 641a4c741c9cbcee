package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
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
	good   time.Time // since when the ledger has answered without a break
	deep   time.Time // the last look for dead tickets
	cursor string    // where the next look begins
	// Since when tickets that were fetched have not been taken up.
	seen, seenTell map[int64]time.Time
}

// once is one round. Its errors are the ledger's silence, which ends; what was
// not done is done then.
func (r *reaper) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, max(r.o.Beat, time.Second))
	defer cancel()
	if err := r.round(ctx); err != nil && ctx.Err() == nil {
		r.o.Log.WarnContext(ctx, "no reaping", "err", err)
		r.good = time.Time{}
	}
}

func (r *reaper) round(ctx context.Context) error {
	if r.good.IsZero() {
		if err := r.Ping(ctx); err != nil {
			return err
		}
		r.good = time.Now()
	}
	// After an outage every lease looks expired; those who are still alive get
	// one lease's time to say so.
	if time.Since(r.good) >= r.o.Lease {
		if err := r.takeOver(ctx, `lease_until < `+r.clock); err != nil {
			return err
		}
	}
	// What was fetched and not started is looked for in every round: a lease
	// has to pass after the first look, and ten seconds are all there are.
	if err := errors.Join(r.release(ctx, true), r.reissueUnstarted(ctx)); err != nil {
		return err
	}
	if time.Since(r.deep) < 5*r.o.Reap {
		return nil
	}
	r.deep = time.Now()
	return errors.Join(r.reissueDead(ctx), r.retell(ctx))
}

// mostReaped bounds a round; the next one goes on.
const mostReaped = 100

// reapAll takes over every running run: whoever holds the lock of SQLite knows
// that nobody works on them.
func (l *Ledger) reapAll(ctx context.Context) error {
	for {
		var n int
		if err := l.reader.QueryRowContext(ctx, `SELECT count(*) FROM running`).Scan(&n); err != nil || n == 0 {
			return err
		}
		if err := l.takeOver(ctx, anyLease); err != nil {
			return err
		}
	}
}

// takeOver puts back the runs whose lease is as the condition says.
func (l *Ledger) takeOver(ctx context.Context, condition string) error {
	var lost []makeTicket
	err := l.each(ctx, `SELECT run, epoch FROM running WHERE `+condition+` LIMIT $1`, []any{mostReaped}, func(rows *sql.Rows) error {
		var t makeTicket
		err := rows.Scan(&t.Run, &t.Epoch)
		lost = append(lost, t)
		return err
	})
	if err != nil {
		return fmt.Errorf("find lost runs: %w", err)
	}
	for _, t := range lost {
		r := record{Run: offprint.Run{ID: t.Run}, epoch: t.Epoch}
		err := l.tx(ctx, "reap", func(tx *sql.Tx) error { return l.takeOverOne(ctx, tx, &r, condition) })
		if errors.Is(err, errNotOurs) {
			continue
		}
		if err != nil {
			return err
		}
		l.hub.nudge(changeOf(&r.Run))
		l.o.Log.WarnContext(ctx, "a worker was lost", "run", r.ID, "losses", r.Losses+1)
	}
	return nil
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
	p := offprint.Errorf(offprint.WorkerLost, "Three workers were lost while they made this report, so it is not tried again by itself. Ask for a shorter period, or tell whoever runs this server.")
	p.TraceID = traceID()
	l.o.Log.ErrorContext(ctx, "three workers were lost over a run", "run", r.ID, "report", r.Report, "trace_id", p.TraceID)
	return l.endLeft(ctx, tx, r, was, ending{state: offprint.Failed, problem: p, losses: was.begun})
}

// reissueUnstarted finds queued runs whose ticket was fetched and not started:
// its worker ended in between if it stays so for a whole lease. That is
// measured here, for River's times are River's.
func (r *reaper) reissueUnstarted(ctx context.Context) error {
	now := time.Now()
	var late []deadTicket
	seen := map[int64]time.Time{}
	err := r.each(ctx, `SELECT r.id, r.epoch, r.ticket FROM river_job j JOIN runs r ON r.id = j.args ->> 'run'
		WHERE j.state = 'running' AND j.queue = 'make' AND r.state = 'queued' AND r.ticket = j.id`, nil, func(rows *sql.Rows) error {
		d, err := scanDead(rows)
		since, known := r.seen[d.ticket]
		if !known {
			since = now
		}
		if seen[d.ticket] = since; now.Sub(since) >= r.o.Lease {
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

// mostLooked is how much of the queue one look for dead tickets covers.
const mostLooked = 2000

// reissueDead finds queued runs whose ticket is gone or ended, a piece of the
// queue at a time.
func (r *reaper) reissueDead(ctx context.Context) error {
	var dead []deadTicket
	n := 0
	err := r.each(ctx, `SELECT r.id, r.epoch, r.ticket, CASE WHEN j.id IS NULL THEN 0 ELSE 1 END FROM
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
	for _, d := range dead {
		err := l.tx(ctx, "reissue", func(tx *sql.Tx) error { return l.reissue(ctx, tx, d.run, d.epoch, d.ticket) })
		if err := ignore(err, errNotOurs); err != nil {
			return err
		}
	}
	return nil
}

// release gives one held run of each reason its ticket: the oldest, because a
// run of its sort may have ended; or, when due, one whose time has come.
func (l *Ledger) release(ctx context.Context, due bool) error {
	reasons, err := l.reasons(ctx)
	if err != nil {
		return fmt.Errorf("find held runs: %w", err)
	}
	for _, reason := range reasons {
		text, args := `SELECT id, epoch, ticket FROM runs WHERE held_for = $1 AND held_for <> '' ORDER BY id LIMIT 1`, []any{reason}
		if due {
			text = `SELECT id, epoch, ticket FROM runs WHERE held_for = $1 AND held_for <> '' AND held_until <= $2 ORDER BY held_until LIMIT 1`
			args = append(args, stamp(l.now()))
		}
		var held []deadTicket
		err := l.each(ctx, text, args, func(rows *sql.Rows) error {
			d, err := scanDead(rows)
			held = append(held, d)
			return err
		})
		if err := errors.Join(err, l.reissueAll(ctx, held)); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	return nil
}

// reasons are what runs are held for; there are few, each found by one look
// into an index.
func (l *Ledger) reasons(ctx context.Context) (reasons []string, err error) {
	last := ""
	for {
		err := l.reader.QueryRowContext(ctx, `SELECT COALESCE(MIN(held_for), '') FROM runs WHERE held_for > $1 AND held_for <> ''`, last).Scan(&last)
		if err != nil || last == "" {
			return reasons, err
		}
		reasons = append(reasons, last)
	}
}
