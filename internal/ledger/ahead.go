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
	// orderAge is how old the order may be that places are counted in. Counting
	// it anew for each of a thousand who ask in one second would take longer than
	// all else that is done for them.
	orderAge = 200 * time.Millisecond
)

// An order is who waits, the first before the others.
type order struct {
	reading sync.Mutex // one reads, the others have what it read

	mu    sync.Mutex
	read  time.Time
	known []waiter
	fresh []waiter // accepted here since the last reading began
}

// A waiter is a queued run. One that is held waits for a place of what it
// reads, and is in nobody else's way.
type waiter struct {
	id, reads string
	held      bool
}

// Ahead is how many runs are before a queued one, as it was up to a moment ago:
// at most 1,000. Those that wait for another try, or for a place of another source,
// let it go past.
func (l *Ledger) Ahead(ctx context.Context, run *offprint.Run) (int, error) {
	if err := l.readOrder(ctx); err != nil {
		return 0, fmt.Errorf("count the runs before %s: %w", run.ID, err)
	}
	return l.order.before(run), nil
}

func (l *Ledger) readOrder(ctx context.Context) error {
	l.order.reading.Lock()
	defer l.order.reading.Unlock()
	since, recent := l.order.begin()
	if recent {
		return nil
	}
	known, err := l.waiters(ctx)
	if err == nil {
		l.order.end(known, since)
	}
	return err
}

// waiters are those who wait for nothing, and then those who are held for each
// source: of either so many that a long line hides nobody else's.
func (l *Ledger) waiters(ctx context.Context) (all []waiter, err error) {
	sources, err := l.heldSources(ctx)
	if err != nil {
		return nil, err
	}
	queues := []string{""}
	for _, source := range sources {
		queues = append(queues, heldFor(source))
	}
	for _, queue := range queues {
		err := each(ctx, l.reader, `SELECT id, reads FROM runs WHERE state = 'queued' AND held_for = $1 AND next_attempt <= $2 ORDER BY id LIMIT $3`,
			[]any{queue, stamp(l.now()), maxAhead + 1}, func(rows *sql.Rows) error {
				w := waiter{held: queue != ""}
				err := rows.Scan(&w.id, &w.reads)
				all = append(all, w)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// begin tells how many of the fresh ones a reading that begins now will find.
func (o *order) begin() (since int, recent bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.fresh), time.Since(o.read) < orderAge
}

func (o *order) end(known []waiter, since int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known, o.fresh, o.read = known, append([]waiter(nil), o.fresh[since:]...), time.Now()
}

// add puts those who were accepted at the end.
func (o *order) add(accepted []*asking) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range accepted {
		if len(o.fresh) <= maxAhead {
			o.fresh = append(o.fresh, waiter{id: a.Run.ID, reads: a.Run.Reads})
		}
	}
}

func (o *order) before(run *offprint.Run) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, last := 0, ""
	for _, w := range o.known {
		if last = max(last, w.id); w.ahead(run) {
			n++
		}
	}
	for _, w := range o.fresh {
		if w.id > last && w.ahead(run) { // others were found by the last reading, too
			n++
		}
	}
	return min(n, maxAhead)
}

func (w *waiter) ahead(run *offprint.Run) bool {
	return w.id < run.ID && (!w.held || w.reads == run.Reads)
}
