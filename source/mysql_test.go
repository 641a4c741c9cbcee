package source_test

import (
	"database/sql"
	"path"
	"strings"
	"testing"

	"github.com/offprint/offprint/internal/mariatest"
)

// maria is a fresh MariaDB database with what the statements put into it: its
// URL, and a connection beside ours.
func maria(t *testing.T, statements ...string) (url string, beside *sql.DB) {
	t.Helper()
	url = mariatest.URL(t)
	address, socket, _ := strings.Cut(url, "?socket=")
	beside, err := mariatest.Open(socket, path.Base(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { beside.Close() })
	for _, s := range statements {
		if _, err := beside.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return url, beside
}
