package source_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/mariatest"
	"github.com/offprint/offprint/source"
)

// maria is a fresh MariaDB database with what the statements put into it: its
// URL, and a connection beside ours.
func maria(t *testing.T, statements ...string) (url string, beside *sql.DB) {
	t.Helper()
	url = mariatest.URL(t)
	address, socket, _ := strings.Cut(url, "?socket=")
	beside, err := mariatest.Open(socket, path.Base(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { beside.Close() })
	put(t, beside, statements...)
	return url, beside
}

// put runs statements in UTC, with whatever the server takes.
func put(t *testing.T, beside *sql.DB, statements ...string) {
	t.Helper()
	conn, err := beside.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, s := range append([]string{"SET NAMES utf8mb4", "SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'"}, statements...) {
		if _, err := conn.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// global changes a setting of the server until the test has ended.
func global(t *testing.T, beside *sql.DB, name, value string) {
	t.Helper()
	var before string
	if err := beside.QueryRowContext(t.Context(), "SELECT @@GLOBAL."+name).Scan(&before); err != nil {
		t.Fatal(err)
	}
	if _, err := beside.ExecContext(t.Context(), "SET GLOBAL "+name+" = "+value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if name == "sql_mode" {
			before = "'" + before + "'"
		}
		if _, err := beside.ExecContext(context.Background(), "SET GLOBAL "+name+" = "+before); err != nil {
			t.Error(err)
		}
	})
}

func TestParametersAreBoundOnMySQL(t *testing.T) {
	address, _ := maria(t,
		`CREATE TABLE orders (id int, no uuid, state enum('open', 'paid'), day date, at datetime, ts timestamp NULL, amount decimal(40,2), KEY (ts))`,
		`INSERT INTO orders VALUES
			(1, '00000000-0000-0000-0000-000000000001', 'open', '2026-10-31', '2026-10-31 22:59:59', '2026-10-31 22:59:59', 10.50),
			(2, '00000000-0000-0000-0000-000000000002', 'paid', '2026-11-01', '2026-10-31 23:00:00', '2026-10-31 23:00:00', 12345678901234567890.01),
			(3, '00000000-0000-0000-0000-000000000003', 'paid', '2026-11-30', '2026-11-30 22:59:59', '2026-11-30 22:59:59', NULL)`)
	db := open(t, source.Config{Name: "shop", URL: address})
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
			"a period's instants are midnights of the run's zone, as DATETIME has them", "{p: {type: period}}",
			`SELECT id FROM orders WHERE at >= :p.start_at AND at < :p.end_at ORDER BY id`, `p="this_month"`, "2 3",
		},
		{
			"a day compares with a TIMESTAMP in the run's zone", "{p: {type: period}}",
			`SELECT id FROM orders WHERE ts >= :p.start AND ts < :p.end ORDER BY id`, `p="this_month"`, "2 3",
		},
		{"a list expands in IN", "{s: {type: text, many: true}}", `SELECT id FROM orders WHERE state IN (:s) ORDER BY id`, `s=["open","paid"]`, "1 2 3"},
		{"an empty list finds nothing", "{s: {type: text, many: true}}", `SELECT id FROM orders WHERE state IN (:s)`, `s=[]`, ""},
		{
			"what stands twice is sent twice", "{a: {type: int}, b: {type: int}, l: {type: int, many: true}}",
			`SELECT :a - :b AS x, :b - :a AS y FROM orders WHERE id IN (:l) AND (id = :a OR id IN (:l)) ORDER BY id`, `a=5 b=3 l=[1,2]`, "2|-2 2|-2",
		},
		{
			"decimals are exact", "{d: {type: decimal}}",
			`SELECT id, :d + 1 AS d FROM orders WHERE amount = :d`, `d="12345678901234567890.01"`, "2|12345678901234567891.01",
		},
		{"negative decimals and numbers", "{d: {type: decimal}, n: {type: int}}", `SELECT 1-:d AS a, 1-:n AS b`, `d="-0.50" n=-2`, "1.50|3"},
		{"left out, tested with IS NULL", "{s: {type: text, optional: true}}", `SELECT id FROM orders WHERE :s IS NULL OR state = :s ORDER BY id`, ``, "1 2 3"},
		{"given, tested with IS NULL", "{s: {type: text, optional: true}}", `SELECT id FROM orders WHERE :s IS NULL OR state = :s ORDER BY id`, `s="open"`, "1"},
		{
			"numbers, days and booleans have their types", "{n: {type: int}, b: {type: bool}, y: {type: date}}",
			`SELECT :y + INTERVAL :n DAY AS a, repeat('x', :n) AS b, NOT :b AS c, :y AS d`, `n=3 b=true y="2026-01-30"`, "2026-02-02|xxx|0|2026-01-30",
		},
		{"a number limits", "{n: {type: int}}", `SELECT id FROM orders ORDER BY id LIMIT :n`, `n=2`, "1 2"},
		{"a time is an instant", "{d: {type: datetime}}", `SELECT :d AS d`, `d="2026-07-01T12:00:00Z"`, "2026-07-01T14:00:00+02:00"},
		{"months are those of the run's zone", "{}", `SELECT DATE_FORMAT(ts, '%Y-%m') AS m FROM orders WHERE id = 2`, "", "2026-11"},
		{"who asks", "{}", `SELECT CONCAT(:user.id, '@', :user.tenant) AS who`, "", "user_7@acme"},
		{"a block falls away", "{s: {type: text, optional: true}}", `SELECT id FROM orders [[ WHERE state = :s ]] ORDER BY id`, "", "1 2 3"},
		{"a string ends where the server sees it end", "{s: {type: text}}", `SELECT 'it\'s :s', "\":s", :s AS x -- :s` + "\n", `s="ü\\'\"漢😀"`, `it's :s|":s|ü\'"漢😀`},
		{"comments are those of the server", "{s: {type: text}}", "SELECT 3--1 AS a, # :s '\n :s AS b -- '", `s="x"`, "4|x"},
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
			_, pasted, _ = strings.Cut(pasted, "\n") // the session's settings
			again := report(t, db, head+pasted)
			if same, err := read(t, again, ask(t, again, "")); err != nil || !strings.HasSuffix(same, "\n"+got[strings.Index(got, "\n")+1:]) {
				t.Errorf("pasted: %v\n%s\n%s", err, pasted, same)
			}
		})
	}
}

