package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

var firstSeed = flag.Uint64("seed", 0, "of TestTheLedgerIsAsItsModel; 0: another each time")

// TestTheLedgerIsAsItsModel does things in a random order to a ledger that two
// processes work on, and to a model of it, and compares the two after each. A
// seed that failed is played again with -seed.
func TestTheLedgerIsAsItsModel(t *testing.T) {
	const seeds, steps = 3, 60
	first := cmp.Or(*firstSeed, uint64(time.Now().UnixNano()%1e9))
	for seed := first; seed < first+seeds; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				moves := make([]byte, 2*steps)
				r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24), byte(seed >> 32)})
				_, _ = r.Read(moves) // never fails
				newWorld(b).play(moves)
			})
		})
	}
}

// FuzzTheLedgerIsAsItsModel is the same, with a fuzzer that chooses what is done.
func FuzzTheLedgerIsAsItsModel(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 4, 0, 13, 0, 0, 2, 9, 0, 9, 0, 9, 0, 10, 1})
	f.Add([]byte{0, 0, 6, 1, 12, 0, 11, 0, 11, 1, 0, 3, 11, 0, 22, 0, 22, 1, 22, 2})
	f.Add([]byte{0, 1, 4, 0, 16, 0, 13, 9, 14, 0, 15, 0, 18, 0, 0, 0, 20, 0, 19, 0, 23, 0})
	f.Add([]byte{0, 5, 4, 0, 13, 2, 24, 0, 16, 0, 13, 5, 24, 0, 0, 5, 4, 0, 16, 1, 13, 3, 24, 0, 13, 0, 24, 0, 0, 5, 4, 0, 13, 2, 13, 0, 24, 0, 14, 0})
	f.Fuzz(func(t *testing.T, moves []byte) {
		newWorld(&bench{T: t, url: migrated(t)}).play(moves[:min(len(moves), 40)]) // a fuzzer waits ten seconds at most
	})
}

// A model is what the ledger should answer. It knows nothing of epochs,
// tickets and leases. What is out of reach here is the store: a source out of
// reach makes others wait, which probe_test.go tells of.
type model struct {
	now  time.Time
	up   [2]bool // who works
	runs []modelled
}

type modelled struct {
	state                     offprint.State
	failures, outages, losses int
	code                      offprint.Code // of its problem
	waits                     bool          // for its time to come
	until                     time.Time
	starts                    int

	file            offprint.FileState
	expires, doomed time.Time
	remind          time.Time // when to tell of its expiry
	reminded        bool

	title          string
	created        time.Time
	shop, told     bool // reads the shop; tells somebody of its end
	curious        bool // and of the expiry of its file
	erased, forgot bool
}

func (r *modelled) gone() bool { return r.erased || r.forgot }

const (
	modelPlaces   = 2 // of the shop
	modelAttempts = 3
	modelGiveUp   = 3 * time.Hour
	modelPause    = time.Hour
	modelKeep     = 24 * time.Hour
	modelFile     = 2 * time.Hour
	modelRemind   = 40 * time.Minute
	mostAlive     = 8 // one process has as many slots
)

// then is the model after something was done, and after what follows from it
// by itself: whoever may start does, the oldest first.
func (m model) then(do func(m *model)) model {
	m.runs = slices.Clone(m.runs)
	do(&m)
	if !m.works() {
		return m
	}
	free := modelPlaces - m.count(func(r *modelled) bool { return r.shop && r.state == offprint.Running })
	for i := range m.runs {
		r := &m.runs[i]
		if r.state != offprint.Queued || r.waits || r.shop && free == 0 {
			continue
		}
		if r.shop {
			free--
		}
		r.state = offprint.Running
		r.starts++
	}
	return m
}

func (m *model) works() bool { return m.up[0] || m.up[1] }

func (m *model) count(is func(*modelled) bool) (n int) {
	for i := range m.runs {
		if r := &m.runs[i]; !r.gone() && is(r) {
			n++
		}
	}
	return n
}

// makes tells whether the run is at this start of it.
func (r *modelled) makes(start int) bool { return r.state == offprint.Running && r.starts == start }

func (r *modelled) end(state offprint.State, code offprint.Code) {
	r.state, r.code, r.waits, r.until = state, code, false, time.Time{}
}

func (r *modelled) finish(now time.Time) {
	r.end(offprint.Succeeded, "")
	r.file, r.expires = offprint.Available, now.Add(modelFile)
	r.wait()
}

// wait is for the time to tell of the file's expiry.
func (r *modelled) wait() {
	if r.curious && !r.reminded {
		r.remind = r.expires.Add(-modelRemind)
	}
}

