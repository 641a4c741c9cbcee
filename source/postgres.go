package source

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/offprint/offprint"
)

// postgres reads with pgconn, one step below pgx: rows arrive in PostgreSQL's
// binary form and become values without an allocation.
type postgres struct{ pool *pgxpool.Pool }

func openPostgres(c Config) (*postgres, error) {
	u, err := url.Parse(c.URL)
	if err != nil { // the error would quote the URL
		return nil, c.wrong("the URL cannot be read. Write postgres://user:password@host:5432/database; in a password / ? # @ and % are written as %2F %3F %23 %40 %25.")
	}
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, c.wrong("the URL cannot be used" + reason(err, u) + ". Write postgres://user:password@host:5432/database?sslmode=require.")
	}
	config.MaxConns = int32(c.MaxConnections)
	config.MinConns = 0
	config.AfterConnect = noticeLostReaders
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	config.ConnConfig.RuntimeParams["client_encoding"] = "UTF8" // else a LATIN1 database sends that
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "offprint"
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, c.wrong("the URL cannot be used" + reason(err, u) + ".")
	}
	return &postgres{pool}, nil
}

// reason is pgx's own, less the URL that it quotes.
func reason(err error, u *url.URL) string {
	text := hidden(err.Error(), u)
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		return ": " + text[i+3:]
	}
	return ""
}

// noticeLostReaders has PostgreSQL look every five seconds whether we are
// still there, so that the query of a worker that was killed ends too. Before
// version 14 it cannot.
func noticeLostReaders(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.PgConn().Exec(ctx, "SET client_connection_check_interval = '5s'").ReadAll()
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

func (p *postgres) dialect() dialect { return postgresSQL }

func (p *postgres) close() { p.pool.Close() }

func (p *postgres) prologue(zone *time.Location) string {
	return "SET TIME ZONE " + quoted(zone.String()) + ";\n"
}

func (p *postgres) literal(value any, x piece) string {
	list, many := value.([]any)
	switch {
	case !many:
		return postgresLiteral(value)
	case x.use == inUse:
		return literals(list, postgresLiteral)
	}
	text, kind := postgresArg(arg{value: list, kinds: x.kinds})
	if name := arrayNames[kind]; name != "" {
		return quoted(string(text)) + "::" + name
	}
	return quoted(string(text))
}

// A postgresSnapshot is one transaction.
type postgresSnapshot struct {
	lease *pgxpool.Conn
	conn  *pgconn.PgConn
	at    time.Time
}

// Dates and intervals within arrays and composites come as text: their style
// is pinned so that a report does not depend on the server's settings. So is
// what ends a string, for the scanner must see the same end.
const beginSQL = `BEGIN ISOLATION LEVEL %s READ ONLY;
SET LOCAL TIME ZONE %s;
SET LOCAL DateStyle TO ISO;
SET LOCAL IntervalStyle TO postgres;
SET LOCAL standard_conforming_strings TO on;
SELECT (extract(epoch FROM now()) * 1000000)::bigint`

// errNoConnection is of a connection that was not even had.
var errNoConnection = errors.New("connect")

func (p *postgres) begin(ctx context.Context, o opening) (snapshot, error) {
	lease, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoConnection, err)
	}
	level := "REPEATABLE READ"
	if !o.held {
		level = "READ COMMITTED"
	}
	s := &postgresSnapshot{lease: lease, conn: lease.Conn().PgConn()}
	results, err := s.conn.Exec(ctx, fmt.Sprintf(beginSQL, level, quoted(o.zone().String()))).ReadAll()
	if err != nil {
		lease.Release()
		return nil, err
	}
	var micros int64
	if _, err := fmt.Sscan(string(results[len(results)-1].Rows[0][0]), &micros); err != nil {
		lease.Release()
		return nil, fmt.Errorf("read the snapshot's time: %w", err)
	}
	s.at = time.UnixMicro(micros).UTC()
	if err := s.assume(ctx, o.as); err != nil {
		s.end(true)
		return nil, err
	}
	return s, nil
}

// assume makes settings and the role the asker's until the transaction ends.
// Names and values are bound.
func (s *postgresSnapshot) assume(ctx context.Context, all []assumed) error {
	if all == nil {
		return nil
	}
	var calls []string
	var values [][]byte
	for i, a := range all {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config($%d, $%d, true)", 2*i+1, 2*i+2))
		values = append(values, []byte(a.name), []byte(a.value))
	}
	err := s.conn.ExecParams(ctx, "SELECT "+strings.Join(calls, ", "), values, nil, nil, nil).Read().Err
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch sqlState(refused.Code) {
		case offprint.PermissionDenied, offprint.BadQuery: // a role that is not there, or not for this login
			return notLetIn().Because(err)
		}
	}
	return err
}

// bypasses tells whether there is a role, and whether no row-level security
// holds for it; an empty one is the login's own.
func (s *postgresSnapshot) bypasses(role string) (known, bypasses bool, err error) {
	const sql = "SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = coalesce(nullif($1::text, ''), current_user)"
	result := s.conn.ExecParams(context.Background(), sql, [][]byte{[]byte(role)}, nil, nil, nil).Read()
	if result.Err != nil || len(result.Rows) == 0 {
		return false, false, result.Err
	}
	return true, string(result.Rows[0][0]) == "t", nil
}

