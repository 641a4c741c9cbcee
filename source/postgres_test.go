package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/mariatest"
	"github.com/offprint/offprint/internal/pgtest"
	"github.com/offprint/offprint/source"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	mariatest.Stop()
	os.Exit(code)
}

// server is a fresh PostgreSQL database with what the statements put into it:
// our source, and a connection beside it.
func server(t *testing.T, statements ...string) (*source.Database, *pgx.Conn) {
	t.Helper()
	url := pgtest.URL(t)
	beside, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { beside.Close(context.Background()) })
	for _, s := range statements {
		if _, err := beside.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return open(t, source.Config{Name: "shop", URL: url}), beside
}

const head = "/*---\ntitle: Orders\n---*/\n"

func TestParametersAreBoundOnPostgreSQL(t *testing.T) {
	db, _ := server(t,
		`CREATE TYPE state AS ENUM ('open', 'paid')`,
		`CREATE TABLE orders (id int, no uuid, state state, day date, at timestamptz, amount numeric(12,2))`,
		`INSERT INTO orders VALUES
			(1, '00000000-0000-0000-0000-000000000001', 'open', '2026-10-31', '2026-10-31 22:59:59Z', 10.50),
			(2, '00000000-0000-0000-0000-000000000002', 'paid', '2026-11-01', '2026-10-31 23:00:00Z', 7),
			(3, '00000000-0000-0000-0000-000000000003', 'paid', '2026-11-30', '2026-11-30 22:59:59Z', NULL)`)
	tests := []struct{ name, params, sql, sent, want string }{
		{
			"a text compares with an enum and a uuid", "{s: {type: text}, n: {type: text}}",
			`SELECT id FROM orders WHERE state = :s AND no = :n`, `s="paid" n="00000000-0000-0000-0000-000000000002"`, "2",
		},
		{
			"the last day of a period is in", "{p: {type: period}}",
			`SELECT id FROM orders WHERE day >= :p.start AND day < :p.end ORDER BY id`, `p="this_month"`, "2 3",
		},
		{
			"a period's instants are midnights of the run's zone", "{p: {type: period}}",
			`SELECT id FROM orders WHERE at >= :p.start_at AND at < :p.end_at ORDER BY id`, `p="this_month"`, "2 3",
		},
		{
			"a day compares with an instant in the run's zone", "{p: {type: period}}",
			`SELECT id FROM orders WHERE at >= :p.start AND at < :p.end ORDER BY id`, `p="this_month"`, "2 3",
		},
		{"a list expands in IN", "{s: {type: text, many: true}}", `SELECT id FROM orders WHERE state IN (:s) ORDER BY id`, `s=["open","paid"]`, "1 2 3"},
		{"an empty list finds nothing", "{s: {type: text, many: true}}", `SELECT id FROM orders WHERE state IN (:s)`, `s=[]`, ""},
		{"a list is an array in ANY", "{s: {type: text, many: true}}", `SELECT id FROM orders WHERE state = ANY(:s) ORDER BY id`, `s=["paid"]`, "2 3"},
		{"a list of numbers is an array too", "{n: {type: int, many: true}}", `SELECT id FROM orders WHERE id = ANY(:n) ORDER BY id`, `n=[1,3,9999999999]`, "1 3"},
		{"quotes in a list stay", "{s: {type: text, many: true}}", `SELECT unnest(:s::text[])`, `s=["a\"b\\"]`, `a"b\`},
		{
			"one name is one parameter", "{u: {type: text}}",
			`SELECT date_trunc(:u, day)::date, count(*) FROM orders GROUP BY date_trunc(:u, day) ORDER BY 1`, `u="month"`, "2026-10-01|1 2026-11-01|2",
		},
		{"left out, tested with IS NULL", "{s: {type: text, optional: true}}", `SELECT id FROM orders WHERE :s IS NULL OR state = :s ORDER BY id`, ``, "1 2 3"},
		{"given, tested with IS NULL", "{s: {type: text, optional: true}}", `SELECT id FROM orders WHERE :s IS NULL OR state = :s ORDER BY id`, `s="open"`, "1"},
		{"a text of no type is a text", "{s: {type: text}}", `SELECT :s`, `s="x"`, "x"},
		{"a text that any type would do for is a text", "{s: {type: text}}", `SELECT concat(:s, 'y')`, `s="x"`, `xy`},
		{
			"numbers, days and booleans have their types", "{n: {type: int}, d: {type: decimal}, b: {type: bool}, y: {type: date}}",
			`SELECT :y + :n AS a, repeat('x', :n) AS b, :d + 1 AS c, NOT :b AS d, pg_typeof(:d) AS e`, `n=3 d="1.50" b=true y="2026-01-30"`, "2026-02-02|xxx|2.50|false|numeric",
		},
		{"a time is an instant", "{d: {type: datetime}}", `SELECT :d`, `d="2026-07-01T12:00:00Z"`, "2026-07-01T14:00:00+02:00"},
		{"months are those of the run's zone", "{}", `SELECT date_trunc('month', at) FROM orders WHERE id = 2`, "", "2026-11-01T00:00:00+01:00"},
		{"who asks", "{}", `SELECT :user.id || '@' || :user.tenant`, "", "user_7@acme"},
		{"a block falls away", "{s: {type: text, optional: true}}", `SELECT id FROM orders [[ WHERE state = :s ]] ORDER BY id`, "", "1 2 3"},
		{"a string goes on in the next line as it began", "{s: {type: text}}", "SELECT E'a'\n'\\':s' || :s", `s="x"`, "a':sx"},
		{"a lone return ends a comment", "{s: {type: text}}", "SELECT 'a' || -- :x '\r:s", `s="x"`, "ax"},
		{"a list expands in IN past a lone return", "{n: {type: int, many: true}}", "SELECT 'x' WHERE 1 IN (:n -- all\r)", `n=[2,1]`, "x"},
		{"a dollar quote has a tag of any language", "{s: {type: text}}", "SELECT $日$:x '$日$ || :s", `s="x"`, ":x 'x"},
		{"arrays of arrays are no blocks", "{}", `SELECT ARRAY[[1,2],[3,4]] AS a, (ARRAY[1,2,3])[2:3] AS b`, "", "{{1,2},{3,4}}|{2,3}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, db, "/*---\nparameters: "+tt.params+"\n---*/\n"+tt.sql)
			got, err := read(t, r, ask(t, r, tt.sent))
			if err != nil {
				t.Fatal(err)
			}
			_, rows, _ := strings.Cut(got, "\n")
			if rows = strings.Join(strings.Split(strings.TrimSuffix(rows, "\n"), "\n"), " "); rows != tt.want {
				t.Errorf("got %q, want %q", rows, tt.want)
			}
			d, _ := source.Parse("orders.sql", r.Text, map[string]*source.Database{"shop": db})
			pasted, err := d.SQL(ask(t, r, tt.sent))
			if err != nil {
				t.Fatal(err)
			}
			_, pasted, _ = strings.Cut(pasted, "\n") // SET TIME ZONE
			again := report(t, db, head+pasted)
			if same, err := read(t, again, ask(t, again, "")); err != nil || !strings.HasSuffix(same, "\n"+got[strings.Index(got, "\n")+1:]) {
				t.Errorf("pasted: %v\n%s\n%s", err, pasted, same)
			}
		})
	}
}

func TestAListThatAnyTypeWouldDoForIsOfTexts(t *testing.T) {
	db, _ := server(t)
	r := report(t, db, "/*---\nparameters: {l: {type: text, many: true}}\n---*/\nSELECT array_to_json(:l) AS l")
	if got, err := read(t, r, ask(t, r, `l=["a","b"]`)); err != nil || got != "l\n[\"a\",\"b\"]\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSeveralPartsReadOneSnapshot(t *testing.T) {
	db, beside := server(t, `CREATE TABLE n (n int)`, `INSERT INTO n VALUES (1)`)
	r := report(t, db, head+"SELECT count(*) AS before FROM n\n/*---\npart: after\ncolumns: {n: {title: Still}}\n---*/\nSELECT count(*) AS n FROM n")
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, table.Name+" "+table.Title+" "+table.Columns[0].Title+" "+row[0].String())
		}
		if _, err := beside.Exec(t.Context(), `INSERT INTO n VALUES (2)`); err != nil {
			t.Fatal(err)
		}
	}
	if want := "[orders Orders before 1 after After Still 1]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if age := time.Since(doc.AsOf); age < 0 || age > time.Minute {
		t.Errorf("the snapshot is of %v", doc.AsOf)
	}
}

func TestWhatGoesWrongIsSaidToPeople(t *testing.T) {
	db, _ := server(t, `CREATE TABLE orders (n int)`)
	tests := []struct {
		name, sql string
		code      offprint.Code
		log       string
	}{
		{"a column that is not there", "SELECT n,\n  wrong FROM orders", offprint.BadQuery, `orders.sql:5:3: PostgreSQL says: column "wrong" does not exist.`},
		{"a table that is not there", "SELECT * FROM nowhere", offprint.BadQuery, "orders.sql:4:15: "},
		{"no SQL", "SELEKT 1", offprint.BadQuery, "orders.sql:4:1: "},
		{"two statements", "SELECT 1; SELECT 2", offprint.BadQuery, "multiple commands"},
		{"a write", "INSERT INTO orders VALUES (1) RETURNING n", offprint.BadQuery, "read-only"},
		{"no rows at all", "SET work_mem = '1MB'", offprint.BadQuery, "answers no rows"},
		{"two columns of one name", "SELECT 1 AS a, 2 AS a", offprint.BadQuery, `two columns named "a"`},
		{"two titles that differ by case", `SELECT 1 AS a, 2 AS "A"`, offprint.BadQuery, "titled"},
		{"a division by zero midway", "SELECT 1 / (500 - n) AS x FROM generate_series(1, 1000) n", offprint.BadQuery, "division by zero"},
		{"a claim that is missing", "SELECT :user.shoe_size", offprint.PermissionDenied, "shoe_size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, db, head+tt.sql)
			_, err := read(t, r, ask(t, r, ""))
			var told *offprint.Error
			if !errors.As(err, &told) || told.Code != tt.code || !strings.Contains(err.Error(), tt.log) {
				t.Fatalf("got %v, want %s and %q in the log", err, tt.code, tt.log)
			}
			for _, secret := range []string{"SELECT", "host", "wrong", "nowhere"} {
				if strings.Contains(told.Title+told.Detail, secret) {
					t.Errorf("people are told %q: %s %s", secret, told.Title, told.Detail)
				}
			}
		})
	}
}

// running waits until the server is at a query of ours.
func running(t *testing.T, beside *pgx.Conn) {
	for {
		var waits string
		err := beside.QueryRow(context.Background(), `SELECT coalesce(wait_event, '') FROM pg_stat_activity WHERE application_name = 'offprint' AND datname = current_database() AND state = 'active'`).Scan(&waits)
		switch {
		case err == nil && (waits == "PgSleep" || waits == "ClientWrite"):
			return
		case err != nil && !errors.Is(err, pgx.ErrNoRows):
			t.Error(err)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// gone waits until no query of ours is left at the server.
func gone(t *testing.T, beside *pgx.Conn, since time.Time) {
	t.Helper()
	for {
		var left int
		err := beside.QueryRow(context.Background(), `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'offprint' AND datname = current_database() AND state <> 'idle'`).Scan(&left)
		if err != nil {
			t.Fatal(err)
		}
		if left == 0 {
			return
		}
		if time.Since(since) > time.Second {
			t.Fatalf("a second later the query still runs")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestACanceledQueryIsGoneAtTheServer(t *testing.T) {
	tests := []struct{ name, sql string }{
		{"while it computes before the first row", `SELECT pg_sleep(60)`},
		{"while the server is blocked writing rows", `SELECT generate_series(1, 100000000) AS n, repeat('x', 1000) AS x`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db, beside := server(t)
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			r := report(t, db, head+tt.sql)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			doc, err := r.Source.Open(ctx, ask(t, r, ""))
			if err != nil {
				t.Fatal(err)
			}
			var canceled time.Time
			go func() {
				running(t, beside)
				canceled = time.Now()
				cancel()
			}()
			for table, err := range doc.Parts {
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					break
				}
				for range table.Rows {
					<-ctx.Done() // a reader that does not come back
					gone(t, beside, time.Now())
					break
				}
			}
			gone(t, beside, canceled)
		})
	}
}

func TestTheDatabasesOwnLimitsAreRespected(t *testing.T) {
	db, beside := server(t, `CREATE TABLE orders (n int)`)
	own := func(statement string) {
		if _, err := beside.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	own(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 200', current_database()); END $$`)
	r := report(t, db, head+"SELECT pg_sleep(60)")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceTimeout {
		t.Errorf("statement_timeout: %v", err)
	}
	own(`CREATE ROLE clerk`)
	own(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET role = clerk', current_database()); END $$`)
	r = report(t, open(t, source.Config{Name: "shop", URL: beside.Config().ConnString()}), head+"SELECT * FROM orders")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.PermissionDenied {
		t.Errorf("no right to read: %v", err)
	}
}

func TestAStringEndsWhereTheScannerSeesItEnd(t *testing.T) {
	_, beside := server(t)
	if _, err := beside.Exec(t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$`); err != nil {
		t.Fatal(err)
	}
	db := open(t, source.Config{Name: "shop", URL: beside.Config().ConnString()})
	r := report(t, db, "/*---\nparameters: {x: {type: text}}\n---*/\nSELECT 'a\\' || :x || '' AS s")
	if got, err := read(t, r, ask(t, r, `x="b"`)); err != nil || got != "s\na\\b\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTimeoutsAreOurs(t *testing.T) {
	url := pgtest.URL(t)
	tests := []struct {
		name, sql string
		config    source.Config
		detail    string
	}{
		{"no first row", "SELECT pg_sleep(60)", source.Config{FirstRowTimeout: 200 * time.Millisecond}, "begin to answer"},
		{"no last row", "SELECT pg_sleep(0.05) FROM generate_series(1, 1000)", source.Config{Timeout: 400 * time.Millisecond}, "finish within 0.4 seconds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Name, tt.config.URL = "shop", url
			r := report(t, open(t, tt.config), head+tt.sql)
			_, err := read(t, r, ask(t, r, ""))
			if offprint.CodeOf(err) != offprint.SourceTimeout || !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// wire is a way to the server that can be cut, and over which its nth answer
// from now can be garbled.
func wire(t *testing.T) (address string, garble func(n int32), cut func()) {
	t.Helper()
	direct, err := pgx.ParseConfig(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	host, garble, cut := tap(t, fmt.Sprintf("%s/.s.PGSQL.%d", direct.Host, direct.Port), "?\x00\x00\x00\x04")
	u := url.URL{Scheme: "postgres", User: url.User(direct.User), Host: host, Path: direct.Database, RawQuery: "sslmode=disable"}
	return u.String(), garble, cut
}

// tap is a way to a socket by TCP, which can put in what is no answer.
func tap(t *testing.T, socket, nonsense string) (host string, garble func(n int32), cut func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	ends := make(chan net.Conn, 100)
	var noisy atomic.Int32
	go func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("unix", socket)
			if err != nil {
				here.Close()
				continue
			}
			ends <- here
			ends <- there
			go func() { io.Copy(there, here); there.Close() }()
			go func() { io.Copy(&noise{here, &noisy, nonsense}, there); here.Close() }()
		}
	}()
	return listener.Addr().String(), noisy.Store, func() {
		listener.Close()
		for {
			select {
			case c := <-ends:
				c.Close()
			default:
				return
			}
		}
	}
}

// noise writes once, before what comes next, what is no message of the server.
type noise struct {
	io.Writer
	in       *atomic.Int32 // so many writes; 0: never
	nonsense string
}

func (n *noise) Write(p []byte) (int, error) {
	left := n.in.Load()
	if left > 0 {
		n.in.Add(-1)
	}
	if left == 1 {
		if _, err := io.WriteString(n.Writer, n.nonsense); err != nil {
			return 0, err
		}
	}
	return n.Writer.Write(p)
}

func TestWhatNobodyUnderstandsIsNoOutage(t *testing.T) {
	address, garble, _ := wire(t)
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), head+"SELECT 1")
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	garble(2) // after the savepoint
	for _, err := range doc.Parts {
		if err == nil || offprint.CodeOf(err) != offprint.Internal {
			t.Errorf("got %v", err)
		}
	}
	if _, err := read(t, r, ask(t, r, "")); err != nil {
		t.Errorf("over another connection: %v", err)
	}
}

func TestAConnectionThatBreaksMidwayIsTriedAgain(t *testing.T) {
	address, _, cut := wire(t)
	db := open(t, source.Config{Name: "shop", URL: address})
	r := report(t, db, head+"SELECT n, repeat('x', 100) FROM generate_series(1, 1000000) n")
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	var broke error
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range table.Rows {
			if broke = err; err != nil {
				break
			}
			if rows++; rows == 1000 {
				cut()
			}
		}
	}
	if offprint.CodeOf(broke) != offprint.SourceUnavailable {
		t.Errorf("after %d rows: %v", rows, broke)
	}
	if _, err := r.Source.Open(t.Context(), ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceUnavailable {
		t.Errorf("nobody there: %v", err)
	}
}

func TestARowCostsNoAllocation(t *testing.T) {
	db, _ := server(t)
	r := report(t, db, head+`SELECT n::bigint AS id, DATE '2026-01-01' + n % 365 AS day, now() AS at, 'customer ' || n AS customer,
		n % 100 AS quantity, (n * 1.05)::numeric(12,2) AS price, n % 2 = 0 AS paid, n::float4 AS ratio FROM generate_series(1, 100000) n`)
	req := ask(t, r, "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	rows := counted(t, r, req)
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / float64(rows); each > 0.05 || rows != 100000 {
		t.Errorf("%d rows, %.3f allocations each", rows, each)
	} else {
		t.Logf("%.4f allocations a row", each)
	}
}
