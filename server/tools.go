package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/demo"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/source"
)

// Migrate brings the database up to date, and does nothing else.
func Migrate(ctx context.Context, c Config) error {
	c = c.withDefaults()
	return ledger.Migrate(ctx, c.Database, ledger.Options{Schema: c.Schema, Log: c.Log})
}

// Checked is what [Check] found.
type Checked struct {
	Reports  int // right or wrong
	Problems source.Problems
}

// Check finds every mistake in the configuration and the reports; unless
// offline it also tries the store and prepares each query on its source.
func Check(ctx context.Context, c Config, offline bool) (Checked, error) {
	c = c.withDefaults()
	wrong := c.check()
	sources, folder, _, err := openReports(c)
	checked := Checked{Problems: configured(errors.Join(wrong, err))}
	if !offline && wrong == nil {
		if err := blob.Try(ctx, c.Files); err != nil {
			checked.Problems = append(checked.Problems, configured(fmt.Errorf("files: %w", err))...)
		}
	}
	if err == nil {
		_, wrong := c.fixtures(folder, nil)
		checked.Problems = append(append(checked.Problems, folder.Check(ctx, offline)...), wrong...).InOrder()
		checked.Reports = folder.Found()
	}
	return checked, sources.Close()
}

// Configuration is the file of problems that no file has.
const Configuration = "configuration"

// configured are the errors of a configuration one by one.
func configured(err error) (problems source.Problems) {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			problems = append(problems, configured(one)...)
		}
		return problems
	}
	return source.Problems{{File: Configuration, Text: strings.TrimSuffix(err.Error(), ".") + "."}}
}

// A Beginning is the first rows of a part of a report.
type Beginning = desk.Beginning

// Preview shows the first rows of each part of a report, without making a file.
func Preview(ctx context.Context, c Config, ask Ask, first int64, show func(Beginning) error) error {
	return c.withDefaults().withDesk(ask.Report, func(d *desk.Desk) error {
		return d.Begin(ctx, ask.who(), ask.desk(), first, show)
	})
}

// Sample makes a small sample shop at path, unless something is there.
func Sample(ctx context.Context, path string) error { return demo.MakeShop(ctx, path, 1000) }

// SQL is the query that a report would ask, with its parameters in place, for
// people to paste.
func SQL(c Config, ask Ask) (string, error) {
	c = c.withDefaults()
	sources, folder, _, err := openReports(c)
	if err != nil {
		return "", errors.Join(err, sources.Close())
	}
	text, err := sqlOf(folder, ask, c.Now())
	return text, errors.Join(err, sources.Close())
}

func sqlOf(folder *source.Folder, ask Ask, now time.Time) (string, error) {
	report, ok := folder.Report(ask.Report)
	if !ok {
		return "", offprint.Errorf(offprint.NotFound, "There is no report %s.", ask.Report)
	}
	location, err := time.LoadLocation(ask.TimeZone)
	if err != nil {
		return "", offprint.Errorf(offprint.Invalid, "%q is no IANA time zone. Write it as in Europe/Berlin.", ask.TimeZone)
	}
	params, err := report.Resolve(ask.Parameters, location, now)
	if err != nil {
		return "", err
	}
	definition, ok := report.Source.(*source.Definition)
	if !ok {
		return "", offprint.Errorf(offprint.NotFound, "The report %s is made in Go; it has no query to show.", ask.Report)
	}
	return definition.SQL(offprint.Request{Params: params, Who: ask.who(), Zone: location, Locale: ask.Locale})
}

// A Key is an API key as it is listed.
type Key struct {
	ID, Name string
	Begins   string // its first characters, to tell keys apart
	Who      offprint.Identity
	Created  time.Time
	State    string // live, expired, revoked
}

// CreateKey makes an API key; only its hash is kept. A life of 0 is for ever.
func CreateKey(ctx context.Context, c Config, name string, who offprint.Identity, life time.Duration) (secret string, err error) {
	c = c.withDefaults()
	if strings.TrimSpace(name) == "" {
		return "", offprint.Errorf(offprint.Invalid, "A key needs a name that says what it is for.")
	}
	err = withLedger(ctx, c, func(l *ledger.Ledger) error {
		var shown string
		secret, shown = identity.NewKey()
		key := ledger.APIKey{Name: name, Prefix: shown, Who: who, Created: c.Now()}
		if life > 0 {
			key.Expires = c.Now().Add(life)
		}
		_, err := l.AddKey(ctx, key, identity.Hash(secret))
		return err
	})
	return secret, err
}

// Keys are all API keys.
func Keys(ctx context.Context, c Config) (keys []Key, err error) {
	c = c.withDefaults()
	err = withLedger(ctx, c, func(l *ledger.Ledger) error {
		kept, err := l.Keys(ctx)
		for _, k := range kept {
			state := "live"
			switch now := c.Now(); {
			case !k.Revoked.IsZero():
				state = "revoked"
			case !k.Expires.IsZero() && now.After(k.Expires):
				state = "expired"
			}
			keys = append(keys, Key{k.ID, k.Name, k.Prefix, k.Who, k.Created, state})
		}
		return err
	})
	return keys, err
}

// RevokeKey ends a key's power at once.
func RevokeKey(ctx context.Context, c Config, id string) error {
	return withLedger(ctx, c.withDefaults(), func(l *ledger.Ledger) error { return l.RevokeKey(ctx, id) })
}

// withLedger works beside a running server: on SQLite it takes no lock.
func withLedger(ctx context.Context, c Config, do func(*ledger.Ledger) error) error {
	l, err := ledger.Open(ctx, c.Database, ledger.Options{Schema: c.Schema, ListenURL: c.ListenURL, Now: c.Now, Log: c.Log})
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	return errors.Join(do(l), l.Close())
}
