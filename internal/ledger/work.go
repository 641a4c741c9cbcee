package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"github.com/offprint/offprint"
)

// Why the context of a Make ended before its work: its cause.
var (
	ErrCanceled = errors.New("the run was canceled")
	ErrLost     = errors.New("the right to make the run is lost")
	ErrDrain    = errors.New("this process is going down")
)

// Workers are who makes the runs and tells of them.
type Workers struct {
	Slots     int           // runs made at once; 0: none, but this process still reaps and tells
	TellSlots int           // notices sent at once; default 4
	HookSlots int           // of those to webhooks; default 64
	Drain     time.Duration // how long Work waits for what is being made once ctx has ended; default 25 s

	// Make makes the run's file. It is called on a goroutine of its own, which
	// ends with it. The code of its error decides what follows: see
	// offprint.Code.Decide; ErrUnknownVersion hands the run back, uncounted.
	// After ErrLost or ErrCanceled nothing that it answers counts any more.
	Make func(ctx context.Context, j *Job) (Made, error)
	// Tell sends a notice, within 30 seconds.
	Tell func(ctx context.Context, n offprint.Notice) error
}

// Made is what came of a Make.
type Made struct {
	File     offprint.File
	Outcome  offprint.Outcome
	Warnings []offprint.Warning
	AsOf     time.Time // the snapshot's; zero: what Job.At said
	Expires  time.Time // the file; zero: never
	Paces    []Pace    // of its parts
}

// A Job is one epoch's right to make a run.
type Job struct {
	Run        offprint.Run
	Definition string
	Alone      bool // nothing else is made in this process meanwhile: two workers were lost over this run

	is       record // the run as it was taken
	cancel   context.CancelCauseFunc
	settling atomic.Bool // its end is being written: what the beat says no longer matters
	probes   atomic.Bool // it is to find out whether its source answers again, and has not yet

	mu       sync.Mutex
	phase    offprint.Phase
	progress offprint.Progress
	asOf     time.Time
	changed  bool // since the last beat
}

// ticket is the right to make the run, which a later epoch of it is not.
func (j *Job) ticket() makeTicket { return makeTicket{j.Run.ID, j.is.epoch} }

// Blob is where the run's file of that name goes: <run>/<epoch>/<name>.
func (j *Job) Blob(name string) string {
	return j.Run.ID + "/" + strconv.FormatInt(j.is.epoch, 10) + "/" + name
}

// Report says how far the work is. It is cheap; the ledger stores the last
// word with the next beat.
func (j *Job) Report(phase offprint.Phase, p offprint.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p.AtLeast = max(p.AtLeast, j.progress.AtLeast)
	p.AtLeast = p.Percent()
	if phase == j.phase && p == j.progress {
		return
	}
	j.phase, j.progress, j.changed = phase, p, true
}

// GiveUp ends the attempt with this error, whether or not Make comes back.
func (j *Job) GiveUp(err error) { j.cancel(err) }

// At says of which instant the data is.
func (j *Job) At(asOf time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asOf, j.changed = asOf, true
}

const (
	fetchCooldown = 2 * time.Millisecond
	fetchPoll     = 300 * time.Millisecond
)

// work is one call of Work.
type work struct {
	*Ledger
	Workers
	client *river.Client[*sql.Tx]
	turn   turn
	gates  *gates
	name   string

	mu       sync.Mutex
	held     map[makeTicket]*Job     // what is being made here
	telling  map[tellTicket]struct{} // and sent
	draining atomic.Bool
	over     atomic.Bool // the time that draining gives
}

