package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

func TestEveryTypeOfSQLiteArrivesAsTheRightKind(t *testing.T) {
	tests := []struct {
		declared, as string
		values       string // SQL literals, parted by |
		kind         offprint.Kind
		want         string
	}{
		{"INTEGER", "", "-9223372036854775808|9223372036854775807|'x'", offprint.Int, "int -9223372036854775808|int 9223372036854775807|text x"},
		{"BIGINT", "", "5", offprint.Int, "int 5"},
		{"TEXT", "", "''|'ü 漢 😀'|5", offprint.Text, "text |text ü 漢 😀|text 5"},
		{"TEXT", "", "CAST(x'C3' AS TEXT)", offprint.Text, "text \uFFFD"},
		{"VARCHAR(20)", "", "'x'", offprint.Text, "text x"},
		{"UUID", "", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", offprint.Text, "text a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{"REAL", "", "0.1|1.7976931348623157e308|-5e-324|3|9e999", offprint.Float, "float 0.1|float 1.7976931348623157e+308|float -5e-324|float 3|float +Inf"},
		{"DOUBLE PRECISION", "", "0.5", offprint.Float, "float 0.5"},
		{
			"DECIMAL(12,2)", "", "'10.50'|7|-0.05|1234567890.1|0.125|'12345678901234567890.10'|12345678901234567", offprint.Decimal,
			"decimal 10.50|decimal 7.00|decimal -0.05|decimal 1234567890.10|decimal 0.125|decimal 12345678901234567000|decimal 12345678901234567.00",
		},
		{"NUMERIC", "", "10|0.1|'abc'|1e30", offprint.Decimal, "decimal 10|decimal 0.1|text abc|decimal 1000000000000000000000000000000"},
		{"DECIMAL_TEXT", "", "'1.50'|'-123456789012345678901234567890.123'", offprint.Decimal, "decimal 1.50|decimal -123456789012345678901234567890.123"},
		{"TEXT", "money", "'1.50'|'-123456789012345678901234567890.123'|'n/a'", offprint.Decimal, "decimal 1.50|decimal -123456789012345678901234567890.123|text n/a"},
		{"TEXT", "number", "'1.50'|'x'", offprint.Decimal, "decimal 1.50|text x"},
		{"REAL", "money", "10.1|0.30000000000000004", offprint.Decimal, "decimal 10.1|decimal 0.3"},
		{"REAL", "percent", "0.25", offprint.Float, "float 0.25"},
		{
			"DATE", "", "'2026-01-31'|'0001-01-01'|'9999-12-31'|'2026-02-30'|'soon'|20260131|'2026-01-31 10:00:00'", offprint.Date,
			"date 2026-01-31|date 0001-01-01|date 9999-12-31|text 2026-02-30|text soon|int 20260131|timestamp 2026-01-31T11:00:00+01:00",
		},
		{
			"DATETIME", "", "'2026-07-01 12:00:00'|'2026-07-01T12:00'|'2026-07-01 12:00:00.123456'|'2026-07-01 12:00:00+02:00'|'2026-07-01 12:00:00Z'|'2026-07-01'|1751371200|'25:00'", offprint.Timestamp,
			"timestamp 2026-07-01T14:00:00+02:00|timestamp 2026-07-01T14:00:00+02:00|timestamp 2026-07-01T14:00:00.123456+02:00|timestamp 2026-07-01T12:00:00+02:00|timestamp 2026-07-01T14:00:00+02:00|date 2026-07-01|int 1751371200|text 25:00",
		},
		{"TIMESTAMP", "", "'2026-07-01 12:00:00'", offprint.Timestamp, "timestamp 2026-07-01T14:00:00+02:00"},
		{"INTEGER", "datetime", "1782907200", offprint.Timestamp, "timestamp 2026-07-01T14:00:00+02:00"},
		{"TEXT", "date", "'2026-01-31'", offprint.Date, "date 2026-01-31"},
		{"BOOLEAN", "", "1|0|'true'|5", offprint.Bool, "bool true|bool false|bool true|int 5"},
		{"INT", "bool", "1|0", offprint.Bool, "bool true|bool false"},
		{"INTEGER", "id", "7", offprint.Text, "text 7"},
		{"BLOB", "", "x''|x'00ff'|5|'x'", offprint.Bytes, "bytes |bytes 00ff|int 5|text x"},
		{"", "", "5|'x'|0.5|x'ff'", offprint.Int, "int 5|text x|float 0.5|bytes ff"},
		{"TIME", "", "'13:30'", offprint.Text, "text 13:30"},
		{"JSON", "", `'{"a":1}'`, offprint.Text, `text {"a":1}`},
	}
	var tables []kindTable
	var zone *time.Location
	for _, tt := range tests {
		t.Run(tt.declared+" "+tt.as, func(t *testing.T) {
			statements := []string{"CREATE TABLE x (v " + tt.declared + ")"}
			for value := range strings.SplitSeq(tt.values, "|") {
				statements = append(statements, "INSERT INTO x VALUES ("+value+")")
			}
			statements = append(statements, "INSERT INTO x VALUES (NULL)")
			columns := ""
			if tt.as != "" {
				columns = "columns: {v: {as: " + tt.as + "}}\n"
			}
			r := report(t, shop(t, statements...), "/*---\n"+columns+"---*/\nSELECT v FROM x ORDER BY rowid")
			req := ask(t, r, "")
			doc, err := r.Source.Open(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			became := kindTable{name: tt.declared + " " + tt.as}
			for table, err := range doc.Parts {
				if err != nil {
					t.Fatal(err)
				}
				became.column, zone = table.Columns[0], req.Zone
				if table.Columns[0].Kind != tt.kind {
					t.Errorf("the column is %s, want %s", table.Columns[0].Kind, tt.kind)
				}
				for row, err := range table.Rows {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, row[0].Kind().String()+" "+string(row[0].Append(nil, req.Zone)))
					became.values = append(became.values, row[0].Clone())
				}
			}
			tables = append(tables, became)
			if all := strings.Join(got, "|"); all != tt.want+"|null " {
				t.Errorf(" got %s\nwant %s|null ", all, tt.want)
			}
		})
	}
	throughFormats(t, zone, tables)
}

func TestSQLiteTimesAreInTheZoneOfTheSource(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, `CREATE TABLE x (at DATETIME)`, `INSERT INTO x VALUES ('2026-10-31 23:59:59'), ('2026-11-01 00:00:00')`)
	db := open(t, source.Config{Name: "shop", URL: "sqlite:" + file, TimeZone: "Europe/Berlin"})
	r := report(t, db, "/*---\nparameters: {p: {type: period}}\n---*/\nSELECT at FROM x WHERE at >= :p.start_at AND at < :p.end_at")
	got, err := read(t, r, ask(t, r, `p="this_month"`))
	if want := "at\n2026-11-01T00:00:00+01:00\n"; err != nil || got != want {
		t.Errorf("%v, got %q, want %q", err, got, want)
	}
}

