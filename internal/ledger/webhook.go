package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A Webhook is where somebody has notices sent to over HTTP. As an address it
// is webhook: and its ID.
type Webhook struct {
	ID           string
	Tenant, User string // whose it is
	APIKey       string // the id of the one it was made with, or nothing
	URL          string
	Description  string
	Events       []offprint.Event
	Secrets      []SealedSecret // newest first

	Created      time.Time
	Disabled     time.Time // since then; zero: it is not
	Reason       string    // why, if not its owner did it
	FailingSince time.Time // no try has succeeded since this one failed
	Delivered    time.Time // the last time
}

// A SealedSecret is one that signs notices, as only the server can read it.
type SealedSecret struct {
	Sealed []byte    `json:"sealed"`
	Until  time.Time `json:"until,omitzero"` // zero: until another takes its place
}

// A Hooking is a webhook that somebody asks for.
type Hooking struct {
	Webhook
	Most int // so many may be theirs; 0: no limit
	Key  Key
}

// A Hooked is the webhook that a hooking became, or had become before.
type Hooked struct {
	Webhook
	Replayed    bool
	fingerprint string
}

// NewWebhookID is the id of a webhook to come: its secrets are sealed under it.
func NewWebhookID() string { return newID("wh_") }

// AddWebhook makes a webhook under the ID that it has, unless there are as many
// as may be: then it is Conflict. The same key again answers with the same
// webhook; with another fingerprint it is KeyReused.
func (l *Ledger) AddWebhook(ctx context.Context, h Hooking) (Hooked, error) {
	hooked, err := l.addWebhook(ctx, h)
	for tries := 1; (collided(err) || h.Key.Key != "" && badData(err)) && tries < mostTries; tries++ { // a twin came first
		hooked, err = l.addWebhook(ctx, h)
	}
	return hooked, err
}

