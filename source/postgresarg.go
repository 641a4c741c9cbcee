package source

import (
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/offprint/offprint"
)

// untyped leaves it to PostgreSQL to find a parameter's type, as it does for a
// quoted literal: so texts compare with enums, uuids and citext.
const untyped = 0

// postgresArg is a value in its text form and its declared type. nil is null.
func postgresArg(a arg) (value []byte, oid uint32) {
	if list, ok := a.value.([]any); ok {
		return postgresArray(list, a.kinds)
	}
	oid = postgresType(a.kinds, a.value)
	if a.text {
		oid = pgtype.TextOID
	}
	if a.value == nil {
		return nil, oid
	}
	return []byte(postgresText(a.value)), oid
}

// postgresType declares what a literal of that value would be: a small whole
// number is an integer, so that day + :n and repeat(x, :n) work.
func postgresType(kind offprint.ParamType, value any) uint32 {
	switch kind {
	case offprint.IntParam:
		if n, ok := value.(int64); ok && int64(int32(n)) != n {
			return pgtype.Int8OID
		}
		return pgtype.Int4OID
	case offprint.DecimalParam:
		return pgtype.NumericOID
	case offprint.BoolParam:
		return pgtype.BoolOID
	case offprint.DateParam:
		return pgtype.DateOID
	case offprint.DatetimeParam:
		return pgtype.TimestamptzOID
	}
	return untyped
}

func postgresText(value any) string {
	switch v := value.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case offprint.Value:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case offprint.Day:
		return v.String()
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return value.(string)
}

var arrayNames = map[uint32]string{
	pgtype.Int4ArrayOID: "int4[]", pgtype.Int8ArrayOID: "int8[]", pgtype.NumericArrayOID: "numeric[]",
	pgtype.BoolArrayOID: "bool[]", pgtype.DateArrayOID: "date[]", pgtype.TimestamptzArrayOID: "timestamptz[]",
}

func arrayOf(element uint32) uint32 {
	switch element {
	case pgtype.Int4OID:
		return pgtype.Int4ArrayOID
	case pgtype.Int8OID:
		return pgtype.Int8ArrayOID
	case pgtype.NumericOID:
		return pgtype.NumericArrayOID
	case pgtype.BoolOID:
		return pgtype.BoolArrayOID
	case pgtype.DateOID:
		return pgtype.DateArrayOID
	case pgtype.TimestamptzOID:
		return pgtype.TimestamptzArrayOID
	}
	return untyped
}

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// postgresArray is {"a","b"}, of the widest type that an element needs.
func postgresArray(list []any, kind offprint.ParamType) ([]byte, uint32) {
	element := postgresType(kind, nil)
	items := make([]string, len(list))
	for i, v := range list {
		if postgresType(kind, v) == pgtype.Int8OID {
			element = pgtype.Int8OID
		}
		items[i] = `"` + arrayEscapes.Replace(postgresText(v)) + `"`
	}
	return []byte("{" + strings.Join(items, ",") + "}"), arrayOf(element)
}

// textInstead is the type to declare when PostgreSQL finds none by itself.
func textInstead(oid uint32, a arg) uint32 {
	if oid != untyped {
		return oid
	}
	if _, array := a.value.([]any); array {
		return pgtype.TextArrayOID
	}
	return pgtype.TextOID
}

func (p *postgres) fault(err error, sent string) fault {
	if errors.Is(err, errNoRows) {
		return fault{offprint.BadQuery, "This answers no rows. A report's query is a SELECT, or a WITH that ends in one.", 0}
	}
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused):
	case lost(err, pgconn.ErrConnClosed):
		return fault{code: offprint.SourceUnavailable}
	default:
		return fault{}
	}
	f := fault{code: sqlState(refused.Code)}
	if f.code == offprint.BadQuery || f.code == offprint.PermissionDenied {
		f.text = "PostgreSQL says: " + refused.Message + "."
		if refused.Message == "cannot insert multiple commands into a prepared statement" {
			f.text = "There is a second statement; " + onlyOne + "."
		}
		if refused.Hint != "" {
			f.text += " " + refused.Hint
		}
		f.at = byteAt(sent, int(refused.Position))
	}
	return f
}

// lost tells whether an error is of the network, or of a connection that ended.
// All else that the database did not say is ours: trying again would not mend it.
func lost(err error, drivers ...error) bool {
	var network net.Error
	return errors.As(err, &network) || slices.ContainsFunc(append(drivers,
		errNoConnection, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF,
	), func(end error) bool { return errors.Is(err, end) })
}

// byteAt is the byte, from 1, of a character that is counted from 1.
func byteAt(text string, character int) int {
	for at := range text {
		if character--; character == 0 {
			return at + 1
		}
	}
	return 0
}

// sqlState sorts SQLSTATEs by what is to be done.
func sqlState(state string) offprint.Code {
	switch state {
	case "40001", "40P01", "55P03":
		return offprint.SourceUnavailable
	case "57014": // not by us: a statement_timeout, or somebody at the database
		return offprint.SourceTimeout
	case "42501":
		return offprint.PermissionDenied
	case "25006", "21000", "P0001": // a write, a subquery of many rows, RAISE
		return offprint.BadQuery
	}
	if strings.HasPrefix(state, "57P0") {
		return offprint.SourceUnavailable
	}
	switch state[:min(2, len(state))] {
	case "08", "53", "3D": // 3D: a database that is not there, or not yet
		return offprint.SourceUnavailable
	case "28":
		return offprint.PermissionDenied
	case "42", "22", "0A", "54":
		return offprint.BadQuery
	}
	return ""
}