func (r *modelled) fail(now time.Time, code offprint.Code, pause time.Duration) {
	next := time.Time{}
	if pause > 0 {
		next = now.Add(pause)
	}
	again := false
	switch code.Decide() {
	case offprint.Attempts:
		r.failures++
		r.until, again = time.Time{}, r.failures < modelAttempts
	case offprint.Again:
		if r.until.IsZero() {
			r.until = now.Add(modelGiveUp)
		}
		if again = r.until.After(now) && r.until.After(next); again {
			r.outages++
		}
	}
	if !again {
		r.end(offprint.Failed, code)
		return
	}
	r.state, r.code, r.waits = offprint.Queued, code, pause > 0
}

func (r *modelled) lose(counts bool) {
	if counts {
		r.losses++
	}
	r.state = offprint.Queued
	if r.losses == mostLosses {
		r.end(offprint.Failed, offprint.WorkerLost)
	}
}

func (r *modelled) cancel() {
	if !r.state.Final() {
		r.end(offprint.Canceled, "")
	}
}

// A world is a ledger, who works on it, and the model of it.
type world struct {
	*bench
	l     *Ledger // of nobody who works: it asks, and reaps
	nodes [2]*player
	clock *clock
	pause atomic.Int64 // before another try
	model model
	ids   []string
	keys  []string // of files
	seen  []int64  // revisions
	moved int64    // how many moves of the ledger were looked at
	done  []string

	mu   sync.Mutex
	told map[string]int
}

// A player is one process.
type player struct {
	l      *Ledger
	frozen atomic.Bool // its beats do not arrive
	stop   func()

	mu     sync.Mutex
	name   string // in leases
	making map[makeTicket]*part
}

// A part is a Make that waits for its cue.
type part struct {
	job  *Job
	cue  chan result
	deaf atomic.Bool // it does not hear that its context ended
}

func newWorld(b *bench) *world {
	c := newClock()
	o := quick()
	o.Lease, o.Beat, o.Reap = time.Hour, 100*time.Millisecond, 20*time.Minute // a lease ends only where a test ends it
	o.Now, o.GiveUp, o.KeepRecords, o.Remind = c.now, modelGiveUp, modelKeep, modelRemind
	o.MaxRuns = map[string]int{"shop": modelPlaces}
	w := &world{bench: b, clock: c, l: b.open(o), told: map[string]int{}, model: model{now: c.now()}}
	w.record()
	for i := range w.nodes {
		p := &player{l: b.open(o), making: map[makeTicket]*part{}}
		p.l.backoff = func(int) time.Duration { return time.Duration(w.pause.Load()) }
		p.l.fail = func(step string) error {
			if p.frozen.Load() && step == "beat: before commit" {
				return errCut
			}
			return nil
		}
		w.nodes[i] = p
		w.start(i)
	}
	w.model.up = [2]bool{true, true}
	return w
}

func (w *world) start(i int) {
	w.nodes[i].stop = w.work(w.nodes[i].l, Workers{Slots: mostAlive, Drain: time.Millisecond, Make: w.nodes[i].make, Tell: w.tell})
}

func (p *player) make(ctx context.Context, j *Job) (Made, error) {
	part := &part{job: j, cue: make(chan result, 1)}
	p.mu.Lock()
	p.name, _, _ = strings.Cut(j.is.owner, "/")
	p.making[j.ticket()] = part
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.making, j.ticket())
	}()
	select {
	case r := <-part.cue:
		return r.made, r.err
	case <-ctx.Done():
	}
	if !part.deaf.Load() {
		return Made{}, context.Cause(ctx)
	}
	r := <-part.cue
	return r.made, r.err
}

func (w *world) tell(_ context.Context, n offprint.Notice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told[n.ID]++
	return nil
}

// part is who makes this epoch of a run, if somebody does.
func (w *world) part(t makeTicket) *part {
	for _, p := range w.nodes {
		p.mu.Lock()
		part := p.making[t]
		p.mu.Unlock()
		if part != nil {
			return part
		}
	}
	return nil
}

