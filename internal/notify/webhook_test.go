package notify_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/notify"
)

// A call is a request that a webhook's server got.
type call struct {
	http.Header
	host string
	body []byte
}

// A receiver is a server of webhooks on this machine.
type receiver struct {
	*httptest.Server
	calls chan call
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	return on(t, "127.0.0.1", false, answer)
}

func on(t *testing.T, address string, secure bool, answer http.HandlerFunc) *receiver {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
	check(t, err)
	r := &receiver{calls: make(chan call, 100)}
	r.Server = &httptest.Server{Listener: l, Config: &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			body, err := io.ReadAll(req.Body)
			if err != nil {
				t.Error(err)
			}
			r.calls <- call{req.Header, req.Host, body}
			answer(w, req)
		}),
	}}
	if secure {
		r.StartTLS()
	} else {
		r.Start()
	}
	t.Cleanup(r.Close)
	return r
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// hang answers when nobody waits any more.
func hang(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func webhooks(t *testing.T, allow ...string) *notify.Webhooks {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	w, err := notify.NewWebhooks(notify.WebhookConfig{Base: "https://reports.example.com/offprint/", Allow: allow, Version: "1.2"})
	check(t, err)
	return w
}

var (
	first  = []byte("the first secret, of 32 bytes, 1")
	second = []byte("the second secret, of 32 bytes 2")
)

func notice() offprint.Notice {
	return offprint.Notice{
		ID: "ntc_1", Event: offprint.RunSucceeded, Address: "webhook:wh_1", At: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Try: 1,
		Run: &offprint.Run{ID: "run_1", Report: "orders", Title: "Orders <ä>", State: offprint.Succeeded, Outcome: offprint.Complete, Metadata: map[string]string{"job": "7"}},
	}
}

func (r *receiver) call(t *testing.T) call {
	t.Helper()
	select {
	case c := <-r.calls:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("nobody called")
		panic("unreachable")
	}
}

func TestAMessageIsSignedAsTheStandardHasIt(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	r := receive(t, status(204))
	code, err := w.Post(t.Context(), r.URL+"/hooks?of=me", false, [][]byte{second, first}, notice())
	if code != 204 || err != nil {
		t.Fatal(code, err)
	}
	c := r.call(t)
	want := `{"type":"run.succeeded","timestamp":"2026-05-04T03:02:01Z","data":{"id":"run_1","report":"orders","title":"Orders \u003cä\u003e","state":"succeeded","outcome":"complete","metadata":{"job":"7"},"url":"https://reports.example.com/offprint/v1/runs/run_1"}}`
	if string(c.body) != want {
		t.Errorf("the message is %s\nwant %s", c.body, want)
	}
	if c.Get("webhook-id") != "ntc_1" || c.Get("Content-Type") != "application/json" || c.Get("User-Agent") != "Offprint/1.2" || len(strings.Fields(c.Get("webhook-signature"))) != 2 {
		t.Errorf("headers %v", c.Header)
	}
	for name, secret := range map[string][]byte{"the new secret": second, "the old secret": first} {
		reference, err := standardwebhooks.NewWebhookRaw(secret)
		check(t, err)
		if err := reference.Verify(c.body, c.Header); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := reference.Verify(append(c.body, ' '), c.Header); err == nil {
			t.Errorf("%s: another message passes", name)
		}
	}
	stranger, err := standardwebhooks.NewWebhookRaw([]byte("a secret of nobody"))
	check(t, err)
	if stranger.Verify(c.body, c.Header) == nil {
		t.Error("a stranger's secret passes")
	}
	t.Run("in Node", func(t *testing.T) { inNode(t, c) })
	t.Run("in Python, as docs/notices.md has it", func(t *testing.T) { inPython(t, c) })
}

// inNode verifies with the standard's own library for Node.
func inNode(t *testing.T, c call) {
	cache, err := os.UserCacheDir()
	check(t, err)
	library := filepath.Join(cache, "offprint-test", "standardwebhooks-1.1.1", "node_modules", "standardwebhooks")
	if _, err := os.Stat(library); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("standardwebhooks for Node is not installed; CI=true .ci/parts installs it")
		}
		t.Skip("NOT TESTED in Node: standardwebhooks is not installed; CI=true .ci/parts installs it")
	}
	in, err := json.Marshal(map[string]any{
		"body": string(c.body), "secrets": [][]byte{first, second}, "stranger": []byte("a secret of nobody, 32 bytes long"),
		"headers": map[string]string{
			"webhook-id": c.Get("webhook-id"), "webhook-timestamp": c.Get("webhook-timestamp"), "webhook-signature": c.Get("webhook-signature"),
		},
	})
	check(t, err)
	cmd := exec.CommandContext(t.Context(), "node", "testdata/verify.js", library)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "run_1 run_1 refused" {
		t.Errorf("%v: %s", err, out)
	}
}

