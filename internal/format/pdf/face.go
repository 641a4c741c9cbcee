package pdf

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/go-fonts/dejavu/dejavusans"
	"github.com/go-fonts/dejavu/dejavusansbold"
	"github.com/go-text/typesetting/font/opentype/tables"
)

// A face is a font as one document uses it. Whatever is drawn gets a number of
// its own (the PDF's CID), in the order of its first use; the number knows the
// shape, its width and the text it stands for. Two texts never share a number,
// even where they share a shape, so that copying gives back what was written.
type face struct {
	resource string // its name in a page's resources
	name     string
	ttf      []byte
	codes    []tables.SequentialMapGroup
	metrics  tables.Hmtx
	perEm    int
	glyphs   [(unicode.MaxRune + 1) >> 8]*[256]glyph
	drawn    []mark         // by number
	forms    map[mark]glyph // of letters that join
}

// A glyph is what a rune becomes. The zero glyph was not asked for yet, or is
// not drawn.
type glyph struct {
	number  uint16
	advance uint16 // in thousandths of the font's size
	boxed   bool   // the font has no shape for it
}

// A mark is what stands behind a number.
type mark struct {
	shape   int // in the font, or one of the two below
	advance uint16
	text    rune
}

const (
	blank = -1 // nothing to see
	box   = -2 // a frame, for what the font has no shape for

	maxNumber = 0xffff
)

// faces are DejaVu Sans and its bold: wide Latin, Greek and Cyrillic.
func faces() (regular, bold *face, err error) {
	regular, err = newFace("R", "DejaVuSans", dejavusans.TTF)
	if err != nil {
		return nil, nil, err
	}
	bold, err = newFace("B", "DejaVuSans-Bold", dejavusansbold.TTF)
	return regular, bold, err
}

func newFace(resource, name string, ttf []byte) (*face, error) {
	f := &face{resource: resource, name: name, ttf: ttf, drawn: make([]mark, 1)}
	f.glyphs[0] = new([256]glyph)
	s, err := openSFNT(ttf)
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", name, err)
	}
	f.perEm, f.metrics = int(s.head.Upem()), s.metrics
	f.codes, err = s.codes()
	if err != nil {
		return nil, fmt.Errorf("font %s: %w", name, err)
	}
	return f, nil
}

// glyph is what r is drawn as.
func (f *face) glyph(r rune) glyph {
	page := f.glyphs[r>>8]
	if page == nil {
		page = new([256]glyph)
		f.glyphs[r>>8] = page
	}
	g := &page[r&0xff]
	if g.number == 0 && !unicode.Is(unicode.Cc, r) && !newline(r) {
		*g = f.draw(r)
	}
	return *g
}

func (f *face) draw(r rune) glyph {
	if invisible(r) {
		return f.number(mark{shape: blank, text: r})
	}
	shape := f.shape(r)
	if shape == 0 {
		g := f.number(mark{shape: box, text: r, advance: f.advance(0)})
		g.boxed = true
		return g
	}
	return f.number(mark{shape: shape, text: r, advance: f.advance(shape)})
}

// shape is the font's own for r, or 0.
func (f *face) shape(r rune) int {
	i, _ := slices.BinarySearchFunc(f.codes, uint32(r), func(g tables.SequentialMapGroup, r uint32) int {
		return cmp.Compare(g.EndCharCode, r)
	})
	if i == len(f.codes) || uint32(r) < f.codes[i].StartCharCode {
		return 0
	}
	return int(f.codes[i].StartGlyphID + uint32(r) - f.codes[i].StartCharCode)
}

// invisible runes say how others are drawn, and are nothing to see themselves.
func invisible(r rune) bool {
	return r >= 0xad &&
		unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

func (f *face) advance(shape int) uint16 {
	return uint16((int(f.metrics.Advance(tables.GlyphID(shape)))*1000 + f.perEm/2) / f.perEm)
}

// number gives m the next number. When all are given, what is left shares the
// last one: a box whose text is the replacement character.
func (f *face) number(m mark) glyph {
	n := len(f.drawn)
	for needsEscape(byte(n)) || needsEscape(byte(n>>8)) {
		n++
	}
	if n >= maxNumber {
		n, m = maxNumber, mark{shape: box, text: utf8.RuneError, advance: f.advance(0)}
	}
	for len(f.drawn) <= n {
		f.drawn = append(f.drawn, mark{shape: blank, text: -1})
	}
	f.drawn[n] = m
	return glyph{number: uint16(n), advance: m.advance, boxed: n == maxNumber}
}

// full tells whether some characters had to share a number.
func (f *face) full() bool { return len(f.drawn) > maxNumber }

// needsEscape tells of a byte that cannot stand for itself in a PDF string.
// Numbers are free to choose, so that strings are written as they are.
func needsEscape(b byte) bool { return bytes.IndexByte([]byte("()\\\r"), b) >= 0 }

// A run is what is known of glyphs that were set in one go.
type run struct {
	width  int  // in thousandths of the font's size
	boxed  bool // the font had no shape for some
	broken bool // there was what only [wrapper] sets: a tab, the end of a line, text from the right
}

// append adds the glyphs of text, two bytes each.
func (f *face) append(glyphs, text []byte) ([]byte, run) {
	var set run
	ascii := f.glyphs[0]
	for i := 0; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(text[i:])
		}
		i += n
		g := ascii[byte(r)]
		if r > 0xff || g.number == 0 {
			g = f.glyph(r)
			set.broken = set.broken || r >= 0x590 && rightToLeft(r)
		}
		if g.number == 0 {
			set.broken = set.broken || r == '\t' || newline(r)
			continue
		}
		set.width += int(g.advance)
		set.boxed = set.boxed || g.boxed
		glyphs = append(glyphs, byte(g.number>>8), byte(g.number))
	}
	return glyphs, set
}

// width is that of a short text.
func (f *face) width(text string) int {
	_, set := f.append(nil, []byte(text))
	return set.width
}

// gap gives a number to a blank whose width [face.widen] sets at the end, when
// it is known.
func (f *face) gap() uint16 { return f.number(mark{shape: blank, text: ' '}).number }

func (f *face) widen(gap uint16, width int) { f.drawn[gap].advance = uint16(width) }
