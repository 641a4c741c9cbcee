// Package server puts Offprint together: the ledger, the store, the sources,
// the desk and the web, from one Config. The command and whoever embeds
// Offprint in a program of their own both call it:
//
//	s, err := server.New(ctx, server.Config{Reports: "reports", InGo: []*offprint.Report{mine}})
//	…
//	err = s.Run(ctx) // until ctx ends
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/jsonl"
	"github.com/offprint/offprint/internal/format/pdf"
	"github.com/offprint/offprint/internal/format/xlsx"
	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/web"
	"github.com/offprint/offprint/source"
)

// formats are those that every server makes, in the order that people see.
func formats() []offprint.Format {
	return []offprint.Format{xlsx.Format, pdf.Format, csv.Format, jsonl.Format}
}

// A Server is Offprint, put together.
type Server struct {
	config  Config
	ledger  *ledger.Ledger
	blobs   *blob.Store
	sources Sources
	folder  *source.Folder
	desk    *desk.Desk
	who     *identity.Checker
	metrics *metrics
}

// Sources are databases by name.
type Sources map[string]*source.Database

// New opens everything that the configuration names; the database is brought
// up to date. Nothing listens and nothing is made before Run.
func New(ctx context.Context, c Config) (s *Server, err error) {
	c = c.withDefaults()
	s = &Server{config: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	wrong := c.check()
	var problems source.Problems
	s.sources, s.folder, problems, err = openReports(c)
	if err = errors.Join(wrong, err); err != nil {
		return s, err
	}
	for _, p := range problems {
		c.Log.Error("a report is left out", "problem", p.String())
	}
	s.ledger, err = ledger.Open(ctx, c.Database, ledger.Options{
		Exclusive: true, Schema: c.Schema, ListenURL: c.ListenURL, Now: c.Now, Log: c.Log,
		GiveUp: c.GiveUp, KeepRecords: c.KeepRecords, Queued: c.Limits.Queued, QueuedPerUser: c.Limits.QueuedPerUser,
		MaxRuns: c.maxRuns(),
	})
	if err != nil {
		return s, fmt.Errorf("open the ledger: %w", err)
	}
	if s.blobs, err = c.store(ctx, s.ledger, (*blob.Store).Claim); err != nil {
		return s, err
	}
	notifiers, err := c.notifiers()
	if err != nil {
		return s, err
	}
	hooks, err := c.webhooks()
	if err != nil {
		return s, err
	}
	s.metrics = newMetrics()
	s.desk = desk.New(desk.Config{
		Catalog: s.folder, Formats: formats(), Ledger: s.ledger, Blobs: s.blobs, Retention: c.Retention, MaxAttempts: c.MaxAttempts,
		MaxRows: c.Limits.Rows, MaxBytes: c.Limits.FileBytes, Drain: c.Drain, Stall: c.Stall, FirstRow: c.firstRow(),
		Notifiers: notifiers, Webhooks: hooks, Base: c.base(),
		Links: desk.Audience(c.Links), Signer: c.signer(s.blobs), Secrets: c.Secrets, Tried: s.metrics.tried, Now: c.Now, Log: c.Log,
	})
	s.metrics.desk, s.metrics.blobs = s.desk, s.blobs
	s.who, err = c.checker(s.ledger)
	return s, err
}

// openReports opens the sources and the reports on them, and nothing else: a
// source is connected to when it is first asked. The error names every source
// that cannot be; problems are what is wrong in the reports, which are left out.
func openReports(c Config) (Sources, *source.Folder, source.Problems, error) {
	sources := make(Sources)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		db, err := source.Open(c.Sources[name].source(name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sources[name] = db
	}
	if c.ReportFiles == nil {
		if info, err := os.Stat(c.Reports); err != nil || !info.IsDir() {
			errs = append(errs, fmt.Errorf("reports: there is no folder %s. Make it, or name another", c.Reports))
		}
	}
	if errs != nil {
		return sources, nil, nil, errors.Join(errs...)
	}
	folder, _ := c.folder(sources)
	folder.Tenants(c.Auth.JWT != nil && c.Auth.JWT.Claims.Tenant != "")
	var names []string
	for _, f := range formats() {
		names = append(names, f.Name())
	}
	folder.Formats(names...)
	folder.Delivers(c.schemes()...)
	return sources, folder, folder.Reload(), nil
}

func (c *Config) folder(sources Sources) (*source.Folder, source.Problems) {
	files, dir := c.reportFiles()
	return source.OpenFS(dir, files, sources, c.InGo...)
}

// reportFiles are the definitions, and what stands in front of their paths.
func (c *Config) reportFiles() (files fs.FS, dir string) {
	if c.ReportFiles != nil {
		return c.ReportFiles, "reports"
	}
	return os.DirFS(c.Reports), c.Reports
}

// Close closes the databases that are open.
func (s Sources) Close() error {
	var errs []error
	for _, db := range s {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// Close closes what New opened. Whoever called Run waits for it first.
func (s *Server) Close() error {
	var errs []error
	if s.desk != nil {
		s.desk.Close()
	}
	if s.sources != nil {
		errs = append(errs, s.sources.Close())
	}
	if s.blobs != nil {
		errs = append(errs, s.blobs.Close())
	}
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	return errors.Join(errs...)
}

// Run serves and works until ctx ends, then drains: no new run is begun, what
// is being made has Config.Drain to end, and what has not ended by then is
// handed to the next process.
func (s *Server) Run(ctx context.Context) error {
	runtime.GOMAXPROCS(runtime.NumCPU() + s.config.Workers) // a niced worker must not take the thread of one who answers
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	worked := make(chan struct{})
	jobs := []func(context.Context) error{
		func(ctx context.Context) error {
			defer close(worked)
			return s.desk.Work(ctx, s.config.Workers)
		},
		func(ctx context.Context) error { return s.folder.Watch(ctx, s.config.Log, s.config.pollEvery()) },
	}
	listeners, err := listen(ctx, s.config.MetricsListen, s.config.Listen)
	if err != nil {
		return err
	}
	if l := listeners[0]; l != nil {
		jobs = append(jobs, func(ctx context.Context) error { return s.metrics.serve(ctx, l) })
	}
	if l := listeners[1]; l != nil {
		jobs = append(jobs, func(ctx context.Context) error { return s.serve(ctx, l, worked) })
	} else if s.config.Ready != nil {
		s.config.Ready("")
	}
	return together(ctx, stop, jobs)
}

// listen opens all of the addresses, or none; an empty one is no listener.
func listen(ctx context.Context, addresses ...string) ([]net.Listener, error) {
	listeners := make([]net.Listener, len(addresses))
	for i, address := range addresses {
		if address == "" {
			continue
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			err = fmt.Errorf("listen on %s: %w", address, err)
			for _, open := range listeners[:i] {
				if open != nil {
					err = errors.Join(err, open.Close())
				}
			}
			return nil, err
		}
		listeners[i] = l
	}
	return listeners, nil
}

// together runs jobs until ctx ends or one of them fails, and waits for all.
func together(ctx context.Context, stop context.CancelCauseFunc, jobs []func(context.Context) error) error {
	ended := make(chan error)
	for _, job := range jobs {
		go func() {
			err := job(ctx)
			if err != nil {
				stop(err)
			}
			ended <- err
		}()
	}
	var errs []error
	for range jobs {
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// serve answers until ctx ends. From then on it takes no new runs and ends its
// streams, but goes on answering until the workers are back; then requests
// have ten seconds to end.
func (s *Server) serve(ctx context.Context, listener net.Listener, worked <-chan struct{}) error {
	site, err := s.site()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{
		Handler: s.metrics.counted(site), MaxHeaderBytes: 32 << 10, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if s.config.Ready != nil {
		s.config.Ready("http://" + listener.Addr().String())
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		site.Close()
		<-worked
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) { // a download that goes on; it may be resumed
		err = server.Close()
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

func (s *Server) site() (*web.Site, error) {
	c := web.Config{Desk: s.desk, Identity: s.who, Origins: s.config.Origins, Version: s.config.Version, Log: s.config.Log}
	if s.config.Dev {
		c.Dev = s.problems
	}
	var err error
	if s.config.BaseURL != "" {
		if c.BaseURL, err = url.Parse(s.config.BaseURL); err != nil {
			return nil, fmt.Errorf("base_url: %w", err)
		}
	}
	for _, text := range s.config.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, errAddress := netip.ParseAddr(text)
			if errAddress != nil {
				return nil, fmt.Errorf("trusted_proxies: %q is neither an address nor a network as in 10.0.0.0/8", text)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		c.TrustedProxies = append(c.TrustedProxies, network)
	}
	return web.New(c)
}

// Make makes a report here and now, without the ledger, into out.
func Make(ctx context.Context, c Config, ask Ask, out io.Writer, progress func(offprint.Phase, offprint.Progress)) (run offprint.Run, err error) {
	err = c.withDefaults().withDesk(ask.Report, func(d *desk.Desk) error {
		run, err = d.Make(ctx, ask.who(), ask.desk(), out, progress)
		return err
	})
	return run, err
}

// withDesk lends a desk without a ledger, where the report is to be had.
func (c Config) withDesk(report string, with func(*desk.Desk) error) error {
	sources, folder, problems, err := openReports(c)
	if err != nil {
		return errors.Join(err, sources.Close())
	}
	if _, ok := folder.Report(report); !ok {
		if err := problemsOf(report, problems); err != nil {
			return errors.Join(err, sources.Close())
		}
	}
	d := desk.New(desk.Config{Catalog: folder, Formats: formats(), MaxRows: c.Limits.Rows, MaxBytes: c.Limits.FileBytes, Now: c.Now, Log: c.Log})
	err = with(d)
	d.Close()
	return errors.Join(err, sources.Close())
}

// problemsOf are why a report is not there: what is wrong with its own file,
// and not with all others.
func problemsOf(report string, problems source.Problems) error {
	var own source.Problems
	for _, p := range problems {
		if name, isReport := strings.CutSuffix(path.Base(filepath.ToSlash(p.File)), ".sql"); !isReport || name == report {
			own = append(own, p)
		}
	}
	if own == nil {
		return nil
	}
	return own
}

// An Ask is what Make is asked for.
type Ask struct {
	Report, Format   string
	Parameters       offprint.Sent
	TimeZone, Locale string
	Who              offprint.Identity
}

func (a Ask) desk() desk.Ask {
	return desk.Ask{Report: a.Report, Format: a.Format, Parameters: a.Parameters, TimeZone: a.TimeZone, Locale: a.Locale}
}

func (a Ask) who() offprint.Identity {
	if a.Who.User == "" {
		a.Who.User = "local"
	}
	return a.Who
}
