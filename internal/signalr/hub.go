// Package signalr speaks the SignalR protocol to clients that others have
// written, @microsoft/signalr and Microsoft.AspNetCore.SignalR.Client: its
// JSON messages over WebSockets, server-sent events and long polling. It knows
// nothing of what is said.
//
// A [Hub] answers the four requests that clients make of one address. Each
// connection is one call of the listener's Serve, which has it until it returns:
//
//	err := hub.Listen(w, r, signalr.Listener{User: "ann", Admit: admit, Serve: func(ctx context.Context, c *signalr.Conn) string {
//		for {
//			select {
//			case call := <-c.Calls:
//				c.Answer(call, "done", "")
//			case json := <-news:
//				c.Send("Said", json)
//			case <-ctx.Done():
//				return ""
//			}
//		}
//	}})
//
// WebSockets keep nothing here between two requests, so that a client may
// negotiate with one process and connect to another. The other two transports
// do: all requests of such a connection must reach the process that has it.
//
// The protocol is described in the folder src/SignalR/docs/specs of
// https://github.com/dotnet/aspnetcore.
package signalr

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Why a request is refused. Whoever serves it chooses the status.
var (
	ErrUnknown    = errors.New("there is no such connection")
	ErrTaken      = errors.New("the connection is in use")
	ErrUnreadable = errors.New("the request is none of the protocol's")
	ErrTooLarge   = errors.New("the message is too large")
	ErrClosed     = errors.New("the hub is closed")
)

// Config is how long things may take; zero is the default.
type Config struct {
	Handshake time.Duration // until a client has said what it speaks; 15 s
	Silence   time.Duration // of a client: then it is taken for gone; 60 s. Clients say something every 15 s
	Taken     time.Duration // until a client has taken a message: then it is cut off; 30 s
	Poll      time.Duration // that a long poll waits for something to say; 30 s
	Linger    time.Duration // that the last word to a client waits for its next poll; 5 s
}

// A Hub has connections. It is safe for use by many goroutines.
type Hub struct {
	Config
	ctx     context.Context // ends with the hub
	end     context.CancelCauseFunc
	writes  context.Context // ends when there is no time left to say so
	cut     context.CancelFunc
	running sync.WaitGroup // connections

	mu     sync.Mutex
	closed bool
	held   map[string]*Conn     // by token: those that several requests belong to
	spent  map[string]time.Time // tokens whose connection has ended, and when
}

// New makes a hub. Close it.
func New(c Config) *Hub {
	for d, usual := range map[*time.Duration]time.Duration{
		&c.Handshake: 15 * time.Second, &c.Silence: time.Minute, &c.Taken: 30 * time.Second, &c.Poll: 30 * time.Second, &c.Linger: 5 * time.Second,
	} {
		if *d == 0 {
			*d = usual
		}
	}
	h := &Hub{Config: c, held: make(map[string]*Conn), spent: make(map[string]time.Time)}
	h.ctx, h.end = context.WithCancelCause(context.Background())
	h.writes, h.cut = context.WithCancel(context.Background())
	return h
}

// Close tells all clients to connect again, and waits until their connections
// have ended; who does not listen is cut off after Config.Linger.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.end(ErrClosed)
	defer h.cut()
	defer time.AfterFunc(h.Linger, h.cut).Stop()
	h.running.Wait()
}

// A Listener is somebody who asks to listen.
type Listener struct {
	User string // connections are known to their user only
	// Admit is asked once for each connection, with the token that was
	// negotiated for it, or with none. Who is let in stays until leave.
	Admit func(token string) (leave func(), err error)
	// Serve has the connection until it returns or ctx ends, which it does when
	// the client or the hub goes. The farewell is a sentence for the client, why
	// it should connect again; it may be empty.
	Serve func(ctx context.Context, c *Conn) (farewell string)
}

