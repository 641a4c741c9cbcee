package prove

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// steps are what a process does to the ledger, the store and the notifier, and
// what a worker does that no server does.
var (
	ofServers = append(commits("accept", "cancel"), ofAll...)
	ofWorkers = slices.Concat(commits("start", "begin", "finish", "fail", "hand back", "release"), []string{"start: fetched", "put: before", "put: after"}, ofAll)
	ofAll     = append(commits("beat", "reap", "reissue", "claim a notice", "told", "retell"), "tell: fetched", "deliver: before", "deliver: after")
)

func commits(steps ...string) (all []string) {
	for _, s := range steps {
		all = append(all, s+": before commit", s+": after commit")
	}
	return all
}

// points are the failpoints of those steps. Only a ledger that is reached over
// a network can be cut off, and a remote store alone can fail after a Put.
func points(steps []string, network bool) (all []failpoint) {
	for _, s := range steps {
		all = append(all, failpoint{Step: s, Act: kill})
		switch {
		case strings.HasPrefix(s, "put:"):
			all = append(all, failpoint{Step: s, Act: fail})
		case network && !strings.HasPrefix(s, "deliver:"):
			all = append(all, failpoint{Step: s, Act: cut})
		}
	}
	return all
}

// An aim is what failpoints still have to be hit, by whichever process.
type aim struct {
	w    *world
	each int // hits

	mu   sync.Mutex
	hits map[failpoint]int
	now  map[failpoint]int // processes that have it at this moment
}

// read counts the hits so far.
func (a *aim) read() error {
	hits, err := linesOf[hit](a.w.told().hits())
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hits = map[failpoint]int{}
	for _, h := range hits {
		a.hits[failpoint{Step: h.Step, Act: h.Act}]++
	}
	return nil
}

// take is the failpoint among these that lacks the most; ok is false when none
// does.
func (a *aim) take(among []failpoint) (f failpoint, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	least := 0
	for _, p := range among {
		n := a.hits[p] + a.now[p]
		if a.hits[p] < a.each && (!ok || n < least) {
			f, ok, least = p, true, n
		}
	}
	if ok {
		a.now[f]++
	}
	return f, ok
}

func (a *aim) leave(f failpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now[f]--
}

// lacking are those that were hit too seldom.
func (a *aim) lacking(among []failpoint) (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range among {
		if n := a.hits[p]; n < a.each {
			all = append(all, fmt.Sprintf("%v was hit %d times", p, n))
		}
	}
	return all
}

// pursue starts one process after another in the seat, each with a failpoint
// that lacks hits, until none does or it is too late.
func (a *aim) pursue(r *rand.Rand, s *seat, among []failpoint, until time.Time) error {
	for time.Now().Before(until) {
		f, ok := a.take(among)
		if !ok {
			return nil
		}
		err := a.once(r, s, f)
		a.leave(f)
		if err != nil {
			return err
		}
		if err := a.read(); err != nil {
			return err
		}
	}
	return nil
}

// once lets a process run into its failpoint; a cut it may meet several times.
func (a *aim) once(r *rand.Rand, s *seat, f failpoint) error {
	f.Nth = 1 + r.IntN(3)
	if strings.HasPrefix(f.Step, "hand back") || strings.HasPrefix(f.Step, "begin") || strings.HasPrefix(f.Step, "re") {
		f.Nth = 1 // they are seldom
	}
	s.Lock()
	defer s.Unlock()
	began := time.Now()
	if err := s.start(f); err != nil { // killed on its way, or the world is not fit for it
		s.w.suffered(trouble{s.process.Load().name, f.String(), began, time.Now()})
		return nil
	}
	p := s.process.Load()
	if strings.HasPrefix(f.Step, "hand back") {
		time.Sleep(part(r, time.Second, 2*time.Second)) // for something to be at hand
		p.signal(syscall.SIGTERM)
	}
	select {
	case <-p.ended:
	case <-time.After(part(r, 6*time.Second, 9*time.Second)):
		p.kill()
	}
	s.w.suffered(trouble{p.name, f.String(), time.Now().Add(-time.Second), time.Now()})
	return nil
}

// meddle does by hand what brings seldom steps about: tickets that somebody
// deletes, and runs over which two workers were lost already.
func (j *judge) meddle(until <-chan struct{}) error {
	db, err := j.open()
	if err != nil {
		return err
	}
	defer db.Close()
	for {
		select {
		case <-until:
			return nil
		case <-time.After(300 * time.Millisecond):
		}
		for _, text := range []string{
			`DELETE FROM river_job WHERE state IN ('available', 'scheduled') AND id IN (SELECT ticket FROM runs WHERE state = 'queued' AND ticket > 0 ORDER BY id LIMIT 2)`,
			`DELETE FROM river_job WHERE state IN ('available', 'scheduled') AND id IN (SELECT ticket FROM notices WHERE state = 'waiting' ORDER BY id LIMIT 2)`,
		} {
			if _, err := db.Exec(text); err != nil {
				return fmt.Errorf("delete tickets: %w", err)
			}
		}
		if err := j.handicap(db); err != nil {
			return err
		}
	}
}

