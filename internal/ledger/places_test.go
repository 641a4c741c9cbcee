package ledger

import (
	"bufio"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	command "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
)

// unreaped is a ledger of so many places at the shop where no reaper helps:
// whoever frees a place must release who comes next.
func unreaped(most int) Options {
	o := quick()
	o.Lease, o.Beat, o.Reap = time.Hour, 20*time.Minute, 20*time.Minute
	o.MaxRuns = map[string]int{"shop": most}
	return o
}

func reaped(most int) Options {
	o := quick()
	o.MaxRuns = map[string]int{"shop": most}
	return o
}

// held counts the runs that are.
func (b *bench) held(l *Ledger) (n int) {
	b.Helper()
	if err := l.reader.QueryRow(`SELECT count(*) FROM runs WHERE held_for <> ''`).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

func (b *bench) elsewhere(l *Ledger) string {
	b.Helper()
	a := ask()
	a.Run.Reads = "stock"
	return b.accept(l, a)
}

func TestRunsOfASourceStartOneByOneInTheirOrder(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		var mu sync.Mutex
		var busy int
		var order []string
		make := func(_ context.Context, j *Job) (Made, error) {
			mu.Lock()
			defer mu.Unlock()
			if busy++; busy > 1 {
				t.Errorf("%d at once", busy)
			}
			order = append(order, j.Run.ID)
			mu.Unlock()
			time.Sleep(5 * time.Millisecond)
			mu.Lock()
			busy--
			return csvOf(j), nil
		}
		l := b.open(unreaped(1))
		ids := []string{}
		for range 20 {
			ids = append(ids, b.accept(l, ask()))
		}
		for _, node := range []*Ledger{l, b.open(unreaped(1)), b.open(unreaped(1))} {
			b.work(node, Workers{Slots: 4, Make: make})
		}
		for _, id := range ids {
			if r := b.untilState(l, id, offprint.Succeeded); r.Attempt() != 1 {
				t.Errorf("attempt %d, want 1", r.Attempt())
			}
		}
		if !slices.Equal(order, ids) {
			t.Errorf("made  %v\nasked %v", order, ids)
		}
	})
}

func TestHeldRunsLetOthersGoPast(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(unreaped(1))
		m := newMakeWhen()
		b.work(l, Workers{Slots: 2, Make: func(ctx context.Context, j *Job) (Made, error) {
			if j.Run.Reads == "stock" {
				return csvOf(j), nil
			}
			return m.make(ctx, j)
		}})
		ids := []string{}
		for range 5 {
			ids = append(ids, b.accept(l, ask()))
		}
		receive(b, m.began, "the first")
		b.untilState(l, b.elsewhere(l), offprint.Succeeded)
		b.eventually("four are held", func() bool { return b.held(l) == 4 })
		for i, id := range ids[1:] {
			b.untilAhead(l, id, i)
		}
		close(m.let)
		for _, id := range ids {
			b.untilState(l, id, offprint.Succeeded)
		}
	})
}

// TestACrowdIsHeldTogether holds that nobody waits for the tickets of many
// others to be taken up one by one.
func TestACrowdIsHeldTogether(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(unreaped(1))
		for range 60 {
			b.accept(l, ask())
		}
		var taken atomic.Int64
		f.set("start: after commit", func() error { taken.Add(1); return nil })
		m := newMakeWhen()
		stop := b.work(l, Workers{Slots: 4, Drain: time.Millisecond, Make: func(ctx context.Context, j *Job) (Made, error) {
			if j.Run.Reads == "stock" {
				return csvOf(j), nil
			}
			return m.make(ctx, j)
		}})
		b.untilState(l, b.elsewhere(l), offprint.Succeeded)
		b.eventually("all but one are held", func() bool { return b.held(l) == 59 })
		if n := taken.Load(); n > 30 {
			t.Errorf("%d tickets were taken up", n)
		}
		stop()
	})
}

