package web

import (
	"context"
	"encoding/json"
	"slices"
	"sync"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/identity"
)

// A sight is a run as it was at a moment, and how the API shows it.
type sight struct {
	offprint.Run
	json []byte
}

// sights are shared by those who look at the same run at the same time, with
// the same right. Thousands who are nudged together read it once or twice.
type sights struct {
	sync.Mutex
	of map[onlooker]*looks
}

// An onlooker is everything that decides what somebody sees of a run.
type onlooker struct {
	run, tenant, user, key string
	impersonates           bool
}

// looks are the one that is being taken, and the one after it, if somebody
// came since it began: what they were told of may have been too late for it.
type looks struct{ now, next *look }

type look struct {
	done  chan struct{}
	sight *sight
	err   error
}

// look is the run as it was at some moment since look was called.
func (s *Site) look(ctx context.Context, who offprint.Identity, id string) (*sight, error) {
	by := onlooker{id, who.Tenant, who.User, who.Key.ID, slices.Contains(who.Scopes, identity.Impersonate)}
	mine, before, others := s.sights.join(by)
	if others {
		select {
		case <-mine.done:
			return mine.sight, mine.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if before != nil {
		<-before.done
	}
	defer s.sights.taken(by, mine)
	ctx = context.WithoutCancel(ctx) // others wait for it
	aside(func() {
		run, err := s.Desk.Get(ctx, who, id)
		if err == nil {
			mine.sight, err = s.seen(ctx, run)
		}
		mine.err = err
	})
	return mine.sight, mine.err
}

// sight is a run as it was just now.
func (s *Site) sight(ctx context.Context, run offprint.Run) (seen *sight, err error) {
	aside(func() { seen, err = s.seen(ctx, run) })
	return seen, err
}

func (s *Site) seen(ctx context.Context, run offprint.Run) (*sight, error) {
	view, err := s.viewed(ctx, &run)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(view)
	return &sight{run, text}, err
}

// join is the look that begins next, and the one that has to end before; of
// all who join, others but the first have it taken by them.
func (s *sights) join(by onlooker) (mine, before *look, others bool) {
	s.Lock()
	defer s.Unlock()
	l := s.of[by]
	switch {
	case l == nil:
		mine = &look{done: make(chan struct{}), err: errNotTaken}
		s.of[by] = &looks{now: mine}
	case l.next == nil:
		mine = &look{done: make(chan struct{}), err: errNotTaken}
		l.next, before = mine, l.now
	default:
		mine, others = l.next, true
	}
	return mine, before, others
}

// errNotTaken is for those who waited for somebody who panicked.
var errNotTaken = offprint.Errorf(offprint.Internal, "Nothing is lost. Try again.")

func (s *sights) taken(by onlooker, mine *look) {
	s.Lock()
	defer s.Unlock()
	l := s.of[by]
	if l.now, l.next = l.next, nil; l.now == nil {
		delete(s.of, by)
	}
	close(mine.done)
}
