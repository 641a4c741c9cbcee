package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A place is what several processes share: a database, a store, reports.
type place struct {
	t   *testing.T
	dir string
	env []string
}

// pads makes rows large enough to leave the database at once.
const pads = `/*---
title: Slow rows
source: shop
parameters:
  rows: {type: int, default: 100}
  pause: {type: decimal, default: 0.05}
formats: [csv]
---*/
SELECT n, repeat('x', 9000) AS pad, pg_sleep(:pause)::text AS nothing FROM generate_series(1, :rows) n ORDER BY n`

func newPlace(t *testing.T, database, shop string) *place {
	t.Helper()
	p := &place{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(p.dir, "reports"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.dir, "reports", "pads.sql"), []byte(pads), 0o644); err != nil {
		t.Fatal(err)
	}
	p.env = append(os.Environ(), "OFFPRINT_TEST_AS_PROGRAM=1", "OFFPRINT_LISTEN=127.0.0.1:0", "OFFPRINT_DATABASE="+database,
		"OFFPRINT_FILES=dir:"+p.dir+"/files", "OFFPRINT_REPORTS="+p.dir+"/reports", "OFFPRINT_SOURCES__SHOP__URL="+shop)
	return p
}

// A process is a running offprint.
type process struct {
	*exec.Cmd
	t    *testing.T
	url  string
	logs *logs
	done chan error
}

type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts offprint and waits for its ready line; it ends with the test.
func (p *place) start(env string, args ...string) *process {
	p.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env, cmd.Dir = append(p.env, strings.Fields(env)...), p.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	proc := &process{Cmd: cmd, t: p.t, logs: new(logs), done: make(chan error, 1)}
	cmd.Stderr = proc.logs
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(proc.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.t.Fatalf("offprint %s did not get ready: %v\n%s", strings.Join(args, " "), err, proc.logs)
	}
	proc.url = strings.TrimSpace(strings.TrimPrefix(line, "Offprint is ready: "))
	go func() {
		_, errCopy := io.Copy(proc.logs, out)
		proc.done <- errors.Join(errCopy, cmd.Wait())
	}()
	return proc
}

func (p *process) kill() {
	p.signal(syscall.SIGCONT)
	p.signal(syscall.SIGKILL)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.t.Error("a killed process goes on")
	}
	p.done <- nil // may be asked for again
	if p.t.Failed() {
		p.t.Logf("log of %v:\n%s", p.Args[1:], p.logs)
	}
}

func (p *process) signal(s os.Signal) {
	if err := p.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %v: %v", s, err)
	}
}

// A shown is a run as the API shows it.
type shown struct {
	ID       string
	State    string
	Attempt  int
	Progress struct{ Rows int }
	File     *struct {
		Rows, Bytes int64
		SHA256      string
	}
	Error *struct{ Code string }
}

func (p *process) call(method, path, body string, into any) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if into != nil && resp.StatusCode < 300 {
		if err := json.Unmarshal(b, into); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	if resp.StatusCode >= 500 {
		p.t.Logf("%s %s: %d %s", method, path, resp.StatusCode, b)
	}
	return resp.StatusCode
}

func (p *process) ask(rows int, pause string) shown {
	p.t.Helper()
	var run shown
	body := fmt.Sprintf(`{"report":"pads","parameters":{"rows":%d,"pause":%q}}`, rows, pause)
	if code := p.call("POST", "/v1/runs", body, &run); code != http.StatusAccepted {
		p.t.Fatalf("POST /v1/runs: %d, want 202", code)
	}
	return run
}

// until asks for the run until it is as wanted, and tells how long that took.
func (p *process) until(id string, most time.Duration, what string, is func(shown) bool) (shown, time.Duration) {
	p.t.Helper()
	began := time.Now()
	var run shown
	for time.Since(began) < most {
		p.call("GET", "/v1/runs/"+id, "", &run)
		if is(run) {
			return run, time.Since(began)
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.t.Fatalf("after %v the run is not %s: %+v", most, what, run)
	return run, 0
}

func ended(r shown) bool   { return r.State != "queued" && r.State != "running" }
func writing(r shown) bool { return r.State == "running" && r.Progress.Rows > 0 }

// files are the blobs of a run.
func (p *place) files(id string) []string {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "files", id, "*", "*"))
	if err != nil {
		p.t.Fatal(err)
	}
	return files
}

