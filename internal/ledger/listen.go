package ledger

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint"
)

// pollEvery is the net under the notifications.
const pollEvery = 5 * time.Second

// hear starts listening to other processes with the first who watches. Beside
// whoever has SQLite's lock there is none that changes a run.
func (l *Ledger) hear() {
	if l.lock != nil {
		return
	}
	l.hearing.Do(func() {
		if l.notify != "" {
			l.running.Go(func() { l.listenUntil(l.closing) })
		}
		l.running.Go(func() { l.pollUntil(l.closing) })
	})
}

// listenUntil listens, over one connection after another, until ctx ends.
func (l *Ledger) listenUntil(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.listenOnce(ctx); err != nil && ctx.Err() == nil {
			l.o.Log.WarnContext(ctx, "listening to the ledger broke off", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (l *Ledger) listenOnce(ctx context.Context) error {
	config, err := pgx.ParseConfig(l.o.ListenURL)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, `LISTEN `+l.channel()); err != nil {
		return err
	}
	l.catchUp(ctx, l.now().Add(-overlap), map[revised]bool{}) // what was said while nobody listened
	l.hub.nudge(l.hub.named()...)
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		l.hub.nudge(l.heard(n.Payload)...)
	}
}

// overlap is more than two clocks differ and a transaction takes: what it
// changed is stamped before its COMMIT.
const overlap = stepLimit + 5*time.Second

func (l *Ledger) pollUntil(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	seen := map[revised]bool{}
	since := l.now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if l.hub.idle() {
			since = l.now()
			continue
		}
		asked := l.now()
		if next, ok := l.catchUp(ctx, since.Add(-overlap), seen); ok {
			seen, since = next, asked
		}
	}
}

// revised is one state of one run.
type revised struct {
	run      string
	revision int64
}

// catchUp nudges for what changed since then and was not seen before, and
// answers what it has seen.
func (l *Ledger) catchUp(ctx context.Context, since time.Time, before map[revised]bool) (seen map[revised]bool, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, pollEvery)
	defer cancel()
	seen = map[revised]bool{}
	var changes []change
	err := each(ctx, l.inner, `SELECT id, tenant, user_id, revision FROM runs WHERE changed >= $1
		UNION ALL SELECT r.id, r.tenant, r.user_id, x.revision FROM running x CROSS JOIN runs r WHERE r.id = x.run`, []any{stamp(since)},
		func(rows *sql.Rows) error {
			var run offprint.Run
			err := rows.Scan(&run.ID, &run.Who.Tenant, &run.Who.User, &run.Revision)
			is := revised{run.ID, run.Revision}
			if seen[is] = true; !before[is] {
				changes = append(changes, changeOf(&run))
			}
			return err
		})
	if err != nil {
		l.o.Log.DebugContext(ctx, "poll the ledger", "err", err)
		return before, false
	}
	l.hub.nudge(changes...)
	return seen, true
}
