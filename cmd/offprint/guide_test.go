package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint/server"
)

// What docs/reports.md shows is what happens: a reader's session is gone
// through from its top to its end, in one folder. A comment before a block
// says what it is, and nobody sees it:
//
//	<!-- report orders -p region=EU -->   reports/orders.sql; it is checked, and made with these flags
//	<!-- file reports/orders.test.yaml --> a file of that name
//	<!-- warehouse -->                    what PostgreSQL is to do first
//	<!-- config -->                       what may stand in offprint.yaml
//	<!-- broken -->                       a report with the mistakes that the next block shows
//	<!-- not run: why -->                 left alone
//
// A console block holds commands after "$ " and what they answer; … in an
// answer stands for anything.
func TestTheGuideIsTrue(t *testing.T) {
	shop := filepath.Join(t.TempDir(), "shop.db")
	if err := server.Sample(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OFFPRINT_SOURCES__WAREHOUSE__URL", warehouse(t, shop))
	t.Setenv("OFFPRINT_SOURCES__BOOKS__URL", books(t, shop))
	t.Setenv("OFFPRINT_SOURCES__ERP__URL", erp(t, shop))
	t.Setenv("OFFPRINT_SOURCES__ERP__ALLOW_PRIVATE", "true")
	text, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	g := &guide{t: t}
	for _, b := range fenced(string(text)) {
		g.block(b)
	}
	if len(g.reports) < 10 || g.commands < 10 {
		t.Errorf("%d reports and %d commands were found; is the guide read right?", len(g.reports), g.commands)
	}
	out, code := g.offprint("check")
	if code != done {
		t.Errorf("offprint check, with all reports of the guide: %s", out)
	}
	for _, r := range g.reports {
		g.made(r)
	}
}

// The schema knows every key that a header and a case may have.
func TestTheGuideNamesEveryKey(t *testing.T) {
	guide, err := os.ReadFile("../../docs/reports.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []string{"report", "cases"} {
		var out bytes.Buffer
		if run([]string{"schema", of}, strings.NewReader(""), &out, &out) != done {
			t.Fatal(out.String())
		}
		var schema any
		if err := json.Unmarshal(out.Bytes(), &schema); err != nil {
			t.Fatal(err)
		}
		for _, key := range keysIn(schema) {
			if !bytes.Contains(guide, []byte("`"+key+"`")) && !bytes.Contains(guide, []byte("`"+key+":")) {
				t.Errorf("docs/reports.md says nothing of %s", key)
			}
		}
	}
}

// keysIn are the names of all properties in a schema.
func keysIn(schema any) (keys []string) {
	switch s := schema.(type) {
	case []any:
		for _, inner := range s {
			keys = append(keys, keysIn(inner)...)
		}
	case map[string]any:
		properties, _ := s["properties"].(map[string]any)
		keys = slices.Collect(maps.Keys(properties))
		for _, inner := range s {
			keys = append(keys, keysIn(inner)...)
		}
	}
	return keys
}

// A fence is a block of code and the comment that stands before it.
type fence struct {
	line           int
	language, text string
	word, rest     string // of the comment: "report", "orders -p region=EU"
}

var code = regexp.MustCompile("(?ms)^(?:<!-- ([a-z]+(?: run:)?) ?(.*?) ?-->\n)?```([a-z]*)\n(.*?)^```$")

func fenced(text string) (all []fence) {
	for _, at := range code.FindAllStringSubmatchIndex(text, -1) {
		group := func(n int) string {
			if at[2*n] < 0 {
				return ""
			}
			return text[at[2*n]:at[2*n+1]]
		}
		all = append(all, fence{
			line: strings.Count(text[:at[6]], "\n") + 1, word: group(1), rest: group(2), language: group(3), text: group(4),
		})
	}
	return all
}

// broken is there until the next session has shown what is wrong with it.
const broken = "reports/broken.sql"

// A guide is a reader who does what it says.
type guide struct {
	t        *testing.T
	reports  []fence
	commands int
}

func (g *guide) block(b fence) {
	switch {
	case b.word == "not run:" && b.rest != "":
	case b.word == "report" && b.language == "sql":
		name, _, _ := strings.Cut(b.rest, " ")
		g.write(b, filepath.Join("reports", name+".sql"))
		g.reports = append(g.reports, b)
	case b.word == "broken" && b.language == "sql":
		g.write(b, broken)
	case b.word == "warehouse" && b.language == "sql":
		g.ask(b)
	case b.word == "file":
		g.write(b, b.rest)
	case b.word == "config" && b.language == "yaml":
		g.config(b)
	case b.word == "" && b.language == "console":
		g.session(b)
	default:
		g.t.Errorf("line %d: no test runs this block of %q. Say before it what it is, or why it is not run", b.line, b.language)
	}
}

func (g *guide) write(b fence, path string) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.text), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// ask has PostgreSQL do what the guide says.
func (g *guide) ask(b fence) {
	to, err := pgx.Connect(g.t.Context(), os.Getenv("OFFPRINT_SOURCES__WAREHOUSE__URL"))
	if err != nil {
		g.t.Fatal(err)
	}
	defer to.Close(g.t.Context())
	if _, err := to.Exec(g.t.Context(), b.text); err != nil {
		g.t.Errorf("line %d: %v", b.line, err)
	}
}

func (g *guide) config(b fence) {
	path := filepath.Join(g.t.TempDir(), "offprint.yaml")
	g.write(b, path)
	environment := []string{"SHOP_URL=sqlite:shop.db", "WAREHOUSE_URL=postgres://shop"}
	if _, err := server.ReadConfig(path, environment); err != nil {
		g.t.Errorf("line %d: %v", b.line, err)
	}
}

// session runs the commands of a console block and holds what they say
// against what the guide shows.
func (g *guide) session(b fence) {
	for command := range strings.SplitSeq("\n"+b.text, "\n$ ") {
		command, want, _ := strings.Cut(strings.TrimSuffix(command, "\n"), "\n")
		if command == "" {
			continue
		}
		g.commands++
		got := g.command(b, command)
		pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*")
		if !regexp.MustCompile(`(?s)^` + pattern + `\n*$`).MatchString(got) {
			g.t.Errorf("line %d: %s\nshows:\n%s\nand answers:\n%s", b.line, command, want, got)
		}
	}
	if err := os.Remove(broken); err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.t.Error(err)
	}
}

func (g *guide) command(b fence, line string) string {
	words := strings.Fields(line)
	switch words[0] {
	case "offprint":
		out, _ := g.offprint(words[1:]...)
		return out
	case "cd":
		g.t.Chdir(words[1])
		return ""
	}
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		g.t.Errorf("line %d: %s: %v", b.line, line, err)
	}
	return string(out)
}

func (g *guide) offprint(args ...string) (out string, code int) {
	var b bytes.Buffer
	code = run(args, strings.NewReader(""), &b, &b)
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), code
}

// made makes a report of the guide in each of its formats.
func (g *guide) made(b fence) {
	words := strings.Fields(b.rest)
	made := 0
	for _, format := range []string{"csv", "jsonl", "xlsx", "pdf"} {
		args := slices.Concat([]string{"run", words[0], "--format", format, "-o", "made." + format}, words[1:])
		out, code := g.offprint(args...)
		if strings.Contains(out, "#/format") {
			continue
		}
		if code != done || strings.Contains(out, " 0 rows") {
			g.t.Errorf("line %d: offprint %s: %s", b.line, strings.Join(args, " "), out)
		}
		made++
	}
	if made == 0 {
		g.t.Errorf("line %d: %s was made in no format", b.line, words[0])
	}
}