// inPython verifies with what is there to be copied.
func inPython(t *testing.T, c call) {
	docs, err := os.ReadFile("../../docs/notices.md")
	check(t, err)
	_, rest, found := strings.Cut(string(docs), "```python\n")
	example, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("there is no example")
	}
	in, err := json.Marshal(map[string]any{"body": string(c.body), "headers": map[string]string{
		"webhook-id": c.Get("webhook-id"), "webhook-timestamp": c.Get("webhook-timestamp"), "webhook-signature": c.Get("webhook-signature"),
	}})
	check(t, err)
	for secret, want := range map[string]string{desk.SecretText(first): "right", desk.SecretText(second): "right", desk.SecretText([]byte("a secret of nobody, 32 bytes long")): "not signed by Offprint"} {
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", example+`
import json, sys
sent = json.load(sys.stdin)
try:
    verify(sys.argv[1], sent["headers"], sent["body"].encode())
    print("right")
except ValueError as wrong:
    print(wrong)
`, secret)
		cmd.Stdin = strings.NewReader(string(in))
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%v: %s, want %s", err, out, want)
		}
	}
}

func TestMessages(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	r := receive(t, status(200))
	sent := func(n offprint.Notice) string {
		t.Helper()
		_, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, n)
		check(t, err)
		return string(r.call(t).body)
	}
	failed := notice()
	failed.Event, failed.Run = offprint.RunFailed, &offprint.Run{ID: "run_2", Report: "orders", Title: "Orders", State: offprint.Failed, Problem: &offprint.Error{Code: offprint.SourceTimeout, Title: "The shop took too long", Detail: "secret"}}
	if got, want := sent(failed), `{"type":"run.failed","timestamp":"2026-05-04T03:02:01Z","data":{"id":"run_2","report":"orders","title":"Orders","state":"failed","error":{"code":"source_timeout","title":"The shop took too long"},"url":"https://reports.example.com/offprint/v1/runs/run_2"}}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	ping := offprint.Notice{ID: "ntc_2", Event: offprint.Ping, Address: "webhook:wh_1", At: notice().At, Try: 1}
	if got, want := sent(ping), `{"type":"test.ping","timestamp":"2026-05-04T03:02:01Z","data":{"webhook":"wh_1"}}`; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	large := notice()
	for i := range 50 {
		large.Run.Metadata[fmt.Sprintf("%040d", i)] = strings.Repeat("<", 500)
	}
	got := sent(large)
	if len(got) > 20_000 || !strings.Contains(got, `"metadata_left_out":true`) || strings.Contains(got, `"metadata":`) {
		t.Errorf("%d bytes: %.300s", len(got), got)
	}
}

