package server_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
	"github.com/offprint/offprint/server"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// A fault is something that breaks while a report is made, and what becomes of
// the run: what is decided, what the asker reads, and what only the log knows.
type fault struct {
	name, report string
	format       string // csv when empty
	code         offprint.Code
	decided      offprint.Decision
	title        string
	detail       string
	log          string // of the cause
}

// What of the configuration and the reports nobody may read.
const (
	password = "sesame-7391"
	comment  = "what-the-query-says"
)

// TestEveryFaultHasItsClassAndItsWords breaks what a report needs, each thing
// in its own way, and reads what the API, the page and the ledger say of it.
func TestEveryFaultHasItsClassAndItsWords(t *testing.T) {
	w := newFaulty(t)
	const (
		kept    = "Your request is kept and tried again."
		refused = "Nothing was made. Either a parameter has a value that the database cannot use, or the report must be mended by whoever wrote it."
		right   = "Nothing was made. Ask whoever runs this service for the right to read what the report reads."
		login   = "Nothing was made. Tell whoever runs this server: what it signs in with is not right, or has no right any more."
		ours    = "Something went wrong on our side while this report was made. Your request is kept. If trying again does not help, tell whoever runs this server the trace id."
		shorter = " Your request is kept. Ask for less, such as a shorter period."
	)
	const (
		again, attempts, final = offprint.Again, offprint.Attempts, offprint.Final
	)
	faults := []fault{
		{"PostgreSQL is down", "pg_down", "", offprint.SourceUnavailable, again, "The pg_down database did not answer", kept, "connection refused"},
		{"the host has no address", "pg_nowhere", "", offprint.SourceUnavailable, again, "The pg_nowhere database did not answer", kept, "nowhere.invalid"},
		{"there is no such database", "pg_nodb", "", offprint.SourceUnavailable, again, "The pg_nodb database did not answer", kept, "3D000"},
		{"the password is wrong", "pg_password", "", offprint.PermissionDenied, final, "The pg_password database does not let this server in", login, "28P01"},
		{"the connection is killed in the middle", "killed", "", offprint.SourceUnavailable, again, "The killed database did not answer", kept, "57P01"},
		{"two transactions collide", "collides", "", offprint.SourceUnavailable, again, "The collides database did not answer", kept, "40001"},
		{"the query is no SQL", "syntax", "", offprint.BadQuery, final, "The shop database refused the query", refused, "syntax error"},
		{"a table is missing", "missing", "", offprint.BadQuery, final, "The shop database refused the query", refused, `relation \"nothing_here\" does not exist`},
		{"a right is missing", "salaries", "", offprint.PermissionDenied, final, "The reader database does not allow this", right, "permission denied for table salaries"},
		{"something is divided by zero, after many rows", "zero", "", offprint.BadQuery, final, "The shop database refused the query", refused, "division by zero"},
		{"a parameter is no number to the database", "number", "", offprint.BadQuery, final, "The shop database refused the query", refused, "invalid input syntax"},
		{"a parameter is no option any more", "option", "", offprint.BadParameter, final, "Some parameters are not right", "Nothing was made. Mend the parameters named below and ask again.", "#/parameters/region"},
		{"the database ends the query", "hasty", "", offprint.SourceTimeout, final, "The hasty database ended the query before it was done", "Your request is kept. Ask for less, such as a shorter period, or ask whoever runs the database.", "57014"},
		{"no first row in time", "sleeps", "", offprint.SourceTimeout, final, "The slow database took too long", "It did not begin to answer within 1 second." + shorter, "within 1 second"},
		{"no last row in time", "drips", "", offprint.SourceTimeout, final, "The endless database took too long", "It did not finish within 1 second." + shorter, "within 1 second"},
		{"the file is too large", "large", "", offprint.TooLarge, final, "The report is too large", "Its file would be larger than 8 MB, which is the limit here. Nothing was made. Ask for a shorter period, or for less.", "8 MB"},
		{"a sheet is too short", "long", "xlsx", offprint.RowLimit, final, "The report has too many rows", "An Excel sheet holds 1,048,575 rows, and the report has more. Nothing was made. Ask for less, or for CSV.", "1,048,575"},
		{"a report in Go panics", "panics", "", offprint.Internal, attempts, "Something went wrong here", ours, "panic: " + password},
		{"its goroutine ends", "exits", "", offprint.Internal, attempts, "Something went wrong here", ours, "ended without an answer"},
		{"it has a bug", "bug", "", offprint.Internal, attempts, "Something went wrong here", ours, "index 17 of " + password},
		{"a service knows nobody", "http_401", "", offprint.PermissionDenied, final, "The erp service does not allow this", right, "it answered 401"},
		{"a service forbids it", "http_403", "", offprint.PermissionDenied, final, "The erp service does not allow this", right, "it answered 403"},
		{"a service has no such path", "http_404", "", offprint.BadQuery, final, "The erp service refused the query", strings.Replace(refused, "database", "service", 1), "it answered 404"},
		{"a service has a bug", "http_500", "", offprint.SourceUnavailable, again, "The http_500 service did not answer", kept, "it answered 500"},
		{"a service is busy", "http_503", "", offprint.SourceUnavailable, again, "The http_503 service did not answer", kept, "it answered 503"},
		{"a service says nothing", "http_hang", "", offprint.SourceTimeout, final, "The mute service took too long", "It did not begin to answer within 1 second." + shorter, "within 1 second"},
		{"a service breaks off", "http_cut", "", offprint.SourceUnavailable, again, "The http_cut service did not answer", kept, "unexpected EOF"},
		{"a service is down", "http_down", "", offprint.SourceUnavailable, again, "The http_down service did not answer", kept, "connection refused"},
		{"MariaDB is down", "maria_down", "", offprint.SourceUnavailable, again, "The maria_down database did not answer", kept, "connection refused"},
		{"SQLite's file is missing", "lite_missing", "", offprint.SourceUnavailable, again, "The lite_missing database did not answer", kept, "unable to open"},
		{"SQLite's file is locked", "lite_locked", "", offprint.SourceUnavailable, again, "The lite_locked database did not answer", kept, "database is locked"},
		{"SQLite's file is none", "lite_none", "", offprint.SourceUnavailable, again, "The lite_none database did not answer", kept, "not a database"},
		{"SQLite's file is damaged", "lite_damaged", "", offprint.SourceUnavailable, again, "The lite_damaged database did not answer", kept, "malformed"},
	}
	url, stop := started(t, w.config)
	ids := make([]string, len(faults))
	for i, f := range faults {
		ids[i] = w.ask(t, url, f)
	}
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) { w.holds(t, url, ids[i], f) })
	}
	stop()
}

