package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/riverqueue/river"
)

// A source has so many places as runs may read it at once, over all processes.
// They are given in the order of asking: of the runs that are ready, which wait
// for nothing but a worker, so many of the oldest may start as places are free.
// Any other is held, without a ticket, until whoever frees a place releases it.
// A source that does not answer has no place, or one: see probe.go.
//
// All of that is decided under the source's lock, so two processes do not give
// the same place away. Whoever releases takes it too, after the end of a run is
// committed: a run that is just being held because of it is then seen.

// heldFor is what a run waits for that found no place.
func heldFor(source string) string { return "source:" + source }

// most is how many places a source has.
func (l *Ledger) most(source string) int {
	if most := l.o.MaxRuns[source]; most > 0 && source != "" {
		return most
	}
	return math.MaxInt32
}

// limited tells whether a source has fewer places than may be asked for, also
// while it answers.
func (l *Ledger) limited(source string) bool { return l.most(source) < math.MaxInt32 }

// lockSource lets nobody else give away places of the source until the
// transaction ends. It comes before the lock of any run.
func (l *Ledger) lockSource(ctx context.Context, tx *sql.Tx, source string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO sources (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name`, source)
	return err
}

// countTaken begins with the few leases, and says so to SQLite, which would
// read every run there ever was.
const countTaken = `SELECT count(*), COALESCE(SUM(CASE WHEN x.probes > 0 THEN 1 ELSE 0 END), 0) FROM running x CROSS JOIN runs r WHERE r.id = x.run AND r.epoch = x.epoch AND r.reads = $1`

// countEarlier goes by id even where the statistics are old.
const countEarlier = `SELECT count(*) FROM (SELECT 1 FROM runs WHERE ` + ready + ` AND id < $2 ORDER BY id LIMIT $3) AS a`

// free is how many places are; under the source's lock there are no fewer
// afterwards. Runs that began before an outage are no probes, and may go on.
func (l *Ledger) free(ctx context.Context, on asker, source string) (int, error) {
	o, err := outageOf(ctx, on, source)
	if err != nil || o.is() && o.probe.After(l.now()) {
		return 0, err
	}
	var taken, probing int
	err = on.QueryRowContext(ctx, countTaken, source).Scan(&taken, &probing)
	free := l.most(source) - taken
	if o.is() {
		free = min(free, 1-probing)
	}
	return max(0, free), err
}

// ready is the condition of runs of the source $1 that wait for nothing but a
// worker, or a place. Those that wait for another try are not among them, and
// let others go first.
const ready = `reads = $1 AND reads <> '' AND state = 'queued' AND next_attempt = 0`

// mayStart tells whether a place is the run's: it locks the source, unless that
// answers and has places for everybody.
func (l *Ledger) mayStart(ctx context.Context, tx *sql.Tx, r *record) (may bool, err error) {
	if r.outage, err = outageOf(ctx, tx, r.Reads); err != nil {
		return false, err
	}
	if !l.limited(r.Reads) && !r.outage.is() {
		return true, nil
	}
	if err := l.lockSource(ctx, tx, r.Reads); err != nil {
		return false, err
	}
	if r.outage, err = outageOf(ctx, tx, r.Reads); err != nil {
		return false, err
	}
	free, err := l.free(ctx, tx, r.Reads)
	if err != nil || free == 0 {
		return false, err
	}
	var earlier int
	err = tx.QueryRowContext(ctx, countEarlier, r.Reads, r.ID, free).Scan(&earlier)
	return earlier < free, err
}

// hold takes a queued run's ticket away until it is released. From then on it
// waits for no time of its own any more, if it did.
func (l *Ledger) hold(ctx context.Context, tx *sql.Tx, r *record) error {
	happened, err := exec(ctx, tx, `UPDATE runs SET epoch = epoch + 1, ticket = 0, held_for = $1, next_attempt = 0,
		revision = revision + CASE WHEN next_attempt > 0 THEN 1 ELSE 0 END WHERE id = $2 AND epoch = $3 AND state = 'queued'`,
		heldFor(r.Reads), r.ID, r.epoch)
	if err == nil && !happened {
		err = errNotOurs
	}
	if err == nil && !r.NextAttempt.IsZero() {
		err = l.announce(ctx, tx, changeOf(&r.Run))
	}
	return err
}

// holdMore holds those behind a run that found no place, so that the workers
// need not take up the ticket of each: others wait for these workers. A ticket
// that was fetched meanwhile is stale.
func (l *Ledger) holdMore(ctx context.Context, tx *sql.Tx, r *record) error {
	behind, err := among(ctx, tx, `SELECT id, epoch, ticket FROM runs WHERE `+ready+` AND held_for = '' AND id > $2 ORDER BY id LIMIT $3`, r.Reads, r.ID, mostAtOnce)
	if err != nil || len(behind) == 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE runs SET epoch = epoch + 1, ticket = 0, held_for = $2 WHERE `+ready+` AND held_for = '' AND id > $3 AND id <= $4`,
		r.Reads, heldFor(r.Reads), r.ID, behind[len(behind)-1].run)
	if err != nil {
		return err
	}
	tickets := make([]int64, len(behind))
	for i, b := range behind {
		tickets[i] = b.ticket
	}
	_, err = l.queue.JobDeleteManyTx(ctx, tx, river.NewJobDeleteManyParams().IDs(tickets...).First(mostAtOnce))
	return err
}

