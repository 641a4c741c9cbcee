package pdf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/font/opentype/tables"
)

// An sfnt is a TrueType font read as far as a subset needs it.
type sfnt struct {
	*opentype.Loader
	head    tables.Head
	hhea    tables.Hhea
	maxp    tables.Maxp
	metrics tables.Hmtx
}

func openSFNT(ttf []byte) (*sfnt, error) {
	loader, err := opentype.NewLoader(bytes.NewReader(ttf))
	if err != nil {
		return nil, err
	}
	s := &sfnt{Loader: loader}
	raw := map[string][]byte{"head": nil, "hhea": nil, "maxp": nil, "hmtx": nil}
	for tag := range raw {
		raw[tag], err = loader.RawTable(opentype.MustNewTag(tag))
		if err != nil {
			return nil, err
		}
	}
	s.head, _, err = tables.ParseHead(raw["head"])
	if err != nil {
		return nil, err
	}
	s.hhea, _, err = tables.ParseHhea(raw["hhea"])
	if err != nil {
		return nil, err
	}
	s.maxp, _, err = tables.ParseMaxp(raw["maxp"])
	if err != nil {
		return nil, err
	}
	long := int(s.hhea.NumOfLongMetrics)
	s.metrics, _, err = tables.ParseHmtx(raw["hmtx"], long, int(s.maxp.NumGlyphs)-long)
	return s, err
}

// codes are the ranges of characters that the font has shapes for, in order.
func (s *sfnt) codes() ([]tables.SequentialMapGroup, error) {
	raw, err := s.RawTable(opentype.MustNewTag("cmap"))
	if err != nil {
		return nil, err
	}
	cmap, _, err := tables.ParseCmap(raw)
	if err != nil {
		return nil, err
	}
	for _, r := range cmap.Records {
		if all, ok := r.Subtable.(tables.CmapSubtable12); ok {
			return all.Groups, nil
		}
	}
	return nil, errors.New("no table of all characters")
}

// A subset is a font of the shapes that were drawn, without the instructions
// for coarse screens.
type subset struct {
	font     *sfnt
	outlines []byte // of the whole font
	offsets  []uint32
	taken    []taken                // by new number
	index    map[subsetGlyph]uint16 // to new number
}

type taken struct {
	subsetGlyph
	outline []byte
}

// A subsetGlyph is one shape at one width; blanks come in several.
type subsetGlyph struct {
	shape   int
	advance uint16 // of a blank
}

func newSubset(ttf []byte) (*subset, error) {
	font, err := openSFNT(ttf)
	if err != nil {
		return nil, err
	}
	s := &subset{font: font, index: map[subsetGlyph]uint16{}}
	s.outlines, err = font.RawTable(opentype.MustNewTag("glyf"))
	if err != nil {
		return nil, err
	}
	raw, err := font.RawTable(opentype.MustNewTag("loca"))
	if err != nil {
		return nil, err
	}
	s.offsets, err = tables.ParseLoca(raw, int(font.maxp.NumGlyphs), font.head.IndexToLocFormat == 1)
	if err != nil {
		return nil, err
	}
	_, err = s.take(subsetGlyph{shape: 0}) // .notdef comes first, and is never drawn itself
	return s, err
}

// take is the new number of a shape; those it is made of are taken with it.
func (s *subset) take(g subsetGlyph) (uint16, error) {
	if n, ok := s.index[g]; ok {
		return n, nil
	}
	n := uint16(len(s.taken))
	s.index[g] = n
	outline := bytes.Clone(s.outline(g.shape))
	s.taken = append(s.taken, taken{g, outline})
	if len(outline) < 10 {
		return n, nil
	}
	if contours := int16(binary.BigEndian.Uint16(outline)); contours < 0 {
		return n, s.takeParts(outline)
	}
	outline, err := withoutInstructions(outline)
	s.taken[n].outline = outline
	return n, err
}

func (s *subset) outline(shape int) []byte {
	if shape == box {
		shape = 0
	}
	if shape < 0 || shape+1 >= len(s.offsets) {
		return nil
	}
	return s.outlines[s.offsets[shape]:s.offsets[shape+1]]
}

