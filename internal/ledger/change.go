package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/offprint/offprint"
)

// mostTries is how often a step is done again because the run moved meanwhile.
const mostTries = 10

// change does a step on a run as it stands, again when it moved meanwhile,
// and answers with what it is then.
func (l *Ledger) change(ctx context.Context, id, step string, do func(tx *sql.Tx, r *record) error) (offprint.Run, error) {
	for range mostTries {
		var r record
		err := l.tx(ctx, step, func(tx *sql.Tx) (err error) {
			if r, err = lock(ctx, tx, id); err != nil {
				return err
			}
			if err := do(tx, &r); err != nil {
				return err
			}
			return l.announce(ctx, tx, changeOf(&r.Run))
		})
		switch {
		case errors.Is(err, errNotOurs), collided(err):
			continue
		case errors.Is(err, errAsItIs):
			return r.Run, nil
		case err != nil:
			return r.Run, err
		}
		l.hub.nudge(changeOf(&r.Run))
		return l.Get(ctx, id)
	}
	return offprint.Run{}, offprint.Errorf(offprint.Conflict, "The run changed just now. Try again.")
}

// lock reads a run that nobody else changes until the transaction ends. It
// takes the rows in the order in which every step of a running run does, and
// writes them, because that locks on either database.
func lock(ctx context.Context, tx *sql.Tx, id string) (record, error) {
	for _, row := range []string{`running SET revision = revision WHERE run`, `runs SET revision = revision WHERE id`} {
		if _, err := tx.ExecContext(ctx, `UPDATE `+row+` = $1`, id); err != nil {
			return record{}, err
		}
	}
	return scan(tx.QueryRowContext(ctx, find+`WHERE r.id = $1`, id))
}

// errAsItIs ends a change without one.
var errAsItIs = errors.New("nothing to change")

// Cancel ends a run that has not ended: its word to the worker is on its way
// when Cancel answers. An ended run is answered unchanged.
func (l *Ledger) Cancel(ctx context.Context, id string) (offprint.Run, error) {
	var was record
	run, err := l.change(ctx, id, "cancel", func(tx *sql.Tx, r *record) error {
		if r.State.Final() {
			return errAsItIs
		}
		was = *r
		if err := l.end(ctx, tx, r, ending{state: offprint.Canceled}); err != nil {
			return err
		}
		return l.cancelTicket(ctx, tx, r.ticket)
	})
	if err := l.freed(context.WithoutCancel(ctx), was.Reads); err != nil { // a held run may have waited for it, or come after it
		l.o.Log.WarnContext(ctx, "no held run was released; the reaper will", "err", err)
	}
	var forAsker *offprint.Error
	if err == nil || errors.As(err, &forAsker) {
		return run, err
	}
	back, lost := l.Get(ctx, id) // COMMIT's answer may have been lost
	if lost == nil && back.State == offprint.Canceled {
		return back, nil
	}
	return run, err
}

// An Amendment is what may change about a run after it was accepted; nil
// fields stay as they are.
type Amendment struct {
	Title    *string
	Metadata map[string]*string // nil: delete this one
	Expires  *time.Time         // of the file
}

// Amend renames a run, changes its metadata, or keeps its file for longer or
// shorter; only a file that is still there: else NotReady, NoFile or Conflict.
func (l *Ledger) Amend(ctx context.Context, id string, a Amendment) (offprint.Run, error) {
	return l.change(ctx, id, "amend", func(tx *sql.Tx, r *record) error {
		expires, err := a.expires(r, l.now())
		if err != nil {
			return err
		}
		if a.Expires != nil {
			remind, err := l.remindAgain(ctx, tx, r, expires)
			if err == nil {
				err = setRemind(ctx, tx, id, remind)
			}
			if err != nil {
				return err
			}
		}
		if a.Title != nil {
			r.Title = *a.Title
		}
		if err := l.amendMetadata(ctx, tx, r, a.Metadata); err != nil {
			return err
		}
		return l.bump(ctx, tx, r, `title = $5, metadata = $6, expires = $7`, r.Title, text(r.Metadata), stamp(expires))
	})
}

func (a Amendment) expires(r *record, now time.Time) (time.Time, error) {
	if a.Expires == nil {
		if r.File == nil {
			return time.Time{}, nil
		}
		return r.File.Expires, nil
	}
	if err := hasFile(r); err != nil {
		return time.Time{}, err
	}
	if r.gone(now) {
		err := offprint.Errorf(offprint.Conflict, "It cannot be kept any longer. Make the report again.")
		err.Title = "The file has expired already"
		return time.Time{}, err
	}
	return *a.Expires, nil
}