// What is printed can be pasted into the server's own program, whatever its
// settings are.
func TestWhatIsPrintedRunsInTheClient(t *testing.T) {
	address, beside := maria(t, `CREATE TABLE n (ts timestamp)`, `INSERT INTO n VALUES ('2026-10-31 23:30:00')`)
	global(t, beside, "sql_mode", "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
	db := open(t, source.Config{Name: "shop", URL: address})
	text := "/*---\nsource: shop\nparameters: {s: {type: text}, d: {type: decimal}, t: {type: datetime}, y: {type: date}, l: {type: text, many: true}}\n---*/\n" +
		`SELECT :s, :d, :t, DATE(ts), "it's" FROM n WHERE DATE(ts) = :y AND 'b''\\' IN (:l)`
	d, problems := source.Parse("orders.sql", text, map[string]*source.Database{"shop": db})
	if problems != nil {
		t.Fatal(problems)
	}
	printed, err := d.SQL(ask(t, d.Report(), `s="a'\"\\漢" d="-1.50" t="2026-07-01T12:00:00Z" y="2026-11-01" l=["x","b'\\"]`))
	if err != nil {
		t.Fatal(err)
	}
	there, socket, _ := strings.Cut(address, "?socket=")
	client := exec.Command("mariadb", "--no-defaults", "--user=root", "--socket="+socket, "--batch", "--raw", "--skip-column-names", path.Base(there))
	client.Stdin = strings.NewReader(printed)
	out, err := client.CombinedOutput()
	if want := "a'\"\\漢\t-1.50\t2026-07-01 12:00:00\t2026-11-01\tit's\n"; err != nil || string(out) != want {
		t.Errorf("%v\n%s%s\nwant %s", err, printed, out, want)
	}
}

func TestWhatGoesWrongOnMySQLIsSaidToPeople(t *testing.T) {
	address, _ := maria(t, `CREATE TABLE orders (n int)`, `INSERT INTO orders VALUES (1), (2)`,
		`CREATE PROCEDURE twice() BEGIN SELECT 1 AS a; SELECT 2 AS b; END`,
		`CREATE PROCEDURE ends() BEGIN COMMIT; INSERT INTO orders VALUES (3); SELECT 1 AS a; END`,
		`CREATE PROCEDURE signals() SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'`)
	db := open(t, source.Config{Name: "shop", URL: address})
	tests := []struct {
		name, sql string
		code      offprint.Code
		log       string
	}{
		{"a column that is not there", "SELECT n,\n  wrong FROM orders", offprint.BadQuery, `orders.sql:5:3: MySQL says: Unknown column 'wrong' in 'SELECT'.`},
		{"a table that is not there", "SELECT * FROM nowhere", offprint.BadQuery, "orders.sql:4:15: "},
		{"a function that is not there", "SELECT nofunction(1)", offprint.BadQuery, "orders.sql:4:"},
		{"no SQL", "SELECT 1\nFROM orders\n  WHEREE n = 1", offprint.BadQuery, "orders.sql:6:10: MySQL says: You have an error in your SQL syntax near 'n = 1'."},
		{"no SQL at the end", "SELECT 1 FROM", offprint.BadQuery, "orders.sql:4:13: MySQL says: You have an error in your SQL syntax near ''."},
		{"two statements", "SELECT 1; SELECT 2", offprint.BadQuery, "orders.sql:4:11: "},
		{"a write", "DELETE FROM orders", offprint.BadQuery, "answers no rows"},
		{"a write behind a WITH", "WITH x AS (SELECT 1) DELETE FROM orders", offprint.BadQuery, "orders.sql:4:"},
		{"the end of the transaction", "COMMIT", offprint.BadQuery, "answers no rows"},
		{"a file at the server", "SELECT 1 INTO OUTFILE '/tmp/x'", offprint.BadQuery, "answers no rows"},
		{"a procedure that answers twice", "CALL twice()", offprint.BadQuery, "answers more than once"},
		{"a procedure that leaves the transaction and writes", "CALL ends()", offprint.BadQuery, "READ ONLY"},
		{"a procedure that refuses", "CALL signals()", offprint.BadQuery, "MySQL says: no."},
		{"two columns of one name", "SELECT 1 AS a, 2 AS a", offprint.BadQuery, `two columns named "a"`},
		{"a subquery of many rows", "SELECT (SELECT n FROM orders) AS x", offprint.BadQuery, "more than 1 row"},
		{"a number that does not fit", "SELECT ~0 + n AS x FROM orders", offprint.BadQuery, "out of range"},
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
			for _, secret := range []string{"SELECT", "socket", "wrong", "nowhere"} {
				if strings.Contains(told.Title+told.Detail, secret) {
					t.Errorf("people are told %q: %s %s", secret, told.Title, told.Detail)
				}
			}
		})
	}
	r := report(t, db, head+"SELECT COUNT(*) AS n FROM orders")
	if got, err := read(t, r, ask(t, r, "")); err != nil || got != "n\n2\n" {
		t.Errorf("afterwards: %s, %v", got, err)
	}
}

