package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/offprint/offprint"
)

// A Past is what a run that succeeded came to.
type Past struct {
	Rows, Bytes int64
	Took        time.Duration // of the attempt that made it
	Finished    time.Time
}

const mostHistory = 20

// findHistory goes by the index runs_made.
const findHistory = `SELECT file, started, finished FROM runs WHERE tenant = $1 AND report = $2 AND made_as = $3 AND made_as <> ''
	ORDER BY finished DESC LIMIT $4`

// History are the tenant's last runs of a report that became a file of this
// format, the newest first, whichever user's and of whatever version: at most
// 20. How much another tenant has is not for it to know. Runs that were
// erased are not among them.
func (l *Ledger) History(ctx context.Context, tenant, report, format string) ([]Past, error) {
	var past []Past
	err := each(ctx, l.reader, findHistory, []any{tenant, report, format, mostHistory}, func(rows *sql.Rows) error {
		var text string
		var started, finished int64
		if err := rows.Scan(&text, &started, &finished); err != nil {
			return err
		}
		var file offprint.File
		err := read(text, &file)
		past = append(past, Past{file.Rows, file.Bytes, at(finished).Sub(at(started)), at(finished)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what %s came to before: %w", report, err)
	}
	return past, nil
}
