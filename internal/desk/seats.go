package desk

import (
	"context"
	"sync"

	"github.com/offprint/offprint"
)

// seats let each user have so many things done at a time.
type seats struct {
	most int
	mu   sync.Mutex
	of   map[[2]string]*seat // by tenant and user
}

type seat struct {
	taken chan struct{}
	users int // who sit or wait
}

func userOf(who offprint.Identity) [2]string { return [2]string{who.Tenant, who.User} }

func newSeats(most int) *seats { return &seats{most: most, of: make(map[[2]string]*seat)} }

// wait takes a seat, until leave is called, or answers with the cause that ctx ended.
func (s *seats) wait(ctx context.Context, who offprint.Identity) (leave func(), err error) {
	one := s.at(who)
	select {
	case one.taken <- struct{}{}:
		return func() { <-one.taken; s.left(who) }, nil
	case <-ctx.Done():
		s.left(who)
		return nil, context.Cause(ctx)
	}
}

// try takes a seat if one is free now.
func (s *seats) try(who offprint.Identity) (leave func(), ok bool) {
	one := s.at(who)
	select {
	case one.taken <- struct{}{}:
		return func() { <-one.taken; s.left(who) }, true
	default:
		s.left(who)
		return nil, false
	}
}

func (s *seats) at(who offprint.Identity) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := userOf(who)
	if s.of[user] == nil {
		s.of[user] = &seat{taken: make(chan struct{}, s.most)}
	}
	s.of[user].users++
	return s.of[user]
}

func (s *seats) left(who offprint.Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := userOf(who)
	if s.of[user].users--; s.of[user].users == 0 {
		delete(s.of, user)
	}
}
