package xlsx

import (
	"fmt"
	"strconv"
	"time"

	"github.com/offprint/offprint"
)

// writeAbout writes the sheet that says what the workbook is.
func (w *writer) writeAbout(doc offprint.DocEnd) error {
	if err := w.beginSheet(w.names.add(w.words.about)); err != nil {
		return err
	}
	selected := ""
	if len(w.sheets) == 1 {
		selected = ` tabSelected="1"`
	}
	a := aboutSheet{styles: w.styles}
	a.buf = append(a.buf, xmlHead+`<worksheet xmlns="`+mainNS+`"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>`+
		`<sheetViews><sheetView showGridLines="0"`+w.direction()+selected+` workbookViewId="0"/></sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>`...)
	a.buf = appendWidth(a.buf, 0, 24, false)
	a.buf = appendWidth(a.buf, 1, 90, false)
	a.buf = append(a.buf, `</cols><sheetData>`...)
	w.tell(&a, doc)
	b := w.appendPrint(append(a.buf, `</sheetData>`...))
	if _, err := w.pack.put(append(b, `</worksheet>`...)); err != nil {
		return err
	}
	return w.pack.end()
}

// tell says all there is to say, in the order in which one would ask.
func (w *writer) tell(a *aboutSheet, doc offprint.DocEnd) {
	h := w.head
	a.line(style{font: titleFont}, h.Title)
	a.line(style{font: quiet}, h.Description)
	a.skip()
	for _, p := range h.Parameters {
		a.pair(p.Label, p.Text)
	}
	a.pair(w.words.rows, w.rows(doc))
	for i, p := range doc.Parts {
		if len(doc.Parts) > 1 && i < len(w.parts) {
			a.pair(w.parts[i], w.words.Number(p.Rows)+w.cutShort(p.Truncated))
		}
	}
	for _, t := range w.totals {
		if len(w.parts) > 1 {
			t.title = w.parts[t.part] + ": " + t.title
		}
		a.total(t)
	}
	asOf := h.AsOf
	if !doc.AsOf.IsZero() {
		asOf = doc.AsOf
	}
	a.pair(w.words.AsOf, w.time(asOf))
	a.pair(w.words.made, w.time(h.MadeAt))
	a.pair(w.words.by, h.By)
	a.pair(w.words.report, h.Report)
	a.pair(w.words.version, h.Version)
	a.pair(w.words.run, h.Run)
	w.tellWarnings(a, append(doc.Warnings[:len(doc.Warnings):len(doc.Warnings)], w.warnings...))
	if len(w.notes) > 0 {
		a.skip()
		a.line(style{font: bold}, w.words.columns)
	}
	for _, n := range w.notes {
		a.pair(n.title, n.text)
	}
}

// A total is one of a whole part, over all of its sheets.
type total struct {
	part  int
	title string
	closing
}

// keepTotals keeps those of the part that has ended.
func (w *writer) keepTotals(e offprint.PartEnd) {
	if e.Totals == nil {
		return
	}
	for i, c := range w.part.columns {
		if !c.Hide && !e.Totals[i].IsNull() {
			w.totals = append(w.totals, total{len(w.parts) - 1, w.words.Sum(c.Column), c.closing(e.Totals[i], "")})
		}
	}
}

func (w *writer) rows(doc offprint.DocEnd) string {
	if doc.Outcome == offprint.Empty {
		return w.words.none
	}
	return w.words.Number(doc.Rows) + w.cutShort(doc.Outcome == offprint.Truncated)
}

func (w *writer) cutShort(truncated bool) string {
	if truncated {
		return " (" + w.words.cut + ")"
	}
	return ""
}

func (w *writer) time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	zone := w.head.Zone
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2006-01-02 15:04:05 -07:00") + " (" + zone.String() + ")"
}

func (w *writer) tellWarnings(a *aboutSheet, warnings []offprint.Warning) {
	if len(warnings) == 0 {
		return
	}
	a.skip()
	a.line(style{font: bold}, w.words.unexpected)
	for _, warning := range warnings {
		where := warning.Column
		if warning.Count > 0 {
			where += fmt.Sprintf(" (%s: %s)", w.words.cells, w.words.Number(warning.Count))
		}
		a.cells(style{font: quiet}, where, warning.Detail)
	}
}

type aboutSheet struct {
	buf    []byte
	row    int
	styles *styles
}

func (a *aboutSheet) skip() { a.row++ }

// line is a text over the whole width; an empty one takes no room.
func (a *aboutSheet) line(look style, text string) {
	if text != "" {
		a.cells(look, text)
	}
}

// pair is a label and what it stands for; nothing stands for nothing.
func (a *aboutSheet) pair(label, text string) {
	if text != "" {
		a.cells(style{font: quiet}, label, text)
	}
}

// total writes a total as the number that it is.
func (a *aboutSheet) total(t total) {
	if t.literal == "" {
		a.pair(t.title, t.label)
		return
	}
	a.row++
	number := strconv.Itoa(a.row)
	a.buf = append(a.buf, `<row r="`+number+`"><c r="A`+number...)
	a.buf = appendString(a.buf, a.styles.of(style{font: quiet}), fits(t.title))
	a.buf = append(a.buf, `<c r="B`+number+open(a.styles.of(style{code: t.style.code, align: left}), t.kind, `<v>`)+t.literal+endValue+`</row>`...)
}

// cells writes a row; from the second on they wrap.
func (a *aboutSheet) cells(look style, texts ...string) {
	a.row++
	number := strconv.Itoa(a.row)
	a.buf = append(a.buf, `<row r="`+number+`">`...)
	for i, text := range texts {
		if i > 0 {
			look = style{align: wrapped}
		}
		a.buf = append(a.buf, `<c r="`+letters(i)+number...)
		a.buf = appendString(a.buf, a.styles.of(look), fits(text))
	}
	a.buf = append(a.buf, `</row>`...)
}