func TestAProcedureMayAnswer(t *testing.T) {
	address, _ := maria(t, `CREATE TABLE n (n int)`, `INSERT INTO n VALUES (1), (2)`, `CREATE PROCEDURE above(least int) SELECT n FROM n WHERE n > least`)
	db := open(t, source.Config{Name: "shop", URL: address})
	r := report(t, db, "/*---\nparameters: {n: {type: int}}\n---*/\nCALL above(:n)\n/*---\npart: more\n---*/\nSHOW TABLES")
	if got, err := read(t, r, ask(t, r, "n=1")); err != nil || !strings.HasPrefix(got, "n\n2\nTables_in_") || !strings.HasSuffix(got, "\nn\n") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNothingIsLeftForTheNextAsker(t *testing.T) {
	address, _ := maria(t)
	db := open(t, source.Config{Name: "shop", URL: address, MaxConnections: 1})
	r := report(t, db, head+"SELECT @seen := COALESCE(@seen, 0) + 1 AS seen")
	for range 3 {
		if got, err := read(t, r, ask(t, r, "")); err != nil || got != "seen\n1\n" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// ours counts what the server does for us.
const ours = `SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'test' AND db = DATABASE()`

// atWork waits until the server is at a query of ours.
func atWork(t *testing.T, beside *sql.DB) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var n int
		if err := beside.QueryRowContext(context.Background(), ours+` AND state IN ('User sleep', 'Writing to net')`).Scan(&n); err != nil {
			t.Error(err)
			return
		}
		if n > 0 {
			return
		}
	}
	t.Error("the server never came to work for us")
}

// ended waits until no connection of ours is left at the server but so many.
func ended(t *testing.T, beside *sql.DB, since time.Time, others int) {
	t.Helper()
	for {
		var left int
		if err := beside.QueryRowContext(context.Background(), ours).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left == others {
			return
		}
		if time.Since(since) > time.Second {
			t.Fatalf("a second later %d connections are there, want %d", left, others)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestACanceledQueryIsGoneAtMySQL(t *testing.T) {
	tests := []struct{ name, sql string }{
		{"while it computes before the first row", `SELECT SLEEP(60) AS s`},
		{"while the server is blocked writing rows", `SELECT seq, REPEAT('x', 1000) AS x FROM seq_1_to_100000000`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address, beside := maria(t)
			db := open(t, source.Config{Name: "shop", URL: address, MaxConnections: 2})
			other := report(t, db, head+"SELECT 1 AS n") // so that no connection is left
			held, err := other.Source.Open(t.Context(), ask(t, other, ""))
			if err != nil {
				t.Fatal(err)
			}
			defer held.Parts(func(*offprint.Table, error) bool { return false })
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
				atWork(t, beside)
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
					ended(t, beside, time.Now(), 1)
					break
				}
			}
			ended(t, beside, canceled, 1)
		})
	}
}

// A reader that leaves early does not leave the server computing.
func TestAReaderWhoLeavesEndsTheQueryAtMySQL(t *testing.T) {
	address, beside := maria(t)
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), head+`SELECT seq, IF(seq > 10000, SLEEP(60), 0) AS s FROM seq_1_to_100000`)
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
		break
	}
	ended(t, beside, time.Now(), 0)
}

