package signalr

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/coder/websocket"
)

// socket is a connection by WebSocket, from its request to its end.
func (h *Hub) socket(w http.ResponseWriter, r *http.Request, l Listener, token string) error {
	ws := &socket{hub: h}
	c, end, err := h.begin(r, l, token, ws, false)
	if err != nil {
		return err
	}
	defer end()
	// Where scripts may come from was looked at before this request came here.
	ws.Conn, err = websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil // it has been answered
	}
	ws.SetReadLimit(-1) // each message has one
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		c.receive(c.ctx, ws)
		c.end(errLeft) // unless there is a reason already
	}()
	if c.run() {
		ws.Close(websocket.StatusNormalClosure, "") // within ten seconds; the client hears what was said before
	}
	ws.CloseNow()
	<-reading
	return nil
}

// A socket is a WebSocket; what is read of it is one stream, as messages of the
// protocol need not be messages of its.
type socket struct {
	*websocket.Conn
	hub     *Hub
	message io.Reader // that is being read
}

func (s *socket) write(record []byte) error {
	ctx, cancel := context.WithTimeout(s.hub.writes, s.hub.Taken)
	defer cancel()
	return s.Write(ctx, websocket.MessageText, record)
}

// Read ends when the connection does.
func (s *socket) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.Reader(context.Background())
			if err != nil {
				return 0, err
			}
			if kind != websocket.MessageText {
				return 0, fmt.Errorf("%w: it is not text", ErrUnreadable)
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if err == io.EOF {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
