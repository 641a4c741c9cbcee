package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/web"
)

// A listener hears an event stream.
type listener struct {
	t      *testing.T
	cancel context.CancelFunc
	res    *http.Response
	events chan event
	pulses atomic.Int32 // signs of life
	done   sync.WaitGroup
}

// ends waits until the server has ended the stream.
func (l *listener) ends() {
	l.t.Helper()
	ended := make(chan struct{})
	go func() { l.done.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		l.t.Fatal("the stream goes on")
	}
}

type event struct {
	id, name string
	run      map[string]any
}

func (w *world) listen(key, path, lastID string) *listener {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	c := call{key: key, headers: []string{"Accept: text/event-stream"}}
	if lastID != "" {
		c.headers = append(c.headers, "Last-Event-ID: "+lastID)
	}
	l := &listener{t: w.t, cancel: cancel, res: w.begin(ctx, "GET", path, c), events: make(chan event, 1000)}
	l.done.Go(l.read)
	w.t.Cleanup(l.stop)
	return l
}

func (l *listener) stop() {
	l.cancel()
	l.done.Wait()
}

func (l *listener) read() {
	defer close(l.events)
	defer l.res.Body.Close()
	lines := bufio.NewScanner(l.res.Body)
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		if lines.Text() == ":" {
			l.pulses.Add(1)
		}
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.run); err != nil {
				l.t.Errorf("event is not JSON: %s", value)
			}
		case "":
			if e.run != nil {
				l.events <- e
			}
			e = event{}
		}
	}
}

// next is the next event; none within ten seconds fails the test.
func (l *listener) next() event {
	l.t.Helper()
	select {
	case e, ok := <-l.events:
		if !ok {
			l.t.Fatal("the stream has ended")
		}
		return e
	case <-time.After(10 * time.Second):
		l.t.Fatal("no event in ten seconds")
		return event{}
	}
}

func TestAStreamTellsOfARunUntilItsEnd(t *testing.T) {
	w := open(t, wish{})
	id := w.ask("", `{"report":"slow","parameters":{"rows":1000}}`)
	l := w.listen("", "/v1/runs/"+id+"/events", "")
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", "Cache-Control": "no-store"} {
		if got := l.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	var states []string
	var last event
	revision := 0
	for e := range l.events {
		if e.name != "run" || e.run["id"] != id {
			t.Errorf("event %v", e)
		}
		n, err := strconv.Atoi(e.id)
		check(t, err)
		if n <= revision || float64(n) != e.run["revision"] {
			t.Errorf("revision %d after %d", n, revision)
		}
		revision, last = n, e
		if state := e.run["state"].(string); len(states) == 0 || states[len(states)-1] != state {
			states = append(states, state)
		}
		if e.run["state"] == "running" && e.run["progress"].(map[string]any)["rows"].(float64) > 0 {
			w.catalog.release()
		}
	}
	if got := strings.Join(states, " "); !strings.HasSuffix(got, "running succeeded") {
		t.Errorf("states: %s", got)
	}
	if last.run["urls"].(map[string]any)["file"] == nil {
		t.Errorf("the last event: %v", last.run)
	}
	w.do("GET", "/v1/runs/"+id+"/events", call{headers: []string{"Last-Event-ID: " + last.id}}).wants(t, 204)
	again := w.listen("", "/v1/runs/"+id+"/events", "1")
	if e := again.next(); e.id != last.id {
		t.Errorf("who missed the end hears %v", e)
	}
}

func TestAStreamOfAllRunsBeginsWithWhatWasMissed(t *testing.T) {
	w := open(t, wish{})
	first := w.made("", `{"report":"orders"}`)["id"]
	l := w.listen("", "/v1/events", "")
	missed := l.next()
	if missed.run["id"] != first {
		t.Errorf("a new listener hears %v", missed.run)
	}
	second := w.ask("", `{"report":"slow"}`)
	for e := l.next(); e.run["state"] != "running"; e = l.next() {
		if e.run["id"] != second {
			t.Errorf("heard of %v", e.run)
		}
	}
	w.do("POST", "/v1/runs/"+second+"/cancel", call{}).wants(t, 200)
	e := l.next()
	for e.run["state"] != "canceled" {
		e = l.next()
	}
	micros, err := strconv.ParseInt(e.id, 10, 64)
	check(t, err)
	if since := time.Since(time.UnixMicro(micros)); since < 0 || since > time.Minute {
		t.Errorf("id %s is no time of now", e.id)
	}
	l.stop()
	late := w.listen("", "/v1/events", strconv.FormatInt(time.Now().Add(time.Hour).UnixMicro(), 10)) // a clock that was wrong
	seen := map[any]bool{late.next().run["id"]: true, late.next().run["id"]: true}
	if !seen[first] || !seen[second] {
		t.Errorf("after a wrong clock: %v", seen)
	}
}

