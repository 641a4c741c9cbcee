package source

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/offprint/offprint"
)

// sqlite opens the file anew for every run, which costs less than a
// millisecond, and at most so many at a time.
type sqlite struct {
	file  string
	zone  *time.Location // in which times without a zone are stored
	slots *slots
}

func openSQLite(c Config, file string, zone *time.Location) (*sqlite, error) {
	if file == "" || strings.HasPrefix(file, ":") || strings.ContainsRune(file, 0) {
		return nil, c.wrong("the URL names no file. Write sqlite:data/shop.db.")
	}
	return &sqlite{file: file, zone: zone, slots: newSlots(c.MaxConnections)}, nil
}

func (q *sqlite) dialect() dialect { return sqliteSQL }

func (q *sqlite) close() { q.slots.close() }

func (q *sqlite) prologue(*time.Location) string { return "" }

func (q *sqlite) literal(value any, x piece) string {
	one := func(v any) string {
		if x.kinds == offprint.DecimalParam && v != nil {
			return asNumeric(sqliteLiteral(v, q.zone))
		}
		return sqliteLiteral(v, q.zone)
	}
	if list, many := value.([]any); many {
		return literals(list, one)
	}
	return one(value)
}

// A sqliteSnapshot is one read transaction on one connection.
type sqliteSnapshot struct {
	*sqlite
	conn *sqliteConn
	at   time.Time
	open *sqliteStmt // of the part that is read

	stopping    sync.Mutex // between stop and end
	ended       bool
	ending      chan struct{}
	interrupter sync.WaitGroup
}

func (q *sqlite) begin(ctx context.Context, o opening) (snapshot, error) {
	if err := q.slots.take(ctx); err != nil {
		return nil, err
	}
	conn, err := openSQLiteFile(q.file)
	if err == nil && o.held {
		err = snapshotNow(conn)
		if err != nil {
			conn.close()
		}
	}
	if err != nil {
		q.slots.give()
		return nil, err
	}
	return &sqliteSnapshot{sqlite: q, conn: conn, at: time.Now().UTC(), ending: make(chan struct{})}, nil
}

// snapshotNow begins a transaction and reads, for a deferred one sees the
// database as it is at its first read.
func snapshotNow(conn *sqliteConn) error {
	if err := conn.exec("BEGIN"); err != nil {
		return err
	}
	return conn.exec("SELECT count(*) FROM sqlite_schema")
}

func (s *sqliteSnapshot) asOf() time.Time { return s.at }

