package prove

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A fault is one thing that goes wrong, and how often it does. Those that
// concern everybody wait until the others are over.
type fault struct {
	name  string
	times int
	all   bool
	do    func(f *faults, r *rand.Rand) error
}

// faults are what happens to a world.
type faults struct {
	*world
	workers, servers []*seat

	mu       sync.Mutex
	happened map[string]int
	last     time.Time
	errs     []error
}

// kinds are all faults there are. A proof chooses among them by PROVE_FAULTS,
// names with commas between.
func kinds() []fault {
	return []fault{
		{"kill -9 of a worker", 30, false, (*faults).killWorker},
		{"kill -9 of a server", 10, false, (*faults).killServer},
		{"a zombie", 12, false, (*faults).freeze},
		{"a cut between worker and ledger", 8, false, (*faults).cutLedger},
		{"a cut between worker and source", 8, false, (*faults).cutSource},
		{"a half-open link to the ledger", 3, false, (*faults).halfOpenLedger},
		{"a half-open link to the source", 3, false, (*faults).halfOpenSource},
		{"a slow link to the ledger", 3, false, (*faults).slowLedger},
		{"a slow link to the source", 3, false, (*faults).slowSource},
		{"the store answers 500", 2, false, storeAnswers("500")},
		{"the store answers 503", 2, false, storeAnswers("503")},
		{"the store hangs", 2, false, storeAnswers("hang")},
		{"the disk is full", 2, false, storeAnswers("full")},
		{"a cut between worker and store", 3, false, storeAnswers("cut")},
		{"the ledger's PostgreSQL restarts", 2, true, haltLedger(syscall.SIGINT)},
		{"the ledger's PostgreSQL crashes", 2, true, haltLedger(syscall.SIGQUIT)},
		{"kill -9 of the ledger's PostgreSQL", 2, true, haltLedger(syscall.SIGKILL)},
		{"the source's PostgreSQL restarts", 1, true, (*faults).haltShop},
		{"a laptop's sleep", 2, true, (*faults).sleep},
	}
}

// kindsOfOne are those that can befall a single process on SQLite.
func kindsOfOne() []fault {
	return []fault{
		{"kill -9 of the process", 36, false, (*faults).killWorker},
		{"a cut between process and source", 4, false, (*faults).cutSource},
		{"the store answers 503", 2, false, storeAnswers("503")},
		{"the store hangs", 2, false, storeAnswers("hang")},
		{"the disk is full", 2, false, storeAnswers("full")},
		{"a cut between process and store", 3, false, storeAnswers("cut")},
		{"the source's PostgreSQL restarts", 1, true, (*faults).haltShop},
		{"a laptop's sleep", 1, true, (*faults).sleep},
	}
}

// happen lets faults of these kinds happen, in an order and at times that r
// chooses, and answers when all of them are over.
func (f *faults) happen(r *rand.Rand, kinds []fault, gap time.Duration) {
	var order []fault
	for _, k := range kinds {
		if only := os.Getenv("PROVE_FAULTS"); only == "" || slices.Contains(strings.Split(only, ","), k.name) {
			order = append(order, slices.Repeat([]fault{k}, k.times)...)
		}
	}
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	f.happened, f.last = map[string]int{}, time.Now()
	var now sync.WaitGroup
	for _, k := range order {
		time.Sleep(part(r, gap/2, gap*3/2))
		chance := branch(r)
		if k.all {
			now.Wait()
			f.one(k, chance)
			continue
		}
		now.Go(func() { f.one(k, chance) })
	}
	now.Wait()
}

