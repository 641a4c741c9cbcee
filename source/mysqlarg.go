package source

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// mysqlPlaceholder gives a value its type where the text that it is sent as
// would not: MySQL compares texts with numbers as binary fractions, and a text
// has no days to add to.
func mysqlPlaceholder(_ int, a arg) string {
	switch a.kinds {
	case offprint.DecimalParam:
		return decimalPlaceholder(a.value)
	case offprint.DateParam:
		return "CAST(? AS DATE)"
	case offprint.DatetimeParam:
		return "CAST(? AS DATETIME(6))"
	}
	return "?"
}

// The most digits of a DECIMAL, and of those after the point.
const (
	mostDigits = 65
	mostScale  = 30
)

func decimalPlaceholder(value any) string {
	v, given := value.(offprint.Value)
	if !given {
		return fmt.Sprintf("CAST(? AS DECIMAL(%d, %d))", mostDigits, mostScale)
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(v.String(), "-"), ".")
	if digits := len(whole) + len(fraction); digits <= mostDigits && len(fraction) <= mostScale {
		return fmt.Sprintf("CAST(? AS DECIMAL(%d, %d))", digits, len(fraction))
	}
	return "?" // no DECIMAL of the database is equal to it
}

// mysqlArg is a parameter as it is sent: times as DATETIME stores them, in the
// zone of the source.
func mysqlArg(value any, zone *time.Location) driver.Value {
	switch v := value.(type) {
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case offprint.Value:
		return v.String()
	case offprint.Day:
		return v.String()
	case time.Time:
		return v.In(zone).Format("2006-01-02 15:04:05.999999")
	}
	return value
}

// mysqlSample is some value of a type, for a statement that is only looked at.
func mysqlSample(kind offprint.ParamType) driver.Value {
	switch kind {
	case offprint.IntParam, offprint.BoolParam:
		return int64(1)
	case offprint.DecimalParam:
		return "1"
	case offprint.DateParam, offprint.DatetimeParam:
		return "2026-01-31"
	}
	return ""
}

func ordinal(values []driver.Value) []driver.NamedValue {
	all := make([]driver.NamedValue, len(values))
	for i, v := range values {
		all[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return all
}

func (m *mysqlServer) prologue(zone *time.Location) string {
	return "SET NAMES utf8mb4; SET time_zone = " + mysqlZone(zone) + ", sql_mode = REPLACE(REPLACE(@@sql_mode, 'ANSI_QUOTES', ''), 'NO_BACKSLASH_ESCAPES', '');\n"
}

func (m *mysqlServer) literal(value any, _ piece) string {
	one := func(v any) string { return mysqlLiteral(v, m.zone) }
	if list, many := value.([]any); many {
		return literals(list, one)
	}
	return one(value)
}

func mysqlLiteral(value any, zone *time.Location) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case int64:
		return signed(strconv.FormatInt(v, 10))
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case offprint.Value:
		return signed(v.String())
	case offprint.Day:
		return "DATE " + quoted(v.String())
	case time.Time:
		return "TIMESTAMP " + quoted(v.In(zone).Format("2006-01-02 15:04:05.999999"))
	}
	return mysqlQuoted(value.(string))
}

var mysqlEscapes = strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`)

func mysqlQuoted(text string) string { return "'" + mysqlEscapes.Replace(text) + "'" }
