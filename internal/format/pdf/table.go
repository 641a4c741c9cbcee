package pdf

import (
	"fmt"

	"github.com/offprint/offprint"
)

// A table is the part being written. It keeps its first rows until they have
// shown how wide its columns are.
type table struct {
	w       *writer
	part    *offprint.Table
	columns []column
	fit
	lead    int // from one base line to the next
	inset   int // above and below the lines of a row
	rows    int64
	sample  []offprint.Row
	sampled int // bytes of it
	settled bool

	header       string // the form's name; empty: too tall to be repeated
	headerHeight int
	striped      bool // the next row is

	// The row being set.
	text    []byte
	glyphs  []byte
	lines   []line
	cells   []cell
	tallest int // in lines
}

// A cell is a range of the lines of its row.
type cell struct{ from, to, size int }

// What is read before the columns are set.
const (
	sampleRows  = 200
	sampleBytes = 256 << 10
)

func newTable(w *writer, part *offprint.Table) *table {
	columns := columnsOf(part)
	return &table{w: w, part: part, columns: columns, cells: make([]cell, len(columns))}
}

func (t *table) write(row offprint.Row) error {
	if len(row) != len(t.part.Columns) {
		return fmt.Errorf("a row of %d values for the %d columns of part %q", len(row), len(t.part.Columns), t.part.Name)
	}
	t.rows++
	if t.settled {
		return t.add(row)
	}
	kept := make(offprint.Row, len(row))
	for i, v := range row {
		kept[i] = v.Clone()
		t.sampled += len(v.Text())
	}
	t.sample = append(t.sample, kept)
	if len(t.sample) < sampleRows && t.sampled < sampleBytes {
		return nil
	}
	return t.settle(nil)
}

// settle sets the columns, begins the part and adds the rows that were kept.
// The totals are known only where these were all.
func (t *table) settle(totals offprint.Row) error {
	for i := range t.columns {
		t.measure(&t.columns[i], totals)
	}
	t.fit = fitColumns(t.columns, t.w.paper)
	t.lead, t.inset = t.size*128/100, t.size*24/100
	t.settled = true
	err := t.begin()
	for i := 0; i < len(t.sample) && err == nil; i++ {
		err = t.add(t.sample[i])
	}
	t.sample = nil
	return err
}

func (t *table) measure(c *column, totals offprint.Row) {
	c.title(t.w.bold)
	for _, row := range t.sample {
		t.text = t.w.printer.append(t.text[:0], c, row[c.index])
		c.see(t.w.regular, t.text)
	}
	if totals != nil {
		t.text = t.w.printer.append(t.text[:0], c, totals[c.index])
		c.see(t.w.bold, t.text)
	}
	if t.rows >= sampleRows {
		c.grow()
	}
	if c.Width > 0 {
		c.natural = int(c.Width * digit)
		c.least = min(c.least, c.natural)
	}
}

// begin writes the part's title and the header.
func (t *table) begin() error {
	t.titles()
	t.headerHeight = t.height(t.tallest)
	err := t.w.section(t)
	if err != nil {
		return err
	}
	if t.headerHeight > t.w.sheet.height/3 {
		return t.flow(t.w.bold, tint)
	}
	t.header = t.w.addForm(t.headerForm())
	t.head()
	return nil
}

func (t *table) titles() {
	row := make(offprint.Row, len(t.part.Columns))
	for _, c := range t.columns {
		row[c.index] = offprint.TextValue(c.Title)
	}
	t.lay(t.w.bold, row, false)
}

func (t *table) headerForm() (form *sheet, width, height int) {
	width = tableWidth(t.columns)
	form = &sheet{}
	form.fill(tint, margin, -t.headerHeight, width, t.headerHeight)
	form.fill(rule, margin, -t.headerHeight, width, hairline)
	for i := range t.columns {
		low := t.tallest - (t.cells[i].to - t.cells[i].from) // titles stand at the foot
		t.show(form, t.w.bold, i, 0, t.tallest, -low*t.lead)
	}
	return form, width, t.headerHeight
}

// head draws the header where the page has come to.
func (t *table) head() {
	s := &t.w.sheet
	s.form(t.header, 0, s.y)
	s.y -= t.headerHeight
	s.used = true
	t.striped = false
}

// turn ends the page and begins the next with the header.
func (t *table) turn() error {
	t.close()
	err := t.w.turn(t.landscape)
	t.striped = false
	if err == nil && t.header != "" {
		t.head()
	}
	return err
}

// add sets a row and draws it.
func (t *table) add(row offprint.Row) error {
	t.lay(t.w.regular, row, true)
	if height := t.height(t.tallest); height <= t.w.sheet.room() {
		t.draw(t.w.regular, "", 0, t.tallest)
		return nil
	}
	return t.flow(t.w.regular, "")
}

