package ledger

import (
	"context"
	"fmt"
	"time"
)

// A Census counts what there is to do.
type Census struct {
	Queued, Running int
	Oldest          time.Time // of the queued; zero without any
}

// Census counts the runs that have not ended.
func (l *Ledger) Census(ctx context.Context) (c Census, err error) {
	var oldest int64
	err = one(ctx, l.reader, `SELECT count(*), COALESCE(min(created), 0) FROM runs WHERE state = 'queued'`, nil, &c.Queued, &oldest)
	if err != nil {
		return c, fmt.Errorf("count the queue: %w", err)
	}
	c.Oldest = at(oldest)
	if err := one(ctx, l.reader, `SELECT count(*) FROM running`, nil, &c.Running); err != nil {
		return c, fmt.Errorf("count what is being made: %w", err)
	}
	return c, nil
}
