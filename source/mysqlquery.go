package source

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-sql-driver/mysql"

	"github.com/offprint/offprint"
)

// A shape is what we have to know of a statement before MySQL runs it, for it
// can be asked neither what columns a statement has, nor whether it has any.
type shape struct {
	reads  bool // it answers rows
	wraps  bool // it can stand in FROM ( )
	counts bool // it answers a row for each that is read
	end    int  // without a last ; and what follows that
}

var (
	mysqlReads  = []string{"SELECT", "WITH", "(", "TABLE", "VALUES", "CALL", "SHOW", "DESC", "DESCRIBE", "EXPLAIN"}
	mysqlWraps  = []string{"SELECT", "WITH", "("}
	mysqlGroups = []string{
		"GROUP", "DISTINCT", "DISTINCTROW", "HAVING", "LIMIT", "UNION", "EXCEPT", "INTERSECT", "COUNT", "SUM", "AVG", "MIN", "MAX",
		"GROUP_CONCAT", "JSON_ARRAYAGG", "JSON_OBJECTAGG", "STD", "STDDEV", "VARIANCE", "BIT_AND", "BIT_OR", "BIT_XOR",
	}
)

func shapeOf(sql string) shape {
	bound := mysqlSQL
	bound.ownBegins = "" // every ? is ours
	s := &scanner{query: &query{text: sql, end: len(sql), dialect: bound}, open: -1}
	sh := shape{end: len(sql)}
	for first := true; s.at < s.end; {
		at, last := s.at, s.last
		s.step()
		switch {
		case s.last == "":
			continue
		case first:
			sh.reads, sh.wraps = slices.Contains(mysqlReads, s.last), slices.Contains(mysqlWraps, s.last)
			sh.counts = s.last == "SELECT"
			first = false
		case s.last == ";" && last != ";":
			sh.end = at
		case s.last != ";":
			sh.end = len(sql)
		}
		if s.last == "INTO" { // a file or variables, for no row is answered
			sh.reads = false
		}
		sh.counts = sh.counts && !slices.Contains(mysqlGroups, s.last)
	}
	return sh
}

// errManyAnswers is of a procedure that answers more than once.
var errManyAnswers = errors.New("the statement answers more than once")

func (s *mysqlSnapshot) prepare(sql string, values int) (driver.Stmt, error) {
	stmt, err := s.conn.PrepareContext(s.ctx, sql)
	if err != nil {
		return nil, err
	}
	if n := stmt.NumInput(); n != values {
		return nil, errors.Join(fmt.Errorf("bind: MySQL finds %d parameters where we have %d", n, values), stmt.Close())
	}
	return stmt, nil
}

// run begins to answer. Rows that are not wanted any more have to be closed
// before anything else is asked.
func (s *mysqlSnapshot) run(stmt driver.Stmt, values []driver.Value) (driver.Rows, error) {
	return stmt.(driver.StmtQueryContext).QueryContext(s.ctx, ordinal(values))
}

// describe has the server look at a statement, and then at one that answers
// its columns and none of its rows.
func (s *mysqlSnapshot) describe(st *statement) ([]offprint.Column, error) {
	sh := shapeOf(st.text)
	if !sh.reads {
		return nil, errNoRows
	}
	stmt, err := s.prepare(st.text, len(st.args))
	if err != nil {
		return nil, err
	}
	if err := stmt.Close(); err != nil || !sh.wraps {
		return nil, err
	}
	values := make([]driver.Value, len(st.args))
	for i, a := range st.args {
		values[i] = mysqlSample(a.kinds)
	}
	var columns []offprint.Column
	err = s.asked("SELECT * FROM ("+st.text[:sh.end]+"\n) AS offprint LIMIT 0", values, func(rows driver.Rows) error {
		columns, _ = mysqlColumns(rows, nil, s.session, s.zone)
		return nil
	})
	var refused *mysql.MySQLError
	if errors.As(err, &refused) && refused.Number != duplicateColumn {
		return nil, nil // it is right by itself, and only cannot stand in FROM ( )
	}
	return columns, err
}

const duplicateColumn = 1060

// asked asks a question of our own.
func (s *mysqlSnapshot) asked(sql string, values []driver.Value, hear func(driver.Rows) error) error {
	stmt, err := s.prepare(sql, len(values))
	if err != nil {
		return err
	}
	rows, err := s.run(stmt, values)
	if err != nil {
		return err
	}
	return errors.Join(hear(rows), rows.Close(), stmt.Close())
}