// flow draws a row for which the page may have no room: on the next one, or
// over several where it is taller than a page.
func (t *table) flow(f *face, color string) error {
	most := t.linesIn(t.w.sheet.height - 2*margin - t.repeated())
	for from := 0; ; {
		left, fits := t.tallest-from, t.linesIn(t.w.sheet.room())
		if left <= fits {
			t.draw(f, color, from, left)
			return nil
		}
		if t.tallest > most && fits >= 3 {
			t.draw(f, color, from, fits)
			from += fits
		}
		err := t.turn()
		if err != nil {
			return err
		}
	}
}

func (t *table) repeated() int {
	if t.header == "" {
		return 0
	}
	return t.headerHeight
}

func (t *table) height(lines int) int { return lines*t.lead + 2*t.inset }

func (t *table) linesIn(height int) int { return (height - 2*t.inset) / t.lead }

// lay breaks a row into lines. Its values may shrink where their column does
// not like to be wrapped.
func (t *table) lay(f *face, row offprint.Row, shrink bool) {
	t.glyphs, t.lines, t.tallest = t.glyphs[:0], t.lines[:0], 1
	for i := range t.columns {
		c := &t.columns[i]
		from := len(t.lines)
		t.cells[i] = cell{from: from, size: t.layCell(f, c, row[c.index], shrink && c.rigid)}
		t.cells[i].to = len(t.lines)
		t.tallest = max(t.tallest, len(t.lines)-from)
	}
}

// layCell adds the lines of a value and answers the size to draw them at.
func (t *table) layCell(f *face, c *column, v offprint.Value, shrink bool) (size int) {
	if v.IsNull() {
		return t.size
	}
	t.text = t.w.printer.append(t.text[:0], c, v)
	start := len(t.glyphs)
	glyphs, set := f.append(t.glyphs, t.text)
	size = t.size
	if set.width > c.limit && shrink && !set.broken && c.limit*t.size >= set.width*smallDigits {
		size = t.size * c.limit / set.width
		set.width = c.limit
	}
	if set.broken || set.width > c.limit {
		t.glyphs, t.lines, set.boxed = t.w.wrapper.wrap(f, t.glyphs, t.lines, t.text, c.limit)
	} else {
		t.glyphs = glyphs
		t.lines = append(t.lines, line{start, len(glyphs), set.width})
	}
	if set.boxed {
		t.w.boxed++
	}
	return size
}

// draw draws so many lines of the row, from one on.
func (t *table) draw(f *face, color string, from, lines int) {
	s := &t.w.sheet
	height := t.height(lines)
	if color == "" && t.striped {
		color = zebra
	}
	if color != "" {
		s.fill(color, margin, s.y-height, tableWidth(t.columns), height)
	}
	for i := range t.columns {
		t.show(s, f, i, from, lines, 0)
	}
	s.y -= height
	s.used = true
	t.striped = !t.striped
}

// show draws lines of one cell, below the sheet's y and what is added to it.
func (t *table) show(s *sheet, f *face, i, from, lines, shift int) {
	c, cell := &t.columns[i], t.cells[i]
	y := s.y + shift - t.inset - t.size
	for n := cell.from + from; n < min(cell.to, cell.from+from+lines); n++ {
		l := t.lines[n]
		x := c.x + t.pad
		if c.right {
			// A number made smaller has the column's limit as its width.
			x = c.x + c.width - t.pad - l.width*t.size/1000
		}
		if l.from < l.to {
			s.show(f, cell.size, ink, x, y, t.glyphs[l.from:l.to])
		}
		y -= t.lead
	}
}

// end writes the totals and what there is to say below them.
func (t *table) end(part offprint.PartEnd) error {
	var totals offprint.Row
	if len(part.Totals) == len(t.part.Columns) && len(part.Totals) > 0 {
		totals = t.labelled(part.Totals)
	}
	if !t.settled {
		err := t.settle(totals)
		if err != nil {
			return err
		}
	}
	if totals != nil {
		err := t.total(totals)
		if err != nil {
			return err
		}
	}
	t.close()
	switch {
	case t.rows == 0:
		return t.w.remark(t.w.words.Nothing, t.landscape)
	case part.Truncated:
		return t.w.remark(t.w.cut(t.rows), t.landscape)
	}
	return nil
}

// close draws the line below what stands on the page.
func (t *table) close() {
	t.w.sheet.fill(rule, margin, t.w.sheet.y, tableWidth(t.columns), hairline)
}

// labelled puts the word for it into the first column, where that has no total.
func (t *table) labelled(totals []offprint.Value) offprint.Row {
	row := append(offprint.Row(nil), totals...)
	if len(t.columns) > 0 && row[t.columns[0].index].IsNull() {
		row[t.columns[0].index] = offprint.TextValue(t.w.words.Total)
	}
	return row
}

func (t *table) total(totals offprint.Row) error {
	t.lay(t.w.bold, totals, true)
	if t.height(t.tallest) > t.w.sheet.room() {
		err := t.turn()
		if err != nil {
			return err
		}
	}
	s := &t.w.sheet
	s.fill(ink, margin, s.y, tableWidth(t.columns), 75)
	t.striped = false
	return t.flow(t.w.bold, "")
}
