package source

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A Config says where a database is and what may be asked of it.
type Config struct {
	Name            string
	URL             string        // postgres://user@host/database, mysql://user@host/database, sqlite:FILE, https://host/path
	MaxConnections  int           // runs that may read at a time; 0: 4
	FirstRowTimeout time.Duration // 0: 30 minutes
	Timeout         time.Duration // of all that a run reads; 0: 24 hours
	TimeZone        string        // IANA: in which it keeps times without a zone; empty: UTC

	// Of https:// and http:// only.
	Secret       string            // requests say who asks, signed with it; of 32 bytes at least
	Headers      map[string]string // sent with every request
	AllowPrivate bool              // it may be on an address that is not the internet's
}

// A Database is one configured source of rows, or a service that is one over
// HTTP. It connects when it is first asked, is only ever read from, and is safe
// for use by many goroutines.
type Database struct {
	name     string
	noun     string // database or service, in sentences
	firstRow time.Duration
	timeout  time.Duration
	engine   engine
	glances  *slots // half of the connections: whoever looks on does not keep the runs waiting
}

// An engine is one kind of database.
type engine interface {
	dialect() dialect
	// begin begins a read-only snapshot; it waits for a free connection.
	begin(ctx context.Context, o opening) (snapshot, error)
	// fault says what an error of the database over a statement means.
	fault(err error, sent string) fault
	// literal writes a value as the database's own SQL.
	literal(value any, p piece) string
	// prologue comes before the literal SQL.
	prologue(zone *time.Location) string
	close()
}

// An opening is what a snapshot is begun for.
type opening struct {
	req  offprint.Request // whose it is; nobody's when queries are only prepared
	held bool             // all queries see one moment, not each its own
	as   []assumed        // what is the asker's while it lasts
}

// zone is the session's, in which the asker's days begin.
func (o opening) zone() *time.Location { return zoneOf(o.req) }

// A fault is an error of a database as we understand it.
type fault struct {
	code offprint.Code // empty: ours, or not known
	text string        // what the database said of the query
	at   int           // the byte of the statement, from 1; 0: not said
}

// A snapshot is one read-only transaction on one connection. Only stop may be
// called from another goroutine.
type snapshot interface {
	asOf() time.Time
	// describe prepares only; no columns: they are not known before it runs.
	describe(s *statement) ([]offprint.Column, error)
	// estimate says of how many rows the answer would be, without asking for
	// them; known is false where the database does not tell.
	estimate(s *statement) (rows int64, known bool, err error)
	// query begins to answer; once it is back, the first row is known.
	query(s *statement, columns []column) (*answer, error)
	// stop ends the query at the database, soon.
	stop()
	// end lets the connection go; it is worth keeping if all was read.
	end(all bool)
}

// An answer is the rows of one statement.
type answer struct {
	columns   []offprint.Column
	estimated int64
	next      func() (offprint.Row, error) // nil after the last
	close     func() error                 // after the last row, or to skip the others
}

const (
	defaultConnections = 4
	defaultFirstRow    = 30 * time.Minute
	defaultTimeout     = 24 * time.Hour
)

// Open reads a configuration. It does not connect. Its error says what is
// wrong with it and never shows a password.
func Open(c Config) (*Database, error) {
	zone, err := time.LoadLocation(c.TimeZone)
	if err != nil || c.TimeZone == "Local" {
		return nil, c.wrong("time_zone " + c.TimeZone + " is not known. Write it as in Europe/Berlin.")
	}
	if c.MaxConnections < 0 || c.FirstRowTimeout < 0 || c.Timeout < 0 {
		return nil, c.wrong("max_connections and the time-outs cannot be below 0.")
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultConnections
	}
	db := &Database{name: c.Name, noun: "database", firstRow: c.FirstRowTimeout, timeout: c.Timeout, glances: newSlots(max(1, c.MaxConnections/2))}
	if db.firstRow == 0 {
		db.firstRow = defaultFirstRow
	}
	if db.timeout == 0 {
		db.timeout = defaultTimeout
	}
	scheme, rest, _ := strings.Cut(c.URL, ":")
	service := scheme == "https" || scheme == "http"
	if err := c.noService(); !service && err != nil {
		return nil, err
	}
	switch scheme {
	case "postgres", "postgresql":
		db.engine, err = openPostgres(c)
	case "mysql", "mariadb":
		db.engine, err = openMySQL(c, zone)
	case "sqlite":
		db.engine, err = openSQLite(c, strings.TrimPrefix(rest, "//"), zone)
	case "https", "http":
		db.noun = "service"
		db.engine, err = openService(c, zone)
	default:
		err = c.wrong("the URL begins with none of postgres://, mysql://, sqlite: and https://. Write postgres://user:password@host/database, mysql://user:password@host/database, sqlite:FILE or https://host/path.")
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

func (c Config) wrong(what string) error { return errors.New("source " + c.Name + ": " + what) }

// Close lets all connections go; it waits for the runs that still read.
func (d *Database) Close() error {
	d.glances.close()
	d.engine.close()
	return nil
}

// Name is the source's name in the configuration.
func (d *Database) Name() string { return d.name }

// hidden is text without the password of a URL.
func hidden(text string, u *url.URL) string {
	if password, ok := u.User.Password(); ok && password != "" {
		text = strings.ReplaceAll(text, password, "xxxxx")
	}
	return text
}
