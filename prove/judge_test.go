package prove

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/ledger"
)

// stuckAfter is how long after the last fault a run may still not have ended.
const stuckAfter = 60 * time.Second

// A judge holds what there is against what the driver knows.
type judge struct {
	*world
	ledger *ledger.Ledger
	desk   *desk.Desk
	runs   map[string]offprint.Run

	handicapped map[string]bool // runs that the driver gave two losses

	found   []figure
	broken  []string
	history []trouble
}

// A figure is one line of what a proof prints.
type figure struct {
	what string
	n    any
}

func newJudge(w *world) *judge {
	w.t.Helper()
	l, err := ledger.Open(w.t.Context(), w.database(), ledger.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := newDesk(w.told(), l, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		d.Close()
		if err := l.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return &judge{world: w, ledger: l, desk: d, handicapped: map[string]bool{}}
}

func (j *judge) figure(what string, n any) { j.found = append(j.found, figure{what, n}) }

func (j *judge) wrong(format string, args ...any) {
	j.broken = append(j.broken, fmt.Sprintf(format, args...))
}

// promise is a figure that must be nothing; each of its cases is told.
func (j *judge) promise(what string, cases []string) {
	j.figure(what, len(cases))
	for _, c := range cases {
		j.wrong("%s: %s", what, c)
	}
}

// settle waits until nothing is left to be made or told, and notes how long
// that took after the last fault.
func (j *judge) settle(last time.Time) {
	open := -1
	for time.Since(last) < stuckAfter && open != 0 {
		time.Sleep(100 * time.Millisecond)
		open = j.unended("runs WHERE finished = 0") + j.unended("notices WHERE state IN ('waiting', 'telling', 'held')")
	}
	j.figure("seconds from the last fault to the last end", fmt.Sprintf("%.1f", time.Since(last).Seconds()))
	if open != 0 {
		j.wrong("%d runs or notices are open %v after the last fault", open, stuckAfter)
	}
	for time.Since(last) < settledAfter && len(j.live()) > 0 {
		time.Sleep(100 * time.Millisecond)
	}
}

// unended counts the runs or notices that have not come to their end.
func (j *judge) unended(which string) (n int) {
	if err := j.query(`SELECT count(*) FROM `+which, &n); err != nil {
		j.t.Error(err)
	}
	return n
}

// open opens the ledger's database past the ledger.
func (j *judge) open() (*sql.DB, error) {
	if j.world.ledger == nil {
		return sql.Open("sqlite", strings.TrimPrefix(j.database(), "sqlite:")+"?_pragma=busy_timeout(10000)")
	}
	return sql.Open("pgx", j.database()+"&search_path=offprint")
}

// each hands on what each row of a query says.
func (j *judge) each(text string, row func(string)) error {
	db, err := j.open()
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var said string
		if err := rows.Scan(&said); err != nil {
			return err
		}
		row(said)
	}
	return rows.Err()
}

func (j *judge) query(text string, into ...any) error {
	db, err := j.open()
	if err != nil {
		return err
	}
	defer db.Close()
	return db.QueryRow(text).Scan(into...)
}

// judge compares everything, once the processes are at rest.
func (j *judge) judge(d *driver) {
	j.t.Helper()
	ctx := j.t.Context()
	j.history = j.troubles()
	j.read(ctx)
	j.figure("runs asked for", len(d.all))
	j.figure("askings sent again", d.repeats)
	j.promise("askings refused", d.refused)
	j.known(d)
	j.ends(d)
	j.files(ctx, d)
	j.told(ctx, d)
	j.tickets(ctx)
	j.print()
}

func (j *judge) read(ctx context.Context) {
	j.runs = map[string]offprint.Run{}
	for f := (ledger.Filter{Limit: 200}); ; {
		runs, next, err := j.ledger.List(ctx, f)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, r := range runs {
			j.runs[r.ID] = r
		}
		if f.Cursor = next; next == "" {
			return
		}
	}
}

// known holds the runs that there are against those that were accepted.
func (j *judge) known(d *driver) {
	var lost, doubled []string
	accepted := map[string]int{}
	for _, a := range d.all {
		if accepted[a.id]++; accepted[a.id] > 1 {
			doubled = append(doubled, a.id+" was answered to two askings")
		}
		if _, ok := j.runs[a.id]; !ok {
			lost = append(lost, a.id)
		}
	}
	for id := range j.runs {
		if accepted[id] == 0 {
			doubled = append(doubled, id+" was answered to nobody")
		}
	}
	j.promise("runs lost", lost)
	j.promise("runs made of one asking beside the first", doubled)
}

// ends holds each run's end against the one that it must have.
func (j *judge) ends(d *driver) {
	var stuck, wrong []string
	ends := map[string]int{}
	for _, a := range d.all {
		r, ok := j.runs[a.id]
		if !ok {
			continue
		}
		ends[end(&r)]++
		switch {
		case !r.State.Final():
			stuck = append(stuck, fmt.Sprintf("%s is %s", r.ID, r.State))
		case !j.asItMust(a, &r):
			wrong = append(wrong, fmt.Sprintf("%s of %s ended as %s, with %d failures, %d outages, %d losses, and must be %s %s %s",
				r.ID, r.Report, end(&r), r.Failures, r.Outages, r.Losses, a.state, a.outcome, a.code))
		}
	}
	for _, name := range sortedKeys(ends) {
		j.figure("ended as "+name, ends[name])
	}
	j.promise("runs stuck", stuck)
	j.promise("wrong ends", wrong)
	j.attempts()
}

func end(r *offprint.Run) string {
	if r.Problem != nil {
		return string(r.State) + ", " + string(r.Problem.Code)
	}
	return strings.Trim(string(r.State)+", "+string(r.Outcome), ", ")
}

func (j *judge) asItMust(a *asked, r *offprint.Run) bool {
	switch {
	case a.canceled && r.State == offprint.Canceled:
		return true
	case r.Problem != nil && r.Problem.Code == offprint.WorkerLost:
		least := 3
		if j.handicapped[r.ID] {
			least = 1
		}
		return r.Losses == 3 && j.during(r.Created, r.Finished) >= least
	}
	return r.State == a.state && r.Outcome == a.outcome && (r.Problem == nil && a.code == "" || r.Problem != nil && r.Problem.Code == a.code)
}

// during counts the troubles in a time.
func (j *judge) during(from, to time.Time) (n int) {
	for _, t := range j.history {
		if t.from.Before(to) && t.to.After(from) {
			n++
		}
	}
	return n
}

func (j *judge) attempts() {
	var losses, outages, failures int
	for _, r := range j.runs {
		if j.handicapped[r.ID] {
			losses -= 2
		}
		losses, outages, failures = losses+r.Losses, outages+r.Outages, failures+r.Failures
	}
	j.figure("attempts lost with their worker", losses)
	j.figure("attempts that an outage ended", outages)
	j.figure("attempts that failed", failures)
}

// files holds each file against its source, and the store against the runs.
func (j *judge) files(ctx context.Context, d *driver) {
	var wrong, orphans, doubled []string
	left := 0
	for range j.blobs(ctx) {
		left++
	}
	if err := j.desk.Sweep(ctx, true); err != nil {
		j.wrong("sweep: %v", err)
	}
	kept := map[string]int{}
	for _, key := range j.blobs(ctx) {
		id, _, _ := strings.Cut(key, "/")
		r := j.runs[id]
		if kept[id]++; kept[id] > 1 {
			doubled = append(doubled, key)
		}
		if r.File == nil || r.File.Key != key {
			orphans = append(orphans, key)
		}
	}
	files := 0
	for _, a := range d.all {
		r := j.runs[a.id]
		if r.State != offprint.Succeeded {
			continue
		}
		files++
		if err := j.file(ctx, a, &r); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", a.id, err))
		}
	}
	j.figure("files", files)
	j.figure("blobs that the sweep deleted", left-len(j.blobs(ctx)))
	j.promise("wrong files", wrong)
	j.promise("runs with two files", doubled)
	j.promise("orphans after the sweep", orphans)
}

