package desk

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// An Outlook is what can be said of a run's time to come.
type Outlook struct {
	Position int           // in line, from 1; 0: not waiting
	Starts   time.Duration // until a worker is free for it; 0: at once, or not known
	Left     time.Duration // until its file is there; 0: not known
}

// Outlook looks ahead. It is cheap: what a run that is made says of itself
// stands in its record, and the line is read once a second for all who wait.
func (d *Desk) Outlook(ctx context.Context, run *offprint.Run) (Outlook, error) {
	switch run.State {
	case offprint.Queued:
		return d.ahead(ctx, run)
	case offprint.Running:
		if !run.Progress.Due.IsZero() {
			return Outlook{Left: run.Progress.Left(d.Now())}, nil
		}
		took, err := d.history.usual(ctx, standingOf(run)) // its worker has not said anything yet
		if err != nil {
			return Outlook{}, err
		}
		return Outlook{Left: max(0, took-d.Now().Sub(run.Started))}, nil
	}
	return Outlook{}, nil
}

func (d *Desk) ahead(ctx context.Context, run *offprint.Run) (Outlook, error) {
	n, err := d.Ledger.Ahead(ctx, run)
	if err != nil {
		return Outlook{}, fmt.Errorf("queue position: %w", err)
	}
	ahead := Outlook{Position: n + 1}
	if run.NextAttempt.After(d.Now()) {
		return ahead, nil
	}
	starts, known, err := d.line.starts(ctx, d, run.ID)
	if err != nil || !known {
		return ahead, err
	}
	took, err := d.history.usual(ctx, standingOf(run))
	if err != nil {
		return ahead, err
	}
	if ahead.Starts = max(0, starts.Sub(d.Now())); took > 0 {
		ahead.Left = ahead.Starts + took
	}
	return ahead, nil
}

func standingOf(r *offprint.Run) ledger.Standing {
	return ledger.Standing{ID: r.ID, Tenant: r.Who.Tenant, Report: r.Report, Format: r.Format, Reads: r.Reads, Wanted: ledger.WantedOf(r), Started: r.Started}
}

// A history remembers for a short time what reports came to, so that a list of
// runs, or a long line of them, asks the ledger for it once.
type history struct {
	ledger *ledger.Ledger
	now    func() time.Time
	mu     sync.Mutex
	of     map[kind]remembered
}

// A kind of run is what History is kept by.
type kind struct{ tenant, report, format string }

type remembered struct {
	past []ledger.Past
	at   time.Time
}

const (
	remembers = 10 * time.Second
	mostKinds = 1000
)

// fresh asks the ledger.
func (h *history) fresh(ctx context.Context, k kind) ([]ledger.Past, error) {
	past, err := h.ledger.History(ctx, k.tenant, k.report, k.format)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || len(h.of) >= mostKinds {
		h.of = make(map[kind]remembered)
	}
	h.of[k] = remembered{past, h.now()}
	return past, nil
}

// known is what is remembered; stale tells that it is older than it should be.
func (h *history) known(k kind) (past []ledger.Past, stale bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.of[k]
	return r.past, !ok || h.now().Sub(r.at) > remembers
}

// usual is how long a run like this takes; 0 is not known.
func (h *history) usual(ctx context.Context, s ledger.Standing) (time.Duration, error) {
	k := kind{s.Tenant, s.Report, s.Format}
	past, stale := h.known(k)
	if stale {
		var err error
		if past, err = h.fresh(ctx, k); err != nil {
			return 0, err
		}
	}
	return usually(past, s), nil
}

func usually(past []ledger.Past, s ledger.Standing) time.Duration {
	return mean(middle(alike(past, s.Wanted)), func(p ledger.Past) time.Duration { return p.Took })
}