func (f *faults) one(k fault, r *rand.Rand) {
	err := k.do(f, r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.happened[k.name]++
	f.last = time.Now()
	if err != nil {
		f.errs = append(f.errs, fmt.Errorf("%s: %w", k.name, err))
	}
}

// tell hands the faults to the judge's figures.
func (f *faults) tell(j *judge, kinds []fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range kinds {
		if n := f.happened[k.name]; n > 0 {
			j.figure(k.name, n)
		}
	}
	for _, err := range f.errs {
		j.wrong("a fault that could not be: %v", err)
	}
}

func pick(r *rand.Rand, seats []*seat) *seat { return seats[r.IntN(len(seats))] }

func (f *faults) killWorker(r *rand.Rand) error { return f.replace(r, pick(r, f.workers)) }
func (f *faults) killServer(r *rand.Rand) error { return f.replace(r, pick(r, f.servers)) }

// replace kills a process; soon there is another.
func (f *faults) replace(r *rand.Rand, s *seat) error {
	s.Lock()
	defer s.Unlock()
	s.killed("kill -9")
	time.Sleep(part(r, 0, time.Second))
	return s.revive()
}

// longer is longer than a lease.
func longer(r *rand.Rand) time.Duration { return part(r, 7*time.Second, 9*time.Second) }

func (f *faults) freeze(r *rand.Rand) error {
	s := pick(r, f.workers)
	s.Lock()
	defer s.Unlock()
	p, from := s.process.Load(), time.Now()
	p.signal(syscall.SIGSTOP)
	time.Sleep(longer(r))
	p.signal(syscall.SIGCONT)
	f.apart(p, "frozen", from)
	return nil
}

// apart says that a process was apart from the ledger; it needs a moment to
// find back.
func (f *faults) apart(p *process, what string, from time.Time) {
	f.suffered(trouble{p.name, what, from, time.Now().Add(2 * time.Second)})
}

func (f *faults) cutLedger(r *rand.Rand) error {
	return f.bad(r, "cut from the ledger", ledgerOf, (*link).isDown, part(r, 0, 3*time.Second))
}

func (f *faults) cutSource(r *rand.Rand) error {
	return f.bad(r, "cut from the source", shopOf, (*link).isDown, part(r, 0, 3*time.Second))
}

func (f *faults) halfOpenLedger(r *rand.Rand) error {
	return f.bad(r, "half-open to the ledger", ledgerOf, (*link).isHalfOpen, longer(r))
}

func (f *faults) halfOpenSource(r *rand.Rand) error {
	return f.bad(r, "half-open to the source", shopOf, (*link).isHalfOpen, longer(r))
}

func (f *faults) slowLedger(r *rand.Rand) error {
	return f.bad(r, "slow to the ledger", ledgerOf, (*link).isSlow, longer(r))
}

func (f *faults) slowSource(r *rand.Rand) error {
	return f.bad(r, "slow to the source", shopOf, (*link).isSlow, longer(r))
}

func ledgerOf(s *seat) *link { return s.ledger }
func shopOf(s *seat) *link   { return s.shop }

func (l *link) isDown() error     { l.down(); return nil }
func (l *link) isHalfOpen() error { return l.poison(deaf, mute) }
func (l *link) isSlow() error     { return l.poison(late, thin) }

// bad makes one link of a worker bad for a time.
func (f *faults) bad(r *rand.Rand, what string, of func(*seat) *link, how func(*link) error, long time.Duration) error {
	s := pick(r, f.workers)
	s.Lock()
	defer s.Unlock()
	from := time.Now()
	err := how(of(s))
	time.Sleep(long)
	err = errors.Join(err, of(s).mend())
	f.apart(s.process.Load(), what, from)
	return err
}

// storeAnswers makes the store answer so for a time.
func storeAnswers(mode string) func(*faults, *rand.Rand) error {
	return func(f *faults, r *rand.Rand) error {
		told := f.told()
		if err := os.WriteFile(told.mode(), []byte(mode), 0o600); err != nil {
			return err
		}
		time.Sleep(part(r, time.Second, 3*time.Second))
		return os.WriteFile(told.mode(), nil, 0o600)
	}
}

// haltLedger ends PostgreSQL by a signal, and starts it again.
func haltLedger(how syscall.Signal) func(*faults, *rand.Rand) error {
	return func(f *faults, r *rand.Rand) error {
		from := time.Now()
		f.ledger.Halt(how)
		time.Sleep(part(r, 0, 8*time.Second))
		err := f.ledger.run(f.t.Context())
		f.suffered(trouble{"", how.String() + " of PostgreSQL", from, time.Now().Add(2 * time.Second)})
		return err
	}
}

func (f *faults) haltShop(r *rand.Rand) error {
	f.shop.Halt(syscall.SIGQUIT)
	time.Sleep(part(r, 0, 3*time.Second))
	return f.shop.run(f.t.Context())
}

// sleep stops everything for longer than a lease, the databases too.
func (f *faults) sleep(r *rand.Rand) error {
	var errs []error
	var asleep []int
	for _, d := range []*database{f.shop, f.ledger} {
		if d != nil {
			pids, err := d.pids()
			errs = append(errs, err)
			asleep = append(asleep, pids...)
		}
	}
	for _, s := range f.seats {
		s.Lock()
		defer s.Unlock()
		if p := s.process.Load(); p.lives() {
			asleep = append(asleep, p.Process.Pid)
		}
	}
	from := time.Now()
	for _, pid := range asleep {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // a backend may have ended by itself
	}
	time.Sleep(longer(r))
	for _, pid := range asleep {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	f.suffered(trouble{"", "asleep", from, time.Now().Add(2 * time.Second)})
	return errors.Join(errs...)
}
