package xlsx_test

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
	"github.com/offprint/offprint/internal/format/look"
)

// FuzzBook holds that whatever the tables are, the workbook follows the rules,
// that each cell is what went in, and that each total is what its formula comes
// to.
func FuzzBook(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for size := range 60 {
		seed := make([]byte, size*size/3)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := celltest.Throw(data)
		var out bytes.Buffer
		if _, err := write(&out, d.Head, offprint.DocEnd{Outcome: offprint.Complete}, parts(d)...); err != nil {
			t.Fatal(err)
		}
		files := unpack(t, out.Bytes())
		checkFiles(t, files)
		sheets := readSheets(t, files)
		for _, p := range d.Parts {
			if len(p.Columns) > 0 {
				sheets[p.Name].want(t, p, d.Head)
			}
		}
	})
}

// A readSheet is what stands in the rows of a sheet, from its table's titles to
// its totals.
type readSheet []cells

// cells are those of a row, by the letters of their columns.
type cells map[string]readCell

type readCell struct {
	celltest.Cell
	formula string
	number  float64 // as Excel calculates with it; NaN: none
}

// readSheets are those with tables, by the tables' names.
func readSheets(t *testing.T, files map[string][]byte) map[string]readSheet {
	t.Helper()
	times := timeStyles(t, files)
	sheets := map[string]readSheet{}
	for name := range files {
		if path.Dir(name) != "xl/worksheets" {
			continue
		}
		var s sheetFile
		decode(t, files, name, &s)
		for _, p := range s.Parts {
			sheets[tableOf(t, files, name, p.ID).Name] = cellsOf(t, s, times)
		}
	}
	return sheets
}

