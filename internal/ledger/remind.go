package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/offprint/offprint"
)

// remindAt is when those who want to know are told that a file will be gone;
// the zero time: never. Whoever has a file for a day or two needs no word of it.
func (l *Ledger) remindAt(r *offprint.Run, finished, expires time.Time) time.Time {
	at := expires.Add(-l.o.Remind)
	if expires.IsZero() || at.Before(finished.Add(l.o.Remind)) || len(toldOf(r, offprint.RunExpiring)) == 0 {
		return time.Time{}
	}
	return at
}

// Reminder is when those who want to know will be told that the run's file will
// be gone; the zero time: nobody will.
func (l *Ledger) Reminder(ctx context.Context, run string) (time.Time, error) {
	var when int64
	err := one(ctx, l.reader, `SELECT remind FROM runs WHERE id = $1 AND file_state = 'available'`, []any{run}, &when)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("read when to remind of %s: %w", run, err)
	}
	return at(when), nil
}

// Remind tells those who want to know, of up to limit runs, that a file will
// soon be gone, and answers of how many runs they were to be told. Each of
// their addresses is told once, however often the file is kept longer.
func (l *Ledger) Remind(ctx context.Context, limit int) (n int, err error) {
	var due []string
	err = each(ctx, l.reader, findToRemind, []any{stamp(l.now()), limit}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		due = append(due, id)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("find files that will soon be gone: %w", err)
	}
	err = l.oneByOne(ctx, len(due), func(i int) error {
		err := l.step(ctx, "remind", func(ctx context.Context, tx *sql.Tx) error { return l.remind(ctx, tx, due[i]) })
		if err == nil {
			n++
		}
		return err
	})
	return n, err
}

// The condition is that of its index.
const findToRemind = `SELECT id FROM runs WHERE remind > 0 AND file_state = 'available' AND remind <= $1 ORDER BY remind LIMIT $2`

// remind takes the run first, so that of several nodes one tells.
func (l *Ledger) remind(ctx context.Context, tx *sql.Tx, id string) error {
	now := l.now()
	ours, err := exec(ctx, tx, `UPDATE runs SET remind = 0 WHERE id = $1 AND remind > 0 AND remind <= $2 AND file_state = 'available'`, id, stamp(now))
	if err != nil {
		return err
	}
	if !ours {
		return errNotOurs
	}
	r, err := scan(tx.QueryRowContext(ctx, find+`WHERE r.id = $1`, id))
	var own unreadable
	if errors.As(err, &own) { // nor will it be readable the next time
		l.o.Log.ErrorContext(ctx, "nobody is told that a file will be gone", "run", id, "err", err)
		return nil
	}
	if err != nil || r.gone(now) {
		return err
	}
	told, err := remindedOf(ctx, tx, id)
	if err != nil {
		return err
	}
	to := toldOf(&r.Run, offprint.RunExpiring)
	return l.writeNotices(ctx, tx, &r.Run, offprint.RunExpiring, slices.DeleteFunc(to, func(a string) bool { return slices.Contains(told, a) }))
}

func setRemind(ctx context.Context, tx *sql.Tx, id string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE runs SET remind = $1 WHERE id = $2`, stamp(at), id)
	return err
}

// remindedOf are the addresses that were told, or are about to be.
func remindedOf(ctx context.Context, tx *sql.Tx, id string) (told []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT address FROM notices WHERE run = $1 AND event = $2`, id, string(offprint.RunExpiring))
	if err != nil {
		return nil, err
	}
	err = eachRow(rows, func(rows *sql.Rows) error {
		var address string
		err := rows.Scan(&address)
		told = append(told, address)
		return err
	})
	return told, err
}

// remindAgain is when to tell after the file's time has changed; the zero time:
// never, as where all have been told, or whoever wants to know has just brought
// it about.
func (l *Ledger) remindAgain(ctx context.Context, tx *sql.Tx, r *record, expires time.Time) (time.Time, error) {
	at := l.remindAt(&r.Run, r.Finished, expires)
	if at.IsZero() || !at.After(l.now()) {
		return time.Time{}, nil
	}
	told, err := remindedOf(ctx, tx, r.ID)
	if err != nil || len(told) == len(toldOf(&r.Run, offprint.RunExpiring)) {
		return time.Time{}, err
	}
	return at, nil
}

// timely tells whether word that the file will soon be gone is true.
func (l *Ledger) timely(r *record) bool {
	now := l.now()
	return r.File != nil && !r.gone(now) && !l.remindAt(&r.Run, r.Finished, r.File.Expires).After(now)
}

// stillTimely is nil while word that the file will soon be gone is true.
func (l *Ledger) stillTimely(ctx context.Context, tx *sql.Tx, id string) error {
	r, err := scan(tx.QueryRowContext(ctx, find+`WHERE r.id = $1`, id))
	if err == nil && !l.timely(&r) {
		err = offprint.Errorf(offprint.Conflict, "The file is gone, or is kept longer by now.")
	}
	return err
}

// withdraw ends a notice of a file that is gone by now, or takes it back where
// the file is kept longer, be it by an older release that knows of no
// reminders: then they are told before that.
func (w *work) withdraw(ctx context.Context, job *river.Job[tellTicket], n notice) error {
	return w.step(ctx, "withdraw", func(ctx context.Context, tx *sql.Tx) error {
		r, err := lock(ctx, tx, n.runID)
		if err != nil {
			return err
		}
		if r.gone(w.now()) {
			err = settleNotice(ctx, tx, n, `state = 'failed', last_answer = $3`, "The file was gone before this was sent.")
		} else {
			err = w.postpone(ctx, tx, &r, n)
		}
		if err != nil {
			return err
		}
		return complete(ctx, tx, job)
	})
}

func (w *work) postpone(ctx context.Context, tx *sql.Tx, r *record, n notice) error {
	ours, err := exec(ctx, tx, `DELETE FROM notices WHERE id = $1 AND attempt = $2 AND state = 'telling'`, n.ID, n.attempt)
	if err != nil {
		return err
	}
	if !ours {
		return errNotOurs
	}
	return setRemind(ctx, tx, r.ID, w.remindAt(&r.Run, r.Finished, r.File.Expires))
}
