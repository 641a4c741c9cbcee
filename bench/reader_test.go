package bench

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
	"github.com/offprint/offprint/internal/format/xlsx"
)

// TestExcelizeReadsTheShop holds that the peer reads each cell of the sample
// reports, on rows as nasty as life, as what went in, and no formula but the
// totals.
func TestExcelizeReadsTheShop(t *testing.T) {
	cells := 0
	for _, d := range celltest.Shop(t, 3000) {
		b := opened(t, d)
		for _, p := range d.Parts {
			sheet := b.sheetOf(p.Name)
			for i, c := range p.Columns {
				if got := b.cell(sheet, i, 1); got.Value != c.Title {
					t.Errorf("%s, %s: column %s has the title %q", d.Name, p.Name, c.Name, got.Value)
				}
				for j, row := range p.Values {
					cells++
					if got, want := b.cell(sheet, i, j+2), celltest.Of(c, row[i], d.Head.Zone); got != want {
						t.Errorf("%s, %s: row %d, %s: %q, want %q", d.Name, p.Name, j+1, c.Name, got, want)
					}
				}
			}
		}
	}
	t.Logf("%d cells", cells)
	if cells < 40_000 {
		t.Errorf("only %d cells were compared", cells)
	}
}

// TestExcelizeReadsAttacksAsTexts holds that what attacks a spreadsheet is no
// formula, and stays as it was.
func TestExcelizeReadsAttacksAsTexts(t *testing.T) {
	columns := []offprint.Column{{Name: "plain", Title: "Plain"}, {Name: "id", Title: "Id", As: offprint.AsID}, {Name: "money", Title: "Money", As: offprint.AsMoney}}
	texts := celltest.Formulas(t)
	var rows []offprint.Row
	for _, s := range texts {
		v := offprint.TextValue(s)
		rows = append(rows, offprint.Row{v, v, v})
	}
	part := celltest.PartOf(offprint.Table{Name: "attacks", Title: "Attacks", Columns: columns}, rows...)
	b := opened(t, celltest.Document{Name: "attacks", Head: offprint.Head{Title: texts[0]}, Parts: []celltest.Part{part}})
	for i, s := range texts {
		for j := range columns {
			if got := b.cell(b.sheetOf("attacks"), j, i+2); got != (celltest.Cell{Kind: "text", Value: s}) {
				t.Errorf("%q became %q", s, got)
			}
		}
	}
}

// A book is a workbook in the peer's hands.
type book struct {
	t *testing.T
	*excelize.File
	times map[int]bool // the styles that show one
}

func opened(t *testing.T, d celltest.Document) book {
	t.Helper()
	var out bytes.Buffer
	w, err := xlsx.Format.New(&out, d.Head)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Parts {
		if err := w.Begin(&p.Table); err != nil {
			t.Fatal(err)
		}
		for _, row := range p.Values {
			if err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.End(offprint.PartEnd{Rows: int64(len(p.Values)), Totals: p.Totals}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(offprint.DocEnd{Outcome: offprint.Complete}); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatalf("%s: excelize does not open it: %v", d.Name, err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return book{t, f, map[int]bool{}}
}

// sheetOf is the sheet with the table of a part.
func (b book) sheetOf(part string) string {
	b.t.Helper()
	table := strings.ReplaceAll(part, "-", "_") // as formulas say it
	for _, sheet := range b.GetSheetList() {
		tables, err := b.GetTables(sheet)
		if err != nil {
			b.t.Fatal(err)
		}
		if slices.ContainsFunc(tables, func(t excelize.Table) bool { return t.Name == table }) {
			return sheet
		}
	}
	b.t.Fatalf("no sheet has the table %s", table)
	return ""
}

// cell is what the peer reads there; a formula is a kind of its own.
func (b book) cell(sheet string, column, row int) celltest.Cell {
	b.t.Helper()
	at, err := excelize.CoordinatesToCellName(column+1, row)
	if err != nil {
		b.t.Fatal(err)
	}
	formula, err := b.GetCellFormula(sheet, at)
	if err != nil {
		b.t.Fatal(err)
	}
	value, err := b.GetCellValue(sheet, at, excelize.Options{RawCellValue: true})
	if err != nil {
		b.t.Fatal(err)
	}
	kind, err := b.GetCellType(sheet, at)
	switch {
	case err != nil:
		b.t.Fatal(err)
	case formula != "":
		return celltest.Cell{Kind: "formula", Value: formula}
	case kind == excelize.CellTypeInlineString, kind == excelize.CellTypeSharedString:
		return celltest.Cell{Kind: "text", Value: value}
	case kind == excelize.CellTypeBool:
		return celltest.Cell{Kind: "bool", Value: strconv.FormatBool(value == "1")}
	case value == "":
		return celltest.Cell{Kind: "null"}
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		b.t.Fatalf("%s, %s: %q is no number", sheet, at, value)
	}
	if !b.isTime(sheet, at) {
		return celltest.Number(f)
	}
	clock, err := excelize.ExcelDateToTime(f, false)
	if err != nil {
		b.t.Fatalf("%s, %s: %v", sheet, at, err)
	}
	return celltest.Time(clock.Round(time.Millisecond)) // the peer's own arithmetic is no finer
}

// isTime tells whether a number is shown as a day or a time.
func (b book) isTime(sheet, at string) bool {
	b.t.Helper()
	id, err := b.GetCellStyle(sheet, at)
	if err != nil {
		b.t.Fatal(err)
	}
	shown, known := b.times[id]
	if known {
		return shown
	}
	style, err := b.GetStyle(id)
	if err != nil {
		b.t.Fatal(err)
	}
	const shortDate, dateAndTime = 14, 22
	shown = style.NumFmt == shortDate || style.NumFmt == dateAndTime || style.CustomNumFmt != nil && strings.Contains(*style.CustomNumFmt, "yy")
	b.times[id] = shown
	return shown
}
