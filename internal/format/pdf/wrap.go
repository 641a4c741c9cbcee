package pdf

import (
	"iter"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/go-text/typesetting/segmenter"
)

// A line is a part of a glyph buffer that stands on a line of its own.
type line struct {
	from, to int // bytes of the buffer
	width    int // in thousandths of the font's size, without the spaces at its end
}

// A wrapper breaks text into lines by the Unicode line breaking algorithm, and
// between two characters where a word is wider than the line.
type wrapper struct {
	segments segmenter.Segmenter
	runes    []rune
	glyphs   []byte
	lines    []line
	open     line
	width    int // of open, with the spaces at its end
	inked    int // glyphs of open, without these spaces

	// Of text with runes from the right, by rune, and by glyph of the open line.
	mixed  bool
	at     int // the next rune
	levels []uint8
	shaped []glyph
	order  []uint8
}

// piece bounds the memory that breaking takes for a long text.
const piece = 8 << 10

// wrap adds the glyphs and the lines of a text, of one line at least. The
// limit is in thousandths of the font's size.
func (w *wrapper) wrap(f *face, glyphs []byte, lines []line, text []byte, limit int) ([]byte, []line, bool) {
	w.glyphs, w.lines = glyphs, lines
	w.begin()
	boxed, ended := false, true
	for len(text) > 0 {
		n := pieceOf(text)
		w.runes = w.runes[:0]
		for i := 0; i < n; {
			r, size := utf8.DecodeRune(text[i:n])
			w.runes = append(w.runes, plain(r))
			i += size
		}
		w.at, w.mixed = 0, slices.ContainsFunc(w.runes, rightToLeft)
		if w.mixed {
			w.levels = levels(w.levels[:0], w.runes)
			w.shaped = f.shaped(w.shaped[:0], w.runes, w.levels)
		}
		text = text[n:]
		for word := range w.words() {
			var b bool
			b, ended = w.word(f, word, limit)
			boxed = boxed || b
		}
	}
	if !ended || len(w.lines) == len(lines) {
		w.end()
	}
	return w.glyphs, w.lines, boxed
}

// pieceOf is the length of the first piece of text, which ends after a space
// where there is one.
func pieceOf(text []byte) int {
	if len(text) <= piece {
		return len(text)
	}
	for n := piece; n > piece/2; n-- {
		if text[n-1] == ' ' || text[n-1] == '\n' {
			return n
		}
	}
	n := piece
	for n > piece-utf8.UTFMax && !utf8.RuneStart(text[n]) {
		n--
	}
	return n
}

// words are the parts of the runes that must not be broken if it can be helped.
func (w *wrapper) words() iter.Seq[[]rune] {
	return func(yield func([]rune) bool) {
		if !slices.ContainsFunc(w.runes, breaks) { // half of the time the algorithm takes
			for rest := w.runes; len(rest) > 0; {
				n := afterSpaces(rest)
				if !yield(rest[:n]) {
					return
				}
				rest = rest[n:]
			}
			return
		}
		w.segments.Init(w.runes)
		for it := w.segments.LineIterator(); it.Next(); {
			if !yield(it.Line().Text) {
				return
			}
		}
	}
}

// breaks tells of a rune that the algorithm must be asked about. Beside the
// others a line is broken only where there is a space: they are the letters
// and digits of Latin, Greek and Cyrillic, and some punctuation.
func breaks(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= ':', r >= '@' && r <= 'Z':
	case r == ' ', r == '.', r == ',', r == ';', r == '_', r == '&':
	case r >= 0xc0 && r <= 0x24f, r >= 0x386 && r <= 0x481:
	default:
		return true
	}
	return false
}

// afterSpaces is where the second word begins.
func afterSpaces(runes []rune) int {
	n := 0
	for n < len(runes) && runes[n] != ' ' {
		n++
	}
	for n < len(runes) && runes[n] == ' ' {
		n++
	}
	return n
}

func plain(r rune) rune {
	if r == '\t' {
		return ' '
	}
	return r
}

func (w *wrapper) begin() {
	w.open = line{from: len(w.glyphs), to: len(w.glyphs)}
	w.width, w.inked, w.order = 0, 0, w.order[:0]
}

func (w *wrapper) end() {
	w.open.to = len(w.glyphs)
	if len(w.order) > 0 && slices.Max(w.order) > 0 {
		for i := w.inked; i < len(w.order); i++ {
			w.order[i] = 0 // spaces at the end stay there
		}
		reorder(w.glyphs[w.open.from:], w.order)
	}
	w.lines = append(w.lines, w.open)
	w.begin()
}

// word sets what must not be broken if it can be helped, with the spaces that
// follow it, and tells whether it ended its line.
func (w *wrapper) word(f *face, word []rune, limit int) (boxed, ended bool) {
	last := len(word)
	for last > 0 && unicode.IsSpace(word[last-1]) {
		last--
	}
	at := w.at
	w.at += len(word)
	ink := 0
	for i := range last {
		ink += int(w.glyph(f, at+i).advance)
	}
	if w.width > 0 && w.width+ink > limit {
		w.end()
	}
	for i, r := range word[:last] {
		g := w.glyph(f, at+i)
		if g.number == 0 {
			continue
		}
		if w.width > 0 && w.width+int(g.advance) > limit && !unicode.Is(unicode.M, r) {
			w.end()
		}
		w.put(g, at+i)
		w.open.width, w.inked = w.width, len(w.order)
		boxed = boxed || g.boxed
	}
	for i, r := range word[last:] {
		if newline(r) {
			w.end()
			return boxed, true
		}
		w.put(w.glyph(f, at+last+i), at+last+i)
	}
	return boxed, false
}

// glyph is that of the rune at i.
func (w *wrapper) glyph(f *face, i int) glyph {
	if w.mixed {
		return w.shaped[i]
	}
	return f.glyph(w.runes[i])
}

func (w *wrapper) put(g glyph, i int) {
	if g.number == 0 {
		return
	}
	level := uint8(0)
	if w.mixed {
		level = w.levels[i]
	}
	w.order = append(w.order, level)
	w.glyphs = append(w.glyphs, byte(g.number>>8), byte(g.number))
	w.width += int(g.advance)
}

// newline tells of what ends a line; of "\r\n", \r does.
func newline(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}
