package pdf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// opening writes the document's head: title, description, parameters, and
// when and for whom it was made.
func (w *writer) opening() error {
	type text struct {
		face       *face
		size       int
		color, say string
		gap        int // below it
	}
	beside := w.showLogo()
	for _, t := range []text{
		{w.bold, titleSize, ink, w.title(), 300},
		{w.regular, textSize, ink, w.head.Description, 200},
		{w.regular, textSize, quiet, w.parameters(), 0},
		{w.regular, textSize, quiet, w.provenance(), 0},
	} {
		if t.say == "" {
			continue
		}
		err := w.paragraph(t.face, t.size, t.color, t.say)
		if err != nil {
			return err
		}
		w.sheet.y -= t.gap
	}
	if beside != 0 && w.pages == 1 {
		w.sheet.y = min(w.sheet.y, beside)
	}
	w.aside, w.sheet.y = 0, w.sheet.y-1000
	return nil
}

// showLogo draws the logo, keeps the head's text away from it and answers where
// it ends.
func (w *writer) showLogo() (end int) {
	if w.logo == nil {
		return 0
	}
	const gap = 1500
	s, width, height := &w.sheet, w.logo.width, w.logo.height
	w.forms = fmt.Appendf(w.forms, "/Logo %d 0 R", w.logo.write(w.file))
	end, w.aside = s.y-height, width+gap
	s.image("Logo", s.width-margin-width, end, width, height)
	return end
}

func (w *writer) title() string {
	if w.head.Title != "" {
		return w.head.Title
	}
	return w.head.Report
}

const dot = "  ·  "

func (w *writer) parameters() string {
	var shown []string
	for _, p := range w.head.Parameters {
		shown = append(shown, p.Label+": "+p.Text)
	}
	return strings.Join(shown, dot)
}

func (w *writer) provenance() string {
	var said []string
	if made := w.made(); made != "" {
		said = append(said, w.words.made+" "+made)
	}
	if by := w.head.By; by != "" {
		said = append(said, w.words.by+" "+by)
	}
	if !w.head.AsOf.IsZero() {
		said = append(said, w.words.AsOf+" "+w.minute(w.head.AsOf))
	}
	return strings.Join(append(said, w.words.zone+" "+w.printer.clock.zone.String()), dot)
}

func (w *writer) made() string {
	if w.head.MadeAt.IsZero() {
		return ""
	}
	return w.minute(w.head.MadeAt)
}

func (w *writer) minute(t time.Time) string {
	return t.In(w.printer.clock.zone).Format("2006-01-02 15:04")
}

// paragraph wraps a text over the width of the page, and over pages.
func (w *writer) paragraph(f *face, size int, color, text string) error {
	lead := size * 135 / 100
	limit := (w.sheet.width - 2*margin - w.aside) * 1000 / size
	glyphs, lines, boxed := w.wrapper.wrap(f, nil, nil, []byte(text), limit)
	if boxed {
		w.boxed++
	}
	for _, l := range lines {
		if w.sheet.room() < lead {
			err := w.turn(w.sheet.width > w.sheet.height)
			if err != nil {
				return err
			}
		}
		w.sheet.show(f, size, color, margin, w.sheet.y-size, glyphs[l.from:l.to])
		w.sheet.y -= lead
	}
	return nil
}

// remark is a line below a table.
func (w *writer) remark(text string, landscape bool) error {
	w.sheet.y -= 500
	if w.sheet.room() < 2*textSize {
		err := w.turn(landscape)
		if err != nil {
			return err
		}
	}
	return w.paragraph(w.regular, textSize, quiet, text)
}

// cut says that the rows were cut.
func (w *writer) cut(rows int64) string {
	n, _ := numberOf(strconv.AppendInt(nil, rows, 10))
	return fmt.Sprintf(w.words.Cut, n.append(nil, w.printer.group, ""))
}

// note keeps what the definition says of the columns that are shown.
func (w *writer) note(t *offprint.Table) {
	for _, c := range t.Columns {
		remark := c.Title + ": " + c.Note
		if c.Note != "" && !c.Hide && !slices.Contains(w.remarks, remark) {
			w.remarks = append(w.remarks, remark)
		}
	}
}

// notes writes what there is to say of the whole, last because the first page
// has left, and answers the format's own warnings.
func (w *writer) notes(doc offprint.DocEnd) ([]offprint.Warning, error) {
	err := w.open(w.paper.orientation == "landscape")
	if err != nil {
		return nil, err
	}
	own := w.warnings()
	var said []string
	if doc.Outcome == offprint.Truncated && !w.cutTold {
		said = append(said, w.cut(doc.Rows))
	}
	if w.head.AsOf.IsZero() && !doc.AsOf.IsZero() {
		said = append(said, w.words.AsOf+" "+w.minute(doc.AsOf))
	}
	said = append(said, w.remarks...)
	for _, warning := range append(doc.Warnings[:len(doc.Warnings):len(doc.Warnings)], own...) {
		said = append(said, warning.Detail)
	}
	if len(said) == 0 {
		return own, nil
	}
	w.sheet.y -= 1200
	if w.sheet.room() < 5*textSize {
		err = w.turn(w.sheet.width > w.sheet.height)
	}
	if err == nil {
		err = w.paragraph(w.bold, textSize, ink, w.words.notes)
	}
	for i := 0; i < len(said) && err == nil; i++ {
		err = w.paragraph(w.regular, textSize, quiet, said[i])
	}
	return own, err
}

func (w *writer) warnings() []offprint.Warning {
	own := w.mixed
	if w.boxed > 0 {
		own = append(own, offprint.Warning{
			Code: "shape_missing", Count: w.boxed,
			Detail: "Some characters have no shape in the fonts of this file and are drawn as boxes. Copying and searching find them as they are.",
		})
	}
	if w.regular.full() || w.bold.full() {
		own = append(own, offprint.Warning{
			Code:   "text_lost",
			Detail: "There are more different characters than a PDF font can hold; the last of them are drawn as boxes and cannot be copied.",
		})
	}
	return own
}
