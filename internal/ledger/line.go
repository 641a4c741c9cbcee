package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/offprint/offprint"
)

// A Line is what is being made, and who waits behind it in the order of asking.
type Line struct {
	Running, Waiting []Standing
	More             bool           // there are more who wait
	Places           map[string]int // of the sources that those read which wait, where they have a limit
}

// A Standing is a run as far as its place in line goes.
type Standing struct {
	ID, Tenant, Report, Format, Reads string
	Wanted
	Started time.Time // zero: it waits
	Down    bool      // what it reads does not answer: when it begins, nobody knows
	offprint.Forecast
}

// Line is the line as it stands now. Of those that wait for nothing but a worker
// or a place it has the first 1,000, and none that waits for another try.
func (l *Ledger) Line(ctx context.Context) (line Line, err error) {
	line.Running, err = l.standing(ctx, `SELECT r.id, r.tenant, r.report, r.reads, r.asking, r.started, x.due, x.rest, 0
		FROM running x CROSS JOIN runs r WHERE r.id = x.run AND r.epoch = x.epoch`)
	if err == nil {
		line.Waiting, err = l.standing(ctx, `SELECT id, tenant, report, reads, asking, 0, 0, 0,
			CASE WHEN EXISTS (SELECT 1 FROM sources s WHERE s.name = reads AND s.outages > 0) THEN 1 ELSE 0 END FROM runs
			WHERE state = 'queued' AND next_attempt <= $1 ORDER BY id LIMIT $2`, stamp(l.now()), maxAhead)
	}
	if err != nil {
		return Line{}, fmt.Errorf("read the line: %w", err)
	}
	line.More = len(line.Waiting) == maxAhead
	line.Places = make(map[string]int)
	for _, s := range line.Waiting {
		if l.limited(s.Reads) {
			line.Places[s.Reads] = l.most(s.Reads)
		}
	}
	return line, nil
}

func (l *Ledger) standing(ctx context.Context, text string, args ...any) (all []Standing, err error) {
	err = each(ctx, l.reader, text, args, func(rows *sql.Rows) error {
		var s Standing
		var asking string
		var started, due, rest, down int64
		if err := rows.Scan(&s.ID, &s.Tenant, &s.Report, &s.Reads, &asking, &started, &due, &rest, &down); err != nil {
			return err
		}
		var asked wanted
		_ = read(asking, &asked) // what cannot be read stands in line all the same
		s.Format, s.Wanted = asked.Format, asked.texts()
		s.Down = down != 0
		s.Started, s.Forecast = at(started), offprint.Forecast{Due: at(due), Then: micros(rest)}
		all = append(all, s)
		return nil
	})
	return all, err
}