func (l *Ledger) addWebhook(ctx context.Context, h Hooking) (hooked Hooked, err error) {
	err = l.tx(ctx, "make a webhook", func(tx *sql.Tx) error {
		n, err := countWebhooks(ctx, tx, h.Tenant, h.User) // first: a twin who comes in between is found by the key
		if err != nil {
			return err
		}
		hooked, err = replayedWebhook(tx.QueryRowContext(ctx, findWebhookByKey, h.Key.digest()), h.Key)
		if err != nil || hooked.Replayed {
			return err
		}
		if h.Most > 0 && n >= h.Most {
			return offprint.Errorf(offprint.Conflict, "You can have %d webhooks. Delete one first.", h.Most)
		}
		h.Created = l.now()
		hooked = Hooked{Webhook: h.Webhook}
		_, err = tx.ExecContext(ctx, `INSERT INTO webhooks (id, tenant, user_id, api_key, url, description, events, secrets, created, key_digest, fingerprint)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			h.ID, h.Tenant, h.User, h.APIKey, h.URL, h.Description, text(h.Events), text(h.Secrets), stamp(h.Created), h.Key.digest(), h.Key.Fingerprint)
		return err
	})
	return hooked, err
}

// countWebhooks counts under a lock of the owner's oldest webhook: there is one
// when they have as many as they may.
func countWebhooks(ctx context.Context, tx *sql.Tx, tenant, user string) (n int, err error) {
	_, err = tx.ExecContext(ctx, `UPDATE webhooks SET url = url WHERE id = (SELECT min(id) FROM webhooks WHERE tenant = $1 AND user_id = $2)`, tenant, user)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM webhooks WHERE tenant = $1 AND user_id = $2`, tenant, user).Scan(&n)
	return n, err
}

const (
	findWebhook = `SELECT id, tenant, user_id, api_key, url, description, events, secrets, created, disabled, reason, failing_since, delivered, fingerprint FROM webhooks `

	findWebhookByKey = findWebhook + `WHERE key_digest = $1 AND key_digest <> ''`
)

func scanWebhook(row interface{ Scan(...any) error }) (h Hooked, err error) {
	var events, secrets string
	var created, disabled, failing, delivered int64
	err = row.Scan(&h.ID, &h.Tenant, &h.User, &h.APIKey, &h.URL, &h.Description, &events, &secrets, &created, &disabled, &h.Reason, &failing, &delivered, &h.fingerprint)
	if err != nil {
		return h, err
	}
	h.Created, h.Disabled, h.FailingSince, h.Delivered = at(created), at(disabled), at(failing), at(delivered)
	return h, errors.Join(read(events, &h.Events), read(secrets, &h.Secrets))
}

// replayedWebhook is the webhook that was made with the key, if one was.
func replayedWebhook(row *sql.Row, key Key) (Hooked, error) {
	h, err := scanWebhook(row)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Hooked{}, nil
	case err != nil:
		return Hooked{}, err
	case h.fingerprint != key.Fingerprint:
		return Hooked{}, errKeyReused()
	}
	h.Replayed = true
	return h, nil
}

// ReplayWebhook is the webhook that a hooking with this key became; not
// Replayed, it became none. It is KeyReused after another body.
func (l *Ledger) ReplayWebhook(ctx context.Context, key Key) (Hooked, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	hooked, err := replayedWebhook(l.reader.QueryRowContext(ctx, findWebhookByKey, key.digest()), key)
	if err != nil {
		return hooked, fmt.Errorf("look the webhook's key up: %w", err)
	}
	return hooked, nil
}

// Webhook is the one of that id, or NotFound.
func (l *Ledger) Webhook(ctx context.Context, id string) (Webhook, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	h, err := scanWebhook(l.reader.QueryRowContext(ctx, findWebhook+`WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Webhook{}, errNoWebhook()
	}
	if err != nil {
		return Webhook{}, fmt.Errorf("read a webhook: %w", err)
	}
	return h.Webhook, nil
}

func errNoWebhook() error { return offprint.Errorf(offprint.NotFound, "There is no such webhook.") }

// Webhooks are all of the user's, newest first; of many the latest 1,000.
func (l *Ledger) Webhooks(ctx context.Context, user, tenant string) ([]Webhook, error) {
	return l.listWebhooks(ctx, `WHERE tenant = $1 AND user_id = $2 ORDER BY id DESC LIMIT 1000`, tenant, user)
}

// WebhooksAfter are some of everybody's, in the order of their ids.
func (l *Ledger) WebhooksAfter(ctx context.Context, id string, limit int) ([]Webhook, error) {
	return l.listWebhooks(ctx, `WHERE id > $1 ORDER BY id LIMIT $2`, id, limit)
}

func (l *Ledger) listWebhooks(ctx context.Context, text string, args ...any) ([]Webhook, error) {
	var all []Webhook
	err := each(ctx, l.reader, findWebhook+text, args, func(rows *sql.Rows) error {
		h, err := scanWebhook(rows)
		all = append(all, h.Webhook)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	return all, nil
}

// A WebhookAmendment is what may change about a webhook; nil fields stay as
// they are.
type WebhookAmendment struct {
	URL         *string
	Description *string
	Events      []offprint.Event
	Disabled    *bool
}

// AmendWebhook changes a webhook. Another URL is not failing yet.
func (l *Ledger) AmendWebhook(ctx context.Context, id string, a WebhookAmendment) (Webhook, error) {
	q := &query{}
	q.add(`UPDATE webhooks SET id = id`)
	if a.URL != nil {
		q.add(`, failing_since = CASE WHEN url = ? THEN failing_since ELSE 0 END, url = ?`, *a.URL, *a.URL)
	}
	if a.Description != nil {
		q.add(`, description = ?`, *a.Description)
	}
	if a.Events != nil {
		q.add(`, events = ?`, text(a.Events))
	}
	switch {
	case a.Disabled == nil:
	case *a.Disabled:
		q.add(`, disabled = CASE WHEN disabled = 0 THEN CAST(? AS BIGINT) ELSE disabled END`, stamp(l.now()))
	default:
		q.add(`, disabled = 0, reason = ''`)
	}
	q.add(` WHERE id = ?`, id)
	known, err := exec(ctx, l.db, q.String(), q.args...)
	if err != nil {
		return Webhook{}, fmt.Errorf("change a webhook: %w", err)
	}
	if !known {
		return Webhook{}, errNoWebhook()
	}
	return l.Webhook(ctx, id)
}

// ChangeSecrets gives the webhook other secrets than these that it has now;
// where it has others by now it is Conflict.
func (l *Ledger) ChangeSecrets(ctx context.Context, id string, now, then []SealedSecret) error {
	happened, err := exec(ctx, l.db, `UPDATE webhooks SET secrets = $1 WHERE id = $2 AND secrets = $3`, text(then), id, text(now))
	if err != nil {
		return fmt.Errorf("change a webhook's secrets: %w", err)
	}
	if !happened {
		return offprint.Errorf(offprint.Conflict, "The webhook changed just now. Look at it, and try again if it is still needed.")
	}
	return nil
}

// RemoveWebhook deletes a webhook and its pings. What it was told of runs stays
// with these.
func (l *Ledger) RemoveWebhook(ctx context.Context, id string) error {
	return l.tx(ctx, "delete a webhook", func(tx *sql.Tx) error {
		known, err := exec(ctx, tx, `DELETE FROM webhooks WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if !known {
			return errNoWebhook()
		}
		return l.deleteNotices(ctx, tx, `address = $1 AND event = 'test.ping'`, hookAddress(id))
	})
}

func hookAddress(id string) string { return "webhook:" + id }

// A HookAnswer is what came of one try to send something to a webhook.
type HookAnswer struct {
	Webhook   string
	Notice    string
	Status    int // 0: there was no answer
	Delivered bool
	Disable   string // why it is disabled from now on; empty: it is not
}

// Answered records what a webhook answered. Of one that the configuration
// names only the notice is known.
func (l *Ledger) Answered(ctx context.Context, a HookAnswer) error {
	set := `failing_since = CASE WHEN failing_since = 0 THEN $1 ELSE failing_since END`
	if a.Delivered {
		set = `failing_since = 0, delivered = $1`
	}
	return l.step(ctx, "record an answer", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE notices SET status = $1 WHERE id = $2`, a.Status, a.Notice); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE webhooks SET `+set+` WHERE id = $2`, stamp(l.now()), a.Webhook); err != nil || a.Disable == "" {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE webhooks SET disabled = $1, reason = $2 WHERE id = $3 AND disabled = 0`, stamp(l.now()), a.Disable, a.Webhook)
		return err
	})
}

const (
	mostPings = 5  // on their way to one webhook
	keptPings = 20 // of those that came to an end
)

// PingWebhook sends a webhook a notice of nothing.
func (l *Ledger) PingWebhook(ctx context.Context, id string) (ping NoticeRecord, err error) {
	n := notice{Notice: offprint.Notice{ID: newID("ntc_"), Event: offprint.Ping, Address: hookAddress(id)}}
	n.runID = n.ID
	const pings = `FROM notices WHERE address = $1 AND event = 'test.ping' AND state `
	err = l.tx(ctx, "ping", func(tx *sql.Tx) error {
		known, err := exec(ctx, tx, `UPDATE webhooks SET url = url WHERE id = $1`, id) // one after the other
		if err != nil {
			return err
		}
		if !known {
			return errNoWebhook()
		}
		var open int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) `+pings+`NOT IN ('delivered', 'failed')`, n.Address).Scan(&open); err != nil {
			return err
		}
		if open >= mostPings {
			return offprint.Errorf(offprint.Conflict, "%d tests are on their way already. Wait for what comes of them.", open)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM notices WHERE id IN (SELECT id `+pings+`IN ('delivered', 'failed') ORDER BY id DESC LIMIT $2 OFFSET $3)`,
			n.Address, mostPings+keptPings, keptPings-1)
		if err != nil {
			return err
		}
		if err := l.insertNotice(ctx, tx, n); err != nil {
			return err
		}
		ping, err = scanNotice(tx.QueryRowContext(ctx, findNotice+`WHERE id = $1`, n.ID))
		return err
	})
	return ping, err
}

// Deliveries are what a webhook was sent, or is to be, newest first, and the
// cursor of the next page, which is empty after the last.
func (l *Ledger) Deliveries(ctx context.Context, id, cursor string, limit int) (page []NoticeRecord, next string, err error) {
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	q := &query{}
	q.add(`WHERE address = ?`, hookAddress(id))
	if cursor != "" {
		before, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || !strings.HasPrefix(string(before), "ntc_") {
			return nil, "", offprint.Errorf(offprint.Invalid, "This cursor is none of ours. Leave it out to begin with the newest delivery.")
		}
		q.add(` AND id < ?`, string(before))
	}
	q.add(` ORDER BY id DESC LIMIT ?`, limit+1)
	if page, err = l.listNotices(ctx, q.String(), q.args...); err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	if len(page) > limit {
		page = page[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(page[limit-1].ID))
	}
	return page, next, nil
}

// ReplayDelivery sends a webhook something once more, now, under its old id.
// What is on its way already stays there.
func (l *Ledger) ReplayDelivery(ctx context.Context, id, delivery string) error {
	return l.replayNotice(ctx, delivery, `address = $2`, hookAddress(id))
}
