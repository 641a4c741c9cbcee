package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/signalr"
)

// The hub is the live stream of somebody's runs for SignalR's clients, in apps
// of others. It tells what /v1/events tells.

func toHub(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/hubs/") }

// withCredential is the request with the credential as a header that its
// address has, where browsers can send it nowhere else. From here on the
// address holds none, whoever writes it down.
func withCredential(r *http.Request) *http.Request {
	if !strings.Contains(r.URL.Path, "/hubs/") { // there may be a base address before it
		return r
	}
	query := r.URL.Query()
	token := query.Get("access_token")
	if token == "" {
		return r
	}
	query.Del("access_token")
	r = r.Clone(r.Context())
	r.URL.RawQuery, r.RequestURI = query.Encode(), ""
	if r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// negotiate tells a client how to connect.
func (s *Site) negotiate(w http.ResponseWriter, r *http.Request) {
	who, err := s.identify(r)
	if err == nil {
		err = s.enter(who) // rather than in the middle of each transport that a client would try
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.leave(who)
	token, err := s.Desk.Invite(r.Context(), who)
	if err == nil {
		err = s.hub.Negotiate(w, r, token)
	}
	if err != nil {
		s.fail(w, r, spoken(err))
	}
}

// listen is a connection by whatever transport, or the next poll of one.
func (s *Site) listen(w http.ResponseWriter, r *http.Request) {
	var who offprint.Identity
	var err error
	aside(func() { who, err = s.identify(r) })
	if err == nil {
		err = s.hub.Listen(w, r, signalr.Listener{
			User:  listener(who),
			Admit: func(token string) (leave func(), err error) { return s.admit(r.Context(), who, token) },
			Serve: func(ctx context.Context, c *signalr.Conn) string { return s.tellOn(ctx, c, who) },
		})
	}
	if err != nil {
		s.fail(w, r, spoken(err))
	}
}

// listener is by whom connections are known.
func listener(who offprint.Identity) string { return who.Tenant + "\x00" + who.User }

// admit lets somebody in who was invited, or who comes without having asked how.
func (s *Site) admit(ctx context.Context, who offprint.Identity, token string) (leave func(), err error) {
	aside(func() {
		invited := token == ""
		if !invited {
			invited, err = s.Desk.Invited(ctx, who, token)
		}
		if err == nil && !invited {
			err = signalr.ErrUnknown
		}
		if err == nil {
			err = s.enter(who)
		}
	})
	return func() { s.leave(who) }, err
}

// receive is what a client says that cannot say it on its connection.
func (s *Site) receive(w http.ResponseWriter, r *http.Request) {
	who, err := s.identify(r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	if err == nil {
		err = lift(w)
	}
	if err == nil {
		err = s.hub.Receive(w, r, listener(who), body)
	}
	if err != nil {
		s.fail(w, r, spoken(err))
	}
}

// hangUp ends a connection whose client polls.
func (s *Site) hangUp(w http.ResponseWriter, r *http.Request) {
	who, err := s.identify(r)
	if err == nil {
		err = s.hub.Leave(w, r, listener(who))
	}
	if err != nil {
		s.fail(w, r, spoken(err))
	}
}

// spoken is why the hub refuses a request, as a sentence.
func spoken(err error) error {
	var most *http.MaxBytesError
	switch {
	case errors.Is(err, signalr.ErrUnknown):
		err := offprint.Errorf(offprint.NotFound, "Connect again. Behind several servers, all requests of one connection must reach the same one, unless it is by WebSockets.").Because(err)
		err.Title = "There is no such connection"
		return err
	case errors.Is(err, signalr.ErrTaken):
		return offprint.Errorf(offprint.Conflict, "The connection is in use already. Connect again.").Because(err)
	case errors.Is(err, signalr.ErrUnreadable):
		return offprint.Errorf(offprint.Unreadable, "This address is for clients of SignalR, and speaks its protocol json.").Because(err)
	case errors.Is(err, signalr.ErrTooLarge), errors.As(err, &most):
		return offprint.Errorf(offprint.BodyTooLarge, "A message may have 32 KB.").Because(err)
	case errors.Is(err, signalr.ErrClosed):
		return offprint.Errorf(offprint.Draining, "Connect again; another server will answer.").Because(err)
	}
	return err
}

// calling is the way to a client of SignalR.
type calling struct{ *signalr.Conn }

func (c calling) run(_ int64, run []byte) error { return c.Send("RunChanged", run) }
func (c calling) pulse() error                  { return c.Ping() }

// tellOn tells a client of who's runs, and answers it, until one of the two
// goes. The farewell is why it was told no more.
func (s *Site) tellOn(ctx context.Context, c *signalr.Conn, who offprint.Identity) (farewell string) {
	defer s.survive(ctx)
	watch := s.Desk.WatchAll(who)
	defer watch.Close()
	t := &stream{site: s, out: calling{c}, header: c.Header, watch: watch, who: who, seen: time.Now(), calls: c.Calls}
	t.answer = func(ctx context.Context, call signalr.Call) error {
		result, err := t.call(ctx, call)
		if err != nil {
			return c.Answer(call, nil, sentence(s.refuse(ctx, t.header(), err)))
		}
		return c.Answer(call, result, "")
	}
	var runs []offprint.Run
	now := s.Desk.Now()
	var err error
	aside(func() { runs, err = s.Desk.Changed(ctx, who, since("", now)) })
	if err == nil {
		err = t.all(ctx, runs, now)
	}
	if t.lost(ctx, err); err == nil {
		return ""
	}
	return sentence(shown(audible(err)))
}

// sentence is a problem in the few words that a client can show.
func sentence(p *problem) string {
	switch {
	case p.Code != offprint.Internal:
		return p.Title + ". " + p.Detail
	case p.TraceID != "":
		return p.Title + ". Its trace id is " + p.TraceID + "."
	}
	return p.Title + "."
}

// call does what a client calls.
func (t *stream) call(ctx context.Context, call signalr.Call) (any, error) {
	var id string
	one := len(call.Arguments) == 1 && json.Unmarshal(call.Arguments[0], &id) == nil
	switch {
	case call.Streamed:
		return nil, offprint.Errorf(offprint.Invalid, "Nothing here answers with a stream. Use invoke.")
	case !strings.EqualFold(call.Target, "Watch") && !strings.EqualFold(call.Target, "Unwatch"):
		return nil, offprint.Errorf(offprint.Invalid, "There are two methods to call: Watch and Unwatch.")
	case !one:
		return nil, offprint.Errorf(offprint.Invalid, "Call it with one argument, the id of a run.")
	case strings.EqualFold(call.Target, "Unwatch"):
		t.unwatch(id)
		return nil, nil
	}
	return t.watchAlso(ctx, id)
}

// mostWatched are the runs of others that one connection may watch.
const mostWatched = 1000

// watchAlso is the run as it is now, of which the listener hears from now on
// until it has ended, though it may not be their own.
func (t *stream) watchAlso(ctx context.Context, id string) (json.RawMessage, error) {
	if len(t.watched) >= mostWatched && !t.watched[id] {
		err := offprint.Errorf(offprint.TooManyRequests, "One connection may watch %d. Those that have ended do not count.", mostWatched)
		err.Title = "You watch too many runs"
		return nil, err
	}
	if t.watched == nil {
		t.watched = make(map[string]bool)
	}
	t.watched[id] = true
	t.watch.Also(id) // first, so that no change falls in between
	run, err := t.site.look(ctx, t.who, id)
	if err != nil || theirs(t.who, &run.Run) || run.State.Final() { // which are not heard of, or anyway
		t.unwatch(id)
	}
	if err != nil {
		return nil, err
	}
	t.remember(&run.Run, time.Now())
	return run.json, nil
}
