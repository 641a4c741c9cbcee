package source_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// each is a database of each kind with a table n of one row, of which two runs
// may read at a time, unless its configuration is changed; and a way to write
// into it.
func each(t *testing.T, changed ...func(*source.Config)) map[string]func(t *testing.T) (db *source.Database, write func(sql string)) {
	two := func(t *testing.T, url string) *source.Database {
		c := source.Config{Name: "shop", URL: url, MaxConnections: 2}
		for _, change := range changed {
			change(&c)
		}
		return open(t, c)
	}
	return map[string]func(t *testing.T) (*source.Database, func(string)){
		"PostgreSQL": func(t *testing.T) (*source.Database, func(string)) {
			_, beside := server(t, `CREATE TABLE n (n int)`, `INSERT INTO n VALUES (1)`)
			db := two(t, beside.Config().ConnString())
			return db, func(sql string) {
				if _, err := beside.Exec(t.Context(), sql); err != nil {
					t.Error(err)
				}
			}
		},
		"MySQL": func(t *testing.T) (*source.Database, func(string)) {
			url, beside := maria(t, `CREATE TABLE n (n INTEGER)`, `INSERT INTO n VALUES (1)`)
			db := two(t, url)
			return db, func(sql string) {
				if _, err := beside.ExecContext(t.Context(), sql); err != nil {
					t.Error(err)
				}
			}
		},
		"SQLite": func(t *testing.T) (*source.Database, func(string)) {
			file := filepath.Join(t.TempDir(), "shop.db")
			fill(t, file, `PRAGMA journal_mode = WAL`, `CREATE TABLE n (n INTEGER)`, `INSERT INTO n VALUES (1)`)
			db := two(t, "sqlite:"+file)
			return db, func(sql string) { fill(t, file, sql) }
		},
	}
}

func TestPartsReadOneSnapshotUnlessItIsOff(t *testing.T) {
	for name, make := range each(t) {
		for snapshot, want := range map[string]string{"on": "[1 1]", "off": "[1 2]"} {
			t.Run(name+" "+snapshot, func(t *testing.T) {
				db, write := make(t)
				r := report(t, db, "/*---\nsnapshot: "+snapshot+"\n---*/\nSELECT count(*) AS n FROM n\n/*---\npart: after\n---*/\nSELECT count(*) AS n FROM n")
				doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for table, err := range doc.Parts {
					if err != nil {
						t.Fatal(err)
					}
					for row := range table.Rows {
						got = append(got, row[0].String())
					}
					write(`INSERT INTO n VALUES (2)`)
				}
				if fmt.Sprint(got) != want {
					t.Errorf("got %v, want %s", got, want)
				}
			})
		}
	}
}

func TestListsThatAreTooLongAreRefusedByName(t *testing.T) {
	limits := map[string]int{"PostgreSQL": 65535, "MySQL": 65535, "SQLite": 32766}
	list := func(n int) []any {
		all := make([]any, n)
		for i := range all {
			all[i] = int64(i)
		}
		return all
	}
	for name, begin := range each(t) {
		t.Run(name, func(t *testing.T) {
			db, _ := begin(t)
			limit := limits[name]
			r := report(t, db, "/*---\nparameters: {a: {type: int, many: true}, b: {type: int, many: true}, n: {type: int}}\n---*/\n"+
				"SELECT 1 AS n WHERE 1 IN (:a) AND 1 IN (:b) AND 1 = :n")
			for _, tt := range []struct {
				a, b int
				want string
			}{
				{limit - 2, 1, ""},
				{limit - 1, 1, fmt.Sprintf("[{#/parameters/a At most %d values.}]", limit-2)},
				{limit * 2, 9, fmt.Sprintf("[{#/parameters/a At most %d values.}]", limit-10)},
				{limit, limit + 1, fmt.Sprintf("[{#/parameters/a At most %[1]d values.} {#/parameters/b At most %[1]d values.}]", (limit-1)/2)},
			} {
				req := ask(t, r, "a=[1] b=[1] n=1")
				req.Params["a"], req.Params["b"] = list(tt.a), list(tt.b)
				_, err := read(t, r, req)
				var told *offprint.Error
				switch {
				case tt.want == "" && err != nil:
					t.Errorf("%d and %d values: %v", tt.a, tt.b, err)
				case tt.want != "" && (!errors.As(err, &told) || told.Code != offprint.BadParameter || fmt.Sprint(told.Fields) != tt.want):
					t.Errorf("%d and %d values: %v, want %s", tt.a, tt.b, err, tt.want)
				}
			}
		})
	}
}

