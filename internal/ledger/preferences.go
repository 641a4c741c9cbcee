package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

// Preferences are what somebody wants to be told of their runs, where a run
// says nothing else. Nobody changes those that the ledger answered.
type Preferences struct {
	Mail     []offprint.Event `json:"mail,omitempty"`     // of which they are mailed
	Webhooks []string         `json:"webhooks,omitempty"` // the ids of those that are told
}

// Mails tells whether they are mailed of the event.
func (p *Preferences) Mails(e offprint.Event) bool { return slices.Contains(p.Mail, e) }

// readPreferences reads what is kept; nothing of nobody who has none.
func readPreferences(wants string) (*Preferences, error) {
	if wants == "" {
		return nil, nil
	}
	p := new(Preferences)
	if err := read(wants, p); err != nil {
		return nil, err
	}
	return p, nil
}

// Preferences are somebody's own; nil: they have none.
func (l *Ledger) Preferences(ctx context.Context, tenant, user string) (p *Preferences, err error) {
	var wants string
	err = one(ctx, l.reader, `SELECT wants FROM preferences WHERE tenant = $1 AND user_id = $2`, []any{tenant, user}, &wants)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil {
		p, err = readPreferences(wants)
	}
	if err != nil {
		return nil, fmt.Errorf("read what %s wants to be told: %w", user, err)
	}
	return p, nil
}

// Prefer keeps somebody's preferences in place of those they had; nil takes
// them away.
func (l *Ledger) Prefer(ctx context.Context, tenant, user string, p *Preferences) error {
	wants := ""
	if p != nil {
		wants = text(p)
	}
	err := l.step(ctx, "prefer", func(ctx context.Context, tx *sql.Tx) error {
		// The lock of this row has changes committed in the order of their numbers.
		var change int64
		err := tx.QueryRowContext(ctx, `INSERT INTO settings (name, value) VALUES ('preferences', '1')
			ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT) RETURNING CAST(value AS BIGINT)`).Scan(&change)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO preferences (tenant, user_id, wants, change) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, user_id) DO UPDATE SET wants = excluded.wants, change = excluded.change`, tenant, user, wants, change)
		return err
	})
	l.recent.spoil()
	return err
}

// recentFor is how late a process may know what somebody preferred in another.
const recentFor = time.Second

// recent are everybody's preferences as they were within recentFor, so that a
// crowd that asks in one moment costs one question: what is new since the last.
type recent struct {
	mu      sync.Mutex
	by      map[person]*Preferences
	change  int64     // the last that was read
	read    time.Time // when
	spoiled int       // how often a change was made here
	coming  *lookup   // a question on its way; nil: none is
}

type person struct{ tenant, user string }

// A lookup is a question that many wait for.
type lookup struct {
	done chan struct{} // closed once err stands
	err  error
}

func (r *recent) spoil() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoiled++
	r.read = time.Time{}
}

// RecentPreferences are somebody's own, as they were within the last second.
func (l *Ledger) RecentPreferences(ctx context.Context, tenant, user string) (*Preferences, error) {
	r := &l.recent
	for {
		r.mu.Lock()
		if time.Since(r.read) < recentFor {
			p := r.by[person{tenant, user}]
			r.mu.Unlock()
			return p, nil
		}
		asked := r.coming
		if asked == nil {
			asked = &lookup{done: make(chan struct{})}
			r.coming = asked
			since, spoiled := r.change, r.spoiled
			r.mu.Unlock()
			l.lookUp(ctx, asked, since, spoiled)
		} else {
			r.mu.Unlock()
		}
		select {
		case <-asked.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if asked.err != nil {
			return nil, asked.err
		}
	}
}

// lookUp asks for everybody who waits, whatever becomes of the one who asks.
func (l *Ledger) lookUp(ctx context.Context, asked *lookup, since int64, spoiled int) {
	fresh := map[person]*Preferences{}
	change := since
	err := each(context.WithoutCancel(ctx), l.reader, `SELECT tenant, user_id, wants, change FROM preferences WHERE change > $1`, []any{since}, func(rows *sql.Rows) error {
		var who person
		var wants string
		var n int64
		if err := rows.Scan(&who.tenant, &who.user, &wants, &n); err != nil {
			return err
		}
		p, err := readPreferences(wants)
		if err != nil { // which keeps nothing from the others
			l.o.Log.ErrorContext(ctx, "what somebody wants to be told cannot be read", "user", who.user, "err", err)
		}
		fresh[who], change = p, max(change, n)
		return nil
	})
	r := &l.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coming = nil
	if err != nil {
		asked.err = fmt.Errorf("read what people want to be told: %w", err)
	} else {
		r.take(fresh, change)
		if r.spoiled == spoiled {
			r.read = time.Now()
		}
	}
	close(asked.done)
}

func (r *recent) take(fresh map[person]*Preferences, change int64) {
	if r.by == nil {
		r.by = map[person]*Preferences{}
	}
	for who, p := range fresh {
		if r.by[who] = p; p == nil {
			delete(r.by, who)
		}
	}
	r.change = change
}
