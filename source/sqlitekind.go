package source

import (
	"strconv"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/offprint/offprint"
)

// A reader makes a value of a cell of the present row. It may share the
// library's memory, which is good until the next row.
type reader func(s *sqliteStmt, i int) offprint.Value

// sqliteColumns tells for each column its kind and how to read it: by what the
// header says it is, else by its declared type, else as it is stored. The kind
// is Null where only the values will tell.
func sqliteColumns(s *sqliteStmt, said []column, zone *time.Location) ([]offprint.Column, []reader) {
	columns := make([]offprint.Column, s.columns())
	readers := make([]reader, len(columns))
	for i := range columns {
		columns[i].Name = s.name(i)
		as := offprint.As("")
		for _, c := range said {
			if c.Name == columns[i].Name {
				as = c.As
			}
		}
		columns[i].Kind, readers[i] = sqliteReader(as, strings.ToUpper(s.declared(i)), zone)
	}
	return columns, readers
}

func sqliteReader(as offprint.As, declared string, zone *time.Location) (offprint.Kind, reader) {
	base, arguments, _ := strings.Cut(declared, "(")
	switch as {
	case offprint.AsID, offprint.AsText:
		return offprint.Text, readText
	case offprint.AsMoney:
		return offprint.Decimal, readDecimal(scaleIn(arguments), vouched)
	case offprint.AsNumber, offprint.AsPercent:
		if !strings.HasPrefix(base, "DEC") && !strings.HasPrefix(base, "NUM") {
			return offprint.Null, readNumber
		}
	case offprint.AsDate, offprint.AsDatetime:
		return asTime(as), readTime(zone, true)
	case offprint.AsBool:
		return offprint.Bool, readBool
	}
	switch base = strings.TrimSpace(base); {
	case base == "DATE":
		return offprint.Date, readTime(zone, false)
	case base == "DATETIME", strings.HasPrefix(base, "TIMESTAMP"):
		return offprint.Timestamp, readTime(zone, false)
	case strings.HasPrefix(base, "BOOL"):
		return offprint.Bool, readBool
	case strings.HasPrefix(base, "DEC"), strings.HasPrefix(base, "NUMERIC"), base == "MONEY":
		return offprint.Decimal, readDecimal(scaleIn(arguments), shortest)
	case strings.Contains(base, "INT"):
		return offprint.Int, readStored
	case strings.Contains(base, "CHAR"), strings.Contains(base, "CLOB"), strings.Contains(base, "TEXT"), base == "UUID", base == "JSON":
		return offprint.Text, readStored
	case strings.Contains(base, "REAL"), strings.Contains(base, "FLOA"), strings.Contains(base, "DOUB"):
		return offprint.Float, readStored
	case strings.Contains(base, "BLOB"):
		return offprint.Bytes, readStored
	}
	return offprint.Null, readStored
}

func asTime(as offprint.As) offprint.Kind {
	if as == offprint.AsDate {
		return offprint.Date
	}
	return offprint.Timestamp
}

// scaleIn is the 2 of "12, 2)".
func scaleIn(arguments string) int {
	_, scale, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(arguments), ")"), ",")
	n, err := strconv.Atoi(strings.TrimSpace(scale))
	if !ok || err != nil || n < 0 || n > 18 {
		return 0
	}
	return n
}

func readStored(s *sqliteStmt, i int) offprint.Value {
	switch s.class(i) {
	case sqlite3.SQLITE_INTEGER:
		return offprint.IntValue(s.integer(i))
	case sqlite3.SQLITE_FLOAT:
		return offprint.FloatValue(s.real(i))
	case sqlite3.SQLITE_TEXT:
		return textValue(s.bytes(i))
	case sqlite3.SQLITE_BLOB:
		return offprint.SharedBytesValue(shared(s.bytes(i)))
	}
	return offprint.Value{}
}

func readText(s *sqliteStmt, i int) offprint.Value {
	v := readStored(s, i)
	switch v.Kind() {
	case offprint.Int, offprint.Float:
		return offprint.TextValue(v.String())
	}
	return v
}

