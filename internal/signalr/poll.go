package signalr

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// poll begins a connection by long polling, or is its next poll.
func (h *Hub) poll(w http.ResponseWriter, r *http.Request, l Listener, token string) error {
	c, err := h.find(r, l.User)
	if errors.Is(err, ErrUnknown) {
		return h.beginPolls(r, l, token)
	}
	if err != nil {
		return err
	}
	p, ok := c.out.(*polls)
	if !ok {
		return ErrTaken
	}
	c.hear()
	defer c.hear()
	ctx, end := context.WithTimeout(r.Context(), h.Poll)
	defer end()
	body, status := p.next(ctx, end)
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(body)
	if len(body) > 0 && (err != nil || r.Context().Err() != nil) {
		c.end(errLeft) // after a gap nothing more can be told
	}
	return nil
}

// beginPolls begins a connection that goes on after the request that began it,
// which is answered at once, with nothing.
func (h *Hub) beginPolls(r *http.Request, l Listener, token string) error {
	p := &polls{hub: h, changed: make(chan struct{})}
	c, end, err := h.begin(r, l, token, p, true)
	if err != nil {
		return err
	}
	go func() { // the hub waits for it
		defer end()
		if c.run() {
			p.linger()
		}
		p.leave()
	}()
	return nil
}

// polls is what a client that polls has not taken yet.
type polls struct {
	hub *Hub

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, with every change
	waiting []byte
	ended   bool               // nothing more will come
	left    bool               // and the client knows
	poll    context.CancelFunc // the poll that waits
}

// mostWaiting are the bytes that wait for a poll.
const mostWaiting = 256 << 10

// when waits until something is so, and does then what goes with it; it is
// false if ctx has ended before.
func (p *polls) when(ctx context.Context, so func() bool, do func()) bool {
	for {
		p.mu.Lock()
		if so() {
			p.change(do)
			p.mu.Unlock()
			return true
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// change does something that others wait for; p.mu is locked.
func (p *polls) change(do func()) {
	do()
	close(p.changed)
	p.changed = make(chan struct{})
}

// errSlow is why a client is cut off that does not take what it is sent.
var errSlow = errors.New("the client takes nothing")

func (p *polls) write(record []byte) error {
	ctx, cancel := context.WithTimeout(p.hub.writes, p.hub.Taken)
	defer cancel()
	room := func() bool { return p.ended || len(p.waiting) == 0 || len(p.waiting)+len(record) <= mostWaiting }
	if !p.when(ctx, room, func() { p.waiting = append(p.waiting, record...) }) {
		return errSlow
	}
	return nil
}

// linger waits until the client has taken the last word, and knows that it was.
func (p *polls) linger() {
	ctx, cancel := context.WithTimeout(p.hub.writes, p.hub.Linger)
	defer cancel()
	p.mu.Lock()
	p.change(func() { p.ended = true })
	p.mu.Unlock()
	p.when(ctx, func() bool { return p.left }, func() {})
}

// leave ends whatever waits.
func (p *polls) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.change(func() { p.ended, p.left = true, true })
}

// next is what a poll is answered: what waits as soon as there is something,
// nothing when its time is up, and 204 if the connection is over or another
// poll has come.
func (p *polls) next(ctx context.Context, end context.CancelFunc) (body []byte, status int) {
	p.mu.Lock()
	if p.poll != nil {
		p.poll()
	}
	p.poll = end
	p.mu.Unlock()
	status = http.StatusNoContent
	if !p.when(ctx, func() bool { return ctx.Err() == nil && (len(p.waiting) > 0 || p.ended) }, func() {
		if len(p.waiting) == 0 {
			p.left = true
			return
		}
		body, p.waiting, status = p.waiting, nil, http.StatusOK
	}) && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		status = http.StatusOK
	}
	return body, status
}