// freed releases who may start now that a run of the source has ended, or
// waits no more. Where places are for everybody, mostly nobody is held.
func (l *Ledger) freed(ctx context.Context, source string) error {
	if l.limited(source) {
		return l.release(ctx, source)
	}
	return l.releaseIfAny(ctx, source)
}

// mostAtOnce bounds what one transaction holds or releases; the next goes on.
const mostAtOnce = 100

// release gives a ticket to those of a source's held runs that may start.
func (l *Ledger) release(ctx context.Context, source string) error {
	var told []change // who waited for the source to answer
	err := l.step(ctx, "release", func(ctx context.Context, tx *sql.Tx) error {
		if err := l.lockSource(ctx, tx, source); err != nil {
			return err
		}
		held, err := l.next(ctx, tx, source)
		if err != nil || len(held) == 0 {
			return err
		}
		told, err = l.changed(ctx, tx, `UPDATE runs SET revision = revision + 1, held_until = 0 WHERE held_for = $1 AND held_for <> '' AND held_until > 0 AND id <= $2`,
			heldFor(source), held[len(held)-1].run)
		for i := 0; i < len(held) && err == nil; i++ {
			err = ignore(l.reissue(ctx, tx, held[i].run, held[i].epoch, held[i].ticket), errNotOurs)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("release runs of %s: %w", source, err)
	}
	l.hub.nudge(told...)
	return nil
}

// next are the held ones among so many of the oldest that are ready as places
// are free.
func (l *Ledger) next(ctx context.Context, on asker, source string) ([]deadTicket, error) {
	free, err := l.free(ctx, on, source)
	if err != nil || free == 0 {
		return nil, err
	}
	return among(ctx, on, `SELECT id, epoch, ticket FROM (SELECT id, epoch, ticket, held_for FROM runs WHERE `+ready+` ORDER BY id LIMIT $2) AS a
		WHERE held_for <> '' ORDER BY id LIMIT $3`, source, free, mostAtOnce)
}

// asker is a transaction or a database.
type asker interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}

func among(ctx context.Context, on asker, text string, args ...any) (found []deadTicket, err error) {
	rows, err := on.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	err = eachRow(rows, func(rows *sql.Rows) error {
		d, err := scanDead(rows)
		found = append(found, d)
		return err
	})
	return found, err
}

// releaseIfAny looks first, for mostly there is nothing to do and nothing to
// write.
func (l *Ledger) releaseIfAny(ctx context.Context, source string) error {
	next, err := l.next(ctx, l.inner, source)
	if err != nil || len(next) == 0 {
		return err
	}
	return l.release(ctx, source)
}

// releaseAll releases what may start of every source for which runs are held.
func (l *Ledger) releaseAll(ctx context.Context) error {
	sources, err := l.heldSources(ctx)
	if err != nil {
		return fmt.Errorf("find held runs: %w", err)
	}
	return l.oneByOne(ctx, len(sources), func(i int) error {
		return errors.Join(l.releaseIfAny(ctx, sources[i]), l.tellLater(ctx, sources[i]))
	})
}

// heldSources are found by one look into an index each.
func (l *Ledger) heldSources(ctx context.Context) (sources []string, err error) {
	last := ""
	for {
		err := one(ctx, l.inner, `SELECT COALESCE(MIN(held_for), '') FROM runs WHERE held_for > $1 AND held_for <> ''`, []any{last}, &last)
		if err != nil || last == "" {
			return sources, err
		}
		sources = append(sources, last[len(heldFor("")):])
	}
}
