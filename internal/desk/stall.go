package desk

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// A pulse tells a making that goes on from one that stands still, and what
// that one waits for. Whoever looks at it is another goroutine.
type pulse struct {
	moves   atomic.Int64 // grows with every row and every write
	storing atomic.Int32 // more than 0: the store has not come back
	phase   atomic.Value // offprint.Phase
}

func (p *pulse) enter(phase offprint.Phase) {
	p.phase.Store(phase)
	p.moves.Add(1)
}

// watchStall gives the job up once its making has stood still for too long,
// wherever it stands: it may never come back. Until the first row of a part
// the source's own time-outs hold, which come first if it hears them at all.
func (d *Desk) watchStall(job *ledger.Job, p *pulse) (stop func()) {
	last, since := p.moves.Load(), time.Now()
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(d.Stall / 20)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if moves := p.moves.Load(); moves != last {
				last, since = moves, time.Now()
			}
			if err := d.stalled(job.Run.Reads, p, time.Since(since)); err != nil {
				job.GiveUp(err)
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// stalled says why a making is given up that has stood still for so long.
func (d *Desk) stalled(reads string, p *pulse, still time.Duration) error {
	phase := p.phase.Load()
	switch {
	case still < d.Stall:
		return nil
	case p.storing.Load() > 0 || phase == offprint.Uploading:
		err := offprint.Errorf(offprint.StorageUnavailable, "It took nothing for %s. Your request is kept and tried again.", spoken(d.Stall))
		return titled(err, "The file store stopped answering")
	case phase == offprint.Writing:
		err := offprint.Errorf(offprint.SourceUnavailable, "It sent nothing for %s. Your request is kept and tried again.", spoken(d.Stall))
		return titled(err, "The "+sourceOf(reads)+" stopped answering")
	case still >= d.FirstRow+d.Stall:
		err := offprint.Errorf(offprint.SourceUnavailable, "Nothing came from it within %s. Your request is kept and tried again.", spoken(d.FirstRow+d.Stall))
		return titled(err, "The "+sourceOf(reads)+" did not answer")
	}
	return nil
}

// spoken is a length of time as people say it.
func spoken(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%g seconds", d.Seconds())
	}
	return fmt.Sprintf("%g minutes", d.Minutes())
}
