package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/offprint/offprint/server"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestTheSchemaOfCasesKnowsTheirWordsAndNoOthers(t *testing.T) {
	text, err := server.CasesSchema()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "docs", "cases.schema.json")
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || !bytes.Equal(text, want) {
		t.Errorf("docs/cases.schema.json is not what offprint schema cases prints; go test ./server -run Schema -update (%v)", err)
	}
	var schema struct {
		Items struct {
			Properties map[string]struct{ Enum []string }
		}
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for key, value := range schema.Items.Properties {
		keys = append(keys, key)
		if said := wrongCase(t, "- "+key+": zzzzzzzzzzzz\n"); value.Enum != nil && !strings.Contains(said, "There are: "+strings.Join(value.Enum, ", ")+".") {
			t.Errorf("%s may be %v, and the program says %s", key, value.Enum, said)
		}
	}
	slices.Sort(keys)
	told := regexp.MustCompile(`has no key zzzzzzzzzzzz\. There are: ([^.]*)\.`).FindStringSubmatch(wrongCase(t, "- zzzzzzzzzzzz: 1\n"))
	if told == nil || told[1] != strings.Join(keys, ", ") {
		t.Errorf("the schema has %v, the program says %v", keys, told)
	}
}

// wrongCase is all that is said of a file of cases.
func wrongCase(t *testing.T, cases string) string {
	t.Helper()
	checked, err := server.Check(t.Context(), server.Config{
		Sources: map[string]server.SourceConfig{"shop": {URL: "sqlite:nowhere.db"}},
		ReportFiles: fstest.MapFS{
			"a.sql":       {Data: []byte("/*---\n---*/\nSELECT 1 AS one")},
			"a.test.yaml": {Data: []byte(cases)},
		},
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	return checked.Problems.Error()
}
