package xlsx_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
)

// TestOpenpyxlReadsTheShop holds that each cell of the sample reports, on rows
// as nasty as life, is read as what went in, and that only totals are formulas.
func TestOpenpyxlReadsTheShop(t *testing.T) {
	cells := 0
	for _, d := range celltest.Shop(t, 3000) {
		var out bytes.Buffer
		if _, err := write(&out, d.Head, offprint.DocEnd{Outcome: offprint.Complete}, parts(d)...); err != nil {
			t.Fatal(err)
		}
		b := read(t, out.Bytes())
		for _, p := range d.Parts {
			cells += wantPart(t, d, p, b)
		}
	}
	t.Logf("%d cells", cells)
	if cells < 40_000 {
		t.Errorf("only %d cells were compared", cells)
	}
}

func parts(d celltest.Document) (all []part) {
	for _, p := range d.Parts {
		all = append(all, part{p.Table, p.Totals})
	}
	return all
}

// wantPart holds a part against its sheet, and answers how many cells it has.
func wantPart(t *testing.T, d celltest.Document, p celltest.Part, b book) (cells int) {
	t.Helper()
	s := sheetOf(t, p.Name, b)
	if len(s.Rows) < len(p.Values)+1 {
		t.Fatalf("%s, %s: %d rows, want %d", d.Name, p.Name, len(s.Rows), len(p.Values))
	}
	for i, c := range p.Columns {
		if got := s.Rows[0][i].Value; got != c.Title {
			t.Errorf("%s, %s: column %s has the title %q", d.Name, p.Name, c.Name, got)
		}
		for j, row := range p.Values {
			cells++
			if got, want := cellOf(t, s.Rows[j+1][i]), celltest.Of(c, row[i], d.Head.Zone); got != want {
				t.Errorf("%s, %s: row %d, %s: %q, want %q", d.Name, p.Name, j+1, c.Name, got, want)
			}
		}
	}
	return cells
}

// sheetOf is the sheet with the table of a part.
func sheetOf(t *testing.T, part string, b book) sheet {
	t.Helper()
	table := strings.ReplaceAll(part, "-", "_") // as formulas say it
	for _, s := range b.Sheets {
		if _, has := s.Tables[table]; has {
			return s
		}
	}
	t.Fatalf("no sheet has the table %s", table)
	return sheet{}
}

// cellOf is what Python says of a cell, in our words.
func cellOf(t *testing.T, c cell) celltest.Cell {
	t.Helper()
	switch c.Kind {
	case "number":
		f, err := strconv.ParseFloat(c.Value, 64)
		if err != nil {
			t.Fatal(err)
		}
		return celltest.Number(f)
	case "time":
		at, err := time.Parse("2006-01-02T15:04:05.999999", c.Value)
		if err != nil {
			t.Fatal(err)
		}
		return celltest.Time(at)
	}
	return celltest.Cell{Kind: c.Kind, Value: c.Value}
}

// TestAttacksAreTexts holds that what attacks a spreadsheet is no formula in a
// workbook, and stays as it was.
func TestAttacksAreTexts(t *testing.T) {
	columns := []offprint.Column{{Name: "plain", Title: "Plain"}, {Name: "id", Title: "Id", As: offprint.AsID}, {Name: "money", Title: "Money", As: offprint.AsMoney}}
	texts := celltest.Formulas(t)
	var rows []offprint.Row
	for _, s := range texts {
		rows = append(rows, offprint.Row{offprint.TextValue(s), offprint.TextValue(s), offprint.TextValue(s)})
	}
	b := made(t, offprint.Head{Title: texts[0], Description: texts[1]}, offprint.DocEnd{}, table(columns, rows...))
	for i, want := range texts {
		for _, c := range b.Sheets[0].Rows[i+1] {
			if c.Kind != "text" || c.Value != want {
				t.Errorf("%q is %s %q", want, c.Kind, c.Value)
			}
		}
	}
	for _, s := range b.Sheets {
		for _, row := range s.Rows {
			for _, c := range row {
				if c.Kind == "formula" {
					t.Errorf("%s: a formula, %q", s.Name, c.Value)
				}
			}
		}
	}
}
