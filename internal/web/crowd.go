package web

import (
	"slices"
	"sync"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/identity"
)

// mostWaiting are the streams and long polls that one user may have at a time.
const mostWaiting = 50

// A crowd is how many streams and long polls every user has.
type crowd struct {
	sync.Mutex
	of map[[2]string]int // by tenant and user
}

func newCrowd() crowd { return crowd{of: make(map[[2]string]int)} }

// enter lets who wait once more, until leave. Without sign-in all are one user,
// and a key that asks on everybody's behalf waits for them all: neither is
// counted.
func (s *Site) enter(who offprint.Identity) error {
	s.crowd.Lock()
	defer s.crowd.Unlock()
	user := [2]string{who.Tenant, who.User}
	uncounted := !s.Identity.Required || slices.Contains(who.Scopes, identity.Impersonate)
	if s.crowd.of[user] >= mostWaiting && !uncounted {
		err := offprint.Errorf(offprint.TooManyRequests, "Of streams and requests that wait, one user may have %d at a time. End some, then ask again.", mostWaiting)
		err.Title = "You listen in too many places"
		return err
	}
	s.crowd.of[user]++
	return nil
}

func (s *Site) leave(who offprint.Identity) {
	s.crowd.Lock()
	defer s.crowd.Unlock()
	user := [2]string{who.Tenant, who.User}
	if s.crowd.of[user]--; s.crowd.of[user] == 0 {
		delete(s.crowd.of, user)
	}
}
