package xlsx

import (
	"strconv"

	"github.com/offprint/offprint"
)

// maxGroups is how many a sheet of subtotals shows.
const maxGroups = 100_000

// subtotals are a part's groups, a row each, on their way to a sheet of their
// own behind the part's.
type subtotals struct {
	w       *writer
	columns []*column // the group's, how many rows it has, and those with a total
	bolds   []outfit  // of groups that hold groups
	totals  []int     // where those with a total are in the part
	levels  int
	rows    stash
	row     int
	left    int64
}

// newSubtotals answers nil for a table without groups.
func (w *writer) newSubtotals(t *offprint.Table) (*subtotals, error) {
	if len(t.Group) == 0 {
		return nil, nil
	}
	groups, err := offprint.NewGroups(t)
	if err != nil {
		return nil, err
	}
	s := &subtotals{w: w, levels: len(t.Group), row: 1}
	var columns []offprint.Column
	for _, at := range groups.Columns() {
		c := t.Columns[at]
		columns = append(columns, offprint.Column{Name: c.Name, Title: c.Title, Kind: c.Kind, As: c.As, Format: c.Format})
	}
	count := offprint.Column{Title: w.words.rows, Kind: offprint.Int, As: offprint.AsNumber}
	columns = append(columns, count)
	for at, c := range t.Columns {
		if c.Total == offprint.NoTotal || c.Hide {
			continue
		}
		s.totals = append(s.totals, at)
		total := offprint.Column{Name: c.Name, Title: w.words.Titled(c), Kind: c.Kind, As: c.As, Format: c.Format}
		if c.Total == offprint.Count {
			total.Kind, total.As, total.Format = count.Kind, count.As, ""
		}
		columns = append(columns, total)
	}
	for i, c := range titled(columns) {
		column, err := newColumn(c, i, w.head.Zone, w.styles)
		if err != nil {
			return nil, err
		}
		s.columns = append(s.columns, column)
		s.bolds = append(s.bolds, column.dressed(w.styles, style{font: bold}))
	}
	return s, nil
}

func (s *subtotals) add(end offprint.GroupEnd) {
	if s.row > maxGroups {
		s.left++
		return
	}
	for i, c := range s.columns {
		c.outfit = c.plain
		if end.Level < s.levels-1 {
			c.outfit = s.bolds[i]
		}
	}
	s.rows.raw = s.append(s.rows.raw, s.values(end.Keys, end.Rows, end.Totals), "")
	s.w.pack.keep(&s.rows)
}

// values are one a column of the sheet.
func (s *subtotals) values(keys []offprint.Value, rows int64, totals []offprint.Value) []offprint.Value {
	values := make([]offprint.Value, len(s.columns))
	copy(values, keys)
	values[s.levels] = offprint.IntValue(rows)
	if totals != nil {
		for i, at := range s.totals {
			values[s.levels+1+i] = totals[at]
		}
	}
	return values
}

// append writes a row, in which blank goes on after the address of a cell
// without a value.
func (s *subtotals) append(b []byte, values []offprint.Value, blank string) []byte {
	s.row++
	number := []byte(strconv.Itoa(s.row))
	b = append(append(append(b, `<row r="`...), number...), `">`...)
	for i, c := range s.columns {
		if values[i].IsNull() && blank != "" {
			b = append(append(append(b, c.ref...), number...), blank...)
			continue
		}
		c.see(values[i])
		b = c.append(b, number, values[i])
	}
	return append(b, `</row>`...)
}

// write writes the sheet, and answers with the buffer.
func (s *subtotals) write(b []byte, part string, e offprint.PartEnd) ([]byte, error) {
	if err := s.w.beginSheet(s.w.names.unlike(part, " "+s.w.words.subtotals)); err != nil {
		return b, err
	}
	last := s.row
	total := s.appendTotal(e)
	b = s.w.appendTop(b, s.columns, 0, false)
	b = append(b, `<row r="1">`...)
	for _, c := range s.columns {
		b = s.w.appendHeader(b, c)
	}
	s.w.titles.uses += len(s.columns)
	b, err := s.w.pack.put(append(b, `</row>`...))
	if err == nil {
		err = s.w.pack.pour(&s.rows)
	}
	if err != nil {
		return b, err
	}
	b = append(append(b, total...), `</sheetData>`...)
	b = s.w.appendPrint(s.w.appendFilter(b, s.columns, last))
	b = appendIgnored(b, s.columns, last)
	if b, err = s.w.pack.put(append(b, `</worksheet>`...)); err != nil {
		return b, err
	}
	s.warn(part)
	return b, s.w.pack.end()
}

func (s *subtotals) appendTotal(e offprint.PartEnd) []byte {
	look := style{font: bold, border: lineAbove}
	for _, c := range s.columns {
		c.outfit = c.dressed(s.w.styles, look)
	}
	values := s.values([]offprint.Value{offprint.TextValue(s.w.words.Total)}, e.Rows, e.Totals)
	return s.append(nil, values, open(s.w.styles.of(look), "", `</c>`))
}

func (s *subtotals) warn(part string) {
	if s.left > 0 {
		s.w.warnings = append(s.w.warnings, offprint.Warning{
			Code: "groups_left_out", Count: s.left, Detail: "The sheet of subtotals of " + part + " shows the first 100,000 groups only.",
		})
	}
}
