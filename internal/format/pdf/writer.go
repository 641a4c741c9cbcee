package pdf

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/look"
)

// A writer fills page after page; each leaves when it is full. What it keeps of
// a page that left is two offsets.
type writer struct {
	file    *file
	head    offprint.Head
	paper   paper
	logo    *logo
	aside   int // what the logo takes of the lines beside it
	words   words
	printer *printer
	wrapper wrapper

	regular, bold *face
	fonts         [2]int // the objects of both, reserved
	resources     int    // shared by all pages, reserved
	forms         []byte // named, among the resources
	formCount     int
	count         int    // the form that says how many pages there are, reserved
	gap           uint16 // stands before a page's number

	sheet    sheet
	pages    int
	sections []bookmark
	table    *table
	remarks  []string // of columns
	mixed    []offprint.Warning
	boxed    int64 // cells
	cutTold  bool
}

// A bookmark is where a part begins.
type bookmark struct {
	title string
	page  int // object
	y     int
}

func newWriter(out io.Writer, head offprint.Head, p paper, l *logo, regular, bold *face) *writer {
	w := &writer{
		file: newFile(out), head: head, paper: p, logo: l, words: wordsIn(head.Locale), printer: newPrinter(head),
		regular: regular, bold: bold,
	}
	w.fonts = [2]int{w.file.reserve(), w.file.reserve()}
	w.resources, w.count = w.file.reserve(), w.file.reserve()
	w.gap = regular.gap()
	return w
}

func (w *writer) Begin(t *offprint.Table) error {
	if w.table != nil {
		return errors.New("begin of a part within a part")
	}
	table, err := newTable(w, t)
	if err != nil {
		return err
	}
	w.table = table
	w.note(t)
	return w.file.err
}

func (w *writer) Write(row offprint.Row) error {
	if w.table == nil {
		return errors.New("a row outside of a part")
	}
	return w.table.write(row)
}

func (w *writer) EndGroup(end offprint.GroupEnd) error {
	if w.table == nil {
		return errors.New("end of a group outside of a part")
	}
	return w.table.endGroup(end)
}

func (w *writer) End(part offprint.PartEnd) error {
	if w.table == nil {
		return errors.New("end of no part")
	}
	err := w.table.end(part)
	w.mixed = append(w.mixed, look.Mixed(w.table.part, part)...)
	w.cutTold = w.cutTold || part.Truncated
	w.table = nil
	return err
}

func (w *writer) Close(doc offprint.DocEnd) ([]offprint.Warning, error) {
	if w.table != nil {
		return nil, errors.New("close within a part")
	}
	own, err := w.notes(doc)
	if err != nil {
		return nil, err
	}
	err = w.finishPage()
	if err != nil {
		return nil, err
	}
	return own, w.finish(doc)
}

// section makes room for a part: a page whose side suits it, the document's
// head before the first part, a title before each of several.
func (w *writer) section(t *table) error {
	err := w.open(t.landscape)
	if err != nil {
		return err
	}
	title := t.part.Title
	titled := title != "" && w.head.Parts != 1 && (title != w.head.Title || w.head.Parts > 1)
	needed := 4*partSize + t.headerHeight + t.height(2)
	if w.sheet.used {
		needed = max(needed, w.sheet.height/3)
	}
	landscape := w.sheet.width > w.sheet.height
	if landscape != t.landscape || w.sheet.room() < min(needed, w.sheet.height/2) {
		err = w.turn(t.landscape)
	}
	if err != nil {
		return err
	}
	if w.sheet.used {
		w.sheet.y -= 2400
	}
	if !titled {
		return nil
	}
	w.sections = append(w.sections, bookmark{title, w.sheet.number, w.sheet.y})
	err = w.paragraph(w.bold, partSize, ink, title)
	w.sheet.y -= 600
	return err
}

// open begins the first page.
func (w *writer) open(landscape bool) error {
	if w.pages > 0 {
		return nil
	}
	w.beginPage(landscape)
	return w.opening()
}

func (w *writer) beginPage(landscape bool) {
	w.pages++
	if landscape {
		w.sheet.clear(w.paper.height, w.paper.width)
	} else {
		w.sheet.clear(w.paper.width, w.paper.height)
	}
	w.sheet.number = w.file.reserve()
}

