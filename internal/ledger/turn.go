package ledger

import (
	"context"
	"sync"
)

// A turn lets many in, or one alone. Once somebody waits to be alone nobody
// else gets in before.
type turn struct {
	mu      sync.Mutex
	inside  int
	alone   bool // who is inside wants no other
	waiting int  // to be alone
	freed   chan struct{}
}

// try gets in if nobody has to be waited for.
func (t *turn) try(alone bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enter(alone)
}

func (t *turn) enter(alone bool) bool {
	if alone && t.inside > 0 || !alone && (t.alone || t.waiting > 0) {
		return false
	}
	t.inside++
	t.alone = alone
	return true
}

// wait gets in, or answers the error of ctx.
func (t *turn) wait(ctx context.Context, alone bool) error {
	t.queue(alone, +1)
	defer t.queue(alone, -1)
	for {
		freed, in := t.next(alone)
		if in {
			return nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (t *turn) queue(alone bool, n int) {
	if !alone {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting += n
	t.wake()
}

// next tries again, or answers what to wait for.
func (t *turn) next(alone bool) (freed <-chan struct{}, in bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.enter(alone) {
		return nil, true
	}
	if t.freed == nil {
		t.freed = make(chan struct{})
	}
	return t.freed, false
}

// leave lets the next ones in.
func (t *turn) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inside--
	t.alone = false
	t.wake()
}

func (t *turn) wake() {
	if t.freed != nil {
		close(t.freed)
		t.freed = nil
	}
}