func TestParametersAreBoundOnSQLite(t *testing.T) {
	db := shop(t, orders...)
	tests := []struct{ name, params, sql, sent, want string }{
		{"a list expands in IN", "{r: {type: text, many: true}}", `SELECT id FROM orders WHERE region IN (:r) ORDER BY id`, `r=["EU","US"]`, "1 2 3"},
		{"an empty list finds nothing", "{r: {type: text, many: true}}", `SELECT id FROM orders WHERE region IN (:r)`, `r=[]`, ""},
		{"days are compared as text", "{p: {type: period}}", `SELECT id FROM orders WHERE day >= :p.start AND day < :p.end ORDER BY id`, `p="this_month"`, "2 3"},
		{"decimals are numbers", "{d: {type: decimal}}", `SELECT id FROM orders WHERE amount > :d`, `d="10.49"`, "1 3"},
		{"booleans are 0 and 1", "{b: {type: bool}}", `SELECT id FROM orders WHERE paid = :b`, `b=true`, "1 3"},
		{"left out, tested with IS NULL", "{r: {type: text, optional: true}}", `SELECT id FROM orders WHERE :r IS NULL OR region = :r`, ``, "1 2 3 4"},
		{"a block falls away", "{r: {type: text, optional: true}}", `SELECT id FROM orders [[ WHERE region = :r ]]`, ``, "1 2 3 4"},
		{"names in brackets are names", "{r: {type: text, optional: true}}", `SELECT [id] FROM orders AS [a :b] [[ WHERE [region] = :r ]]`, `r="US"`, "3"},
		{"quotes are no end", "{r: {type: text}}", `SELECT :r || 'it''s :r' AS "a:b"`, `r="';--"`, "';--it's :r"},
		{"who asks", "{}", `SELECT :user.id`, "", "user_7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, db, "/*---\nparameters: "+tt.params+"\n---*/\n"+tt.sql)
			got, err := read(t, r, ask(t, r, tt.sent))
			_, rows, _ := strings.Cut(got, "\n")
			if rows = strings.ReplaceAll(strings.TrimSuffix(rows, "\n"), "\n", " "); err != nil || rows != tt.want {
				t.Errorf("%v, got %q, want %q", err, rows, tt.want)
			}
			d, _ := source.Parse("orders.sql", r.Text, map[string]*source.Database{"shop": db})
			pasted, err := d.SQL(ask(t, r, tt.sent))
			if err != nil {
				t.Fatal(err)
			}
			again := report(t, db, head+pasted)
			if same, err := read(t, again, ask(t, again, "")); err != nil || same[strings.Index(same, "\n"):] != got[strings.Index(got, "\n"):] {
				t.Errorf("pasted: %v\n%s\n%s", err, pasted, same)
			}
		})
	}
}