// complete holds a run and its file against what was asked for.
func (p *place) complete(run shown, rows int) {
	p.t.Helper()
	if run.State != "succeeded" || run.File == nil || run.File.Rows != int64(rows) {
		p.t.Fatalf("ended as %+v, want succeeded with %d rows", run, rows)
	}
	var whole int
	for _, f := range p.files(run.ID) {
		b, err := os.ReadFile(f)
		if err != nil {
			p.t.Fatal(err)
		}
		if bytes.Count(b, []byte("\n")) == rows+1 && int64(len(b)) == run.File.Bytes {
			whole++
		}
	}
	if whole != 1 {
		p.t.Errorf("%d whole files, want 1: %v", whole, p.files(run.ID))
	}
}

func both(t *testing.T) (p *place, web, a, b *process, db func() *pgx.Conn) {
	t.Helper()
	url := database(t)
	p = newPlace(t, url, url)
	web = p.start("", "serve", "--web-only")
	a = p.start("", "worker", "--workers", "2")
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
		return conn
	}
	return p, web, a, nil, connect
}

func TestAKilledWorkersRunIsTakenOver(t *testing.T) {
	t.Parallel()
	p, web, a, _, _ := both(t)
	run := web.ask(60, "0.05")
	web.until(run.ID, 10*time.Second, "being written", writing)
	p.start("", "worker", "--workers", "2")
	a.signal(syscall.SIGKILL)
	_, took := web.until(run.ID, 10*time.Second, "taken over", func(r shown) bool { return r.Attempt == 2 && r.State == "running" })
	t.Logf("taken over after %v", took)
	run, _ = web.until(run.ID, 20*time.Second, "ended", ended)
	p.complete(run, 60)
}

// The row of the run is locked, so that its worker gets no further than between
// fetching the ticket and starting the run.
func TestAWorkerKilledBeforeItsStartIsReplaced(t *testing.T) {
	t.Parallel()
	p, web, a, _, db := both(t)
	a.signal(syscall.SIGSTOP)
	run := web.ask(3, "0")
	conn := db()
	lock, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), "SELECT 1 FROM offprint.runs WHERE id = $1 FOR UPDATE", run.ID); err != nil {
		t.Fatal(err)
	}
	a.signal(syscall.SIGCONT)
	var state string
	for end := time.Now().Add(10 * time.Second); state != "running"; time.Sleep(20 * time.Millisecond) {
		if err := lock.QueryRow(t.Context(), "SELECT state FROM offprint.river_job WHERE args ->> 'run' = $1", run.ID).Scan(&state); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("its ticket stays %s", state)
		}
	}
	b := p.start("", "worker", "--workers", "2")
	a.signal(syscall.SIGKILL)
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, took := web.until(run.ID, 15*time.Second, "ended", ended)
	t.Logf("made by another after %v", took)
	if took > 10*time.Second {
		t.Errorf("that took %v, want 10 s at most\n%s", took, b.logs)
	}
	p.complete(run, 3)
}

func TestAFrozenWorkersResultIsRefused(t *testing.T) {
	t.Parallel()
	p, web, a, _, _ := both(t)
	run := web.ask(60, "0.05")
	web.until(run.ID, 10*time.Second, "being written", writing)
	p.start("", "worker", "--workers", "2")
	a.signal(syscall.SIGSTOP)
	run, _ = web.until(run.ID, 30*time.Second, "ended", ended)
	p.complete(run, 60)
	a.signal(syscall.SIGCONT)
	// What the thawed worker does shows in its next run: the fence has refused
	// the old one by then.
	next := web.ask(1, "0")
	next, _ = web.until(next.ID, 15*time.Second, "ended", ended)
	p.complete(next, 1)
	var again shown
	web.call("GET", "/v1/runs/"+run.ID, "", &again)
	if again.File == nil || again.File.SHA256 != run.File.SHA256 || again.Attempt != 2 {
		t.Errorf("after the thaw the run is %+v, was %+v", again, run)
	}
}

func TestATermHandsALongRunOver(t *testing.T) {
	t.Parallel()
	url := database(t)
	p := newPlace(t, url, url)
	p.env = append(p.env, "OFFPRINT_DRAIN=2s")
	web := p.start("", "serve", "--web-only")
	a := p.start("", "worker", "--workers", "2")
	run := web.ask(120, "0.05")
	web.until(run.ID, 10*time.Second, "being written", writing)
	p.start("", "worker", "--workers", "2")
	began := time.Now()
	a.signal(syscall.SIGTERM)
	if err := <-a.done; err != nil {
		t.Errorf("the worker ended with %v\n%s", err, a.logs)
	}
	a.done <- nil
	if took := time.Since(began); took < 1500*time.Millisecond || took > 4*time.Second {
		t.Errorf("it ended after %v; its deadline was 2 s", took)
	}
	web.until(run.ID, time.Second, "being made again", func(r shown) bool { return r.State == "running" && r.Attempt == 1 })
	run, _ = web.until(run.ID, 30*time.Second, "ended", ended)
	p.complete(run, 120)
	if run.Attempt != 1 {
		t.Errorf("attempt %d, want 1: a hand-back is none", run.Attempt)
	}
}