// A faulty is a server where everything is broken.
type faulty struct {
	config  server.Config
	log     logged
	secrets []string
}

// logged is a log that is read while it is written.
type logged struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(b)
}

// line is that of the attempt with the trace id.
func (l *logged) line(trace string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.String()) {
		if strings.Contains(line, `"trace_id":"`+trace+`"`) {
			return line
		}
	}
	return ""
}

func bare(t *testing.T) *faulty {
	w := &faulty{secrets: []string{password, comment, "SELECT", "generate_series", "nothing_here"}}
	dir := t.TempDir()
	w.config = server.Config{
		Listen: "127.0.0.1:0", Database: "sqlite:" + filepath.Join(dir, "ledger.db"), Files: "dir:" + filepath.Join(dir, "files"), Workers: 4,
		ReportFiles: fstest.MapFS{}, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Sources: map[string]server.SourceConfig{},
	}
	return w
}

func newFaulty(t *testing.T) *faulty {
	w := bare(t)
	shop := pgtest.URL(t)
	w.fill(t, shop)
	as := func(address, user string) string { // who reads the shop as somebody else
		return strings.Replace(address, "postgres://test@", "postgres://"+user+":"+password+"@", 1)
	}
	lite := t.TempDir()
	erp := httptest.NewServer(http.HandlerFunc(serveFaults))
	t.Cleanup(erp.Close)
	for name, s := range map[string]server.SourceConfig{
		"shop":         {URL: shop},
		"killed":       {URL: shop}, // of its own, as others that do not answer: what reads it waits until one finds that it does
		"collides":     {URL: shop},
		"pg_down":      {URL: "postgres://someone:" + password + "@127.0.0.1:1/backroom"},
		"pg_nowhere":   {URL: "postgres://someone:" + password + "@nowhere.invalid/backroom"},
		"pg_nodb":      {URL: strings.Replace(as(shop, "reader"), "@/", "@/backroom_", 1)},
		"pg_password":  {URL: as(shop, "guarded")},
		"reader":       {URL: as(shop, "reader")},
		"hasty":        {URL: as(shop, "hasty")},
		"slow":         {URL: shop, FirstRowTimeout: time.Second},
		"endless":      {URL: shop, Timeout: time.Second},
		"mute":         {URL: erp.URL + "/backroom", FirstRowTimeout: time.Second, AllowPrivate: true},
		"erp":          {URL: erp.URL + "/backroom", AllowPrivate: true, Headers: map[string]string{"Authorization": "Bearer " + password}},
		"http_500":     {URL: erp.URL + "/backroom", AllowPrivate: true},
		"http_503":     {URL: erp.URL + "/backroom", AllowPrivate: true},
		"http_cut":     {URL: erp.URL + "/backroom", AllowPrivate: true},
		"http_down":    {URL: "http://127.0.0.1:1/backroom", AllowPrivate: true},
		"maria_down":   {URL: "mysql://someone:" + password + "@127.0.0.1:1/backroom"},
		"lite_missing": {URL: "sqlite:" + filepath.Join(lite, "missing.db")},
		"lite_locked":  {URL: "sqlite:" + locked(t, filepath.Join(lite, "locked.db"))},
		"lite_none":    {URL: "sqlite:" + damaged(t, filepath.Join(lite, "none.db"), 0)},
		"lite_damaged": {URL: "sqlite:" + damaged(t, filepath.Join(lite, "damaged.db"), 4096)},
	} {
		w.config.Sources[name] = s
		w.hide(t, s.URL)
	}
	w.reports()
	w.config.Limits.FileBytes = 8_000_000
	return w
}

