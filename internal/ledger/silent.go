package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/offprint/offprint"
)

// Silent tells whether err is the ledger's database not answering, which
// passes, rather than a fault.
func Silent(err error) bool {
	var told *offprint.Error
	var said *pgconn.PgError
	var network net.Error
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &told):
		return false
	case errors.As(err, &said): // connection, resources, shutdown
		return strings.HasPrefix(said.Code, "08") || strings.HasPrefix(said.Code, "53") || strings.HasPrefix(said.Code, "57P")
	case errors.As(err, &connect), errors.As(err, &network), isBusy(err):
		return true
	}
	for _, silence := range []error{driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded} {
		if errors.Is(err, silence) {
			return true
		}
	}
	return false
}
