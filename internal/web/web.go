// Package web is what people and programs meet: the HTTP API, its live
// streams, and the page. All routes stand in routes.go; what is refused before
// any of them, in guard.go; every status, in problem.go.
package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/identity"
)

// Config is what a site is made of. Desk and Identity must be set.
type Config struct {
	Desk     *desk.Desk
	Identity *identity.Checker
	// BaseURL is where people find the site, and may have a path:
	// https://reports.example.com/offprint. Empty: wherever they came.
	BaseURL        *url.URL
	Origins        []string       // other sites whose scripts may use the API: https://app.example.com
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Version        string
	Log            *slog.Logger // default: nothing is logged
}

// A Site answers requests. It is safe for use by many goroutines.
type Site struct {
	Config
	prefix string // of every path: "" or /offprint
	mux    *http.ServeMux
	cross  *http.CrossOriginProtection
	pages  *pages
	api    *document

	closed  chan struct{}
	closing sync.Once
}

// New makes a site. An error is a wrong configuration.
func New(c Config) (*Site, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{Config: c, mux: http.NewServeMux(), cross: http.NewCrossOriginProtection(), closed: make(chan struct{})}
	if c.BaseURL != nil {
		s.prefix = strings.TrimRight(c.BaseURL.EscapedPath(), "/")
	}
	if err := s.trust(); err != nil {
		return nil, err
	}
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	s.pages = pages
	if err := s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the live streams and whatever waits for a change, so that
// [http.Server.Shutdown] need not wait for them, and takes no more runs.
func (s *Site) Close() { s.closing.Do(func() { close(s.closed) }) }

func (s *Site) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// path is a path as the outside sees it.
func (s *Site) path(p string) string { return s.prefix + p }