// Negotiate answers a client that asks how to connect, with a token for its
// connection. Nothing is kept here: the token must hold everything.
func (h *Hub) Negotiate(w http.ResponseWriter, r *http.Request, token string) error {
	if h.ctx.Err() != nil {
		return ErrClosed
	}
	answer := struct {
		Version    int         `json:"negotiateVersion"`
		ID         string      `json:"connectionId"`
		Token      string      `json:"connectionToken,omitempty"`
		Transports []transport `json:"availableTransports"`
	}{1, rand.Text(), token, transports}
	if version, err := strconv.Atoi(r.URL.Query().Get("negotiateVersion")); err != nil || version < 1 {
		answer.Version, answer.ID, answer.Token = 0, token, "" // as it was before there were tokens
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body) // whoever has gone does not read it
	return nil
}

type transport struct {
	Name    string   `json:"transport"`
	Formats []string `json:"transferFormats"`
}

var transports = []transport{{"WebSockets", []string{"Text"}}, {"ServerSentEvents", []string{"Text"}}, {"LongPolling", []string{"Text"}}}

// Listen answers the GET of any transport: it begins a connection, or it is the
// next poll of one. After an error nothing is written yet.
func (h *Hub) Listen(w http.ResponseWriter, r *http.Request, l Listener) error {
	token := r.URL.Query().Get("id")
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		return h.socket(w, r, l, token)
	case token == "" || r.Method != http.MethodGet:
		return ErrUnreadable
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		return h.events(w, r, l, token)
	}
	return h.poll(w, r, l, token)
}

// Receive answers a POST: messages of a client that cannot send on its
// connection. They are taken in the order in which they come.
func (h *Hub) Receive(w http.ResponseWriter, r *http.Request, user string, body []byte) error {
	c, err := h.find(r, user)
	if err != nil {
		return err
	}
	if err := c.receive(r.Context(), bytes.NewReader(body)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// Leave answers a DELETE: the end of long polling.
func (h *Hub) Leave(w http.ResponseWriter, r *http.Request, user string) error {
	c, err := h.find(r, user)
	if err != nil {
		return err
	}
	p, ok := c.out.(*polls)
	if !ok {
		return ErrUnreadable
	}
	c.end(errLeft)
	p.leave()
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// find is the user's own connection that a request belongs to. What the request
// came with counts for it from now on.
func (h *Hub) find(r *http.Request, user string) (*Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, ok := h.held[r.URL.Query().Get("id")]
	if !ok || c.user != user {
		return nil, ErrUnknown
	}
	c.came(r)
	return c, nil
}

// begin begins a connection, which is to be ended. Further requests find it by
// its token if it is held.
func (h *Hub) begin(r *http.Request, l Listener, token string, out outlet, held bool) (c *Conn, end func(), err error) {
	leave, err := l.Admit(token)
	if err != nil {
		return nil, nil, err
	}
	c = newConn(h, r, l, out)
	if err := h.enter(c, token, held); err != nil {
		leave()
		return nil, nil, err
	}
	return c, func() {
		c.end(errLeft)
		if held {
			h.forget(token)
		}
		leave()
		h.running.Done()
	}, nil
}

func (h *Hub) enter(c *Conn, token string, held bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, spent := h.spent[token]
	switch {
	case h.closed:
		return ErrClosed
	case held && h.held[token] != nil:
		return ErrTaken
	case held && spent:
		return ErrUnknown
	case held:
		h.held[token] = c
	}
	h.running.Add(1)
	return nil
}

// remembered is how long a token stays spent: longer than any is good.
const remembered = 5 * time.Minute

// forget lets a connection go. A request of it that comes late must not begin
// another.
func (h *Hub) forget(token string) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.held, token)
	h.spent[token] = now
	if len(h.spent)%1024 != 0 { // seldom, for it looks at all of them
		return
	}
	for old, at := range h.spent {
		if now.Sub(at) > remembered {
			delete(h.spent, old)
		}
	}
}