// record has the database write down every move of a run.
func (w *world) record() {
	texts := []string{
		`CREATE TABLE moves (id INTEGER PRIMARY KEY, run TEXT, was TEXT, now TEXT, epoch_was INTEGER, epoch_now INTEGER, revision_was INTEGER, revision_now INTEGER)`,
		`CREATE TRIGGER moved AFTER UPDATE ON runs WHEN OLD.state <> NEW.state OR OLD.epoch <> NEW.epoch OR OLD.revision > NEW.revision BEGIN
			INSERT INTO moves (run, was, now, epoch_was, epoch_now, revision_was, revision_now) VALUES (OLD.id, OLD.state, NEW.state, OLD.epoch, NEW.epoch, OLD.revision, NEW.revision); END`,
	}
	if w.l.listen != nil {
		texts = []string{
			`CREATE TABLE moves (id BIGSERIAL PRIMARY KEY, run TEXT, was TEXT, now TEXT, epoch_was BIGINT, epoch_now BIGINT, revision_was BIGINT, revision_now BIGINT)`,
			`CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				INSERT INTO moves (run, was, now, epoch_was, epoch_now, revision_was, revision_now) VALUES (OLD.id, OLD.state, NEW.state, OLD.epoch, NEW.epoch, OLD.revision, NEW.revision); RETURN NULL; END $$`,
			`CREATE TRIGGER moved AFTER UPDATE ON runs FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.epoch <> NEW.epoch OR OLD.revision > NEW.revision) EXECUTE FUNCTION moved()`,
		}
	}
	for _, text := range texts {
		if _, err := w.l.db.ExecContext(w.Context(), text); err != nil {
			w.Fatal(err)
		}
	}
}

// play does what the bytes say, two for each step: what, and to which run.
func (w *world) play(moves []byte) {
	defer func() {
		if w.Failed() {
			w.Logf("it did:\n%s", strings.Join(w.done, "\n"))
		}
	}()
	w.settle(w.model)
	for ; len(moves) >= 2; moves = moves[2:] {
		w.step(int(moves[0]), int(moves[1]))
		w.check()
	}
	w.epilogue()
}

// did is told when a test fails.
func (w *world) did(what string, args ...any) {
	w.done = append(w.done, fmt.Sprintf(what, args...))
}