func TestTheLimitsOfMySQLAreRespected(t *testing.T) {
	address, beside := maria(t, `CREATE TABLE orders (n int)`, `CREATE TABLE secrets (n int)`)
	global(t, beside, "max_statement_time", "0.2")
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), head+"SELECT SLEEP(60) AS s, n FROM (SELECT 1 AS n) x")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceTimeout {
		t.Errorf("max_statement_time: %v", err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	put(t, beside, "CREATE OR REPLACE USER clerk@localhost IDENTIFIED BY 'p@ss:/?'", "GRANT SELECT ON orders TO clerk@localhost")
	u.User = url.UserPassword("clerk", "p@ss:/?")
	clerk := open(t, source.Config{Name: "shop", URL: u.String()})
	for sql, want := range map[string]offprint.Code{"SELECT n FROM orders": "", "SELECT n FROM secrets": offprint.PermissionDenied, "SELECT n FROM mysql.user": offprint.PermissionDenied} {
		r := report(t, clerk, head+sql)
		if _, err := read(t, r, ask(t, r, "")); err != nil && offprint.CodeOf(err) != want || err == nil && want != "" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	u.User = url.UserPassword("clerk", "another")
	r = report(t, open(t, source.Config{Name: "shop", URL: u.String()}), head+"SELECT 1")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.PermissionDenied {
		t.Errorf("another password: %v", err)
	}
}

// What the server is set to otherwise changes nothing: where strings end, how
// many rows there are, how long an aggregated text is, and how
// long a reader may think.
func TestSettingsOfMySQLChangeNoReport(t *testing.T) {
	address, beside := maria(t, `CREATE TABLE n (n int)`, `INSERT INTO n VALUES (1), (2)`)
	global(t, beside, "sql_mode", "'ORACLE,NO_BACKSLASH_ESCAPES'")
	global(t, beside, "sql_select_limit", "1")
	global(t, beside, "group_concat_max_len", "4")
	global(t, beside, "time_zone", "'+05:00'")
	global(t, beside, "net_write_timeout", "1")
	global(t, beside, "wait_timeout", "7")
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), "/*---\nparameters: {x: {type: text}}\n---*/\n"+
		`SELECT 'it\'s' AS a, "b" AS b, :x AS x, (SELECT GROUP_CONCAT(seq) FROM seq_1_to_5) AS g, @@net_write_timeout >= 86400 AND @@wait_timeout >= 3600 AS patient FROM n`)
	if got, err := read(t, r, ask(t, r, `x="c"`)); err != nil || got != "a|b|x|g|patient\nit's|b|c|1,2,3,4,5|1\nit's|b|c|1,2,3,4,5|1\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTimeoutsAreOursOnMySQL(t *testing.T) {
	address, _ := maria(t)
	tests := []struct {
		name, sql string
		config    source.Config
		detail    string
	}{
		{"no first row", "SELECT SLEEP(60) AS s", source.Config{FirstRowTimeout: 200 * time.Millisecond}, "begin to answer"},
		{"no last row", "SELECT SLEEP(0.05) AS s, seq, REPEAT('x', 20000) AS x FROM seq_1_to_1000", source.Config{Timeout: 400 * time.Millisecond}, "finish within 0.4 seconds"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Name, tt.config.URL = "shop", address
			r := report(t, open(t, tt.config), head+tt.sql)
			_, err := read(t, r, ask(t, r, ""))
			if offprint.CodeOf(err) != offprint.SourceTimeout || !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// mysqlWire is a way to a database of the server by TCP.
func mysqlWire(t *testing.T, settings string) (address string, garble func(n int32), cut func()) {
	t.Helper()
	there, socket, _ := strings.Cut(mariatest.URL(t), "?socket=")
	host, garble, cut := tap(t, socket, "\x01\x00\x00\x63?")
	return strings.Replace(there, "@/", "@"+host+"/", 1) + settings, garble, cut
}

func TestWhatNobodyUnderstandsOfMySQLIsNoOutage(t *testing.T) {
	address, garble, _ := mysqlWire(t, "?tls=false")
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), head+"SELECT 1")
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	garble(1)
	for _, err := range doc.Parts {
		if err == nil || offprint.CodeOf(err) != offprint.Internal {
			t.Errorf("got %v", err)
		}
	}
	if _, err := read(t, r, ask(t, r, "")); err != nil {
		t.Errorf("over another connection: %v", err)
	}
}

// until reads rows, does something after a thousand, and tells how it ended.
func until(t *testing.T, r *offprint.Report, then func()) (rows int, err error) {
	t.Helper()
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range table.Rows {
			if err != nil {
				return rows, err
			}
			if rows++; rows == 1000 {
				then()
			}
		}
	}
	return rows, nil
}