func TestStreamsEndWhenTheServerGoes(t *testing.T) {
	w := open(t, wish{workers: -1})
	id := w.ask("", `{"report":"orders"}`)
	one, all := w.listen("", "/v1/runs/"+id+"/events", ""), w.listen("", "/v1/events", "")
	one.next()
	all.next()
	waited := make(chan int, 1)
	go func() {
		waited <- w.do("GET", "/v1/runs/"+id+"?wait=30&for=final", call{}).StatusCode
	}()
	time.AfterFunc(50*time.Millisecond, w.site.Close)
	for _, l := range []*listener{one, all} {
		if e, open := <-l.events; open {
			t.Errorf("after the end: %v", e)
		}
	}
	if status := <-waited; status != 200 {
		t.Errorf("who waited was answered %d", status)
	}
}

func TestDoneIsHeardAtOnce(t *testing.T) {
	w := open(t, wish{})
	l := w.listen("", "/v1/events", "")
	var worst time.Duration
	for range 20 {
		id := w.ask("", `{"report":"orders","parameters":{"rows":1}}`)
		for {
			e := l.next()
			if e.run["id"] != id || e.run["state"] != "succeeded" {
				continue
			}
			ended, err := time.Parse(time.RFC3339Nano, e.run["finished_at"].(string))
			check(t, err)
			worst = max(worst, time.Since(ended))
			break
		}
	}
	t.Logf("worst of 20 from done to heard: %v", worst)
	if worst > 5*time.Second {
		t.Errorf("done was heard after %v", worst)
	}
}

func TestASilentStreamGivesSignsOfLife(t *testing.T) {
	w := open(t, wish{workers: -1, hurry: web.Hurry{Pulse: 20 * time.Millisecond}})
	l := w.listen("", "/v1/events", "")
	for until := time.Now().Add(10 * time.Second); l.pulses.Load() < 3; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%d signs of life in ten seconds", l.pulses.Load())
		}
	}
	w.ask("", `{"report":"orders"}`)
	l.next()
}

// TestAStreamEndsWithItsKey tells of keys that are revoked while somebody
// listens with them.
func TestAStreamEndsWithItsKey(t *testing.T) {
	keys := map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_too": {User: "ann"}}
	t.Run("though nothing is told", func(t *testing.T) {
		w := open(t, wish{workers: -1, keys: keys, hurry: web.Hurry{Pulse: 20 * time.Millisecond, Again: 60 * time.Millisecond}})
		id := w.ask("opk_ann", `{"report":"orders"}`)
		one, all := w.listen("opk_ann", "/v1/runs/"+id+"/events", ""), w.listen("opk_ann", "/v1/events", "")
		one.next()
		all.next()
		w.revoked.Store("opk_ann", true)
		one.ends()
		all.ends()
	})
	t.Run("and is told nothing more", func(t *testing.T) {
		w := open(t, wish{workers: -1, keys: keys, hurry: web.Hurry{Fresh: time.Nanosecond}})
		id := w.ask("opk_ann", `{"report":"orders"}`)
		one, all := w.listen("opk_ann", "/v1/runs/"+id+"/events", ""), w.listen("opk_ann", "/v1/events", "")
		one.next()
		all.next()
		w.revoked.Store("opk_ann", true)
		w.do("POST", "/v1/runs/"+id+"/cancel", call{key: "opk_too"}).wants(t, 200)
		for _, l := range []*listener{one, all} {
			if e, open := <-l.events; open {
				t.Errorf("who has no key any more hears %v", e.run["state"])
			}
		}
	})
	t.Run("as does a long poll", func(t *testing.T) {
		w := open(t, wish{workers: -1, keys: keys, hurry: web.Hurry{Fresh: time.Nanosecond}})
		id := w.ask("opk_ann", `{"report":"orders"}`)
		waited := make(chan answer, 1)
		go func() { waited <- w.do("GET", "/v1/runs/"+id+"?wait=30&for=final", call{key: "opk_ann"}) }()
		w.waitingFor(t, "opk_ann", id)
		w.revoked.Store("opk_ann", true)
		w.do("POST", "/v1/runs/"+id+"/cancel", call{key: "opk_too"}).wants(t, 200)
		problem(t, <-waited, 401, "unauthenticated")
	})
}

