package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/offprint/offprint"
)

// A batch is one transaction of the committer.
type batch struct {
	l      *Ledger
	queued *queueLength
	asked  []*asking

	winners []*asking // of this try: those that become runs
	tickets map[string]int64
}

// store stores the batch whole, or answers an error and stores nothing.
func (b *batch) store(ctx context.Context) error {
	leaders, followers := b.dedupe()
	if err := b.prepare(ctx, leaders); err != nil {
		return err
	}
	err := b.l.tx(ctx, "accept", func(tx *sql.Tx) error { return b.write(ctx, tx, leaders) })
	if err != nil && !b.storedAnyway(ctx, err) {
		return err
	}
	b.queued.n += len(b.winners)
	for _, f := range followers {
		f.follow(leaders)
	}
	b.l.known.add(b.winners)
	b.l.order.add(b.winners)
	b.l.hub.nudge(changesOf(b.winners)...)
	return nil
}

// storedAnyway finds out what became of a COMMIT whose answer was lost. It
// writes the same row once more, which waits for a COMMIT that is still on its
// way; a look would find nothing yet, and say so.
func (b *batch) storedAnyway(ctx context.Context, err error) bool {
	var unknown unknownOutcome
	if len(b.winners) == 0 || !errors.As(err, &unknown) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit/2)
	defer cancel()
	tx, err := b.l.db.BeginTx(ctx, nil)
	if err != nil {
		return false
	}
	defer tx.Rollback()
	fresh, err := exec(ctx, tx, insertRuns(1)+` ON CONFLICT DO NOTHING`, b.rows(b.winners[:1])...)
	return err == nil && !fresh
}

// dedupe parts the batch into one asking for each key, in the order of the
// keys so that nodes cannot deadlock, and those that have the key of another.
func (b *batch) dedupe() (leaders, followers []*asking) {
	b.winners = nil
	seen := map[string]bool{}
	for _, a := range b.asked {
		a.by, a.err = replayed{}, nil
		if a.digest != "" && seen[a.digest] {
			followers = append(followers, a)
			continue
		}
		seen[a.digest] = true
		leaders = append(leaders, a)
	}
	slices.SortStableFunc(leaders, func(a, b *asking) int { return cmp.Compare(a.digest, b.digest) })
	return leaders, followers
}

// follow shares the fate of the leader with the same key.
func (a *asking) follow(leaders []*asking) {
	i, _ := slices.BinarySearchFunc(leaders, a.digest, func(l *asking, digest string) int { return cmp.Compare(l.digest, digest) })
	leader := leaders[i]
	a.by, a.err = leader.by, leader.err
	if a.by.run == "" && a.err == nil {
		a.by = replayed{leader.Run.ID, leader.Key.Fingerprint}
	}
}

func (b *batch) write(ctx context.Context, tx *sql.Tx, leaders []*asking) error {
	won, err := b.claimKeys(ctx, tx, leaders)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := b.queued.refresh(ctx, tx, b.l.o.Queued); err != nil {
		return err
	}
	byArrival(won)
	if b.winners, err = b.withinLimits(ctx, tx, won); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if len(b.winners) == 0 {
		return nil
	}
	if err := b.insertTickets(ctx, tx); err != nil {
		return fmt.Errorf("tickets: %w", err)
	}
	if err := b.insertDefinitions(ctx, tx); err != nil {
		return fmt.Errorf("definitions: %w", err)
	}
	if err := b.insertRuns(ctx, tx); err != nil {
		return fmt.Errorf("runs: %w", err)
	}
	return b.l.announce(ctx, tx, changesOf(b.winners)...)
}

// byArrival puts them in the order of their ids: their tickets get theirs.
func byArrival(list []*asking) {
	slices.SortFunc(list, func(a, b *asking) int { return cmp.Compare(a.Run.ID, b.Run.ID) })
}

