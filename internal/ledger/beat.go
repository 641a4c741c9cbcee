package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/offprint/offprint"
)

// beatUntil is the one loop of a process that keeps its own leases and looks
// for those that others lost; its own come first.
func (w *work) beatUntil(ctx context.Context) {
	tick := time.NewTicker(min(w.o.Reap, w.o.Beat))
	defer tick.Stop()
	r := reaper{Ledger: w.Ledger, renew: w.beat, seen: map[int64]time.Time{}}
	beaten, heard := time.Now(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(beaten) >= w.o.Beat-w.o.Reap/2 {
			beaten = time.Now()
			if err := w.beat(ctx); err != nil {
				w.o.Log.WarnContext(ctx, "no beat", "err", err)
				r.good = time.Time{}
				w.outage(heard)
				continue
			}
			heard = time.Now()
		}
		if !w.draining.Load() {
			r.once(ctx)
		}
	}
}

// outage ends the work here when the ledger was silent for too long. Until
// then the fence keeps it safe: an hours-long run must outlive a restart of
// the database.
func (w *work) outage(heard time.Time) {
	if time.Since(heard) > w.contact {
		w.cancelAll(ErrLost)
	}
}

// beat renews all claims of this process.
func (w *work) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, max(w.o.Beat, time.Second))
	defer cancel()
	if err := w.beatJobs(ctx); err != nil {
		return err
	}
	return w.beatTellings(ctx)
}

// beatTellings renews the claims to notices; one that is gone tells its teller
// when he records what he did.
func (w *work) beatTellings(ctx context.Context) error {
	w.mu.Lock()
	telling := slices.Collect(maps.Keys(w.telling))
	w.mu.Unlock()
	if len(telling) == 0 {
		return nil
	}
	q := &query{}
	q.add(`UPDATE notices SET lease_until = `+w.clock+` + ? WHERE state = 'telling' AND (id, attempt) IN (VALUES `, w.o.Lease.Microseconds())
	for i, t := range telling {
		if i > 0 {
			q.add(`, `)
		}
		q.add(`(CAST(? AS TEXT), CAST(? AS BIGINT))`, t.Notice, t.Attempt)
	}
	q.add(`)`)
	if _, err := w.db.ExecContext(ctx, q.String(), q.args...); err != nil {
		return fmt.Errorf("beat for notices: %w", err)
	}
	return nil
}

// beatJobs renews all leases of this process and stores how far their runs are,
// in one statement. A beat that answers without a run ends that run's context;
// a beat that fails ends none.
func (w *work) beatJobs(ctx context.Context) error {
	jobs := w.jobs()
	if len(jobs) == 0 {
		return nil
	}
	words := make([]word, len(jobs))
	for i, j := range jobs {
		words[i] = j.word()
	}
	still, err := w.renew(ctx, jobs, words)
	if err != nil {
		for i, j := range jobs {
			j.unsaid(words[i])
		}
		return fmt.Errorf("beat: %w", err)
	}
	for _, j := range jobs {
		if !still[j.ticket()] {
			w.look(ctx, j)
		}
	}
	return w.probed(ctx, jobs, words)
}

// probed lets others read a source again whose probe has its first rows.
func (w *work) probed(ctx context.Context, jobs []*Job, words []word) error {
	for i, j := range jobs {
		if !j.probes.Load() || words[i].phase == offprint.Querying {
			continue
		}
		if err := w.answered(ctx, j.Run.Reads); err != nil {
			return err
		}
		j.probes.Store(false)
	}
	return nil
}

func (w *work) renew(ctx context.Context, jobs []*Job, words []word) (still map[makeTicket]bool, err error) {
	q := beatQuery(w.clock, w.o.Lease, jobs, words)
	still = map[makeTicket]bool{}
	var changes []change
	err = w.tx(ctx, "beat", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, q.String(), q.args...)
		if err != nil {
			return err
		}
		err = eachRow(rows, func(rows *sql.Rows) error {
			var t makeTicket
			err := rows.Scan(&t.Run, &t.Epoch)
			still[t] = true
			return err
		})
		if err != nil {
			return err
		}
		for i, j := range jobs {
			if words[i].changed && still[j.ticket()] {
				changes = append(changes, changeOf(&j.Run))
			}
		}
		return w.announce(ctx, tx, changes...)
	})
	if err == nil {
		w.hub.nudge(changes...)
	}
	return still, err
}

func beatQuery(clock string, lease time.Duration, jobs []*Job, words []word) *query {
	q := &query{}
	q.add(`UPDATE running SET lease_until = `+clock+` + ?, phase = v.column3, row_count = v.column4, row_total = v.column5, exact = v.column6,
		bytes = v.column7, percent = v.column8, as_of = v.column9, due = v.column10, rest = v.column11, revision = running.revision + v.column12 FROM (VALUES `, lease.Microseconds())
	for i, j := range jobs {
		if i > 0 {
			q.add(`, `)
		}
		s := words[i]
		q.add(`(CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT),
			CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS BIGINT))`,
			j.Run.ID, j.is.epoch, string(s.phase), s.progress.Rows, s.progress.RowsTotal, number(s.progress.Exact), s.progress.Bytes,
			s.progress.AtLeast, stamp(s.asOf), stamp(s.progress.Due), s.progress.Then.Microseconds(), number(s.changed))
	}
	q.add(`) AS v WHERE running.run = v.column1 AND running.epoch = v.column2 RETURNING running.run, running.epoch`)
	return q
}

// word is what a job last said of itself.
type word struct {
	phase    offprint.Phase
	progress offprint.Progress
	asOf     time.Time
	changed  bool
}

func (j *Job) word() word {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := word{j.phase, j.progress, j.asOf, j.changed}
	j.changed = false
	return w
}

// unsaid takes back that the word was stored.
func (j *Job) unsaid(w word) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changed = j.changed || w.changed
}
