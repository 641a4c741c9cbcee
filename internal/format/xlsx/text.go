package xlsx

import (
	"strings"
	"unicode/utf8"
)

// maxText is what a cell holds, in UTF-16 units.
const maxText = 32767

// appendText escapes s as the content of an XML element that holds an
// ST_Xstring (ECMA-376 part 1, 22.9.2.19): what XML cannot say, and a carriage
// return, becomes _x000D_; what looks like that already gets its underscore
// escaped. Invalid UTF-8 becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	if clean(s) {
		return append(b, s...)
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '&' && c != '<' && c != '>' && c != '_' && c != 0xEF || c == '\t' || c == '\n' {
			continue
		}
		escape, size := escapeAt(s[i:])
		if size == 0 {
			continue
		}
		b = append(b, s[done:i]...)
		b = append(b, escape...)
		i += size - 1
		done = i + 1
	}
	return append(b, s[done:]...)
}

// escapeAt is what the first size bytes of s are written as; size 0: as they are.
func escapeAt(s string) (escape string, size int) {
	switch s[0] {
	case '&':
		return "&amp;", 1
	case '<':
		return "&lt;", 1
	case '>': // only ]]> must be, but not all readers know
		return "&gt;", 1
	case '_':
		if looksEscaped(s) {
			return "_x005F_", 1
		}
		return "", 0
	case 0xEF:
		switch {
		case strings.HasPrefix(s, "\uFFFE"):
			return "_xFFFE_", 3
		case strings.HasPrefix(s, "\uFFFF"):
			return "_xFFFF_", 3
		}
		return "", 0
	}
	// One of 30 control characters: a string that the compiler holds.
	const controls = "_x0000__x0001__x0002__x0003__x0004__x0005__x0006__x0007__x0008__x0009__x000A__x000B__x000C__x000D__x000E__x000F_" +
		"_x0010__x0011__x0012__x0013__x0014__x0015__x0016__x0017__x0018__x0019__x001A__x001B__x001C__x001D__x001E__x001F_"
	return controls[int(s[0])*7:][:7], 1
}

// looksEscaped tells whether a reader would take the underscore that s begins
// with for an escape, also where the underscore that ends it is only the first
// of the escape that follows.
func looksEscaped(s string) bool {
	if len(s) < 7 || s[1] != 'x' {
		return false
	}
	for _, c := range []byte(s[2:6]) {
		if hex := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'; !hex {
			return false
		}
	}
	next := s[6]
	return next == '_' || next < ' ' && next != '\t' && next != '\n' ||
		strings.HasPrefix(s[6:], "\uFFFE") || strings.HasPrefix(s[6:], "\uFFFF")
}

// clean tells, eight bytes at a time, that s is ASCII without anything that
// may need an escape. It may doubt a string that is clean, never the reverse.
func clean(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for len(s) >= 8 {
		x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		control := x - ' '*ones
		ampersand := x ^ '&'*ones
		bracket := x&^(2*ones) ^ '<'*ones // < and > differ in that bit
		under := x ^ '_'*ones
		if (control|(ampersand-ones)|(bracket-ones)|(under-ones)|x)&tops != 0 {
			return false
		}
		s = s[8:]
	}
	for _, c := range []byte(s) {
		if c < ' ' || c >= utf8.RuneSelf || c == '&' || c == '<' || c == '>' || c == '_' {
			return false
		}
	}
	return true
}

// spaced tells whether a reader might trim s.
func spaced(s string) bool {
	return s != "" && (s[0] <= ' ' || s[len(s)-1] <= ' ')
}

// fits is the part of s that a cell holds.
func fits(s string) string {
	if len(s) <= maxText {
		return s
	}
	return cut(s, maxText)
}
