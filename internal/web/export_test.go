package web

import (
	"cmp"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/signalr"
)

// A Hurry is how long a site waits in a test; zero is as long as ever.
type Hurry struct {
	Body, Pulse, Unhurried, Taken, Fresh, Again time.Duration
	Hub                                         signalr.Config
}

// NewHurried makes a site in a hurry.
func NewHurried(c Config, h Hurry) (*Site, error) {
	t := usual()
	t.hub = h.Hub
	t.hub.Linger = cmp.Or(t.hub.Linger, 500*time.Millisecond)
	for d, to := range map[*time.Duration]time.Duration{&t.body: h.Body, &t.pulse: h.Pulse, &t.unhurried: h.Unhurried, &t.taken: h.Taken, &t.fresh: h.Fresh, &t.again: h.Again} {
		if to > 0 {
			*d = to
		}
	}
	return build(c, t)
}

// MostWaiting are the streams and long polls of one user.
const MostWaiting = mostWaiting

// Waiting is how many streams and long polls there are.
func (s *Site) Waiting() (n int) {
	s.crowd.Lock()
	defer s.crowd.Unlock()
	for _, of := range s.crowd.of {
		n += of
	}
	return n
}

// Shown is a value of a column in a preview, as somebody reads it.
func Shown(locale string, as offprint.As, v offprint.Value) string {
	return newReader(locale, time.Time{}).cell(&offprint.Column{Kind: v.Kind(), As: as}, v, time.UTC)
}
