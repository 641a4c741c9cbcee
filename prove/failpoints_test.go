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

	mu    sync.Mutex
	hits  map[failpoint]int
	tried map[failpoint]int // processes that had it
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

// take is the failpoint among these that was tried least and lacks hits; ok is
// false when none does.
func (a *aim) take(among []failpoint) (f failpoint, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range among {
		if a.hits[p] < a.each && (!ok || a.tried[p] < a.tried[f]) {
			f, ok = p, true
		}
	}
	if ok {
		a.tried[f]++
	}
	return f, ok
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

// pursue starts one process after another in the seat, each with failpoints
// that lack hits, until none does or it is too late.
func (a *aim) pursue(r *rand.Rand, s *seat, among []failpoint, until time.Time) error {
	for time.Now().Before(until) {
		f, ok := a.take(among)
		if !ok {
			return nil
		}
		a.once(r, s, a.plan(r, f, among))
		if err := a.read(); err != nil {
			return err
		}
	}
	return nil
}

// plan is what a process is to run into: f soon, and at some time all others
// of its kind that lack hits.
func (a *aim) plan(r *rand.Rand, f failpoint, among []failpoint) (plan []failpoint) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range among {
		alike := a.hits[p] < a.each && p.late() == f.late() && (p.Act == kill) == (f.Act == kill)
		switch p.Nth = 1 + r.IntN(6); {
		case p.Step == f.Step && p.Act == f.Act:
			p.Nth = 1 + r.IntN(2)
		case !alike:
			continue
		case p.late(), p.seldom() && p.Act == kill:
			p.Nth = 1
		}
		plan = append(plan, p)
	}
	return plan
}

// seldom tells whether a process may not meet the step for a while; late,
// whether it does not before it has lived for a lease.
func (f failpoint) seldom() bool { return f.of("hand back", "begin", "reissue", "cancel") }
func (f failpoint) late() bool   { return f.of("reap", "retell") }

func (f failpoint) of(steps ...string) bool {
	step, _, _ := strings.Cut(f.Step, ":")
	return slices.Contains(steps, step)
}

// once lets a process run into its failpoints for a while. Those that it does
// not meet it may meet while it ends.
func (a *aim) once(r *rand.Rand, s *seat, plan []failpoint) {
	s.Lock()
	defer s.Unlock()
	if s.process.Load().lives() {
		s.killed("kill -9")
	}
	began := time.Now()
	err := s.start(plan...)
	p := s.process.Load()
	if err == nil {
		life := part(r, 2*time.Second, 5*time.Second)
		if plan[0].late() {
			life += 2 * s.is.Lease
		}
		p.within(life)
		p.signal(syscall.SIGTERM)
		p.within(5 * time.Second)
	}
	p.kill()
	s.w.suffered(trouble{p.name, "failpoints", began, time.Now()})
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
	rows, err := db.Query(`UPDATE runs SET losses = 2 WHERE losses = 0 AND id IN (SELECT id FROM runs WHERE state = 'queued' AND report IN ('short', 'narrow', 'limited') ORDER BY id DESC LIMIT 1) RETURNING id`)
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

// armed is a program that runs into failpoints. A shorter lease lets more of
// them be met in the same time; by a shorter pause it is the one that reaps.
func armed(serve bool, slots int) program {
	return program{Serve: serve, Slots: slots, Lease: 3 * time.Second, Drain: 200 * time.Millisecond, Reap: 100 * time.Millisecond, Moody: true}
}

// A process is killed, and cut off from the ledger, before and after each
// commit and each Put, and between a delivery and its record.
func TestProveFailpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	for _, steady := range []program{{Serve: true}, {Slots: 2}} {
		steady.Lease, steady.Drain = 3*time.Second, time.Second
		w.seat("steady", steady)
	}
	steady := len(w.seats)
	for _, name := range []string{"s1", "s2"} {
		w.seat(name, armed(true, 0))
	}
	for _, name := range []string{"w1", "w2", "w3", "w4"} {
		w.seat(name, armed(false, 2))
	}
	proveFailpoints(t, w, steady)
}

// The same on SQLite, where one process does everything.
func TestProveFailpointsOnSQLite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	w.seat("p", armed(true, 3))
	proveFailpoints(t, w, 0)
}

func proveFailpoints(t *testing.T, w *world, steady int) {
	r := chance(t)
	for _, s := range w.seats {
		if err := s.revive(); err != nil {
			t.Fatal(err)
		}
	}
	j, d := newJudge(w), newDriver(w)
	d.every, d.full = 90*time.Millisecond, func() bool { return j.unended("runs WHERE finished = 0") > 60 }
	wishes, over, quiet := branch(r), make(chan struct{}), make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { d.ask(t.Context(), wishes, 1e6, over) })
	beside.Go(func() {
		if err := j.meddle(quiet); err != nil {
			t.Error(err)
		}
	})
	a := &aim{w: w, each: number("PROVE_HITS", 20), tried: map[failpoint]int{}}
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