func TestWhatGoesWrongOnSQLite(t *testing.T) {
	db := shop(t, `CREATE TABLE orders (n INTEGER)`)
	notes := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(notes, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, sql string
		db        *source.Database
		code      offprint.Code
		log       string
	}{
		{"a column that is not there", "SELECT n,\n  wrong FROM orders", db, offprint.BadQuery, "orders.sql:5:3: SQLite says: no such column: wrong."},
		{"a table that is not there", "SELECT * FROM nowhere", db, offprint.BadQuery, "no such table"},
		{"two statements", "SELECT 1; SELECT 2", db, offprint.BadQuery, "orders.sql:4:10: SQLite says: there is a second statement; a part is one query, and a further one begins with a header of its own."},
		{"a write", "INSERT INTO orders VALUES (1) RETURNING n", db, offprint.BadQuery, "answers no rows"},
		{"two columns of one name", "SELECT 1 AS a, 2 AS a", db, offprint.BadQuery, `two columns named "a"`},
		{"a file that is not there", "SELECT 1", open(t, source.Config{Name: "shop", URL: "sqlite:/nowhere/shop.db"}), offprint.SourceUnavailable, "unable to open"},
		{"a file that is no database", "SELECT 1", open(t, source.Config{Name: "shop", URL: "sqlite:" + notes}), offprint.SourceUnavailable, "not a database"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, tt.db, head+tt.sql)
			_, err := read(t, r, ask(t, r, ""))
			if err == nil || offprint.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.log) {
				t.Errorf("got %v, want %s and %q", err, tt.code, tt.log)
			}
		})
	}
}

const endless = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) "

func TestACanceledQueryEndsOnSQLite(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, sql := range map[string]string{
		"before the first row": endless + "SELECT max(n) FROM n",
		"between rows":         endless + "SELECT n FROM n",
	} {
		t.Run(name, func(t *testing.T) {
			db := shop(t)
			r := report(t, db, head+sql)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			doc, err := r.Source.Open(ctx, ask(t, r, ""))
			if err != nil {
				t.Fatal(err)
			}
			ended := drained(doc)
			if !errors.Is(ended, context.DeadlineExceeded) {
				t.Errorf("it ended with %v", ended)
			}
		})
	}
}

func TestWhatIsOpenedAndNeverReadIsLetGo(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, `CREATE TABLE x (n)`)
	db := open(t, source.Config{Name: "shop", URL: "sqlite:" + file, MaxConnections: 1})
	r := report(t, db, head+"SELECT 1")
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := r.Source.Open(ctx, ask(t, r, "")); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if got, err := read(t, r, ask(t, r, "")); err != nil || got != "1\n1\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestALoopThatBreaksLetsGo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, `CREATE TABLE x (n)`)
	sqlite := open(t, source.Config{Name: "shop", URL: "sqlite:" + file, MaxConnections: 1})
	postgres, _ := server(t)
	for name, db := range map[string]*source.Database{"SQLite": sqlite, "PostgreSQL": postgres} {
		t.Run(name, func(t *testing.T) {
			r := report(t, db, head+"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n")
			for range 10 { // more often than there are connections
				doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
				if err != nil {
					t.Fatal(err)
				}
				for table, err := range doc.Parts {
					if err != nil {
						t.Fatal(err)
					}
					for range table.Rows {
						break
					}
				}
			}
		})
	}
}

func TestARowOfSQLiteCostsNextToNothing(t *testing.T) {
	db := shop(t, orders...)
	r := report(t, db, head+`WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)
		SELECT n, order_no, ordered_at, day, amount, paid FROM n JOIN orders ON id = 1 + n % 4`)
	req := ask(t, r, "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows := counted(t, r, req)
	runtime.ReadMemStats(&after)
	each := float64(after.Mallocs-before.Mallocs) / float64(rows)
	if each > 0.1 {
		t.Errorf("%d rows, %.3f allocations each", rows, each)
	}
	t.Logf("%.4f allocations a row", each)
}
