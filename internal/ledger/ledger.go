// Package ledger keeps the book of runs and the queue they wait in, on SQLite
// or PostgreSQL. The two are one package because they are one transaction: a
// run is recorded if and only if it is queued, and ended if and only if word
// of it is queued.
//
// River dispatches, the ledger decides. A run has a lease and an epoch of its
// own; each epoch has one River job as its ticket, which is a nudge and never
// the truth. Every transition is one compare-and-set statement on (id, epoch,
// state), so whoever lost the right to a run cannot change it any more.
//
// The SQL is written once, in what both databases share; what differs is in
// type dialect.
package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/offprint/offprint"
)

// Options are how a ledger is opened; the zero value of each is its default.
type Options struct {
	Schema    string           // of PostgreSQL; default offprint
	ListenURL string           // session connections to the same PostgreSQL, for LISTEN; default the url itself
	Exclusive bool             // of SQLite: be the one process that makes or reaps; see Open
	Now       func() time.Time // default time.Now; never for leases, whose clock is the database's
	Log       *slog.Logger     // default: nothing is logged

	Lease time.Duration // a worker's right to a run without another word from it; default 6 s
	Beat  time.Duration // between such words; default 2 s
	Reap  time.Duration // between looks for lost workers; default 1 s

	GiveUp        time.Duration // how long tries that are not counted go on; default 24 h
	KeepRecords   time.Duration // of ended runs; default 400 d
	Remind        time.Duration // how long before a file is gone those who want to know are told; default 24 h, and never of one that is kept less than twice as long
	Queued        int           // most queued runs in all; beyond it Accept is Busy; default 100,000
	QueuedPerUser int           // beyond it Accept is TooManyRequests; default no limit

	MaxRuns map[string]int // by Run.Reads: how many such runs may be running at once, over all processes; others wait. Default no limit

	Backoff func(tries int) time.Duration // the pause after so many tries that failed; default 5 s, 30 s, 2 min, then 10 min
	Fail    func(step string) error       // for proofs: called before and after each commit, as "finish: before commit"; its error is the step's
}

func (o Options) withDefaults() Options {
	if o.Schema == "" {
		o.Schema = "offprint"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		option *time.Duration
		is     time.Duration
	}{
		{&o.Lease, 6 * time.Second},
		{&o.Beat, 2 * time.Second},
		{&o.Reap, time.Second},
		{&o.GiveUp, 24 * time.Hour},
		{&o.KeepRecords, 400 * 24 * time.Hour},
		{&o.Remind, 24 * time.Hour},
	} {
		if *d.option <= 0 {
			*d.option = d.is
		}
	}
	if o.Queued <= 0 {
		o.Queued = 100_000
	}
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	if o.Fail == nil {
		o.Fail = func(string) error { return nil }
	}
	return o
}

// A Ledger is safe for use by many goroutines, and one database by many
// processes; but of those that make or reap on SQLite there is only one.
type Ledger struct {
	o Options
	dialect
	url    string
	db     *sql.DB // on SQLite a single connection: its one writer
	reader *sql.DB // of whoever asks; no slow question of theirs holds up a beat
	inner  *sql.DB // of our own workers' and reapers' questions; on PostgreSQL the same as db
	lock   *sql.DB // of Exclusive
	queue  *river.Client[*sql.Tx]

	asked      chan *asking
	deaf       chan struct{} // closed once nobody listens to asked any more
	statements statements
	known      definitions
	order      order
	recent     recent
	hub        hub
	hearing    sync.Once
	node       string // who this process is to others

	fail    func(step string) error // see Options
	contact time.Duration           // how long work goes on without the database
	grace   time.Duration           // how long a Make whose context has ended may take to come back
	backoff func(tries int) time.Duration

	secret struct {
		sync.Mutex
		known []byte
	}

	closing context.Context // ends with Close; of the goroutines below
	close   context.CancelFunc
	running sync.WaitGroup // the committer, and the listener once somebody watches
}

// Open opens the ledger at url, sqlite:PATH or postgres://…, and brings its
// tables up to date. With Exclusive on SQLite it takes the lock beside the
// database, or says NotConfigured when another process has it, and puts back
// in the queue what a process that is no more was making.
func Open(ctx context.Context, url string, o Options) (*Ledger, error) {
	l, err := connect(ctx, url, o)
	if err != nil {
		return nil, err
	}
	if err := l.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate the ledger: %w", err), l.disconnect())
	}
	if l.lock != nil {
		err = l.reapAll(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reap after a restart: %w", err), l.disconnect())
	}
	l.running.Go(l.commit)
	return l, nil
}

// Migrate brings the tables at url up to date, and does nothing else.
func Migrate(ctx context.Context, url string, o Options) error {
	l, err := connect(ctx, url, o)
	if err != nil {
		return err
	}
	if err := l.migrate(ctx); err != nil {
		err = fmt.Errorf("migrate the ledger: %w", err)
		return errors.Join(err, l.disconnect())
	}
	return l.disconnect()
}

// Close answers what was asked, lets go of the lock and closes the database.
// Whoever called Work waits for it first.
func (l *Ledger) Close() error {
	l.close()
	l.running.Wait()
	return l.disconnect()
}

// Ping tells whether the ledger can answer.
func (l *Ledger) Ping(ctx context.Context) error {
	var n int
	if err := one(ctx, l.reader, `SELECT count(*) FROM settings WHERE name = ''`, nil, &n); err != nil {
		return fmt.Errorf("ask the ledger: %w", err)
	}
	return nil
}

// NewID is a run's id: run_ and 32 hexadecimal digits that grow with time.
func NewID() string { return newID("run_") }

func newID(prefix string) string {
	id := uuid.Must(uuid.NewV7()) // fails only where the machine has no random numbers
	return prefix + hex.EncodeToString(id[:])
}

// stamp is how a time is kept: microseconds since 1970, 0 for none.
func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func at(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// in is now and a pause; without one it is the zero time, which is at once.
func (l *Ledger) in(pause time.Duration) time.Time {
	if pause <= 0 {
		return time.Time{}
	}
	return l.now().Add(pause)
}

func (l *Ledger) now() time.Time { return l.o.Now().UTC().Truncate(time.Microsecond) }

var errNoRun = offprint.Errorf(offprint.NotFound, "There is no such run.")