// gone tells whether nobody may fetch the file any more, though it may not have
// been expired yet.
func (r *record) gone(now time.Time) bool {
	past := !r.File.Expires.IsZero() && !now.Before(r.File.Expires)
	return past || r.File.State != offprint.Available
}

func hasFile(r *record) error {
	switch {
	case !r.State.Final():
		return offprint.Errorf(offprint.NotReady, "The report is not ready yet.")
	case r.File == nil:
		return offprint.Errorf(offprint.NoFile, "The run ended without a file.")
	}
	return nil
}

func (l *Ledger) amendMetadata(ctx context.Context, tx *sql.Tx, r *record, change map[string]*string) error {
	if len(change) == 0 {
		return nil
	}
	if err := deleteLabels(ctx, tx, r.ID, r.Metadata); err != nil {
		return err
	}
	amended := maps.Clone(r.Metadata)
	if amended == nil {
		amended = map[string]string{}
	}
	for name, value := range change {
		delete(amended, name)
		if value != nil {
			amended[name] = *value
		}
	}
	r.Metadata = amended
	return insertLabels(ctx, tx, r.ID, amended)
}

// bump changes a run where it stands, without moving it, and its revision. A
// running run's beat knows only the narrow row's, so that one grows with it.
// The assignments are to $5 and on.
func (l *Ledger) bump(ctx context.Context, tx *sql.Tx, r *record, set string, args ...any) error {
	_, err := tx.ExecContext(ctx, `UPDATE running SET revision = revision + 1 WHERE run = $1 AND epoch = $2`, r.ID, r.epoch)
	if err != nil {
		return err
	}
	happened, err := exec(ctx, tx, `UPDATE runs SET `+set+`, changed = $1, revision = 1 + CASE WHEN revision < $2 THEN $2 ELSE revision END
		WHERE id = $3 AND state = $4`, append([]any{stamp(l.now()), r.Revision, r.ID, string(r.State)}, args...)...)
	if err == nil && !happened {
		err = errNotOurs
	}
	return err
}

// DeleteFile takes the file away from everybody at once; its blob is Doomed
// from then on. A run that has not ended is NotEnded, one without a file NoFile.
func (l *Ledger) DeleteFile(ctx context.Context, id string) (offprint.Run, error) {
	return l.change(ctx, id, "delete the file", func(tx *sql.Tx, r *record) error {
		if !r.State.Final() {
			return errNotEnded()
		}
		if err := hasFile(r); err != nil {
			return err
		}
		if r.File.State == offprint.Deleted {
			return errAsItIs
		}
		return l.bump(ctx, tx, r, `file_state = $5, doomed = 0`, string(offprint.FileExpired))
	})
}

func errNotEnded() error {
	return offprint.Errorf(offprint.NotEnded, "The run has not ended. Cancel it first.")
}

// Erase forgets an ended run but for a stub that says that it was: id, report,
// user, tenant, when. Its Idempotency-Key answers Expired from then on, and
// what lies in the store under its id is Dead.
func (l *Ledger) Erase(ctx context.Context, id string) error {
	erased, err := l.erase(ctx, id)
	for tries := 1; collided(err) && tries < mostTries; tries++ {
		erased, err = l.erase(ctx, id)
	}
	if err != nil {
		return err
	}
	l.hub.nudge(erased)
	return nil
}

func (l *Ledger) erase(ctx context.Context, id string) (erased change, err error) {
	err = l.tx(ctx, "erase", func(tx *sql.Tx) error {
		r, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		if !r.State.Final() {
			return errNotEnded()
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO erased (id, report, tenant, user_id, key_digest, created, erased)
			SELECT id, report, tenant, user_id, key_digest, created, $1 FROM runs WHERE id = $2`, stamp(l.now()), id)
		if err != nil {
			return err
		}
		erased = changeOf(&r.Run)
		if err := l.deleteRecords(ctx, tx, &r); err != nil {
			return err
		}
		return l.announce(ctx, tx, erased)
	})
	return erased, err
}

// deleteRecords deletes an ended run and what hangs on it.
func (l *Ledger) deleteRecords(ctx context.Context, tx *sql.Tx, r *record) error {
	if err := deleteLabels(ctx, tx, r.ID, r.Metadata); err != nil {
		return err
	}
	if err := l.deleteNotices(ctx, tx, `run = $1`, r.ID); err != nil {
		return err
	}
	for _, table := range []string{"links WHERE run", "downloads WHERE run", "runs WHERE id"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` = $1`, r.ID); err != nil {
			return fmt.Errorf("delete from %s: %w", table, err)
		}
	}
	return nil
}
