package pdf

import (
	"github.com/offprint/offprint"
)

// A block is a row as it was set. It waits until it is known what must stand
// on the same page.
type block struct {
	face    *face
	color   string // behind it; empty: none
	total   bool   // its values are totals,
	line    string // with a line of this color above,
	weight  int    // so thick,
	after   int    // and room below
	glyphs  []byte
	lines   []line
	cells   []cell // one a column
	label   cell   // from the left edge on, whatever the columns
	indent  int    // of the label
	urls    []byte
	tallest int // in lines
}

// A cell is a range of the lines of its row.
type cell struct {
	from, to, size int
	top            int // lines above it
	url            int // the end of its address among the row's; 0: none
}

// next is a new block behind those that wait.
func (t *table) next(f *face) *block {
	if n := len(t.waiting); n < cap(t.waiting) {
		t.waiting = t.waiting[:n+1] // with what it has grown to
	} else {
		t.waiting = append(t.waiting, block{})
	}
	b := &t.waiting[len(t.waiting)-1]
	*b = block{face: f, glyphs: b.glyphs[:0], lines: b.lines[:0], cells: b.cells, urls: b.urls[:0]}
	if b.cells == nil {
		b.cells = make([]cell, len(t.columns))
	}
	return b
}

// lay breaks a row into lines. Its values may shrink where their column does
// not like to be wrapped.
func (t *table) lay(b *block, row offprint.Row, shrink bool) {
	b.tallest = 1
	for i := range t.columns {
		c, from := &t.columns[i], len(b.lines)
		size := t.size
		if v := &row[c.index]; !v.IsNull() {
			if b.total {
				t.text = t.w.printer.appendTotal(t.text[:0], c, *v)
			} else {
				t.text = t.w.printer.append(t.text[:0], c, *v)
			}
			size = t.layText(b, c.limit, shrink && c.rigid)
		}
		b.cells[i] = cell{from: from, to: len(b.lines), size: size}
		b.tallest = max(b.tallest, len(b.lines)-from)
	}
}

// layText adds the lines of the table's text and answers the size to draw them at.
func (t *table) layText(b *block, limit int, shrink bool) (size int) {
	start := len(b.glyphs)
	glyphs, set := b.face.append(b.glyphs, t.text)
	size = t.size
	if set.width > limit && shrink && !set.broken && limit*t.size >= set.width*smallDigits {
		size = t.size * limit / set.width
		set.width = limit
	}
	if set.broken || set.width > limit {
		b.glyphs, b.lines, set.boxed = t.w.wrapper.wrap(b.face, b.glyphs, b.lines, t.text, limit)
	} else {
		b.glyphs = glyphs
		b.lines = append(b.lines, line{start, len(glyphs), set.width})
	}
	if set.boxed {
		t.w.boxed++
	}
	return size
}

// layLabel sets what a row of totals is called: left of its first figure, or
// above all of them where it has no room there.
func (t *table) layLabel(b *block, label string) {
	left, whole := t.columns[0].x, t.w.paper.width-2*margin
	if t.landscape {
		whole = t.w.paper.height - 2*margin
	}
	room, figures := whole, false
	for i := range t.columns {
		if b.cells[i].to > b.cells[i].from {
			room, figures = t.columns[i].x-left, true
			break
		}
	}
	limit := func(room int) int { return max(0, room-2*t.pad-b.indent) * 1000 / t.size }
	t.text = append(t.text[:0], label...)
	natural, _ := b.face.measure(t.text)
	above := figures && natural > limit(room)
	if above {
		room = whole
	}
	b.label.from = len(b.lines)
	b.label.size = t.layText(b, limit(room), false)
	b.label.to = len(b.lines)
	high := b.label.to - b.label.from
	if !above {
		b.tallest = max(b.tallest, high)
		return
	}
	for i := range b.cells {
		b.cells[i].top = high
	}
	b.tallest += high
}

// link makes links of the cells of a row.
func (t *table) link(b *block, row offprint.Row) {
	for _, i := range t.linked {
		c := &t.columns[i]
		if row[c.index].IsNull() {
			continue
		}
		before := len(b.urls)
		b.urls = c.link.Append(b.urls, row, t.w.printer.clock.zone)
		if len(b.urls) > before {
			b.cells[i].url = len(b.urls)
		}
	}
}