// Work makes runs and sends notices until ctx ends. Then it takes no more of
// them, waits Drain for those at hand, puts back in the queue what is not
// done by then, and returns when all are back.
func (l *Ledger) Work(ctx context.Context, o Workers) error {
	w := &work{Ledger: l, Workers: o, gates: newGates(), name: newID(""), held: map[makeTicket]*Job{}, telling: map[tellTicket]struct{}{}}
	if w.TellSlots <= 0 {
		w.TellSlots = 4
	}
	if w.HookSlots <= 0 {
		w.HookSlots = 64
	}
	if w.Drain <= 0 {
		w.Drain = 25 * time.Second
	}
	if err := w.open(); err != nil {
		return err
	}
	if err := w.attend(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	beating, still := context.WithCancel(context.WithoutCancel(ctx))
	var beats sync.WaitGroup
	beats.Go(func() { w.beatUntil(beating) })
	<-ctx.Done()
	err := w.drain(context.WithoutCancel(ctx))
	still()
	beats.Wait()
	return err
}

func (w *work) open() (err error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &maker{w: w})
	river.AddWorker(workers, &teller{w: w})
	w.client, err = river.NewClient(w.driver, &river.Config{
		Schema:                      w.schema,
		Logger:                      w.riverLog(),
		Workers:                     workers,
		Queues:                      map[string]river.QueueConfig{idleQueue: {MaxWorkers: 1, FetchPollInterval: time.Hour}},
		JobTimeout:                  -1,
		RescueStuckJobsAfter:        time.Minute, // settles tickets whose worker is gone
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		CompletedJobRetentionPeriod: time.Hour, // a ticket is no record
		CancelledJobRetentionPeriod: time.Hour,
		DiscardedJobRetentionPeriod: 24 * time.Hour,
	})
	if err != nil {
		return fmt.Errorf("open the queue: %w", err)
	}
	return nil
}

// idleQueue is the one queue that River starts with and that is never removed.
// River waits for the queues it started with, and for ever when one of them is
// removed before that wait has begun; queues added later it does not wait for.
const idleQueue = "idle"

func (w *work) attend(ctx context.Context) error {
	if err := w.client.Start(ctx); err != nil {
		return err
	}
	err := w.client.Queues().Add(tellQueue, river.QueueConfig{MaxWorkers: w.TellSlots})
	if err == nil {
		err = w.client.Queues().Add(hookQueue, river.QueueConfig{MaxWorkers: w.HookSlots})
	}
	if err == nil && w.Slots > 0 {
		err = w.client.Queues().Add(makeQueue, river.QueueConfig{MaxWorkers: w.Slots})
	}
	if err != nil {
		return errors.Join(err, w.client.StopAndCancel(ctx))
	}
	return nil
}

// drain ends the work in order: no new tickets, time for what is at hand, its
// way back into the queue. Cancel and the beats go on meanwhile. River removes
// one queue at a time; tickets of the queue that waited for the other would be
// fetched and handed on for ever, so those of reports come first.
func (w *work) drain(ctx context.Context) error {
	w.draining.Store(true)
	deadline := time.AfterFunc(w.Drain, func() {
		w.over.Store(true)
		w.cancelAll(ErrDrain)
	})
	defer deadline.Stop()
	limit, cancel := context.WithTimeout(ctx, w.Drain+stepLimit)
	defer cancel()
	var err error
	if w.Slots > 0 {
		err = w.remove(limit, makeQueue)
	}
	if err := errors.Join(err, w.remove(limit, hookQueue), w.remove(limit, tellQueue)); err != nil {
		w.o.Log.ErrorContext(ctx, "some work did not end in time; the reaper will find it", "err", err)
	}
	stop, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	if err := w.client.StopAndCancel(stop); err != nil {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return nil
}

// remove stops fetching from a queue and waits for what was fetched.
func (w *work) remove(ctx context.Context, queue string) error {
	err := w.client.Queues().Remove(ctx, queue)
	if err != nil {
		return fmt.Errorf("drain the queue %s: %w", queue, err)
	}
	return nil
}

func (w *work) cancelAll(cause error) {
	for _, j := range w.jobs() {
		j.cancel(cause)
	}
}

// jobs are what is being made here.
func (w *work) jobs() []*Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	jobs := make([]*Job, 0, len(w.held))
	for _, j := range w.held {
		jobs = append(jobs, j)
	}
	return jobs
}
