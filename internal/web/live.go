package web

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/signalr"
)

const (
	overlap  = 10 * time.Second // clocks of several servers differ
	lastHour = time.Hour
	aWhile   = time.Minute // after the end of a run nudges may still come
)

// A stream tells one listener of runs, by whatever way. It ends with the
// credential that it was asked for with.
type stream struct {
	site   *Site
	out    outlet
	header func() http.Header // with the credential
	watch  *desk.Watch
	who    offprint.Identity
	seen   time.Time       // when who was looked up
	said   map[string]said // of each run that has not ended, or just now
	late   []string        // runs that are kept back

	// Where the listener may say something; else nothing of it is there.
	calls   <-chan signalr.Call
	answer  func(context.Context, signalr.Call) error
	watched map[string]bool // runs that are others', which they asked to hear of
}

// An outlet is a way to a listener.
type outlet interface {
	run(id int64, run []byte) error // id is where the listener goes on when they come back
	pulse() error                   // a sign of life
}

// said is what the listener knows of a run.
type said struct {
	revision int64
	state    offprint.State
	phase    offprint.Phase
	at       time.Time
}

// present looks the listener up again, unless that was done just now.
func (t *stream) present(ctx context.Context, just time.Duration) (err error) {
	if time.Since(t.seen) < just {
		return nil
	}
	aside(func() {
		var who offprint.Identity
		if who, err = t.site.still(ctx, t.header(), t.who); err == nil {
			t.who, t.seen = who, time.Now()
		}
	})
	return err
}

// tell sends what is seen of a run unless the listener knows it; due is when to
// try again where it was only kept back, lest progress come faster than anybody
// reads.
func (t *stream) tell(r *sight, id int64) (due time.Duration, err error) {
	known, now := t.said[r.ID], time.Now()
	if r.Revision <= known.revision {
		return 0, nil
	}
	if since := now.Sub(known.at); known.state == r.State && known.phase == r.Phase && since < t.site.times.unhurried {
		return t.site.times.unhurried - since, nil
	}
	t.remember(&r.Run, now)
	return 0, t.out.run(id, r.json)
}

// remember keeps what the listener knows of a run that goes on, and for a while
// of one that has ended: a long stream would remember too many.
func (t *stream) remember(r *offprint.Run, now time.Time) {
	if t.said == nil {
		t.said = make(map[string]said)
	}
	if r.State.Final() {
		maps.DeleteFunc(t.said, func(_ string, s said) bool { return s.state.Final() && now.Sub(s.at) > aWhile })
	}
	t.said[r.ID] = said{r.Revision, r.State, r.Phase, now}
}

