package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// Expire takes files whose time has passed away from everybody, up to limit of
// them, and answers how many.
func (l *Ledger) Expire(ctx context.Context, limit int) (n int, err error) {
	var changes []change
	err = l.tx(ctx, "expire", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `UPDATE runs SET file_state = 'expired', doomed = $1, changed = $1, revision = revision + 1
			WHERE id IN (SELECT id FROM runs WHERE file_state = 'available' AND expires > 0 AND expires <= $1 ORDER BY expires LIMIT $2)
			AND file_state = 'available' AND expires <= $1 RETURNING id, tenant, user_id`, stamp(l.now()), limit)
		if err != nil {
			return err
		}
		changes = nil
		err = eachRow(rows, func(rows *sql.Rows) error {
			var run offprint.Run
			err := rows.Scan(&run.ID, &run.Who.Tenant, &run.Who.User)
			changes = append(changes, changeOf(&run))
			return err
		})
		return errors.Join(err, l.announce(ctx, tx, changes...))
	})
	if err != nil {
		return 0, err
	}
	l.hub.nudge(changes...)
	return len(changes), nil
}

// Doomed are runs whose file nobody may fetch any more, since at least so long
// or because somebody deleted it: its blob may go. Then it is Gone.
func (l *Ledger) Doomed(ctx context.Context, after time.Duration, limit int) ([]offprint.Run, error) {
	q := &query{}
	q.add(find+`WHERE r.file_state = 'expired' AND r.doomed <= ? ORDER BY r.doomed LIMIT ?`, stamp(l.now().Add(-after)), limit)
	runs, err := l.list(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list doomed files: %w", err)
	}
	return runs, nil
}

// Gone says that the run's blob of that key is no more.
func (l *Ledger) Gone(ctx context.Context, id, key string) error {
	_, err := l.change(ctx, id, "delete the blob", func(tx *sql.Tx, r *record) error {
		if r.File == nil || r.fileKey != key || r.File.State != offprint.FileExpired {
			return errAsItIs
		}
		return l.bump(ctx, tx, r, `file_state = $5`, string(offprint.Deleted))
	})
	return err
}

// A Verdict says what may become of a blob.
type Verdict int

const (
	Unknown Verdict = iota // the ledger never heard of it, or has long forgotten the run
	Live                   // it is the run's file, or may still become it
	Dead                   // nobody will ever ask for it
)

// Judge says what may become of what lies under <run>/<epoch>/ in the store.
func (l *Ledger) Judge(ctx context.Context, run string, epoch int64) (Verdict, error) {
	r, err := l.get(ctx, run)
	if errors.Is(err, errNoRun) {
		return l.judgeErased(ctx, run)
	}
	if err != nil {
		return Unknown, err
	}
	prefix := fmt.Sprintf("%s/%d/", run, epoch)
	switch {
	case epoch < r.epoch && !strings.HasPrefix(r.fileKey, prefix):
		return Dead, nil
	case !r.State.Final():
		return Live, nil
	case epoch > r.epoch: // this ledger was restored, and has no such epoch
		return Unknown, nil
	case r.File != nil && r.File.State != offprint.Deleted && strings.HasPrefix(r.fileKey, prefix):
		return Live, nil
	}
	return Dead, nil
}

func (l *Ledger) judgeErased(ctx context.Context, run string) (Verdict, error) {
	var n int
	err := one(ctx, l.reader, `SELECT count(*) FROM erased WHERE id = $1`, []any{run}, &n)
	if err != nil {
		return Unknown, fmt.Errorf("judge %s: %w", run, err)
	}
	if n == 0 {
		return Unknown, nil
	}
	return Dead, nil
}

// Forget deletes the records that are older than KeepRecords, up to limit of
// them, and answers how many. A run whose file is still kept stays.
func (l *Ledger) Forget(ctx context.Context, limit int) (n int, err error) {
	before := l.now().Add(-l.o.KeepRecords)
	old, err := l.forgettable(ctx, before, limit)
	if err != nil {
		return 0, fmt.Errorf("find old records: %w", err)
	}
	var errs []error
	for _, id := range old {
		err := l.tx(ctx, "forget", func(tx *sql.Tx) error { return l.forget(ctx, tx, id) })
		if err == nil {
			n++
		}
		errs = append(errs, err)
	}
	return n, errors.Join(errs...)
}

// forgettable finds by id, which grows with time: no index is needed, and
// what is young is never looked at.
func (l *Ledger) forgettable(ctx context.Context, before time.Time, limit int) (ids []string, err error) {
	bound := idBefore(before)
	for _, text := range []string{
		`SELECT id FROM runs WHERE id < $1 AND created < $2 AND finished > 0 AND file_state IN ('', 'deleted') ORDER BY id LIMIT $3`,
		`SELECT id FROM erased WHERE id < $1 AND created < $2 ORDER BY id LIMIT $3`,
	} {
		err := each(ctx, l.reader, text, []any{bound, stamp(before), limit - len(ids)}, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// idBefore is less than the id of any run made from then on: NewID begins with
// the milliseconds since 1970.
func idBefore(t time.Time) string {
	ms := t.UnixMilli()
	return "run_" + hex.EncodeToString([]byte{byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms)})
}

func (l *Ledger) forget(ctx context.Context, tx *sql.Tx, id string) error {
	for _, table := range []string{"runs", "erased"} {
		_, err := tx.ExecContext(ctx, `DELETE FROM keys_used WHERE digest <> '' AND digest IN (SELECT key_digest FROM `+table+` WHERE id = $1)`, id)
		if err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM erased WHERE id = $1`, id); err != nil {
		return err
	}
	r, err := lock(ctx, tx, id)
	if errors.Is(err, errNoRun) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.deleteRecords(ctx, tx, &r)
}

// A Download is one fetch of a run's file.
type Download struct {
	Run   string
	User  string // empty: whoever had the link
	Link  string // the id of the link by which they came; empty: by none
	From  string // the address that it went to
	At    time.Time
	Bytes int64 // ByStore: it is not known how many
}

// ByStore are the bytes of a download for which somebody was sent to the store.
const ByStore = -1

// Downloaded records a download; without a time it was now. Of a run that was
// erased meanwhile nothing is kept.
func (l *Ledger) Downloaded(ctx context.Context, d Download) error {
	if d.At.IsZero() {
		d.At = l.now()
	}
	_, err := l.db.ExecContext(ctx, `INSERT INTO downloads (id, run, user_id, link, address, downloaded, bytes) SELECT $1, id, $2, $3, $4, $5, $6 FROM runs WHERE id = $7`,
		newID(""), d.User, d.Link, d.From, stamp(d.At), d.Bytes, d.Run)
	if err != nil {
		return fmt.Errorf("record a download of %s: %w", d.Run, err)
	}
	return nil
}

// Downloads are the run's downloads, the latest 1,000, newest first.
func (l *Ledger) Downloads(ctx context.Context, run string) ([]Download, error) {
	var all []Download
	err := each(ctx, l.reader, `SELECT user_id, link, address, downloaded, bytes FROM downloads WHERE run = $1 ORDER BY id DESC LIMIT 1000`, []any{run}, func(rows *sql.Rows) error {
		d := Download{Run: run}
		var when int64
		err := rows.Scan(&d.User, &d.Link, &d.From, &when, &d.Bytes)
		d.At = at(when)
		all = append(all, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the downloads of %s: %w", run, err)
	}
	return all, nil
}