// hide has nobody read any part of the address of a source.
func (w *faulty) hide(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{u.Host, u.Query().Get("host"), strings.TrimPrefix(u.Path, "/"), u.Opaque} {
		if len(part) > 3 {
			w.secrets = append(w.secrets, part)
		}
	}
}

func (w *faulty) reports() {
	files := fstest.MapFS{}
	report := func(name, source, query, more string) {
		files[name+".sql"] = &fstest.MapFile{Data: []byte("/*---\ntitle: Broken\nsource: " + source + "\n" + more + "---*/\n" + query)}
	}
	of := func(source string) {
		report(source, source, "SELECT 1 AS n /* "+comment+" */", "")
	}
	for _, source := range []string{"pg_down", "pg_nowhere", "pg_nodb", "pg_password", "maria_down"} {
		of(source)
	}
	for _, source := range []string{"lite_missing", "lite_locked", "lite_none", "lite_damaged"} {
		report(source, source, "SELECT count(*) AS n FROM orders /* "+comment+" */", "")
	}
	for name, query := range map[string]string{
		"killed":   "SELECT n, CASE WHEN n = 50000 THEN pg_terminate_backend(pg_backend_pid()) END AS k FROM generate_series(1, 60000) n",
		"collides": "SELECT collides() AS n",
		"syntax":   "SELECT 1 AS n FORM nothing_here",
		"missing":  "SELECT n FROM nothing_here",
		"zero":     "SELECT 1 / (50000 - n) AS n FROM generate_series(1, 60000) n",
		"large":    "SELECT repeat('x', 10000) AS n FROM generate_series(1, 1000) n",
	} {
		source := "shop"
		if w.config.Sources[name].URL != "" {
			source = name
		}
		report(name, source, query+" /* "+comment+" */", "")
	}
	report("salaries", "reader", "SELECT amount AS n FROM salaries", "")
	report("hasty", "hasty", "SELECT pg_sleep(20)::text AS n", "")
	report("sleeps", "slow", "SELECT pg_sleep(20)::text AS n", "")
	report("drips", "endless", "SELECT repeat('x', 9000) AS n, pg_sleep(0.05)::text AS s FROM generate_series(1, 1000) n", "")
	report("number", "shop", "SELECT CAST(:word AS text)::int AS n", "parameters: {word: {type: text, default: abc}}\n")
	report("option", "shop", "SELECT :region AS n", "parameters: {region: {type: text, default: EU, options: {query: \"SELECT 'NA' FROM pg_sleep(1)\"}}}\n")
	report("long", "shop", "SELECT 1 AS n FROM generate_series(1, 1048577)", "overflow: fail\n")
	report("http_hang", "mute", "GET /hang?"+comment+"=1", "")
	for name, source := range map[string]string{"401": "erp", "403": "erp", "404": "erp", "500": "http_500", "503": "http_503", "cut": "http_cut"} {
		report("http_"+name, source, "GET /"+name+"?"+comment+"=1", "")
	}
	report("http_down", "http_down", "GET /rows?"+comment+"=1", "")
	w.config.ReportFiles = files
	w.config.InGo = []*offprint.Report{
		inGo("panics", func() error { panic(password) }),
		inGo("exits", func() error { runtime.Goexit(); return nil }),
		inGo("bug", func() error { return fmt.Errorf("index 17 of %s", password) }),
	}
}

