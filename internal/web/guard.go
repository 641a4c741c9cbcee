package web

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A fence holds off other sites' writes: api is around what programs call, and
// lets the configured origins in; page is around the forms, which are for our
// own pages alone.
type fence struct{ page, api *http.CrossOriginProtection }

func newFence(c *Config) (*fence, error) {
	f := &fence{http.NewCrossOriginProtection(), http.NewCrossOriginProtection()}
	if c.BaseURL != nil {
		own := c.BaseURL.Scheme + "://" + c.BaseURL.Host
		if err := errors.Join(f.page.AddTrustedOrigin(own), f.api.AddTrustedOrigin(own)); err != nil {
			return nil, offprint.Errorf(offprint.NotConfigured, "base_url: %q is no address. Write it as https://reports.example.com.", c.BaseURL)
		}
	}
	for _, origin := range c.Origins {
		if err := f.api.AddTrustedOrigin(origin); err != nil {
			return nil, offprint.Errorf(offprint.NotConfigured, "origins: %q is no origin. Write it as https://app.example.com.", origin)
		}
	}
	return f, nil
}

func (f *fence) check(r *http.Request) error {
	// The page of a link tells nobody where it is, so an old browser, or one that
	// came without TLS, says of its form's origin only that it says nothing. Who
	// sends that form has the link, and needs no other site to use it.
	if byLink(r) && r.Header.Get("Origin") == "null" && r.Header.Get("Sec-Fetch-Site") == "" {
		return nil
	}
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") { // what comes by one can be read by a page of any site
		r = r.WithContext(r.Context())
		r.Method = http.MethodPost
	}
	if forPrograms(r) {
		return f.api.Check(r)
	}
	return f.page.Check(r)
}

