package ledger

import (
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
)

// TestAnOutageOfTheDatabaseLosesNothing crashes PostgreSQL under two runs:
// one ends its work while there is no ledger to tell it to, one goes on.
func TestAnOutageOfTheDatabaseLosesNothing(t *testing.T) {
	t.Parallel()
	server, err := pgtest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	b := &bench{T: t, url: server.URL("postgres")}
	maker, other := b.open(quick()), b.open(quick())
	m := newMakeWhen()
	b.work(maker, Workers{Slots: 2, Make: m.make})
	b.work(other, Workers{Slots: 0})
	watch := other.Watch()
	defer watch.Close()
	ids := []string{b.accept(maker, ask()), b.accept(maker, ask())}
	receive(b, m.began, "one began")
	receive(b, m.began, "two began")

	server.Halt(syscall.SIGQUIT)
	m.let <- struct{}{}
	_, err = other.Accept(t.Context(), ask())
	b.wantCode(err, offprint.Busy)
	time.Sleep(2 * quick().Lease) // an outage that is longer than every lease
	if err := server.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.eventually("the first is recorded", func() bool {
		runs, _, err := maker.List(t.Context(), Filter{States: []offprint.State{offprint.Succeeded}})
		return err == nil && len(runs) == 1
	})
	watch.Take()
	m.let <- struct{}{}
	for _, id := range ids {
		if r := b.untilState(other, id, offprint.Succeeded); r.Attempt() != 1 || r.File.Key != id+"/1/orders.csv" {
			t.Errorf("attempt %d, file %s; want the first of each", r.Attempt(), r.File.Key)
		}
	}
	receive(b, watch.C, "word after the outage")
}