// TestWhoFindsNoConnectionHasNotAskedForTooMuch lets a run wait for those that
// have the connections: it is tried again, and not told to ask for less.
func TestWhoFindsNoConnectionHasNotAskedForTooMuch(t *testing.T) {
	for name, make := range each(t, func(c *source.Config) { c.MaxConnections, c.FirstRowTimeout = 1, 500*time.Millisecond }) {
		t.Run(name, func(t *testing.T) {
			db, _ := make(t)
			busy, r := report(t, db, head+"SELECT n FROM n"), report(t, db, "/*---\ntimeout: 100ms\n---*/\nSELECT n FROM n")
			hold, leave := context.WithCancel(t.Context())
			defer leave()
			doc, err := busy.Source.Open(hold, ask(t, busy, ""))
			if err != nil {
				t.Fatal(err)
			}
			for range doc.Parts { // once it is asked, its own time is stopped
				if _, err := r.Source.Open(t.Context(), ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceUnavailable {
					t.Errorf("%v, want it to be tried again", err)
				}
			}
			if got, err := read(t, r, ask(t, r, "")); err != nil || got != "n\n1\n" {
				t.Errorf("once there is a connection: %q, %v", got, err)
			}
		})
	}
}

func TestAPartMayBePassedOver(t *testing.T) {
	for name, make := range each(t) {
		t.Run(name, func(t *testing.T) {
			db, _ := make(t)
			r := report(t, db, head+"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 1000) SELECT n FROM x\n/*---\npart: after\n---*/\nSELECT n FROM n")
			doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
			if err != nil {
				t.Fatal(err)
			}
			rows := 0
			for table, err := range doc.Parts {
				if err != nil {
					t.Fatal(err)
				}
				for range table.Rows {
					if rows++; rows == 2 {
						break
					}
				}
			}
			if rows != 3 {
				t.Errorf("%d rows, want two of the first part and one of the second", rows)
			}
		})
	}
}

func TestManyMayReadAtOnce(t *testing.T) {
	for name, make := range each(t) {
		t.Run(name, func(t *testing.T) {
			db, _ := make(t)
			r := report(t, db, head+"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT n FROM x")
			req := ask(t, r, "")
			var readers sync.WaitGroup
			for range 8 {
				readers.Go(func() {
					for range 5 {
						if got, err := read(t, r, req); err != nil || got != "n\n1\n2\n3\n" {
							t.Errorf("%q, %v", got, err)
						}
					}
				})
			}
			readers.Wait()
		})
	}
}

func TestADatabaseConnectsOnlyWhenAsked(t *testing.T) {
	for _, url := range []string{"postgres://test@127.0.0.1:1/shop", "mysql://test@127.0.0.1:1/shop", "sqlite:/nowhere/shop.db"} {
		db := open(t, source.Config{Name: "shop", URL: url})
		if db.Name() != "shop" {
			t.Error(db.Name())
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhereOnlyTheFirstRowsAreReadAQueryEndsWithThem(t *testing.T) {
	const endless = "WITH RECURSIVE s (n) AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s) SELECT n FROM s"
	for name, make := range each(t) {
		t.Run(name, func(t *testing.T) {
			db, _ := make(t)
			r := report(t, db, "/*---\n---*/\n"+endless+"\n/*---\npart: again\n---*/\n"+endless+"\n/*---\npart: one\n---*/\nSELECT 1 AS n")
			req := ask(t, r, "")
			req.First = 3
			doc, err := r.Source.Open(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for table, err := range doc.Parts {
				if err != nil {
					t.Fatal(err)
				}
				read := 0
				for row, err := range table.Rows {
					if err != nil {
						t.Fatal(err)
					}
					got += row[0].String() + " "
					if read++; read == 3 {
						break
					}
				}
				got += "| "
			}
			if got != "1 2 3 | 1 2 3 | 1 | " {
				t.Errorf("got %s", got)
			}
			for range 5 { // nothing is held by what was passed over
				doc, err := r.Source.Open(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				for range doc.Parts {
					break
				}
			}
		})
	}
}

// However many people look on, runs have connections.
func TestGlancesLeaveConnectionsForRuns(t *testing.T) {
	for name, make := range each(t) {
		t.Run(name, func(t *testing.T) {
			db, _ := make(t) // with two connections
			r := report(t, db, "/*---\n---*/\nSELECT 1 AS n")
			glance := ask(t, r, "")
			glance.Glance = true
			hold, leave := context.WithCancel(t.Context())
			defer leave()
			held, err := r.Source.Open(hold, glance)
			if err != nil {
				t.Fatal(err)
			}
			soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := r.Source.Open(soon, glance); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("another glance: %v", err)
			}
			if _, _, err := r.Source.(offprint.Estimator).Estimate(soon, glance); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("an estimate: %v", err)
			}
			if _, err := read(t, r, ask(t, r, "")); err != nil {
				t.Errorf("a run: %v", err)
			}
			for range held.Parts { // it ends
				break
			}
			for range 3 {
				if _, err := read(t, r, glance); err != nil {
					t.Errorf("after one has ended: %v", err)
				}
			}
			if _, _, err := r.Source.(offprint.Estimator).Estimate(t.Context(), glance); err != nil {
				t.Errorf("an estimate after one has ended: %v", err)
			}
		})
	}
}

// counted is how many rows a report answers.
func counted(t *testing.T, r *offprint.Report, req offprint.Request) (rows int) {
	t.Helper()
	doc, err := r.Source.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			rows++
		}
	}
	return rows
}

// drained is what a document that is read to its end ends with.
func drained(doc *offprint.Document) (ended error) {
	for table, err := range doc.Parts {
		if err != nil {
			return err
		}
		for _, err := range table.Rows {
			ended = err
		}
	}
	return ended
}
