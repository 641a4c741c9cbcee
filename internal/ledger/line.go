package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

const (
	// maxAhead is the last place in the line that is told apart.
	maxAhead = 1000
	// lineAge is how old the line may be that places are counted in. Counting
	// it anew for each of a thousand who ask in one second would take longer than
	// all else that is done for them.
	lineAge = 200 * time.Millisecond
)

// A line is who waits, the first before the others.
type line struct {
	reading sync.Mutex // one reads, the others have what it read

	mu    sync.Mutex
	read  time.Time
	known []waiting
	fresh []waiting // accepted here since the last reading began
}

// waiting is a queued run. One that is held waits for a place of what it
// reads, and is in nobody else's way.
type waiting struct {
	id, reads string
	held      bool
}

// Ahead is how many runs are before a queued one, as it was up to a moment ago:
// at most 1000. Those that wait for a place of another source are not before it.
func (l *Ledger) Ahead(ctx context.Context, run *offprint.Run) (int, error) {
	if err := l.readLine(ctx); err != nil {
		return 0, fmt.Errorf("count the runs before %s: %w", run.ID, err)
	}
	return l.line.before(run), nil
}

func (l *Ledger) readLine(ctx context.Context) error {
	l.line.reading.Lock()
	defer l.line.reading.Unlock()
	since, recent := l.line.begin()
	if recent {
		return nil
	}
	var known []waiting
	err := each(ctx, l.reader, `SELECT id, reads, CASE WHEN held_for <> '' THEN 1 ELSE 0 END FROM runs WHERE state = 'queued' ORDER BY id LIMIT $1`, []any{maxAhead + 1}, func(rows *sql.Rows) error {
		var w waiting
		err := rows.Scan(&w.id, &w.reads, &w.held)
		known = append(known, w)
		return err
	})
	if err == nil {
		l.line.end(known, since)
	}
	return err
}

// begin tells how many of the fresh ones a reading that begins now will find.
func (l *line) begin() (since int, recent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fresh), time.Since(l.read) < lineAge
}

func (l *line) end(known []waiting, since int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.fresh, l.read = known, append([]waiting(nil), l.fresh[since:]...), time.Now()
}

// add puts those who were accepted at the end.
func (l *line) add(accepted []*asking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range accepted {
		if len(l.fresh) <= maxAhead {
			l.fresh = append(l.fresh, waiting{id: a.Run.ID, reads: a.Run.Reads})
		}
	}
}

func (l *line) before(run *offprint.Run) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, last := 0, ""
	for _, w := range l.known {
		if last = w.id; w.ahead(run) {
			n++
		}
	}
	for _, w := range l.fresh {
		if w.id > last && w.ahead(run) { // others were found by the last reading, too
			n++
		}
	}
	return min(n, maxAhead)
}

func (w *waiting) ahead(run *offprint.Run) bool {
	return w.id < run.ID && (!w.held || w.reads == run.Reads)
}
