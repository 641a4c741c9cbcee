package prove

import (
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// A process that stands still inside a transaction keeps locks, and keeps
// nobody with them: what it had at hand is taken over as from any other.
func TestProveFrozenInATransaction(t *testing.T) {
	r := chance(t)
	w := newWorld(t, true)
	web, frozen, next := w.seat("s", program{Serve: true}), w.seat("a", program{Slots: 2}), w.seat("b", program{Slots: 2})
	starting(t, web)
	j, d := newJudge(w), newDriver(w)
	var took []time.Duration
	for n, step := range []string{"start", "finish", "fail", "beat", "release", "told"} {
		if err := frozen.start(failpoint{step + ": before commit", freeze, 1}); err != nil {
			t.Fatal(err)
		}
		for _, report := range []string{"short", "narrow", "divides"} {
			a := &asked{report: report, rows: 60, factor: n, pause: 0.05, state: offprint.Succeeded, outcome: offprint.Complete, notify: []string{"test:ann"}}
			if report == "divides" {
				a.state, a.outcome, a.code = offprint.Failed, "", offprint.BadQuery
			} else {
				a.content = content(a.rows, a.factor)
			}
			if !d.accepted(t.Context(), r, a) {
				t.Fatalf("not accepted: %v", d.refused)
			}
		}
		at := j.hit(n + 1)
		starting(t, next)
		for end := time.Now().Add(30 * time.Second); j.unended("runs WHERE finished = 0") > 0 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		took = append(took, time.Since(at))
		t.Logf("%s: all runs ended %v after the freeze", step, round(time.Since(at)))
		p := frozen.process.Load()
		p.signal(syscall.SIGCONT)
		w.suffered(trouble{p.name, "frozen", at, time.Now()})
		w.rest()
		starting(t, web)
	}
	w.rest()
	if _, worst := spread(t, "from a freeze inside a transaction to the end of all runs", took); worst > 15*time.Second {
		t.Error("it must be 15 s at most: a lease, the takeover, and three seconds of work")
	}
	j.settle(time.Now())
	j.judge(d)
}

// hit waits for the nth hit, and answers when it was.
func (j *judge) hit(n int) time.Time {
	j.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		hits, err := linesOf[hit](j.world.told().hits())
		if err != nil {
			j.t.Fatal(err)
		}
		if len(hits) >= n {
			return hits[n-1].At
		}
	}
	j.t.Fatalf("no failpoint was hit for the %dth time", n)
	return time.Time{}
}