func TestHeldRunsAreNotBeforeThoseOfOtherSources(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(unreaped(1))
		m := newMakeWhen()
		stop := b.work(l, Workers{Slots: 1, Drain: time.Millisecond, Make: m.make})
		defer stop()
		b.accept(l, ask())
		receive(b, m.began, "begun")
		stop() // it is handed back, and comes first again
		shop, stock, next := b.accept(l, ask()), b.elsewhere(l), b.accept(l, ask())
		if _, err := l.db.ExecContext(t.Context(), `DELETE FROM river_job WHERE id = (SELECT ticket FROM runs WHERE id = $1)`, shop); err != nil {
			t.Fatal(err)
		}
		if _, err := l.db.ExecContext(t.Context(), `UPDATE runs SET ticket = 0, held_for = 'source:shop', epoch = epoch + 1 WHERE id = $1`, shop); err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]int{shop: 1, stock: 1, next: 3} {
			b.untilAhead(l, id, want)
		}
	})
}

// TestARunHeldTooLateIsReleased ends the run that another waits for while the
// other is being held.
func TestARunHeldTooLateIsReleased(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(unreaped(1))
		m := newMakeWhen()
		b.work(l, Workers{Slots: 2, Make: m.make})
		first := b.accept(l, ask())
		receive(b, m.began, "begun")
		f.set("start: before commit", func() error {
			f.set("start: before commit", nil)
			close(m.let)
			if l.notify != "" { // SQLite has one transaction at a time
				b.untilState(l, first, offprint.Succeeded)
			}
			return nil
		})
		b.untilState(l, b.accept(l, ask()), offprint.Succeeded)
	})
}

// TestAsManyAreReleasedAsEnd lets many runs end at once that others wait for.
func TestAsManyAreReleasedAsEnd(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(unreaped(3))
		m := newMakeWhen()
		b.work(l, Workers{Slots: 6, Make: m.make})
		ids := make([]string, 9)
		for i := range ids {
			ids[i] = b.accept(l, ask())
		}
		b.eventually("six are held", func() bool { return b.held(l) == 6 && len(m.began) == 3 })
		for range 3 {
			m.let <- struct{}{}
		}
		for range 6 {
			receive(b, m.began, "three more")
		}
		if n := b.held(l); n != 3 {
			t.Errorf("%d are held, want 3", n)
		}
		close(m.let)
		for _, id := range ids {
			b.untilState(l, id, offprint.Succeeded)
		}
	})
}

// TestWhateverFreesAPlaceReleasesWhoComesNext ends a run in every way but by
// the loss of its worker.
func TestWhateverFreesAPlaceReleasesWhoComesNext(t *testing.T) {
	for _, how := range []string{"canceled", "canceled by another process", "failed", "tried again later", "handed back", "canceled after it was released"} {
		t.Run(how, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				l, other := b.open(unreaped(1)), b.open(unreaped(1))
				l.backoff = func(int) time.Duration { return time.Hour }
				m := newMakeWhen()
				end := make(chan error)
				stop := b.work(l, Workers{Slots: 2, Drain: time.Millisecond, Make: func(ctx context.Context, j *Job) (Made, error) {
					m.began <- j
					select {
					case err := <-end:
						return csvOf(j), err
					case <-ctx.Done():
						return Made{}, context.Cause(ctx)
					}
				}})
				first := b.accept(l, ask())
				receive(b, m.began, "the first")
				second := b.accept(l, ask())
				b.eventually("the second is held", func() bool { return b.held(l) == 1 })
				cancel := func(l *Ledger, id string) {
					if _, err := l.Cancel(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				switch next := second; how {
				case "canceled":
					cancel(l, first)
				case "canceled by another process":
					cancel(other, first)
				case "failed":
					end <- offprint.Errorf(offprint.BadQuery, "No.")
				case "tried again later":
					end <- offprint.Errorf(offprint.StorageUnavailable, "It is down.")
				case "handed back":
					b.work(other, Workers{Slots: 2, Drain: time.Millisecond, Make: m.make})
					stop()
					if j := receive(b, m.began, "it comes first again"); j.Run.ID != first {
						t.Errorf("%s began", j.Run.ID)
					}
					cancel(other, first)
				case "canceled after it was released":
					third := b.accept(l, ask())
					b.eventually("the third is held", func() bool { return b.held(l) == 2 })
					stop()
					cancel(other, first)
					cancel(other, second)
					b.work(other, Workers{Slots: 2, Drain: time.Millisecond, Make: m.make})
					next = third
					fallthrough
				default:
					second = next
				}
				if j := receive(b, m.began, "the next began"); j.Run.ID != second {
					t.Errorf("%s began, want %s", j.Run.ID, second)
				}
			})
		})
	}
}

