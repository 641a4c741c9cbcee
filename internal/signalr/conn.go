package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// A Conn is a connection to a client. Its methods are for the one goroutine
// that has it, which waits when the client is slow, and nobody else does: what
// is sent is kept nowhere but on its way. A client that takes nothing for a
// while is cut off.
type Conn struct {
	Calls <-chan Call // what the client calls, in the order in which it does

	hub    *Hub
	user   string
	serve  func(context.Context, *Conn) string
	ctx    context.Context
	end    context.CancelCauseFunc
	out    outlet
	header atomic.Pointer[http.Header]
	heard  atomic.Int64 // when the client last said something, in nanoseconds

	sending chan struct{} // holds a token while nobody reads what the client sends
	greeted bool          // whoever has that token has read a handshake
	hands   chan handshake
	calls   chan Call
}

// A Call is a method that the client calls.
type Call struct {
	Target    string
	Arguments []json.RawMessage
	Streamed  bool   // the client wants a stream of answers
	id        string // empty: the client waits for no answer
}

// An outlet is the way to a client. It takes a record within Config.Taken, or
// the client is cut off.
type outlet interface{ write(record []byte) error }

// Why a connection ends.
var (
	errLeft  = errors.New("the client has left")
	errGoing = errors.New("the client says that it leaves")
)

func newConn(h *Hub, r *http.Request, l Listener, out outlet) *Conn {
	calls := make(chan Call)
	c := &Conn{Calls: calls, hub: h, user: l.User, serve: l.Serve, out: out, sending: make(chan struct{}, 1), hands: make(chan handshake), calls: calls}
	c.ctx, c.end = context.WithCancelCause(h.ctx)
	c.came(r)
	c.hear()
	c.sending <- struct{}{}
	return c
}

// Header is what the client's last request came with: its credential may be
// newer than the one that the connection began with.
func (c *Conn) Header() http.Header { return *c.header.Load() }

// came keeps what a request came with, and nothing else of it.
func (c *Conn) came(r *http.Request) {
	header := r.Header
	c.header.Store(&header)
}

// Send calls a method of the client, with arguments in JSON; it answers nothing.
func (c *Conn) Send(target string, arguments ...json.RawMessage) error {
	return c.send(sent(target, arguments))
}

// Answer answers a call, with its result or with a sentence, why there is none.
func (c *Conn) Answer(call Call, result any, problem string) error {
	switch {
	case call.id == "":
		return nil
	case problem != "":
		return c.write(failed{completion, call.id, problem})
	}
	return c.write(completed{completion, call.id, result})
}

// Ping gives a sign of life, without which clients take us for gone after 30
// seconds; after an error they have given none for too long.
func (c *Conn) Ping() error {
	if c.silent() {
		c.end(errLeft)
		return errLeft
	}
	return c.write(alive{ping})
}

func (c *Conn) silent() bool {
	return time.Since(time.Unix(0, c.heard.Load())) > c.hub.Silence
}

func (c *Conn) hear() { c.heard.Store(time.Now().UnixNano()) }

func (c *Conn) write(v any) error {
	b, err := record(v)
	if err != nil {
		return err
	}
	return c.send(b)
}

func (c *Conn) send(record []byte) error {
	err := c.out.write(record)
	if err != nil {
		c.end(errLeft)
	}
	return err
}

// run has the connection from its handshake to the last word. It is true if
// the client is there to hear that.
func (c *Conn) run() (stayed bool) {
	defer c.end(errLeft)
	with, ok := c.greeting()
	if !ok {
		return false
	}
	refusal := with.refusal()
	if err := c.write(shaken{refusal}); err != nil || refusal != "" {
		return err == nil
	}
	text := c.serve(c.ctx, c)
	last := farewell{closing, text, true}
	switch cause := context.Cause(c.ctx); {
	case errors.Is(cause, errLeft):
		return false
	case errors.Is(cause, errGoing):
		return true
	case errors.Is(cause, ErrTooLarge):
		last = farewell{closing, "A message may have 32 KB.", false}
	case errors.Is(cause, ErrUnreadable):
		last = farewell{closing, "What was sent is no message of the protocol.", false}
	}
	return c.write(last) == nil
}

// greeting is the first that the client says, if it does in time.
func (c *Conn) greeting() (with handshake, ok bool) {
	late := time.NewTimer(c.hub.Handshake)
	defer late.Stop()
	select {
	case with = <-c.hands:
		return with, true
	case <-late.C:
	case <-c.ctx.Done():
	}
	return with, false
}

// receive takes what the client sends. What is no message ends the connection.
func (c *Conn) receive(ctx context.Context, from io.Reader) error {
	select {
	case <-c.sending:
		defer func() { c.sending <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return ErrUnknown
	}
	err := eachMessage(from, func(b []byte) error { return c.take(ctx, b) })
	if errors.Is(err, ErrTooLarge) || errors.Is(err, ErrUnreadable) {
		c.end(err)
	}
	return err
}

func (c *Conn) take(ctx context.Context, b []byte) error {
	c.hear()
	if !c.greeted {
		var with handshake
		if err := read(b, &with); err != nil {
			return err
		}
		c.greeted = true
		return hand(ctx, c, c.hands, with)
	}
	var m message
	if err := read(b, &m); err != nil {
		return err
	}
	switch m.Type {
	case invocation, streamInvocation:
		return hand(ctx, c, c.calls, Call{m.Target, m.Arguments, m.Type == streamInvocation, m.ID})
	case closing:
		c.end(errGoing)
	}
	return nil // a ping, or something that a later version says
}

// hand hands something over to whoever has the connection, when they take it.
func hand[T any](ctx context.Context, c *Conn, to chan<- T, v T) error {
	select {
	case to <- v:
		c.hear() // it was we who did not listen
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return ErrUnknown
	}
}
