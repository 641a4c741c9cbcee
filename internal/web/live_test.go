package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A listener hears an event stream.
type listener struct {
	t      *testing.T
	cancel context.CancelFunc
	res    *http.Response
	events chan event
	done   sync.WaitGroup
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
