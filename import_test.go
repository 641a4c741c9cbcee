package offprint_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/offprint/offprint"

// arrows is the whole architecture: which of our packages each may import, and
// which of the outside things that have one address.
var arrows = map[string]string{
	".":                     "",
	"source":                ". internal/internet internal/yaml sql http",
	"examples":              "",
	"server":                ". examples source internal/yaml internal/blob internal/demo internal/desk internal/format/csv internal/format/jsonl internal/format/pdf internal/format/xlsx internal/identity internal/ledger internal/notify internal/web http yaml prometheus",
	"cmd/offprint":          ". server source",
	"internal/blob":         ". store",
	"internal/demo":         ". sql",
	"internal/desk":         ". internal/ledger",
	"internal/format/csv":   ". internal/format/lines",
	"internal/format/jsonl": ". internal/format/lines",
	"internal/format/lines": ".",
	"internal/format/look":  ".",
	"internal/format/pdf":   ". internal/format/look",
	"internal/format/xlsx":  ". internal/format/look",
	"internal/identity":     ". jose http",
	"internal/internet":     "",
	"internal/ledger":       ". sql river",
	"internal/notify":       ". internal/format/look internal/internet http mail",
	"internal/celltest":     ". examples internal/demo source",
	"internal/azuretest":    "internal/daemon store",
	"internal/daemon":       "",
	"internal/mailtest":     "mail",
	"internal/mariatest":    "internal/daemon sql",
	"internal/pgtest":       "internal/daemon sql",
	"internal/s3test":       "internal/daemon",
	"internal/signalr":      "http websocket",
	"internal/signalrtest":  "",
	"internal/yaml":         ". yaml",
	"internal/web":          ". internal/desk internal/identity internal/signalr http",
}

// addresses are outside things and their name in arrows; whoever has no leave
// to use one does without it.
var addresses = map[string]string{
	"database/sql":                  "sql",
	"github.com/go-sql-driver/":     "sql",
	"github.com/jackc/pgx/":         "sql",
	"modernc.org/sqlite":            "sql",
	"github.com/riverqueue/":        "river",
	"github.com/danielgtaylor/huma": "http",
	"net/http":                      "http",
	"github.com/coder/websocket":    "websocket",
	"github.com/go-jose/":           "jose",
	"github.com/prometheus/":        "prometheus",
	"github.com/goccy/go-yaml":      "yaml",
	"github.com/wneessen/go-mail":   "mail",
	"github.com/emersion/":          "mail",
	"github.com/minio/":             "store",
	"github.com/Azure/":             "store",
}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		pkg := room(path)
		leave, ok := arrows[pkg]
		if !ok {
			t.Errorf("package %s has no place in arrows; give it one, and a line in docs/design.md", pkg)
		}
		for imp := range strings.FieldsSeq(imports) {
			if name := needs(imp); name != "" && !slices.Contains(strings.Fields(leave), name) {
				t.Errorf("%s imports %s; it may import: %s", pkg, imp, leave)
			}
		}
	}
}

// needs is the leave that an import takes; empty: none.
func needs(imp string) string {
	if imp == module || strings.HasPrefix(imp, module+"/") {
		return room(imp)
	}
	for prefix, name := range addresses {
		if imp == prefix || strings.HasPrefix(imp, strings.TrimSuffix(prefix, "/")+"/") {
			return name
		}
	}
	return ""
}

func room(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// The vocabulary needs only the standard library, so that whoever writes a
// report in Go takes on nothing else.
func TestTheVocabularyStandsAlone(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{join .Deps \"\\n\"}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		if first, _, _ := strings.Cut(strings.TrimSpace(dep), "/"); strings.Contains(first, ".") {
			t.Errorf("it needs %s", strings.TrimSpace(dep))
		}
	}
}
