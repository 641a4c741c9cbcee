package pdf

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/bidi"
)

// rightToLeft tells of a rune of Hebrew, Arabic and their like.
func rightToLeft(r rune) bool {
	return r >= 0x590 && (r <= 0x8ff || r >= 0xfb1d && r <= 0xfdff || r >= 0xfe70 && r <= 0xfeff ||
		r >= 0x10800 && r <= 0x10fff || r >= 0x1e800 && r <= 0x1efff)
}

// levels are how deep each rune stands in text of the other direction: even
// ones are read from the left, odd ones from the right. It is the Unicode
// bidirectional algorithm (UAX 9) without explicit embeddings, for one
// paragraph after the other, each in the direction of its first letter.
func levels(to []uint8, runes []rune) []uint8 {
	var classes []bidi.Class
	for len(runes) > 0 {
		n := slices.IndexFunc(runes, newline) + 1
		if n == 0 {
			n = len(runes)
		}
		classes = classes[:0]
		for _, r := range runes[:n] {
			p, _ := bidi.LookupRune(r)
			classes = append(classes, p.Class())
		}
		to = resolved(to, classes)
		runes = runes[n:]
	}
	return to
}

// resolved are the levels of a paragraph.
func resolved(to []uint8, classes []bidi.Class) []uint8 {
	base := uint8(0)
	if i := slices.IndexFunc(classes, strong); i >= 0 && classes[i] != bidi.L {
		base = 1
	}
	weak(classes)
	direction := func(c bidi.Class) uint8 { // of what parts neutral runes
		if c == bidi.L {
			return 0
		}
		return 1
	}
	before := base
	for i := 0; i < len(classes); {
		if c := classes[i]; c == bidi.L || c == bidi.R || c == bidi.EN || c == bidi.AN {
			before = direction(c)
			to = append(to, levelOf(c, base))
			i++
			continue
		}
		end, after := i, base
		for end < len(classes) && !slices.Contains([]bidi.Class{bidi.L, bidi.R, bidi.EN, bidi.AN}, classes[end]) {
			end++
		}
		if end < len(classes) {
			after = direction(classes[end])
		}
		level := base
		if before == after {
			level = levelOf([]bidi.Class{bidi.L, bidi.R}[before], base)
		}
		for ; i < end; i++ {
			to = append(to, level)
		}
	}
	return to
}

func strong(c bidi.Class) bool { return c == bidi.L || c == bidi.R || c == bidi.AL }

func levelOf(c bidi.Class, base uint8) uint8 {
	switch {
	case c == bidi.R:
		return 1
	case c == bidi.L && base == 0:
		return 0
	}
	return 2
}

// weak resolves what takes its direction from its neighbours: rules W1 to W7.
func weak(classes []bidi.Class) {
	last, letter := bidi.ON, bidi.ON // before it; of letters
	for i, c := range classes {
		switch c {
		case bidi.NSM, bidi.BN:
			c = last
		case bidi.EN:
			if letter == bidi.AL {
				c = bidi.AN
			}
		case bidi.ES, bidi.CS:
			next := bidi.ON
			if i+1 < len(classes) {
				next = classes[i+1]
			}
			if next == bidi.EN && letter == bidi.AL {
				next = bidi.AN
			}
			if last == next && (last == bidi.EN || last == bidi.AN && c == bidi.CS) {
				c = last
			}
		}
		if strong(c) {
			letter = c
		}
		classes[i], last = c, c
	}
	signs(classes)
	letter = bidi.ON
	for i, c := range classes {
		switch {
		case c == bidi.AL:
			letter, classes[i] = bidi.R, bidi.R
		case strong(c):
			letter = c
		case c == bidi.EN && letter == bidi.L:
			classes[i] = bidi.L
		}
	}
}

// signs beside a number, as € and %, are part of it.
func signs(classes []bidi.Class) {
	for i := 0; i < len(classes); i++ {
		if classes[i] != bidi.ET {
			continue
		}
		end := i
		for end < len(classes) && classes[end] == bidi.ET {
			end++
		}
		if i > 0 && classes[i-1] == bidi.EN || end < len(classes) && classes[end] == bidi.EN {
			for j := i; j < end; j++ {
				classes[j] = bidi.EN
			}
		}
		i = end - 1
	}
}