// events streams one run until it has ended.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	var ends ends
	defer ends.come()
	id := r.PathValue("id")
	watch := s.Desk.Watch(id)
	ends.with(watch.Close)
	var who offprint.Identity
	var run offprint.Run
	var err error
	aside(func() {
		if who, err = s.identify(r); err == nil {
			run, err = s.Desk.Get(r.Context(), who, id)
		}
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if run.State.Final() && r.Header.Get("Last-Event-ID") == strconv.FormatInt(run.Revision, 10) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := s.enter(who); err != nil {
		s.fail(w, r, err)
		return
	}
	ends.with(func() { s.leave(who) })
	s.stream(w, r, who, watch, ends.passed(), func(ctx context.Context, t *stream) error {
		return t.follow(ctx, func() (time.Duration, bool, error) {
			t.watch.Take()
			run, err := s.look(ctx, t.who, id)
			if err != nil {
				return 0, true, err
			}
			due, err := t.tell(run, run.Revision)
			return due, run.State.Final(), err
		})
	})
}

// allEvents streams all of the caller's runs, for as long as they listen.
func (s *Site) allEvents(w http.ResponseWriter, r *http.Request) {
	var ends ends
	defer ends.come()
	var who offprint.Identity
	var err error
	if aside(func() { who, err = s.identify(r) }); err == nil {
		err = s.enter(who)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	ends.with(func() { s.leave(who) })
	watch := s.Desk.WatchAll(who)
	ends.with(watch.Close)
	var runs []offprint.Run
	now := s.Desk.Now()
	aside(func() { runs, err = s.Desk.Changed(r.Context(), who, since(r.Header.Get("Last-Event-ID"), now)) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.stream(w, r, who, watch, ends.passed(), func(ctx context.Context, t *stream) error {
		if err := t.out.(events)([]byte(": these are your runs\n\n")); err != nil {
			return err
		}
		return t.all(ctx, runs, now)
	})
}

// all tells of the listener's runs, first of those that have not ended or
// changed while nobody listened, for as long as they listen.
func (t *stream) all(ctx context.Context, runs []offprint.Run, now time.Time) error {
	for _, r := range runs {
		run, err := t.site.sight(ctx, r)
		if err != nil {
			return err
		}
		if _, err := t.tell(run, now.UnixMicro()); err != nil {
			return err
		}
	}
	return t.follow(ctx, func() (due time.Duration, done bool, err error) {
		if ids := t.watch.Take(); len(ids)+len(t.late) > 0 {
			due, err = t.tellAll(ctx, ids)
		}
		return due, false, err
	})
}

// since is from when on a listener wants to know: what it last heard, less
// what clocks may differ by, or the last hour.
func since(lastID string, now time.Time) time.Time {
	micros, err := strconv.ParseInt(lastID, 10, 64)
	if err != nil || micros <= 0 || micros > now.UnixMicro() {
		return now.Add(-lastHour)
	}
	return time.UnixMicro(micros).Add(-overlap)
}

// tellAll tells of the runs with these ids and of those that were kept back;
// due is when the first of those that now are should be tried again.
func (t *stream) tellAll(ctx context.Context, ids []string) (due time.Duration, err error) {
	ids = append(ids, t.late...)
	slices.Sort(ids)
	t.late = nil
	for _, id := range slices.Compact(ids) {
		now := t.site.Desk.Now().UnixMicro()
		run, err := t.site.look(ctx, t.who, id)
		if offprint.CodeOf(err) == offprint.NotFound { // erased
			continue
		}
		if err != nil {
			return 0, err
		}
		if !t.hears(&run.Run) {
			continue
		}
		wait, err := t.tell(run, now)
		if err != nil {
			return 0, err
		}
		if run.State.Final() {
			t.unwatch(id)
		}
		if wait > 0 {
			t.late = append(t.late, id)
		}
		if wait > 0 && (due == 0 || wait < due) {
			due = wait
		}
	}
	return due, nil
}

// hears tells whether the run is the listener's own, or one that they watch.
func (t *stream) hears(r *offprint.Run) bool { return theirs(t.who, r) || t.watched[r.ID] }

func theirs(who offprint.Identity, r *offprint.Run) bool {
	return r.Who.User == who.User && r.Who.Tenant == who.Tenant
}

// unwatch hears no more of a run, unless it is the listener's own.
func (t *stream) unwatch(id string) {
	if t.watched[id] {
		t.watch.Not(id)
		delete(t.watched, id)
		delete(t.said, id)
	}
}

// follow calls next at once, whenever nudged, and when it is due again, until
// it is done, fails, or the listener or the server goes.
func (t *stream) follow(ctx context.Context, next func() (due time.Duration, done bool, err error)) error {
	alive := time.NewTimer(t.site.times.pulse)
	defer alive.Stop()
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	for {
		var due time.Duration
		var done bool
		err := t.present(ctx, t.site.times.fresh)
		if err == nil {
			due, done, err = next()
		}
		if err != nil || done {
			return err
		}
		if due > 0 {
			late.Reset(due)
		}
		if more, err := t.wait(ctx, late.C, alive); !more {
			return err
		}
	}
}

// aside does something on a goroutine of its own, whose stack may grow with it
// and then goes; the listeners' own, of which there are thousands, stay small.
func aside(do func()) {
	panicked := make(chan any)
	go func() {
		defer func() { panicked <- recover() }()
		do()
	}()
	if v := <-panicked; v != nil {
		panic(v)
	}
}

// wait is over when there is something to do; there is no more when there never
// will be.
func (t *stream) wait(ctx context.Context, late <-chan time.Time, alive *time.Timer) (more bool, err error) {
	for err == nil {
		select {
		case <-t.watch.C:
			return true, nil
		case <-late:
			return true, nil
		case call := <-t.calls:
			if err = t.present(ctx, t.site.times.fresh); err == nil {
				err = t.answer(ctx, call)
			}
		case <-alive.C:
			if err = t.present(ctx, t.site.times.again); err == nil {
				err = t.out.pulse()
			}
			alive.Reset(t.site.times.pulse)
		case <-t.site.closed:
			return false, nil
		case <-ctx.Done():
			return false, nil
		}
	}
	return false, err
}

// lost notes why a stream ended that should not have; a listener who left, or
// whose credential or run has gone, is no such reason.
func (t *stream) lost(ctx context.Context, err error) {
	if code := offprint.CodeOf(err); err != nil && ctx.Err() == nil && code != offprint.NotFound && code != offprint.Unauthenticated {
		t.site.Log.DebugContext(ctx, "event stream ended", "error", err)
	}
}