func TestARunThatIsTriedAgainWaitsForAPlaceLikeOthers(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(unreaped(1))
		l.backoff = func(int) time.Duration { return time.Hour }
		m := newMakeWhen()
		begun, fail := make(chan struct{}, 1), make(chan struct{})
		var tries atomic.Int64
		b.work(l, Workers{Slots: 2, Make: func(ctx context.Context, j *Job) (Made, error) {
			if tries.Add(1) == 1 {
				begun <- struct{}{}
				<-fail
				return Made{}, offprint.Errorf(offprint.StorageUnavailable, "It is down.")
			}
			return m.make(ctx, j)
		}})
		first := b.accept(l, ask())
		receive(b, begun, "the first")
		second := b.accept(l, ask())
		b.eventually("the second is held", func() bool { return b.held(l) == 1 })
		close(fail)
		if j := receive(b, m.began, "the second"); j.Run.ID != second {
			t.Errorf("%s began", j.Run.ID)
		}
		third := b.accept(l, ask())
		r, err := l.get(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.queue.JobRetry(t.Context(), r.ticket); err != nil { // its hour is over
			t.Fatal(err)
		}
		waits := b.until(l, first, "held", func(r offprint.Run) bool { return r.NextAttempt.IsZero() })
		if waits.State != offprint.Queued || waits.Outages != 1 {
			t.Errorf("it is %s after %d outages", waits.State, waits.Outages)
		}
		m.let <- struct{}{}
		for _, id := range []string{first, third} {
			if j := receive(b, m.began, "the next"); j.Run.ID != id {
				t.Errorf("%s began, want %s", j.Run.ID, id)
			}
			m.let <- struct{}{}
		}
		b.untilState(l, third, offprint.Succeeded)
	})
}

// TestAHoldAndAReleaseThatAreCut cuts the answer before and after their COMMIT.
func TestAHoldAndAReleaseThatAreCut(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(reaped(1))
		m := newMakeWhen()
		b.work(l, Workers{Slots: 2, Make: m.make})
		for _, at := range []string{"start: before commit", "start: after commit", "release: before commit", "release: after commit"} {
			first := b.accept(l, ask())
			receive(b, m.began, "the first")
			if strings.HasPrefix(at, "start") {
				f.once(at, errCut)
			}
			second := b.accept(l, ask())
			b.eventually("the second is held", func() bool { return b.held(l) == 1 })
			if strings.HasPrefix(at, "release") {
				f.once(at, errCut)
			}
			m.let <- struct{}{}
			if j := receive(b, m.began, "the second, cut at "+at); j.Run.ID != second {
				t.Errorf("cut at %s: %s began", at, j.Run.ID)
			}
			m.let <- struct{}{}
			for _, id := range []string{first, second} {
				if r := b.untilState(l, id, offprint.Succeeded); r.Attempt() != 1 {
					t.Errorf("cut at %s: attempt %d", at, r.Attempt())
				}
			}
		}
	})
}

