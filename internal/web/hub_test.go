package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/signalr"
	"github.com/offprint/offprint/internal/signalrtest"
	"github.com/offprint/offprint/internal/web"
)

const hubPath = "/hubs/runs"

var transports = []string{"WebSockets", "ServerSentEvents", "LongPolling"}

// hear lets SignalR's own client listen, and waits until it does.
func (w *world) hear(ask signalrtest.Ask) *signalrtest.Clients {
	w.t.Helper()
	ask.URL = w.url + hubPath
	c := signalrtest.Listen(w.t, ask)
	c.Connected()
	return c
}

// untilEnd is what a client hears last of a run, and the states that it heard of.
func untilEnd(t *testing.T, c *signalrtest.Clients, client int, id string) (last map[string]any, states string) {
	t.Helper()
	revision := 0.0
	for {
		e := c.Next()
		if e.Event != "run" {
			t.Fatalf("%+v", e)
		}
		if e.Client != client || e.Run["id"] != id {
			continue
		}
		if e.Run["revision"].(float64) <= revision {
			t.Errorf("revision %v after %v", e.Run["revision"], revision)
		}
		revision = e.Run["revision"].(float64)
		state := e.Run["state"].(string)
		if !strings.HasSuffix(states, state) {
			states = strings.TrimSpace(states + " " + state)
		}
		if offprint.State(state).Final() {
			return e.Run, states
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	check(t, err)
	return string(b)
}

func TestTheHubTellsEachOfTheirOwnRuns(t *testing.T) {
	for _, ask := range []signalrtest.Ask{{Transport: "WebSockets", Skip: true}, {Transport: "WebSockets"}, {Transport: "ServerSentEvents"}, {Transport: "LongPolling"}} {
		t.Run(fmt.Sprint(ask.Transport, ask.Skip), func(t *testing.T) {
			w := open(t, wish{keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_bob": {User: "bob"}}})
			before := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
			ask.Tokens, ask.Clients = []string{"opk_ann", "opk_bob"}, 2
			c := w.hear(ask)
			hidden := w.ask("opk_bob", `{"report":"slow"}`)
			id := w.ask("opk_ann", `{"report":"slow","parameters":{"rows":1000}}`)
			seen := map[string]bool{}
			hear := func(until string) (last map[string]any) {
				for !seen[until] {
					e := c.Next()
					last = e.Run
					seen[fmt.Sprint(e.Client, " ", e.Run["id"], " ", e.Run["state"])] = true
				}
				return last
			}
			hear("0 " + id + " running")
			w.catalog.release()
			last := hear("0 " + id + " succeeded")
			for name, want := range w.do("GET", "/v1/runs/"+id, call{key: "opk_ann"}).json(t) {
				if got := text(t, last[name]); got != text(t, want) {
					t.Errorf("%s: told %s, the API says %s", name, got, text(t, want))
				}
			}
			hear("1 " + hidden + " succeeded")
			for heard := range seen {
				if strings.HasPrefix(heard, "0 "+hidden) || strings.HasPrefix(heard, "1 "+id) {
					t.Errorf("of somebody else's run: %s", heard)
				}
			}
			hear("0 " + before + " succeeded")
			c.Stop(0)
			if e := c.Until(func(e signalrtest.Event) bool { return e.Event != "run" }); e.Event != "closed" || e.Error != "" {
				t.Errorf("who leaves hears %+v", e)
			}
			w.heldBy(t, 1)
		})
	}
}

// heldBy waits until the site holds so many streams.
func (w *world) heldBy(t *testing.T, n int) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); w.site.Waiting() != n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d streams are held, want %d", w.site.Waiting(), n)
		}
	}
}

