package signalr

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// events is a connection by server-sent events; what the client says comes by POST.
func (h *Hub) events(w http.ResponseWriter, r *http.Request, l Listener, token string) error {
	e := &events{hub: h, w: w, wire: http.NewResponseController(w)}
	c, end, err := h.begin(r, l, token, e, true)
	if err != nil {
		return err
	}
	defer end()
	defer context.AfterFunc(r.Context(), func() { c.end(errLeft) })()
	defer context.AfterFunc(h.writes, func() { e.until(time.Now()) })()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep events until it has enough of them
	if e.send(":\r\n\r\n") == nil {           // the client says nothing before it has heard something
		c.run()
	}
	return nil
}

// An events is a stream of them.
type events struct {
	hub  *Hub
	w    http.ResponseWriter
	wire *http.ResponseController
}

func (e *events) write(record []byte) error { return e.send("data: " + string(record) + "\r\n\r\n") }

func (e *events) send(text string) error {
	if err := errors.Join(e.until(time.Now().Add(e.hub.Taken)), e.hub.writes.Err()); err != nil {
		return err
	}
	if _, err := e.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := e.wire.Flush(); err != nil {
		return err
	}
	return e.until(time.Time{}) // HTTP/2 would end an idle stream by it
}

func (e *events) until(deadline time.Time) error {
	if err := e.wire.SetWriteDeadline(deadline); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