const manyRows = head + "SELECT seq, REPEAT('x', 100) AS x FROM seq_1_to_1000000"

func TestAConnectionToMySQLThatBreaksMidwayIsTriedAgain(t *testing.T) {
	address, _, cut := mysqlWire(t, "")
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), manyRows)
	if rows, err := until(t, r, cut); offprint.CodeOf(err) != offprint.SourceUnavailable {
		t.Errorf("after %d rows: %v", rows, err)
	}
	if _, err := r.Source.Open(t.Context(), ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceUnavailable {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAMySQLThatDiesMidwayIsTriedAgain(t *testing.T) {
	server, err := mariatest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	r := report(t, open(t, source.Config{Name: "shop", URL: server.URL("mysql"), MaxConnections: 1}), manyRows)
	if rows, err := until(t, r, func() { server.Halt(syscall.SIGKILL) }); offprint.CodeOf(err) != offprint.SourceUnavailable {
		t.Errorf("after %d rows: %v", rows, err)
	}
	if err := server.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows, err := until(t, r, func() {}); err != nil || rows != 1_000_000 {
		t.Errorf("after it came back: %d rows, %v", rows, err)
	}
}

func TestMySQLSaysHowManyRowsItExpects(t *testing.T) {
	address, beside := maria(t, `CREATE TABLE n (id int PRIMARY KEY)`, `INSERT INTO n SELECT seq FROM seq_1_to_1000`)
	if _, err := beside.ExecContext(t.Context(), "ANALYZE TABLE n"); err != nil {
		t.Fatal(err)
	}
	db := open(t, source.Config{Name: "shop", URL: address})
	for _, tt := range []struct {
		sql         string
		least, most int64
	}{
		{"SELECT id FROM n", 900, 1100},
		{"SELECT a.id FROM n a JOIN n b ON b.id < 11", 5_000, 20_000},
		{"SELECT a.id FROM n a JOIN n b USING (id)", 900, 1100},
		{"SELECT COUNT(*) AS c FROM n", 0, 0},
		{"SELECT id FROM n LIMIT 3", 0, 0},
	} {
		r := report(t, db, head+tt.sql)
		doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
		if err != nil {
			t.Fatal(err)
		}
		for table, err := range doc.Parts {
			if err != nil {
				t.Fatal(err)
			}
			if n := table.RowsEstimated; n < tt.least || n > tt.most {
				t.Errorf("%s: %d rows are expected", tt.sql, n)
			}
		}
	}
}

func TestHeadersDecideWhatTypesOfMySQLMean(t *testing.T) {
	address, _ := maria(t, `CREATE TABLE n (a tinyint(1), b bit(1), c binary(3), d varbinary(3), e int)`, `INSERT INTO n VALUES (1, b'0', 'abc', 0xFF00, 7)`)
	db := open(t, source.Config{Name: "shop", URL: address})
	r := report(t, db, "/*---\ncolumns: {a: {as: bool}, b: {as: bool}, c: {as: text}, d: {as: text}, e: {as: bool}}\n---*/\nSELECT * FROM n")
	if got, err := read(t, r, ask(t, r, "")); err != nil || got != "a|b|c|d|e\ntrue|false|abc|ff00|7\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheWayToMySQLIsEncryptedAsTheURLSays(t *testing.T) {
	address, _, _ := mysqlWire(t, "")
	trusted := mariatest.Certificate(mariatest.URL(t))
	for settings, want := range map[string]string{
		"": "TLS", "?tls=preferred": "TLS", "?tls=false": "plain", "?tls=skip-verify": "TLS", "?ssl-mode=REQUIRED": "TLS", "?ssl-mode=DISABLED": "plain",
		"?tls=true": "refused", "?tls=true&tls_ca=" + trusted: "TLS",
	} {
		db := open(t, source.Config{Name: "shop", URL: address + settings})
		r := report(t, db, head+"SELECT IF(variable_value = '', 'plain', 'TLS') AS way FROM information_schema.session_status WHERE variable_name = 'SSL_CIPHER'")
		got, err := read(t, r, ask(t, r, ""))
		if want == "refused" {
			if offprint.CodeOf(err) != offprint.SourceUnavailable || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%s: %q, %v", settings, got, err)
			}
		} else if err != nil || got != "way\n"+want+"\n" {
			t.Errorf("%s: %q, %v", settings, got, err)
		}
	}
}

func TestTheURLOfMySQL(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"mysql://u:hunter2/x@h/d":                        "are written as %2F",
		"mysql://u:hunter2@/d":                           "names no host",
		"mysql://u:hunter2@h/d?sslmode=x":                "no setting sslmode",
		"mysql://u:hunter2@h/d?tls=yes":                  "tls in the URL is true",
		"mysql://u:hunter2@h/d?ssl-mode=X":               "tls in the URL is true",
		"mysql://u:hunter2@h/d?tls=true&tls_ca=nowhere":  "tls_ca cannot be read",
		"mysql://u:hunter2@h/d?tls=true&tls_ca=" + empty: "holds no certificate",
		"mysql://u:hunter2@h/d?tls_ca=" + empty:          "Write tls=true with it",
		"mysql://u:hunter2@h/d?tls=skip-verify&tls_ca=x": "Write tls=true with it",
		"mysql://u:12/3?hunter2@h/d":                     "a ? in a password is written as %3F",
	} {
		_, err := source.Open(source.Config{Name: "shop", URL: name})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	open(t, source.Config{Name: "shop", URL: "mariadb://u:p@h:3307/d?ssl-mode=REQUIRED"})
}