// An upgrade replaces the workers one by one while people ask for more than
// they can make: no run fails, none is begun anew for a reason that counts, and
// each has one whole file.
func TestWorkersAreReplacedOneByOneUnderLoad(t *testing.T) {
	t.Parallel()
	url := database(t)
	p := newPlace(t, url, url)
	p.env = append(p.env, "OFFPRINT_DRAIN=300ms") // most of what is being made is handed on
	web := p.start("", "serve", "--web-only")
	workers := []*process{p.start("", "worker", "--workers", "2"), p.start("", "worker", "--workers", "2"), p.start("", "worker", "--workers", "2")}
	var runs []shown
	for i := range 45 {
		runs = append(runs, web.ask(25, "0.04"))
		if i%15 != 14 {
			continue
		}
		old := workers[i/15]
		web.until(runs[0].ID, 60*time.Second, "being written", func(r shown) bool { return writing(r) || ended(r) })
		workers = append(workers, p.start("", "worker", "--workers", "2"))
		old.signal(syscall.SIGTERM)
		if err := <-old.done; err != nil {
			t.Errorf("a worker that was replaced ended with %v\n%s", err, old.logs)
		}
		old.done <- nil
	}
	handedOn := 0
	for i, run := range runs {
		run, _ = web.until(run.ID, 120*time.Second, "ended", ended)
		p.complete(run, 25)
		if run.Attempt != 1 {
			t.Errorf("run %d took %d attempts", i, run.Attempt)
		}
		if first, err := filepath.Glob(filepath.Join(p.dir, "files", run.ID, "1", "*.csv")); err != nil || len(first) == 0 {
			handedOn++
		}
	}
	t.Logf("%d of %d runs were handed on", handedOn, len(runs))
	if handedOn == 0 {
		t.Error("no run was handed on, so nothing was tried")
	}
}

func TestACancelFromAnotherProcessEndsTheQuery(t *testing.T) {
	t.Parallel()
	_, web, _, _, db := both(t)
	run := web.ask(100, "0.1")
	web.until(run.ID, 10*time.Second, "being written", writing)
	conn := db()
	queries := func() (n int) {
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series%' AND pid <> pg_backend_pid() AND datname = current_database()").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if queries() != 1 {
		t.Fatalf("%d queries at the source before the cancel", queries())
	}
	began := time.Now()
	if code := web.call("POST", "/v1/runs/"+run.ID+"/cancel", "", &run); code != http.StatusOK || run.State != "canceled" {
		t.Fatalf("cancel: %d, %s", code, run.State)
	}
	for queries() > 0 {
		if time.Since(began) > time.Second {
			t.Fatal("after 1 s the query is still at the source")
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("gone at the source after %v", time.Since(began))
}

func TestADatabaseRestartDoesNotCostTheRun(t *testing.T) {
	t.Parallel()
	ledger, shop := ownServer(t), database(t)
	p := newPlace(t, ledger.URL("postgres"), shop)
	web := p.start("", "serve", "--web-only")
	p.start("", "worker", "--workers", "2")
	run := web.ask(300, "0.05")
	web.until(run.ID, 10*time.Second, "being written", writing)
	ledger.Halt(syscall.SIGINT)
	for _, path := range []string{"/v1/runs/" + run.ID, "/v1/runs"} {
		if code := web.call("GET", path, "", nil); code != http.StatusServiceUnavailable {
			t.Errorf("GET %s without a database: %d, want 503", path, code)
		}
	}
	time.Sleep(8 * time.Second) // longer than a lease
	if err := ledger.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	run, _ = web.until(run.ID, 60*time.Second, "ended", ended)
	p.complete(run, 300)
	if run.Attempt != 1 {
		t.Errorf("attempt %d, want 1", run.Attempt)
	}
}

func TestASecondServerOnTheSameFileIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite:ledger.db", "sqlite:ledger.db")
	p.start("", "serve")
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Env, cmd.Dir = p.env, p.dir
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "postgres://") {
		t.Errorf("%v: %s", err, out)
	}
}