// claimKeys are the askings whose key was not used before, and those without one.
func (b *batch) claimKeys(ctx context.Context, tx *sql.Tx, leaders []*asking) (won []*asking, err error) {
	keyed := withKey(leaders)
	won = slices.Clone(leaders[:len(leaders)-len(keyed)])
	fresh := map[string]bool{}
	for chunk := range chunks(keyed) {
		insert, err := b.statement(ctx, tx, insertKeys(len(chunk)))
		if err != nil {
			return nil, err
		}
		args := make([]any, 0, len(chunk)*4)
		for _, a := range chunk {
			args = append(args, a.digest, a.Key.Fingerprint, a.Run.ID, stamp(a.Run.Created))
		}
		rows, err := insert.QueryContext(ctx, args...)
		if err != nil {
			return nil, err
		}
		err = eachRow(rows, func(rows *sql.Rows) error {
			var run string
			err := rows.Scan(&run)
			fresh[run] = true
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	for _, a := range keyed {
		if fresh[a.Run.ID] {
			won = append(won, a)
			continue
		}
		err := tx.QueryRowContext(ctx, `SELECT run, fingerprint FROM keys_used WHERE digest = $1`, a.digest).Scan(&a.by.run, &a.by.fingerprint)
		if err != nil {
			return nil, err
		}
	}
	return won, nil
}

// withinLimits are the askings that may be queued. Those that may not lose
// the key they had just claimed, so that it is good for another try.
func (b *batch) withinLimits(ctx context.Context, tx *sql.Tx, won []*asking) (within []*asking, err error) {
	users, err := b.queuedOf(ctx, tx, won)
	if err != nil {
		return nil, err
	}
	for _, a := range won {
		who := [2]string{a.Run.Who.Tenant, a.Run.Who.User}
		switch {
		case b.queued.n+len(within) >= b.l.o.Queued:
			a.err = offprint.Errorf(offprint.Busy, "%d reports are waiting already. Try again in a minute.", b.l.o.Queued)
		case b.l.o.QueuedPerUser > 0 && users[who] >= b.l.o.QueuedPerUser:
			a.err = offprint.Errorf(offprint.TooManyRequests, "%d of your reports are waiting already. Wait for some of them, or cancel them.", b.l.o.QueuedPerUser)
		default:
			users[who]++
			within = append(within, a)
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM keys_used WHERE digest = $1 AND run = $2`, a.digest, a.Run.ID); err != nil {
			return nil, err
		}
	}
	return within, nil
}

func (b *batch) queuedOf(ctx context.Context, tx *sql.Tx, won []*asking) (map[[2]string]int, error) {
	users := map[[2]string]int{}
	if b.l.o.QueuedPerUser == 0 || len(won) == 0 {
		return users, nil
	}
	q := &query{}
	q.add(`SELECT tenant, user_id, count(*) FROM runs WHERE state = 'queued' AND (tenant, user_id) IN (VALUES `)
	for i, a := range won {
		if i > 0 {
			q.add(`, `)
		}
		q.add(`(CAST(? AS TEXT), CAST(? AS TEXT))`, a.Run.Who.Tenant, a.Run.Who.User)
	}
	q.add(`) GROUP BY tenant, user_id`)
	rows, err := tx.QueryContext(ctx, q.String(), q.args...)
	if err != nil {
		return nil, err
	}
	return users, eachRow(rows, func(rows *sql.Rows) error {
		var tenant, user string
		var n int
		err := rows.Scan(&tenant, &user, &n)
		users[[2]string{tenant, user}] = n
		return err
	})
}

func (b *batch) insertTickets(ctx context.Context, tx *sql.Tx) error {
	params := make([]river.InsertManyParams, len(b.winners))
	for i, a := range b.winners {
		params[i] = river.InsertManyParams{Args: makeTicket{a.Run.ID, 1}, InsertOpts: makeTicket{Epoch: 1}.opts(time.Time{})}
	}
	inserted, err := b.l.queue.InsertManyTx(ctx, tx, params)
	if err != nil {
		return err
	}
	b.tickets = make(map[string]int64, len(inserted))
	for _, i := range inserted { // their order is not promised
		var ticket makeTicket
		if err := json.Unmarshal(i.Job.EncodedArgs, &ticket); err != nil {
			return err
		}
		b.tickets[ticket.Run] = i.Job.ID
	}
	return nil
}

func (b *batch) insertDefinitions(ctx context.Context, tx *sql.Tx) error {
	fresh := slices.DeleteFunc(slices.Clone(b.winners), b.l.known.has)
	slices.SortFunc(fresh, func(x, y *asking) int {
		return cmp.Or(cmp.Compare(x.Run.Report, y.Run.Report), cmp.Compare(x.Run.Version, y.Run.Version))
	})
	fresh = slices.CompactFunc(fresh, func(x, y *asking) bool {
		return x.Run.Report == y.Run.Report && x.Run.Version == y.Run.Version
	})
	for _, a := range fresh {
		_, err := tx.ExecContext(ctx, `INSERT INTO definitions (report, version, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			a.Run.Report, a.Run.Version, a.Definition)
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) insertRuns(ctx context.Context, tx *sql.Tx) error {
	for chunk := range chunks(b.winners) {
		insert, err := b.statement(ctx, tx, insertRuns(len(chunk)))
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, b.rows(chunk)...); err != nil {
			return err
		}
	}
	for _, a := range b.winners {
		if err := insertLabels(ctx, tx, a.Run.ID, a.Run.Metadata); err != nil {
			return err
		}
	}
	return nil
}

const runFields = 15

// rows are what insertRuns wants.
func (b *batch) rows(chunk []*asking) []any {
	args := make([]any, 0, len(chunk)*runFields)
	for _, a := range chunk {
		r := &a.Run
		args = append(args, r.ID, r.Who.Tenant, r.Who.User, r.Report, r.Version, r.Title, a.metadata, a.what,
			a.digest, string(r.State), 1, b.tickets[r.ID], stamp(r.Created), stamp(r.Created), r.Reads)
	}
	return args
}

func insertRuns(n int) string {
	return `INSERT INTO runs (id, tenant, user_id, report, version, title, metadata, asking, key_digest, state, epoch, ticket, created, changed, reads) VALUES ` +
		tuples(n, runFields)
}

func insertKeys(n int) string {
	return `INSERT INTO keys_used (digest, fingerprint, run, created) VALUES ` + tuples(n, 4) + ` ON CONFLICT DO NOTHING RETURNING run`
}

// tuples are ($1, $2), ($3, $4).
func tuples(n, fields int) string {
	var b strings.Builder
	for i := range n * fields {
		switch {
		case i == 0:
			b.WriteString("(")
		case i%fields == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String() + ")"
}

// chunks parts a list into pieces of 128, 64, 32 … 1, so that a statement for
// many rows has only eight forms, which can all be prepared.
func chunks(list []*asking) func(yield func([]*asking) bool) {
	return func(yield func([]*asking) bool) {
		for size := mostTogether; size > 0; size /= 2 {
			for len(list) >= size {
				if !yield(list[:size]) {
					return
				}
				list = list[size:]
			}
		}
	}
}

// prepare prepares what write will need, if all of the leaders win, before the
// transaction takes the connection.
func (b *batch) prepare(ctx context.Context, leaders []*asking) error {
	var texts []string
	for chunk := range chunks(withKey(leaders)) {
		texts = append(texts, insertKeys(len(chunk)))
	}
	for chunk := range chunks(leaders) {
		texts = append(texts, insertRuns(len(chunk)))
	}
	for _, text := range texts {
		if err := b.l.statements.prepare(ctx, b.l.db, text); err != nil {
			return fmt.Errorf("prepare accept: %w", err)
		}
	}
	return nil
}

// statement is the prepared one, or one for this transaction alone.
func (b *batch) statement(ctx context.Context, tx *sql.Tx, text string) (*sql.Stmt, error) {
	if stmt := b.l.statements.have(text); stmt != nil {
		return tx.StmtContext(ctx, stmt), nil
	}
	return tx.PrepareContext(ctx, text) // the transaction closes it
}

// withKey are those of the leaders, which are sorted, that have a key.
func withKey(leaders []*asking) []*asking {
	first, _ := slices.BinarySearchFunc(leaders, "\x00", func(a *asking, s string) int { return cmp.Compare(a.digest, s) })
	return leaders[first:]
}

// queueLength is how many runs are queued, counted at most once a second, by
// the transaction that wants to know: it waits for no reader.
type queueLength struct {
	n       int
	counted time.Time
}

func (q *queueLength) refresh(ctx context.Context, tx *sql.Tx, most int) error {
	if time.Since(q.counted) < time.Second {
		return nil
	}
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM runs WHERE state = 'queued' LIMIT $1) AS a`, most).Scan(&q.n)
	if err != nil {
		return fmt.Errorf("count the queue: %w", err)
	}
	q.counted = time.Now()
	return nil
}

// definitions remembers what is stored already; nothing deletes it.
type definitions struct{ stored sync.Map }

func (d *definitions) has(a *asking) bool {
	_, ok := d.stored.Load([2]string{a.Run.Report, a.Run.Version})
	return ok
}

func (d *definitions) add(stored []*asking) {
	for _, a := range stored {
		d.stored.Store([2]string{a.Run.Report, a.Run.Version}, struct{}{})
	}
}

// label is a name or a value short enough for any index.
func label(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return "sha256:" + Key{Key: s}.digest()
}

func insertLabels(ctx context.Context, tx *sql.Tx, run string, metadata map[string]string) error {
	for name, value := range metadata {
		_, err := tx.ExecContext(ctx, `INSERT INTO labels (name, value, run) VALUES ($1, $2, $3)`, label(name), label(value), run)
		if err != nil {
			return err
		}
	}
	return nil
}

func deleteLabels(ctx context.Context, tx *sql.Tx, run string, metadata map[string]string) error {
	for name, value := range metadata {
		_, err := tx.ExecContext(ctx, `DELETE FROM labels WHERE name = $1 AND value = $2 AND run = $3`, label(name), label(value), run)
		if err != nil {
			return err
		}
	}
	return nil
}
