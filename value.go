package offprint

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Kind says what a [Value] is. It is a property of the value, not of its
// column: a column of dates may hold a text where the database says "infinity".
type Kind uint8

const (
	Null      Kind = iota
	Bool           // true or false
	Int            // a 64-bit signed integer
	Float          // a 64-bit binary fraction; NaN and ±Inf are possible
	Decimal        // an exact decimal fraction of any length
	Text           // UTF-8; what a source sends that is not is made valid with U+FFFD
	Date           // a day of the proleptic Gregorian calendar, without a zone
	Timestamp      // an instant, or a wall-clock time without a zone, to the microsecond
	Bytes          // binary data
)

var kindNames = [...]string{"null", "bool", "int", "float", "decimal", "text", "date", "timestamp", "bytes"}

func (k Kind) String() string { return kindNames[k] }

// A Value is one cell, as a small struct in the manner of slog.Value, so that
// a row of them costs no allocation. The zero Value is null.
//
// The text of a value may share memory with the row it came in: who keeps it
// beyond the row takes [Value.Clone].
type Value struct { // four fields: one of five the compiler keeps in memory, not in registers
	text  string
	num   int64
	scale int32 // of a decimal held in num; of a timestamp without a zone: wall
	kind  Kind
}

const wall = 1

func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, num: 1}
	}
	return Value{kind: Bool}
}

func IntValue(n int64) Value { return Value{kind: Int, num: n} }

func FloatValue(f float64) Value { return Value{kind: Float, num: int64(math.Float64bits(f))} }

// TextValue is s, which must be valid UTF-8; [ValueOf] mends what is not.
func TextValue(s string) Value { return Value{kind: Text, text: s} }

// BytesValue shares no memory with b.
func BytesValue(b []byte) Value { return Value{kind: Bytes, text: string(b)} }

// SharedBytesValue is the bytes of s, for sources that reuse their buffer.
func SharedBytesValue(s string) Value { return Value{kind: Bytes, text: s} }

// DecimalValue is unscaled / 10^scale, with scale from 0 to 18: DecimalValue(150, 2) is 1.50.
func DecimalValue(unscaled int64, scale int) Value {
	return Value{kind: Decimal, num: unscaled, scale: int32(scale)}
}

// ParseDecimal reads digits with an optional sign, fraction and exponent, and
// keeps the scale it was written with: "1.50" stays 1.50, "1e3" becomes 1000.
func ParseDecimal(s string) (Value, bool) {
	unscaled, scale, ok := scanDecimal(s)
	if !ok {
		return Value{}, false
	}
	if unscaled != nil {
		return DecimalValue(*unscaled, scale), true
	}
	plain, ok := plainDecimal(s)
	return Value{kind: Decimal, text: plain}, ok
}

// scanDecimal reads what fits 18 digits without an exponent; a nil unscaled
// with ok means that it may still be a decimal, only not a short one.
func scanDecimal(s string) (unscaled *int64, scale int, ok bool) {
	digits, point := 0, -1
	var n int64
	rest := strings.TrimPrefix(strings.TrimPrefix(s, "+"), "-")
	if rest == "" || len(s)-len(rest) > 1 {
		return nil, 0, false
	}
	for i := range len(rest) {
		switch c := rest[i]; {
		case c >= '0' && c <= '9':
			if digits++; digits <= 18 {
				n = n*10 + int64(c-'0')
			}
		case c == '.' && point < 0:
			point = i
		case c == 'e' || c == 'E':
			return nil, 0, digits > 0
		default:
			return nil, 0, false
		}
	}
	if digits == 0 {
		return nil, 0, false
	}
	if digits > 18 {
		return nil, 0, true
	}
	if point >= 0 {
		scale = len(rest) - point - 1
	}
	if s[0] == '-' {
		n = -n
	}
	return &n, scale, true
}

// maxExponent bounds what "1e999999999" may make of a few bytes.
const maxExponent = 20000

