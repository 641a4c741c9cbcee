package signalr

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/coder/websocket"
)

// socket begins a connection by WebSocket.
func (h *Hub) socket(w http.ResponseWriter, r *http.Request, l Listener, token string) error {
	ws := &socket{hub: h}
	c, end, err := h.begin(r, l, token, ws, false)
	if err != nil {
		return err
	}
	// Where scripts may come from was looked at before this request came here.
	ws.Conn, err = websocket.Accept(narrow{w}, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil { // which has been answered
		end()
		return nil
	}
	ws.SetReadLimit(-1) // each message has one
	go func() {         // the hub waits for it; the server has nothing more to do with it
		defer end()
		ws.talk(c)
	}()
	return nil
}

// A narrow answer gives its connection away with small buffers, since what is
// said is short, and thousands may listen.
type narrow struct{ http.ResponseWriter }

func (n narrow) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, both, err := http.NewResponseController(n.ResponseWriter).Hijack()
	if err != nil || both.Reader.Buffered() > 0 { // somebody who did not wait for the answer
		return conn, both, err
	}
	return conn, bufio.NewReadWriter(bufio.NewReaderSize(conn, narrowBytes), bufio.NewWriterSize(conn, narrowBytes)), nil
}

const narrowBytes = 512

// talk has the connection to its end.
func (s *socket) talk(c *Conn) {
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		c.receive(c.ctx, s)
		c.end(errLeft) // unless there is a reason already
	}()
	if c.run() {
		s.Close(websocket.StatusNormalClosure, "") // within ten seconds; the client hears what was said before
	}
	s.CloseNow()
	<-reading
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