// waitingFor waits until the site holds a request that waits.
func (w *world) waitingFor(t *testing.T, key, id string) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); w.site.Waiting() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s never waited for %s", key, id)
		}
	}
}

func TestOneUserListensInFiftyPlacesAtMost(t *testing.T) {
	w := open(t, wish{workers: -1, keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_bob": {User: "bob"}, "opk_app": {User: "app", Scopes: []string{"impersonate"}}}})
	id := w.ask("opk_ann", `{"report":"orders"}`)
	var held []*listener
	for range web.MostWaiting {
		held = append(held, w.listen("opk_ann", "/v1/events", ""))
	}
	for _, path := range []string{"/v1/events", "/v1/runs/" + id + "/events", "/v1/runs/" + id + "?wait=30&for=final"} {
		a := w.do("GET", path, call{key: "opk_ann"})
		if p := problem(t, a, 429, "too_many_runs"); p["title"] != "You listen in too many places" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v", path, p)
		}
	}
	started := time.Now()
	w.do("POST", "/v1/runs", call{key: "opk_ann", body: `{"report":"orders"}`, headers: []string{"Prefer: wait=30"}}).wants(t, 202)
	if time.Since(started) > 15*time.Second {
		t.Error("the fifty-first waited")
	}
	w.listen("opk_bob", "/v1/events", "")
	w.listen("opk_app", "/v1/events", "")
	held[0].stop()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if l := w.listen("opk_ann", "/v1/events", ""); l.res.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(until) {
			t.Fatal("who left still counts")
		}
	}
}

func TestTheHeadOfAStreamEnds(t *testing.T) {
	w := open(t, wish{workers: -1})
	id := w.ask("", `{"report":"orders"}`)
	for _, path := range []string{"/v1/events", "/v1/runs/" + id + "/events"} {
		a := w.do("HEAD", path, call{}).wants(t, 200)
		if a.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
	if n := w.site.Waiting(); n != 0 {
		t.Errorf("%d streams are still held", n)
	}
}

// TestStreamsByHTTP2 has listeners that share a connection, which nobody can
// take from the server.
func TestStreamsByHTTP2(t *testing.T) {
	w := open(t, wish{})
	server := httptest.NewUnstartedServer(w.site)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	id := w.ask("", `{"report":"slow"}`)
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/runs/"+id+"/events", nil)
	check(t, err)
	res, err := server.Client().Do(req)
	check(t, err)
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%s %v", res.Proto, res.Header)
	}
	first := make([]byte, 11)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "event: run\n" {
		t.Fatalf("%q, %v", first, err)
	}
	w.catalog.release()
	rest, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(rest), `"state":"succeeded"`) {
		t.Errorf("%s, %v", rest, err)
	}
}

// TestACrowdSeesTheSame has many who listen to the same run, which is read for
// all of them together.
func TestACrowdSeesTheSame(t *testing.T) {
	w := open(t, wish{workers: -1, hurry: web.Hurry{Unhurried: time.Nanosecond}})
	id := w.ask("", `{"report":"orders"}`)
	var crowd []*listener
	for range 40 {
		crowd = append(crowd, w.listen("", "/v1/events", ""))
	}
	for i := range 30 {
		w.do("PATCH", "/v1/runs/"+id, call{body: fmt.Sprintf(`{"title":"round %d"}`, i)}).wants(t, 200)
	}
	w.do("POST", "/v1/runs/"+id+"/cancel", call{}).wants(t, 200)
	for _, l := range crowd {
		revision := 0.0
		for e := l.next(); e.run["state"] != "canceled"; e = l.next() {
			if e.run["revision"].(float64) <= revision {
				t.Fatalf("revision %v after %v", e.run["revision"], revision)
			}
			revision = e.run["revision"].(float64)
		}
	}
}
