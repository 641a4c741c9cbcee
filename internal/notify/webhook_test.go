package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/goleak"

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

// TestANameIsNoWayIn holds the guard where it counts: at what is dialed.
// names is a server of names that has one answer to every question.
// TestAddresses are those of webhooks as people write them.
var long = strings.Repeat("x", 2048)

// TestWhatTheOperatorAllows is called though it is not on the internet.
// TestCertificatesAreVerified, and nothing is said before they are.
// TestNoErrorTellsTheAddress, of which the path may be a secret.
// FuzzAddress holds that whatever is taken for an address of a webhook can be
// called, and leads to the host that was looked at.
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
