package source

import (
	"database/sql/driver"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// A mysqlDecoder makes a value of what the driver read, which is not nil. The
// value may share its memory, which is good until the next row.
type mysqlDecoder func(cell driver.Value) offprint.Value

// mysqlColumns tells for each column its kind and how to read it. The header
// decides where a type of the database may mean two things: TINYINT and BIT
// are numbers unless they are said to be booleans, and bytes are bytes unless
// they are said to be text.
func mysqlColumns(rows driver.Rows, said []column, session *clock, zone *time.Location) ([]offprint.Column, []mysqlDecoder) {
	names := rows.Columns()
	columns := make([]offprint.Column, len(names))
	decoders := make([]mysqlDecoder, len(names))
	types := rows.(driver.RowsColumnTypeDatabaseTypeName)
	stored := &clock{zone: zone}
	for i, name := range names {
		columns[i].Name = name
		columns[i].Kind, decoders[i] = mysqlKind(types.ColumnTypeDatabaseTypeName(i), session, stored)
		for _, c := range said {
			if c.Name == name {
				columns[i].Kind, decoders[i] = mysqlSaid(c.As, columns[i].Kind, decoders[i])
			}
		}
	}
	return columns, decoders
}

func mysqlKind(name string, session, stored *clock) (offprint.Kind, mysqlDecoder) {
	switch strings.TrimPrefix(name, "UNSIGNED ") {
	case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR":
		return offprint.Int, mysqlInt
	case "BIT":
		return offprint.Int, mysqlBit
	case "FLOAT", "DOUBLE":
		return offprint.Float, mysqlFloat
	case "DECIMAL":
		return offprint.Decimal, mysqlDecimal
	case "DATE":
		return offprint.Date, mysqlDate
	case "DATETIME":
		return offprint.Timestamp, stored.datetime
	case "TIMESTAMP":
		return offprint.Timestamp, session.timestamp
	case "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "GEOMETRY", "VECTOR":
		return offprint.Bytes, mysqlBytes
	}
	return offprint.Text, mysqlText
}

func mysqlSaid(as offprint.As, kind offprint.Kind, decode mysqlDecoder) (offprint.Kind, mysqlDecoder) {
	switch {
	case as == offprint.AsBool && kind == offprint.Int:
		return offprint.Bool, func(cell driver.Value) offprint.Value {
			v := decode(cell)
			if v.Kind() == offprint.Int && (v.Int() == 0 || v.Int() == 1) {
				return offprint.BoolValue(v.Int() == 1)
			}
			return v
		}
	case (as == offprint.AsText || as == offprint.AsID) && kind == offprint.Bytes:
		return offprint.Text, func(cell driver.Value) offprint.Value {
			v := decode(cell)
			if v.Kind() == offprint.Bytes && utf8.ValidString(v.Text()) {
				return offprint.TextValue(v.Text())
			}
			return v
		}
	}
	return kind, decode
}

// mysqlRaw is a cell of a kind that its column did not announce.
func mysqlRaw(cell driver.Value) offprint.Value {
	if b, ok := cell.([]byte); ok {
		return textValue(b)
	}
	return offprint.ValueOf(cell)
}

func mysqlText(cell driver.Value) offprint.Value { return mysqlRaw(cell) }

// mysqlInt is an integer; what is above all 64-bit ones comes as digits.
func mysqlInt(cell driver.Value) offprint.Value {
	switch v := cell.(type) {
	case int64:
		return offprint.IntValue(v)
	case []byte:
		if n, err := strconv.ParseUint(shared(v), 10, 64); err == nil {
			return offprint.UintValue(n)
		}
	}
	return mysqlRaw(cell)
}

// mysqlBit is the number that the bits are, the first the highest.
func mysqlBit(cell driver.Value) offprint.Value {
	b, ok := cell.([]byte)
	if !ok || len(b) > 8 {
		return mysqlRaw(cell)
	}
	n := uint64(0)
	for _, eight := range b {
		n = n<<8 | uint64(eight)
	}
	return offprint.UintValue(n)
}

func mysqlFloat(cell driver.Value) offprint.Value {
	switch v := cell.(type) {
	case float64:
		return offprint.FloatValue(v)
	case float32:
		return shortFloat(v)
	}
	return mysqlRaw(cell)
}

func mysqlDecimal(cell driver.Value) offprint.Value {
	if b, ok := cell.([]byte); ok {
		if d, ok := decimalIn(shared(b)); ok {
			return d
		}
	}
	return mysqlRaw(cell)
}

func mysqlBytes(cell driver.Value) offprint.Value {
	if b, ok := cell.([]byte); ok {
		return offprint.SharedBytesValue(shared(b))
	}
	return mysqlRaw(cell)
}

// mysqlDate is a day. One that no calendar has, as 0000-00-00 and 2026-02-00,
// stays as it is written.
func mysqlDate(cell driver.Value) offprint.Value {
	if b, ok := cell.([]byte); ok {
		if day, ok := parseStamp(shared(b), time.UTC); ok {
			return day
		}
	}
	return mysqlRaw(cell)
}

// wall is what a clock showed, in microseconds since 1970-01-01 00:00.
func wall(cell driver.Value) (micros int64, ok bool) {
	b, ok := cell.([]byte)
	if !ok {
		return 0, false
	}
	v, ok := parseStamp(shared(b), time.UTC)
	if !ok || v.Kind() != offprint.Timestamp {
		return 0, false
	}
	micros, _ = v.Wall(time.UTC)
	return micros, true
}

// datetime is stored in the clock's zone.
func (c *clock) datetime(cell driver.Value) offprint.Value {
	shown, ok := wall(cell)
	if !ok {
		return mysqlRaw(cell)
	}
	at, _ := c.instant(shown)
	return offprint.InstantValue(at)
}

// timestamp is an instant that the server wrote as the clock showed it. In the
// hour that an autumn night has twice, nobody could tell which of two instants
// it was, so it stays what was written, which is what people see of it in the
// same zone anyhow.
func (c *clock) timestamp(cell driver.Value) offprint.Value {
	shown, ok := wall(cell)
	if !ok {
		return mysqlRaw(cell)
	}
	at, sure := c.instant(shown)
	if !sure {
		return offprint.WallValue(shown)
	}
	return offprint.InstantValue(at)
}