// handicap makes some runs be made alone in their process.
func (j *judge) handicap(db *sql.DB) error {
	rows, err := db.Query(`UPDATE runs SET losses = 2 WHERE losses = 0 AND id IN (SELECT id FROM runs WHERE state = 'queued' AND report = 'short' ORDER BY id LIMIT 1) RETURNING id`)
	if err != nil {
		return fmt.Errorf("make a run have lost two workers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		j.handicapped[id] = true
	}
	return rows.Err()
}

// A process is killed, and cut off from the ledger, before and after each
// commit and each Put, and between a delivery and its record.
func TestProveFailpoints(t *testing.T) {
	w := newWorld(t, true)
	const quick = 100 * time.Millisecond // to be the one that reaps
	w.seat("s0", program{Serve: true, Drain: time.Second})
	w.seat("w0", program{Slots: 4, Drain: time.Second})
	steady := len(w.seats)
	for _, name := range []string{"s1", "s2"} {
		w.seat(name, program{Serve: true, Drain: time.Second, Reap: quick, Moody: true})
	}
	for _, name := range []string{"w1", "w2", "w3", "w4"} {
		w.seat(name, program{Slots: 2, Drain: 200 * time.Millisecond, Reap: quick, Moody: true})
	}
	proveFailpoints(t, w, steady, 120*time.Millisecond)
}

// The same on SQLite, where one process does everything.
func TestProveFailpointsOnSQLite(t *testing.T) {
	w := newWorld(t, false)
	w.seat("p", program{Serve: true, Slots: 3, Drain: 200 * time.Millisecond, Reap: 100 * time.Millisecond, Moody: true})
	proveFailpoints(t, w, 0, 120*time.Millisecond)
}

func proveFailpoints(t *testing.T, w *world, steady int, every time.Duration) {
	r := chance(t)
	for _, s := range w.seats {
		if err := s.revive(); err != nil {
			t.Fatal(err)
		}
	}
	j, d := newJudge(w), newDriver(w)
	d.every = every
	wishes, over, quiet := branch(r), make(chan struct{}), make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { d.ask(t.Context(), wishes, 1e6, over) })
	beside.Go(func() {
		if err := j.meddle(quiet); err != nil {
			t.Error(err)
		}
	})
	a := &aim{w: w, each: number("PROVE_HITS", 20), hits: map[failpoint]int{}, now: map[failpoint]int{}}
	until := time.Now().Add(time.Duration(number("PROVE_MINUTES", 12)) * time.Minute)
	network := w.ledger != nil
	var all []failpoint
	var pursuits sync.WaitGroup
	for _, s := range w.seats[steady:] {
		mine := s.points(network)
		all = append(all, mine...)
		chance := branch(r)
		pursuits.Go(func() {
			if err := a.pursue(chance, s, mine, until); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		})
	}
	pursuits.Wait()
	close(quiet)
	for _, s := range w.seats[steady:] {
		s.killed("kill -9")
		if err := s.revive(); err != nil {
			t.Error(err)
		}
	}
	last := time.Now()
	close(over)
	beside.Wait()
	j.settle(last)
	w.rest()
	a.tell(j, all)
	j.judge(d)
}

// points are what a seat's processes can be hit at.
func (s *seat) points(network bool) []failpoint {
	var steps []string
	if s.is.Serve {
		steps = append(steps, ofServers...)
	}
	if s.is.Slots > 0 {
		steps = append(steps, ofWorkers...)
	}
	slices.Sort(steps)
	return points(slices.Compact(steps), network)
}

// tell hands the hits to the judge's figures.
func (a *aim) tell(j *judge, all []failpoint) {
	byStep := map[string]map[string]int{}
	a.mu.Lock()
	for f, n := range a.hits {
		if byStep[f.Step] == nil {
			byStep[f.Step] = map[string]int{}
		}
		byStep[f.Step][f.Act] = n
	}
	a.mu.Unlock()
	for _, step := range sortedKeys(byStep) {
		var acts []string
		for _, act := range sortedKeys(byStep[step]) {
			acts = append(acts, fmt.Sprintf("%s %d", act, byStep[step][act]))
		}
		j.figure(step, strings.Join(acts, ", "))
	}
	slices.SortFunc(all, func(x, y failpoint) int { return strings.Compare(x.String(), y.String()) })
	j.promise("failpoints that were not hit often enough", a.lacking(slices.Compact(all)))
}