func (s *postgresSnapshot) asOf() time.Time { return s.at }

// stop asks PostgreSQL to cancel and then hangs up, for a server that is
// blocked writing rows to us sees only the second.
func (s *postgresSnapshot) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	_ = s.conn.CancelRequest(ctx) // hanging up follows in any case
	_ = s.conn.Conn().Close()
}

func (s *postgresSnapshot) end(all bool) {
	defer s.lease.Release()
	if s.conn.IsBusy() || s.conn.IsClosed() {
		if s.conn.IsBusy() {
			s.stop()
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err := s.conn.Exec(ctx, "ROLLBACK").ReadAll()
	if err != nil || !all {
		_ = s.conn.Close(ctx) // nothing was written: only the connection is lost
	}
}

func (s *postgresSnapshot) run(sql string) error {
	_, err := s.conn.Exec(context.Background(), sql).ReadAll()
	return err
}

// untold tells whether PostgreSQL lacks the type of a parameter, as in
// concat(:x) and array_to_json(:list).
func untold(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "42P18" || refused.Code == "42804")
}

// prepared tells PostgreSQL's types of the columns. What it cannot tell of a
// parameter's type without help is text.
func (s *postgresSnapshot) prepared(st *statement) (described *pgconn.StatementDescription, values [][]byte, oids []uint32, err error) {
	for _, a := range st.args {
		value, oid := postgresArg(a)
		values, oids = append(values, value), append(oids, oid)
	}
	if err := s.run("SAVEPOINT offprint"); err != nil {
		return nil, nil, nil, err
	}
	described, err = s.conn.Prepare(context.Background(), "", st.text, oids)
	if untold(err) {
		for i, a := range st.args {
			oids[i] = textInstead(oids[i], a)
		}
		if err := s.run("ROLLBACK TO offprint"); err != nil {
			return nil, nil, nil, err
		}
		described, err = s.conn.Prepare(context.Background(), "", st.text, oids)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	if len(described.Fields) == 0 {
		return nil, nil, nil, errNoRows
	}
	return described, values, oids, nil
}

// errNoRows is of a statement that is no query.
var errNoRows = errors.New("the statement answers no rows")

func (s *postgresSnapshot) describe(st *statement) ([]offprint.Column, error) {
	described, _, _, err := s.prepared(st)
	if err != nil {
		return nil, errors.Join(err, s.run("ROLLBACK TO offprint"))
	}
	columns, _, _ := postgresColumns(described.Fields)
	return columns, nil
}

func (s *postgresSnapshot) query(st *statement, _ []column) (*answer, error) {
	described, values, oids, err := s.prepared(st)
	if err != nil {
		return nil, err
	}
	columns, formats, decoders := postgresColumns(described.Fields)
	estimated, err := s.planned(st.text, values, oids)
	if err != nil {
		return nil, err
	}
	result := s.conn.ExecParams(context.Background(), st.text, values, oids, nil, formats)
	r := &postgresRows{result: result, decoders: decoders, row: make(offprint.Row, len(columns))}
	if r.waiting = result.NextRow(); !r.waiting {
		if _, err := result.Close(); err != nil {
			return nil, err
		}
	}
	return &answer{columns: columns, estimated: estimated, next: r.next, close: r.close}, nil
}

func (s *postgresSnapshot) estimate(st *statement) (rows int64, known bool, err error) {
	_, values, oids, err := s.prepared(st)
	if err != nil {
		return 0, false, err
	}
	rows, err = s.planned(st.text, values, oids)
	return rows, rows > 0, err
}

// planned is the number of rows that the planner expects. That it cannot say
// is no error, and 0.
func (s *postgresSnapshot) planned(sql string, values [][]byte, oids []uint32) (int64, error) {
	result := s.conn.ExecParams(context.Background(), "EXPLAIN (FORMAT JSON) "+sql, values, oids, nil, nil).Read()
	var refused *pgconn.PgError
	switch {
	case errors.As(result.Err, &refused):
		return 0, s.run("ROLLBACK TO offprint")
	case result.Err != nil:
		return 0, result.Err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if len(result.Rows) == 0 || json.Unmarshal(result.Rows[0][0], &plans) != nil || len(plans) == 0 {
		return 0, nil
	}
	return int64(plans[0].Plan.Rows), nil
}

// postgresRows reads row after row into the same row.
type postgresRows struct {
	result   *pgconn.ResultReader
	decoders []decoder
	row      offprint.Row
	waiting  bool // the first row is read already
}

func (r *postgresRows) next() (offprint.Row, error) {
	if !r.waiting && !r.result.NextRow() {
		return nil, r.close()
	}
	r.waiting = false
	for i, b := range r.result.Values() {
		if b == nil {
			r.row[i] = offprint.Value{}
			continue
		}
		r.row[i] = r.decoders[i](b)
	}
	return r.row, nil
}

func (r *postgresRows) close() error {
	_, err := r.result.Close()
	return err
}

func micros(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
