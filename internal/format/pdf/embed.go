package pdf

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// embed writes what was drawn of a font, under the reserved number n.
func (f *file) embed(n int, font *face) error {
	s, err := newSubset(font.ttf)
	if err != nil {
		return fmt.Errorf("subset of %s: %w", font.name, err)
	}
	shapes := make([]byte, 2*len(font.drawn)) // by number; 0 stays .notdef
	for number, m := range font.drawn[1:] {
		g := subsetGlyph{shape: m.shape}
		if m.shape == blank {
			g.advance = m.advance
		}
		shape, err := s.take(g)
		if err != nil {
			return fmt.Errorf("subset of %s: %w", font.name, err)
		}
		binary.BigEndian.PutUint16(shapes[2*(number+1):], shape)
	}
	program, err := s.bytes()
	if err != nil {
		return fmt.Errorf("subset of %s: %w", font.name, err)
	}
	name := tagged(font.name, program)
	programFile, map2shape, unicode := f.reserve(), f.reserve(), f.reserve()
	f.stream(programFile, fmt.Sprintf("/Length1 %d", len(program)), program)
	f.stream(map2shape, "", shapes)
	f.stream(unicode, "", toUnicode(font.drawn))
	descriptor := f.add(s.font.descriptor(name, programFile))
	descendant := f.add(fmt.Sprintf("<</Type/Font/Subtype/CIDFontType2/BaseFont/%s"+
		"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/CIDToGIDMap %d 0 R/W[0[%s]]>>",
		name, descriptor, map2shape, advances(font.drawn)))
	f.object(n, fmt.Sprintf("<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>",
		name, descendant, unicode))
	return nil
}

// tagged is the name of a subset: six letters of its own, then the font's.
func tagged(name string, program []byte) string {
	sum := sha256.Sum256(program)
	tag := make([]byte, 6)
	for i := range tag {
		tag[i] = 'A' + sum[i]%26
	}
	return string(tag) + "+" + name
}

func (s *sfnt) descriptor(name string, programFile int) string {
	per := func(units int16) int { return int(units) * 1000 / int(s.head.Upem()) }
	const symbolic = 4 // that is, with an encoding of its own
	return fmt.Sprintf("<</Type/FontDescriptor/FontName/%s/Flags %d/FontBBox[%d %d %d %d]/ItalicAngle 0"+
		"/Ascent %d/Descent %d/CapHeight 729/StemV 80/FontFile2 %d 0 R>>",
		name, symbolic, per(s.head.XMin), per(s.head.YMin), per(s.head.XMax), per(s.head.YMax),
		per(s.hhea.Ascender), per(s.hhea.Descender), programFile)
}

func advances(drawn []mark) []byte {
	var b []byte
	for _, m := range drawn {
		b = fmt.Appendf(b, "%d ", m.advance)
	}
	return b
}

// toUnicode tells readers which text each number stands for.
func toUnicode(drawn []mark) []byte {
	var lines [][]byte
	for number, m := range drawn {
		if number == 0 || m.text < 0 {
			continue
		}
		line := fmt.Appendf(nil, "<%04X><", number)
		for _, unit := range utf16.Encode([]rune{m.text}) {
			line = fmt.Appendf(line, "%04X", unit)
		}
		lines = append(lines, append(line, ">\n"...))
	}
	b := []byte("/CIDInit/ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n" +
		"/CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n" +
		"1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n")
	const atMost = 100 // in one block, says the format
	for len(lines) > 0 {
		n := min(atMost, len(lines))
		b = fmt.Appendf(b, "%d beginbfchar\n", n)
		for _, line := range lines[:n] {
			b = append(b, line...)
		}
		b = append(b, "endbfchar\n"...)
		lines = lines[n:]
	}
	return append(b, "endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n"...)
}
