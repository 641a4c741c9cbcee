package web

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// events is the way to a listener of server-sent events. It sends a text, in
// pieces, or cuts the listener off.
type events func(pieces ...[]byte) error

func (e events) run(id int64, run []byte) error {
	head := "event: run\nid: " + strconv.FormatInt(id, 10) + "\ndata: "
	return e([]byte(head), run, []byte("\n\n"))
}

func (e events) pulse() error { return e([]byte(":\n\n")) }

// ends are what has to be done at the end of something, by whoever has them then.
type ends []func()

func (e *ends) with(do func()) { *e = append(*e, do) }

func (e *ends) come() {
	for _, do := range slices.Backward(*e) {
		do()
	}
	*e = nil
}

// passed are the ends, which somebody else has from now on.
func (e *ends) passed() *ends {
	theirs := *e
	*e = nil
	return &theirs
}

// stream lets tell speak to a listener. It may return before that ends: it takes
// connections from the server, which would hold three times as much for each
// of the thousands that wait.
func (s *Site) stream(w http.ResponseWriter, r *http.Request, who offprint.Identity, watch *desk.Watch, ends *ends, tell func(context.Context, *stream) error) {
	defer ends.come()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events until it has enough of them
	if r.Method == http.MethodHead {
		return
	}
	credential := http.Header{"Authorization": r.Header["Authorization"], "X-Api-Key": r.Header["X-Api-Key"]}
	t := &stream{site: s, header: func() http.Header { return credential }, watch: watch, who: who, seen: time.Now()}
	conn := s.lines.take(w)
	if conn == nil { // as by HTTP/2, where listeners share one
		t.out = answering(w)
		t.lost(r.Context(), tell(r.Context(), t))
		return
	}
	begin, theirs := beginning(h), ends.passed()
	go s.lines.hold(conn, func(ctx context.Context) { // Close waits for it
		defer theirs.come()
		defer s.survive(ctx)
		t.out = speaking(conn, s.times.taken)
		err := t.out.(events)(begin)
		if err == nil {
			err = tell(ctx, t)
		}
		t.lost(ctx, err)
	})
}

// answering sends events as the answer to a request.
func answering(w http.ResponseWriter) events {
	wire := http.NewResponseController(w)
	return func(pieces ...[]byte) error {
		for _, b := range pieces {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
		if err := wire.Flush(); err != nil {
			return err
		}
		err := wire.SetWriteDeadline(time.Time{}) // HTTP/2 would end an idle stream by it
		if errors.Is(err, http.ErrNotSupported) {
			return nil
		}
		return err
	}
}

// speaking sends events on a connection that has nothing else to carry.
func speaking(conn net.Conn, taken time.Duration) events {
	return func(pieces ...[]byte) error {
		if err := conn.SetWriteDeadline(time.Now().Add(taken)); err != nil {
			return err
		}
		all := net.Buffers(pieces)
		_, err := all.WriteTo(conn)
		return err
	}
}

// beginning is how an answer begins that goes on until its connection ends.
func beginning(h http.Header) []byte {
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n")
	h.Write(&b) // to memory
	b.WriteString("\r\n")
	return b.Bytes()
}

// survive logs a panic that no server would.
func (s *Site) survive(ctx context.Context) {
	if v := recover(); v != nil {
		s.refuse(ctx, nil, panicked(v))
	}
}

// lines are the connections that were taken from the server.
type lines struct {
	sync.Mutex
	closed bool
	open   sync.WaitGroup
	ctx    context.Context // ends when there is no more time for who takes nothing
	cut    context.CancelFunc
}

// take is the request's connection, which is to be held; nil if it is not to be had.
func (l *lines) take(w http.ResponseWriter) net.Conn {
	l.Lock()
	defer l.Unlock()
	if l.closed {
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	l.open.Add(1)
	return conn
}

// hold keeps a connection until do returns; ctx ends when the other side hangs up.
func (l *lines) hold(conn net.Conn, do func(ctx context.Context)) {
	defer l.open.Done()
	defer conn.Close()
	defer context.AfterFunc(l.ctx, func() { conn.Close() })()
	ctx, hangUp := context.WithCancel(l.ctx)
	defer hangUp()
	l.open.Go(func() {
		defer hangUp()
		for b, err := make([]byte, 1), error(nil); err == nil; { // they have nothing to say
			_, err = conn.Read(b)
		}
	})
	do(ctx)
}

// lastWords is how long a site that closes waits for listeners that take nothing.
const lastWords = 5 * time.Second

// close waits until all are closed.
func (l *lines) close() {
	l.Lock()
	l.closed = true
	l.Unlock()
	defer l.cut()
	defer time.AfterFunc(lastWords, l.cut).Stop()
	l.open.Wait()
}
