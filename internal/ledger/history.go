package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/offprint/offprint"
)

// A Past is what a run that succeeded came to.
type Past struct {
	Rows, Bytes int64
	Took        time.Duration // of the attempt that made it
	Finished    time.Time
	Paces       []Pace // of its parts; nil: not known
	Wanted
}

// A Pace is how one part of a file went.
type Pace struct {
	Asked time.Duration `json:"asked"`           // until its first row was there, or known never to come
	Took  time.Duration `json:"took"`            // from there to its last row
	Rows  int64         `json:"rows"`            //
	Said  int64         `json:"said,omitempty"`  // rows that the source expected; 0: it said nothing
	Every time.Duration `json:"every,omitempty"` // between two marks
	Marks []int64       `json:"marks,omitempty"` // how many rows were there after so many times Every of Took
}

// Wanted is what a run was asked for: the JSON of its parameters as they were
// resolved and as they came. The same texts are the same parameters.
type Wanted struct{ Params, Sent string }

// WantedOf is what a run was asked for; what no JSON can be made of is like
// nothing else.
func WantedOf(r *offprint.Run) (w Wanted) {
	if params, err := json.Marshal(r.Params); err == nil {
		w.Params = string(params)
	}
	if sent, err := json.Marshal(r.Sent); err == nil && len(r.Sent) > 0 {
		w.Sent = string(sent)
	}
	return w
}

// wanted is of a record what asked has, as it is written.
type wanted struct {
	Format string          `json:"format"`
	Params json.RawMessage `json:"params"`
	Sent   json.RawMessage `json:"sent"`
}

func (w wanted) texts() Wanted { return Wanted{string(w.Params), string(w.Sent)} }

const mostHistory = 20

// findHistory goes by the index runs_made.
const findHistory = `SELECT file, started, finished, pace, asking FROM runs WHERE tenant = $1 AND report = $2 AND made_as = $3 AND made_as <> ''
	ORDER BY finished DESC LIMIT $4`

// History are the tenant's last runs of a report that became a file of this
// format, the newest first, whichever user's and of whatever version: at most
// 20. How much another tenant has is not for it to know. Runs that were
// erased are not among them.
func (l *Ledger) History(ctx context.Context, tenant, report, format string) ([]Past, error) {
	var past []Past
	err := each(ctx, l.reader, findHistory, []any{tenant, report, format, mostHistory}, func(rows *sql.Rows) error {
		var text, pace, asking string
		var started, finished int64
		if err := rows.Scan(&text, &started, &finished, &pace, &asking); err != nil {
			return err
		}
		var file offprint.File
		var asked wanted
		p := Past{Took: at(finished).Sub(at(started)), Finished: at(finished)}
		if errors.Join(read(text, &file), read(pace, &p.Paces), read(asking, &asked)) != nil {
			return nil // the others tell enough
		}
		p.Rows, p.Bytes, p.Wanted = file.Rows, file.Bytes, asked.texts()
		past = append(past, p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what %s came to before: %w", report, err)
	}
	return past, nil
}
