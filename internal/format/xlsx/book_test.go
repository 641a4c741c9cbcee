package xlsx_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/xlsx"
)

// A book is a workbook as openpyxl reads it.
type book struct {
	Title, Creator string
	Sheets         []sheet
	warnings       []offprint.Warning
	data           []byte
}

type sheet struct {
	Name        string
	Rows        [][]cell
	Cached      [][]string
	Freeze      string
	Filter      string
	Repeat      string
	Area        string // that is printed
	Orientation string
	FitToWidth  bool
	Footer      string
	RightToLeft bool
	Widths      map[string]float64
	Hidden      []string
	Prompts     map[string]string
	Tables      map[string]string // their ranges
}

type cell struct {
	Kind, Value, Format string
	Bold                bool
	Fill, Top, Bottom   string
	Align               string
	Indent              int
	Link                string
	Underlined          bool // in the color of links
}

// A part is a table and what is known at its end.
type part struct {
	offprint.Table
	totals []offprint.Value
}

// write makes a document as the desk does.
func write(out io.Writer, head offprint.Head, doc offprint.DocEnd, parts ...part) ([]offprint.Warning, error) {
	w, err := xlsx.Format.New(out, head)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		end, err := writePart(w.(offprint.GroupWriter), p)
		if err != nil {
			return nil, err
		}
		doc.Rows += end.Rows
		doc.Parts = append(doc.Parts, end)
	}
	return w.Close(doc)
}

func writePart(w offprint.GroupWriter, p part) (offprint.PartEnd, error) {
	end := offprint.PartEnd{Totals: p.totals}
	groups, err := offprint.NewGroups(&p.Table)
	if err != nil {
		return end, err
	}
	if err := w.Begin(&p.Table); err != nil {
		return end, err
	}
	for row, err := range p.Rows {
		if err != nil {
			return end, err
		}
		for _, e := range groups.Add(row) {
			if err := w.EndGroup(e); err != nil {
				return end, err
			}
		}
		if err := w.Write(row); err != nil {
			return end, err
		}
		end.Rows++
	}
	for _, e := range groups.End() {
		if err := w.EndGroup(e); err != nil {
			return end, err
		}
	}
	return end, w.End(end)
}

// made is the workbook of the parts. Each is held to the rules of ECMA-376,
// and read by openpyxl.
func made(t *testing.T, head offprint.Head, doc offprint.DocEnd, parts ...part) book {
	t.Helper()
	var out bytes.Buffer
	warnings, err := write(&out, head, doc, parts...)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	checkFiles(t, unpack(t, out.Bytes()))
	b := read(t, out.Bytes())
	b.warnings = warnings
	return b
}

// checkFiles holds a workbook's files to the rules of ECMA-376.
func checkFiles(t *testing.T, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		checkSchema(t, name, content)
		if strings.HasPrefix(name, "xl/worksheets/") {
			checkOrder(t, name, content)
		}
	}
	checkPackage(t, files)
	checkTables(t, files)
}

func table(columns []offprint.Column, rows ...offprint.Row) part {
	return part{Table: offprint.Table{Name: "orders", Title: "Orders", Columns: columns, Rows: offprint.Rows(rows...)}}
}

func read(t *testing.T, data []byte) book {
	t.Helper()
	at := filepath.Join(t.TempDir(), "book.xlsx")
	if err := os.WriteFile(at, data, 0o600); err != nil {
		t.Fatal(err)
	}
	const python = "/usr/bin/python3"
	out, err := run(python, "testdata/read.py", at)
	if err != nil {
		t.Fatalf("openpyxl does not read the workbook; if it is missing, install python3-openpyxl: %v\n%s", err, out)
	}
	b := book{data: data}
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// run answers with the standard output, or with all of it after an error.
func run(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return append(out, stderr.Bytes()...), err
	}
	return out, nil
}

// unpack reads all files of the archive, and so checks their sums.
func unpack(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		files[f.Name] = content
	}
	return files
}

// checkPackage checks what no schema can: that each part has a type, each
// relation an end, each cell a style, and that one sheet is selected: more
// than one, and what a person types goes into all of them.
func checkPackage(t *testing.T, files map[string][]byte) {
	t.Helper()
	var types struct {
		Override []struct {
			PartName string `xml:",attr"`
		}
	}
	decode(t, files, "[Content_Types].xml", &types)
	for _, o := range types.Override {
		if files[strings.TrimPrefix(o.PartName, "/")] == nil {
			t.Errorf("a type for %s, which is not there", o.PartName)
		}
	}
	relations := map[string]string{"_rels/.rels": "", "xl/_rels/workbook.xml.rels": "xl/"}
	for name := range files {
		if strings.HasPrefix(name, "xl/worksheets/_rels/") {
			relations[name] = "xl/worksheets/"
		}
	}
	if want := len(files) - 1 - len(relations); len(types.Override) != want {
		t.Errorf("%d parts have a type, want %d", len(types.Override), want)
	}
	for name, base := range relations {
		checkRelations(t, files, name, base)
	}
	var styles struct {
		Xfs []struct{} `xml:"cellXfs>xf"`
	}
	decode(t, files, "xl/styles.xml", &styles)
	selected := 0
	named := regexp.MustCompile(` s="(\d+)"`)
	for name, content := range files {
		selected += bytes.Count(content, []byte(`tabSelected="1"`))
		for _, m := range named.FindAllSubmatch(content, -1) {
			if n, _ := strconv.Atoi(string(m[1])); n >= len(styles.Xfs) {
				t.Errorf("%s: style %d of %d", name, n, len(styles.Xfs))
			}
		}
	}
	if selected != 1 {
		t.Errorf("%d sheets are selected", selected)
	}
}

// checkRelations checks that each leads somewhere, and has a number of its own.
func checkRelations(t *testing.T, files map[string][]byte, name, base string) {
	t.Helper()
	var relations struct {
		Relationship []struct {
			ID         string `xml:"Id,attr"`
			Target     string `xml:",attr"`
			TargetMode string `xml:",attr"`
		}
	}
	decode(t, files, name, &relations)
	seen := map[string]bool{}
	for _, r := range relations.Relationship {
		if r.TargetMode != "External" && files[path.Join(base, r.Target)] == nil {
			t.Errorf("%s leads to %s, which is not there", name, r.Target)
		}
		if seen[r.ID] {
			t.Errorf("%s has two of %s", name, r.ID)
		}
		seen[r.ID] = true
	}
}

func decode(t *testing.T, files map[string][]byte, name string, into any) {
	t.Helper()
	if err := xml.Unmarshal(files[name], into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
