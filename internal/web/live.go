package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/offprint/offprint"
)

const (
	overlap  = 10 * time.Second // clocks of several servers differ
	lastHour = time.Hour
)

// A stream is a server-sent event stream to one listener. It ends with the
// credential that it was asked for with.
type stream struct {
	site *Site
	w    http.ResponseWriter
	r    *http.Request
	wire *http.ResponseController
	who  offprint.Identity
	seen time.Time       // when who was looked up
	said map[string]said // of each run that has not ended
	late []string        // runs that are kept back
}

// said is what the listener knows of a run.
type said struct {
	revision int64
	state    offprint.State
	phase    offprint.Phase
	at       time.Time
}

// stream begins a stream; to whoever asks for its head only, it is nil.
func (s *Site) stream(w http.ResponseWriter, r *http.Request, who offprint.Identity) *stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events until it has enough of them
	if r.Method == http.MethodHead {
		return nil
	}
	return &stream{site: s, w: w, r: r, wire: http.NewResponseController(w), who: who, seen: time.Now()}
}

// present looks the listener up again, unless that was done just now.
func (t *stream) present(just time.Duration) error {
	if time.Since(t.seen) < just {
		return nil
	}
	who, err := t.site.still(t.r, t.who)
	if err != nil {
		return err
	}
	t.who, t.seen = who, time.Now()
	return nil
}

// write sends text or cuts the listener off.
func (t *stream) write(text string) error {
	if _, err := t.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := t.wire.Flush(); err != nil {
		return err
	}
	err := t.wire.SetWriteDeadline(time.Time{}) // HTTP/2 would end an idle stream by it
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// tell sends the run unless the listener knows it; due is when to try again
// where it was only kept back, lest progress come faster than anybody reads.
func (t *stream) tell(ctx context.Context, r *offprint.Run, id int64) (due time.Duration, err error) {
	known, now := t.said[r.ID], time.Now()
	if r.Revision <= known.revision {
		return 0, nil
	}
	if since := now.Sub(known.at); known.state == r.State && known.phase == r.Phase && since < t.site.times.unhurried {
		return t.site.times.unhurried - since, nil
	}
	view, err := t.site.viewed(ctx, r)
	if err != nil {
		return 0, err
	}
	data, err := json.Marshal(view)
	if err != nil {
		return 0, err
	}
	t.remember(r, now)
	return 0, t.write("event: run\nid: " + strconv.FormatInt(id, 10) + "\ndata: " + string(data) + "\n\n")
}

// remember keeps what the listener knows of a run that goes on; repeats of one
// that has ended they drop, and a long stream would remember too many.
func (t *stream) remember(r *offprint.Run, now time.Time) {
	if r.State.Final() {
		delete(t.said, r.ID)
		return
	}
	if t.said == nil {
		t.said = make(map[string]said)
	}
	t.said[r.ID] = said{r.Revision, r.State, r.Phase, now}
}

// events streams one run until it has ended.
func (s *Site) events(w http.ResponseWriter, r *http.Request) {
	ctx, id := r.Context(), r.PathValue("id")
	watch := s.Desk.Watch(id)
	defer watch.Close()
	var who offprint.Identity
	var run offprint.Run
	var err error
	aside(func() {
		if who, err = s.identify(r); err == nil {
			run, err = s.Desk.Get(ctx, who, id)
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
	defer s.leave(who)
	t := s.stream(w, r, who)
	if t == nil {
		return
	}
	t.follow(ctx, watch.C, func() (time.Duration, bool, error) {
		watch.Take()
		run, err := s.Desk.Get(ctx, t.who, id)
		if err != nil {
			return 0, true, err
		}
		due, err := t.tell(ctx, &run, run.Revision)
		return due, run.State.Final(), err
	})
}

// allEvents streams all of the caller's runs, for as long as they listen.
func (s *Site) allEvents(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var who offprint.Identity
	var err error
	aside(func() { who, err = s.identify(r) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.enter(who); err != nil {
		s.fail(w, r, err)
		return
	}
	defer s.leave(who)
	watch := s.Desk.WatchAll(who)
	defer watch.Close()
	var runs []offprint.Run
	now := s.Desk.Now()
	aside(func() { runs, err = s.Desk.Changed(ctx, who, since(r.Header.Get("Last-Event-ID"), now)) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	t := s.stream(w, r, who)
	if t == nil {
		return
	}
	aside(func() { err = t.catchUp(ctx, runs, now) })
	if err != nil {
		t.lost(ctx, err)
		return
	}
	t.follow(ctx, watch.C, func() (due time.Duration, done bool, err error) {
		if ids := watch.Take(); len(ids)+len(t.late) > 0 {
			due, err = t.tellAll(ctx, ids)
		}
		return due, false, err
	})
}

// catchUp tells of what has not ended, and of what changed while nobody listened.
func (t *stream) catchUp(ctx context.Context, runs []offprint.Run, now time.Time) error {
	if err := t.write(": these are your runs\n\n"); err != nil {
		return err
	}
	for i := range runs {
		if _, err := t.tell(ctx, &runs[i], now.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
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
		run, err := t.site.Desk.Get(ctx, t.who, id)
		if offprint.CodeOf(err) == offprint.NotFound { // erased
			continue
		}
		if err != nil {
			return 0, err
		}
		wait, err := t.tell(ctx, &run, now)
		if err != nil {
			return 0, err
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

// follow calls next at once, whenever nudged, and when it is due again, until
// it is done, fails, or the listener or the server goes.
func (t *stream) follow(ctx context.Context, nudged <-chan struct{}, next func() (due time.Duration, done bool, err error)) {
	alive := time.NewTimer(t.site.times.pulse)
	defer alive.Stop()
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	for {
		var due time.Duration
		var done bool
		var err error
		aside(func() {
			if err = t.present(t.site.times.fresh); err == nil {
				due, done, err = next()
			}
		})
		if err != nil {
			t.lost(ctx, err)
			return
		}
		if done {
			return
		}
		if due > 0 {
			late.Reset(due)
		}
		if !t.wait(ctx, nudged, late.C, alive) {
			return
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

// wait is over when there is something to do; it is false when there never
// will be.
func (t *stream) wait(ctx context.Context, nudged <-chan struct{}, late <-chan time.Time, alive *time.Timer) bool {
	for {
		select {
		case <-nudged:
			return true
		case <-late:
			return true
		case <-alive.C:
			var err error
			aside(func() {
				if err = t.present(t.site.times.again); err == nil {
					err = t.write(":\n\n")
				}
			})
			if err != nil {
				t.lost(ctx, err)
				return false
			}
			alive.Reset(t.site.times.pulse)
		case <-t.site.closed:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// lost notes why a stream ended that should not have; a listener who left, or
// whose credential or run has gone, is no such reason.
func (t *stream) lost(ctx context.Context, err error) {
	if code := offprint.CodeOf(err); ctx.Err() == nil && code != offprint.NotFound && code != offprint.Unauthenticated {
		t.site.Log.DebugContext(ctx, "event stream ended", "error", err)
	}
}
