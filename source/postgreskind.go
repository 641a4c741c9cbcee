package source

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/offprint/offprint"
)

// A decoder makes a value of what PostgreSQL sent. The value may share b's
// memory, which is good until the next row.
type decoder func(b []byte) offprint.Value

const (
	textFormat   = 0
	binaryFormat = 1
)

// postgresColumns tells for each field its kind, the form to ask for it in,
// and how to read that. PostgreSQL tells of a domain the type beneath it. Any
// type not named here comes as its text: enums, ranges, arrays, composites,
// intervals, addresses, and those of extensions.
func postgresColumns(fields []pgconn.FieldDescription) ([]offprint.Column, []int16, []decoder) {
	columns := make([]offprint.Column, len(fields))
	formats := make([]int16, len(fields))
	decoders := make([]decoder, len(fields))
	for i, f := range fields {
		columns[i] = offprint.Column{Name: f.Name, Kind: offprint.Text}
		formats[i], decoders[i] = textFormat, textValue
		if kind, read := binaryKind(f.DataTypeOID); read != nil {
			columns[i].Kind, formats[i], decoders[i] = kind, binaryFormat, read
		}
	}
	return columns, formats, decoders
}

func binaryKind(oid uint32) (offprint.Kind, decoder) {
	switch oid {
	case pgtype.BoolOID:
		return offprint.Bool, func(b []byte) offprint.Value { return offprint.BoolValue(b[0] != 0) }
	case pgtype.Int2OID:
		return offprint.Int, func(b []byte) offprint.Value { return offprint.IntValue(int64(int16(binary.BigEndian.Uint16(b)))) }
	case pgtype.Int4OID:
		return offprint.Int, func(b []byte) offprint.Value { return offprint.IntValue(int64(int32(binary.BigEndian.Uint32(b)))) }
	case pgtype.Int8OID:
		return offprint.Int, func(b []byte) offprint.Value { return offprint.IntValue(micros(b)) }
	case pgtype.OIDOID:
		return offprint.Int, func(b []byte) offprint.Value { return offprint.IntValue(int64(binary.BigEndian.Uint32(b))) }
	case pgtype.Float4OID:
		return offprint.Float, float4Value
	case pgtype.Float8OID:
		return offprint.Float, func(b []byte) offprint.Value {
			return offprint.FloatValue(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case pgtype.NumericOID:
		return offprint.Decimal, numericValue
	case pgtype.DateOID:
		return offprint.Date, dateValue
	case pgtype.TimestampOID:
		return offprint.Timestamp, func(b []byte) offprint.Value { return timestampValue(b, offprint.WallValue) }
	case pgtype.TimestamptzOID:
		return offprint.Timestamp, func(b []byte) offprint.Value { return timestampValue(b, offprint.InstantValue) }
	case pgtype.ByteaOID:
		return offprint.Bytes, func(b []byte) offprint.Value { return offprint.SharedBytesValue(shared(b)) }
	}
	return offprint.Null, nil
}

func textValue(b []byte) offprint.Value { return offprint.TextValue(shared(b)).Valid() }

func float4Value(b []byte) offprint.Value {
	return shortFloat(math.Float32frombits(binary.BigEndian.Uint32(b)))
}

// shortFloat has the digits that the database would print: 0.1, not 0.10000000149011612.
func shortFloat(v float32) offprint.Value {
	var digits [32]byte
	f, err := strconv.ParseFloat(string(strconv.AppendFloat(digits[:0], float64(v), 'g', -1, 32)), 64)
	if err != nil {
		f = float64(v)
	}
	return offprint.FloatValue(f)
}

const (
	epochDays   = 10957 // from 1970-01-01 to PostgreSQL's 2000-01-01
	dayMicros   = 24 * 60 * 60 * 1e6
	epochMicros = epochDays * dayMicros
)

func dateValue(b []byte) offprint.Value {
	switch days := int32(binary.BigEndian.Uint32(b)); days {
	case math.MaxInt32:
		return offprint.TextValue("infinity")
	case math.MinInt32:
		return offprint.TextValue("-infinity")
	default:
		return offprint.DateValue(int64(days) + epochDays)
	}
}

func timestampValue(b []byte, of func(int64) offprint.Value) offprint.Value {
	switch n := micros(b); {
	case n == math.MaxInt64:
		return offprint.TextValue("infinity")
	case n == math.MinInt64:
		return offprint.TextValue("-infinity")
	case n > math.MaxInt64-epochMicros: // the last thirty years of PostgreSQL's calendar, 294247 and later
		day, clock := offprint.DateValue(n/dayMicros+epochDays), of(n%dayMicros)
		return offprint.TextValue(day.String() + clock.String()[len("1970-01-01"):])
	default:
		return of(n + epochMicros)
	}
}

// The sign of PostgreSQL's binary numeric.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericInf      = 0xD000
	numericMinusInf = 0xF000
)

// numericValue reads base-10000 digits: count, weight of the first, sign,
// digits after the point to show, digits. It keeps that scale: 1.50 stays 1.50.
func numericValue(b []byte) offprint.Value {
	count, weight := int(binary.BigEndian.Uint16(b)), int(int16(binary.BigEndian.Uint16(b[2:])))
	sign, scale := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	switch sign {
	case numericNaN:
		return offprint.FloatValue(math.NaN())
	case numericInf:
		return offprint.FloatValue(math.Inf(1))
	case numericMinusInf:
		return offprint.FloatValue(math.Inf(-1))
	}
	b = b[8:]
	if max(0, weight+1)*4+scale > 18 {
		return longNumeric(b, count, weight, scale, sign == numericNegative)
	}
	var n int64
	for place := max(weight, 0); place >= 0; place-- {
		n = n*10000 + numericDigit(b, weight-place, count)
	}
	for left, at := scale, weight+1; left > 0; left, at = left-4, at+1 {
		digit := numericDigit(b, at, count)
		switch left {
		case 1:
			n = n*10 + digit/1000
		case 2:
			n = n*100 + digit/100
		case 3:
			n = n*1000 + digit/10
		default:
			n = n*10000 + digit
		}
	}
	if sign == numericNegative {
		n = -n
	}
	return offprint.DecimalValue(n, scale)
}

// numericDigit is the base-10000 digit at an index; those not sent are 0.
func numericDigit(b []byte, at, count int) int64 {
	if at < 0 || at >= count {
		return 0
	}
	return int64(binary.BigEndian.Uint16(b[2*at:]))
}

// longNumeric writes what does not fit 18 digits. It allocates.
func longNumeric(b []byte, count, weight, scale int, negative bool) offprint.Value {
	var text strings.Builder
	if negative {
		text.WriteByte('-')
	}
	var digits strings.Builder
	last := weight + 1 + (scale+3)/4
	for at := min(0, weight+1); at < last; at++ {
		four := strconv.FormatInt(numericDigit(b, at, count)+10000, 10)
		digits.WriteString(four[1:])
	}
	all := digits.String()
	point := max(0, weight+1) * 4
	whole := strings.TrimLeft(all[:point], "0")
	if whole == "" {
		whole = "0"
	}
	text.WriteString(whole)
	if scale > 0 {
		text.WriteString("." + all[point:point+scale])
	}
	d, _ := offprint.ParseDecimal(text.String()) // digits, by construction
	return d
}
