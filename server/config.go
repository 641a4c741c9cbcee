package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/source"
)

// Config is all that a server can be told. The zero value of a field is its
// default. docs/configuration.md has the same as a file, see [ReadConfig].
type Config struct {
	Listen         string // address and port; empty: no web
	BaseURL        string // what people's browsers call it, maybe with a path; empty: http:// and Listen
	Database       string // sqlite:PATH or postgres://…; default sqlite:data/offprint.db
	Schema         string // of PostgreSQL; default offprint
	ListenURL      string // PostgreSQL for session connections, where Database pools transactions
	Files          string // dir:PATH, s3://… or azure://…; default dir:data/files
	DiskReserve    int64  // bytes that stay free on the disk of Files; 1 GiB, or a twentieth of a small disk
	Downloads      string // backend, as by default: through this server; redirect: sent to the store, where it can sign addresses
	Webhooks       Webhooks
	Links          string // how far share links may reach: off, tenant, or anyone, as by default
	Reports        string // folder of *.sql; default reports
	Sources        map[string]SourceConfig
	Workers        int      // runs made at once in this process; 0: none
	Secrets        [][]byte // newest first; of 32 bytes at least; none: one that the ledger keeps
	Auth           Auth
	Mail           *Mail    // nil: nobody is told by mail
	Origins        []string // that may call from a browser
	TrustedProxies []string // addresses or networks whose X-Forwarded-For is believed
	MetricsListen  string   // address and port of /metrics; empty: none
	Retention      time.Duration
	KeepRecords    time.Duration
	Drain          time.Duration
	Stall          time.Duration // what is being made may stand still for so long; 10 minutes
	MaxAttempts    int
	GiveUp         time.Duration
	Limits         Limits
	Dev            bool // changed reports are reloaded at once, and the page shows what is wrong in them: not for strangers

	ReportFiles fs.FS              // instead of Reports
	InGo        []*offprint.Report // beside them
	Version     string             // of the program
	Now         func() time.Time
	Log         *slog.Logger
	Ready       func(url string) // called once it serves, or works
}

// Auth is how people and programs say who they are, beside API keys, which are
// always accepted.
type Auth struct {
	JWT      *identity.JWT
	Required bool // nobody is let in without a key or a token, not even on this machine
}

// Limits bound what one person or all may ask for; 0 is the default.
type Limits struct {
	QueuedPerUser int   // 100; -1: none
	Queued        int   // 100,000
	Rows          int64 // of a file; no limit
	FileBytes     int64 // 10 GiB
}

// SourceConfig is where rows come from.
type SourceConfig struct {
	URL             string
	MaxConnections  int // per process; 4
	MaxRuns         int // that may read it at once, over all processes; 0: no limit
	FirstRowTimeout time.Duration
	Timeout         time.Duration
	TimeZone        string // of timestamps that know none; UTC
	Secret          string // of https:// and http:// only, as the others below: signs who asks
	Headers         map[string]string
	AllowPrivate    bool // it may be on an address that is not the internet's
}

func (c SourceConfig) source(name string) source.Config {
	return source.Config{
		Name: name, URL: c.URL, MaxConnections: c.MaxConnections, FirstRowTimeout: c.FirstRowTimeout, Timeout: c.Timeout, TimeZone: c.TimeZone,
		Secret: c.Secret, Headers: c.Headers, AllowPrivate: c.AllowPrivate,
	}
}

// maxRuns are the limits of those sources that have one.
func (c *Config) maxRuns() map[string]int {
	limits := make(map[string]int)
	for name, s := range c.Sources {
		if s.MaxRuns > 0 {
			limits[name] = s.MaxRuns
		}
	}
	return limits
}

// firstRow is how long the most patient source may take for its first row.
func (c *Config) firstRow() time.Duration {
	longest := 30 * time.Minute // unless it says otherwise
	for _, s := range c.Sources {
		longest = max(longest, s.FirstRowTimeout)
	}
	return longest
}

// withDefaults is the one place where defaults stand that concern more than
// one room.
func (c Config) withDefaults() Config {
	c.Database = cmp.Or(c.Database, "sqlite:data/offprint.db")
	c.Files = cmp.Or(c.Files, "dir:data/files")
	c.Reports = cmp.Or(c.Reports, "reports")
	if c.Limits.QueuedPerUser == 0 {
		c.Limits.QueuedPerUser = 100
	}
	c.Limits.QueuedPerUser = max(0, c.Limits.QueuedPerUser) // the ledger's 0 is no limit
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// check refuses what would be wrong or unsafe to start.
func (c *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := blob.Parse(c.Files); err != nil {
		wrong("files: %w.", err)
	}
	base, err := url.Parse(cmp.Or(c.BaseURL, "http://localhost"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		wrong("base_url: %q is no address. Write it as https://reports.example.com.", c.BaseURL)
	} else if c.Listen != "" && !c.signIn() && (!loopback(c.Listen) || !loopback(base.Host)) {
		wrong("listen: without sign-in, Offprint answers on this machine only. Configure auth.jwt, or listen on 127.0.0.1 with a base_url to match.")
	}
	if c.Stall != 0 && c.Stall < 10*time.Second {
		wrong("stall: in less than 10 s many a source sends no row. Write 1m or more.")
	}
	if !slices.Contains([]string{"", "backend", "redirect"}, c.Downloads) {
		wrong("downloads: %q is neither backend nor redirect.", c.Downloads)
	}
	if c.Downloads == "redirect" && !blob.Signs(c.Files) {
		wrong("downloads: the store under files cannot hand files out itself; of all stores only S3 can. Leave downloads out.")
	}
	if !slices.Contains([]string{"", "off", "tenant", "anyone"}, c.Links) {
		wrong("links: %q is none of off, tenant and anyone.", c.Links)
	}
	if _, err := c.mail(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.Webhooks.check())
	for _, secret := range c.Secrets {
		if len(secret) < 32 {
			wrong("secrets: a secret has 32 bytes at least. Make one with: openssl rand -base64 48.")
		}
	}
	return errors.Join(errs...)
}

// signIn tells whether somebody can be told from somebody else.
func (c *Config) signIn() bool { return c.Auth.Required || c.Auth.JWT != nil }

// loopback tells whether an address is of this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checker knows askers by the ledger's API keys and, where configured, by
// tokens.
func (c *Config) checker(l *ledger.Ledger) (*identity.Checker, error) {
	keys := func(ctx context.Context, hash []byte) (offprint.Identity, error) {
		key, err := l.KeyByHash(ctx, hash)
		who := key.Who
		who.Key = offprint.Key{ID: key.ID, Name: key.Name}
		return who, err
	}
	return identity.New(identity.Config{Keys: keys, JWT: c.Auth.JWT, Required: c.Auth.Required, Now: c.Now})
}
