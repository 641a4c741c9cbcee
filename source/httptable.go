package source

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A serviceTable puts the cells of an answer into their columns: those that
// the header of the report names, in its order, then those that the first row
// has besides. The row is used again for the next one.
type serviceTable struct {
	said    []column
	zone    *time.Location
	columns []offprint.Column
	readers []cellReader
	places  map[string]int // of the columns, by name
	row     offprint.Row
	filled  []int // the row in which each column last had a cell
	number  int   // of the present row, from 1
	next    int   // where the next cell belongs, if rows are alike
}

// A rowReader puts the next row into a table; false after the last.
type rowReader func(*serviceTable) (bool, error)

func newServiceTable(said []column, zone *time.Location) *serviceTable {
	t := &serviceTable{said: said, zone: zone, places: map[string]int{}, row: offprint.Row{}} // nil would be the end
	for _, c := range said {
		t.add(c.Name)
	}
	return t
}

func (t *serviceTable) add(name string) int {
	as := offprint.As("")
	for _, c := range t.said {
		if c.Name == name {
			as = c.As
		}
	}
	kind, read := cellsAs(as, t.zone)
	t.columns = append(t.columns, offprint.Column{Name: name, Kind: kind})
	t.readers = append(t.readers, read)
	t.row = append(t.row, offprint.Value{})
	t.filled = append(t.filled, 0)
	t.places[name] = len(t.columns) - 1
	return len(t.columns) - 1
}

// answer reads the first row, which tells what columns there are.
func (t *serviceTable) answer(read rowReader, close func()) (*answer, error) {
	waiting, err := t.read(read)
	if err != nil {
		return nil, err
	}
	for i := range t.columns {
		if t.columns[i].Kind == offprint.Null && waiting {
			t.columns[i].Kind = t.row[i].Kind()
		}
	}
	next := func() (offprint.Row, error) {
		if waiting {
			waiting = false
			return t.row, nil
		}
		if more, err := t.read(read); !more || err != nil {
			return nil, err
		}
		return t.row, nil
	}
	return &answer{columns: t.columns, next: next, close: func() error { close(); return nil }}, nil
}

func (t *serviceTable) read(read rowReader) (bool, error) {
	t.number++
	t.next = 0
	clear(t.row)
	more, err := read(t)
	switch {
	case err == nil || errors.As(err, new(*offprint.Error)):
		return more, err
	case errors.Is(err, errLong):
		return false, misanswered("Row %d is longer than 1 MiB.", t.number)
	}
	return false, cutOff(err)
}

// cell puts a value under its name. Nothing is passed over in silence: what
// has no column, or comes twice, is an error.
func (t *serviceTable) cell(name []byte, what mark, text []byte) error {
	at := t.next
	if at >= len(t.columns) || t.columns[at].Name != string(name) {
		known := false
		if at, known = t.places[string(name)]; !known {
			if t.number > 1 {
				return misanswered("Row %d has a column %s, which the first row had not. Name it under columns: in the header of the report.", t.number, clipped(name))
			}
			at = t.add(strings.ToValidUTF8(string(name), "\uFFFD"))
		}
	}
	if t.filled[at] == t.number {
		return misanswered("Row %d has the column %s twice.", t.number, clipped(name))
	}
	t.filled[at], t.next = t.number, at+1
	t.row[at] = t.readers[at](what, text)
	return nil
}

// clipped is a name from far away, fit to be read.
func clipped(name []byte) string {
	return strconv.Quote(strings.ToValidUTF8(string(name[:min(len(name), 60)]), ""))
}

// endOf is the end of an answer in the middle of something.
func endOf(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