func (j *judge) blobs(ctx context.Context) (keys []string) {
	for b, err := range j.desk.Blobs.List(ctx, "") {
		if err != nil {
			j.t.Fatal(err)
		}
		keys = append(keys, b.Key)
	}
	return keys
}

func (j *judge) file(ctx context.Context, a *asked, r *offprint.Run) error {
	blob, err := j.desk.Blobs.Open(ctx, r.File.Key, 0)
	if err != nil {
		return err
	}
	defer blob.Close()
	text, err := io.ReadAll(blob)
	if err != nil {
		return err
	}
	rows := min(a.rows, a.most())
	if string(text) != a.content || r.File.SHA256 != checksum(a.content) || r.File.Rows != int64(rows) || r.File.Bytes != int64(len(a.content)) {
		return fmt.Errorf("%d bytes, recorded as %d rows and %d bytes, where %d rows and %d bytes must be", len(text), r.File.Rows, r.File.Bytes, rows, len(a.content))
	}
	return nil
}

// told holds the notices against the ends, and a second copy against the
// troubles of whoever sent the first: it may be there only if he died, stood
// still or did not reach the ledger between his delivery and its record.
func (j *judge) told(ctx context.Context, d *driver) {
	sent, begun, arrived := j.deliveries(j.world.told().notices()), j.deliveries(j.world.told().begun()), j.post.arrived()
	var missing, strange, unexplained []string
	due, copies := map[string]int{}, 0
	for _, a := range d.all {
		r := j.runs[a.id]
		notices, err := j.ledger.Notices(ctx, a.id)
		if err != nil {
			j.t.Fatal(err)
		}
		for _, address := range a.due(r.State) {
			kind, _, _ := strings.Cut(address, ":")
			due[kind]++
			is := slices.IndexFunc(notices, func(n ledger.NoticeRecord) bool {
				return n.Address == address && n.Event == offprint.Event("run."+r.State) && n.State == "delivered"
			})
			if is < 0 || len(sent[notices[is].ID])+arrived[notices[is].ID] == 0 {
				missing = append(missing, a.id+" to "+address)
			}
		}
		if n := len(a.due(r.State)); len(notices) != n {
			strange = append(strange, fmt.Sprintf("%s has %d notices for %d addresses", a.id, len(notices), n))
		}
	}
	for id, again := range sent {
		copies += len(again) - 1
		if faults := j.faultsIn(again); len(again)-1 > faults {
			unexplained = append(unexplained, fmt.Sprintf("%s: %v, and %d faults", id, again, faults))
		}
	}
	for id, n := range arrived {
		copies += n - 1
		if faults := j.faultsIn(begun[id]); n-1 > faults {
			unexplained = append(unexplained, fmt.Sprintf("%s came %d times, begun as %v, and %d faults", id, n, begun[id], faults))
		}
	}
	j.figure("notices of our own", due["test"])
	j.figure("mails", due["mailto"])
	j.figure("webhook calls", due["webhook"])
	j.figure("second copies of notices, each under its id, after a fault inside its delivery", copies)
	j.promise("notices missing", missing)
	j.promise("notices of nothing", strange)
	j.promise("second copies without a fault inside the delivery", unexplained)
}

