package xlsx

import (
	"fmt"
	"strconv"
	"time"

	"github.com/offprint/offprint"
)

// writeAbout writes the sheet that says what the workbook is.
func (w *writer) writeAbout(doc offprint.DocEnd) error {
	if err := w.beginSheet("About"); err != nil {
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
	a.pair("Rows", w.rows(doc))
	for i, p := range doc.Parts {
		if len(doc.Parts) > 1 && i < len(w.parts) {
			a.pair(w.parts[i], counted(p.Rows)+cutShort(p.Truncated))
		}
	}
	asOf := h.AsOf
	if !doc.AsOf.IsZero() {
		asOf = doc.AsOf
	}
	a.pair("Data as of", w.time(asOf))
	a.pair("Made at", w.time(h.MadeAt))
	a.pair("Asked by", h.By)
	a.pair("Report", h.Report)
	a.pair("Version", h.Version)
	a.pair("Run", h.Run)
	a.warnings(append(doc.Warnings[:len(doc.Warnings):len(doc.Warnings)], w.warnings...))
	a.notes(w.notes)
}

func (w *writer) rows(doc offprint.DocEnd) string {
	switch doc.Outcome {
	case offprint.Empty:
		return "None: nothing matched these parameters"
	case offprint.Truncated:
		return counted(doc.Rows) + cutShort(true)
	}
	return counted(doc.Rows)
}

func cutShort(truncated bool) string {
	if truncated {
		return " (only the first: the report's limit)"
	}
	return ""
}

// counted is 1,204,310.
func counted(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
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

func (a *aboutSheet) warnings(warnings []offprint.Warning) {
	if len(warnings) == 0 {
		return
	}
	a.skip()
	a.line(style{font: bold}, "What is not as one might expect")
	for _, w := range warnings {
		where := w.Column
		if w.Count > 0 {
			where += fmt.Sprintf(" (cells: %s)", counted(w.Count))
		}
		a.cells(style{font: quiet}, where, w.Detail)
	}
}

func (a *aboutSheet) notes(notes []note) {
	if len(notes) == 0 {
		return
	}
	a.skip()
	a.line(style{font: bold}, "Columns")
	for _, n := range notes {
		a.pair(n.title, n.text)
	}
}
