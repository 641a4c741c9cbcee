package prove

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A shown is a run as the API shows it.
type shown struct {
	ID, State string
	Attempt   int
	Progress  struct{ Rows int }
}

func (s shown) writing() bool { return s.State == "running" && s.Progress.Rows > 0 }

// until looks at a run until it is as wanted, and answers when it saw that.
func (d *driver) until(ctx context.Context, id, what string, most time.Duration, is func(shown) bool) (time.Time, error) {
	var run shown
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if urls := d.w.urls(); len(urls) > 0 && d.get(ctx, urls[0]+"/v1/runs/"+id, &run) == nil && is(run) {
			return time.Now(), nil
		}
	}
	return time.Time{}, fmt.Errorf("after %v %s is not %s: %+v", most, id, what, run)
}

func (d *driver) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// long asks for a run of so many rows, and waits until its rows come.
func (d *driver) long(t *testing.T, r *rand.Rand, rows int, pause float64) *asked {
	t.Helper()
	a := &asked{report: "short", rows: rows, factor: 3, pause: pause, content: content(rows, 3), state: "succeeded", outcome: "complete"}
	if !d.accepted(t.Context(), r, a) {
		t.Fatalf("not accepted: %v", d.refused)
	}
	if _, err := d.until(t.Context(), a.id, "being written", 20*time.Second, shown.writing); err != nil {
		t.Fatal(err)
	}
	return a
}

func (d *driver) end(t *testing.T, r *rand.Rand, a *asked) {
	t.Helper()
	if code, err := d.call(t.Context(), r, "/v1/runs/"+a.id+"/cancel", "", nil, nil); err != nil || code != http.StatusOK {
		t.Fatalf("cancel: %d, %v", code, err)
	}
}

// spread tells of times.
func spread(t *testing.T, what string, took []time.Duration) (median, worst time.Duration) {
	t.Helper()
	slices.Sort(took)
	median, worst = took[len(took)/2], took[len(took)-1]
	t.Logf("%s, %d times: best %v, median %v, worst %v", what, len(took), round(took[0]), round(median), round(worst))
	return median, worst
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// starting starts seats that are the server as it is.
func starting(t *testing.T, seats ...*seat) {
	t.Helper()
	for _, s := range seats {
		if err := s.revive(); err != nil {
			t.Fatal(err)
		}
	}
}

// After kill -9 of its worker another one goes on with a run.
func TestProveTakeover(t *testing.T) {
	w := newWorld(t, true)
	web := w.seat("s", program{Plain: true, Serve: true})
	has, next := w.seat("a", program{Plain: true, Slots: 2}), w.seat("b", program{Plain: true, Slots: 2})
	starting(t, web, has)
	d, r := newDriver(w), chance(t)
	var took []time.Duration
	for range number("PROVE_TRIALS", 20) {
		a := d.long(t, r, 400, 0.05)
		starting(t, next)
		killed := time.Now()
		has.process.Load().signal(syscall.SIGKILL)
		seen, err := d.until(t.Context(), a.id, "taken over", 30*time.Second, func(s shown) bool { return s.State == "running" && s.Attempt == 2 })
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, seen.Sub(killed))
		d.end(t, r, a)
		has, next = next, has
	}
	if median, worst := spread(t, "from kill -9 of a worker to its run made by another", took); median > 7*time.Second || worst > 10*time.Second {
		t.Error("it must be a median of 7 s and 10 s at most")
	}
}

// The embedded default, killed and started again, goes on with its runs.
func TestProveRestartOfTheEmbeddedDefault(t *testing.T) {
	w := newWorld(t, false)
	p := w.seat("p", program{Plain: true, Serve: true, Slots: 4})
	starting(t, p)
	d, r := newDriver(w), chance(t)
	var took []time.Duration
	for range number("PROVE_TRIALS", 20) {
		a := d.long(t, r, 400, 0.05)
		killed := time.Now()
		p.process.Load().kill()
		starting(t, p)
		seen, err := d.until(t.Context(), a.id, "going on", 20*time.Second, func(s shown) bool { return s.State == "running" && s.Attempt == 2 })
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, seen.Sub(killed))
		d.end(t, r, a)
	}
	if _, worst := spread(t, "from kill -9 of the only process to its run going on in the next", took); worst > 2*time.Second {
		t.Error("it must be 2 s at most")
	}
}

// A long run of a healthy worker is made once.
func TestProveALongRunIsMadeOnce(t *testing.T) {
	t.Parallel()
	long, err := time.ParseDuration(os.Getenv("PROVE_LONG"))
	if err != nil {
		long = 3 * time.Minute
	}
	w := newWorld(t, true)
	starting(t, w.seat("s", program{Plain: true, Serve: true}), w.seat("a", program{Plain: true, Slots: 2}), w.seat("b", program{Plain: true, Slots: 2}))
	j, d, r := newJudge(w), newDriver(w), chance(t)
	began := time.Now()
	a := d.long(t, r, int(long/time.Second), 1)
	ended, err := d.until(t.Context(), a.id, "at its end", long+time.Minute, func(s shown) bool { return s.State != "running" })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("it took %v", round(ended.Sub(began)))
	w.rest()
	j.judge(d)
	if run := j.runs[a.id]; run.Attempt() != 1 || len(j.blobs(t.Context())) != 1 {
		t.Errorf("it was made in %d attempts", run.Attempt())
	}
}

// A cancel from another process ends the query at the source.
func TestProveCancelReachesTheSource(t *testing.T) {
	w := newWorld(t, true)
	starting(t, w.seat("s", program{Plain: true, Serve: true}), w.seat("a", program{Plain: true, Slots: 2}), w.seat("b", program{Plain: true, Slots: 2}))
	d, r := newDriver(w), chance(t)
	conn, err := pgx.Connect(t.Context(), w.shop.url())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	queries := func() (n int) {
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series%' AND pid <> pg_backend_pid()").Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var took []time.Duration
	for range max(50, number("PROVE_TRIALS", 60)) {
		a := d.long(t, r, 400, 0.05)
		if n := queries(); n != 1 {
			t.Fatalf("%d queries at the source before the cancel", n)
		}
		began := time.Now()
		d.end(t, r, a)
		for queries() > 0 && time.Since(began) < 10*time.Second {
			time.Sleep(2 * time.Millisecond)
		}
		took = append(took, time.Since(began))
	}
	spread(t, "from a cancel to the query gone at the source", took)
	if p99 := took[(len(took)*99+99)/100-1]; p99 > time.Second {
		t.Errorf("its 99th percentile is %v, and must be 1 s at most", p99)
	}
}
