package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// begin is the answer to r. Whoever sends a body has times.body for it, whether
// or not anybody reads it: the server reads on behind the back of a refusal.
func (s *Site) begin(w http.ResponseWriter, r *http.Request) *begun {
	b := &begun{ResponseWriter: w, wire: http.NewResponseController(w), taken: s.times.taken}
	b.supported(b.wire.SetWriteDeadline(time.Time{})) // the last answer's, on the same connection
	if r.ContentLength != 0 {
		b.supported(b.wire.SetReadDeadline(time.Now().Add(s.times.body)))
	}
	return b
}

// lift ends the time for a body that has been read; left standing, it would
// end whoever waits.
func lift(w http.ResponseWriter) error {
	err := http.NewResponseController(w).SetReadDeadline(time.Time{})
	if errors.Is(err, http.ErrNotSupported) { // nor could it be set
		return nil
	}
	if err != nil {
		return fmt.Errorf("lift the time for a body: %w", err)
	}
	return nil
}

// begun is an answer that knows whether it has begun. Whoever takes none of it
// for a while loses the connection, however much of it is left.
type begun struct {
	http.ResponseWriter
	wire  *http.ResponseController
	taken time.Duration // the while
	yes   bool
	err   error // of a deadline
}

// supported keeps an error of a deadline; a wire that knows none has none.
func (b *begun) supported(err error) {
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		b.err = err
	}
}

func (b *begun) limit() { b.supported(b.wire.SetWriteDeadline(time.Now().Add(b.taken))) }

func (b *begun) WriteHeader(status int) {
	b.yes = true
	b.limit()
	b.ResponseWriter.WriteHeader(status)
}

// pieceSize is how much must be taken in one while: 1 KB a second will do.
const pieceSize = 32 << 10

func (b *begun) Write(p []byte) (n int, err error) {
	b.yes = true
	for {
		piece := p[n:min(len(p), n+pieceSize)]
		if b.limit(); b.err != nil {
			return n, b.err
		}
		m, err := b.ResponseWriter.Write(piece)
		n += m
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// Unwrap lets http.ResponseController flush and set deadlines.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }
