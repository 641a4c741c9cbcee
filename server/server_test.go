package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// A server is put together, asked, measured and taken apart, and leaves
// nothing behind.
func TestAServerFromBeginToEnd(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	config, err := server.Demo(t.Context(), t.TempDir(), 500)
	if err != nil {
		t.Fatal(err)
	}
	config.Listen, config.MetricsListen, config.Workers = "127.0.0.1:0", free(t), 2
	url, stop := started(t, config)

	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/runs", strings.NewReader(`{"report":"orders","format":"csv"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "wait=20")
	if status, body := do(t, req); status != http.StatusOK || !strings.Contains(body, `"rows":500`) {
		t.Errorf("%d %s", status, body)
	}
	req, err = http.NewRequestWithContext(t.Context(), "GET", "http://"+config.MetricsListen+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, body := do(t, req)
	for _, want := range []string{
		`offprint_attempts_total{code="ok",format="csv",report="orders"} 1`, `offprint_rows_total{format="csv",report="orders"} 500`,
		`offprint_http_requests_total{method="POST",status="200"} 1`, "offprint_runs_queued 0", "offprint_runs_running 0", "offprint_queue_age_seconds 0",
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if !strings.Contains(body, "\noffprint_store_free_bytes ") {
		t.Error("the metrics do not say what room there is for files")
	}
	stop()
}

// TestMaxRuns configures one place at a source, and has more workers than that.
func TestMaxRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "offprint.yaml")
	if err := os.WriteFile(path, []byte("sources: {shop: {url: \"sqlite:shop.db\", max_runs: 1}, stock: {url: \"sqlite:stock.db\"}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := server.ReadConfig(path, []string{"OFFPRINT_SOURCES__STOCK__MAX_RUNS=2"})
	if err != nil || config.Sources["shop"].MaxRuns != 1 || config.Sources["stock"].MaxRuns != 2 {
		t.Fatalf("%+v, %v", config.Sources, err)
	}
	var busy, most atomic.Int64
	reads := func(source string, open offprint.SourceFunc) *offprint.Report {
		return &offprint.Report{Name: source, Version: "1", Reads: source, Source: open}
	}
	rows := &offprint.Table{Name: "n", Title: "N", Columns: []offprint.Column{{Name: "n", Title: "N"}}, Rows: offprint.Rows()}
	passed := make(chan struct{})
	config.InGo = []*offprint.Report{
		reads("shop", func(context.Context, offprint.Request) (*offprint.Document, error) {
			most.Store(max(most.Load(), busy.Add(1)))
			defer busy.Add(-1)
			select {
			case <-passed:
			case <-t.Context().Done():
			}
			return offprint.Single(rows), nil
		}),
		reads("stock", func(context.Context, offprint.Request) (*offprint.Document, error) { return offprint.Single(rows), nil }),
	}
	config.Listen, config.Workers, config.ReportFiles = "127.0.0.1:0", 3, fstest.MapFS{}
	url, stop := started(t, config)
	ask := func(report, prefer string) string {
		req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/runs", strings.NewReader(`{"report":"`+report+`","format":"csv"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Prefer", prefer)
		_, body := do(t, req)
		return body
	}
	for range 5 {
		ask("shop", "respond-async")
	}
	if body := ask("stock", "wait=20"); !strings.Contains(body, `"succeeded"`) {
		t.Errorf("a run of another source does not get past: %s", body)
	}
	close(passed)
	if body := ask("shop", "wait=20"); !strings.Contains(body, `"succeeded"`) {
		t.Errorf("the last is %s", body)
	}
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	stop()
}

// A server whose disk has no room to spare takes what is asked, keeps it, and
// says why it waits.
func TestARunWaitsForRoomOnTheDisk(t *testing.T) {
	config, err := server.Demo(t.Context(), t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	read, err := server.ReadConfig("", []string{"OFFPRINT_DISK_RESERVE=1000000TiB"})
	if err != nil || read.DiskReserve != 1000000<<40 {
		t.Fatalf("%d, %v", read.DiskReserve, err)
	}
	config.Listen, config.Workers, config.DiskReserve = "127.0.0.1:0", 1, read.DiskReserve
	url, stop := started(t, config)
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/runs", strings.NewReader(`{"report":"orders","format":"csv"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	_, body := do(t, req)
	id := strings.Split(body, `"`)[3]
	for end := time.Now().Add(20 * time.Second); !strings.Contains(body, `"storage_unavailable"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it stays %s", body)
		}
		if req, err = http.NewRequestWithContext(t.Context(), "GET", url+"/v1/runs/"+id, nil); err != nil {
			t.Fatal(err)
		}
		_, body = do(t, req)
	}
	for _, want := range []string{`"state":"queued"`, `"title":"There is no room for the file"`, "Your request is kept and tried again."} {
		if !strings.Contains(body, want) {
			t.Errorf("the run has no %s: %s", want, body)
		}
	}
	stop()
}

func TestStallIsReadAndHeldToSense(t *testing.T) {
	config, err := server.ReadConfig("", []string{"OFFPRINT_STALL=1m", "OFFPRINT_REPORTS=" + t.TempDir(), "OFFPRINT_DATABASE=sqlite:" + filepath.Join(t.TempDir(), "ledger.db")})
	if err != nil || config.Stall != time.Minute {
		t.Fatalf("%v, %v", config.Stall, err)
	}
	if _, err := server.ReadConfig("", []string{"OFFPRINT_STALL=soon"}); err == nil || !strings.Contains(err.Error(), "OFFPRINT_STALL: stall is a length of time") {
		t.Errorf("soon: %v", err)
	}
	config.Stall = time.Second
	if _, err := server.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "stall: ") {
		t.Errorf("a second: %v", err)
	}
}

// started is where a server serves, and how it is ended.
func started(t *testing.T, config server.Config) (url string, stop func()) {
	t.Helper()
	ready := make(chan string, 1)
	config.Ready = func(url string) { ready <- url }
	s, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case url = <-ready:
	case err := <-ended:
		t.Fatal(errors.Join(errors.New("it ended before it served"), err, s.Close()))
	}
	return url, func() {
		t.Helper()
		cancel()
		if err := errors.Join(<-ended, s.Close()); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	}
}

func do(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// free is an address that was free a moment ago.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