// reorder puts glyphs of two bytes each in the order in which they are drawn.
func reorder(glyphs []byte, levels []uint8) {
	for level := slices.Max(levels); level > 0; level-- {
		for i := 0; i < len(levels); i++ {
			end := i
			for end < len(levels) && levels[end] >= level {
				end++
			}
			for a, b := i, end-1; a < b; a, b = a+1, b-1 {
				levels[a], levels[b] = levels[b], levels[a]
				glyphs[2*a], glyphs[2*b] = glyphs[2*b], glyphs[2*a]
				glyphs[2*a+1], glyphs[2*b+1] = glyphs[2*b+1], glyphs[2*a+1]
			}
			i = max(i, end)
		}
	}
}

// shaped are the glyphs of runes, one each, as they stand between their
// neighbours: Arabic letters join, brackets of text from the right are turned.
func (f *face) shaped(to []glyph, runes []rune, levels []uint8) []glyph {
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		if levels[i]%2 == 0 {
			to = append(to, f.glyph(r))
			continue
		}
		before := i > 0 && joinsOn(previous(runes[:i]))
		if shape := f.shape(lamAlef(runes[i:], before)); shape > 0 {
			// One shape is two letters: each gets a half of its width, so that
			// readers find both, in their order.
			wide := f.advance(shape)
			to = append(to, f.as(mark{blank, wide / 2, r}), f.as(mark{shape, wide - wide/2, runes[i+1]}))
			i++
			continue
		}
		form := mirrored(r)
		if first, forms := joining(r); forms > 1 {
			form = first + formOf(before, forms == 4 && joinsBack(following(runes[i+1:])))
		}
		if shape := f.shape(form); form != r && shape > 0 {
			to = append(to, f.as(mark{shape, f.advance(shape), r}))
			continue
		}
		to = append(to, f.glyph(r))
	}
	return to
}

// as is the glyph of a shape that stands for its text here.
func (f *face) as(m mark) glyph {
	g, known := f.forms[m]
	if !known {
		if f.forms == nil {
			f.forms = map[mark]glyph{}
		}
		g = f.number(m)
		f.forms[m] = g
	}
	return g
}

func mirrored(r rune) rune {
	const pairs = "()[]{}<>«»‹›"
	if at := strings.IndexRune(pairs, r); at >= 0 {
		all := []rune(pairs)
		return all[len([]rune(pairs[:at]))^1]
	}
	return r
}

// joining is where Unicode has the forms of an Arabic letter, and how many:
// four where it joins on both sides, two where only with the one before it.
func joining(r rune) (first rune, forms int) {
	if r < 0x621 || r > 0x6cc {
		return 0, 0
	}
	for _, block := range []struct {
		first   rune
		letters string // each followed by how many forms it has
	}{
		{0xfe80, "ء1آ2أ2ؤ2إ2ئ4ا2ب4ة2ت4ث4ج4ح4خ4د2ذ2ر2ز2س4ش4ص4ض4ط4ظ4ع4غ4ف4ق4ك4ل4م4ن4ه4و2ى2ي4"},
		{0xfb56, "پ4"},
		{0xfb7a, "چ4"},
		{0xfb8a, "ژ2"},
		{0xfb8e, "ک4گ4"},
		{0xfbfc, "ی4"},
	} {
		at := block.first
		var letter rune
		for i, c := range []rune(block.letters) {
			if i%2 == 0 {
				letter = c
				continue
			}
			if letter == r {
				return at, int(c - '0')
			}
			at += c - '0'
		}
	}
	return 0, 0
}

const tatweel = 0x640 // a stroke that lengthens a word

func joinsOn(r rune) bool {
	_, forms := joining(r)
	return forms == 4 || r == tatweel
}

func joinsBack(r rune) bool {
	_, forms := joining(r)
	return forms > 1 || r == tatweel
}

// formOf is the place of a form among a letter's: alone, last, first, within.
func formOf(before, after bool) rune {
	switch {
	case before && after:
		return 3
	case after:
		return 2
	case before:
		return 1
	}
	return 0
}

// previous and following are the next letter, over the marks on letters.
func previous(runes []rune) rune {
	for i := len(runes) - 1; i >= 0; i-- {
		if !unicode.Is(unicode.Mn, runes[i]) {
			return runes[i]
		}
	}
	return 0
}

func following(runes []rune) rune {
	for _, r := range runes {
		if !unicode.Is(unicode.Mn, r) {
			return r
		}
	}
	return 0
}

// lamAlef is the form of a lam and the alef behind it; 0 where they are none.
func lamAlef(runes []rune, before bool) rune {
	if runes[0] != 'ل' || len(runes) == 1 {
		return 0
	}
	at := strings.IndexRune("آأإا", runes[1])
	if at < 0 {
		return 0
	}
	return 0xfef5 + rune(at) + formOf(before, false) // two bytes a letter, two forms of each
}