// TestABackendWatchesWhatItAsksFor tells of an app's own server, which asks on
// behalf of its users and listens once, for all of them.
func TestABackendWatchesWhatItAsksFor(t *testing.T) {
	keys := map[string]offprint.Identity{
		"opk_app": {User: "key:app", Key: offprint.Key{ID: "k1", Name: "app"}, Via: "app", Scopes: []string{"impersonate"}},
		"opk_bob": {User: "bob"},
	}
	w := open(t, wish{keys: keys, workers: -1})
	c := w.hear(signalrtest.Ask{Transport: "WebSockets", Tokens: []string{"opk_app"}})
	ask := func() string { return w.ask("opk_app", `{"report":"orders","on_behalf_of":{"user":"ann"}}`) }
	cancel := func(id string) { w.do("POST", "/v1/runs/"+id+"/cancel", call{key: "opk_app"}).wants(t, 200) }
	unheard, heard, dropped, own := ask(), ask(), ask(), w.ask("opk_app", `{"report":"orders"}`)
	for _, id := range []string{heard, dropped, own} {
		got, err := c.Call(0, "Watch", id)
		check(t, err)
		var run map[string]any
		check(t, json.Unmarshal(got, &run))
		if run["id"] != id || run["state"] != "queued" || run["urls"] == nil {
			t.Errorf("Watch answers %s", got)
		}
	}
	for _, tt := range []struct {
		method string
		args   []any
		says   string
	}{
		{"Watch", []any{w.ask("opk_bob", `{"report":"orders"}`)}, "There is no such run"},
		{"watch", []any{"run_\x00"}, "There is no such run"},
		{"Watch", nil, "one argument, the id of a run"},
		{"Watch", []any{7}, "one argument, the id of a run"},
		{"Cancel", []any{heard}, "two methods to call: Watch and Unwatch"},
	} {
		if _, err := c.Call(0, tt.method, tt.args...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %v: %v, want %q", tt.method, tt.args, err, tt.says)
		}
	}
	_, err := c.Call(0, "Unwatch", dropped)
	check(t, err)
	for _, id := range []string{unheard, dropped, heard, own} {
		cancel(id)
	}
	told := map[any]any{}
	for told[own] != "canceled" || told[heard] != "canceled" {
		e := c.Next()
		told[e.Run["id"]] = e.Run["state"]
	}
	if len(told) != 2 {
		t.Errorf("told of %v", told)
	}
	got, err := c.Call(0, "Watch", heard)
	check(t, err)
	if !strings.Contains(string(got), `"state":"canceled"`) {
		t.Errorf("Watch of what has ended: %s", got)
	}
}

