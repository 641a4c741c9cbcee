package source_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/offprint/offprint/source"
)

func TestTheSchemaInTheGuideIsTheOneOfTheProgram(t *testing.T) {
	got, err := source.Schema()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "docs", "report.schema.json")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/report.schema.json is not what offprint schema prints; go test ./source -run Schema -update (%v)", err)
	}
}

// A node is as much of a schema as the test looks at.
type node struct {
	Type       any
	Enum       []string
	AnyOf      []node
	Items      *node
	Properties map[string]node
	Others     json.RawMessage `json:"additionalProperties"`
	Defs       map[string]node `json:"$defs"`
}

// Every place of the schema is held against what the header itself says there
// of a word that it cannot know: it lists those that it knows.
func TestTheSchemaKnowsTheHeadersWordsAndNoOthers(t *testing.T) {
	text, err := source.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	sources := twoSources(t)
	first := func(yaml string) string {
		_, problems := source.Parse("orders.sql", "/*---\n"+yaml+"\n---*/\nSELECT 1", sources)
		return problems.Error()
	}
	root.hold(t, "", first, func(yaml string) string { return yaml })
	further := func(yaml string) string {
		_, problems := source.Parse("orders.sql", "/*---\nsource: shop\n---*/\nSELECT 1\n/*---\n"+yaml+"\n---*/\nSELECT 1", sources)
		return problems.Error()
	}
	root.Defs["part"].hold(t, "part", further, func(yaml string) string { return yaml })
}

const bogus = "zzzzzzzzzzzz"

var (
	keysTold  = regexp.MustCompile(`has no key ` + bogus + `\. There are: ([^.]*)\.`)
	wordsTold = regexp.MustCompile(`cannot be "` + bogus + `"\. There are: (.*)\.(?:\n|$)`)
)

// hold looks at one place; in writes the YAML around what stands there.
func (n node) hold(t *testing.T, where string, told func(yaml string) string, in func(yaml string) string) {
	t.Helper()
	want := strings.Join(n.Enum, ", ")
	heard := wordsTold.FindStringSubmatch(told(in(bogus)))
	if n.Type == "boolean" && heard != nil { // a choice between two words that YAML takes for its own
		want = "true, false"
	}
	if heard == nil && n.Enum != nil || heard != nil && heard[1] != want {
		t.Errorf("%s: the schema's words are %q, the header's %q", where, want, heard)
	}
	n.inside(t, where, told, in)
}

// inside looks at what a place holds, whichever of its forms it has.
func (n node) inside(t *testing.T, where string, told func(yaml string) string, in func(yaml string) string) {
	t.Helper()
	for _, one := range n.AnyOf {
		one.inside(t, where, told, in)
	}
	if n.Items != nil {
		n.Items.inside(t, where+"[]", told, func(yaml string) string { return in("[" + yaml + "]") })
	}
	var others node
	if json.Unmarshal(n.Others, &others) == nil {
		others.inside(t, where+".a", told, func(yaml string) string { return in("{a: " + yaml + "}") })
	}
	if n.Properties == nil {
		return
	}
	var known []string
	for key, value := range n.Properties {
		known = append(known, key)
		value.hold(t, where+"."+key, told, func(yaml string) string { return in("{" + key + ": " + yaml + "}") })
	}
	slices.Sort(known)
	answer := told(in("{" + bogus + ": 1}"))
	if keys := keysTold.FindStringSubmatch(answer); keys == nil || keys[1] != strings.Join(known, ", ") {
		t.Errorf("%s: the schema's keys are %v, the header says %s", where, known, answer)
	}
}

var (
	aHeader   = regexp.MustCompile(`(?s)/\*---(.*?)---\*/`)
	anExample = regexp.MustCompile("(?s)(<!-- broken -->\n)?```sql\n(.*?)```")
)

// reportsIn are the reports that somebody may copy from a file.
func reportsIn(path, text string) (reports []string) {
	if filepath.Ext(path) == ".sql" {
		return []string{text}
	}
	for _, found := range anExample.FindAllStringSubmatch(text, -1) {
		if found[1] == "" {
			reports = append(reports, found[2])
		}
	}
	return reports
}

// fits holds a header against the schema of a first or a further one.
func fits(header string, further bool, head, part *jsonschema.Schema) error {
	var value any
	if err := yaml.Unmarshal([]byte(header), &value); err != nil {
		return err
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if instance == nil { // nothing need be said
		return nil
	}
	if further {
		return part.Validate(instance)
	}
	return head.Validate(instance)
}

// Every header that somebody may copy is right by the schema too.
func TestEveryHeaderInTheRepositoryFitsTheSchema(t *testing.T) {
	head, part := compiled(t)
	headers := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "testdata" || strings.HasPrefix(name, ".") && name != ".."):
			return fs.SkipDir
		case filepath.Ext(name) != ".sql" && filepath.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, report := range reportsIn(path, string(text)) {
			for i, found := range aHeader.FindAllStringSubmatch(report, -1) {
				headers++
				if err := fits(found[1], i > 0, head, part); err != nil {
					t.Errorf("%s: %v\n%s", path, err, found[1])
				}
			}
		}
		return nil
	})
	if err != nil || headers < 30 {
		t.Errorf("%d headers, %v", headers, err)
	}
}

// compiled are the schemas of the first header and of further ones.
func compiled(t *testing.T) (head, part *jsonschema.Schema) {
	t.Helper()
	text, err := source.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.json", document); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("report.json"), c.MustCompile("report.json#/$defs/part")
}
