package source

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	_ "modernc.org/sqlite" // sets the library up on the platforms that need it
	sqlite3 "modernc.org/sqlite/lib"
)

// A sqliteConn is one connection of the library itself. The driver for
// database/sql would turn what is declared DATE or TIMESTAMP into a time, and
// allocate for every cell; here a cell is what is stored.
type sqliteConn struct {
	tls *libc.TLS
	db  uintptr
}

// A sqliteError is the library's answer.
type sqliteError struct {
	code    int32 // extended
	message string
	at      int // in bytes of the statement; -1: not said
}

func (e *sqliteError) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.message, e.code) }

const pointerSize = int(unsafe.Sizeof(uintptr(0)))

// pointer reads one that the library wrote.
func pointer(at uintptr) uintptr {
	b := libc.GoBytes(at, pointerSize)
	if pointerSize == 4 {
		return uintptr(binary.NativeEndian.Uint32(b))
	}
	return uintptr(binary.NativeEndian.Uint64(b))
}

func openSQLiteFile(file string) (*sqliteConn, error) {
	c := &sqliteConn{tls: libc.NewTLS()}
	name, err := libc.CString(file)
	if err != nil {
		c.tls.Close()
		return nil, err
	}
	out := libc.Xcalloc(c.tls, 1, types.Size_t(pointerSize))
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, out, sqlite3.SQLITE_OPEN_READONLY|sqlite3.SQLITE_OPEN_FULLMUTEX, 0)
	c.db = pointer(out)
	libc.Xfree(c.tls, out)
	libc.Xfree(c.tls, name)
	if rc != sqlite3.SQLITE_OK {
		err := c.failed(rc)
		c.close()
		return nil, err
	}
	sqlite3.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, 900) // a cancel waits no longer
	return c, nil
}

func (c *sqliteConn) close() {
	if c.db != 0 {
		sqlite3.Xsqlite3_close_v2(c.tls, c.db)
	}
	c.tls.Close()
}

func (c *sqliteConn) failed(rc int32) error {
	e := &sqliteError{code: rc, at: -1, message: "out of memory"}
	if c.db != 0 {
		e.message = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
		e.at = int(sqlite3.Xsqlite3_error_offset(c.tls, c.db))
	}
	return e
}

// interrupt may be called from another goroutine while the connection is open.
func (c *sqliteConn) interrupt() {
	tls := libc.NewTLS() // c.tls belongs to the reader
	sqlite3.Xsqlite3_interrupt(tls, c.db)
	tls.Close()
}

// exec runs statements that answer nothing.
func (c *sqliteConn) exec(sql string) error {
	s, err := c.prepare(sql)
	if err != nil {
		return err
	}
	defer s.finalize()
	_, err = s.step()
	return err
}

// A sqliteStmt is one prepared statement.
type sqliteStmt struct {
	*sqliteConn
	handle uintptr
}

func (c *sqliteConn) prepare(sql string) (*sqliteStmt, error) {
	text, err := libc.CString(sql)
	if err != nil {
		return nil, err
	}
	defer libc.Xfree(c.tls, text)
	out := libc.Xcalloc(c.tls, 2, types.Size_t(pointerSize))
	defer libc.Xfree(c.tls, out)
	tail := out + uintptr(pointerSize)
	if rc := sqlite3.Xsqlite3_prepare_v2(c.tls, c.db, text, int32(len(sql)), out, tail); rc != sqlite3.SQLITE_OK {
		return nil, c.failed(rc)
	}
	s := &sqliteStmt{c, pointer(out)}
	if rest := int(pointer(tail) - text); skipBlank(sql[rest:], sqliteSQL) != "" {
		s.finalize()
		return nil, &sqliteError{sqlite3.SQLITE_ERROR, "there is a second statement; " + onlyOne, rest}
	}
	return s, nil
}

func (s *sqliteStmt) finalize() { sqlite3.Xsqlite3_finalize(s.tls, s.handle) }

// step tells whether there is a row.
func (s *sqliteStmt) step() (row bool, err error) {
	switch rc := sqlite3.Xsqlite3_step(s.tls, s.handle); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.failed(rc)
	}
}

// transient has the library copy what is bound.
const transient = ^uintptr(0)

// bind takes nil, int64, float64 and string.
func (s *sqliteStmt) bind(n int, value any) error {
	rc := int32(sqlite3.SQLITE_OK)
	switch v := value.(type) {
	case int64:
		rc = sqlite3.Xsqlite3_bind_int64(s.tls, s.handle, int32(n), v)
	case float64:
		rc = sqlite3.Xsqlite3_bind_double(s.tls, s.handle, int32(n), v)
	case string:
		text, err := libc.CString(v)
		if err != nil {
			return err
		}
		defer libc.Xfree(s.tls, text)
		rc = sqlite3.Xsqlite3_bind_text(s.tls, s.handle, int32(n), text, int32(len(v)), transient)
	}
	if rc != sqlite3.SQLITE_OK {
		return s.failed(rc)
	}
	return nil
}

// parameters is how many values the statement waits for.
func (s *sqliteStmt) parameters() int {
	return int(sqlite3.Xsqlite3_bind_parameter_count(s.tls, s.handle))
}

func (s *sqliteStmt) columns() int { return int(sqlite3.Xsqlite3_column_count(s.tls, s.handle)) }

func (s *sqliteStmt) name(i int) string {
	return libc.GoString(sqlite3.Xsqlite3_column_name(s.tls, s.handle, int32(i)))
}

// declared is the type in CREATE TABLE; empty for an expression.
func (s *sqliteStmt) declared(i int) string {
	return libc.GoString(sqlite3.Xsqlite3_column_decltype(s.tls, s.handle, int32(i)))
}

func (s *sqliteStmt) readOnly() bool {
	return sqlite3.Xsqlite3_stmt_readonly(s.tls, s.handle) != 0
}

func (s *sqliteStmt) class(i int) int32 {
	return sqlite3.Xsqlite3_column_type(s.tls, s.handle, int32(i))
}

func (s *sqliteStmt) integer(i int) int64 {
	return sqlite3.Xsqlite3_column_int64(s.tls, s.handle, int32(i))
}

func (s *sqliteStmt) real(i int) float64 {
	return sqlite3.Xsqlite3_column_double(s.tls, s.handle, int32(i))
}

// bytes are the library's own, of a text or a blob, good until the next step.
func (s *sqliteStmt) bytes(i int) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.tls, s.handle, int32(i))
	n := int(sqlite3.Xsqlite3_column_bytes(s.tls, s.handle, int32(i)))
	if p == 0 || n == 0 {
		return nil
	}
	return libc.GoBytes(p, n)
}
