package source

import (
	"context"
	"time"

	"github.com/offprint/offprint"
)

// estimateLimit is for all that an estimate asks; whoever wants one waits.
const estimateLimit = 5 * time.Second

// Estimate asks the database's planner of how many rows the answer would be;
// it is how a Definition is an offprint.Estimator. It takes a connection as a
// run does, and reads no row.
func (d *Definition) Estimate(ctx context.Context, req offprint.Request) (rows int64, known bool, err error) {
	s, err := d.session(req, d.parts)
	if err != nil {
		return 0, false, err
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	limit := time.AfterFunc(estimateLimit, func() { s.cancel(s.tooLong("say how much it would answer within", estimateLimit)) })
	defer limit.Stop()
	leave, err := d.db.glance(s.ctx, req)
	if err != nil {
		return 0, false, s.failed(err, nil)
	}
	defer leave()
	snapshot, err := d.db.engine.begin(s.ctx, s.opening)
	if err != nil {
		return 0, false, s.failed(err, nil)
	}
	unhook := context.AfterFunc(s.ctx, snapshot.stop)
	defer func() { snapshot.end(unhook()) }()
	for _, statement := range s.statements {
		n, known, err := snapshot.estimate(statement)
		if err != nil {
			return 0, false, s.failed(err, statement)
		}
		if !known {
			return 0, false, nil
		}
		rows += n
	}
	return rows, true, nil
}
