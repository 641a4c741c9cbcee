package source_test

import (
	"path/filepath"
	"testing"

	"github.com/offprint/offprint/source"
)

const twoParts = "/*---\nsource: shop\n---*/\nSELECT 1 AS a\n/*---\npart: more\n---*/\nSELECT 2 AS b"

// A document of several parts says how many, and lets its owner write again
// when it is read.
func TestSeveralPartsAreCountedAndLetGo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, `CREATE TABLE x (n)`)
	sqlite := open(t, source.Config{Name: "shop", URL: "sqlite:" + file, MaxConnections: 1})
	postgres, _ := server(t)
	for name, db := range map[string]*source.Database{"SQLite": sqlite, "PostgreSQL": postgres} {
		t.Run(name, func(t *testing.T) {
			r := report(t, db, twoParts)
			for range 3 { // more often than there are connections
				doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
				if err != nil {
					t.Fatal(err)
				}
				if doc.Count != 2 {
					t.Errorf("%d parts are announced", doc.Count)
				}
				rows := 0
				for table, err := range doc.Parts {
					if err != nil {
						t.Fatal(err)
					}
					for _, err := range table.Rows {
						if err != nil {
							t.Fatal(err)
						}
						rows++
					}
				}
				if rows != 2 {
					t.Errorf("%d rows", rows)
				}
			}
		})
	}
	fill(t, file, `PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`, `INSERT INTO x VALUES (1)`, `COMMIT`)
}
