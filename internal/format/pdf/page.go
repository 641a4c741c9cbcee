package pdf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
)

// Lengths are in hundredths of a point. Up is positive, from the lower edge.
const (
	margin      = 4252 // 15 mm
	footerLine  = 2500
	footerSize  = 750
	textSize    = 850
	smallSize   = 600 // of a table that would not fit
	smallDigits = 450 // of a number that would not: two lines of digits are easily misread
	titleSize   = 1600
	partSize    = 1200
	hairline    = 50
)

// Colors, as what sets them.
const (
	ink   = ".106 .122 .141 rg\n"
	quiet = ".373 .4 .439 rg\n"
	tint  = ".91 .929 .984 rg\n"
	zebra = ".969 .969 .961 rg\n"
	rule  = ".886 .875 .847 rg\n"

	accent = ".122 .31 .847 rg\n" // of links
)

// A paper is what is asked of the pages.
type paper struct {
	width, height int // upright
	orientation   string
}

func paperOf(head offprint.Head) (paper, error) {
	p, err := sizeOf(head)
	if err != nil {
		return p, err
	}
	p.orientation = strings.ToLower(head.Options["pdf.orientation"])
	switch p.orientation {
	case "":
		p.orientation = "auto"
	case "auto", "portrait", "landscape":
	default:
		return p, fmt.Errorf("pdf.orientation: %q is none of portrait, landscape and auto", p.orientation)
	}
	return p, nil
}

func sizeOf(head offprint.Head) (paper, error) {
	option := strings.ToLower(head.Options["pdf.paper"])
	if option == "" {
		option = "a4"
		_, region, _ := strings.Cut(strings.ReplaceAll(head.Locale, "_", "-"), "-")
		if strings.EqualFold(region, "US") || strings.EqualFold(region, "CA") {
			option = "letter"
		}
	}
	switch option {
	case "a3":
		return paper{width: 84189, height: 119055}, nil
	case "a4":
		return paper{width: 59528, height: 84189}, nil
	case "a5":
		return paper{width: 41953, height: 59528}, nil
	case "letter":
		return paper{width: 61200, height: 79200}, nil
	case "legal":
		return paper{width: 61200, height: 100800}, nil
	}
	return paper{}, fmt.Errorf("pdf.paper: %q is none of a3, a4, a5, letter and legal", option)
}

// A sheet is the page being filled, or a form that pages share.
type sheet struct {
	number        int // of its object
	width, height int
	y             int  // where what comes next begins
	used          bool // something stands on it beside its head
	under, body   []byte
	annots        []byte // links, one after the other,
	links         []int  // and where each ends

	// What the body's last operators have set.
	text   bool
	x0, y0 int
	font   *face
	size   int
	color  string
}

func (s *sheet) clear(width, height int) {
	*s = sheet{width: width, height: height, y: height - margin, under: s.under[:0], body: s.body[:0], annots: s.annots[:0], links: s.links[:0]}
}

// room is what is left above the lower margin.
func (s *sheet) room() int { return s.y - margin }

// fill paints a box under the text.
func (s *sheet) fill(color string, x, y, width, height int) {
	s.under = append(s.under, color...)
	s.under = appendLength(s.under, x, ' ')
	s.under = appendLength(s.under, y, ' ')
	s.under = appendLength(s.under, width, ' ')
	s.under = appendLength(s.under, height, ' ')
	s.under = append(s.under, "re f\n"...)
}

// show draws glyphs from x on, on the base line y.
func (s *sheet) show(f *face, size int, color string, x, y int, glyphs []byte) {
	if !s.text {
		s.body = append(s.body, "BT\n"...)
		s.text, s.x0, s.y0, s.font = true, 0, 0, nil
	}
	if s.font != f || s.size != size {
		s.body = append(append(append(s.body, '/'), f.resource...), ' ')
		s.body = append(appendLength(s.body, size, ' '), "Tf\n"...)
		s.font, s.size = f, size
	}
	if s.color != color {
		s.body = append(s.body, color...)
		s.color = color
	}
	s.body = appendLength(s.body, x-s.x0, ' ')
	s.body = appendLength(s.body, y-s.y0, ' ')
	s.body = append(append(append(s.body, "Td("...), glyphs...), ")Tj\n"...)
	s.x0, s.y0 = x, y
}

// link makes a box lead to an address, of ASCII.
func (s *sheet) link(left, low, right, high int, url []byte) {
	b := append(s.annots, "<</Type/Annot/Subtype/Link/Border[0 0 0]/Rect["...)
	b = appendLength(b, left, ' ')
	b = appendLength(b, low, ' ')
	b = appendLength(b, right, ' ')
	b = append(appendLength(b, high, ']'), "/A<</S/URI/URI("...)
	for _, c := range url {
		if c == '(' || c == ')' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	s.annots = append(b, ")>>>>\n"...)
	s.links = append(s.links, len(s.annots))
}

// form draws a shared form whose origin is x, y.
func (s *sheet) form(name string, x, y int) {
	s.endText()
	s.body = append(s.body, "q 1 0 0 1 "...)
	s.body = appendLength(s.body, x, ' ')
	s.body = appendLength(s.body, y, ' ')
	s.body = append(append(append(s.body, "cm/"...), name...), " Do Q\n"...)
}

// image draws a picture, of one by one, as large as that.
func (s *sheet) image(name string, x, y, width, height int) {
	s.endText()
	s.body = append(s.body, "q "...)
	s.body = append(appendLength(s.body, width, ' '), "0 0 "...)
	s.body = appendLength(s.body, height, ' ')
	s.body = appendLength(s.body, x, ' ')
	s.body = appendLength(s.body, y, ' ')
	s.body = append(append(append(s.body, "cm/"...), name...), " Do Q\n"...)
}

func (s *sheet) endText() {
	if s.text {
		s.body = append(s.body, "ET\n"...)
		s.text = false
	}
}

// appendLength writes 12.5, and what parts it from the next.
func appendLength(b []byte, v int, then byte) []byte {
	if v < 0 {
		b = append(b, '-')
		v = -v
	}
	if v >= 100 || v == 0 {
		b = strconv.AppendUint(b, uint64(v/100), 10)
	}
	if v %= 100; v != 0 {
		b = append(b, '.', byte('0'+v/10))
		if v%10 != 0 {
			b = append(b, byte('0'+v%10))
		}
	}
	return append(b, then)
}

func points(v int) string { return strings.TrimSuffix(string(appendLength(nil, v, ' ')), " ") }
