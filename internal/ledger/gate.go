package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river"
)

// gates let few notices to one webhook be sent at once, so that one that
// answers slowly, or never, holds up no other. Who is not let in is held: it
// has no ticket and takes nobody's time, and whoever leaves calls the next one.
type gates struct {
	mu     sync.Mutex
	inside map[string]int // by address
}

func newGates() *gates { return &gates{inside: make(map[string]int)} }

// mostInside is so few that all the webhooks that one person may have do not
// fill the slots.
const mostInside = 3

// enter gets in, where there is room; an empty address has no gate.
func (g *gates) enter(address string) bool {
	if address == "" {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[address] >= mostInside {
		return false
	}
	g.inside[address]++
	return true
}

func (g *gates) leave(address string) {
	if address == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[address]--; g.inside[address] <= 0 {
		delete(g.inside, address)
	}
}

func (g *gates) hasRoom(address string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside[address] < mostInside
}

// heldLeases is how many leases a notice is held for; then the reaper calls it.
const heldLeases = 10

// holdNotice lets a notice wait for those to the same address. If one of these left
// meanwhile it did not find it, so it is called from here.
func (w *work) holdNotice(ctx context.Context, job *river.Job[tellTicket]) error {
	err := w.step(ctx, "hold a notice", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notices SET state = 'held', attempt = attempt + 1, ticket = 0, lease_until = `+w.clock+` + $1
			WHERE id = $2 AND attempt = $3 AND state = 'waiting'`, heldLeases*w.o.Lease.Microseconds(), job.Args.Notice, job.Args.Attempt)
		if err != nil {
			return err
		}
		return complete(ctx, tx, job)
	})
	if err != nil || !w.gates.hasRoom(job.Args.Address) {
		return err
	}
	return w.callNext(ctx, job.Args.Address)
}

// callNext gives the first that is held for the address its ticket.
func (w *work) callNext(ctx context.Context, address string) error {
	if address == "" {
		return nil
	}
	var n notice
	err := one(ctx, w.inner, `SELECT id, attempt, address, last_answer FROM notices WHERE address = $1 AND state = 'held' ORDER BY id LIMIT 1`,
		[]any{address}, &n.ID, &n.attempt, &n.Address, &n.answer)
	if err == nil {
		err = w.step(ctx, "call a notice", func(ctx context.Context, tx *sql.Tx) error {
			return w.retellAt(ctx, tx, n, `state = 'held'`, time.Time{}, n.answer)
		})
	}
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, errNotOurs) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("call the next notice: %w", err)
	}
	return nil
}
