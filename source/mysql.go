package source

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/offprint/offprint"
)

// mysqlServer reads from MySQL and MariaDB with the driver's connections, one
// step below database/sql. Every run has a connection of its own, for what a
// query leaves behind on one (@variables, locks) is not the next asker's.
type mysqlServer struct {
	name      string // of the source
	connector driver.Connector
	zone      *time.Location // in which DATETIME is stored
	slots     *slots
}

// A mysqlConn is what the driver's connections can do.
type mysqlConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

func (m *mysqlServer) dialect() dialect { return mysqlSQL }

func (m *mysqlServer) close() { m.slots.close() }

// A mysqlSnapshot is one transaction on one connection.
type mysqlSnapshot struct {
	*mysqlServer
	conn    mysqlConn
	id      string // of the connection, at the server
	at      time.Time
	session *clock // of the run's zone, in which TIMESTAMP arrives
	open    driver.Rows

	ctx    context.Context // of everything that is asked
	hangUp context.CancelFunc
}

func (m *mysqlServer) begin(ctx context.Context, o opening) (snapshot, error) {
	if err := m.slots.take(ctx); err != nil {
		return nil, err
	}
	conn, err := m.connect(ctx)
	if err != nil {
		m.slots.give()
		return nil, err
	}
	s := &mysqlSnapshot{mysqlServer: m, conn: conn, session: &clock{zone: o.zone()}}
	s.ctx, s.hangUp = context.WithCancel(context.Background())
	if err := s.start(ctx, o); err != nil {
		s.end(false)
		return nil, err
	}
	return s, nil
}

func (m *mysqlServer) connect(ctx context.Context) (mysqlConn, error) {
	conn, err := m.connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	return conn.(mysqlConn), nil
}

// start pins what a report must not depend on. We read slowly on purpose, so
// the server has to be patient; nothing may be cut without a word.
func (s *mysqlSnapshot) start(ctx context.Context, o opening) error {
	found, err := s.ask(ctx, "SELECT CAST(CONNECTION_ID() AS CHAR), CAST(UTC_TIMESTAMP(6) AS CHAR), @@sql_mode")
	if err != nil {
		return err
	}
	s.id = found[0]
	if s.at, err = time.Parse("2006-01-02 15:04:05", found[1]); err != nil {
		return fmt.Errorf("read the snapshot's time: %w", err)
	}
	level, begin := "REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
	if !o.held {
		level, begin = "READ COMMITTED", "START TRANSACTION READ ONLY"
	}
	for _, statement := range []string{
		"SET net_write_timeout = 86400, wait_timeout = GREATEST(@@wait_timeout, 3600)",
		"SET sql_mode = " + mysqlQuoted(scannedMode(found[2])) + ", sql_select_limit = 18446744073709551615, group_concat_max_len = GREATEST(@@group_concat_max_len, 1048576)",
		"SET time_zone = " + mysqlZone(o.zone()),
		"SET SESSION TRANSACTION ISOLATION LEVEL " + level + ", READ ONLY",
		begin,
	} {
		if _, err := s.conn.ExecContext(ctx, statement, nil); err != nil {
			return s.refusedZone(err, o.zone())
		}
	}
	return nil
}

// ask is the first row of an answer.
func (s *mysqlSnapshot) ask(ctx context.Context, sql string) ([]string, error) {
	rows, err := s.conn.QueryContext(ctx, sql, nil)
	if err != nil {
		return nil, err
	}
	cells := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(cells); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = fmt.Sprintf("%s", cell)
	}
	return texts, rows.Close()
}

// unscanned are the modes in which a string would end elsewhere than the
// scanner sees it end, and those that bring one with them.
var unscanned = []string{"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI", "DB2", "MAXDB", "MSSQL", "ORACLE", "POSTGRESQL"}

// scannedMode is the server's own mode without those.
func scannedMode(mode string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(mode, ","), func(m string) bool { return slices.Contains(unscanned, m) }), ",")
}

// mysqlZone is how a session's zone is set. A zone that has had the same
// distance from UTC since TIMESTAMP's 1970 is that distance, which every
// server knows; others have to be known by name.
func mysqlZone(zone *time.Location) string {
	first := time.Unix(0, 0).In(zone)
	_, changes := first.ZoneBounds()
	if _, offset := first.Zone(); changes.IsZero() && offset%60 == 0 {
		return quoted(first.Format("-07:00"))
	}
	return quoted(zone.String())
}

const unknownZone = 1298

// refusedZone tells the asker and the operator what to do about a zone that
// the server does not know. In any other zone days would be silently wrong.
func (m *mysqlServer) refusedZone(err error, zone *time.Location) error {
	var refused *mysql.MySQLError
	if !errors.As(err, &refused) || refused.Number != unknownZone {
		return err
	}
	told := offprint.Errorf(offprint.BadQuery, "In another zone its days would be wrong, so nothing was made. Ask in the zone UTC, or ask whoever runs the database to load its time zone tables (mysql_tzinfo_to_sql).")
	told.Title = "The " + m.name + " database does not know the time zone " + zone.String()
	return told.Because(fmt.Errorf("source %s: %w", m.name, err))
}

func (s *mysqlSnapshot) asOf() time.Time { return s.at }

// stop ends the connection at the server and then hangs up, in case the server
// takes no more connections: one that is blocked writing rows to us, or about
// to write some, sees that too.
func (s *mysqlSnapshot) stop() {
	defer s.hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	killer, err := s.connect(ctx)
	if err != nil {
		return // hanging up is what is left
	}
	_, _ = killer.ExecContext(ctx, "KILL "+s.id, nil) // it may have ended by itself
	_ = killer.Close()                                // it has served; the server forgets it either way
}

// end lets the connection go. The server ends the transaction with it.
func (s *mysqlSnapshot) end(bool) {
	defer s.slots.give()
	if s.open != nil && s.ctx.Err() == nil {
		s.stop()
	}
	_ = s.conn.Close() // nothing was written
	s.hangUp()
}
