package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// A reminding story has files that are kept for a week.
type reminding struct {
	*bench
	l     *Ledger
	clock *clock
	long  time.Duration // that files are kept for
	stop  func()        // of who makes and tells

	mu   sync.Mutex
	told []string // the addresses of reminders, in their order
	said error    // to the next one
}

const week = 7 * 24 * time.Hour

func onEachReminding(t *testing.T, story func(t *testing.T, r *reminding)) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		r := &reminding{bench: b, l: b.open(o), clock: c, long: week}
		r.start()
		story(t, r)
	})
}

func (r *reminding) start() {
	r.stop = r.work(r.l, Workers{Slots: 1, Tell: r.tell, Make: func(_ context.Context, j *Job) (Made, error) {
		made := csvOf(j)
		made.Expires = r.clock.now().Add(r.long)
		return made, nil
	}})
}

func (r *reminding) tell(_ context.Context, n offprint.Notice) error {
	if n.Event != offprint.RunExpiring {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if said := r.said; said != nil {
		return said
	}
	r.told = append(r.told, n.Address)
	return nil
}

// kept is a run with a file, whose addresses are told of its end and, but for
// quiet, of its expiry.
func (r *reminding) kept(addresses ...string) string {
	r.Helper()
	a := ask()
	for _, address := range addresses {
		to := offprint.Addressee{Address: address, Events: slices.Concat(offprint.Ends, []offprint.Event{offprint.RunExpiring})}
		if address == "quiet" {
			to.Events = offprint.Ends
		}
		a.Run.Notify = append(a.Run.Notify, to)
	}
	id := r.accept(r.l, a)
	r.untilState(r.l, id, offprint.Succeeded)
	r.settled(id)
	return id
}

// settled waits until no notice of the run is open.
func (r *reminding) settled(id string) {
	r.Helper()
	r.eventually("all are told", func() bool {
		all, err := r.l.Notices(r.Context(), id)
		return err == nil && !slices.ContainsFunc(all, func(n NoticeRecord) bool { return n.State == "waiting" || n.State == "telling" })
	})
}

// reminds is what a look for what is due finds, and whom it told after that.
func (r *reminding) reminds(id string, runs int, told ...string) {
	r.Helper()
	r.due(runs)
	r.hears(id, told...)
}

func (r *reminding) due(runs int) {
	r.Helper()
	if n, err := r.l.Remind(r.Context(), 10); err != nil || n != runs {
		r.Errorf("%d runs to remind of, %v; want %d", n, err, runs)
	}
}

func (r *reminding) hears(id string, told ...string) {
	r.Helper()
	r.settled(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.told)
	if !slices.Equal(r.told, told) {
		r.Errorf("told %v, want %v", r.told, told)
	}
	r.told = nil
}

func (r *reminding) keepUntil(id string, at time.Time) {
	r.Helper()
	if _, err := r.l.Amend(r.Context(), id, Amendment{Expires: &at}); err != nil {
		r.Fatal(err)
	}
}

func TestWhoWantsToKnowIsToldThatAFileWillBeGone(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		id := r.kept("x:a", "x:b", "quiet")
		r.reminds(id, 0)
		r.clock.add(week - 24*time.Hour - time.Second)
		r.reminds(id, 0)
		r.clock.add(time.Second)
		r.reminds(id, 1, "x:a", "x:b")
		r.reminds(id, 0)
		r.keepUntil(id, r.clock.now().Add(week)) // they know, and have a file to look after
		r.clock.add(week - time.Hour)
		r.reminds(id, 0)
	})
}

func TestNobodyIsToldOfAFileThatIsKeptForADayOrTwo(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		r.long = 48*time.Hour - time.Second
		id := r.kept("x:a")
		r.clock.add(47 * time.Hour)
		r.reminds(id, 0)
		r.keepUntil(id, r.clock.now().Add(week))
		r.clock.add(week - 24*time.Hour)
		r.reminds(id, 1, "x:a")
	})
}

func TestAFileThatIsKeptLongerIsToldOfBeforeItsNewTime(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		id := r.kept("x:a")
		long := r.clock.now().Add(2 * week)
		r.keepUntil(id, long)
		r.clock.add(week)
		r.reminds(id, 0)
		r.keepUntil(id, r.clock.now().Add(time.Hour)) // whoever shortens it knows
		r.reminds(id, 0)
		r.keepUntil(id, long)
		// An older release keeps it longer, and knows of no reminders.
		later := long.Add(week)
		if _, err := r.l.db.ExecContext(t.Context(), `UPDATE runs SET expires = $1 WHERE id = $2`, stamp(later), id); err != nil {
			t.Fatal(err)
		}
		r.clock.add(week)
		r.reminds(id, 1)
		r.clock.add(week - time.Hour)
		r.reminds(id, 1, "x:a")
	})
}

