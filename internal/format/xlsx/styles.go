package xlsx

import "strconv"

// A style is one look of cells.
type style struct {
	code   string // of the number format; empty: General
	font   int
	fill   int
	border int
	align  string
}

// The fonts, fills and borders of look.md, by their place in styles.xml.
const (
	bold      = 1
	titleFont = 2
	quiet     = 3
	linkFont  = 4

	tint = 2

	lineBelow = 1
	lineAbove = 2
)

// styles are those that a workbook uses, in the order of their first use. The
// first is the default.
type styles struct {
	list  []style
	index map[style]int
	codes map[string]int // our own number formats
	order []string
}

func newStyles() *styles {
	s := &styles{index: map[style]int{}, codes: map[string]int{}}
	s.of(style{})
	return s
}

// of is the index that cells name.
func (s *styles) of(look style) int {
	i, known := s.index[look]
	if !known {
		i = len(s.list)
		s.list = append(s.list, look)
		s.index[look] = i
	}
	return i
}

const money = "#,##0.00;[Red]-#,##0.00"

// number is the id of a number format: Excel localises its own ones (the
// order of day and month), and leaves ours from 164 on.
func (s *styles) number(code string) int {
	switch code {
	case "", "General":
		return 0
	case "0":
		return 1
	case "0.00":
		return 2
	case "#,##0":
		return 3
	case "#,##0.00":
		return 4
	case "0%":
		return 9
	case "0.00%":
		return 10
	case shortDate:
		return 14
	case dateAndTime:
		return 22
	case "@":
		return 49
	}
	id, known := s.codes[code]
	if !known {
		id = 164 + len(s.order)
		s.codes[code] = id
		s.order = append(s.order, code)
	}
	return id
}

// What ECMA-376 calls the formats 14 and 22; every Excel shows its own order.
const (
	shortDate   = "mm-dd-yy"
	dateAndTime = "m/d/yy h:mm"
)

// yesOrNo is how LibreOffice is told to show what it would show as 1 or 0.
// Excel shows booleans in its own words whatever their format.
const yesOrNo = `"TRUE";"TRUE";"FALSE"`

// xml is xl/styles.xml.
func (s *styles) xml() []byte {
	var cells []byte
	for _, look := range s.list {
		cells = s.appendCell(cells, look)
	}
	b := append([]byte(nil), xmlHead+`<styleSheet xmlns="`+mainNS+`">`...)
	if len(s.order) > 0 {
		b = append(b, `<numFmts count="`...)
		b = strconv.AppendInt(b, int64(len(s.order)), 10)
		b = append(b, `">`...)
		for i, code := range s.order {
			b = append(b, `<numFmt numFmtId="`...)
			b = strconv.AppendInt(b, int64(164+i), 10)
			b = appendAttribute(append(b, `" formatCode="`...), code)
			b = append(b, `"/>`...)
		}
		b = append(b, `</numFmts>`...)
	}
	b = append(b, `<fonts count="5">`+
		`<font><sz val="11"/><name val="Calibri"/><family val="2"/></font>`+
		`<font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font>`+
		`<font><b/><sz val="16"/><name val="Calibri"/><family val="2"/></font>`+
		`<font><sz val="11"/><color rgb="FF5F6670"/><name val="Calibri"/><family val="2"/></font>`+
		`<font><u/><sz val="11"/><color rgb="FF1F4FD8"/><name val="Calibri"/><family val="2"/></font></fonts>`+
		`<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>`+
		`<fill><patternFill patternType="solid"><fgColor rgb="FFE8EDFB"/><bgColor indexed="64"/></patternFill></fill></fills>`+
		`<borders count="3"><border><left/><right/><top/><bottom/><diagonal/></border>`+
		`<border><left/><right/><top/><bottom style="thin"><color rgb="FF9AA1AB"/></bottom><diagonal/></border>`+
		`<border><left/><right/><top style="thin"><color rgb="FF1B1F24"/></top><bottom/><diagonal/></border></borders>`+
		`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="`...)
	b = strconv.AppendInt(b, int64(len(s.list)), 10)
	b = append(b, `">`...)
	b = append(b, cells...)
	return append(b, `</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`...)
}

func (s *styles) appendCell(b []byte, look style) []byte {
	for _, part := range []struct {
		text string
		id   int
	}{{`<xf numFmtId="`, s.number(look.code)}, {`" fontId="`, look.font}, {`" fillId="`, look.fill}, {`" borderId="`, look.border}} {
		b = strconv.AppendInt(append(b, part.text...), int64(part.id), 10)
	}
	b = append(b, `" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1" applyBorder="1"`...)
	switch look.align {
	case "":
		return append(b, `/>`...)
	case wrapped:
		return append(b, ` applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>`...)
	case indented:
		return append(b, ` applyAlignment="1"><alignment horizontal="left" indent="1"/></xf>`...)
	}
	return append(b, ` applyAlignment="1"><alignment horizontal="`+look.align+`"/></xf>`...)
}

const (
	left     = "left"
	right    = "right"
	wrapped  = "wrap"
	indented = "indent" // left, but for a little
)

// appendAttribute escapes text for an attribute.
func appendAttribute(b []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r < ' ' || r == 0xFFFE || r == 0xFFFF:
			b = append(b, ' ')
		default:
			b = append(b, string(r)...)
		}
	}
	return b
}
