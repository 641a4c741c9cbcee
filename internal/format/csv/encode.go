package csv

import (
	"bytes"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// An encoder writes rows at the end of a buffer.
type encoder struct {
	dialect
	zone *time.Location
}

// Begin writes the header of titles.
func (e *encoder) Begin(b []byte, columns []offprint.Column) []byte {
	if e.bom {
		b = append(b, "\uFEFF"...)
	}
	for i, c := range columns {
		if i > 0 {
			b = append(b, e.delimiter)
		}
		b = e.appendText(b, c.Title, false)
	}
	return append(b, e.lineEnd...)
}

// Row writes a record.
func (e *encoder) Row(b []byte, row offprint.Row) []byte {
	start := len(b)
	for i, v := range row {
		if i > 0 {
			b = append(b, e.delimiter)
		}
		switch v.Kind() {
		case offprint.Text:
			b = e.appendText(b, v.Text(), e.escape)
		case offprint.Float, offprint.Decimal:
			b = e.appendNumber(b, v)
		default: // nothing that a delimiter may be
			b = v.Append(b, e.zone)
		}
	}
	if len(b) == start { // an empty line would be no row
		b = append(b, `""`...)
	}
	return append(b, e.lineEnd...)
}

// appendNumber writes a number with the dialect's decimal sign.
func (e *encoder) appendNumber(b []byte, v offprint.Value) []byte {
	if e.decimal == '.' {
		return v.Append(b, e.zone)
	}
	start := len(b)
	b = v.Append(b, e.zone)
	i := bytes.IndexByte(b[start:], '.')
	if i < 0 {
		return b
	}
	b[start+i] = e.decimal
	if e.decimal != e.delimiter {
		return b
	}
	return append(slices.Insert(b, start, '"'), '"')
}

// appendText writes a text, in quotes if it has to be, and made harmless if
// it is data and a spreadsheet would calculate it.
func (e *encoder) appendText(b []byte, s string, escape bool) []byte {
	ascii, parted := e.scan(s)
	if !ascii && !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	quoted := parted || trimmed(s)
	if quoted {
		b = append(b, '"')
	}
	if escape && formula(s) {
		b = append(b, '\'')
	}
	if !quoted {
		return append(b, s...)
	}
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return append(append(b, s...), '"')
		}
		b = append(append(b, s[:i+1]...), '"')
		s = s[i+1:]
	}
}

// scan tells, eight bytes at a time, whether s is ASCII, and whether it has a
// delimiter, a quote or a line end.
func (e *encoder) scan(s string) (ascii, parted bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	delimiter := uint64(e.delimiter) * ones
	var high, found uint64
	for len(s) >= 8 {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		a, b, c, d := x^delimiter, x^'"'*ones, x^'\n'*ones, x^'\r'*ones // a byte of zeros where x has it
		found |= (a-ones)&^a | (b-ones)&^b | (c-ones)&^c | (d-ones)&^d
		high |= x
		if len(s) == 8 {
			return high&tops == 0, found&tops != 0
		}
		s = s[min(8, len(s)-8):] // the last eight, some of them again
	}
	for i := range len(s) {
		c := s[i]
		high |= uint64(c)
		if c == e.delimiter || c == '"' || c == '\n' || c == '\r' {
			found = tops
		}
	}
	return high&tops == 0, found&tops != 0
}

// formula tells whether a spreadsheet would calculate the text: what OWASP
// lists under CSV injection, also in the full width that a Japanese Excel takes
// for the same, and behind a null character, which LibreOffice passes over.
func formula(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	switch first {
	case '=', '+', '-', '@', '\t', '\r', '\n', 0, '\uFF1D', '\uFF0B', '\uFF0D', '\uFF20':
		return true
	}
	return false
}

// trimmed tells whether a reader might take the text, without quotes, for
// less: one with spaces at its ends, and an empty one.
func trimmed(s string) bool { return s == "" || s[0] == ' ' || s[len(s)-1] == ' ' }