func (t *table) height(lines int) int { return lines*t.lead + 2*t.inset }

func (t *table) linesIn(height int) int { return (height - 2*t.inset) / t.lead }

// room is what a page holds of a table.
func (t *table) room() int {
	room := t.w.sheet.height - 2*margin
	if t.header != "" {
		room -= t.headerHeight
	}
	return room
}

// flush draws what waits, on one page where one holds it.
func (t *table) flush() error {
	height := 0
	for i := range t.waiting {
		height += t.height(t.waiting[i].tallest) + t.waiting[i].after
	}
	if height > t.w.sheet.room() && height <= t.room() {
		if err := t.turn(); err != nil {
			return err
		}
	}
	for i := range t.waiting {
		if err := t.flow(&t.waiting[i]); err != nil {
			return err
		}
	}
	t.waiting = t.waiting[:0]
	return nil
}

// flow draws a row for which the page may have no room: on the next one, or
// over several where it is taller than a page.
func (t *table) flow(b *block) error {
	most := t.linesIn(t.room())
	for from := 0; ; {
		left, fits := b.tallest-from, t.linesIn(t.w.sheet.room())
		if left <= fits {
			t.draw(b, from, left)
			t.w.sheet.y -= b.after
			return nil
		}
		if b.tallest > most && fits >= 3 {
			t.draw(b, from, fits)
			from += fits
		}
		if err := t.turn(); err != nil {
			return err
		}
	}
}

// draw draws so many lines of the row, from one on.
func (t *table) draw(b *block, from, lines int) {
	s := &t.w.sheet
	height, color := t.height(lines), b.color
	if color == "" && t.striped && !b.total {
		color = zebra
	}
	if color != "" {
		s.fill(color, margin, s.y-height, tableWidth(t.columns), height)
	}
	if b.line != "" && from == 0 {
		s.fill(b.line, margin, s.y, tableWidth(t.columns), b.weight)
	}
	if b.label.to > b.label.from {
		t.showLines(s, b, b.label, from, lines, t.columns[0].x+t.pad+b.indent, 0)
	}
	urls := 0
	for i := range t.columns {
		t.show(s, b, i, from, lines)
		if end := b.cells[i].url; end > 0 {
			t.annotate(s, b, i, from, lines, b.urls[urls:end])
			urls = end
		}
	}
	s.y -= height
	s.used = true
	t.striped = !t.striped && !b.total
}

// show draws lines of one cell below the sheet's y.
func (t *table) show(s *sheet, b *block, i, from, lines int) {
	c := &t.columns[i]
	if c.right {
		t.showLines(s, b, b.cells[i], from, lines, 0, c.x+c.width-t.pad)
		return
	}
	t.showLines(s, b, b.cells[i], from, lines, c.x+t.pad, 0)
}

// showLines draws them from x on or, where there is an end, up to it.
func (t *table) showLines(s *sheet, b *block, c cell, from, lines, x, end int) {
	first := max(from, c.top) // of the row's lines
	y := s.y - t.inset - t.size - (first-from)*t.lead
	color := ink
	if c.url > 0 {
		color = accent
	}
	for n := c.from + first - c.top; n < min(c.to, c.from+from+lines-c.top); n++ {
		l := b.lines[n]
		if end > 0 { // a number made smaller has the column's limit as its width
			x = end - l.width*t.size/1000
		}
		if l.from < l.to {
			s.show(b.face, c.size, color, x, y, b.glyphs[l.from:l.to])
		}
		y -= t.lead
	}
}

// annotate lays a link over what stands on this page of a cell.
func (t *table) annotate(s *sheet, b *block, i, from, lines int, url []byte) {
	c, cell := &t.columns[i], b.cells[i]
	first, last := cell.from+from, min(cell.to, cell.from+from+lines)
	widest := 0
	for n := first; n < last; n++ {
		widest = max(widest, b.lines[n].width*t.size/1000)
	}
	if widest == 0 {
		return
	}
	x := c.x + t.pad
	if c.right {
		x = c.x + c.width - t.pad - widest
	}
	top := s.y - t.inset/2
	s.link(x, top-(last-first)*t.lead-t.inset, x+widest, top, url)
}
