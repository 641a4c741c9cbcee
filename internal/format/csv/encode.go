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
		b = e.appendValue(b, v)
	}
	if len(b) == start { // an empty line would be no row
		b = append(b, `""`...)
	}
	return append(b, e.lineEnd...)
}

func (e *encoder) appendValue(b []byte, v offprint.Value) []byte {
	switch v.Kind() {
	case offprint.Text:
		return e.appendText(b, v.Text(), e.escape)
	case offprint.Float, offprint.Decimal:
		if e.decimal != '.' {
			return e.appendComma(b, v)
		}
	}
	return v.Append(b, e.zone) // nothing that a delimiter may be
}

// appendComma writes a number with a decimal comma.
func (e *encoder) appendComma(b []byte, v offprint.Value) []byte {
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
	if e.plain(s) {
		return append(b, s...)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	prefix := ""
	if escape && formula(s) {
		prefix = "'"
	}
	if !e.quotes(s) {
		return append(append(b, prefix...), s...)
	}
	b = append(append(b, '"'), prefix...)
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return append(append(b, s...), '"')
		}
		b = append(append(b, s[:i+1]...), '"')
		s = s[i+1:]
	}
}

// plain tells, eight bytes at a time, that s begins with a letter or a digit
// and goes on in ASCII without anything that may need quotes. It may doubt a
// text that needs none, never the reverse.
func (e *encoder) plain(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	if s == "" || s[0] < '0' || s[0] == '=' || s[0] == '@' || s[len(s)-1] == ' ' {
		return false
	}
	delimiter := uint64(e.delimiter) * ones
	for len(s) >= 8 {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		control, quote, parts := x-' '*ones, (x^'"'*ones)-ones, (x^delimiter)-ones
		if (control|quote|parts|x)&tops != 0 {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == e.delimiter {
			return false
		}
	}
	return true
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

// quotes tells whether a text has to be quoted: one with a delimiter, a quote
// or a line end; one whose spaces at the ends a reader might trim; an empty one.
func (e *encoder) quotes(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' {
		return true
	}
	for i := range len(s) {
		if c := s[i]; c == e.delimiter || c == '"' || c == '\n' || c == '\r' {
			return true
		}
	}
	return false
}
