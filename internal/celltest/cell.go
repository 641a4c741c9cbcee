// Package celltest gives tests the other side of a file: rows as nasty as
// life, what a spreadsheet has to find in the cell of each value, and
// LibreOffice, which opens the files as people do.
//
// It shares no code with the formats. For [Convert] the machine needs
// LibreOffice (Debian: libreoffice-calc), which only the long proofs do.
package celltest

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/offprint/offprint"
)

// A Cell is what a program reads of one.
type Cell struct {
	Kind  string // null, bool, number, time or text
	Value string // true; the shortest digits of the float; 2026-01-31T23:59:59.123456; the text
}

// What Excel has room for.
const (
	longestText  = 32767   // in UTF-16 units
	exactInteger = 1 << 53 // beyond it, and below its negative, integers are no floats
	digits       = 15
	lastExponent = 307
)

var (
	firstTime = time.Date(1900, 3, 1, 0, 0, 0, 0, time.UTC)                               // before it, Excel counts days wrongly
	lastTime  = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Add(-100 * time.Microsecond) // from here, a float takes it for the next day
)

// Of is the cell of a value in a workbook: a number, a day or a yes where Excel
// has such a value, else the plain form as a text.
func Of(c offprint.Column, v offprint.Value, zone *time.Location) Cell {
	if v.IsNull() {
		return Cell{Kind: "null"}
	}
	plain := text(v, zone)
	if c.As == offprint.AsID || c.As == offprint.AsText {
		return plain
	}
	switch v.Kind() {
	case offprint.Bool:
		return Cell{"bool", strconv.FormatBool(v.Bool())}
	case offprint.Int:
		if n := v.Int(); n < -exactInteger || n > exactInteger {
			return plain
		}
		return Number(v.Float())
	case offprint.Float:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			return plain
		}
		return Number(v.Float())
	case offprint.Decimal:
		f, ok := rounded(v.String())
		if !ok {
			return plain
		}
		return Number(f)
	case offprint.Date:
		return at(time.Unix(v.Days()*86400, 0).UTC(), plain)
	case offprint.Timestamp:
		micros, _ := v.Wall(zone)
		return at(time.UnixMicro(micros).UTC(), plain)
	}
	return plain
}

// Number is the cell of a float.
func Number(f float64) Cell { return Cell{"number", strconv.FormatFloat(f, 'g', -1, 64)} }

// Time is the cell of what a wall clock shows.
func Time(t time.Time) Cell { return Cell{"time", t.Format("2006-01-02T15:04:05.999999")} }

func at(t time.Time, plain Cell) Cell {
	if t.Before(firstTime) || !t.Before(lastTime) {
		return plain
	}
	return Time(t)
}

func text(v offprint.Value, zone *time.Location) Cell {
	s := strings.ToValidUTF8(string(v.Append(nil, zone)), "\uFFFD")
	most := longestText
	if v.Kind() == offprint.Bytes {
		most-- // a byte is two digits
	}
	units := utf16.Encode([]rune(s))
	if len(units) <= most {
		return Cell{"text", s}
	}
	if utf16.IsSurrogate(rune(units[most-1])) && units[most-1] < 0xDC00 { // the first half of a character
		most--
	}
	return Cell{"text", string(utf16.Decode(units[:most]))}
}

// rounded is a plain decimal at 15 digits, as Excel keeps it, but that integers
// which a float holds stay whole. ok is false beyond Excel's range.
func rounded(plain string) (f float64, ok bool) {
	r, _ := new(big.Rat).SetString(plain)
	if !strings.Contains(plain, ".") && r.Num().IsInt64() && abs(r.Num().Int64()) <= exactInteger {
		f, _ = r.Float64()
		return f, true
	}
	e := exponent(plain)
	switch {
	case r.Sign() == 0 || e < -lastExponent:
		return 0, true
	case e > lastExponent:
		return 0, false
	}
	shift := digits - 1 - e
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(shift, -shift))), nil))
	if shift < 0 {
		power.Inv(power)
	}
	whole := r.Mul(r, power).FloatString(0) // halves away from zero
	f, err := strconv.ParseFloat(whole+"e"+strconv.Itoa(-shift), 64)
	return f, err == nil
}

func abs(n int64) int64 { return max(n, -n) }

// exponent is that of the first digit which is not 0.
func exponent(plain string) int {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(plain, "-"), ".")
	if whole = strings.TrimLeft(whole, "0"); whole != "" {
		return len(whole) - 1
	}
	return len(strings.TrimLeft(fraction, "0")) - len(fraction) - 1
}

var escape = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// Unescape is the text of an ST_Xstring (ECMA-376 part 1, 22.9.2.19), of which
// many readers leave that to whoever asks them.
func Unescape(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		unit, err := strconv.ParseUint(e[2:6], 16, 16)
		if err != nil {
			return e
		}
		return string(utf16.Decode([]uint16{uint16(unit)}))
	})
}