func (w *writer) turn(landscape bool) error {
	err := w.finishPage()
	w.beginPage(landscape)
	return err
}

// reserve is the room for " of 41" in the line below, in thousandths of its size.
const reserve = 9000

func (w *writer) finishPage() error {
	s := &w.sheet
	no := w.words.page + strconv.Itoa(w.pages)
	x := s.width - margin - (reserve+w.regular.width(no))*footerSize/1000
	glyphs, _ := w.regular.append([]byte{byte(w.gap >> 8), byte(w.gap)}, []byte(no))
	s.show(w.regular, footerSize, quiet, margin, footerLine, w.footerGlyphs(x-margin))
	s.show(w.regular, footerSize, quiet, x, footerLine, glyphs)
	s.form("Pages", s.width-margin, footerLine)
	contents := w.file.reserve()
	w.file.stream(contents, "", s.under, s.body)
	w.file.page(s.number, fmt.Sprintf("/MediaBox[0 0 %s %s]/Resources %d 0 R/Contents %d 0 R%s",
		points(s.width), points(s.height), w.resources, contents, w.annotations()))
	return w.file.err
}

// annotations writes the page's links, and answers its entry for them.
func (w *writer) annotations() string {
	if len(w.sheet.links) == 0 {
		return ""
	}
	first := w.file.pack(w.sheet.annots, w.sheet.links)
	entry := []byte("/Annots[")
	for i := range w.sheet.links {
		entry = fmt.Appendf(entry, "%d 0 R ", first+i)
	}
	return string(append(entry, ']'))
}

// footerGlyphs are the report, its date and what its author wants there,
// shortened to what there is room for.
func (w *writer) footerGlyphs(room int) []byte {
	var said []string
	for _, s := range []string{w.title(), w.made(), w.head.Options["pdf.footer"]} {
		if s != "" {
			said = append(said, s)
		}
	}
	text := []rune(strings.Join(said, " · "))
	glyphs, set := w.regular.append(nil, []byte(string(text)))
	for set.width*footerSize/1000 > room && len(text) > 0 {
		text = text[:len(text)*9/10]
		glyphs, set = w.regular.append(nil, []byte(string(text)+"…"))
	}
	return glyphs
}

func (w *writer) addForm(form *sheet, width, height int) (name string) {
	w.formCount++
	name = "H" + strconv.Itoa(w.formCount)
	n := w.file.reserve()
	w.writeForm(n, form, fmt.Sprintf("%s %s %s 0", points(margin), points(-height), points(margin+width)))
	w.forms = fmt.Appendf(w.forms, "/%s %d 0 R", name, n)
	return name
}

func (w *writer) writeForm(n int, form *sheet, bounds string) {
	form.endText()
	w.file.stream(n, fmt.Sprintf("/Type/XObject/Subtype/Form/BBox[%s]/Resources<<%s>>", bounds, w.fontResources()),
		form.under, form.body)
}

func (w *writer) fontResources() string {
	return fmt.Sprintf("/Font<</R %d 0 R/B %d 0 R>>", w.fonts[0], w.fonts[1])
}

// finish writes what is known only now: how many pages there are, which
// glyphs were drawn, and where everything is.
func (w *writer) finish(doc offprint.DocEnd) error {
	w.writeCount()
	w.file.object(w.resources, fmt.Sprintf("<<%s/XObject<<%s/Pages %d 0 R>>>>", w.fontResources(), w.forms, w.count))
	for i, f := range []*face{w.regular, w.bold} {
		err := w.file.embed(w.fonts[i], f)
		if err != nil {
			return err
		}
	}
	return w.file.end(w.describe())
}

// writeCount draws " of 41" up to its origin, and widens the gap before each
// page's number so that it ends where this begins.
func (w *writer) writeCount() {
	text := w.words.of + strconv.Itoa(w.pages)
	glyphs, set := w.regular.append(nil, []byte(text))
	width := set.width * footerSize / 1000
	w.regular.widen(w.gap, max(0, reserve-set.width))
	var form sheet
	form.show(w.regular, footerSize, quiet, -width, 0, glyphs)
	w.writeForm(w.count, &form, fmt.Sprintf("%s -5 5 10", points(-width-500)))
}