func inGo(name string, open func() error) *offprint.Report {
	return &offprint.Report{Name: name, Version: "1", Title: offprint.Words{"": "Broken"}, Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) { return nil, open() })}
}

// serveFaults is a service whose path says how it fails.
func serveFaults(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	switch _, how, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/backroom"), "/"); how {
	case "hang":
		<-r.Context().Done()
	case "cut":
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(bytes.Repeat([]byte("{\"n\":1}\n"), 5000)) // and no more
	default:
		var status int
		_, _ = fmt.Sscan(how, &status)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "No, %s of %s.", r.Header.Get("Authorization"), comment)
	}
}

// fill makes what the reports on PostgreSQL need, and who reads it.
func (w *faulty) fill(t *testing.T, address string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var rules string
	for _, statement := range []string{
		`CREATE TABLE salaries (amount int)`,
		`CREATE FUNCTION collides() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END $$`,
		`CREATE USER reader`, `CREATE USER hasty`, `ALTER USER hasty SET statement_timeout = '200ms'`, `CREATE USER guarded PASSWORD 'another'`,
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.QueryRow(t.Context(), `SHOW hba_file`).Scan(&rules); err != nil {
		t.Fatal(err)
	}
	present, err := os.ReadFile(rules)
	if err == nil {
		err = os.WriteFile(rules, append([]byte("local all guarded scram-sha-256\n"), present...), 0o600)
	}
	if err == nil {
		_, err = conn.Exec(t.Context(), `SELECT pg_reload_conf()`)
	}
	if err != nil {
		t.Fatal(err)
	}
	guarded := strings.Replace(address, "postgres://test@", "postgres://guarded@", 1)
	for { // until the server has read it
		open, err := pgx.Connect(t.Context(), guarded)
		if err != nil {
			return
		}
		if err := open.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// locked is a database that somebody writes for as long as the test runs.
func locked(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, statement := range []string{`CREATE TABLE orders (id INTEGER)`, `BEGIN EXCLUSIVE`} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// damaged is a database that is none any more from that byte on.
func damaged(t *testing.T, path string, from int) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE orders (id INTEGER); WITH RECURSIVE s(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM s WHERE n < 5000) INSERT INTO orders SELECT n FROM s`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i < len(b); i++ {
		b[i] = 0xEE
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask asks for the report and is the run's id.
func (w *faulty) ask(t *testing.T, url string, f fault) string {
	t.Helper()
	format := f.format
	if format == "" {
		format = "csv"
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/runs", strings.NewReader(`{"report":"`+f.report+`","format":"`+format+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	status, body := do(t, req)
	var run struct{ ID string }
	if err := json.Unmarshal([]byte(body), &run); err != nil || status != http.StatusAccepted {
		t.Fatalf("%s: %d %s", f.report, status, body)
	}
	return run.ID
}

// seen is what a fault looks like from outside.
type seen struct {
	State       offprint.State
	Attempt     int
	Revision    int64
	NextAttempt *time.Time `json:"next_attempt_at"`
	RetryUntil  *time.Time `json:"retry_until"`
	File        *struct{}
	Error       *struct {
		Type, Title, Detail string
		Code                offprint.Code
		Retryable           bool
		Trace               string `json:"trace_id"`
		Errors              []offprint.Field
	}
}

// broken waits until an attempt has failed, and is between two of them.
func broken(t *testing.T, url, id string) (run seen, body string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/v1/runs/"+id+"?wait=5", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", fmt.Sprintf(`W/"%d"`, run.Revision))
		status, now := do(t, req)
		if status == http.StatusNotModified {
			continue
		}
		if err := json.Unmarshal([]byte(now), &run); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, now)
		}
		if body = now; run.Error != nil && run.State != offprint.Running {
			return run, body
		}
	}
	t.Fatalf("nothing is wrong with it: %s", body)
	return run, body
}