// forPrograms tells whether the request's address is for programs, not for people.
func forPrograms(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/") || toHub(r) }

// byLink tells whether the request's address is a link's: a secret.
func byLink(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/d/") }

// ServeHTTP refuses what no route may see, and hands the rest on.
func (s *Site) ServeHTTP(wire http.ResponseWriter, r *http.Request) {
	w := s.begin(wire, r)
	defer s.recover(w, r)
	r, moved := s.routed(withCredential(r))
	allowed := s.allow(w, r) // also to read a refusal
	if err := s.guard(r); err != nil {
		s.turnAway(w, r, err)
		return
	}
	if allowed && preflight(w, r) {
		return
	}
	if moved != "" {
		w.Header().Set("Location", moved)
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	handler, pattern := s.mux.Handler(r)
	if pattern == "" {
		s.lost(w, r, handler)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// recover answers for a handler that panicked; one that has begun to answer is
// cut off, so that nobody takes what it said for the whole.
func (s *Site) recover(w *begun, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler {
		panic(v)
	}
	err := panicked(v)
	if !w.yes {
		s.fail(w, r, err)
		return
	}
	s.refuse(r.Context(), r.Header, err)
	panic(http.ErrAbortHandler)
}

func panicked(v any) error { return fmt.Errorf("panic: %v\n%s", v, debug.Stack()) }

// guard holds off other sites' scripts, addresses that nobody can read and,
// where nobody has to sign in, whatever does not come straight from this
// machine.
func (s *Site) guard(r *http.Request) error {
	if err := s.fence.check(r); err != nil {
		return offprint.Errorf(offprint.Forbidden, "Another site's page asked for this. Add its origin to origins if it may.").Because(err)
	}
	if s.Identity.Required {
		return readable(r.URL)
	}
	if !loopback(r.Host) {
		return offprint.Errorf(offprint.Misdirected, "Without sign-in it answers to localhost and 127.0.0.1 only. Configure auth to serve other names.")
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return offprint.Errorf(offprint.Unreadable, "Without sign-in it takes no requests from a proxy. Configure auth to stand behind one.")
		}
	}
	return readable(r.URL)
}

// loopback tells whether a Host is this machine's own name for itself; any
// other may be a stranger's name that now points here (DNS rebinding).
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback() || strings.EqualFold(name, "localhost")
}

// exposed are the headers that other origins' scripts may read.
const exposed = "Location, ETag, Retry-After, RateLimit, RateLimit-Policy, Idempotent-Replayed, Preference-Applied, Content-Disposition, Repr-Digest"

// allow says what every answer says to browsers, and lets the scripts of the
// configured origins read it.
func (s *Site) allow(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	if byLink(r) {
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Robots-Tag", "noindex, nofollow")
	}
	if toHub(r) {
		h.Set("Referrer-Policy", "no-referrer") // its address may have held a credential
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if len(s.Origins) == 0 {
		return false
	}
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(s.Origins, origin) {
		return false
	}
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
	if toHub(r) {
		h.Set("Access-Control-Allow-Credentials", "true") // its clients send cookies, unless they are told not to
	}
	return true
}

// preflight answers a browser that asks what an allowed origin may send.
func preflight(w http.ResponseWriter, r *http.Request) (answered bool) {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, X-API-Key, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range, Prefer, Last-Event-ID, Traceparent, X-Requested-With, X-SignalR-User-Agent")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// lost answers for the mux where it has no route, keeping what it would have
// said of the methods.
func (s *Site) lost(w http.ResponseWriter, r *http.Request, mux http.Handler) {
	said := &muted{header: make(http.Header)}
	mux.ServeHTTP(said, r)
	err := offprint.Errorf(offprint.NotFound, "There is nothing at this address. The list of what there is stands at %s.", s.path("/openapi.json"))
	if said.status == http.StatusMethodNotAllowed {
		w.Header()["Allow"] = said.header["Allow"]
		err = offprint.Errorf(offprint.Method, "Use one of: %s.", said.header.Get("Allow"))
	}
	s.turnAway(w, r, err)
}

// turnAway answers with a page or a problem, as the request likes it.
func (s *Site) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	if asksForPage(r) {
		s.failPage(w, r, err)
		return
	}
	s.fail(w, r, err)
}

// muted hears a status and headers, and nothing else.
type muted struct {
	header http.Header
	status int
}

func (m *muted) Header() http.Header         { return m.header }
func (m *muted) Write(b []byte) (int, error) { return len(b), nil }
func (m *muted) WriteHeader(status int)      { m.status = status }

// from is the address that a request came from, past the trusted proxies.
func (s *Site) from(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	address := peer.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) }) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		address = next.Unmap()
	}
	return address.String()
}

// identify is who sent the request.
func (s *Site) identify(r *http.Request) (offprint.Identity, error) {
	return s.Identity.Identify(r.Context(), r.Header)
}

type askerKey struct{}

// still is who sent a request with these headers, looked up again after a while: the credential
// may have expired or been revoked meanwhile.
func (s *Site) still(ctx context.Context, h http.Header, was offprint.Identity) (offprint.Identity, error) {
	who, err := s.Identity.Identify(ctx, h)
	if err == nil && (who.User != was.User || who.Tenant != was.Tenant) {
		err = offprint.Errorf(offprint.Unauthenticated, "This credential means somebody else now. Ask again.")
	}
	return who, err
}

// known lets a JSON operation be reached only by who is known; open reads it.
func (s *Site) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.identify(r)
		if err == nil && r.ContentLength != 0 && !sendsJSON(r) {
			err = offprint.Errorf(offprint.Unreadable, "Send JSON, with Content-Type: application/json.")
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "private, no-cache")
		next(w, r.WithContext(context.WithValue(r.Context(), askerKey{}, &asker{Identity: who, since: time.Now(), request: r, answer: w})))
	}
}

// An asker is who sends a JSON operation, and on which wire. The library that
// decodes operations passes a context only, so it travels there for that one
// hop; from the operation on it is an argument.
type asker struct {
	offprint.Identity
	since   time.Time // when they were looked up
	request *http.Request
	answer  http.ResponseWriter
}

func sendsJSON(r *http.Request) bool {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	media = strings.ToLower(strings.TrimSpace(media))
	return media == "" || media == "application/json" || strings.HasSuffix(media, "+json")
}
