package web_test

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint/internal/web"
)

// A lazy caller writes requests by hand and reads when it likes.
type lazy struct {
	net.Conn
	closed chan struct{} // when the server has closed the connection
}

// lazily connects to a server of its own for the site.
func (w *world) lazily(t *testing.T) *lazy {
	t.Helper()
	closed := make(chan struct{})
	server := httptest.NewUnstartedServer(w.site)
	server.Listener = door{server.Listener, closed}
	server.Start()
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	check(t, err)
	t.Cleanup(func() { conn.Close() })
	check(t, conn.(*net.TCPConn).SetReadBuffer(64<<10))
	return &lazy{conn, closed}
}

// A door lets one come, and tells when they are gone.
type door struct {
	net.Listener
	closed chan struct{}
}

func (d door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	gone := sync.OnceFunc(func() { close(d.closed) })
	return &leaving{conn, gone}, conn.(*net.TCPConn).SetWriteBuffer(16 << 10) // a loopback would hold megabytes
}

type leaving struct {
	net.Conn
	gone func()
}

func (l *leaving) Close() error {
	defer l.gone()
	return l.Conn.Close()
}

func (l *lazy) says(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(l, text)
	check(t, err)
}

func (l *lazy) wasCut(t *testing.T) {
	t.Helper()
	select {
	case <-l.closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the connection stands after ten seconds")
	}
}

const host = " HTTP/1.1\r\nHost: localhost\r\n"

func TestWhoTakesNothingLosesTheConnection(t *testing.T) {
	w := open(t, wish{hurry: web.Hurry{Taken: 200 * time.Millisecond, Pulse: 50 * time.Millisecond}})
	run := w.made("", `{"report":"orders","parameters":{"rows":100000}}`)
	long := `"a":"x"`
	for i := range 30 {
		long += fmt.Sprintf(`,"k%d":"%s"`, i, strings.Repeat("x", 500))
	}
	for _, tt := range []struct{ promise, asks string }{
		{"of answers in JSON", strings.Repeat("GET /openapi.json"+host+"\r\n", 500)},
		{"of pages", strings.Repeat("GET /reports/orders"+host+"\r\n", 500)},
		{"of a file", "GET /v1/runs/" + run["id"].(string) + "/file" + host + "\r\n"},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			l := w.lazily(t)
			l.says(t, tt.asks)
			l.wasCut(t)
		})
	}
	t.Run("of a stream", func(t *testing.T) {
		for range 50 {
			w.ask("", `{"report":"orders","parameters":{"rows":1},"metadata":{`+long+`}}`)
		}
		l := w.lazily(t)
		l.says(t, "GET /v1/events"+host+"\r\n")
		l.wasCut(t)
	})
}

func TestWhoReadsSlowlyKeepsTheConnection(t *testing.T) {
	w := open(t, wish{hurry: web.Hurry{Taken: 400 * time.Millisecond}})
	run := w.made("", `{"report":"orders","parameters":{"rows":150000}}`)
	l := w.lazily(t)
	l.says(t, "GET /v1/runs/"+run["id"].(string)+"/file"+host+"Connection: close\r\n\r\n")
	started, n := time.Now(), 0
	for b := make([]byte, 128<<10); ; time.Sleep(100 * time.Millisecond) {
		m, err := io.ReadFull(l, b)
		if n += m; err != nil {
			break
		}
	}
	if want := int(run["file"].(map[string]any)["bytes"].(float64)); n < want || time.Since(started) < time.Second {
		t.Errorf("%d bytes of %d in %v", n, want, time.Since(started))
	}
}

func TestABodyThatNeverComesIsNotWaitedForForLong(t *testing.T) {
	w := open(t, wish{workers: -1, hurry: web.Hurry{Body: 200 * time.Millisecond}})
	for _, tt := range []struct{ promise, asks string }{
		{"of an operation", "POST /v1/runs" + host + "Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{"},
		{"of a form", "POST /reports/orders" + host + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\na"},
		{"of what is refused", "POST /v1/nothing" + host + "Content-Length: 10\r\n\r\n{"},
		{"that nobody reads", "GET /v1/me" + host + "Content-Length: 10\r\n\r\n{"},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			l := w.lazily(t)
			l.says(t, tt.asks)
			l.wasCut(t)
		})
	}
}

func TestTheTimeForAFormIsNotTheTimeOfItsPage(t *testing.T) {
	w := open(t, wish{workers: -1, hurry: web.Hurry{Body: 300 * time.Millisecond}})
	l := w.lazily(t)
	id := w.ask("", `{"report":"orders"}`)
	form := "p.rows=1&format=csv"
	l.says(t, "POST /reports/orders"+host+"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 19\r\n\r\n"+form)
	b := make([]byte, 12)
	_, err := io.ReadFull(l, b)
	check(t, err)
	if string(b) != "HTTP/1.1 303" {
		t.Fatalf("%s", b)
	}
	l.says(t, "POST /v1/runs/"+id+"/rerun"+host+"Connection: close\r\nPrefer: wait=1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	rest, err := io.ReadAll(l)
	check(t, err)
	if !strings.Contains(string(rest), "HTTP/1.1 202 Accepted") {
		t.Errorf("who waits longer than a body may take is answered: %s", rest)
	}
}