// timeStyles tells of each style whether it shows a day or a time.
func timeStyles(t *testing.T, files map[string][]byte) (times []bool) {
	t.Helper()
	var styles struct {
		Codes []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Xfs []struct {
			ID int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	decode(t, files, "xl/styles.xml", &styles)
	shown := map[int]bool{14: true, 22: true}
	for _, c := range styles.Codes {
		shown[c.ID] = slices.Contains(celltest.TimeFormats, c.Code)
	}
	for _, xf := range styles.Xfs {
		times = append(times, shown[xf.ID])
	}
	return times
}

func cellsOf(t *testing.T, s sheetFile, times []bool) (read readSheet) {
	t.Helper()
	for i, row := range s.Rows {
		if row.R != i+1 {
			t.Fatalf("row %d stands where row %d should", row.R, i+1)
		}
		there := cells{}
		for _, c := range row.Cells {
			there[strings.TrimRight(c.R, "0123456789")] = typed(t, c, times)
		}
		read = append(read, there)
	}
	return read
}

// typed is what the file says of a cell: of Excel's numbers, what people see in
// them.
func typed(t *testing.T, c cellFile, times []bool) readCell {
	t.Helper()
	cell := readCell{formula: c.Formula, number: math.NaN()}
	switch {
	case c.T == "inlineStr":
		cell.Cell = celltest.Cell{Kind: "text", Value: celltest.Unescape(c.Inline)}
		return cell
	case c.T == "b":
		cell.Cell = celltest.Cell{Kind: "bool", Value: strconv.FormatBool(c.Value == "1")}
		return cell
	case c.Value == "":
		cell.Cell = celltest.Cell{Kind: "null"}
		return cell
	}
	exact, ok := new(big.Rat).SetString(c.Value)
	if !ok {
		t.Fatalf("%s: %q is no number", c.R, c.Value)
	}
	cell.number, _ = exact.Float64()
	cell.Cell = celltest.Number(cell.number)
	if times[c.S] {
		exact.Sub(exact, big.NewRat(25569, 1)).Mul(exact, big.NewRat(86400e6, 1))
		micros, err := strconv.ParseInt(exact.FloatString(0), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		cell.Cell = celltest.Time(time.UnixMicro(micros).UTC())
	}
	return cell
}

// want holds the sheet against its part.
func (s readSheet) want(t *testing.T, p celltest.Part, head offprint.Head) {
	t.Helper()
	last := max(len(p.Values), 1) // a table has a row, and be it a blank one
	rows := 1 + last
	if p.Totals != nil {
		rows++
	}
	if len(s) != rows {
		t.Fatalf("%s: %d rows, want %d", p.Name, len(s), rows)
	}
	for i, c := range p.Columns {
		at := string(rune('A' + i))
		for j, row := range p.Values {
			if got, want := s[j+1].at(at), celltest.Of(c, row[i], head.Zone); got.Cell != want || got.formula != "" {
				t.Errorf("%s: %s%d, %s of %s, is %+v, want %+v", p.Name, at, j+2, row[i].Kind(), c.As, got, want)
			}
		}
		if p.Totals == nil {
			continue
		}
		total := s[last+1].at(at)
		if p.Totals[i].IsNull() && i == firstShown(p.Columns) {
			words := look.WordsIn(head.Locale)
			if total.Cell != (celltest.Cell{Kind: "text", Value: words.Total}) {
				t.Errorf("%s: the totals are called %+v", p.Name, total)
			}
			continue
		}
		if c.Total == offprint.Count {
			c.As = offprint.AsNumber
		}
		want := celltest.Of(c, p.Totals[i], head.Zone)
		if want.Value == "" { // nor is an empty text anything below a column
			want.Kind = "null"
		}
		if total.Cell != want {
			t.Errorf("%s: the %s in %s, %s, is %+v, want %+v", p.Name, c.Total, at, c.As, total, want)
		}
		if total.formula != "" {
			s.calculate(t, p.Name, at, total)
		}
	}
}

// at is a cell that stands there, or null.
func (row cells) at(column string) readCell {
	if c, there := row[column]; there {
		return c
	}
	return readCell{Cell: celltest.Cell{Kind: "null"}, number: math.NaN()}
}

func firstShown(columns []offprint.Column) int {
	return slices.IndexFunc(columns, func(c offprint.Column) bool { return !c.Hide })
}

// calculate holds that the formula comes to what the file says beside it, by
// the rules of Excel: of a range, functions take the numbers alone, of which
// days are some.
func (s readSheet) calculate(t *testing.T, part, at string, total readCell) {
	t.Helper()
	var numbers []float64
	var sum, size, filled, last float64
	for _, row := range s[1 : len(s)-1] {
		c := row.at(at)
		if c.Kind != "null" {
			filled, last = filled+1, c.number
		}
		if !math.IsNaN(c.number) {
			numbers, sum, size = append(numbers, c.number), sum+c.number, size+math.Abs(c.number)
		}
	}
	function, _, _ := strings.Cut(total.formula, ",")
	var got, room float64
	switch function {
	case "SUBTOTAL(109":
		got, room = sum, size*1e-13
	case "SUBTOTAL(101":
		got, room = sum/float64(len(numbers)), size*1e-13+0.5e-6 // six decimals are exact
	case "SUBTOTAL(105":
		got = slices.Min(numbers)
	case "SUBTOTAL(104":
		got = slices.Max(numbers)
	case "SUBTOTAL(103":
		got = filled
	case "LOOKUP(2":
		got = last
	default: // says it itself
		if total.Kind == "bool" {
			if !strings.EqualFold(total.formula, total.Value) {
				t.Errorf("%s, %s: %+v", part, at, total)
			}
			return
		}
		exact, err := strconv.ParseFloat(total.formula, 64)
		if err != nil {
			t.Fatalf("%s, %s: %+v: %v", part, at, total, err)
		}
		got = exact
	}
	if !(math.Abs(got-total.number) <= room) && !math.IsInf(size, 0) {
		t.Errorf("%s, %s: %s comes to %v, and the file says %+v", part, at, total.formula, got, total)
	}
}
