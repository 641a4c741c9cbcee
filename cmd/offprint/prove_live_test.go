package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
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
	ends chan<- string
	next func() (text string, err error) // that was heard
	stop func()
}

// hears reads until it is stopped.
func (e ear) hears() {
	for {
		text, err := e.next()
		if err != nil {
			return
		}
		_, after, _ := strings.Cut(text, `{"id":"`)
		id, after, _ := strings.Cut(after, `"`)
		if strings.Contains(after, `"state":"canceled"`) || strings.Contains(after, `"state":"succeeded"`) {
			e.ends <- id
		}
	}
}

// byEvents listens to server-sent events.
func byEvents(server *process, ends chan<- string) (ear, error) {
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
func byHub(server *process, ends chan<- string) (ear, error) {
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
	for name, by := range map[string]func(*process, chan<- string) (ear, error){"events": byEvents, "SignalR": byHub} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), emptyShop(t))
			if err := os.WriteFile(filepath.Join(p.dir, "reports", "hello.sql"), []byte(hello), 0o644); err != nil {
				t.Fatal(err)
			}
			server := p.start("", "serve", "--web-only")
			ends := make(chan string, listeners)
			listen(t, 16, func() (ear, error) { return by(server, ends) })
			cost := func(since float64) float64 { return (memory(t, server, "VmRSS") - since) * 1024 / listeners }
			before := memory(t, server, "VmRSS")
			began := time.Now()
			listen(t, listeners-16, func() (ear, error) { return by(server, ends) })
			opened := time.Since(began)
			each := cost(before)
			var took []time.Duration
			for range 7 {
				var run shown
				if code := server.call("POST", "/v1/runs", `{"report":"hello"}`, &run); code != http.StatusAccepted {
					t.Fatalf("POST /v1/runs: %d", code)
				}
				time.Sleep(2 * time.Second) // all have heard that there is one
				began := time.Now()
				server.call("POST", "/v1/runs/"+run.ID+"/cancel", "", &run)
				for range listeners {
					select {
					case id := <-ends:
						if id != run.ID {
							t.Fatalf("heard of %s, want %s", id, run.ID)
						}
					case <-time.After(time.Minute):
						t.Fatal("not everybody hears of the end within a minute")
					}
				}
				took = append(took, time.Since(began))
			}
			t.Logf("%s: %d listeners came within %v and cost %.1f KB each, %.1f KB after %d events to all", name, listeners, opened.Round(time.Millisecond), each, cost(before), 2*len(took))
			t.Logf("%s: from the click to the last of %d: median %v, worst of %d %v", name, listeners, quantile(took, 0.5), len(took), quantile(took, 1))
			if each > 30 {
				t.Errorf("%.1f KB each, want 30 at most", each)
			}
			if median := quantile(took, 0.5); median > time.Second {
				t.Errorf("the last hears after %v, want 1 s", median)
			}
		})
	}
}