func (w *faulty) holds(t *testing.T, url, id string, f fault) {
	t.Helper()
	run, body := broken(t, url, id)
	e := run.Error
	if e.Code != f.code || e.Title != f.title || e.Detail != f.detail {
		t.Errorf("it says\n%s: %s\n%s\nwant\n%s: %s\n%s", e.Code, e.Title, e.Detail, f.code, f.title, f.detail)
	}
	if e.Code.Decide() != f.decided {
		t.Errorf("%s decides %d, want %d", e.Code, e.Code.Decide(), f.decided)
	}
	waits := run.State == offprint.Queued && run.NextAttempt != nil && run.Attempt > 1
	switch f.decided {
	case offprint.Again:
		if !waits || run.RetryUntil == nil || !e.Retryable {
			t.Errorf("it is %s", body)
		}
	case offprint.Attempts:
		if !waits || run.RetryUntil != nil || !e.Retryable {
			t.Errorf("it is %s", body)
		}
	case offprint.Final:
		if run.State != offprint.Failed || run.NextAttempt != nil || run.RetryUntil != nil || run.File != nil {
			t.Errorf("it is %s", body)
		}
	}
	if line := w.log.line(e.Trace); len(e.Trace) != 16 || !strings.Contains(line, f.log) {
		t.Errorf("the log has under the trace id %q: %s", e.Trace, line)
	}
	w.keepsSecrets(t, "the API", body)
	w.keepsSecrets(t, "the ledger", stored(t, w.config.Database, id))
	req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/runs/"+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, page := do(t, req)
	if status != http.StatusOK || !strings.Contains(page, f.title) || f.decided == offprint.Final && !strings.Contains(page, e.Trace) {
		t.Errorf("the page: %d %s", status, page)
	}
	w.keepsSecrets(t, "the page", page)
}

func (w *faulty) keepsSecrets(t *testing.T, who, text string) {
	t.Helper()
	for _, secret := range w.secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells %q: %s", who, secret, text)
		}
	}
}

// stored is what the ledger keeps of the run's problem.
func stored(t *testing.T, database, id string) (problem string) {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(database, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), `SELECT problem FROM runs WHERE id = ?`, id).Scan(&problem); err != nil || problem == "" {
		t.Fatalf("the ledger keeps %q, %v", problem, err)
	}
	return problem
}

func TestAStoreThatIsGone(t *testing.T) {
	w := bare(t)
	gone := filepath.Join(t.TempDir(), "files")
	w.config.Files = "dir:" + gone
	w.secrets = append(w.secrets, gone)
	w.config.InGo = []*offprint.Report{rows("rows", 1)}
	url, stop := started(t, w.config)
	if err := os.RemoveAll(gone); err != nil {
		t.Fatal(err)
	}
	f := fault{report: "rows", code: offprint.StorageUnavailable, decided: offprint.Again, title: "The store did not take the file", detail: "The file could not be stored. Your request is kept and tried again.", log: "no such file or directory"}
	w.holds(t, url, w.ask(t, url, f), f)
	stop()
}

