// Package xlsx writes Excel workbooks (ECMA-376, transitional) as a stream: a
// sheet a part, an About sheet behind them, and nothing held but a block of
// what is on its way out.
//
// The way of a row: part.write encodes it (cell.go, text.go, decimal.go) into
// a block, pack.put compresses the blocks side by side and joins them in their
// order. A cell is typed by its value: numbers, booleans, days and times are
// such, and only what Excel cannot hold as one is text. Data never becomes a
// formula, and a link only in the place that the definition has for it. What
// stands behind the rows and grows with them (link.go, group.go) waits
// compressed. Each part's sheet is a table (table.go) with totals of its own
// (total.go), which Excel, pivots and queries know by its name; subtotals are
// formulas over it (sumifs.go).
package xlsx

import (
	"io"
	"slices"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/look"
)

// Format is the Excel workbook, .xlsx. It knows the options overflow (sheets,
// or fail) for rows beyond the 1,048,576 of a sheet, and about (last, or off).
var Format offprint.Format = format{}

type format struct{}

func (format) Name() string { return "xlsx" }

func (format) Media(int) (ext, mediaType string) {
	return ".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
}

func (format) New(out io.Writer, head offprint.Head) (offprint.Writer, error) {
	overflow, about := head.Options["overflow"], head.Options["about"]
	if overflow != "" && overflow != "sheets" && overflow != "fail" {
		return nil, offprint.Errorf(offprint.Invalid, "The option overflow is sheets or fail, not %q.", overflow)
	}
	if about != "" && about != "last" && about != "off" {
		return nil, offprint.Errorf(offprint.Invalid, "The option about is last or off, not %q.", about)
	}
	w := &writer{
		head: head, words: wordsIn(head.Locale), pack: newPack(out), styles: newStyles(), names: names{}, tables: tables{}, titles: newTitles(),
		overflow: overflow != "fail", about: about != "off",
	}
	return w, w.writeFiles(w.first())
}

// A writer writes one workbook.
type writer struct {
	head     offprint.Head
	words    words
	pack     *pack
	styles   *styles
	names    names
	tables   tables
	titles   *titles
	sheets   []sheet
	part     *part
	parts    []string // their titles
	notes    []note   // on columns
	totals   []total
	spare    []byte // a buffer between parts
	warnings []offprint.Warning
	overflow bool
	about    bool
}

// A sheet is what the workbook says of one.
type sheet struct {
	name   string
	header string // its columns, $A:$J; empty: its first row is none
	filter string // $A$1:$J$101; empty: a table's, or none
}

// A note is something said of something.
type note struct{ title, text string }

func (w *writer) Begin(t *offprint.Table) (err error) {
	w.part, err = w.newPart(t)
	if err != nil {
		return err
	}
	w.parts = append(w.parts, w.sheets[len(w.sheets)-1].name)
	for _, c := range t.Columns {
		if n := (note{c.Title, c.Note}); c.Note != "" && !slices.Contains(w.notes, n) {
			w.notes = append(w.notes, n)
		}
	}
	return nil
}

func (w *writer) Write(row offprint.Row) error { return w.part.write(row) }

func (w *writer) EndGroup(end offprint.GroupEnd) error {
	w.part.subtotals.add(end)
	return nil
}

func (w *writer) End(e offprint.PartEnd) error {
	w.warnings = append(w.warnings, look.Mixed(w.part.table, e)...)
	if err := w.part.end(e); err != nil {
		return err
	}
	w.keepTotals(e)
	return nil
}

// beginSheet opens the entry of the next sheet, under a name that no other has.
func (w *writer) beginSheet(name string) error {
	w.sheets = append(w.sheets, sheet{name: name})
	return w.pack.begin(sheetPath(len(w.sheets)))
}

func (w *writer) warn(c *column, code string, count int64, detail string) {
	w.warnings = append(w.warnings, offprint.Warning{Code: code, Detail: detail, Column: c.Name, Count: count})
}

// Close writes the About sheet and what ties the sheets together. A file that
// was cut has one whatever was said of it.
func (w *writer) Close(doc offprint.DocEnd) ([]offprint.Warning, error) {
	if w.about || len(w.sheets) == 0 || doc.Outcome == offprint.Truncated {
		if err := w.writeAbout(doc); err != nil {
			return nil, err
		}
	}
	if err := w.writeFiles(w.last()); err != nil {
		return nil, err
	}
	return w.warnings, w.pack.close()
}