func (s *mysqlSnapshot) query(st *statement, said []column) (*answer, error) {
	sh := shapeOf(st.text)
	if !sh.reads {
		return nil, errNoRows
	}
	stmt, err := s.prepare(st.text, len(st.args))
	if err != nil {
		return nil, err
	}
	values := s.values(st)
	estimated := int64(0)
	if sh.counts {
		if estimated, err = s.planned(st.text, values); err != nil {
			return nil, err
		}
	}
	rows, err := s.run(stmt, values)
	if err != nil {
		return nil, err
	}
	s.open = rows
	if len(rows.Columns()) == 0 {
		return nil, errNoRows
	}
	columns, decoders := mysqlColumns(rows, said, s.session, s.zone)
	r := &mysqlRows{snapshot: s, rows: rows, decoders: decoders, cells: make([]driver.Value, len(columns)), row: make(offprint.Row, len(columns))}
	if r.waiting, err = r.read(); err != nil {
		return nil, err
	}
	return &answer{columns: columns, estimated: estimated, next: r.next, close: r.close}, nil
}

func (s *mysqlSnapshot) values(st *statement) []driver.Value {
	values := make([]driver.Value, len(st.args))
	for i, a := range st.args {
		values[i] = mysqlArg(a.value, s.zone)
	}
	return values
}

func (s *mysqlSnapshot) estimate(st *statement) (rows int64, known bool, err error) {
	stmt, err := s.prepare(st.text, len(st.args)) // tells what is wrong with it
	if err != nil {
		return 0, false, err
	}
	if err := stmt.Close(); err != nil || !shapeOf(st.text).counts {
		return 0, false, err
	}
	rows, err = s.planned(st.text, s.values(st))
	return rows, rows > 0, err
}

// planned multiplies what the optimizer thinks it finds in each table of the
// outermost query. That it cannot say is no error.
func (s *mysqlSnapshot) planned(sql string, values []driver.Value) (int64, error) {
	estimated, known := 1.0, false
	err := s.asked("EXPLAIN FORMAT=TRADITIONAL "+sql, values, func(rows driver.Rows) error {
		names := rows.Columns()
		cells := make([]driver.Value, len(names))
		for {
			err := rows.Next(cells)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if cell(cells, names, "id") == 1 {
				known = true
				estimated *= cell(cells, names, "rows")
				if slices.Contains(names, "filtered") {
					estimated *= cell(cells, names, "filtered") / 100
				}
			}
		}
	})
	var refused *mysql.MySQLError
	switch {
	case err != nil && !errors.As(err, &refused):
		return 0, err
	case err != nil, !known, estimated > 1e15:
		return 0, nil
	}
	return int64(estimated), nil
}

// cell is a number of a row; 0 where there is none.
func cell(cells []driver.Value, names []string, name string) float64 {
	i := slices.Index(names, name)
	if i < 0 {
		return 0
	}
	switch v := cells[i].(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case []byte:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return 0
		}
		return f
	}
	return 0
}

// mysqlRows reads row after row into the same row.
type mysqlRows struct {
	snapshot *mysqlSnapshot
	rows     driver.Rows
	decoders []mysqlDecoder
	cells    []driver.Value
	row      offprint.Row
	waiting  bool // the first row is read already
	ended    bool
}

func (r *mysqlRows) read() (bool, error) {
	switch err := r.rows.Next(r.cells); {
	case err == io.EOF:
		return false, r.finish()
	case err != nil:
		r.snapshot.open = nil // nothing is left to be ended
		return false, err
	}
	for i, cell := range r.cells {
		if cell == nil {
			r.row[i] = offprint.Value{}
			continue
		}
		r.row[i] = r.decoders[i](cell)
	}
	return true, nil
}

// finish follows the last row. A procedure ends with an answer without rows;
// another one with rows would be left out of the file.
func (r *mysqlRows) finish() error {
	r.ended = true
	if more, ok := r.rows.(driver.RowsNextResultSet); ok && more.HasNextResultSet() {
		err := more.NextResultSet()
		if err == nil {
			err = errManyAnswers
		}
		if err != io.EOF {
			return err
		}
	}
	r.snapshot.open = nil
	return r.rows.Close()
}

func (r *mysqlRows) next() (offprint.Row, error) {
	if r.waiting {
		r.waiting = false
		return r.row, nil
	}
	if r.ended {
		return nil, nil
	}
	if more, err := r.read(); err != nil || !more {
		return nil, err
	}
	return r.row, nil
}

func (r *mysqlRows) close() error {
	if r.ended {
		return nil
	}
	r.ended = true
	err := r.rows.Close()
	r.snapshot.open = nil
	return err
}
