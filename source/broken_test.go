package source_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint/source"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every file of testdata/broken is wrong in its own way, and expected.txt is
// all that is said of them, read by people before it was kept.
func TestEveryMistakeIsToldWithItsPlaceAndItsCure(t *testing.T) {
	const columns = `(id INTEGER PRIMARY KEY, region TEXT, amount NUMERIC(12,2), price NUMERIC(12,2), day DATE, stamp TIMESTAMP, paid BOOLEAN, note TEXT)`
	postgres, _ := server(t, `CREATE TABLE orders `+columns)
	dir := filepath.Join("testdata", "broken")
	file := filepath.Join(t.TempDir(), "lite.db")
	fill(t, file, `CREATE TABLE orders `+columns)
	f, _ := source.OpenFolder(dir, map[string]*source.Database{"shop": postgres, "lite": open(t, source.Config{Name: "lite", URL: "sqlite:" + file})})
	f.Formats("xlsx", "pdf", "csv", "jsonl")
	f.Delivers("webhook")
	problems := f.Check(t.Context(), false)

	told := map[string]bool{}
	for i, p := range problems {
		told[p.File] = true
		problems[i].File = filepath.Base(p.File)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !told[file] {
			t.Errorf("nothing is said of %s", file)
		}
	}
	got := problems.Error() + "\n"
	golden := filepath.Join(dir, "expected.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(got) {
		if !strings.Contains(string(want), line) {
			t.Errorf("it says what is not expected: %s", line)
		}
	}
	if got != string(want) {
		t.Errorf("got\n%s", got)
	}
}
