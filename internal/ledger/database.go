package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/offprint/offprint"
)

// A dialect is all that differs between the databases.
type dialect struct {
	clock  string // the database's own, in microseconds
	keyed  string // the end of a table that is only found by its key
	narrow string // the end of a table whose few rows change all the time
	notify string // the statement that tells other processes; empty: there are none
	schema string // of River's tables
	driver riverdriver.Driver[*sql.Tx]
	listen *pgxpool.Pool
}

// connect opens the connections, and on SQLite takes the lock.
func connect(ctx context.Context, url string, o Options) (*Ledger, error) {
	o = o.withDefaults()
	l := &Ledger{
		o: o, url: url, node: newID(""), asked: make(chan *asking, 4096), deaf: make(chan struct{}),
		fail: o.Fail, contact: 5 * time.Minute, grace: 3 * time.Second, backoff: o.Backoff,
	}
	l.closing, l.close = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	switch scheme, rest, _ := strings.Cut(url, ":"); scheme {
	case "sqlite":
		err = l.connectSQLite(ctx, rest)
	case "postgres", "postgresql":
		err = l.connectPostgres(ctx)
	default:
		err = offprint.Errorf(offprint.NotConfigured, "The ledger's address begins with %q. Write sqlite:PATH or postgres://….", scheme)
	}
	if err != nil {
		return nil, errors.Join(err, l.disconnect())
	}
	l.queue, err = river.NewClient(l.driver, &river.Config{Schema: l.schema, Logger: l.riverLog(), FetchCooldown: fetchCooldown})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the queue: %w", err), l.disconnect())
	}
	return l, nil
}

func (l *Ledger) connectSQLite(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the ledger's folder: %w", err)
	}
	path, err := presentFile(path)
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	if l.o.Exclusive {
		if err := l.takeLock(ctx, path+".lock"); err != nil {
			return err
		}
	}
	l.clock = `CAST(unixepoch('subsec') * 1000000 AS INTEGER)`
	l.keyed, l.narrow = " WITHOUT ROWID", " WITHOUT ROWID"
	const pragmas = "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	if l.db, err = openSQLite(path, "10000", pragmas+"&_pragma=cache_size(-32000)&_txlock=immediate", 1); err != nil {
		return err
	}
	// A read on the writer's connection would hold up every accept behind it.
	if l.reader, err = openSQLite(path, "10000", pragmas+"&_pragma=cache_size(-32000)&_pragma=query_only(1)", 2); err != nil {
		return err
	}
	if l.inner, err = openSQLite(path, "10000", pragmas+"&_pragma=query_only(1)", 2); err != nil {
		return err
	}
	l.driver = riversqlite.New(l.db)
	return nil
}

// presentFile is the database's own path, past every symbolic link: it has one
// lock, whatever it is called. The file is there then, if only an empty one.
func presentFile(path string) (string, error) {
	found, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return found, err
	}
	if err := makeOwn(path); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// makeOwn makes an empty file for nobody but who runs this, unless there is