func readBool(s *sqliteStmt, i int) offprint.Value {
	v := readStored(s, i)
	if v.Kind() == offprint.Int && (v.Int() == 0 || v.Int() == 1) {
		return offprint.BoolValue(v.Int() == 1)
	}
	if text := v.Text(); v.Kind() == offprint.Text && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")) {
		return offprint.BoolValue(strings.EqualFold(text, "true"))
	}
	return v
}

// readNumber reads what is exact as a decimal, for SQLite keeps that as text.
func readNumber(s *sqliteStmt, i int) offprint.Value {
	v := readStored(s, i)
	if v.Kind() == offprint.Text {
		if d, ok := decimalIn(v.Text()); ok {
			return d
		}
	}
	return v
}

// How many digits of a binary fraction are taken: those that tell it apart
// where it was stored, those that SQLite vouches for where it was reckoned
// (0.1 + 0.2 is 0.3).
const (
	shortest = -1
	vouched  = 15
)

// readDecimal gives a number at least the declared digits after the point, so
// that 10.5 in DECIMAL(12,2) is 10.50.
func readDecimal(scale, digits int) reader {
	return func(s *sqliteStmt, i int) offprint.Value {
		switch s.class(i) {
		case sqlite3.SQLITE_INTEGER:
			return widened(offprint.DecimalValue(s.integer(i), 0), scale)
		case sqlite3.SQLITE_FLOAT:
			return widened(decimalOf(s.real(i), digits), scale)
		}
		return readNumber(s, i)
	}
}

// decimalOf is f by so many significant digits; ±Inf stays what it is.
func decimalOf(f float64, digits int) offprint.Value {
	var room [400]byte
	text := strconv.AppendFloat(room[:0], f, 'g', digits, 64)
	if digits != shortest { // the same number with fewer digits is written with those
		if rounded, err := strconv.ParseFloat(shared(text), 64); err == nil {
			f = rounded
		}
	}
	text = strconv.AppendFloat(room[:0], f, 'f', -1, 64)
	if d, ok := decimalIn(shared(text)); ok {
		return d
	}
	return offprint.FloatValue(f)
}

// decimalIn reads a decimal, a short one without an allocation. What it
// answers shares no memory with text.
func decimalIn(text string) (offprint.Value, bool) {
	digits := strings.TrimPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	count := len(whole) + len(fraction)
	if len(whole) == 0 || count > 18 || span(whole, digit)+span(fraction, digit) < count {
		return offprint.ParseDecimal(strings.Clone(text))
	}
	n := int64(0)
	for _, part := range [2]string{whole, fraction} {
		for i := range len(part) {
			n = n*10 + int64(part[i]-'0')
		}
	}
	if len(digits) < len(text) {
		n = -n
	}
	return offprint.DecimalValue(n, len(fraction)), true
}

// widened is d with at least so many digits after the point.
func widened(d offprint.Value, scale int) offprint.Value {
	n, has, short := d.Unscaled()
	if !short || has >= scale {
		return d
	}
	for at := has; at < scale; at++ {
		if n > 1e17 || n < -1e17 {
			return longer(d, scale-has)
		}
		n *= 10
	}
	return offprint.DecimalValue(n, scale)
}

func longer(d offprint.Value, zeros int) offprint.Value {
	text := d.String()
	if !strings.Contains(text, ".") {
		text += "."
	}
	long, _ := offprint.ParseDecimal(text + strings.Repeat("0", zeros)) // digits, by construction
	return long
}

// readTime reads the forms of SQLite's own date functions. What has no zone is
// in the source's. A number is seconds since 1970 where the header says that
// it is a time, and else a number.
func readTime(zone *time.Location, numbers bool) reader {
	return func(s *sqliteStmt, i int) offprint.Value {
		v := readStored(s, i)
		switch {
		case v.Kind() == offprint.Text:
			if t, ok := parseStamp(v.Text(), zone); ok {
				return t
			}
		case v.Kind() == offprint.Int && numbers:
			return offprint.InstantValue(v.Int() * 1e6)
		}
		return v
	}
}
