package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/offprint/offprint"
)

// A source that does not answer is tried by one run at a time. The attempt that
// finds it out of reach says when it is probed next; until then the source has
// no place for anybody, and from then on one, for the oldest that waits. Once a
// run of it has its first rows the source has its places back, and those who
// were held are released.
//
// None of that is kept with the runs that wait: they are told what is known of
// their source. A probe is nobody's office either. Whoever holds a place as one
// and is lost, canceled or handed back leaves it to the next.
type outage struct {
	times   int       // in a row that the source did not answer; 0: it answers
	probe   time.Time // when it is tried again; zero: at once
	problem string    // the last one, see problemText
}

func (o outage) is() bool { return o.times > 0 }

// outageOf is what is known of a source.
func outageOf(ctx context.Context, on asker, source string) (o outage, err error) {
	var probe int64
	err = on.QueryRowContext(ctx, `SELECT outages, next_probe, problem FROM sources WHERE name = $1`, source).Scan(&o.times, &probe, &o.problem)
	o.probe = at(probe)
	return o, ignore(err, sql.ErrNoRows)
}

// wentDown records that an attempt found its source out of reach, and answers
// when the source is tried again. Attempts that fail together are one outage:
// only the first counts that was begun with what is known now.
func (l *Ledger) wentDown(ctx context.Context, tx *sql.Tx, r *record, p *offprint.Error) (o outage, err error) {
	if err := l.lockSource(ctx, tx, r.Reads); err != nil {
		return o, err
	}
	o, err = outageOf(ctx, tx, r.Reads)
	if err != nil || o.times != r.outage.times {
		return o, err
	}
	o.times++
	o.probe = l.in(l.backoff(o.times))
	_, err = tx.ExecContext(ctx, `UPDATE sources SET outages = $1, next_probe = $2, problem = $3 WHERE name = $4`,
		o.times, stamp(o.probe), problemText(forOthers(p)), r.Reads)
	return o, err
}

// forOthers is what those may read of a problem who wait for the same source:
// which one it is. The rest may be about the report of whoever met it.
func forOthers(p *offprint.Error) *offprint.Error {
	shared := offprint.Errorf(p.Code, "Your request is kept, and made once it answers again.")
	shared.Title = p.Title
	return shared
}

