package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/offprint/offprint/internal/signalrtest"
)

// turns is a proxy that sends each request to the next server, whatever was
// sent before.
type turns struct {
	sync.Mutex
	servers []*httputil.ReverseProxy
	next    int
	sent    []string // what, and to which server
}

func (p *turns) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Lock()
	p.next++
	n := p.next % len(p.servers)
	to := p.servers[n]
	p.sent = append(p.sent, fmt.Sprint(r.Method, " ", n))
	p.Unlock()
	to.ServeHTTP(w, r)
}

// told is what was sent so far.
func (p *turns) told() []string {
	p.Lock()
	defer p.Unlock()
	return slices.Clone(p.sent)
}

// leave takes a server out, as a load balancer does whose /readyz fails.
func (p *turns) leave(only *httputil.ReverseProxy) {
	p.Lock()
	defer p.Unlock()
	p.servers = []*httputil.ReverseProxy{only}
}

func proxyTo(t *testing.T, p *process) *httputil.ReverseProxy {
	t.Helper()
	to, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
}

// Clients of SignalR come by a proxy that knows no sticky sessions, to two
// servers, while the workers are a third process and one of the servers goes.
func TestClientsHearByAnyOfTwoServers(t *testing.T) {
	t.Parallel()
	database := database(t)
	p := newPlace(t, database, emptyShop(t))
	if err := os.WriteFile(filepath.Join(p.dir, "reports", "hello.sql"), []byte(hello), 0o644); err != nil {
		t.Fatal(err)
	}
	a, b := p.start("", "serve", "--web-only"), p.start("", "serve", "--web-only")
	p.start("", "worker", "--workers", "2")
	proxy := &turns{servers: []*httputil.ReverseProxy{proxyTo(t, a), proxyTo(t, b)}}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	listen := func(clients int) *signalrtest.Clients {
		c := signalrtest.Listen(t, signalrtest.Ask{URL: front.URL + "/hubs/runs", Transport: "WebSockets", Clients: clients, Again: 100})
		c.Connected()
		return c
	}
	listen(1)
	if sent := proxy.told(); !slices.Equal(sent, []string{"POST 1", "GET 0"}) {
		t.Errorf("to negotiate and to connect were sent %v", sent)
	}
	const clients = 20
	c := listen(clients)
	atA := 0
	for _, sent := range proxy.told()[2:] {
		if sent == "GET 0" {
			atA++
		}
	}
	end := func(server *process) {
		t.Helper()
		var run shown
		if code := server.call("POST", "/v1/runs", `{"report":"hello"}`, &run); code != http.StatusAccepted {
			t.Fatalf("POST /v1/runs: %d", code)
		}
		heard := map[int]bool{}
		for len(heard) < clients {
			e := c.Next()
			if e.Event != "run" {
				t.Fatalf("%+v", e)
			}
			if e.Run["id"] == run.ID && e.Run["state"] == "succeeded" {
				heard[e.Client] = true
			}
		}
	}
	end(a)
	end(b)
	proxy.leave(proxyTo(t, b))
	a.signal(syscall.SIGTERM)
	if err := <-a.done; err != nil {
		t.Errorf("the server that goes ended with %v", err)
	}
	a.done <- nil
	for back := 0; back < atA; {
		switch e := c.Next(); {
		case e.Event == "connected":
			back++
		case e.Event != "run" && e.Event != "reconnecting" || e.Error != "":
			t.Fatalf("%+v", e)
		}
	}
	t.Logf("%d of %d came back, to the other server", atA, clients)
	end(b)
	if got, err := c.Call(0, "Watch", "run_nothing"); err == nil {
		t.Errorf("a run that is none: %s", got)
	}
}
