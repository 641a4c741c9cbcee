package jsonl

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// An encoder writes rows at the end of a buffer.
type encoder struct {
	zone  *time.Location
	keys  []string // `{"order_no":`, `,"amount":`
	texts []bool   // strings, whatever the source makes of them: many a reader cuts the digits of a number
}

// Begin writes nothing: every row has the keys.
func (e *encoder) Begin(b []byte, columns []offprint.Column) []byte {
	e.keys, e.texts = e.keys[:0], e.texts[:0]
	for i, c := range columns {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		e.keys = append(e.keys, string(append(appendString([]byte{before}, c.Name), ':')))
		e.texts = append(e.texts, c.As == offprint.AsID || c.As == offprint.AsText)
	}
	return b
}

// Row writes an object.
func (e *encoder) Row(b []byte, row offprint.Row) []byte {
	if len(row) == 0 {
		return append(b, "{}\n"...)
	}
	for i, v := range row {
		b = append(b, e.keys[i]...)
		if e.texts[i] && v.Kind() != offprint.Null && v.Kind() != offprint.Text {
			b = append(v.Append(append(b, '"'), e.zone), '"')
			continue
		}
		b = e.appendValue(b, v)
	}
	return append(b, "}\n"...)
}

func (e *encoder) appendValue(b []byte, v offprint.Value) []byte {
	switch v.Kind() {
	case offprint.Null:
		return append(b, "null"...)
	case offprint.Bool, offprint.Int, offprint.Decimal:
		return v.Append(b, e.zone)
	case offprint.Float:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return v.Append(b, e.zone)
		}
	case offprint.Text:
		return appendString(b, v.Text())
	}
	return append(v.Append(append(b, '"'), e.zone), '"') // digits and signs: nothing to escape
}

// appendString writes a JSON string. Invalid UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscape(append(b, s[done:i]...), c)
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[done:i]...), "\uFFFD"...)
			done = i + 1
		}
		i += size
	}
	return append(append(b, s[done:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