// plainDecimal writes a decimal of any length without an exponent.
func plainDecimal(s string) (string, bool) {
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return "", false
		}
		mantissa, exponent = s[:i], e
	}
	sign := ""
	if mantissa[0] == '-' {
		sign = "-"
	}
	whole, fraction, _ := strings.Cut(strings.TrimLeft(mantissa, "+-"), ".")
	digits := whole + fraction
	if _, _, ok := scanDecimal(mantissa); !ok {
		return "", false
	}
	point := len(whole) + exponent
	if point <= 0 {
		digits, point = strings.Repeat("0", 1-point)+digits, 1
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	whole, fraction = strings.TrimLeft(digits[:point], "0"), digits[point:]
	if whole == "" {
		whole = "0"
	}
	if strings.Trim(whole+fraction, "0") == "" { // there is no -0 among decimals
		sign = ""
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction, true
}

// DateValue is the day that lies the given number of days after 1970-01-01.
func DateValue(days int64) Value { return Value{kind: Date, num: days} }

// InstantValue is the instant that lies the given microseconds after
// 1970-01-01T00:00:00Z. It is shown in the zone of its run.
func InstantValue(micros int64) Value { return Value{kind: Timestamp, num: micros} }

// WallValue is a wall-clock time without a zone, counted as if it were UTC.
func WallValue(micros int64) Value { return Value{kind: Timestamp, num: micros, scale: wall} }

// ValueOf is for whoever writes a source by hand. It takes nil, bool, every
// number, string, []byte, [Day], [Value], *big.Int, json.Number (a decimal)
// and time.Time (an instant); anything else becomes its fmt text.
func ValueOf(v any) Value {
	switch v := v.(type) {
	case nil:
		return Value{}
	case Value:
		return v
	case bool:
		return BoolValue(v)
	case int:
		return IntValue(int64(v))
	case int8:
		return IntValue(int64(v))
	case int16:
		return IntValue(int64(v))
	case int32:
		return IntValue(int64(v))
	case int64:
		return IntValue(v)
	case uint8:
		return IntValue(int64(v))
	case uint16:
		return IntValue(int64(v))
	case uint32:
		return IntValue(int64(v))
	case uint:
		return UintValue(uint64(v))
	case uint64:
		return UintValue(v)
	case float32: // by its own shortest digits: 0.1, not 0.10000000149011612
		f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
		return FloatValue(f)
	case float64:
		return FloatValue(v)
	case string:
		return TextValue(strings.ToValidUTF8(v, "\uFFFD"))
	case []byte:
		return BytesValue(v)
	case Day:
		return DateValue(v.Days())
	case time.Time:
		return InstantValue(v.UnixMicro())
	case *big.Int:
		d, _ := ParseDecimal(v.String())
		return d
	case json.Number:
		if d, ok := ParseDecimal(v.String()); ok {
			return d
		}
	}
	return TextValue(strings.ToValidUTF8(fmt.Sprint(v), "\uFFFD"))
}

// UintValue is n as an integer, or as a decimal where no integer can hold it.
func UintValue(n uint64) Value {
	if n <= math.MaxInt64 {
		return IntValue(int64(n))
	}
	return Value{kind: Decimal, text: strconv.FormatUint(n, 10)}
}

func (v Value) Kind() Kind { return v.kind }

func (v Value) IsNull() bool { return v.kind == Null }

// Bool, Int and Float answer for their kind and are zero for any other, but
// that Float also converts an integer or a decimal to the nearest float.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

func (v Value) Int() int64 {
	if v.kind != Int {
		return 0
	}
	return v.num
}

func (v Value) Float() float64 {
	switch v.kind {
	case Float:
		return math.Float64frombits(uint64(v.num))
	case Int:
		return float64(v.num)
	case Decimal:
		f, _ := strconv.ParseFloat(v.String(), 64)
		return f
	}
	return 0
}

// Text is the text, or the bytes as they are; empty for any other kind.
func (v Value) Text() string {
	if v.kind == Text || v.kind == Bytes {
		return v.text
	}
	return ""
}

// Unscaled is the decimal as unscaled / 10^scale; short is false for one that
// is too long for that and has only its [Value.String].
func (v Value) Unscaled() (unscaled int64, scale int, short bool) {
	return v.num, int(v.scale), v.kind == Decimal && v.text == ""
}

// Days counts a date from 1970-01-01.
func (v Value) Days() int64 { return v.num }

// Zoned tells an instant from a wall-clock time.
func (v Value) Zoned() bool { return v.kind == Timestamp && v.scale != wall }

// Wall is the timestamp as a wall clock in zone shows it: microseconds since
// 1970-01-01 00:00, and that clock's distance from UTC in seconds. A timestamp
// without a zone is what it is, whatever the zone.
func (v Value) Wall(zone *time.Location) (micros int64, offset int) {
	if v.scale == wall || zone == nil || zone == time.UTC {
		return v.num, 0
	}
	_, offset = time.UnixMicro(v.num).In(zone).Zone()
	return v.num + int64(offset)*1e6, offset
}

// Clone is v without shared memory.
func (v Value) Clone() Value {
	v.text = strings.Clone(v.text)
	return v
}

// Valid is v with a text that is valid UTF-8.
func (v Value) Valid() Value {
	if v.kind == Text && !utf8.ValidString(v.text) {
		v.text = strings.ToValidUTF8(v.text, "\uFFFD")
	}
	return v
}

// String is the value in its plain form: see [Value.Append], in UTC.
func (v Value) String() string { return string(v.Append(nil, time.UTC)) }

// Append writes the value in its plain, exact form, the one that the text
// formats are made from: nothing for null, true, -12, 1.50, 0.1 (the shortest
// digits that read back as the same float, without an exponent from 1e-6 up to
// 1e21), 2026-01-31, 2026-01-31T23:59:59.123456+01:00 (an instant, in zone),
// 2026-01-31T23:59:59 (without a zone), bytes as lower-case hexadecimal.
func (v Value) Append(b []byte, zone *time.Location) []byte {
	switch v.kind {
	case Bool:
		return strconv.AppendBool(b, v.num != 0)
	case Int:
		return strconv.AppendInt(b, v.num, 10)
	case Float:
		return appendFloat(b, v.Float())
	case Decimal:
		if v.text != "" {
			return append(b, v.text...)
		}
		return appendScaled(b, v.num, int(v.scale))
	case Text:
		return append(b, v.text...)
	case Date:
		return DayOf(v.num).append(b)
	case Timestamp:
		return v.appendTime(b, zone)
	case Bytes:
		return appendHex(b, v.text)
	}
	return b
}

func appendFloat(b []byte, f float64) []byte {
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func appendScaled(b []byte, n int64, scale int) []byte {
	if n < 0 {
		b = append(b, '-')
	}
	u := uint64(n)
	if n < 0 {
		u = -u
	}
	start := len(b)
	b = strconv.AppendUint(b, u, 10)
	if scale == 0 {
		return b
	}
	for len(b)-start <= scale { // 0.05
		b = slices.Insert(b, start, '0')
	}
	point := len(b) - scale
	b = append(b, 0)
	copy(b[point+1:], b[point:])
	b[point] = '.'
	return b
}

func (v Value) appendTime(b []byte, zone *time.Location) []byte {
	micros, offset := v.Wall(zone)
	const day = 24 * 60 * 60 * 1e6
	days := floorDiv(micros, day)
	b = DayOf(days).append(b)
	in := micros - days*day
	seconds, fraction := in/1e6, in%1e6
	h, m, s := byte(seconds/3600), byte(seconds/60%60), byte(seconds%60)
	b = append(b, 'T', '0'+h/10, '0'+h%10, ':', '0'+m/10, '0'+m%10, ':', '0'+s/10, '0'+s%10)
	if fraction != 0 {
		b = append(b, '.')
		b = appendTwo(b, fraction/10000)
		b = appendTwo(b, fraction/100%100)
		b = appendTwo(b, fraction%100)
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	if v.scale == wall {
		return b
	}
	return appendOffset(b, offset)
}

func appendOffset(b []byte, offset int) []byte {
	if offset == 0 {
		return append(b, 'Z')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = append(b, sign)
	b = append(appendTwo(b, int64(offset/3600)), ':')
	b = appendTwo(b, int64(offset/60%60))
	if s := offset % 60; s != 0 { // local mean time, before zones
		b = append(b, ':')
		b = appendTwo(b, int64(s))
	}
	return b
}

func appendTwo(b []byte, n int64) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func appendHex(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	for i := range len(s) {
		b = append(b, digits[s[i]>>4], digits[s[i]&15])
	}
	return b
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// MarshalText is [Value.String], for decimals among parameters.
func (v Value) MarshalText() ([]byte, error) { return v.Append(nil, time.UTC), nil }

// rat is a number's exact value; anything else, NaN and ±Inf are zero.
func (v Value) rat() *big.Rat {
	r := new(big.Rat)
	switch v.kind {
	case Int:
		r.SetInt64(v.num)
	case Float:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			r.SetFloat64(f)
		}
	case Decimal:
		r.SetString(v.String())
	}
	return r
}
