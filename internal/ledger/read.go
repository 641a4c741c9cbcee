package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// Get is the run as it stands, or NotFound.
func (l *Ledger) Get(ctx context.Context, id string) (offprint.Run, error) {
	r, err := l.get(ctx, id)
	return r.Run, err
}

func (l *Ledger) get(ctx context.Context, id string) (record, error) {
	r, err := scan(l.reader.QueryRowContext(ctx, find+`WHERE r.id = $1`, id))
	if err != nil && !errors.Is(err, errNoRun) {
		return r, fmt.Errorf("read run %s: %w", id, err)
	}
	return r, err
}

// Definition is the text that the report's version was accepted with; it is
// empty for a report in Go.
func (l *Ledger) Definition(ctx context.Context, report, version string) (string, error) {
	var text string
	err := l.reader.QueryRowContext(ctx, `SELECT text FROM definitions WHERE report = $1 AND version = $2`, report, version).Scan(&text)
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

func (f Filter) query(limit int) (*query, error) {
	q := &query{}
	q.add(find + `WHERE 1 = 1`)
	if f.User != "" || f.Tenant != "" {
		q.add(` AND r.tenant = ?`, f.Tenant)
	}
	if f.User != "" {
		q.add(` AND r.user_id = ?`, f.User)
	}
	if f.onlyOpen() {
		q.add(` AND r.finished = 0`) // lets the index of the open runs be used
	}
	if len(f.States) > 0 {
		q.add(` AND r.state IN (`)
		q.list(f.States)
		q.add(`)`)
	}
	if f.Report != "" {
		q.add(` AND r.report = ?`, f.Report)
	}
	for name, value := range f.Metadata {
		q.add(` AND EXISTS (SELECT 1 FROM labels m WHERE m.run = r.id AND m.name = ? AND m.value = ?)`, label(name), label(value))
	}
	if f.Cursor != "" {
		id, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		if err != nil || !strings.HasPrefix(string(id), "run_") {
			return nil, offprint.Errorf(offprint.Invalid, "This cursor is none of ours. Leave it out to begin with the newest run.")
		}
		q.add(` AND r.id < ?`, string(id))
	}
	q.add(` ORDER BY r.id DESC LIMIT ?`, limit)
	return q, nil
}

func (f Filter) onlyOpen() bool {
	for _, state := range f.States {
		if state.Final() {
			return false
		}
	}
	return len(f.States) > 0
}

// Changed are the user's runs that have not ended and those that changed since
// then, in the order they were asked for; of each sort the latest 500.
func (l *Ledger) Changed(ctx context.Context, user, tenant string, since time.Time) ([]offprint.Run, error) {
	q := &query{}
	q.add(find+`WHERE r.id IN (SELECT id FROM (SELECT id FROM runs WHERE tenant = ? AND user_id = ? AND finished = 0 ORDER BY id DESC LIMIT 500) AS a`, tenant, user)
	q.add(` UNION ALL SELECT id FROM (SELECT id FROM runs WHERE tenant = ? AND user_id = ? AND finished > 0 AND changed >= ? ORDER BY changed DESC LIMIT 500) AS b)`,
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
	err := l.each(ctx, q.String(), q.args, func(rows *sql.Rows) error {
		r, err := scan(rows)
		runs = append(runs, r.Run)
		return err
	})
	return runs, err
}

// maxAhead bounds the work of counting.
const maxAhead = 1000

// Ahead counts the queued runs that came before this one, up to 1,000. A run
// that is not queued has none.
func (l *Ledger) Ahead(ctx context.Context, id string) (int, error) {
	var n int
	err := l.reader.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM runs WHERE state = 'queued' AND id < $1
		AND EXISTS (SELECT 1 FROM runs WHERE id = $1 AND state = 'queued') LIMIT $2) AS a`, id, maxAhead).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the runs before %s: %w", id, err)
	}
	return n, nil
}

// each reads rows one by one.
func (l *Ledger) each(ctx context.Context, text string, args []any, do func(*sql.Rows) error) error {
	rows, err := l.reader.QueryContext(ctx, text, args...)
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

func (q *query) list(states []offprint.State) {
	for i, state := range states {
		if i > 0 {
			q.WriteString(", ")
		}
		q.add(`?`, string(state))
	}
}
