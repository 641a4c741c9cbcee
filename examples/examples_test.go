package examples_test

import (
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/examples"
	"github.com/offprint/offprint/server"
)

// branch are those who need a role and a tenant; everybody else is as a
// newcomer is, who only ever presses the button.
var branch = map[string]offprint.Identity{
	"contacts": {User: "ines", Tenant: "DE", Roles: []string{"branch"}},
}

// Whoever opens the demo never clicks into an error: every report is right,
// and comes out in every format as its form stands.
func TestEveryExampleRunsAsItStands(t *testing.T) {
	config, err := server.Demo(t.Context(), t.TempDir(), 4000)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files(t) {
		name := strings.TrimSuffix(path.Base(file), ".sql")
		t.Run(name, func(t *testing.T) {
			made := 0
			for _, format := range []string{"xlsx", "pdf", "csv", "jsonl"} {
				ask := server.Ask{Report: name, Format: format, Who: branch[name]}
				run, err := server.Make(t.Context(), config, ask, io.Discard, func(offprint.Phase, offprint.Progress) {})
				if offprint.CodeOf(err) == offprint.Invalid { // not a format of this report
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", format, err)
				}
				if run.File.Rows == 0 {
					t.Errorf("%s: no rows", format)
				}
				made++
			}
			if made < 2 {
				t.Errorf("made in %d formats only", made)
			}
		})
	}
}

// Each says why it is there, and the guide names it.
func TestEveryExampleIsExplained(t *testing.T) {
	all := files(t)
	guide, err := os.ReadFile("../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Errorf("%d examples, want ten", len(all))
	}
	for _, file := range all {
		text, err := fs.ReadFile(examples.Reports(), file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "/*---\n# ") || !strings.Contains(string(text), "\ndescription:") {
			t.Errorf("%s: no comment at its top, or no description", file)
		}
		if !strings.Contains(string(guide), "(../examples/reports/"+file+")") {
			t.Errorf("%s: docs/reports.md does not name it", file)
		}
	}
}

func files(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(examples.Reports(), "*/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return files
}
