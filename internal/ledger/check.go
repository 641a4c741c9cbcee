package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Check tells what in the ledger contradicts what it promises; each line of
// its error is one contradiction. It reads everything: for tests and
// operators, not for every minute.
func (l *Ledger) Check(ctx context.Context) error {
	// A ticket is live until River has settled it or it was canceled.
	const live = `(SELECT id, queue, args FROM river_job WHERE state IN ('available', 'pending', 'scheduled', 'retryable')
		OR state = 'running' AND metadata ->> 'cancel_attempted_at' IS NULL)`
	// One statement is one snapshot.
	rules := []struct{ broken, run, from string }{
		{"is queued without a live ticket", `r.id`, `runs r LEFT JOIN ` + live + ` j ON j.id = r.ticket WHERE r.state = 'queued' AND r.held_for = '' AND j.id IS NULL`},
		{"has two live tickets", `j.args ->> 'run'`, `` + live + ` j JOIN runs r ON r.id = j.args ->> 'run'
			WHERE j.queue = 'make' AND CAST(j.args ->> 'epoch' AS BIGINT) = r.epoch GROUP BY j.args ->> 'run' HAVING count(*) > 1`},
		{"has ended or is held, and has a live ticket", `r.id`, `` + live + ` j JOIN runs r ON r.id = j.args ->> 'run'
			WHERE j.queue = 'make' AND CAST(j.args ->> 'epoch' AS BIGINT) = r.epoch AND (r.finished > 0 OR r.held_for <> '')`},
		{"is running without a lease", `r.id`, `runs r LEFT JOIN running x ON x.run = r.id AND x.epoch = r.epoch WHERE r.state = 'running' AND x.run IS NULL`},
		{"has a lease and is not running", `x.run`, `running x LEFT JOIN runs r ON r.id = x.run AND r.epoch = x.epoch AND r.state = 'running' WHERE r.id IS NULL`},
		{"has a state and a time of its end that differ", `id`, `runs WHERE (finished > 0) <> (state IN ('succeeded', 'failed', 'canceled'))`},
		{"has succeeded without a file, or has one without", `id`, `runs WHERE (file_key <> '') <> (state = 'succeeded') OR (file_state <> '') <> (state = 'succeeded')`},
		{"has ended with a ticket", `id`, `runs WHERE finished > 0 AND ticket <> 0`},
		{"is held while it is not queued", `id`, `runs WHERE held_for <> '' AND state <> 'queued'`},
		{"is held for another source than it reads", `id`, `runs WHERE held_for <> '' AND held_for <> 'source:' || reads`},
		{"is held and waits for a time", `id`, `runs WHERE held_for <> '' AND next_attempt > 0`},
		{"waits for its source to answer and is not held, or for ever", `id`, `runs WHERE held_until > 0 AND (held_for = '' OR retry_until = 0)`},
		{"has a notice of another end, or before its end", `r.id`, `notices n JOIN runs r ON r.id = n.run WHERE r.finished = 0
			OR n.event <> 'run.' || r.state AND NOT (n.event = 'run.expiring' AND r.state = 'succeeded')`},
		{"has a notice that waits without a live ticket", `n.run`, `notices n LEFT JOIN ` + live + ` j ON j.id = n.ticket WHERE n.state = 'waiting' AND j.id IS NULL`},
		{"has a notice that is held and has a ticket", `run`, `notices WHERE state = 'held' AND ticket <> 0`},
		{"has a link that was used more often than it may be", `run`, `links WHERE most > 0 AND uses > most`},
		{"has a link and no record", `l.run`, `links l LEFT JOIN runs r ON r.id = l.run WHERE r.id IS NULL`},
		{"has no definition", `r.id`, `runs r LEFT JOIN definitions d ON d.report = r.report AND d.version = r.version WHERE d.report IS NULL`},
	}
	q := &query{}
	for i, rule := range rules {
		if i > 0 {
			q.add(` UNION ALL `)
		}
		q.add(`SELECT `+rule.run+`, CAST(? AS TEXT) FROM `+rule.from, rule.broken)
	}
	var broken []error
	rows, err := l.reader.QueryContext(ctx, q.String(), q.args...)
	if err != nil {
		return fmt.Errorf("check the ledger: %w", err)
	}
	err = eachRow(rows, func(rows *sql.Rows) error {
		var run, how string
		err := rows.Scan(&run, &how)
		broken = append(broken, fmt.Errorf("%s %s", run, how))
		return err
	})
	if err != nil {
		return fmt.Errorf("check the ledger: %w", err)
	}
	return errors.Join(broken...)
}
