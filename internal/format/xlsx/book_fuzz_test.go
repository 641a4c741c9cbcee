package xlsx_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
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
	zone := berlin(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := thrown(&dice{data: data}, zone)
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

// dice make decisions of the fuzzer's bytes, and of what they add up to once
// there are no more.
type dice struct {
	data  []byte
	state uint64
	walls bool // this part's times have no zone
}

func (d *dice) byte() byte {
	if len(d.data) > 0 {
		b := d.data[0]
		d.data, d.state = d.data[1:], d.state*31+uint64(b)
		return b
	}
	d.state = d.state*6364136223846793005 + 1442695040888963407
	return byte(d.state >> 56)
}

// of is a number below n, which is at most 256.
func (d *dice) of(n int) int { return int(d.byte()) * n / 256 }

func (d *dice) once(in int) bool { return d.of(in) == in-1 }

func (d *dice) int64() int64 {
	var b [8]byte
	for i := range b {
		b[i] = d.byte()
	}
	return int64(binary.BigEndian.Uint64(b[:]))
}

func one[T any](d *dice, of []T) T { return of[d.of(len(of))] }

// thrown is a document of one to three parts.
func thrown(d *dice, zone *time.Location) celltest.Document {
	doc := celltest.Document{Head: offprint.Head{
		Title: d.text(), Description: d.text(), Zone: one(d, []*time.Location{nil, zone}), Locale: one(d, []string{"", "en-US", "de", "ar", "fr-CA"}),
		Parameters: []offprint.Shown{{Label: d.text(), Text: d.text()}}, Options: map[string]string{"about": one(d, []string{"", "last", "off"})},
	}}
	for i := range 1 + d.of(3) {
		doc.Parts = append(doc.Parts, d.part(fmt.Sprint("part_", i)))
	}
	return doc
}

func (d *dice) part(name string) celltest.Part {
	t := offprint.Table{Name: name, Title: d.text()}
	d.walls = d.once(2)
	for i := range d.of(9) {
		t.Columns = append(t.Columns, d.column(i))
	}
	for i := range t.Columns {
		if d.once(4) {
			t.Group = append(t.Group, t.Columns[i].Name)
		}
		if d.once(4) {
			t.Columns[i].Currency = one(d, t.Columns).Name
		}
		if d.once(8) {
			t.Columns[i].Link = "https://shop.example/?a=1&b={" + one(d, t.Columns).Name + "}"
		}
	}
	if !d.once(4) {
		t.Group = nil
	}
	rows := d.of(8)
	if d.once(8) {
		rows = d.of(200) // more than widths are made from
	}
	var values []offprint.Row
	for range rows {
		row := make(offprint.Row, len(t.Columns))
		for i, c := range t.Columns {
			row[i] = d.value(c.Kind)
		}
		values = append(values, row)
	}
	return celltest.PartOf(t, values...)
}

// timeFormats are those of the thrown codes that show days or times.
var timeFormats = map[string]bool{"yyyy-mm-dd": true, "[h]:mm:ss": true, `dd/mm/yy" at "hh:mm`: true}

func (d *dice) column(i int) offprint.Column {
	c := offprint.Column{
		Name: fmt.Sprint("c", i), Title: d.text(), Kind: offprint.Kind(d.of(int(offprint.Bytes) + 1)),
		As:    one(d, []offprint.As{"", "", "", offprint.AsID, offprint.AsMoney, offprint.AsPercent, offprint.AsText, offprint.AsNumber, offprint.AsDate, offprint.AsDatetime, offprint.AsBool}),
		Total: one(d, append(offprint.TotalWords, offprint.NoTotal)),
		Hide:  d.once(8),
	}
	if d.once(3) {
		c.Format = one(d, []string{"General", "0", "0.00", "#,##0.00 €", `0.0" kg"`, "0.00E+00", "0%", "@", "yyyy-mm-dd", "[h]:mm:ss", `dd/mm/yy" at "hh:mm`})
	}
	if d.once(6) {
		c.Width = float64(d.byte())
	}
	if d.once(6) {
		c.Note = d.text()
	}
	return c
}

// value is mostly of the kind.
func (d *dice) value(kind offprint.Kind) offprint.Value {
	switch d.of(16) {
	case 0:
		return offprint.Value{}
	case 1:
		kind = offprint.Kind(d.of(int(offprint.Bytes) + 1))
	}
	const mostDays = 3_000_000 // beyond all calendars
	switch kind {
	case offprint.Bool:
		return offprint.BoolValue(d.once(2))
	case offprint.Int:
		return offprint.IntValue(d.int64() >> (d.of(8) * 8))
	case offprint.Float:
		if d.once(2) {
			return offprint.FloatValue(float64(d.int64()>>40) / 100)
		}
		return offprint.FloatValue(math.Float64frombits(uint64(d.int64())))
	case offprint.Decimal:
		return d.decimal()
	case offprint.Date:
		return offprint.DateValue(d.int64() % mostDays)
	case offprint.Timestamp:
		micros := d.int64() % (mostDays * 86400e6)
		if d.walls {
			return offprint.WallValue(micros)
		}
		return offprint.InstantValue(micros)
	case offprint.Bytes:
		s := d.text()
		return offprint.BytesValue([]byte(s[:min(len(s), 100)]))
	}
	return offprint.TextValue(d.text())
}

func (d *dice) decimal() offprint.Value {
	if !d.once(3) {
		return offprint.DecimalValue(d.int64()>>(d.of(8)*8), d.of(19))
	}
	var s strings.Builder
	s.WriteString(one(d, []string{"", "-"}))
	for range 1 + d.of(40) {
		s.WriteByte(byte('0' + d.of(10)))
	}
	s.WriteByte('.')
	for range d.of(30) {
		s.WriteByte(byte('0' + d.of(10)))
	}
	return decimal(s.String() + one(d, []string{"", "", "", "e20", "e-20", "e300", "e-300", "e400", "e-400"}))
}

func (d *dice) text() string {
	switch d.of(4) {
	case 0:
		return one(d, []string{"", " ", "a", "Amount", "amount", "AMOUNT", "007"})
	case 1:
		return one(d, nasty())
	}
	s := make([]byte, d.of(24))
	for i := range s {
		s[i] = d.byte()
		if s[i] >= 0x80 && d.once(2) { // most of the invalid ones out
			s[i] -= 0x80
		}
	}
	if d.once(200) {
		return strings.Repeat(strings.ToValidUTF8(string(s), "")+"€😀", 32_767/max(1, len(s)))
	}
	return string(s)
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
		shown[c.ID] = timeFormats[c.Code]
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
		got, room = sum/float64(len(numbers)), size*1e-13
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