// answered ends the outage of a source, if there is one, and releases those
// who were held because of it.
func (l *Ledger) answered(ctx context.Context, source string) error {
	o, err := outageOf(ctx, l.inner, source)
	if err != nil || !o.is() {
		return err
	}
	err = l.step(ctx, "source is back", func(ctx context.Context, tx *sql.Tx) error {
		if err := l.lockSource(ctx, tx, source); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE sources SET outages = 0, next_probe = 0, problem = '' WHERE name = $1`, source)
		return err
	})
	if err != nil {
		return fmt.Errorf("end the outage of %s: %w", source, err)
	}
	l.o.Log.InfoContext(ctx, "a source answers again", "source", source, "outages", o.times)
	return l.release(ctx, source)
}

// tellLater tells those who are held for a source and were not there when it
// went down, or have not heard that it is back: every second, by the reaper.
func (l *Ledger) tellLater(ctx context.Context, source string) error {
	o, err := outageOf(ctx, l.inner, source)
	if err != nil {
		return err
	}
	condition := whoWaited
	if o.is() {
		condition = whoIsNew
	}
	var some int
	err = one(ctx, l.inner, `SELECT count(*) FROM (SELECT 1 FROM runs WHERE held_for = $1 AND held_for <> '' AND `+condition+` LIMIT 1) AS a`, []any{heldFor(source)}, &some)
	if err != nil || some == 0 {
		return err
	}
	return l.tellHeld(ctx, source, condition)
}

// tellHeld tells those who are held for a source and of whom the condition
// holds, by their revisions, that there is news of it, and notes until when
// they wait. Whoever reads has the truth without it.
func (l *Ledger) tellHeld(ctx context.Context, source, condition string) error {
	last := ""
	for {
		var told []change
		err := l.step(ctx, "tell the held", func(ctx context.Context, tx *sql.Tx) error {
			o, err := outageOf(ctx, tx, source)
			if err != nil {
				return err
			}
			until := int64(0)
			if o.is() {
				until = stamp(l.now().Add(l.o.GiveUp))
			}
			those := ` WHERE held_for = $1 AND held_for <> '' AND id > $2 AND ` + condition
			held, err := among(ctx, tx, `SELECT id, epoch, ticket FROM runs`+those+` ORDER BY id LIMIT $3`, heldFor(source), last, mostAtOnce)
			if err != nil || len(held) == 0 {
				return err
			}
			first := last
			last = held[len(held)-1].run
			told, err = l.changed(ctx, tx, `UPDATE runs SET revision = revision + 1,
				held_until = CASE WHEN CAST($4 AS BIGINT) > 0 AND retry_until > 0 THEN retry_until ELSE CAST($4 AS BIGINT) END,
				retry_until = CASE WHEN retry_until = 0 THEN CAST($4 AS BIGINT) ELSE retry_until END`+those+` AND id <= $3`,
				heldFor(source), first, last, until)
			return err
		})
		if err != nil {
			return fmt.Errorf("tell those who wait for %s: %w", source, err)
		}
		l.hub.nudge(told...)
		if len(told) < mostAtOnce {
			return nil
		}
	}
}

// Of whom tellHeld tells.
const (
	everybody = `1 = 1`
	whoIsNew  = `held_until = 0`
	whoWaited = `held_until > 0` // for the source to answer
)

// changed does an UPDATE of runs and announces which they are.
func (l *Ledger) changed(ctx context.Context, tx *sql.Tx, update string, args ...any) (changes []change, err error) {
	rows, err := tx.QueryContext(ctx, update+` RETURNING id, tenant, user_id`, args...)
	if err != nil {
		return nil, err
	}
	err = eachRow(rows, func(rows *sql.Rows) error {
		var id, tenant, user string
		err := rows.Scan(&id, &tenant, &user)
		changes = append(changes, change{id, userKey(tenant, user)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return changes, l.announce(ctx, tx, changes...)
}

// giveUpHeld ends the runs that were held for an outage as long as a run is
// tried.
func (l *Ledger) giveUpHeld(ctx context.Context) error {
	late, err := among(ctx, l.inner, `SELECT r.id, r.epoch, r.ticket FROM sources s JOIN runs r ON r.held_for = 'source:' || s.name AND r.held_for <> ''
		WHERE s.outages > 0 AND r.held_until > 0 AND r.held_until <= $1 LIMIT $2`, stamp(l.now()), mostAtOnce)
	if err != nil {
		return fmt.Errorf("find held runs to give up: %w", err)
	}
	return l.oneByOne(ctx, len(late), func(i int) error {
		var r record
		err := l.step(ctx, "give up", func(ctx context.Context, tx *sql.Tx) (err error) {
			if r, err = lock(ctx, tx, late[i].run); err != nil {
				return ignore(err, errNoRun)
			}
			if r.epoch != late[i].epoch || !r.outage.is() {
				return errNotOurs
			}
			p := gaveUp(r.Problem)
			p.TraceID = traceID()
			l.o.Log.WarnContext(ctx, "a run is given up", "run", r.ID, "report", r.Report, "code", string(p.Code), "trace_id", p.TraceID)
			return l.end(ctx, tx, &r, ending{state: offprint.Failed, problem: p})
		})
		if err == nil {
			l.hub.nudge(changeOf(&r.Run))
		}
		return err
	})
}

// gaveUp is a problem that was tried again until nobody goes on.
func gaveUp(p *offprint.Error) *offprint.Error {
	end := offprint.Errorf(p.Code, "It was tried again for as long as this server does. Make the report again when that is mended.")
	end.Title, end.Fields, end.TraceID = p.Title, p.Fields, p.TraceID
	return end
}
