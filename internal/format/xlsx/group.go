package xlsx

import (
	"strconv"
	"strings"

	"github.com/offprint/offprint"
)

// maxGroups is how many a sheet of subtotals shows.
const maxGroups = 100_000

// subtotals are a part's groups, a row each, on their way to a sheet of their
// own behind the part's. The rows are kept twice, by formulas and as values:
// only behind the last one it is known whether all formulas find their rows.
type subtotals struct {
	p         *part
	w         *writer
	columns   []*column // the group's, how many rows it has, and those with a total
	bolds     []outfit  // of groups that hold groups
	keys      []int     // where the group's columns are in the part,
	totals    []int     // and those with a total
	levels    int
	live      stash // by formulas
	rows      stash
	row       int
	left      int64
	finder    *finder
	formulas  int64
	continued []int // by level, the sheet that the part was on when the last group of that level ended
}

// newSubtotals answers nil for a table without groups.
func (p *part) newSubtotals() (*subtotals, error) {
	t, w := p.table, p.w
	if len(t.Group) == 0 {
		return nil, nil
	}
	groups, err := offprint.NewGroups(t)
	if err != nil {
		return nil, err
	}
	s := &subtotals{p: p, w: w, keys: groups.Columns(), levels: len(t.Group), row: 1, continued: make([]int, len(t.Group))}
	var columns []offprint.Column
	for _, at := range s.keys {
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
	s.finder = newFinder(s.columns[:s.levels])
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
	s.row++
	values := s.values(end.Keys, end.Rows, end.Totals)
	s.rows.raw = s.append(s.rows.raw, values, nil, "")
	s.live.raw = s.append(s.live.raw, values, s.formulasOf(end), "")
	s.w.pack.keep(&s.rows)
	s.w.pack.keep(&s.live)
}

// formulasOf are one a column of the sheet; none of a group whose rows may
// stand on two of them.
func (s *subtotals) formulasOf(end offprint.GroupEnd) []string {
	formulas := make([]string, len(s.columns))
	cells := make([]string, len(end.Keys))
	for i := range cells {
		cells[i] = letters(i) + strconv.Itoa(s.row)
	}
	criteria := s.finder.criteria(end.Keys, cells)
	sheet := len(s.p.tables)
	begun := s.continued[end.Level]
	s.continued[end.Level] = sheet
	if begun != sheet && sheet > 1 {
		return formulas
	}
	table := s.p.tables[sheet-1]
	where := make([]string, len(criteria))
	for i, criterion := range criteria {
		where[i] = reference(table, s.p.columns[s.keys[i]].Title) + "," + criterion
	}
	all := strings.Join(where, ",")
	formulas[s.levels] = "COUNTIFS(" + all + ")"
	for i, at := range s.totals {
		formulas[s.levels+1+i] = subtotal(s.p.columns[at], table, all)
	}
	s.formulas += int64(1 + len(s.totals))
	return formulas
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
func (s *subtotals) append(b []byte, values []offprint.Value, formulas []string, blank string) []byte {
	number := []byte(strconv.Itoa(s.row))
	b = append(append(append(b, `<row r="`...), number...), `">`...)
	for i, c := range s.columns {
		switch {
		case values[i].IsNull() && blank != "":
			b = append(append(append(b, c.ref...), number...), blank...)
			continue
		case formulas == nil:
			b = c.append(b, number, values[i])
		default:
			b = c.appendFormula(b, number, formulas[i], values[i])
		}
		c.see(values[i])
	}
	return append(b, `</row>`...)
}

// follows tells whether the sheet follows the rows by formulas, which all have
// to find theirs without keeping Excel busy for long.
func (s *subtotals) follows(rows int64) bool {
	return s.left == 0 && s.formulas*rows <= mostCompared && s.finder.found()
}

// write writes the sheet, and answers with the buffer.
func (s *subtotals) write(b []byte, part string, e offprint.PartEnd) ([]byte, error) {
	if err := s.w.beginSheet(s.w.names.unlike(part, " "+s.w.words.subtotals)); err != nil {
		return b, err
	}
	last := s.row
	live := s.follows(e.Rows)
	total := s.appendTotal(e, live)
	b = s.w.appendTop(b, s.columns, 0, false)
	b = append(b, `<row r="1">`...)
	for _, c := range s.columns {
		b = s.w.appendHeader(b, c)
	}
	s.w.titles.uses += len(s.columns)
	b, err := s.w.pack.put(append(b, `</row>`...))
	rows := &s.rows
	if live {
		rows = &s.live
	}
	if err == nil {
		err = s.w.pack.pour(rows)
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

func (s *subtotals) appendTotal(e offprint.PartEnd, live bool) []byte {
	look := style{font: bold, border: lineAbove}
	for _, c := range s.columns {
		c.outfit = c.dressed(s.w.styles, look)
	}
	s.row++
	values := s.values([]offprint.Value{offprint.TextValue(s.w.words.Total)}, e.Rows, e.Totals)
	formulas := make([]string, len(s.columns))
	if live && len(s.p.tables) == 1 && e.Rows > 0 {
		formulas[s.levels] = "ROWS(" + reference(s.p.tables[0], s.p.columns[s.keys[0]].Title) + ")"
		for i, at := range s.totals {
			formulas[s.levels+1+i] = grandTotal(s.p.columns[at], s.p.tables[0])
		}
	}
	return s.append(nil, values, formulas, open(s.w.styles.of(look), "", `</c>`))
}

func (s *subtotals) warn(part string) {
	if s.left > 0 {
		s.w.warnings = append(s.w.warnings, offprint.Warning{
			Code: "groups_left_out", Count: s.left, Detail: "The sheet of subtotals of " + part + " shows the first 100,000 groups only.",
		})
	}
}
