package desk

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/offprint/offprint/internal/ledger"
)

// A line says when who waits will be begun. It is worked out once a second, and
// only when somebody asks.
type line struct {
	mu     sync.Mutex
	at     time.Time            // when it was worked out
	begins map[string]time.Time // each that waits; zero: not known
	last   time.Time            // one more behind them; zero: not known
	slots  int                  // workers that there were lately
	full   time.Time            // when there were so many
}

const (
	lineEvery = time.Second
	lately    = 30 * time.Second
	mostAsks  = 20 // kinds of runs whose history is looked up at a time; the others are by then taken for average
)

// starts is when the run is begun; one that has come since is the last in line.
func (l *line) starts(ctx context.Context, d *Desk, run string) (at time.Time, known bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := d.Now()
	if l.begins == nil || now.Sub(l.at) >= lineEvery {
		if err := l.read(ctx, d, now); err != nil {
			return time.Time{}, false, err
		}
	}
	at, stood := l.begins[run]
	if !stood {
		at = l.last
	}
	return at, !at.IsZero(), nil
}

func (l *line) read(ctx context.Context, d *Desk, now time.Time) error {
	stands, err := d.Ledger.Line(ctx)
	if err != nil {
		return fmt.Errorf("the line: %w", err)
	}
	if n := max(int(d.workers.Load()), len(stands.Running)); n >= l.slots || now.Sub(l.full) > lately {
		l.slots, l.full = n, now
	}
	takes, err := d.history.durations(ctx, slices.Concat(stands.Running, stands.Waiting))
	if err != nil {
		return err
	}
	l.at = now
	l.begins, l.last = foresee(stands, l.slots, takes, now)
	return nil
}

// durations are how long the runs take, as far as anything is known of any.
func (h *history) durations(ctx context.Context, stands []ledger.Standing) (map[string]time.Duration, error) {
	takes := make(map[string]time.Duration, len(stands))
	var all time.Duration
	asks := 0
	for _, s := range stands {
		k := kind{s.Tenant, s.Report, s.Format}
		past, stale := h.known(k)
		if stale && asks < mostAsks {
			var err error
			if past, err = h.fresh(ctx, k); err != nil {
				return nil, err
			}
			asks++
		}
		if took := usually(past, s); took > 0 {
			takes[s.ID] = took
			all += took
		}
	}
	if known := len(takes); known > 0 {
		for _, s := range stands {
			if takes[s.ID] == 0 {
				takes[s.ID] = all / time.Duration(known)
			}
		}
	}
	return takes, nil
}

// foresee goes through the time to come: whenever a worker is free, the first
// in line begins whose source has a place. begins has those of whom that can be
// said, and without a time those whose source does not answer; last is when one
// more would begin.
func foresee(stands ledger.Line, slots int, takes map[string]time.Duration, now time.Time) (begins map[string]time.Time, last time.Time) {
	begins = make(map[string]time.Time)
	free := make([]time.Time, max(0, slots-len(stands.Running)), slots) // when each worker is, the first one first
	for i := range free {
		free[i] = now
	}
	places := make(map[string][]time.Time) // of sources that have few: when each is free
	for _, s := range stands.Running {
		ends, known := until(s, takes, now)
		if !known {
			return begins, time.Time{}
		}
		free = append(free, ends)
		if stands.Places[s.Reads] > 0 {
			places[s.Reads] = append(places[s.Reads], ends)
		}
	}
	for source, n := range stands.Places {
		for len(places[source]) < n && len(places[source]) < slots {
			places[source] = append(places[source], now)
		}
	}
	waiting := slices.DeleteFunc(slices.Clone(stands.Waiting), func(s ledger.Standing) bool {
		if s.Down { // it is in nobody's way
			begins[s.ID] = time.Time{}
		}
		return s.Down
	})
	for len(waiting) > 0 && len(free) > 0 {
		worker := earliest(free)
		i, at := nextAt(waiting, places, free[worker])
		s := waiting[i]
		waiting = slices.Delete(waiting, i, i+1)
		begins[s.ID] = at
		took, known := takes[s.ID]
		if !known {
			return begins, time.Time{}
		}
		free[worker] = at.Add(took)
		if of := places[s.Reads]; of != nil {
			of[earliest(of)] = free[worker]
		}
	}
	if len(free) > 0 && !stands.More {
		last = free[earliest(free)]
	}
	return begins, last
}

// until is when a run that is made ends.
func until(s ledger.Standing, takes map[string]time.Duration, now time.Time) (time.Time, bool) {
	if !s.Due.IsZero() {
		return now.Add(s.Left(now)), true
	}
	took, known := takes[s.ID]
	return later(now, s.Started.Add(took)), known
}

// nextAt is who begins when a worker is free from then on, and when: the first
// whose source has a place by then, else whoever's source has one first.
func nextAt(waiting []ledger.Standing, places map[string][]time.Time, free time.Time) (next int, at time.Time) {
	for i, s := range waiting {
		of := places[s.Reads]
		if of == nil || !of[earliest(of)].After(free) {
			return i, free
		}
		if place := of[earliest(of)]; at.IsZero() || place.Before(at) {
			next, at = i, place
		}
	}
	return next, at
}

func earliest(times []time.Time) (first int) {
	for i, t := range times {
		if t.Before(times[first]) {
			first = i
		}
	}
	return first
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
