package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

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
	ready := make(chan string, 1)
	config.Listen, config.MetricsListen, config.Workers = "127.0.0.1:0", free(t), 2
	config.Ready = func(url string) { ready <- url }
	s, err := server.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	url := <-ready

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
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
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