// TestAnswers is the matrix: what a webhook answers, and what becomes of the
// notice.
func TestAnswers(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	w.Patience(300 * time.Millisecond)
	elsewhere := receive(t, status(200))
	said := func(kind, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(400)
			io.WriteString(w, text)
		}
	}
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		status int
		detail string // empty: delivered
		final  bool
		least  time.Duration // of the pause
	}{
		{name: "200", answer: status(200), status: 200},
		{name: "202", answer: status(202), status: 202},
		{name: "204", answer: status(204), status: 204},
		{name: "an endless answer of 200", answer: func(w http.ResponseWriter, _ *http.Request) {
			for w.WriteHeader(200); ; {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, status: 200},
		{name: "300", answer: status(300), status: 300, detail: "It answered 300. Redirects are not followed: change its address to where it is."},
		{name: "301", answer: status(301, "Location", elsewhere.URL), status: 301, detail: "It answered 301. Redirects are not followed: change its address to where it is."},
		{name: "307", answer: status(307, "Location", elsewhere.URL), status: 307, detail: "It answered 307. Redirects are not followed: change its address to where it is."},
		{name: "400 in text", answer: said("text/plain; charset=utf-8", "no\n such\x00\x1b[31m  event"), status: 400, detail: "It answered 400. It said: no such [31m event"},
		{name: "400 in JSON", answer: said("application/problem+json", `{"a":1}`), status: 400, detail: `It answered 400. It said: {"a":1}`},
		{name: "400 at length", answer: said("text/plain", strings.Repeat("ä", 5000)), status: 400, detail: "It answered 400. It said: " + strings.Repeat("ä", 200) + "…"},
		{name: "400 for a browser", answer: said("text/html", "<h1>no"), status: 400, detail: "It answered 400."},
		{name: "401", answer: status(401), status: 401, detail: "It answered 401."},
		{name: "404", answer: status(404), status: 404, detail: "It answered 404."},
		{name: "410", answer: status(410), status: 410, detail: "It answered 410, which says that it is gone for good.", final: true},
		{name: "429", answer: status(429, "Retry-After", "120"), status: 429, detail: "It answered 429.", least: 2 * time.Minute},
		{name: "503", answer: status(503, "Retry-After", "3600"), status: 503, detail: "It answered 503.", least: time.Hour},
		{name: "503 until a date", answer: status(503, "Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)), status: 503, detail: "It answered 503.", least: 59 * time.Minute},
		{name: "503 for a month", answer: status(503, "Retry-After", "2592000"), status: 503, detail: "It answered 503.", least: 24 * time.Hour},
		{name: "503 for no time", answer: status(503, "Retry-After", "0"), status: 503, detail: "It answered 503."},
		{name: "503 for nonsense", answer: status(503, "Retry-After", "soon"), status: 503, detail: "It answered 503."},
		{name: "500 with a wish", answer: status(500, "Retry-After", "3600"), status: 500, detail: "It answered 500."},
		{name: "silence", answer: hang, detail: "It did not answer within 0 seconds."},
		{name: "a broken answer", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, detail: unreached},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := receive(t, tt.answer)
			code, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice())
			if code != tt.status {
				t.Errorf("status %d", code)
			}
			if tt.detail == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *offprint.Error
			if !errors.As(err, &e) || e.Detail != tt.detail || e.Code.Decide() != offprint.Final {
				t.Fatalf("%v; want %s", err, tt.detail)
			}
			var later *offprint.Later
			if errors.As(err, &later) == tt.final {
				t.Errorf("again: %v", !tt.final)
			}
			if !tt.final {
				within(t, later.In, max(5*time.Second, tt.least))
			}
			pinged := notice()
			pinged.Event, pinged.Run = offprint.Ping, nil
			if _, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, pinged); err == nil || errors.As(err, &later) {
				t.Errorf("a ping: %v; want it for good", err)
			}
		})
	}
	if len(elsewhere.calls) > 0 {
		t.Error("a redirect was followed")
	}
}

const unreached = "It could not be reached. Addresses that are not on the public internet are called only where whoever runs this server allows them."

// within holds that a pause is as it should, or up to a tenth longer.
func within(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+want/10 {
		t.Errorf("it waits %v, want %v", got, want)
	}
}

func TestTriesGoOnForThreeDays(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	r := receive(t, status(500))
	var all time.Duration
	n := notice()
	for ; ; n.Try++ {
		_, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, n)
		if c := r.call(t); c.Get("webhook-id") != n.ID {
			t.Errorf("try %d has another id: %v", n.Try, c.Header)
		}
		var later *offprint.Later
		if !errors.As(err, &later) {
			break
		}
		within(t, later.In, []time.Duration{
			5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		}[n.Try-1])
		all += later.In
	}
	if n.Try != 10 || all < 75*time.Hour || all > 84*time.Hour {
		t.Errorf("%d tries in %v", n.Try, all)
	}
}

func TestAnEndOfTheProcessIsNoAnswer(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	r := receive(t, hang)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-r.calls
		cancel()
	}()
	n := notice()
	n.Try = 10
	_, err := w.Post(ctx, r.URL, false, [][]byte{first}, n)
	var later *offprint.Later
	if !errors.As(err, &later) || later.In != 5*time.Second {
		t.Errorf("%v; want another try", err)
	}
}

