package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// An ear listens on a connection of its own, and says of each run that ends
// that it has heard so.
type ear struct {
	ends chan<- heard
	next func() (text string, err error) // that was heard
	stop func()
}

// heard is that a run has ended, and how long ago.
type heard struct {
	id   string
	late time.Duration
}

// hears reads until it is stopped.
func (e ear) hears() {
	for {
		text, err := e.next()
		if err != nil {
			return
		}
		now := time.Now()
		_, text, _ = strings.Cut(text, `{"id":"`)
		id, text, _ := strings.Cut(text, `"`)
		_, text, _ = strings.Cut(text, `"finished_at":"`)
		at, _, ended := strings.Cut(text, `"`)
		if finished, err := time.Parse(time.RFC3339Nano, at); ended && err == nil {
			e.ends <- heard{id, now.Sub(finished)}
		}
	}
}

// byEvents listens to server-sent events.
func byEvents(server *process, ends chan<- heard) (ear, error) {
	host := strings.TrimPrefix(server.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return ear{}, err
	}
	in := bufio.NewReaderSize(conn, 2<<10)
	if _, err := fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n\r\n", host); err != nil {
		return ear{}, err
	}
	for line := ""; !strings.HasPrefix(line, ": these"); {
		if line, err = in.ReadString('\n'); err != nil {
			return ear{}, err
		}
	}
	return ear{ends, func() (string, error) { return in.ReadString('\n') }, func() { conn.Close() }}, nil
}

// byHub listens by SignalR.
func byHub(server *process, ends chan<- heard) (ear, error) {
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, server.url+"/hubs/runs", nil)
	if err != nil {
		return ear{}, err
	}
	if err := ws.Write(ctx, websocket.MessageText, []byte(`{"protocol":"json","version":1}`+"\x1e")); err != nil {
		return ear{}, err
	}
	next := func() (string, error) {
		_, b, err := ws.Read(ctx)
		return string(b), err
	}
	_, err = next()
	return ear{ends, next, func() { ws.CloseNow() }}, err
}

// listen opens so many ears.
func listen(t *testing.T, n int, open func() (ear, error)) {
	t.Helper()
	var opening, hearing sync.WaitGroup
	var mu sync.Mutex
	var ears []ear
	for range 16 {
		opening.Go(func() {
			for range n / 16 {
				e, err := open()
				if err != nil {
					t.Errorf("listen: %v", err)
					return
				}
				hearing.Go(e.hears)
				mu.Lock()
				ears = append(ears, e)
				mu.Unlock()
			}
		})
	}
	opening.Wait()
	t.Cleanup(func() {
		for _, e := range ears {
			e.stop()
		}
		hearing.Wait()
	})
}

// Ten thousand listen to one server, each of them hears of every run, and this
// machine's two cores are theirs, too.
func TestProveTenThousandListen(t *testing.T) {
	const listeners = 10_000
	for name, by := range waysToListen {
		t.Run(name, func(t *testing.T) {
			p := newLivePlace(t, "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"))
			server := p.start("", "serve", "--web-only")
			ends := make(chan heard, listeners)
			listen(t, 16, func() (ear, error) { return by(server, ends) })
			cost := func(since float64) float64 { return (memory(t, server, "VmRSS") - since) * 1024 / listeners }
			before := memory(t, server, "VmRSS")
			began := time.Now()
			listen(t, listeners-16, func() (ear, error) { return by(server, ends) })
			opened := time.Since(began)
			each := cost(before)
			var took []time.Duration
			for range 7 {
				id := askForHello(t, server)
				time.Sleep(2 * time.Second) // all have heard that there is one
				began := time.Now()
				server.call("POST", "/v1/runs/"+id+"/cancel", "", nil)
				for range listeners {
					select {
					case h := <-ends:
						if h.id != id {
							t.Fatalf("heard of %s, want %s", h.id, id)
						}
					case <-time.After(time.Minute):
						t.Fatal("not everybody hears of the end within a minute")
					}
				}
				took = append(took, time.Since(began))
			}
			t.Logf("%s: %d listeners came within %v and cost %.1f KB each, %.1f KB after %d events to all", name, listeners, opened.Round(time.Millisecond), each, cost(before), 2*len(took))
			t.Logf("%s: from the click to the last of %d: median %v, worst of %d %v", name, listeners, quantile(took, 0.5), len(took), quantile(took, 1))
			most := 30.0
			if name == "SignalR" {
				most = 40 // a second goroutine, and the library's buffers
			}
			if each > most {
				t.Errorf("%.1f KB each, want %.0f at most", each, most)
			}
			if median := quantile(took, 0.5); median > time.Second {
				t.Errorf("the last hears after %v, want 1 s", median)
			}
		})
	}
}

// waysToListen are both.
var waysToListen = map[string]func(*process, chan<- heard) (ear, error){"events": byEvents, "SignalR": byHub}

// one listens by one ear.
func one(t *testing.T, server *process, by func(*process, chan<- heard) (ear, error)) <-chan heard {
	t.Helper()
	ends := make(chan heard, 1000)
	e, err := by(server, ends)
	if err != nil {
		t.Fatal(err)
	}
	var hearing sync.WaitGroup
	hearing.Go(e.hears)
	t.Cleanup(func() {
		e.stop()
		hearing.Wait()
	})
	return ends
}