// TestARestartChangesTheNumberOfPlaces gives the source more of them, fewer,
// and no limit, while runs are held.
func TestARestartChangesTheNumberOfPlaces(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		old := b.open(reaped(1))
		ids := make([]string, 12)
		for i := range ids {
			ids[i] = b.accept(old, ask())
		}
		running := func(most, want, held int) {
			t.Helper()
			l := b.open(reaped(most))
			m := newMakeWhen()
			stop := b.work(l, Workers{Slots: 8, Drain: time.Millisecond, Make: m.make})
			defer stop()
			b.eventually(fmt.Sprintf("%d are made", want), func() bool {
				c, err := l.Census(t.Context())
				return err == nil && c.Running == want && b.held(l) == held
			})
		}
		running(1, 1, 11)
		running(5, 5, 7)
		running(2, 2, 10)
		running(0, 8, 0)
		b.work(old, Workers{Slots: 4, Make: makeAtOnce})
		for _, id := range ids {
			b.untilState(old, id, offprint.Succeeded)
		}
	})
}

// TestPlacesOfAProcessThatDied holds that they are given back once its leases
// have run out.
func TestPlacesOfAProcessThatDied(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		dead, l := b.silent(), b.open(reaped(2))
		dead.o.MaxRuns, dead.grace = l.o.MaxRuns, time.Hour // it takes no other run either
		zombie := newMakeWhen()
		stop := b.work(dead, Workers{Slots: 2, Drain: time.Millisecond, Make: zombie.makeDeaf})
		defer stop()
		defer close(zombie.let)
		ids := []string{b.accept(l, ask()), b.accept(l, ask())}
		receive(b, zombie.began, "both")
		receive(b, zombie.began, "both")
		b.work(l, Workers{Slots: 4, Make: makeAtOnce})
		ids = append(ids, b.accept(l, ask()))
		b.eventually("the third is held", func() bool { return b.held(l) == 1 })
		for i, id := range ids {
			if r := b.untilState(l, id, offprint.Succeeded); (r.Losses == 1) != (i < 2) {
				t.Errorf("number %d was lost %d times", i, r.Losses)
			}
		}
	})
}

// TestAProcessThatStandsStillLetsGoOfItsSource takes the lock of a source, as
// does a process that is stopped before its COMMIT, and says nothing more.
func TestAProcessThatStandsStillLetsGoOfItsSource(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: pgtest.URL(t)}
	l := b.open(reaped(1))
	still, err := l.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer still.Rollback()
	if err := l.lockSource(t.Context(), still, "shop"); err != nil {
		t.Fatal(err)
	}
	b.work(l, Workers{Slots: 2, Make: makeAtOnce})
	for _, id := range []string{b.accept(l, ask()), b.accept(l, ask())} {
		b.untilState(l, id, offprint.Succeeded)
	}
}

// TestNeverMoreThanThePlaces has three processes of four slots each make a
// hundred runs for five places, and kills some of them on the way.
func TestNeverMoreThanThePlaces(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(workerOptions())
		ids := make([]string, 100)
		for i := range ids {
			ids[i] = b.accept(l, ask())
		}
		diary := filepath.Join(t.TempDir(), "diary")
		workers := make([]*worker, 3)
		for i := range workers {
			workers[i] = b.startWorker(diary, i)
		}
		for kill := range 3 {
			b.eventually("some more are made", func() bool {
				var done int
				err := l.reader.QueryRow(`SELECT count(*) FROM runs WHERE state = 'succeeded'`).Scan(&done)
				return err == nil && done >= (kill+1)*20
			})
			victim := workers[kill]
			victim.kill()
			workers[kill] = b.startWorker(diary, len(workers)+kill)
			workers = append(workers, victim)
		}
		lost := 0
		for _, id := range ids {
			r := b.until(l, id, "ended", func(r offprint.Run) bool { return r.State.Final() })
			lost += r.Losses
			if r.State != offprint.Succeeded && (r.Problem == nil || r.Problem.Code != offprint.WorkerLost) {
				t.Errorf("it is %s: %v", r.State, r.Problem)
			}
		}
		for _, w := range workers {
			w.kill()
		}
		most, made := atOnce(t, diary, workers)
		t.Logf("%d attempts, %d of them lost, at most %d at once", made, lost, most)
		if most > 5 {
			t.Errorf("%d at once, want 5 at most", most)
		}
	})
}

func workerOptions() Options {
	o := reaped(5)
	o.Lease, o.Beat = 4*time.Second, 500*time.Millisecond
	return o
}