// strangers are addresses that no stranger may have called, one of each sort.
var strangers = map[string]string{
	"loopback":                 "127.0.0.1",
	"loopback's network":       "127.9.9.9",
	"loopback in IPv6":         "[::1]",
	"link-local":               "169.254.1.1",
	"a cloud's metadata":       "169.254.169.254",
	"its metadata in IPv6":     "[fd00:ec2::254]",
	"its metadata by name":     "metadata.google.internal",
	"link-local in IPv6":       "[fe80::1]",
	"with a zone":              "[fe80::1%25eth0]",
	"private 10":               "10.0.0.1",
	"private 172":              "172.16.0.1",
	"private 192":              "192.168.0.1",
	"private in IPv6":          "[fd12:3456:789a::1]",
	"carriers' NAT":            "100.64.0.1",
	"unspecified":              "0.0.0.0",
	"unspecified in IPv6":      "[::]",
	"this network":             "0.1.2.3",
	"multicast":                "224.0.0.1",
	"multicast in IPv6":        "[ff02::1]",
	"broadcast":                "255.255.255.255",
	"benchmarks":               "198.18.0.1",
	"documentation":            "192.0.2.1",
	"IPv4 in IPv6":             "[::ffff:127.0.0.1]",
	"IPv4 in IPv6 in hex":      "[::ffff:7f00:1]",
	"IPv4-compatible":          "[::127.0.0.1]",
	"NAT64":                    "[64:ff9b::7f00:1]",
	"NAT64 of metadata":        "[64:ff9b::169.254.169.254]",
	"NAT64 of one's own":       "[64:ff9b:1::7f00:1]",
	"6to4":                     "[2002:7f00:1::1]",
	"Teredo":                   "[2001:0:7f00:1::1]",
	"decimal":                  "2130706433",
	"octal":                    "017700000001",
	"octal in parts":           "0177.0.0.1",
	"hexadecimal":              "0x7f000001",
	"hexadecimal in parts":     "0x7f.0.0.1",
	"hexadecimal at the end":   "127.0.0.0x1",
	"short":                    "127.1",
	"with a dot":               "127.0.0.1.",
	"a name of this machine":   "localhost",
	"in capitals":              "LOCALHOST",
	"below it":                 "app.localhost",
	"a name without a domain":  "intranet",
	"a printer":                "printer.local",
	"percent-encoded":          "127.0.0.%31",
	"full-width digits":        "１２７.0.0.1",
	"a circled name":           "ⓛocalhost.example",
	"a name and a private end": "db.corp.internal",
}

func TestWhatNoStrangerMayCall(t *testing.T) {
	w := webhooks(t)
	for name, host := range strangers {
		t.Run(name, func(t *testing.T) {
			address := "https://" + host + "/hooks"
			if w.Wrong(address) == "" {
				t.Errorf("%s may be a webhook's", address)
			}
			if code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice()); code != 0 || err == nil {
				t.Errorf("it was called: %d, %v", code, err)
			}
		})
	}
}

// TestANameIsNoWayIn holds the guard where it counts: at what is dialed.
func TestANameIsNoWayIn(t *testing.T) {
	inside := on(t, "127.0.0.1", true, status(200))
	authority := x509.NewCertPool()
	authority.AddCert(inside.Certificate())
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	check(t, err)
	address := "https://example.com:" + port // a name that the server's certificate has
	for _, host := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "100.64.0.1", "0.0.0.0", "::", "64:ff9b::7f00:1", "2002:7f00:1::1", "fd00:ec2::254", "fe80::1", "224.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			w := webhooks(t)
			w.Trust(authority)
			names := serveNames(t, netip.MustParseAddr(host))
			w.Resolve(names.resolver())
			if wrong := w.Wrong(address); wrong != "" {
				t.Fatalf("its text tells nothing, and yet: %s", wrong)
			}
			code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice())
			var e *offprint.Error
			if code != 0 || !errors.As(err, &e) || e.Detail != unreached {
				t.Errorf("it answered %d, %v", code, err)
			}
			if names.asked.Load() == 0 {
				t.Error("nobody asked for the name")
			}
		})
	}
	t.Run("rebound between two calls", func(t *testing.T) {
		other := on(t, "127.0.0.2", true, status(200))
		w := webhooks(t, "127.0.0.2")
		authority := x509.NewCertPool()
		authority.AddCert(other.Certificate())
		w.Trust(authority)
		names := serveNames(t, netip.MustParseAddr("127.0.0.2"))
		w.Resolve(names.resolver())
		_, port, err := net.SplitHostPort(other.Listener.Addr().String())
		check(t, err)
		address := "https://example.com:" + port
		if code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice()); code != 200 || err != nil {
			t.Fatalf("the right address: %d, %v", code, err)
		}
		// The same port, of an address that may not be called.
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+port)
		check(t, err)
		defer l.Close()
		names.answer.Store(new(netip.MustParseAddr("127.0.0.1")))
		if code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice()); code != 0 || err == nil {
			t.Errorf("rebound it answered %d, %v", code, err)
		}
		check(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(50*time.Millisecond)))
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			t.Error("somebody connected to what may not be called")
		}
	})
	t.Run("nor does a redirect", func(t *testing.T) {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", inside.URL)
			w.WriteHeader(308)
		})
		w := webhooks(t, "127.0.0.1")
		w.Trust(authority)
		if code, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice()); code != 308 || err == nil {
			t.Errorf("it answered %d, %v", code, err)
		}
	})
	if len(inside.calls) > 0 {
		t.Error("what is inside was called")
	}
}

