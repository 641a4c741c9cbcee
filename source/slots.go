package source

import (
	"context"
	"sync"

	"github.com/offprint/offprint"
)

// slots let so many runs read at a time.
type slots struct {
	taken chan struct{}
	done  sync.Once
}

func newSlots(n int) *slots { return &slots{taken: make(chan struct{}, n)} }

func (s *slots) take(ctx context.Context) error {
	select {
	case s.taken <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *slots) give() { <-s.taken }

// glance takes a slot for a request that only glances, before it takes a
// connection.
func (d *Database) glance(ctx context.Context, req offprint.Request) (leave func(), err error) {
	if !req.Glance {
		return func() {}, nil
	}
	return d.glances.give, d.glances.take(ctx)
}

// close waits for the runs that still read.
func (s *slots) close() {
	s.done.Do(func() {
		for range cap(s.taken) {
			s.taken <- struct{}{}
		}
	})
}
