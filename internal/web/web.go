// Package web is what people and programs meet: the HTTP API, its live
// streams, and the page. All routes stand in routes.go; what is refused before
// any of them, in guard.go; every status, in problem.go.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/signalr"
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
	// Dev tells what is wrong in the reports now, for the pages of whoever writes
	// them; nil: the pages say nothing of it.
	Dev func() []ReportProblem
	Log *slog.Logger // default: nothing is logged
}

// A Site answers requests. It is safe for use by many goroutines.
type Site struct {
	Config
	prefix string // of every path, escaped: "" or /offprint
	times  times
	mux    *http.ServeMux
	fence  *fence
	pages  *pages
	api    *document
	crowd  crowd
	hub    *signalr.Hub
	sights sights
	lines  lines

	guesses guesses

	closed  chan struct{}
	closing sync.Once
}

// times are how long things may take.
type times struct {
	body      time.Duration // for what a request sends
	pulse     time.Duration // between two signs of life of a stream
	unhurried time.Duration // between two words of one run's progress
	taken     time.Duration // without a piece of the answer taken: then the connection is lost
	fresh     time.Duration // since somebody was looked up: so long they are told things
	again     time.Duration // since a listener was looked up who is told nothing: then they are looked up again
	hub       signalr.Config
}

func usual() times {
	return times{body: 10 * time.Second, pulse: 15 * time.Second, unhurried: time.Second, taken: 30 * time.Second, fresh: 10 * time.Second, again: 45 * time.Second}
}

// New makes a site. An error is a wrong configuration.
func New(c Config) (*Site, error) { return build(c, usual()) }

func build(c Config, t times) (*Site, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{Config: c, times: t, mux: http.NewServeMux(), crowd: newCrowd(), hub: signalr.New(t.hub), sights: sights{of: make(map[onlooker]*looks)}, closed: make(chan struct{})}
	s.lines.ctx, s.lines.cut = context.WithCancel(context.Background())
	if c.BaseURL != nil {
		s.prefix = strings.TrimRight(cleaned(c.BaseURL.EscapedPath()), "/")
	}
	var err error
	if s.fence, err = newFence(&s.Config); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(); err != nil {
		return nil, err
	}
	if err := s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the live streams and whatever waits for a change, so that
// [http.Server.Shutdown] need not wait for them, and takes no more runs. It
// waits for connections that are no requests any more.
func (s *Site) Close() {
	s.closing.Do(func() {
		close(s.closed)
		s.hub.Close()
		s.lines.close()
	})
}

func (s *Site) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}