// names is a server of names that has one answer to every question.
type names struct {
	conn   net.PacketConn
	answer atomic.Pointer[netip.Addr]
	asked  atomic.Int64
}

func serveNames(t *testing.T, answer netip.Addr) *names {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	check(t, err)
	n := &names{conn: conn}
	n.answer.Store(&answer)
	var serving sync.WaitGroup
	serving.Go(func() {
		for buf := make([]byte, 1500); ; {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := n.reply(buf[:size]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
	return n
}

func (n *names) reply(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	n.asked.Add(1)
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}
	m.Additionals = nil
	q, address := m.Questions[0], *n.answer.Load()
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 0}
	switch {
	case q.Type == dnsmessage.TypeA && address.Is4():
		head.Type = dnsmessage.TypeA
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: address.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && address.Is6():
		head.Type = dnsmessage.TypeAAAA
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

// TestAddresses are those of webhooks as people write them.
func TestAddresses(t *testing.T) {
	w := webhooks(t, "hooks.corp.example", "10.2.0.0/16", "fd00::7")
	for address, wrong := range map[string]string{
		"https://app.example.com":                     "",
		"https://app.example.com/hooks?a=b%20c":       "",
		"https://app.example.com:8443/":               "",
		"https://93.184.216.34/":                      "",
		"HTTPS://app.example.com":                     "",
		"http://hooks.corp.example":                   "",
		"https://HOOKS.corp.example.:8443/x":          "",
		"http://10.2.3.4/":                            "",
		"http://[fd00::7]/":                           "",
		"http://app.example.com":                      "It begins with https://.",
		"http://10.3.0.1":                             "It begins with https://.",
		"https://10.3.0.1":                            "It has to be on the public internet; whoever runs this server can allow others.",
		"https://x.hooks.corp.example.local":          "It has to be on the public internet; whoever runs this server can allow others.",
		"ftp://hooks.corp.example":                    "It begins with https://.",
		"file:///etc/passwd":                          "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://ann@app.example.com":                 "Leave the user and the password out: messages are signed.",
		"https://ann:pw@app.example.com":              "Leave the user and the password out: messages are signed.",
		"https://app.example.com#top":                 "Leave out the # and what follows.",
		"https://app.example.com#":                    "Leave out the # and what follows.",
		"https://app.example.com:0":                   "The port is a number up to 65535.",
		"https://app.example.com:99999":               "The port is a number up to 65535.",
		"https://app.example.com/" + long:             "An address has at most 2048 bytes.",
		"":                                            "Send an address in ASCII, as in https://app.example.com/hooks.",
		"app.example.com":                             "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https:app.example.com":                       "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://":                                    "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://:443":                                "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://bücher.example":                      "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com/a b":                 "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com/\r\nX-Injected: yes": "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com\\@10.0.0.1":          "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com:443:80":              "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://[::1":                                "Send an address in ASCII, as in https://app.example.com/hooks.",
	} {
		if got := w.Wrong(address); got != wrong {
			t.Errorf("%.60q: %q, want %q", address, got, wrong)
		}
	}
	for _, entry := range []string{"", "https://hooks.corp.example", "hooks.corp.example:80", "*.corp.example", "10.2.0.0/99", "fe80::1%eth0"} {
		if _, err := notify.NewWebhooks(notify.WebhookConfig{Allow: []string{entry}}); err == nil {
			t.Errorf("%q can be allowed", entry)
		}
	}
}

var long = strings.Repeat("x", 2048)

// TestWhatTheOperatorAllows is called though it is not on the internet.
func TestWhatTheOperatorAllows(t *testing.T) {
	r := receive(t, status(200))
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	check(t, err)
	named := "http://localhost:" + port
	for _, tt := range []struct {
		address  string
		allow    []string
		anywhere bool
		want     int
	}{
		{r.URL, nil, false, 0},
		{r.URL, []string{"127.0.0.0/8"}, false, 200},
		{r.URL, []string{"127.0.0.1"}, false, 200},
		{r.URL, []string{"::ffff:127.0.0.1"}, false, 200},
		{r.URL, []string{"127.0.0.2"}, false, 0},
		{r.URL, []string{"localhost"}, false, 0},
		{named, []string{"localhost"}, false, 200},
		{named, []string{"LocalHost."}, false, 200},
		{named, []string{"127.0.0.1"}, false, 0}, // without TLS the name is needed
		{r.URL, nil, true, 200},
		{named, nil, true, 200},
	} {
		w := webhooks(t, tt.allow...)
		if code, err := w.Post(t.Context(), tt.address, tt.anywhere, [][]byte{first}, notice()); code != tt.want || (err == nil) != (tt.want == 200) {
			t.Errorf("%s with %v: %d, %v", tt.address, tt.allow, code, err)
		}
	}
}

// TestCertificatesAreVerified, and nothing is said before they are.
func TestCertificatesAreVerified(t *testing.T) {
	r := on(t, "127.0.0.1", true, status(200))
	w := webhooks(t, "127.0.0.1", "localhost")
	_, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice())
	var e *offprint.Error
	if !errors.As(err, &e) || e.Detail != "Its certificate could not be verified." || len(r.calls) > 0 {
		t.Errorf("%v", err)
	}
	authority := x509.NewCertPool()
	authority.AddCert(r.Certificate())
	w.Trust(authority)
	if code, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice()); code != 200 || err != nil {
		t.Errorf("trusted: %d, %v", code, err)
	}
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	check(t, err)
	_, err = w.Post(t.Context(), "https://localhost:"+port, false, [][]byte{first}, notice())
	if !errors.As(err, &e) || e.Detail != "Its certificate could not be verified." {
		t.Errorf("by another name: %v", err)
	}
}

// TestNoErrorTellsTheAddress, of which the path may be a secret.
func TestNoErrorTellsTheAddress(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	r := receive(t, status(500))
	r.Close()
	for _, address := range []string{r.URL + "/token-1", "https://no-such-name.example/token-1", "https://10.0.0.1/token-1", "https://\x7f/token-1"} {
		for _, anywhere := range []bool{false, true} {
			if address == "https://10.0.0.1/token-1" && anywhere {
				continue
			}
			w.Patience(2 * time.Second)
			_, err := w.Post(t.Context(), address, anywhere, [][]byte{first}, notice())
			if err == nil || strings.Contains(err.Error(), "token-1") {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
}

// FuzzAddress holds that whatever is taken for an address of a webhook can be
// called, and leads to the host that was looked at.
func FuzzAddress(f *testing.F) {
	for _, host := range strangers {
		f.Add("https://" + host + "/")
	}
	f.Add("https://app.example.com:8443/hooks?a=b")
	f.Add("https://app.example.com\\@10.0.0.1/")
	w, err := notify.NewWebhooks(notify.WebhookConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if w.Wrong(address) != "" {
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
		if err != nil {
			t.Fatalf("%q cannot be called: %v", address, err)
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || req.URL.Hostname() != u.Hostname() {
			t.Errorf("%q: %+v, %v", address, u, err)
		}
	})
}

// FuzzRetryAfter holds that what a stranger sends there is a time or none.
func FuzzRetryAfter(f *testing.F) {
	for _, header := range []string{"", "0", "120", "-1", "4294967295", "99999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"} {
		f.Add(header)
	}
	w, err := notify.NewWebhooks(notify.WebhookConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) { w.RetryAfter(header) })
}