// TestAProgramOfAnotherOriginListensInABrowser has a page of another origin,
// as the app of whoever embeds Offprint is, with the program of docs/live.md.
func TestAProgramOfAnotherOriginListensInABrowser(t *testing.T) {
	library, err := os.ReadFile(filepath.Join(signalrtest.Modules(t), "@microsoft/signalr/dist/browser/signalr.js"))
	check(t, err)
	guide, err := os.ReadFile("../../docs/live.md")
	check(t, err)
	_, program, _ := strings.Cut(string(guide), "```js\n")
	program, _, _ = strings.Cut(program, "```")
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><script src="/signalr.js"></script>`)
		case "/signalr.js":
			w.Write(library)
		}
	}))
	t.Cleanup(app.Close)
	w := open(t, wish{origins: []string{app.URL}, keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_bob": {User: "bob"}}})
	b := w.browse()
	b.expected = "404" // the client says that it leaves, and does not wait for the answer before it has left
	for _, transport := range transports {
		ours := program
		for _, change := range [][2]string{{"https://reports.example.com", w.url}, {"{ access", "{ transport: signalR.HttpTransportType." + transport + ", access"}, {"const connection", "window.connection"}} {
			if !strings.Contains(ours, change[0]) {
				t.Fatalf("the program of the guide has no %q: %s", change[0], program)
			}
			ours = strings.ReplaceAll(ours, change[0], change[1])
		}
		b.do(chromedp.Navigate(app.URL + "/"))
		b.do(chromedp.Evaluate[chromedp.Void](`
			window.heard = [];
			window.tokenOfMyApp = () => "opk_ann";
			window.show = (title, state, percent, file) => heard.push(state + " " + file);
			(() => { ` + ours + ` })()`))
		b.holds(`connection.state === "Connected"`)
		other := w.made("opk_bob", `{"report":"orders"}`)["id"].(string)
		id := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
		b.holds(fmt.Sprintf(`heard.some((h) => h.startsWith("succeeded") && h.includes(%q)) && !heard.some((h) => h.includes(%q))`, id, other))
		b.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`connection.invoke("Watch", %q).catch((e) => { window.refused = e.message; })`, other)))
		b.holds(`window.refused && window.refused.includes("There is no such run")`)
		b.do(chromedp.Evaluate[chromedp.Void](`connection.stop().then(() => { window.stopped = true; })`))
		b.holds(`window.stopped`)
		w.heldBy(t, 0)
	}
	if log := w.log.String(); strings.Contains(log, "opk_ann") {
		t.Errorf("a credential is logged: %s", log)
	}
}

func TestTheHubIsForWhomTheAPIIs(t *testing.T) {
	keys := map[string]offprint.Identity{"opk_ann": {User: "ann"}}
	w := open(t, wish{workers: -1, keys: keys, origins: []string{"https://app.example.com"}})
	for _, tt := range []struct {
		promise      string
		method, path string
		call         call
		status       int
		code         string
	}{
		{"nobody", "POST", "/negotiate", call{}, 401, "unauthenticated"},
		{"a key that is none", "GET", "?access_token=opk_nobody&id=x", call{}, 401, "unauthenticated"},
		{"a key in the address of anything else", "GET", "/v1/me?access_token=opk_ann", call{}, 401, "unauthenticated"},
		{"another site's script", "POST", "/negotiate", call{key: "opk_ann", headers: []string{"Origin: https://evil.example"}}, 403, "forbidden"},
		{"another site's WebSocket", "GET", "", call{key: "opk_ann", headers: []string{"Origin: https://evil.example", "Upgrade: websocket"}}, 403, "forbidden"},
		{"another site's WebSocket, as the browser says", "GET", "", call{key: "opk_ann", headers: []string{"Sec-Fetch-Site: cross-site", "Upgrade: websocket"}}, 403, "forbidden"},
		{"a poll of nothing", "GET", "?id=nonsense.nonsense", call{key: "opk_ann"}, 404, "not_found"},
		{"a message to nothing", "POST", "?id=nonsense", call{key: "opk_ann"}, 404, "not_found"},
		{"the end of nothing", "DELETE", "?id=nonsense", call{key: "opk_ann"}, 404, "not_found"},
		{"a browser's address bar", "GET", "", call{key: "opk_ann", headers: []string{"Accept: text/html"}}, 400, "unreadable"},
		{"a method that is none", "PUT", "", call{key: "opk_ann"}, 405, "method_not_allowed"},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			path := hubPath + tt.path
			if strings.HasPrefix(tt.path, "/v1/") {
				path = tt.path
			}
			a := w.do(tt.method, path, tt.call)
			problem(t, a, tt.status, tt.code)
			if path != tt.path && a.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("Referrer-Policy: %q", a.Header.Get("Referrer-Policy"))
			}
		})
	}
	a := w.do("OPTIONS", hubPath+"/negotiate", call{headers: []string{"Origin: https://app.example.com", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-requested-with,x-signalr-user-agent,authorization"}})
	if h := a.Header; h.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-Requested-With, X-SignalR-User-Agent") {
		t.Errorf("preflight: %v", h)
	}
	if h := w.do("GET", "/v1/me", call{key: "opk_ann", headers: []string{"Origin: https://app.example.com"}}).Header; h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the API beside it: %v", h)
	}
	if log := w.log.String(); strings.Contains(log, "opk_") {
		t.Errorf("a credential is logged: %s", log)
	}
}

// negotiated is the address of a connection that somebody has negotiated.
func (w *world) negotiated(key string) string {
	w.t.Helper()
	a := w.do("POST", hubPath+"/negotiate?negotiateVersion=1", call{key: key}).wants(w.t, 200)
	return hubPath + "?id=" + a.json(w.t)["connectionToken"].(string)
}

func TestAnInvitationIsForOneUserForAMinute(t *testing.T) {
	var mu sync.Mutex
	ahead := time.Duration(0)
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
	w := open(t, wish{workers: -1, keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_bob": {User: "bob"}, "opk_ann2": {User: "ann", Tenant: "acme"}}, desk: func(c *desk.Config) { c.Now = now }})
	address := w.negotiated("opk_ann")
	for _, key := range []string{"opk_bob", "opk_ann2"} {
		problem(t, w.do("GET", address, call{key: key}), 404, "not_found")
	}
	problem(t, w.do("GET", address+"x", call{key: "opk_ann"}), 404, "not_found")
	w.do("GET", address, call{key: "opk_ann"}).wants(t, 200)
	problem(t, w.do("GET", address, call{key: "opk_bob"}), 404, "not_found") // while it is held
	w.do("DELETE", address, call{key: "opk_ann"}).wants(t, 202)
	w.heldBy(t, 0)
	problem(t, w.do("GET", address, call{key: "opk_ann"}), 404, "not_found")
	late := w.negotiated("opk_ann")
	mu.Lock()
	ahead = 2 * time.Minute
	mu.Unlock()
	problem(t, w.do("GET", late, call{key: "opk_ann"}), 404, "not_found")
}

// dial is a connection by WebSocket that has shaken hands.
func (w *world) dial(ctx context.Context, key string) *websocket.Conn {
	w.t.Helper()
	ws, _, err := websocket.Dial(ctx, w.url+w.negotiated(key)+"&access_token="+key, nil)
	check(w.t, err)
	check(w.t, ws.Write(ctx, websocket.MessageText, []byte(`{"protocol":"json","version":1}`+"\x1e")))
	_, b, err := ws.Read(ctx)
	check(w.t, err)
	if string(b) != "{}\x1e" {
		w.t.Fatalf("the handshake is answered %q", b)
	}
	return ws
}

func TestAHubConnectionEndsWithItsKey(t *testing.T) {
	keys := map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_too": {User: "ann"}}
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			w := open(t, wish{workers: -1, keys: keys, hurry: web.Hurry{Pulse: 20 * time.Millisecond, Again: 60 * time.Millisecond}})
			c := w.hear(signalrtest.Ask{Transport: transport, Tokens: []string{"opk_ann"}})
			w.revoked.Store("opk_ann", true)
			if e := c.Next(); e.Event != "closed" || transport != "LongPolling" && !strings.Contains(e.Error, "Who is asking is not known") {
				t.Errorf("%+v", e)
			}
			w.heldBy(t, 0)
		})
	}
	w := open(t, wish{workers: -1, keys: keys, hurry: web.Hurry{Fresh: time.Nanosecond}})
	id := w.ask("opk_ann", `{"report":"orders"}`)
	c := w.hear(signalrtest.Ask{Transport: "WebSockets", Tokens: []string{"opk_ann"}})
	c.Until(func(e signalrtest.Event) bool { return e.Run["id"] == id })
	w.revoked.Store("opk_ann", true)
	w.do("POST", "/v1/runs/"+id+"/cancel", call{key: "opk_too"}).wants(t, 200)
	if e := c.Next(); e.Event != "closed" {
		t.Errorf("who has no key any more hears %+v", e)
	}
}

func TestConnectionsToTheHubCountAsStreams(t *testing.T) {
	w := open(t, wish{workers: -1, keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}}})
	address := w.negotiated("opk_ann")
	for range web.MostWaiting {
		w.listen("opk_ann", "/v1/events", "")
	}
	problem(t, w.do("POST", hubPath+"/negotiate", call{key: "opk_ann"}), 429, "too_many_runs")
	problem(t, w.do("GET", address, call{key: "opk_ann"}), 429, "too_many_runs")
	_, res, err := websocket.Dial(t.Context(), w.url+hubPath, &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer opk_ann"}}})
	if err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the fifty-first connection: %v", err)
	}
}

// restarted is what answers at one address, and can be replaced.
type restarted struct {
	sync.RWMutex
	handler http.Handler
}

func (s *restarted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.RLock()
	handler := s.handler
	s.RUnlock()
	handler.ServeHTTP(w, r)
}

func TestClientsComeBackAfterARestart(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			w := open(t, wish{workers: -1})
			id := w.ask("", `{"report":"orders"}`)
			var at restarted
			at.handler = w.site
			server := httptest.NewServer(&at)
			t.Cleanup(server.Close)
			c := signalrtest.Listen(t, signalrtest.Ask{URL: server.URL + hubPath, Transport: transport, Again: 20})
			c.Connected()
			c.Until(func(e signalrtest.Event) bool { return e.Run["id"] == id })
			w.site.Close() // as at SIGTERM
			if e := c.Next(); e.Event != "reconnecting" {
				t.Fatalf("%+v", e)
			}
			w.do("POST", "/v1/runs/"+id+"/cancel", call{}).wants(t, 200) // while it is away
			next, unused := serve(t, wish{revoked: w.revoked}, w.desk, slog.New(slog.DiscardHandler))
			t.Cleanup(func() { next.Close(); unused.Close() })
			at.Lock()
			at.handler = next
			at.Unlock()
			c.Connected()
			if last, _ := untilEnd(t, c, 0, id); last["state"] != "canceled" {
				t.Errorf("%v", last)
			}
		})
	}
}

func TestManyListenAtOnce(t *testing.T) {
	w := open(t, wish{})
	const clients = 200
	var asked []string
	c := w.hear(signalrtest.Ask{Clients: clients})
	heard := map[string]int{}
	var asking sync.WaitGroup
	var mu sync.Mutex
	for range 4 {
		asking.Go(func() {
			for range 3 {
				id := w.ask("", `{"report":"orders"}`)
				mu.Lock()
				asked = append(asked, id)
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	for left := clients * len(asked); left > 0; {
		e := c.Next()
		if e.Event != "run" {
			t.Fatalf("%+v", e)
		}
		if e.Run["state"] == "succeeded" {
			heard[fmt.Sprint(e.Client, e.Run["id"])]++
			left--
		}
	}
	if len(heard) != clients*len(asked) {
		t.Errorf("%d ends were heard, want each of %d by each of %d", len(heard), len(asked), clients)
	}
}

// churn connects so often, in each way of going, and drops the connection.
func (w *world) churn(n int) {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range n / 8 {
				switch ws := w.dial(ctx, ""); i % 4 {
				case 0:
					ws.Close(websocket.StatusNormalClosure, "")
				default:
					ws.CloseNow()
				}
				w.negotiated("") // and never comes
				if i%8 == 0 {
					w.do("GET", w.negotiated(""), call{}).wants(w.t, 200) // polls once, and never again
				}
			}
		})
	}
	all.Wait()
}

func TestConnectionsLeaveNothingBehind(t *testing.T) { churned(t, 400, 3*time.Second) }

func TestProveConnectionsLeaveNothingBehind(t *testing.T) { churned(t, 10_000, 9*time.Second) }

func churned(t *testing.T, n int, patience time.Duration) {
	w := open(t, wish{workers: -1, hurry: web.Hurry{Pulse: 50 * time.Millisecond, Hub: signalr.Config{Handshake: patience, Silence: patience}}})
	size := func() (goroutines int, heap uint64) {
		w.heldBy(t, 0)
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	w.churn(n) // what stays for ever is there then
	goroutines, heap := size()
	w.churn(n)
	later, grown := size()
	t.Logf("%d connections more: %d goroutines, %+d; heap %d KB, %+d KB", n, later, later-goroutines, grown>>10, int64(grown-heap)>>10)
	if later > goroutines+10 || int64(grown-heap) > 1<<20 {
		t.Errorf("%d goroutines and %d KB after %d connections, %d and %d before", later, grown>>10, n, goroutines, heap>>10)
	}
}

// TestWhoDoesNotListenIsCutOff has a client that reads nothing, and one that
// must not wait for it.
func TestWhoDoesNotListenIsCutOff(t *testing.T) {
	w := open(t, wish{workers: -1, hurry: web.Hurry{Unhurried: time.Nanosecond, Hub: signalr.Config{Taken: 2 * time.Second}}})
	deaf := w.dial(t.Context(), "")
	t.Cleanup(func() { deaf.CloseNow() })
	c := w.hear(signalrtest.Ask{Transport: "WebSockets"})
	metadata := make(map[string]string)
	for i := range 50 {
		metadata[fmt.Sprint("key", i)] = strings.Repeat("x", 500)
	}
	id := w.ask("", `{"report":"orders","metadata":`+text(t, metadata)+`}`)
	rounds := 0
	for until := time.Now().Add(30 * time.Second); w.site.Waiting() == 2; rounds++ {
		w.do("PATCH", "/v1/runs/"+id, call{body: fmt.Sprintf(`{"title":"round %d"}`, rounds)}).wants(t, 200)
		if time.Now().After(until) {
			t.Fatalf("after %d messages it is still there", rounds)
		}
		if rounds > 400 { // 10 MB: all buffers on the way are full
			time.Sleep(20 * time.Millisecond)
		}
	}
	want := fmt.Sprint("round ", rounds-1)
	c.Until(func(e signalrtest.Event) bool {
		if e.Event != "run" {
			t.Fatalf("who listens hears %+v", e)
		}
		return e.Run["title"] == want
	})
}
