package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint/internal/pgtest"
)

func TestAPreviewTellsOfHowManyRowsTheseAreTheFirst(t *testing.T) {
	url := pgtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE n AS SELECT g AS n FROM generate_series(1, 30000) AS g; ANALYZE n"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"offprint.yaml": "reports: .\nsources:\n  shop: {url: \"" + url + "\"}\n",
		"numbers.sql":   "/*---\n---*/\nSELECT n FROM n ORDER BY n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	code := run([]string{"run", "numbers", "--config", filepath.Join(dir, "offprint.yaml"), "--preview", "2"}, nil, &out, &errs)
	if want := "n\n1\n2\n2 of about 30,000 rows.\n"; code != done || out.String() != want {
		t.Errorf("exit %d\n%s%s\nwant\n%s", code, out.String(), errs.String(), want)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colors, and no terminal")
	}
}
