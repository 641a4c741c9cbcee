package xlsx

import (
	"math"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

const (
	minWidth = 6
	maxWidth = 60
	arrow    = 3 // what the filter's button takes of the header
	padding  = 1.5
	indent   = 1.5
)

// see widens the column so that v fits.
func (c *column) see(v offprint.Value) {
	c.width = max(c.width, c.room(v))
}

// room is how many digits wide v is shown.
func (c *column) room(v offprint.Value) float64 {
	switch v.Kind() {
	case offprint.Null:
		return 0
	case offprint.Bool:
		return 6
	case offprint.Date:
		return c.dateRoom(10)
	case offprint.Timestamp:
		return c.dateRoom(16)
	case offprint.Text:
		return textWidth(v.Text())
	case offprint.Bytes:
		return float64(2 * len(v.Text()))
	}
	if c.asText() {
		return float64(len(v.String()))
	}
	return c.numberRoom(v.Float())
}

func (c *column) dateRoom(plain float64) float64 {
	if c.Format != "" {
		return max(plain, float64(utf8.RuneCountInString(c.Format)))
	}
	return plain
}

func (c *column) numberRoom(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 4
	}
	digits := 1.0
	if abs := math.Abs(f); abs >= 10 {
		digits += math.Floor(math.Log10(abs))
	}
	room := digits + float64(c.look.literal)
	if f < 0 {
		room++
	}
	if c.look.thousands {
		room += math.Floor((digits - 1) / 3)
	}
	switch {
	case c.look.decimals == everyDigit: // General shows what fits, up to eleven digits
		return min(room+4, 12)
	case c.look.decimals > 0:
		room += 1 + float64(c.look.decimals)
	}
	return room
}

// fit is the width in the file: of the header, of what was seen, of what a sum
// of so many rows may become, or what the definition says.
func (c *column) fit(rows int64) float64 {
	if c.Width > 0 {
		return min(c.Width, 255)
	}
	width := c.width
	if c.Total == offprint.Sum && width > 0 {
		width += math.Ceil(math.Log10(float64(max(rows, 1000))) * 4 / 3)
	}
	if c.Numeric() { // a number that does not fit is shown as ####
		width = max(width, 9)
	}
	width = max(width, textWidth(c.Title)+arrow)
	if c.side == indented {
		width += indent
	}
	return min(max(width, minWidth), maxWidth) + padding
}

// textWidth is the width of the widest line, a wide character counting two.
func textWidth(s string) (widest float64) {
	width := 0.0
	for _, r := range s {
		switch {
		case r == '\n':
			width = 0
			continue
		case wide(r):
			width++
		}
		width++
		if widest = max(widest, width); widest > maxWidth {
			return widest
		}
	}
	return widest
}

// wide tells the blocks of Hangul, CJK, full-width forms and pictures.
func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115F || r >= 0x2E80 && r <= 0xA4CF || r >= 0xAC00 && r <= 0xD7A3 ||
		r >= 0xF900 && r <= 0xFAFF || r >= 0xFE30 && r <= 0xFE6F || r >= 0xFF00 && r <= 0xFF60 ||
		r >= 0x1F300 && r <= 0x1FAFF || r >= 0x20000 && r <= 0x3FFFD)
}
