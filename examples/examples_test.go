package examples_test

import (
	"flag"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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

var update = flag.Bool("update", false, "write the golden files anew")

// What each answers is written beside it, as whoever copies it would do.
func TestEveryExampleAnswersAsWritten(t *testing.T) {
	shop := filepath.Join(t.TempDir(), "shop.db")
	if err := server.Sample(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	config := server.Config{Reports: "reports", Sources: map[string]server.SourceConfig{"shop": {URL: "sqlite:" + shop}}}
	tested := map[string]bool{}
	problems, err := server.Test(t.Context(), config, server.Testing{Update: *update, Tell: func(one server.Tested) bool {
		tested[one.Report] = true
		if one.Text != "" {
			t.Errorf("%s %s: %s\n%s\nwant\n%s", one.Report, one.Name, one.Text, one.Got, one.Want)
		}
		return true
	}})
	if err != nil || problems != nil {
		t.Fatal(err, problems)
	}
	for _, file := range files(t) {
		if name := strings.TrimSuffix(path.Base(file), ".sql"); !tested[name] {
			t.Errorf("%s has no cases", name)
		}
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