// stop interrupts until the reader has come back, for an interrupt is lost on
// a statement that is just about to begin.
func (s *sqliteSnapshot) stop() {
	s.stopping.Lock()
	defer s.stopping.Unlock()
	if s.ended {
		return
	}
	s.interrupter.Go(func() {
		for {
			s.conn.interrupt()
			select {
			case <-s.ending:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}

func (s *sqliteSnapshot) end(bool) {
	s.stopping.Lock()
	s.ended = true
	s.stopping.Unlock()
	close(s.ending)
	s.interrupter.Wait()
	s.finish()
	s.conn.close()
	s.slots.give()
}

func (s *sqliteSnapshot) finish() {
	if s.open != nil {
		s.open.finalize()
		s.open = nil
	}
}

func (s *sqliteSnapshot) prepare(st *statement) (*sqliteStmt, error) {
	stmt, err := s.conn.prepare(st.text)
	if err != nil {
		return nil, err
	}
	if stmt.handle == 0 || stmt.columns() == 0 || !stmt.readOnly() {
		stmt.finalize()
		return nil, errNoRows
	}
	if n := stmt.parameters(); n != len(st.args) { // SQLite would take what is not bound for null
		stmt.finalize()
		return nil, fmt.Errorf("bind: SQLite finds %d parameters where we have %d", n, len(st.args))
	}
	return stmt, nil
}

func (s *sqliteSnapshot) describe(st *statement) ([]offprint.Column, error) {
	stmt, err := s.prepare(st)
	if err != nil {
		return nil, err
	}
	defer stmt.finalize()
	columns, _ := sqliteColumns(stmt, nil, s.zone)
	return columns, nil
}

// estimate finds what is wrong with the statement; SQLite's planner tells no
// number of rows.
func (s *sqliteSnapshot) estimate(st *statement) (rows int64, known bool, err error) {
	_, err = s.describe(st)
	return 0, false, err
}

func (s *sqliteSnapshot) query(st *statement, said []column) (*answer, error) {
	stmt, err := s.prepare(st)
	if err != nil {
		return nil, err
	}
	s.open = stmt
	for i, a := range st.args {
		if err := stmt.bind(i+1, sqliteArg(a.value, s.zone)); err != nil {
			return nil, err
		}
	}
	columns, readers := sqliteColumns(stmt, said, s.zone)
	r := &sqliteRows{snapshot: s, stmt: stmt, readers: readers, row: make(offprint.Row, len(columns))}
	if r.waiting, err = stmt.step(); err != nil {
		return nil, err
	}
	if r.waiting {
		r.read()
		for i := range columns { // an expression has no declared type: its first value tells
			if columns[i].Kind == offprint.Null {
				columns[i].Kind = r.row[i].Kind()
			}
		}
	} else {
		r.ended = true
	}
	return &answer{columns: columns, next: r.next, close: r.close}, nil
}

// sqliteRows reads row after row into the same row.
type sqliteRows struct {
	snapshot *sqliteSnapshot
	stmt     *sqliteStmt
	readers  []reader
	row      offprint.Row
	waiting  bool // the first row is read already
	ended    bool
}

func (r *sqliteRows) read() {
	for i, read := range r.readers {
		r.row[i] = read(r.stmt, i)
	}
}

func (r *sqliteRows) next() (offprint.Row, error) {
	if r.waiting {
		r.waiting = false
		return r.row, nil
	}
	if r.ended {
		return nil, nil
	}
	more, err := r.stmt.step()
	if err != nil || !more {
		r.ended = true
		return nil, err
	}
	r.read()
	return r.row, nil
}

func (r *sqliteRows) close() error {
	r.ended = true
	r.snapshot.finish()
	return nil
}

// sqliteArg is a parameter as SQLite stores such a value: days and times as
// text, times in the zone of the source.
func sqliteArg(value any, zone *time.Location) any {
	switch v := value.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case offprint.Value: // a decimal; text would be above every number
		if unscaled, scale, short := v.Unscaled(); short && scale == 0 {
			return unscaled
		}
		return v.Float()
	case offprint.Day:
		return v.String()
	case time.Time:
		return v.In(zone).Format("2006-01-02 15:04:05.999999")
	}
	return value
}

// wordAt is where a name stands first, by itself; -1: nowhere.
func wordAt(text, name string) int {
	part := func(c byte) bool { return letter(c) || digit(c) || c == '$' }
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 || name == "" {
			return -1
		}
		at, end := from+i, from+i+len(name)
		if (at == 0 || !part(text[at-1])) && (end == len(text) || !part(text[end])) {
			return at
		}
		from = at + 1
	}
}

func (q *sqlite) fault(err error, sent string) fault {
	if errors.Is(err, errNoRows) {
		return fault{offprint.BadQuery, "This answers no rows. A report's query is a SELECT, or a WITH that ends in one.", 0}
	}
	var e *sqliteError
	if !errors.As(err, &e) {
		return fault{}
	}
	f := fault{code: sqliteCode(e.code)}
	if f.code == offprint.BadQuery {
		f.text, f.at = "SQLite says: "+e.message+".", e.at+1
		if table, ok := strings.CutPrefix(e.message, "no such table: "); ok && f.at <= 0 { // of which it does not say where
			f.at = wordAt(sent, table) + 1
		}
	}
	return f
}

// sqliteCode sorts result codes by what is to be done.
func sqliteCode(rc int32) offprint.Code {
	switch rc & 0xFF {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_FULL, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT: // a file that is damaged, or still being copied, is replaced by whoever keeps it
		return offprint.SourceUnavailable
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return offprint.PermissionDenied
	case sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE:
		return offprint.BadQuery
	}
	return ""
}
