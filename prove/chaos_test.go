package prove

import (
	"testing"
	"time"
)

// Runs under all faults, on PostgreSQL, with several processes.
func TestProveRunsUnderFaults(t *testing.T) {
	w := newWorld(t, true)
	f := &faults{world: w}
	for _, name := range []string{"s1", "s2"} {
		f.servers = append(f.servers, w.seat(name, program{Serve: true, Drain: 5 * time.Second}))
	}
	for _, name := range []string{"w1", "w2", "w3", "w4"} {
		f.workers = append(f.workers, w.seat(name, program{Slots: 4, Drain: 5 * time.Second}))
	}
	proveUnderFaults(t, f, kinds(), 2200)
}

// The same on SQLite, with one process that is killed and started again.
func TestProveRunsOnSQLite(t *testing.T) {
	w := newWorld(t, false)
	f := &faults{world: w}
	f.workers = append(f.workers, w.seat("p", program{Serve: true, Slots: 4, Drain: 5 * time.Second}))
	proveUnderFaults(t, f, kindsOfOne(), 600)
}

func proveUnderFaults(t *testing.T, f *faults, kinds []fault, runs int) {
	r := chance(t)
	for _, s := range f.seats {
		if err := s.revive(); err != nil {
			t.Fatal(err)
		}
	}
	j, d := newJudge(f.world), newDriver(f.world)
	d.every = 90 * time.Millisecond
	wishes, asking := branch(r), make(chan struct{})
	go func() {
		defer close(asking)
		d.ask(t.Context(), wishes, number("PROVE_RUNS", runs), nil)
	}()
	f.happen(r, kinds, 1500*time.Millisecond)
	<-asking
	j.settle(f.last)
	f.rest()
	f.tell(j, kinds)
	j.judge(d)
}
