package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/offprint/offprint"
)

// Preferences are what somebody wants to be told of their runs, where a run
// says nothing else.
type Preferences struct {
	Mail     []offprint.Event `json:"mail,omitempty"`     // of which they are mailed
	Webhooks []string         `json:"webhooks,omitempty"` // the ids of those that are told
}

// Mails tells whether they are mailed of the event.
func (p *Preferences) Mails(e offprint.Event) bool { return slices.Contains(p.Mail, e) }

// Preferences are somebody's own; nil: they have none.
func (l *Ledger) Preferences(ctx context.Context, tenant, user string) (*Preferences, error) {
	var wants string
	err := one(ctx, l.reader, `SELECT wants FROM preferences WHERE tenant = $1 AND user_id = $2`, []any{tenant, user}, &wants)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	p := new(Preferences)
	if err == nil {
		err = read(wants, p)
	}
	if err != nil {
		return nil, fmt.Errorf("read what %s wants to be told: %w", user, err)
	}
	return p, nil
}

// Prefer keeps somebody's preferences in place of those they had; nil takes
// them away.
func (l *Ledger) Prefer(ctx context.Context, tenant, user string, p *Preferences) (err error) {
	if p == nil {
		_, err = l.db.ExecContext(ctx, `DELETE FROM preferences WHERE tenant = $1 AND user_id = $2`, tenant, user)
	} else {
		_, err = l.db.ExecContext(ctx, `INSERT INTO preferences (tenant, user_id, wants, changed) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, user_id) DO UPDATE SET wants = excluded.wants, changed = excluded.changed`, tenant, user, text(p), stamp(l.now()))
	}
	if err != nil {
		return fmt.Errorf("keep what %s wants to be told: %w", user, err)
	}
	return nil
}