func TestWordOfAFileIsTakenBackWhenItIsNotTrueAnyMore(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		id := r.kept("x:a", "x:b")
		r.clock.add(week - time.Hour)
		r.stop() // nobody tells them now
		r.due(1)
		r.keepUntil(id, r.clock.now().Add(week))
		r.start()
		r.hears(id)
		r.clock.add(week - time.Hour)
		r.reminds(id, 1, "x:a", "x:b")

		gone := r.kept("x:a")
		r.clock.add(week - time.Hour)
		r.stop()
		r.due(1)
		if _, err := r.l.DeleteFile(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		r.start()
		r.hears(gone)
		notices, err := r.l.Notices(t.Context(), gone)
		i := slices.IndexFunc(notices, func(n NoticeRecord) bool { return n.Event == offprint.RunExpiring })
		if err != nil || i < 0 || notices[i].State != "failed" || notices[i].LastAnswer != "The file was gone before this was sent." {
			t.Errorf("%+v, %v", notices, err)
		}
		r.wantCode(r.l.ReplayNotice(t.Context(), gone, notices[i].ID), offprint.Conflict)
	})
}

func TestNobodyIsToldOfAFileThatIsGone(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		deleted, expired, late := r.kept("x:a"), r.kept("x:a"), r.kept("x:a")
		if _, err := r.l.DeleteFile(t.Context(), deleted); err != nil {
			t.Fatal(err)
		}
		r.keepUntil(late, r.clock.now().Add(week+time.Second))
		r.clock.add(week)
		if n, err := r.l.Expire(t.Context(), 10); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		r.clock.add(time.Second)
		for _, id := range []string{deleted, expired} {
			r.hears(id)
		}
		r.reminds(late, 1) // its time has passed, though nobody has expired it yet
	})
}

func TestAReminderIsToldOnceByManyNodes(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		var ids []string
		for range 5 {
			ids = append(ids, r.kept("x:a"))
		}
		o := quick()
		o.Now = r.clock.now
		nodes := []*Ledger{r.l, r.open(o)}
		r.clock.add(week - time.Hour)
		var looking sync.WaitGroup
		for i := range 8 {
			looking.Go(func() {
				if _, err := nodes[i%2].Remind(t.Context(), 10); err != nil {
					t.Error(err)
				}
			})
		}
		looking.Wait()
		for _, id := range ids {
			r.settled(id)
			if all, err := r.l.Notices(t.Context(), id); err != nil || len(all) != 2 {
				t.Errorf("%+v, %v", all, err)
			}
		}
		r.hears(ids[0], "x:a", "x:a", "x:a", "x:a", "x:a")
	})
}

// A reminder that could not be sent at once is sent when it can be, and once
// more when somebody asks for it.
func TestAReminderIsTriedAgain(t *testing.T) {
	onEachReminding(t, func(t *testing.T, r *reminding) {
		id := r.kept("x:a")
		r.clock.add(week - time.Hour)
		r.said = offprint.Errorf(offprint.BadQuery, "No such mailbox.")
		r.reminds(id, 1)
		r.mu.Lock()
		r.said = nil
		r.mu.Unlock()
		notices, err := r.l.Notices(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(notices, func(n NoticeRecord) bool { return n.Event == offprint.RunExpiring })
		if err := r.l.ReplayNotice(t.Context(), id, notices[i].ID); err != nil {
			t.Fatal(err)
		}
		r.hears(id, "x:a")
	})
}

// Finding what is due reads no more than that, though every tenth run wants to
// be told some day.
func TestRemindersAreFoundByTheirIndex(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		const runs = 20_000
		series := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + fmt.Sprint(runs) + `)`
		insert := series + ` INSERT INTO runs (id, tenant, user_id, report, version, title, metadata, asking, key_digest, state, epoch, ticket, file_state, file, file_key, expires, created, finished, changed, remind)
			SELECT 'run_' || i, '', 'ann', 'orders', 'v1', 'Orders', '', '{}', '', 'succeeded', 1, 0, 'available', '{}', 'k', 2000000000000000 + i, 1, 1, 1, CASE WHEN i % 10 = 0 THEN 1900000000000000 + i ELSE 0 END FROM n`
		if _, err := l.db.ExecContext(t.Context(), insert); err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{`INSERT INTO definitions (report, version, text) VALUES ('orders', 'v1', '')`, `ANALYZE`} {
			if _, err := l.db.ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		explain, want := `EXPLAIN QUERY PLAN `, "INDEX runs_to_remind (remind>"
		if l.listen != nil {
			explain, want = `EXPLAIN `, "Index Scan using runs_to_remind"
		}
		plan := planOf(t, l, explain+findToRemind, 1_900_000_000_000_500, 200)
		if !strings.Contains(plan, want) {
			t.Errorf("the plan is %s", plan)
		}
	})
}

func planOf(t *testing.T, l *Ledger, text string, args ...any) string {
	t.Helper()
	rows, err := l.reader.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	var plan []string
	err = eachRow(rows, func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		line := make([]any, len(columns))
		for i := range line {
			line[i] = new(any)
		}
		err = rows.Scan(line...)
		plan = append(plan, fmt.Sprint(*line[len(line)-1].(*any)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}