// deliveries are those that were written down, by notice, in their order.
func (j *judge) deliveries(path string) map[string][]delivery {
	all, err := linesOf[delivery](path)
	if err != nil {
		j.t.Fatal(err)
	}
	by := map[string][]delivery{}
	for _, d := range all {
		by[d.Notice] = append(by[d.Notice], d)
	}
	for _, again := range by {
		slices.SortFunc(again, func(a, b delivery) int { return a.At.Compare(b.At) })
	}
	return by
}

// faultsIn counts the deliveries whose process had trouble before the next one.
func (j *judge) faultsIn(again []delivery) (n int) {
	for i := range len(again) - 1 {
		if j.suffers(again[i].Process, again[i].At, again[i+1].At) {
			n++
		}
	}
	return n
}

// suffers tells whether a process had trouble in a time.
func (j *judge) suffers(process string, from, to time.Time) bool {
	return slices.ContainsFunc(j.history, func(t trouble) bool {
		return (t.process == process || t.process == "") && t.from.Before(to) && t.to.After(from)
	})
}

// A ticket whose worker died between its last step and River's own is worth
// nothing, and River settles it a minute later, at its next round.
const settledAfter = 150 * time.Second

// live are the tickets that somebody might still take.
func (j *judge) live() (all []string) {
	err := j.each(`SELECT kind || ' ' || state || ' ' || CAST(args AS TEXT) FROM river_job
		WHERE state IN ('available', 'pending', 'scheduled', 'retryable') OR state = 'running' AND metadata ->> 'cancel_attempted_at' IS NULL`, func(ticket string) { all = append(all, ticket) })
	if err != nil {
		j.t.Error(err)
	}
	return all
}

// tickets looks for those that are left over.
func (j *judge) tickets(ctx context.Context) {
	var worthless int
	if err := j.query(`SELECT count(*) FROM river_job WHERE state = 'running' AND metadata ->> 'cancel_attempted_at' IS NOT NULL`, &worthless); err != nil {
		j.t.Fatal(err)
	}
	j.figure("canceled tickets that River has still to settle", worthless)
	j.promise("live tickets left over", j.live())
	var contradictions []string
	if err := j.ledger.Check(ctx); err != nil {
		contradictions = strings.Split(err.Error(), "\n")
	}
	j.promise("contradictions in the ledger", contradictions)
}

// print prints the figures and fails on broken promises.
func (j *judge) print() {
	j.t.Helper()
	var b strings.Builder
	for _, f := range j.found {
		fmt.Fprintf(&b, "\n  %-70s %8v", f.what, f.n)
	}
	j.t.Log(b.String())
	const most = 20
	for _, broken := range j.broken[:min(most, len(j.broken))] {
		j.t.Error(broken)
	}
	if more := len(j.broken) - most; more > 0 {
		j.t.Errorf("and %d more", more)
	}
}

func sortedKeys[V any](of map[string]V) []string { return slices.Sorted(maps.Keys(of)) }