// pick is one of the runs of which it holds, or -1.
func (w *world) pick(n int, is func(*modelled) bool) int {
	var fit []int
	for i := range w.model.runs {
		if r := &w.model.runs[i]; !r.gone() && is(r) {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return fit[n%len(fit)]
}

func alive(r *modelled) bool   { return !r.state.Final() }
func running(r *modelled) bool { return r.state == offprint.Running }
func anyRun(*modelled) bool    { return true }
func waiting(r *modelled) bool { return r.waits }

func (w *world) step(what, n int) {
	switch what % 25 {
	case 0, 1, 2, 3:
		w.accepts(n)
	case 4, 5, 6, 7:
		if d := w.makeEnd(what%25-4, n); d != nil {
			w.does(*d)
		}
	case 8:
		w.progress(n)
	case 9:
		if d := w.loss(n); d != nil {
			comeBack := w.zombie(n)
			w.does(*d)
			comeBack()
		}
	case 10:
		if d := w.cancellation(n); d != nil {
			w.does(*d)
		}
	case 11:
		w.toggle(n % 2)
	case 12:
		w.due(n)
	case 13:
		w.later(time.Duration(1+n%6) * 31 * time.Minute)
	case 14:
		w.expire()
	case 15:
		w.clear()
	case 16:
		w.keepLonger(n)
	case 17:
		w.deleteFile(n)
	case 18:
		w.erase(n)
	case 19:
		w.replay(n)
	case 20:
		w.rename(n)
	case 21:
		w.loseTicket(n)
	case 22:
		w.together(n)
	case 23:
		w.forgetOld(n)
	case 24:
		w.remind()
	}
}

// A deed is something done to the ledger, and what it is to the model: one of
// these, where that depends on who comes first.
type deed struct {
	name string
	do   func()
	is   []func(m *model)
}

func (w *world) does(d deed) {
	w.did("%s", d.name)
	d.do()
	var may []model
	for _, is := range d.is {
		may = append(may, w.model.then(is))
	}
	w.settle(may...)
}

func (w *world) accepts(n int) {
	if w.model.count(alive) >= mostAlive {
		return
	}
	i := len(w.ids)
	a := keyed(fmt.Sprint(i), "body")
	a.Run.MaxAttempts = modelAttempts
	r := modelled{state: offprint.Queued, created: w.model.now, title: a.Run.Title, shop: n%4 != 3, told: n%2 == 1, curious: n%4 == 1}
	if !r.shop {
		a.Run.Reads = "stock"
	}
	if r.told {
		a.Run.Notify = addressees("x:y")
	}
	if r.curious {
		a.Run.Notify[0].Events = append(slices.Clone(offprint.Ends), offprint.RunExpiring)
	}
	w.does(deed{name: fmt.Sprintf("accept %d, shop %v", i, r.shop), do: func() {
		w.ids, w.keys, w.seen = append(w.ids, w.accept(w.l, a)), append(w.keys, ""), append(w.seen, 0)
	}, is: []func(*model){func(m *model) { m.runs = append(m.runs, r) }}})
}

// makeEnd ends the Make of a run that has one; one that waits its turn in its
// process has none yet.
func (w *world) makeEnd(how, n int) *deed {
	i := w.pick(n, running)
	if i < 0 {
		return nil
	}
	part := w.part(w.ticket(i))
	if part == nil {
		return nil
	}
	start, now := w.model.runs[i].starts, w.model.now
	if how == 0 {
		made := csvOf(part.job)
		made.Expires = now.Add(modelFile)
		return &deed{name: fmt.Sprint("finish ", i), do: func() {
			w.keys[i] = made.File.Key
			part.cue <- result{made: made}
		}, is: []func(*model){func(m *model) {
			if r := &m.runs[i]; r.makes(start) {
				r.finish(now)
			}
		}}}
	}
	err := []*offprint.Error{
		offprint.Errorf(offprint.Internal, "A bug."), offprint.Errorf(offprint.StorageUnavailable, "It is down."), offprint.Errorf(offprint.BadQuery, "No."),
	}[how-1]
	pause := time.Duration(n / 64 % 2 * int(modelPause))
	return &deed{name: fmt.Sprintf("fail %d: %s, pause %v", i, err.Code, pause), do: func() {
		w.pause.Store(int64(pause))
		part.cue <- result{err: err}
	}, is: []func(*model){func(m *model) {
		if r := &m.runs[i]; r.makes(start) {
			r.fail(now, err.Code, pause)
		}
	}}}
}

func (w *world) ticket(i int) makeTicket {
	r, err := w.l.get(w.Context(), w.ids[i])
	if err != nil {
		w.Fatal(err)
	}
	return makeTicket{r.ID, r.epoch}
}

// progress is a word that the next beat stores.
func (w *world) progress(n int) {
	i := w.pick(n, running)
	if i < 0 {
		return
	}
	part := w.part(w.ticket(i))
	if part == nil {
		return
	}
	w.did("beat of %d", i)
	rows := int64(len(w.done))
	part.job.Report(offprint.Writing, offprint.Progress{Rows: rows, RowsTotal: 1000, Exact: true})
	w.eventually(fmt.Sprintf("run %d has %d rows", i, rows), func() bool { return w.get(w.l, w.ids[i]).Progress.Rows == rows })
}

// loss has the lease of a run end, and a reaper look.
func (w *world) loss(n int) *deed {
	i := w.pick(n, running)
	if i < 0 {
		return nil
	}
	start, lost := w.model.runs[i].starts, w.ticket(i)
	lose := func(counts bool) func(m *model) {
		return func(m *model) {
			if r := &m.runs[i]; r.makes(start) {
				r.lose(counts)
			}
		}
	}
	d := &deed{name: fmt.Sprint("lose ", i), do: func() { w.lapse(lost) }, is: []func(*model){lose(true)}}
	if w.part(lost) == nil { // it waits its turn, which may just come
		d.is = append(d.is, lose(false))
	}
	return d
}

// zombie has who loses a run, if n says so, come back with its file once
// others have taken it over, and be refused: see who looks next.
func (w *world) zombie(n int) (comeBack func()) {
	part := w.part(w.ticket(w.pick(n, running)))
	if part == nil || n < 128 {
		return func() {}
	}
	part.deaf.Store(true)
	return func() {
		w.did("which comes back")
		part.cue <- result{made: csvOf(part.job)}
	}
}

func (w *world) lapse(t makeTicket) {
	for _, p := range w.nodes {
		p.frozen.Store(true)
		defer p.frozen.Store(false)
	}
	if _, err := w.l.db.ExecContext(context.Background(), `UPDATE running SET lease_until = 1 WHERE run = $1 AND epoch = $2`, t.Run, t.Epoch); err != nil {
		w.Error(err)
	}
	w.reap()
}

// reap is one round of a process that heard of the ledger for a long time.
func (w *world) reap() {
	r := reaper{Ledger: w.l, renew: func(context.Context) error { return nil }, good: time.Now().Add(-2 * time.Hour), seen: map[int64]time.Time{}}
	if err := r.round(context.Background()); err != nil {
		w.Errorf("reap: %v", err)
	}
}

func (w *world) cancellation(n int) *deed {
	i := w.pick(n, anyRun)
	if i < 0 {
		return nil
	}
	return &deed{name: fmt.Sprint("cancel ", i), do: func() {
		if r, err := w.l.Cancel(context.Background(), w.ids[i]); err != nil || !r.State.Final() {
			w.Errorf("cancel %d: %s, %v", i, r.State, err)
		}
	}, is: []func(*model){func(m *model) { m.runs[i].cancel() }}}
}

// toggle drains a process, or starts it again.
func (w *world) toggle(node int) {
	if !w.model.up[node] {
		w.does(deed{name: fmt.Sprint("start node ", node), do: func() { w.start(node) }, is: []func(*model){func(m *model) { m.up[node] = true }}})
		return
	}
	w.does(w.drain(node))
}

// drain hands back what the process makes. Where another is, it goes on there.
func (w *world) drain(node int) deed {
	starts := make([]int, len(w.ids)) // of what this process makes
	for i := range w.model.runs {
		if r := &w.model.runs[i]; running(r) && w.owns(node, i) {
			starts[i] = r.starts
		}
	}
	return deed{name: fmt.Sprint("drain node ", node), do: func() { w.nodes[node].stop() }, is: []func(*model){func(m *model) {
		m.up[node] = false
		for i, start := range starts {
			if r := &m.runs[i]; r.makes(start) {
				r.state = offprint.Queued
			}
		}
	}}}
}

// owns tells whether a node has the run, be it that it waits its turn there.
// Then something else was made there before, so the node's name is known.
func (w *world) owns(node, i int) bool {
	r, err := w.l.get(w.Context(), w.ids[i])
	if err != nil {
		w.Fatal(err)
	}
	p := w.nodes[node]
	p.mu.Lock()
	defer p.mu.Unlock()
	name, _, _ := strings.Cut(r.owner, "/")
	return p.name == name
}

// due has the time come of a run that waits for it. It waits for a worker's
// scheduler otherwise, which has another clock.
func (w *world) due(n int) {
	i := w.pick(n, waiting)
	if i < 0 || !w.model.works() {
		return
	}
	w.does(deed{name: fmt.Sprint("due ", i), do: func() {
		r, err := w.l.get(w.Context(), w.ids[i])
		if err == nil {
			_, err = w.l.queue.JobRetry(w.Context(), r.ticket)
		}
		if err != nil {
			w.Fatal(err)
		}
	}, is: []func(*model){func(m *model) { m.runs[i].waits = false }}})
}

// loseTicket deletes the ticket of a run that waits; a reaper gives it another.
func (w *world) loseTicket(n int) {
	i := w.pick(n, waiting)
	if i < 0 || !w.model.works() {
		return
	}
	w.does(deed{name: fmt.Sprint("lose the ticket of ", i), do: func() {
		r, err := w.l.get(w.Context(), w.ids[i])
		if err == nil {
			_, err = w.l.queue.JobDelete(w.Context(), r.ticket)
		}
		if err != nil {
			w.Fatal(err)
		}
		w.reap()
	}, is: []func(*model){func(m *model) { m.runs[i].waits = false }}})
}

func (w *world) later(d time.Duration) {
	w.does(deed{name: fmt.Sprint("later by ", d), do: func() { w.clock.add(d) }, is: []func(*model){func(m *model) { m.now = m.now.Add(d) }}})
}

func (w *world) expire() {
	now := w.model.now
	past := func(r *modelled) bool { return r.file == offprint.Available && !r.expires.After(now) }
	w.counts("expire", w.model.count(past), w.l.Expire, func(m *model) {
		for i := range m.runs {
			if r := &m.runs[i]; past(r) {
				r.file, r.doomed = offprint.FileExpired, now
			}
		}
	})
}

// remind tells of files that will soon be gone. Where nobody works, nobody would
// be told before their time.
func (w *world) remind() {
	if !w.model.works() {
		return
	}
	now := w.model.now
	due := func(r *modelled) bool {
		return r.file == offprint.Available && !r.remind.IsZero() && !r.remind.After(now)
	}
	var told []string
	for i := range w.model.runs {
		if r := &w.model.runs[i]; !r.gone() && due(r) && r.expires.After(now) {
			told = append(told, w.ids[i])
		}
	}
	w.counts("remind", w.model.count(due), w.l.Remind, func(m *model) {
		for i := range m.runs {
			if r := &m.runs[i]; !r.gone() && due(r) {
				r.remind, r.reminded = time.Time{}, r.expires.After(now)
			}
		}
	})
	for _, id := range told {
		w.eventually("a reminder is told", func() bool { return w.delivered(id, offprint.RunExpiring) })
	}
}

// counts does what answers how many runs it was done to.
func (w *world) counts(name string, want int, do func(context.Context, int) (int, error), is func(*model)) {
	w.does(deed{name: name, do: func() {
		if n, err := do(w.Context(), 100); err != nil || n != want {
			w.Errorf("%s: %d, %v; want %d", name, n, err, want)
		}
	}, is: []func(*model){is}})
}

// clear is what a sweep does with files that expired an hour ago.
func (w *world) clear() {
	before := w.model.now.Add(-time.Hour)
	doomed := func(r *modelled) bool { return r.file == offprint.FileExpired && !r.doomed.After(before) }
	w.counts("clear", w.model.count(doomed), func(ctx context.Context, limit int) (int, error) {
		runs, err := w.l.Doomed(ctx, time.Hour, limit)
		for _, r := range runs {
			err = errors.Join(err, w.l.Gone(ctx, r.ID, r.File.Key))
		}
		return len(runs), err
	}, func(m *model) {
		for i := range m.runs {
			if r := &m.runs[i]; !r.gone() && doomed(r) {
				r.file = offprint.Deleted
			}
		}
	})
}

// answers does what may be refused.
func (w *world) answers(name string, i int, want offprint.Code, do func(id string) error, is func(r *modelled)) {
	w.does(deed{name: fmt.Sprint(name, " ", i), do: func() {
		if err := do(w.ids[i]); offprint.CodeOf(err) != want {
			w.Errorf("%s %d: %v, want %q", name, i, err, want)
		}
	}, is: []func(*model){func(m *model) {
		if want == "" {
			is(&m.runs[i])
		}
	}}})
}

// fileCode is why nothing can be done to the run's file.
func (r *modelled) fileCode(unended offprint.Code) offprint.Code {
	switch {
	case !r.state.Final():
		return unended
	case r.file == "":
		return offprint.NoFile
	}
	return ""
}

func (w *world) keepLonger(n int) {
	i := w.pick(n, anyRun)
	if i < 0 {
		return
	}
	r, until := w.model.runs[i], w.model.now.Add(modelFile+time.Hour)
	want := r.fileCode(offprint.NotReady)
	if want == "" && (r.file != offprint.Available || !r.expires.After(w.model.now)) {
		want = offprint.Conflict
	}
	w.answers("keep longer", i, want, func(id string) error {
		_, err := w.l.Amend(w.Context(), id, Amendment{Expires: &until})
		return err
	}, func(r *modelled) {
		r.expires = until
		r.wait()
	})
}

func (w *world) deleteFile(n int) {
	i := w.pick(n, anyRun)
	if i < 0 {
		return
	}
	w.answers("delete the file of", i, w.model.runs[i].fileCode(offprint.NotEnded), func(id string) error {
		_, err := w.l.DeleteFile(w.Context(), id)
		return err
	}, func(r *modelled) {
		if r.file != offprint.Deleted {
			r.file, r.doomed = offprint.FileExpired, time.Time{}
		}
	})
}

func (w *world) erase(n int) {
	i := w.pick(n, anyRun)
	if i < 0 {
		return
	}
	var want offprint.Code
	if alive(&w.model.runs[i]) {
		want = offprint.NotEnded
	}
	w.answers("erase", i, want, func(id string) error { return w.l.Erase(w.Context(), id) }, func(r *modelled) { r.erased = true })
}

func (w *world) rename(n int) {
	if d := w.renaming(w.pick(n, anyRun)); d != nil {
		w.does(*d)
	}
}

func (w *world) renaming(i int) *deed {
	if i < 0 {
		return nil
	}
	title := fmt.Sprint("Title ", len(w.done))
	return &deed{name: fmt.Sprint("rename ", i), do: func() {
		if _, err := w.l.Amend(context.Background(), w.ids[i], Amendment{Title: &title}); err != nil {
			w.Errorf("rename %d: %v", i, err)
		}
	}, is: []func(*model){func(m *model) { m.runs[i].title = title }}}
}

// replay asks again with the key of a run, even of one that is no more.
func (w *world) replay(n int) {
	if len(w.ids) == 0 {
		return
	}
	i := n % len(w.ids)
	var want offprint.Code
	body := "body"
	switch {
	case w.model.runs[i].forgot:
		return // the key is free again
	case n >= 200:
		body, want = "another", offprint.KeyReused
	case w.model.runs[i].erased:
		want = offprint.Expired
	}
	w.answers("replay", i, want, func(id string) error {
		a, err := w.l.Accept(w.Context(), keyed(fmt.Sprint(i), body))
		if err == nil && (!a.Replayed || a.Run.ID != id) {
			w.Errorf("replay %d: %+v", i, a)
		}
		return err
	}, func(*modelled) {})
}

func (w *world) forgetOld(n int) {
	if n%4 == 0 {
		w.later(modelKeep)
	}
	before := w.model.now.Add(-modelKeep)
	old := func(r *modelled) bool {
		return !r.forgot && r.created.Before(before) && (r.erased || r.state.Final() && (r.file == "" || r.file == offprint.Deleted))
	}
	want := 0
	for i := range w.model.runs {
		if old(&w.model.runs[i]) {
			want++
		}
	}
	w.counts("forget", want, w.l.Forget, func(m *model) {
		for i := range m.runs {
			if r := &m.runs[i]; old(r) {
				r.forgot = true
			}
		}
	})
}

// together does two things to one run at the same moment.
func (w *world) together(n int) {
	first := w.makeEnd(n/8%4, n)
	if first == nil {
		return
	}
	i := w.pick(n, running) // the same
	var second *deed
	switch n % 8 {
	case 0, 1:
		second = w.cancellation(slices.Index(w.present(), i))
	case 2, 3:
		second = w.loss(n)
	case 4:
		second = w.renaming(i)
	case 5:
		for node := range w.nodes {
			if w.owns(node, i) {
				d := w.drain(node)
				second = &d
			}
		}
	case 6:
		first, second = w.cancellation(slices.Index(w.present(), i)), w.loss(n)
	case 7:
		first, second = w.cancellation(slices.Index(w.present(), i)), w.renaming(i)
	}
	if second == nil {
		return
	}
	both := deed{name: first.name + " and at once " + second.name, do: func() {
		var done sync.WaitGroup
		done.Go(first.do)
		done.Go(second.do)
		done.Wait()
	}}
	for _, a := range first.is {
		for _, b := range second.is {
			both.is = append(both.is, func(m *model) { a(m); b(m) }, func(m *model) { b(m); a(m) })
		}
	}
	w.does(both)
}

// present are the runs that pick picks from when any will do.
func (w *world) present() (all []int) {
	for i := range w.model.runs {
		if !w.model.runs[i].gone() {
			all = append(all, i)
		}
	}
	return all
}

// settle waits until the ledger is as one of the models, which is the model
// from then on.
func (w *world) settle(may ...model) {
	watch := w.l.Watch()
	defer watch.Close()
	end := time.After(patience)
	for {
		var wrong []error
		for _, m := range may {
			err := w.differs(&m)
			if err == nil {
				w.model = m
				return
			}
			wrong = append(wrong, err)
		}
		select {
		case <-watch.C:
			watch.Take()
		case <-time.After(10 * time.Millisecond): // on SQLite another process is not heard
		case <-end:
			w.Fatalf("the ledger is as none of the models:\n%v", errors.Join(wrong...))
		}
	}
}

func (w *world) differs(m *model) error {
	found := map[string]record{}
	err := each(w.Context(), w.l.reader, find, nil, func(rows *sql.Rows) error {
		r, err := scan(rows)
		found[r.ID] = r
		return err
	})
	if err != nil {
		return err
	}
	var wrong []error
	for i := range m.runs {
		r, is := found[w.ids[i]]
		if is == m.runs[i].gone() {
			wrong = append(wrong, fmt.Errorf("run %d is there: %v", i, is))
		}
		if is {
			wrong = append(wrong, w.differsIn(m, i, &r))
		}
	}
	return errors.Join(wrong...)
}

func (w *world) differsIn(m *model, i int, r *record) error {
	want := &m.runs[i]
	is := modelled{
		state: r.State, failures: r.Failures, outages: r.Outages, losses: r.Losses, waits: !r.NextAttempt.IsZero(), until: r.RetryUntil, starts: want.starts,
		title: r.Title, created: r.Created, doomed: want.doomed, shop: want.shop, told: want.told, curious: want.curious, reminded: want.reminded,
	}
	var remind int64
	if err := w.l.reader.QueryRowContext(w.Context(), `SELECT remind FROM runs WHERE id = $1`, r.ID).Scan(&remind); err != nil {
		return err
	}
	is.remind = at(remind)
	if r.Problem != nil {
		is.code = r.Problem.Code
	}
	if r.File != nil {
		is.file, is.expires = r.File.State, r.File.Expires
	}
	if is != *want {
		return fmt.Errorf("run %d is\n%+v, want\n%+v", i, is, *want)
	}
	switch held := r.heldFor != ""; {
	case m.works() && held != (r.State == offprint.Queued && !want.waits):
		return fmt.Errorf("run %d, which is %s, is held: %v", i, r.State, held)
	case r.State != offprint.Running || w.part(makeTicket{r.ID, r.epoch}) != nil:
		return nil
	case m.count(func(r *modelled) bool { return running(r) && r.losses >= lossesUntilAlone }) > 0:
		return nil // it waits its turn, or others wait for it
	}
	return fmt.Errorf("run %d is running, and nobody makes it", i)
}

// check holds the ledger against what is true at any time.
func (w *world) check() {
	ctx := w.Context()
	if err := w.l.Check(ctx); err != nil {
		w.Fatalf("check: %v", err)
	}
	c, err := w.l.Census(ctx)
	queued, busy := w.model.count(func(r *modelled) bool { return r.state == offprint.Queued }), w.model.count(running)
	if err != nil || c.Queued != queued || c.Running != busy {
		w.Errorf("census %+v, %v; want %d queued, %d running", c, err, queued, busy)
	}
	w.checkMoves()
	for i, id := range w.ids {
		w.checkRun(i, id)
	}
	if w.Failed() {
		w.FailNow()
	}
}

// checkMoves holds what the database wrote down against the law.
func (w *world) checkMoves() {
	err := each(w.Context(), w.l.reader, `SELECT id, run, was, now, epoch_was, epoch_now, revision_was, revision_now FROM moves WHERE id > $1 ORDER BY id`, []any{w.moved}, func(rows *sql.Rows) error {
		var run string
		var was, now offprint.State
		var epochWas, epochNow, revisionWas, revisionNow int64
		err := rows.Scan(&w.moved, &run, &was, &now, &epochWas, &epochNow, &revisionWas, &revisionNow)
		moved := offprint.Run{State: was}
		if was != now {
			if err := moved.Move(now, time.Time{}); err != nil {
				w.Errorf("%s: %v", run, err)
			}
		}
		passedOn := was != offprint.Running && now != offprint.Running && !now.Final() || was == offprint.Running && now == offprint.Queued
		if epochNow-epochWas != int64(number(passedOn)) || revisionNow < revisionWas || was != now && revisionNow == revisionWas {
			w.Errorf("%s went from %s to %s, epoch %d to %d, revision %d to %d", run, was, now, epochWas, epochNow, revisionWas, revisionNow)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) checkRun(i int, id string) {
	m := &w.model.runs[i]
	r, err := w.l.Get(w.Context(), id)
	if m.gone() {
		if offprint.CodeOf(err) != offprint.NotFound {
			w.Errorf("run %d is gone: %v", i, err)
		}
		return
	}
	if err != nil || r.Revision < w.seen[i] {
		w.Errorf("run %d has the revision %d after %d, %v", i, r.Revision, w.seen[i], err)
	}
	w.seen[i] = r.Revision
	if m.file == "" {
		return
	}
	epoch, err := strconv.ParseInt(strings.Split(r.File.Key, "/")[1], 10, 64)
	if err != nil {
		w.Fatal(err)
	}
	want := Live
	if m.file == offprint.Deleted {
		want = Dead
	}
	if r.File.Key != w.keys[i] {
		w.Errorf("the file of run %d is %s, want %s", i, r.File.Key, w.keys[i])
	}
	for e, want := range map[int64]Verdict{epoch: want, epoch - 1: Dead} {
		if got, err := w.l.Judge(w.Context(), id, e); err != nil || got != want {
			w.Errorf("epoch %d of run %d, whose file of epoch %d is %s: %d, %v; want %d", e, i, epoch, m.file, got, err, want)
		}
	}
}

// epilogue lets everything end: nothing is stuck, and everybody was told once.
func (w *world) epilogue() {
	if !w.model.works() {
		w.toggle(0)
	}
	for w.model.count(waiting) > 0 {
		w.due(0)
	}
	for n := 0; w.model.count(alive) > 0; n++ {
		if d := w.makeEnd(0, n); d != nil {
			w.does(*d)
		}
	}
	w.check()
	for i, id := range w.ids {
		if r := &w.model.runs[i]; r.told && !r.gone() {
			w.eventually(fmt.Sprintf("run %d was told of", i), func() bool { return w.wasTold(id, r) })
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, n := range w.told {
		if n != 1 {
			w.Errorf("notice %s was told %d times", id, n)
		}
	}
}

func (w *world) wasTold(id string, r *modelled) bool {
	notices, err := w.l.Notices(w.Context(), id)
	want := 1
	if r.reminded {
		want++
	}
	if err != nil || len(notices) != want {
		w.Fatalf("notices of %s, which %s: %+v, %v; want %d", id, r.state, notices, err, want)
	}
	return w.delivered(id, offprint.Event("run."+r.state))
}

func (w *world) delivered(id string, e offprint.Event) bool {
	notices, err := w.l.Notices(w.Context(), id)
	is := slices.IndexFunc(notices, func(n NoticeRecord) bool { return n.Event == e })
	if err != nil || is < 0 {
		w.Fatalf("notices of %s: %+v, %v; want one of %s", id, notices, err, e)
	}
	return notices[is].State == "delivered"
}
