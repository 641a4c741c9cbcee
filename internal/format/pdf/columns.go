package pdf

import (
	"github.com/offprint/offprint"
)

// A column is where the values of one stand.
type column struct {
	offprint.Column
	index   int // in the row
	picture *picture
	link    *offprint.Link // nil: none
	right   bool           // aligned
	rigid   bool           // made smaller before it is wrapped
	x       int
	width   int
	limit   int // of a line, in thousandths of the text's size

	// What it would need, in thousandths of the text's size.
	natural, least int
}

func columnOf(c offprint.Column, index int) column {
	if c.Title == "" {
		c.Title = c.Name
	}
	short := c.Kind == offprint.Bool || c.Kind == offprint.Date || c.Kind == offprint.Timestamp || c.As == offprint.AsID
	return column{
		Column: c, index: index, picture: pictureOf(c.Format), right: c.Numeric(), rigid: short || c.Numeric(),
	}
}

// Bounds of what a column is given unasked, in thousandths of the text's size.
const (
	widestWord  = 14_000 // that is kept whole
	widestShort = 18_000 // of numbers, dates and ids
	widestTitle = 12_000 // on one line
	widestText  = 26_000 // that turns the paper
	digit       = 640    // the width of one
)

// see takes a text of the column into account.
func (c *column) see(f *face, text []byte) {
	line, word := f.measure(text)
	c.natural = max(c.natural, line)
	if c.rigid {
		c.least = max(c.least, min(line, widestShort))
		return
	}
	c.least = max(c.least, min(word, widestWord))
}

// title takes the column's title into account.
func (c *column) title(f *face) {
	line, word := f.measure([]byte(c.Title))
	c.natural = max(c.natural, min(line, widestTitle))
	c.least = max(c.least, min(word, widestTitle))
}

// grow leaves room for numbers longer than the first ones, and for their sum.
func (c *column) grow() {
	if !c.right {
		return
	}
	c.natural = max(c.natural+2*digit, 5*digit)
	if c.Total == offprint.Sum {
		c.natural += 4 * digit
	}
}

// measure is the width of the longest line of text, and of its longest word.
func (f *face) measure(text []byte) (longestLine, longestWord int) {
	line, word := 0, 0
	for _, r := range string(text) {
		if newline(r) {
			line, word = 0, 0
			continue
		}
		advance := int(f.glyph(plain(r)).advance)
		line += advance
		word += advance
		if r == ' ' || r == '\t' || r >= 0x2e80 { // ideographs part anywhere
			word = 0
			continue
		}
		longestWord = max(longestWord, word)
		longestLine = max(longestLine, line)
	}
	return longestLine, longestWord
}

// A fit is how columns stand on paper.
type fit struct {
	landscape bool
	size      int // of the text
	pad       int // at both sides of a column
}

// length is that of so many thousandths of the text's size.
func (f fit) length(thousandths int) int { return (thousandths*f.size + 999) / 1000 }

// fitColumns chooses the paper's side and the text's size, and sets the columns
// on it: at their natural widths where they fit, else long texts are wrapped,
// else all is made smaller, else all is wrapped.
func fitColumns(columns []column, p paper) fit {
	f := fit{size: textSize, pad: 500}
	upright, across := p.width-2*margin, p.height-2*margin
	f.landscape = p.orientation == "landscape" ||
		p.orientation == "auto" && wanted(columns, f) > upright
	room := upright
	if f.landscape {
		room = across
	}
	for f.size > smallSize && needed(columns, f) > room {
		f.size -= 50
		f.pad = f.size * 35 / 100
	}
	if needed(columns, f) > room { // all is wrapped: two characters of every column stay side by side
		const two, pads = 1300, 300
		f.size = max(20, min(f.size, room*1000/(len(columns)*(two+pads))))
		f.pad = f.size * pads / 2000
		for i := range columns {
			columns[i].least = two
		}
	}
	set(columns, f, room)
	return f
}

func wanted(columns []column, f fit) int {
	sum := 0
	for i := range columns {
		sum += 2*f.pad + f.length(min(columns[i].natural, max(widestText, columns[i].least)))
	}
	return sum
}

func needed(columns []column, f fit) int {
	sum := 0
	for i := range columns {
		sum += 2*f.pad + f.length(columns[i].least)
	}
	return sum
}

// set gives each column what it would have, up to a level that is the same for
// all, so that the short ones stay whole and the long ones share the rest.
func set(columns []column, f fit, room int) {
	low, high := 0, 1<<30
	for low+1 < high {
		level := (low + high) / 2
		if setAt(columns, f, level) <= room {
			low = level
		} else {
			high = level
		}
	}
	used := setAt(columns, f, low)
	// Loose columns are hard to read across: they take at most half as much again.
	spare := min(room-used, used/2)
	x := margin
	for i := range columns {
		c := &columns[i]
		if spare > 0 {
			c.width += spare * c.width / used
		}
		c.x = x
		c.limit = max(0, c.width-2*f.pad) * 1000 / f.size
		x += c.width
	}
}

func setAt(columns []column, f fit, level int) (sum int) {
	for i := range columns {
		c := &columns[i]
		c.width = 2*f.pad + max(f.length(c.least), min(f.length(c.natural), level))
		sum += c.width
	}
	return sum
}

// tableWidth is that of all columns.
func tableWidth(columns []column) int {
	sum := 0
	for i := range columns {
		sum += columns[i].width
	}
	return sum
}