// A worker is a process of its own, this very program; see TestMain.
type worker struct {
	cmd    *command.Cmd
	input  io.Closer
	name   string
	killed time.Time
}

func (b *bench) startWorker(diary string, n int) *worker {
	b.Helper()
	w := &worker{cmd: command.Command(os.Args[0]), name: fmt.Sprint("w", n)}
	w.cmd.Env = append(os.Environ(), "LEDGER_TEST_WORKER="+b.url, "LEDGER_TEST_DIARY="+diary, "LEDGER_TEST_NAME="+w.name)
	w.cmd.Stderr = os.Stderr
	input, err := w.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	w.input = input
	if err := w.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.kill)
	return w
}

func (w *worker) kill() {
	if w.killed.IsZero() {
		w.killed = time.Now()
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait() // says that it was killed
		_ = w.input.Close()
	}
}

// workHere is a worker's main: it writes into the diary when it begins to make
// a run, and when it has.
func workHere(url string) error {
	diary, err := os.OpenFile(os.Getenv("LEDGER_TEST_DIARY"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel() // the test has ended without killing us
	}()
	l, err := Open(ctx, url, workerOptions())
	if err != nil {
		return err
	}
	note := func(what, run string) error {
		_, err := fmt.Fprintln(diary, os.Getenv("LEDGER_TEST_NAME"), what, run, time.Now().UnixNano())
		return err
	}
	err = l.Work(ctx, Workers{Slots: 4, Make: func(_ context.Context, j *Job) (Made, error) {
		if err := note("begins", j.Run.ID); err != nil {
			return Made{}, err
		}
		time.Sleep(30*time.Millisecond + rand.N(50*time.Millisecond))
		return csvOf(j), note("ends", j.Run.ID)
	}})
	if err != nil {
		return err
	}
	return l.Close()
}

// atOnce reads in the diary how many runs were made at once at most. What a
// worker was at when it was killed ended then.
func atOnce(t *testing.T, diary string, workers []*worker) (most, made int) {
	t.Helper()
	f, err := os.Open(diary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type moment struct {
		at   int64
		more int
	}
	var moments []moment
	open := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var who, what, run string
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &who, &what, &run, &at); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		if what == "begins" {
			moments = append(moments, moment{at, +1})
			open[who]++
			made++
		} else {
			moments = append(moments, moment{at, -1})
			open[who]--
		}
	}
	for _, w := range workers {
		for range open[w.name] {
			moments = append(moments, moment{w.killed.UnixNano(), -1})
		}
	}
	slices.SortFunc(moments, func(a, b moment) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.more, b.more)) })
	now := 0
	for _, m := range moments {
		now += m.more
		most = max(most, now)
	}
	return most, made
}

// TestPlacesAreFoundByAnIndex looks at how SQLite finds whose the places are
// and who comes earlier: none of it may cost more with the runs of a year.
func TestPlacesAreFoundByAnIndex(t *testing.T) {
	t.Parallel()
	b := &bench{T: t, url: migrated(t)}
	l := b.open(quick())
	for text, want := range map[string]string{
		countTaken + ` AND $2 <> '' AND $3 > 0`: "SCAN x\nSEARCH r USING PRIMARY KEY (id=?)",
		countEarlier:                            "SEARCH runs USING INDEX runs_ready (reads=? AND id<?)",
		`SELECT id, epoch, ticket, held_for FROM runs WHERE ` + ready + ` AND $2 <> '' ORDER BY id LIMIT $3`: "SEARCH runs USING INDEX runs_ready (reads=?)",
	} {
		var plan []string
		err := each(t.Context(), l.reader, `EXPLAIN QUERY PLAN `+text, []any{"shop", "run_x", 5}, func(rows *sql.Rows) error {
			var id, parent, unused int
			var line string
			err := rows.Scan(&id, &parent, &unused, &line)
			plan = append(plan, line)
			return err
		})
		if all := strings.Join(plan, "\n"); err != nil || !strings.Contains(all, want) {
			t.Errorf("%s: %s, %v", text, all, err)
		}
	}
}
