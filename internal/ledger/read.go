package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// readLimit is for one question to the ledger.
const readLimit = 10 * time.Second

// Get is the run as it stands, or NotFound.
func (l *Ledger) Get(ctx context.Context, id string) (offprint.Run, error) {
	r, err := l.get(ctx, id)
	return r.Run, err
}

func (l *Ledger) get(ctx context.Context, id string) (record, error) { return get(ctx, l.reader, id) }

// inside is get for our own work, which waits for nobody who asks.
func (l *Ledger) inside(ctx context.Context, id string) (record, error) {
	return get(ctx, l.inner, id)
}

func get(ctx context.Context, on *sql.DB, id string) (record, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	r, err := scan(on.QueryRowContext(ctx, find+`WHERE r.id = $1`, id))
	if err != nil && !errors.Is(err, errNoRun) {
		return r, fmt.Errorf("read run %s: %w", id, err)
	}
	return r, err
}

// Definition is the text that the report's version was accepted with; it is
// empty for a report in Go.
func (l *Ledger) Definition(ctx context.Context, report, version string) (string, error) {
	return definition(ctx, l.reader, report, version)
}

func definition(ctx context.Context, on *sql.DB, report, version string) (string, error) {
	var text string
	err := one(ctx, on, `SELECT text FROM definitions WHERE report = $1 AND version = $2`, []any{report, version}, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", offprint.Errorf(offprint.NotFound, "There is no such version of the report.")
	}
	if err != nil {
		return "", fmt.Errorf("read the definition of %s: %w", report, err)
	}
	return text, nil
}

// A Filter picks runs. Its zero fields pick all; an empty tenant together with
// a user is that user without a tenant.
type Filter struct {
	User, Tenant string
	States       []offprint.State
	Report       string
	Metadata     map[string]string // all of these
	Cursor       string            // what List answered as next
	Limit        int               // default 50, at most 200
}

// List are runs, the newest first, and the cursor of the next page, which is
// empty after the last. Its cost does not grow with the runs that came before.
func (l *Ledger) List(ctx context.Context, f Filter) (runs []offprint.Run, next string, err error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	q, err := f.query(limit + 1)
	if err != nil {
		return nil, "", err
	}
	if runs, err = l.list(ctx, q); err != nil {
		return nil, "", fmt.Errorf("list runs: %w", err)
	}
	if len(runs) > limit {
		runs = runs[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(runs[limit-1].ID))
	}
	return runs, next, nil
}

// query finds the ids first, each sort of them in the order of an index, so
// that no more is read than is shown.
func (f Filter) query(limit int) (*query, error) {
	before := ""
	if f.Cursor != "" {
		id, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		if err != nil || !strings.HasPrefix(string(id), "run_") {
			return nil, offprint.Errorf(offprint.Invalid, "This cursor is none of ours. Leave it out to begin with the newest run.")
		}
		before = string(id)
	}
	q := &query{}
	q.add(find + `WHERE r.id IN (`)
	states := slices.Compact(slices.Sorted(slices.Values(f.States)))
	if len(states) == 0 {
		states = []offprint.State{""} // all of them
	}
	for i, state := range states {
		if i > 0 {
			q.add(` UNION ALL `)
		}
		q.add(`SELECT id FROM (`)
		f.ids(q, state, before, limit)
		q.add(`) AS of_` + strconv.Itoa(i))
	}
	q.add(`) ORDER BY r.id DESC LIMIT ?`, limit)
	return q, nil
}

// ids are those of one state, or of all, led by the first label if there is one.
func (f Filter) ids(q *query, state offprint.State, before string, limit int) {
	id, labels := `r.id`, slices.Sorted(maps.Keys(f.Metadata))
	if len(labels) > 0 {
		id = `m.run`
	}
	q.add(`SELECT ` + id + ` AS id FROM `)
	if len(labels) > 0 {
		q.add(`labels m CROSS JOIN runs r WHERE r.id = m.run AND m.name = ? AND m.value = ?`, label(labels[0]), label(f.Metadata[labels[0]]))
		labels = labels[1:]
	} else {
		q.add(`runs r WHERE 1 = 1`)
	}
	for _, name := range labels {
		q.add(` AND EXISTS (SELECT 1 FROM labels o WHERE o.name = ? AND o.value = ? AND o.run = r.id)`, label(name), label(f.Metadata[name]))
	}
	if f.User != "" || f.Tenant != "" {
		q.add(` AND r.tenant = ?`, f.Tenant)
	}
	if f.User != "" {
		q.add(` AND r.user_id = ?`, f.User)
	}
	if state != "" {
		q.add(` AND r.state = ?`, string(state))
	}
	if f.Report != "" {
		q.add(` AND r.report = ?`, f.Report)
	}
	if before != "" {
		q.add(` AND `+id+` < ?`, before)
	}
	q.add(` ORDER BY `+id+` DESC LIMIT ?`, limit)
}

// Changed are the user's runs that have not ended and those that changed since
// then, in the order they were asked for; of each sort the latest 500.
func (l *Ledger) Changed(ctx context.Context, user, tenant string, since time.Time) ([]offprint.Run, error) {
	q := &query{}
	q.add(find + `WHERE r.id IN (`)
	for _, state := range []offprint.State{offprint.Queued, offprint.Running} {
		q.add(`SELECT id FROM (SELECT id FROM runs WHERE tenant = ? AND user_id = ? AND state = ? ORDER BY id DESC LIMIT 500) AS `+string(state)+` UNION ALL `,
			tenant, user, string(state))
	}
	q.add(`SELECT id FROM (SELECT id FROM runs WHERE tenant = ? AND user_id = ? AND finished > 0 AND changed >= ? ORDER BY changed DESC LIMIT 500) AS ended)`,
		tenant, user, stamp(since))
	q.add(` ORDER BY r.id`)
	runs, err := l.list(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list what changed: %w", err)
	}
	return runs, nil
}

func (l *Ledger) list(ctx context.Context, q *query) ([]offprint.Run, error) {
	var runs []offprint.Run
	err := each(ctx, l.reader, q.String(), q.args, func(rows *sql.Rows) error {
		r, err := scan(rows)
		runs = append(runs, r.Run)
		return err
	})
	return runs, err
}

// one reads one row.
func one(ctx context.Context, on *sql.DB, text string, args []any, into ...any) error {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	return on.QueryRowContext(ctx, text, args...).Scan(into...)
}

// each reads rows one by one.
func each(ctx context.Context, on *sql.DB, text string, args []any, do func(*sql.Rows) error) error {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	rows, err := on.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, do)
}

func eachRow(rows *sql.Rows, do func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// A query is SQL in the making; each ? becomes the next $n.
type query struct {
	strings.Builder
	args []any
}

func (q *query) add(text string, args ...any) {
	for _, arg := range args {
		before, after, _ := strings.Cut(text, "?")
		q.args = append(q.args, arg)
		q.WriteString(before + "$" + strconv.Itoa(len(q.args)))
		text = after
	}
	q.WriteString(text)
}