// one: the ledger may keep the secret that links are signed with. The log and
// the index that SQLite puts beside a database have the database's mode.
func makeOwn(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func openSQLite(path, busy, more string, connections int) (*sql.DB, error) {
	name := (&url.URL{Path: path}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=busy_timeout("+busy+")"+more)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// takeLock holds an exclusive transaction on an empty database of its own: a
// lock that every system has, and that ends with the process that has it.
func (l *Ledger) takeLock(ctx context.Context, path string) error {
	if err := makeOwn(path); err != nil {
		return fmt.Errorf("make the ledger's lock: %w", err)
	}
	db, err := openSQLite(path, "0", "", 1)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `BEGIN EXCLUSIVE`)
	if err == nil {
		l.lock = db
		return nil
	}
	if isBusy(err) {
		err = offprint.Errorf(offprint.NotConfigured, "Another process already serves this ledger. A SQLite ledger is for one process; for several, put postgres://… into database.").Because(err)
	}
	return errors.Join(err, db.Close())
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,30}$`)

func (l *Ledger) connectPostgres(ctx context.Context) error {
	if !schemaName.MatchString(l.o.Schema) {
		return offprint.Errorf(offprint.NotConfigured, "A schema's name is at most 31 of a to z, 0 to 9 and _, and begins with none of the digits.")
	}
	config, err := pgx.ParseConfig(l.url)
	if err != nil {
		return fmt.Errorf("read the ledger's address: %w", err)
	}
	if l.o.ListenURL == "" {
		l.o.ListenURL = l.url
	}
	listen, err := pgxpool.ParseConfig(l.o.ListenURL)
	if err != nil {
		return fmt.Errorf("read listen_url: %w", err)
	}
	config.RuntimeParams["search_path"] = l.o.Schema
	config.RuntimeParams["idle_in_transaction_session_timeout"] = "5s" // a process that stands still, or is cut off, keeps nobody waiting with its locks
	listen.ConnConfig.RuntimeParams["search_path"] = l.o.Schema
	listen.MaxConns = 1
	if l.listen, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), listen); err != nil {
		return fmt.Errorf("open the listener's connection: %w", err)
	}
	l.db = openPostgres(config, 16)
	l.inner = l.db
	l.reader = openPostgres(config, 8)
	l.clock = `CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	l.narrow = " WITH (fillfactor = 50)"
	l.notify = `SELECT pg_notify($1, $2)`
	l.schema = l.o.Schema
	l.driver = riverdatabasesql.NewWithPgxListener(l.db, l.listen)
	return nil
}

func openPostgres(config *pgx.ConnConfig, connections int) *sql.DB {
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

func (l *Ledger) disconnect() error {
	l.close()
	l.statements.close()
	var errs []error
	if l.inner == l.db {
		l.inner = nil
	}
	for _, db := range []*sql.DB{l.reader, l.inner, l.db, l.lock} { // the lock last: until then the file is ours
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if l.listen != nil {
		l.listen.Close()
	}
	return errors.Join(errs...)
}

// tx does one step in one transaction. An error of COMMIT is an unknownOutcome:
// whoever must know reads back.
func (l *Ledger) tx(ctx context.Context, step string, do func(*sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	if err := l.fail(step + ": before commit"); err != nil {
		return err
	}
	err = tx.Commit()
	if err == nil {
		err = l.fail(step + ": after commit")
	}
	if err != nil {
		return unknownOutcome{fmt.Errorf("%s: commit: %w", step, err)}
	}
	return nil
}

// stepLimit is for one transaction of a worker.
const stepLimit = 15 * time.Second

// step is tx within stepLimit.
func (l *Ledger) step(ctx context.Context, step string, do func(context.Context, *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return l.tx(ctx, step, func(tx *sql.Tx) error { return do(ctx, tx) })
}

// apart does a part of a transaction that may fail without the rest.
func apart(ctx context.Context, tx *sql.Tx, do func() error) error {
	if _, err := tx.ExecContext(ctx, `SAVEPOINT apart`); err != nil {
		return err
	}
	failed := do()
	if failed != nil {
		if _, err := tx.ExecContext(ctx, `ROLLBACK TO SAVEPOINT apart`); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `RELEASE SAVEPOINT apart`)
	return errors.Join(failed, err)
}

// unknownOutcome is the error of a COMMIT: it may have happened.
type unknownOutcome struct{ error }

func (u unknownOutcome) Unwrap() error { return u.error }

// exec is one statement that must have touched a row to have happened.
func exec(ctx context.Context, on interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, text string, args ...any,
) (happened bool, err error) {
	res, err := on.ExecContext(ctx, text, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// badData tells whether what was written is at fault, and not the database.
func badData(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return strings.HasPrefix(p.Code, "22") || strings.HasPrefix(p.Code, "23") || strings.HasPrefix(p.Code, "54")
	}
	switch sqliteCode(err) {
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_TOOBIG, lib.SQLITE_MISMATCH, lib.SQLITE_RANGE:
		return true
	}
	return false
}

// collided tells whether a transaction lost against another and may simply be
// done again: a deadlock, or a conflict of what both wrote.
func collided(err error) bool {
	var p *pgconn.PgError
	if errors.As(err, &p) {
		return p.Code == "40P01" || p.Code == "40001"
	}
	return isBusy(err)
}

func isBusy(err error) bool {
	code := sqliteCode(err)
	return code == lib.SQLITE_BUSY || code == lib.SQLITE_LOCKED
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// statements are prepared once; SQLite would parse them anew each time.
type statements struct {
	mu     sync.Mutex
	byText map[string]*sql.Stmt
}

// prepare must be called outside of a transaction: on SQLite it needs the one
// connection.
func (s *statements) prepare(ctx context.Context, db *sql.DB, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byText[text] != nil {
		return nil
	}
	stmt, err := db.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	if s.byText == nil {
		s.byText = map[string]*sql.Stmt{}
	}
	s.byText[text] = stmt
	return nil
}

// have is a statement that was prepared, or nil.
func (s *statements) have(text string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byText[text]
}

func (s *statements) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stmt := range s.byText {
		stmt.Close() // the database closes with it
	}
	s.byText = nil
}

// riverLog hands on what River warns of, one level quieter: the ledger mends
// what River complains about.
func (l *Ledger) riverLog() *slog.Logger { return slog.New(quieter{l.o.Log.Handler()}) }

type quieter struct{ slog.Handler }

func (q quieter) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level-4)
}

func (q quieter) Handle(ctx context.Context, r slog.Record) error {
	r.Level -= 4
	return q.Handler.Handle(ctx, r)
}

func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }
