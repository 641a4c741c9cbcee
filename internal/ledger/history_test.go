package ledger

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func TestHistory(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		o := quick()
		var passed atomic.Int64
		o.Now = func() time.Time { return time.Unix(1_800_000_000+passed.Load(), 0) }
		l := b.open(o)
		step := make(chan int64)
		b.work(l, Workers{Slots: 1, Make: func(_ context.Context, j *Job) (Made, error) {
			n := <-step
			if n == 0 {
				return Made{}, offprint.Errorf(offprint.BadQuery, "No.")
			}
			passed.Add(n)
			m := csvOf(j)
			m.File.Rows, m.File.Bytes = n, 10*n
			m.Paces = []Pace{{Asked: time.Duration(n), Took: time.Second, Rows: n, Said: 2 * n, Every: time.Second, Marks: []int64{1, n}}}
			return m, nil
		}})
		made := func(n int64, report, format string) string {
			a := ask()
			a.Run.Report, a.Run.Format = report, format
			id := b.accept(l, a)
			b.untilState(l, id, offprint.Running)
			step <- n
			b.until(l, id, "ended", func(r offprint.Run) bool { return r.State.Final() })
			return id
		}
		asked := ask().Run
		wanted := WantedOf(&asked)
		want := func(report, format string, rows ...int64) {
			t.Helper()
			past, err := l.History(t.Context(), "acme", report, format)
			if err != nil || len(past) != len(rows) {
				t.Fatalf("%s as %s: %v, %v; want %v", report, format, past, err, rows)
			}
			for i, n := range rows {
				if p := past[i]; p.Rows != n || p.Bytes != 10*n || p.Took != time.Duration(n)*time.Second || p.Finished.IsZero() || len(p.Paces) != 1 || p.Paces[0].Asked != time.Duration(n) || p.Paces[0].Marks[1] != n || p.Wanted != wanted {
					t.Errorf("%s as %s: %+v, want %d rows", report, format, p, n)
				}
			}
		}
		want("orders", "csv")
		made(0, "orders", "csv")
		made(3, "orders", "csv")
		made(7, "orders", "xlsx")
		made(5, "stock", "csv")
		erased := made(4, "orders", "csv")
		want("orders", "csv", 4, 3)
		want("orders", "xlsx", 7)
		want("orders", "pdf")
		if past, err := l.History(t.Context(), "other", "orders", "csv"); err != nil || past != nil {
			t.Errorf("another tenant's: %v, %v", past, err)
		}
		if err := l.Erase(t.Context(), erased); err != nil {
			t.Fatal(err)
		}
		want("orders", "csv", 3)
		rows := make([]int64, mostHistory)
		for i := range rows {
			rows[len(rows)-1-i] = int64(i + 1)
			made(int64(i+1), "orders", "csv")
		}
		want("orders", "csv", rows...)
	})
}

func TestHistoryReadsNoMoreThanItTells(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: migrated(t)}
	l := b.open(quick())
	var id, parent, unused int
	var plan string
	err := l.reader.QueryRow(`EXPLAIN QUERY PLAN `+findHistory, "acme", "orders", "csv", 20).Scan(&id, &parent, &unused, &plan)
	if err != nil || !strings.Contains(plan, "USING INDEX runs_made (tenant=? AND report=? AND made_as=?)") {
		t.Errorf("%s, %v", plan, err)
	}
}

// TestALedgerOfTheFirstReleaseGoesOn migrates a ledger that holds a run from
// before.
func TestALedgerOfTheFirstReleaseGoesOn(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")}
	old, err := Open(t.Context(), b.url, quick())
	if err != nil {
		t.Fatal(err)
	}
	waits := b.accept(old, ask())
	for _, sql := range []string{
		`DROP INDEX runs_made`, `DROP INDEX runs_ready`, `DROP TABLE sources`, `ALTER TABLE runs DROP COLUMN made_as`, `ALTER TABLE runs DROP COLUMN reads`,
		`ALTER TABLE runs DROP COLUMN pace`, `ALTER TABLE running DROP COLUMN due`, `ALTER TABLE running DROP COLUMN rest`,
		`ALTER TABLE running DROP COLUMN probes`,
		`DROP TABLE webhooks`, `DROP INDEX notices_by_address`, `DROP INDEX notices_held`, `ALTER TABLE notices DROP COLUMN status`,
		`DROP TABLE links`, `ALTER TABLE downloads DROP COLUMN link`,
		`DROP INDEX runs_to_remind`, `ALTER TABLE runs DROP COLUMN remind`, `DROP TABLE preferences`,
		`DELETE FROM migrations WHERE version > 1`,
	} {
		if _, err := old.db.ExecContext(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	l := b.open(quick())
	b.work(l, Workers{Slots: 1, Make: makeAtOnce})
	b.untilState(l, waits, offprint.Succeeded)
	if past, err := l.History(t.Context(), "acme", "orders", "csv"); err != nil || len(past) != 1 {
		t.Errorf("%v, %v", past, err)
	}
}