// withoutInstructions is a simple outline: ten bytes, the last point of each
// contour, the length of the instructions, the instructions, the points.
func withoutInstructions(outline []byte) ([]byte, error) {
	at := 10 + 2*int(binary.BigEndian.Uint16(outline))
	if at+2 > len(outline) {
		return nil, fmt.Errorf("an outline of %d bytes ends within its contours", len(outline))
	}
	skip := int(binary.BigEndian.Uint16(outline[at:]))
	if at+2+skip > len(outline) {
		return nil, fmt.Errorf("an outline of %d bytes ends within its instructions", len(outline))
	}
	binary.BigEndian.PutUint16(outline[at:], 0)
	return append(outline[:at+2], outline[at+2+skip:]...), nil
}

// Flags of a part of a composite outline.
const (
	wordArguments = 1 << 0
	oneScale      = 1 << 3
	moreParts     = 1 << 5
	twoScales     = 1 << 6
	matrix        = 1 << 7
	instructions  = 1 << 8
)

// takeParts takes the shapes that a composite outline names, and renames them.
func (s *subset) takeParts(outline []byte) error {
	for at := 10; ; {
		if at+4 > len(outline) {
			return fmt.Errorf("an outline of %d bytes ends within its parts", len(outline))
		}
		flags := binary.BigEndian.Uint16(outline[at:])
		part, err := s.take(subsetGlyph{shape: int(binary.BigEndian.Uint16(outline[at+2:]))})
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint16(outline[at:], flags&^instructions)
		binary.BigEndian.PutUint16(outline[at+2:], part)
		if flags&moreParts == 0 {
			return nil
		}
		at += partLength(flags)
	}
}

func partLength(flags uint16) int {
	length := 6
	if flags&wordArguments != 0 {
		length += 2
	}
	switch {
	case flags&oneScale != 0:
		length += 2
	case flags&twoScales != 0:
		length += 4
	case flags&matrix != 0:
		length += 8
	}
	return length
}

// bytes is the subset as a font file.
func (s *subset) bytes() ([]byte, error) {
	raw := map[string][]byte{"head": nil, "hhea": nil, "maxp": nil}
	for tag := range raw {
		table, err := s.font.RawTable(opentype.MustNewTag(tag))
		if err != nil {
			return nil, err
		}
		raw[tag] = table
	}
	binary.BigEndian.PutUint32(raw["head"][8:], 0) // the sum of all, set last
	binary.BigEndian.PutUint16(raw["head"][50:], 1)
	binary.BigEndian.PutUint16(raw["hhea"][34:], uint16(len(s.taken)))
	binary.BigEndian.PutUint16(raw["maxp"][4:], uint16(len(s.taken)))
	raw["glyf"], raw["loca"] = s.glyphs()
	raw["hmtx"] = s.hmtx()
	return assemble(raw), nil
}

func (s *subset) glyphs() (glyf, loca []byte) {
	for _, t := range s.taken {
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = padded(append(glyf, t.outline...))
	}
	return glyf, binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
}

func (s *subset) hmtx() []byte {
	var b []byte
	for _, t := range s.taken {
		advance, bearing := int(t.advance)*int(s.font.head.Upem())/1000, 0
		if t.shape != blank {
			id := tables.GlyphID(max(0, t.shape)) // a box is shape 0
			advance, bearing = int(s.font.metrics.Advance(id)), int(s.font.metrics.SideBearing(id))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(advance))
		b = binary.BigEndian.AppendUint16(b, uint16(bearing))
	}
	return b
}

// assemble is a font file of these tables.
func assemble(raw map[string][]byte) []byte {
	order := bits.Len(uint(len(raw))) - 1
	b := binary.BigEndian.AppendUint32(nil, 0x00010000)
	for _, n := range []int{len(raw), 16 << order, order, 16 * (len(raw) - 1<<order)} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	at, head := len(b)+16*len(raw), 0
	var body []byte
	for _, tag := range slices.Sorted(maps.Keys(raw)) {
		if tag == "head" {
			head = at + len(body)
		}
		b = append(b, tag...)
		b = binary.BigEndian.AppendUint32(b, sum(raw[tag]))
		b = binary.BigEndian.AppendUint32(b, uint32(at+len(body)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(raw[tag])))
		body = padded(append(body, raw[tag]...))
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[head+8:], 0xb1b0afba-sum(b))
	return b
}

// padded is b up to the next multiple of four, as tables and outlines are.
func padded(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

func sum(table []byte) uint32 {
	var sum uint32
	for table = padded(bytes.Clone(table)); len(table) > 0; table = table[4:] {
		sum += binary.BigEndian.Uint32(table)
	}
	return sum
}
