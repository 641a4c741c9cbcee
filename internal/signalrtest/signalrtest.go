// Package signalrtest gives tests SignalR's own client for JavaScript, in Node:
//
//	c := signalrtest.Listen(t, signalrtest.Ask{URL: server.URL + "/hubs/runs", Transport: "WebSockets"})
//	e := c.Next()                            // {Event: "run", Run: …}
//	run, err := c.Call(0, "Watch", id)
//
// It needs Node, so make prove puts it into the user's cache, and where it is
// not the test is skipped; with CI=true it fails.
package signalrtest

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

//go:embed listen.js
var script string

// Modules is the folder that holds the client, @microsoft/signalr.
func Modules(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	modules := filepath.Join(cache, "offprint-test", "signalr-10.0.11", "node_modules")
	if err == nil {
		_, err = os.Stat(filepath.Join(modules, "@microsoft", "signalr"))
	}
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("SignalR's client is not installed; .ci/parts prove installs it: %v", err)
	}
	if err != nil {
		t.Skip("NOT TESTED with SignalR's client, which is not installed; .ci/parts prove installs it")
	}
	return modules
}

// An Ask is how to listen.
type Ask struct {
	URL       string   `json:"url"`
	Transport string   `json:"transport,omitempty"` // WebSockets, ServerSentEvents, LongPolling; empty: the first that works
	Skip      bool     `json:"skip"`                // the negotiation
	Tokens    []string `json:"tokens,omitempty"`    // of the clients, by turns
	Clients   int      `json:"clients"`             // 0: one
	Again     int      `json:"again"`               // milliseconds, after which a lost connection is tried again and again; 0: it is not
}

// An Event is what a client heard, or what became of it.
type Event struct {
	Client int
	Event  string // connected, refused, run, reconnecting, closed
	Run    map[string]any
	Error  string

	Number int
	Result json.RawMessage
}

// Clients are some, in one process.
type Clients struct {
	t      testing.TB
	in     io.Writer
	events chan Event
	kept   []Event // that came before all were connected
	of     int

	mu      sync.Mutex
	calls   int
	answers map[int]chan Event
}

// Listen connects them. They end with the test.
func Listen(t testing.TB, ask Ask) *Clients {
	t.Helper()
	modules := Modules(t)
	ask.Clients = max(1, ask.Clients)
	text, err := json.Marshal(ask)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "-e", script, "--", string(text))
	cmd.Env, cmd.Stderr = append(os.Environ(), "NODE_PATH="+modules), os.Stderr
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Clients{t: t, in: in, of: ask.Clients, events: make(chan Event, 1<<16), answers: make(map[int]chan Event)}
	read := make(chan error, 1)
	go func() { read <- c.read(out) }()
	t.Cleanup(func() {
		err := errors.Join(in.Close(), <-read, cmd.Wait())
		if err != nil {
			t.Errorf("node: %v", err)
		}
	})
	return c
}

func (c *Clients) read(out io.Reader) error {
	defer close(c.events)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return err
		}
		if e.Event != "answer" {
			c.events <- e
			continue
		}
		c.mu.Lock()
		c.answers[e.Number] <- e
		c.mu.Unlock()
	}
	return lines.Err()
}

// Connected waits until all are.
func (c *Clients) Connected() {
	c.t.Helper()
	for n := 0; n < c.of; {
		switch e := c.wait(); e.Event {
		case "connected":
			n++
		case "run":
			c.kept = append(c.kept, e)
		default:
			c.t.Fatalf("a client is not connected: %+v", e)
		}
	}
}

// Next is the next event; none within twenty seconds fails the test.
func (c *Clients) Next() Event {
	c.t.Helper()
	if len(c.kept) > 0 {
		e := c.kept[0]
		c.kept = c.kept[1:]
		return e
	}
	return c.wait()
}

func (c *Clients) wait() Event {
	c.t.Helper()
	select {
	case e, ok := <-c.events:
		if !ok {
			c.t.Fatal("node has ended")
		}
		return e
	case <-time.After(20 * time.Second):
		c.t.Fatal("no event in twenty seconds")
		return Event{}
	}
}

// Until is the next event that is so; others are passed over.
func (c *Clients) Until(so func(Event) bool) Event {
	c.t.Helper()
	for {
		if e := c.Next(); so(e) {
			return e
		}
	}
}

// Call calls a method of the hub.
func (c *Clients) Call(client int, method string, args ...any) (json.RawMessage, error) {
	c.t.Helper()
	answer := make(chan Event, 1)
	c.mu.Lock()
	c.calls++
	number := c.calls
	c.answers[number] = answer
	c.mu.Unlock()
	c.say(map[string]any{"client": client, "number": number, "method": method, "args": append([]any{}, args...)})
	select {
	case e := <-answer:
		if e.Error != "" {
			return nil, errors.New(e.Error)
		}
		return e.Result, nil
	case <-time.After(20 * time.Second):
		c.t.Fatalf("%s was not answered in twenty seconds", method)
		return nil, nil
	}
}

// Stop lets a client leave.
func (c *Clients) Stop(client int) {
	c.t.Helper()
	c.say(map[string]any{"client": client, "method": "stop"})
}

func (c *Clients) say(v any) {
	c.t.Helper()
	if err := json.NewEncoder(c.in).Encode(v); err != nil {
		c.t.Fatal(err)
	}
}