// TestADiskThatIsFull runs itself again where it may mount a small disk.
func TestADiskThatIsFull(t *testing.T) {
	store := os.Getenv("SMALL_STORE")
	if store == "" {
		again := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=1m tmpfs "$SMALL_STORE" && exec "$0" -test.run="^$1$"`, os.Args[0], t.Name())
		again.Env = append(os.Environ(), "SMALL_STORE="+t.TempDir())
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("on a disk of 1 MB: %v\n%s", err, out)
		}
		return
	}
	w := bare(t)
	w.config.Files = "dir:" + store
	w.secrets = append(w.secrets, store)
	w.config.InGo = []*offprint.Report{rows("rows", 1_000_000)}
	url, stop := started(t, w.config)
	f := fault{report: "rows", code: offprint.StorageUnavailable, decided: offprint.Again, title: "There is no room for the file", detail: "The disk that keeps the files is full. Your request is kept and tried again. If this stays so, tell whoever runs this server.", log: "no space left on device"}
	w.holds(t, url, w.ask(t, url, f), f)
	stop()
}

func rows(name string, n int) *offprint.Report {
	return &offprint.Report{Name: name, Version: "1", Title: offprint.Words{"": "Rows"}, Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
		return offprint.Single(&offprint.Table{Name: "n", Title: "N", Columns: []offprint.Column{{Name: "n", Title: "N", Kind: offprint.Int}}, Rows: func(yield func(offprint.Row, error) bool) {
			for i := range n {
				if !yield(offprint.Row{offprint.IntValue(int64(i))}, nil) {
					return
				}
			}
		}}), nil
	})}
}

// TestAVersionThatNobodyHas asks a server that then loses the report.
func TestAVersionThatNobodyHas(t *testing.T) {
	w := bare(t)
	w.config.Workers, w.config.GiveUp = 0, time.Second
	w.config.InGo = []*offprint.Report{rows("rows", 1)}
	url, stop := started(t, w.config)
	f := fault{
		report: "rows", title: "Something went wrong here",
		detail: "No worker has the version of this report that was asked for. Your request is kept. Ask again for the present one, or tell whoever runs this server.", log: "does not have that version",
	}
	id := w.ask(t, url, f)
	stop()
	w.config.Workers, w.config.InGo = 1, nil
	url, stop = started(t, w.config)
	run, body := broken(t, url, id)
	if run.State != offprint.Failed || run.Attempt != 1 || run.Error.Title != f.title || run.Error.Detail != f.detail {
		t.Errorf("it is %s", body)
	}
	w.keepsSecrets(t, "the API", body)
	if line := w.log.line(run.Error.Trace); !strings.Contains(line, f.log) {
		t.Errorf("the log has under the trace id %q: %s", run.Error.Trace, line)
	}
	stop()
}

// TestThreeWorkersAreLost has three processes die over one report.
func TestThreeWorkersAreLost(t *testing.T) {
	database := os.Getenv("LOST_WORKERS_LEDGER")
	w := bare(t)
	w.config.InGo = []*offprint.Report{inGo("deadly", func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) })}
	if database != "" {
		w.config.Listen, w.config.Database = "", database
		started(t, w.config)
		<-t.Context().Done() // it does not come to that
		return
	}
	w.config.Workers = 0
	url, stop := started(t, w.config)
	f := fault{
		report: "deadly", code: offprint.WorkerLost, decided: offprint.Final, title: "The workers that made it were lost",
		detail: "Three workers were lost while they made this report, so it is not tried again by itself. Your request is kept. Ask for a shorter period, or tell whoever runs this server.", log: "three workers were lost",
	}
	id := w.ask(t, url, f)
	stop()
	for range 3 {
		worker := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		worker.Env = append(os.Environ(), "LOST_WORKERS_LEDGER="+w.config.Database)
		if out, err := worker.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("it did not die: %v\n%s", err, out)
		}
	}
	url, stop = started(t, w.config)
	w.holds(t, url, id, f)
	stop()
}