// newLivePlace has reports that are made at once.
func newLivePlace(t *testing.T, database string) *place {
	t.Helper()
	p := newPlace(t, database, emptyShop(t))
	if err := os.WriteFile(filepath.Join(p.dir, "reports", "hello.sql"), []byte(hello), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func askForHello(t *testing.T, server *process) string {
	t.Helper()
	var run shown
	if code := server.call("POST", "/v1/runs", askHello, &run); code != http.StatusAccepted {
		t.Fatalf("POST /v1/runs: %d", code)
	}
	return run.ID
}

// One process is asked, another makes the report, and a third has the listener.
func TestProveDoneIsHeardElsewhere(t *testing.T) {
	const runs = 300
	p := newLivePlace(t, database(t))
	asked, listening := p.start("", "serve", "--web-only"), p.start("", "serve", "--web-only")
	p.start("", "worker", "--workers", "2")
	ends := make(map[string]<-chan heard)
	for name, by := range waysToListen {
		ends[name] = one(t, listening, by)
	}
	late := make(map[string][]time.Duration)
	for range runs {
		id := askForHello(t, asked)
		for name := range waysToListen {
			select {
			case h := <-ends[name]:
				if h.id != id {
					t.Fatalf("%s: heard of %s, want %s", name, h.id, id)
				}
				late[name] = append(late[name], h.late)
			case <-time.After(time.Minute):
				t.Fatalf("%s: the end of a run is not heard within a minute", name)
			}
		}
	}
	for name, took := range late {
		t.Logf("%s: from done to heard at another process, %d runs: p50 %v, p99 %v, worst %v", name, len(took), quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1))
		if p99 := quantile(took, 0.99); p99 > 250*time.Millisecond {
			t.Errorf("%s: p99 %v, want 250 ms at most", name, p99)
		}
	}
}

// A wire to a database can be cut, or go dead without a word.
type wire struct {
	socket string
	net.Listener
	mu   sync.Mutex
	down bool
	dead chan struct{} // closed while it carries what is sent
	ends []net.Conn
}

// wireTo is a wire to a database, and the database's address by it.
func wireTo(t *testing.T, address string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	w := &wire{socket: q.Get("host") + "/.s.PGSQL.5432", dead: make(chan struct{})}
	close(w.dead)
	if w.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { w.serve(&running) })
	t.Cleanup(func() {
		w.Close()
		w.cut()
		running.Wait()
	})
	q.Del("host")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = w.Addr().String(), q.Encode()
	return w, u.String()
}

func (w *wire) serve(running *sync.WaitGroup) {
	for {
		from, err := w.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("unix", w.socket)
		w.mu.Lock()
		if err != nil || w.down {
			from.Close()
			w.mu.Unlock()
			continue
		}
		w.ends = append(w.ends, from, to)
		w.mu.Unlock()
		running.Go(func() { w.carry(from, to) })
		running.Go(func() { w.carry(to, from) })
	}
}

func (w *wire) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		w.mu.Lock()
		dead := w.dead
		w.mu.Unlock()
		<-dead
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks what there is, and refuses what comes until it is mended.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for _, conn := range w.ends {
		conn.Close()
	}
	w.ends = nil
}

func (w *wire) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = make(chan struct{})
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
	select {
	case <-w.dead:
	default:
		close(w.dead)
	}
}

// The connection by which a server hears of what other processes do is cut, or
// goes dead, and comes back after a while. No end of a run is missed.
func TestProveNoEndIsMissedWhenTheLedgerIsNotHeard(t *testing.T) {
	address := database(t)
	w, heardBy := wireTo(t, address)
	p := newLivePlace(t, address)
	asked := p.start("", "serve", "--web-only")
	listening := p.start("OFFPRINT_LISTEN_URL="+heardBy, "serve", "--web-only")
	p.start("", "worker", "--workers", "2")
	ends := make(map[string]<-chan heard)
	for name, by := range waysToListen {
		ends[name] = one(t, listening, by)
	}
	missed, late := make(map[string]map[string]bool), make(map[string][]time.Duration)
	for name := range waysToListen {
		missed[name] = make(map[string]bool)
	}
	ask := func(n int, pause time.Duration) {
		for range n {
			id := askForHello(t, asked)
			for name := range missed {
				missed[name][id] = true
			}
			time.Sleep(pause)
		}
	}
	for _, away := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, 7 * time.Second} {
		for _, fail := range []func(){w.cut, w.die} {
			ask(2, 50*time.Millisecond)
			fail()
			ask(5, away/5)
			w.mend()
			ask(2, 50*time.Millisecond)
		}
	}
	for name := range waysToListen {
		for len(missed[name]) > 0 {
			select {
			case h := <-ends[name]:
				if missed[name][h.id] {
					delete(missed[name], h.id)
					late[name] = append(late[name], h.late)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("%s: %d of %d ends are not heard", name, len(missed[name]), len(missed[name])+len(late[name]))
			}
		}
		t.Logf("%s: %d ends were heard over ten cuts, p50 %v, worst %v late", name, len(late[name]), quantile(late[name], 0.5), quantile(late[name], 1))
		if worst := quantile(late[name], 1); worst > 10*time.Second {
			t.Errorf("%s: an end is heard %v late", name, worst)
		}
	}
}
