package source_test

import (
	"archive/zip"
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/jsonl"
	"github.com/offprint/offprint/internal/format/pdf"
	"github.com/offprint/offprint/internal/format/xlsx"
)

// A kindTable is what one type of a database arrived as.
type kindTable struct {
	name   string
	column offprint.Column
	values []offprint.Value
}

// throughFormats writes all of it in each format, a part a type, and reads
// every value back with somebody else's program.
func throughFormats(t *testing.T, zone *time.Location, tables []kindTable) {
	t.Helper()
	csvs, jsons := unzipped(t, made(t, csv.Format, zone, tables)), unzipped(t, made(t, jsonl.Format, zone, tables))
	sheets := cells(t, made(t, xlsx.Format, zone, tables))
	page := text(t, made(t, pdf.Format, zone, tables))
	if len(csvs) != len(tables) || len(jsons) != len(tables) || len(sheets) != len(tables) {
		t.Fatalf("%d types became %d CSV files, %d JSON Lines files and %d sheets", len(tables), len(csvs), len(jsons), len(sheets))
	}
	for i, table := range tables {
		records, err := stdcsv.NewReader(strings.NewReader(csvs[i])).ReadAll()
		if err != nil || len(records) != len(table.values)+1 {
			t.Errorf("CSV of %s: %d records, %v", table.name, len(records), err)
			continue
		}
		lines := strings.Split(strings.TrimSuffix(jsons[i], "\n"), "\n")
		for n, v := range table.values {
			plain := string(v.Append(nil, zone))
			same := func(format, got, want string) {
				t.Helper()
				if got != want {
					t.Errorf("%s of %s, %s: %q, want %q", format, table.name, plain, got, want)
				}
			}
			same("CSV", records[n+1][0], escaped(v, plain))
			same("JSON Lines", lines[n], `{"v":`+asJSON(t, v, plain)+`}`)
			if n+1 < len(sheets[i]) { // trailing nulls are no cells
				same("XLSX", sheets[i][n+1], asCell(v, plain, zone))
			} else {
				same("XLSX", "null", asCell(v, plain, zone))
			}
			want := bare(asShown(table.column, v, plain, zone))
			at := strings.Index(page, want)
			if at < 0 {
				t.Errorf("PDF of %s: %q is not on the pages from here: %.60q", table.name, want, page)
				continue
			}
			page = page[at+len(want):]
		}
	}
}

func made(t *testing.T, format offprint.Format, zone *time.Location, tables []kindTable) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := format.New(&b, offprint.Head{Title: "Types", Zone: zone, Locale: "en", Parts: len(tables), Options: map[string]string{"about": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	for i, table := range tables {
		table.column.Name, table.column.Title = "v", "v"
		part := &offprint.Table{Name: fmt.Sprintf("t%03d", i), Title: fmt.Sprintf("t%03d", i), Columns: []offprint.Column{table.column}}
		if err := w.Begin(part); err != nil {
			t.Fatal(err)
		}
		for _, v := range table.values {
			if err := w.Write(offprint.Row{v}); err != nil {
				t.Fatalf("%s of %s: %v", format.Name(), table.name, err)
			}
		}
		if err := w.End(offprint.PartEnd{Rows: int64(len(table.values))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(offprint.DocEnd{Outcome: offprint.Complete}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unzipped(t *testing.T, file []byte) (texts []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// cells are the sheets' first columns as openpyxl reads them: a word for the
// type of each, and the value.
func cells(t *testing.T, file []byte) (sheets [][]string) {
	t.Helper()
	out := run(t, file, "book.xlsx", "/usr/bin/python3", "-c", `
import sys, json, datetime, openpyxl
from openpyxl.utils.escape import unescape
def say(c):
    v = c.value
    if v is None: return "null"
    if isinstance(v, bool): return "bool " + str(v).lower()
    if isinstance(v, (int, float)): return "number " + repr(float(v))
    if isinstance(v, datetime.datetime): return "time " + v.isoformat()
    if isinstance(v, datetime.time): return "time 1899-12-30T" + v.isoformat()
    return "text " + unescape(v)
book = openpyxl.load_workbook(sys.argv[1])
json.dump([[say(r[0]) for r in s.iter_rows()] for s in book.worksheets], sys.stdout)`)
	if err := json.Unmarshal(out, &sheets); err != nil {
		t.Fatal(err)
	}
	return sheets
}

func text(t *testing.T, file []byte) string {
	t.Helper()
	return bare(string(run(t, file, "types.pdf", "pdftotext", "-raw", "FILE", "-")))
}

// run hands a file to a program: in place of FILE, or last.
func run(t *testing.T, file []byte, name string, args ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	found := false
	for i := range args {
		if args[i] == "FILE" {
			args[i], found = path, true
		}
	}
	if !found {
		args = append(args, path)
	}
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Fatalf("%s (needs python3-openpyxl and poppler-utils): %v", args[0], err)
	}
	return out
}

func escaped(v offprint.Value, plain string) string {
	if v.Kind() == offprint.Text && plain != "" && strings.ContainsRune("=+-@\t\r", rune(plain[0])) {
		return "'" + plain
	}
	return plain
}

func asJSON(t *testing.T, v offprint.Value, plain string) string {
	switch v.Kind() {
	case offprint.Null:
		return "null"
	case offprint.Bool, offprint.Int, offprint.Decimal:
		return plain
	case offprint.Float:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return plain
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(plain); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// asCell is what a workbook can hold of a value.
func asCell(v offprint.Value, plain string, zone *time.Location) string {
	number := func(digits int) string {
		f, err := strconv.ParseFloat(plain, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return "text " + plain
		}
		if f == 0 {
			return "number 0.0" // there is no -0 in a cell
		}
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', digits, 64), 64)
		return "number " + python(f)
	}
	switch v.Kind() {
	case offprint.Null:
		return "null"
	case offprint.Bool:
		return "bool " + plain
	case offprint.Int:
		if n := v.Int(); n > 1<<53 || n < -1<<53 {
			return "text " + plain
		}
		return number(17)
	case offprint.Float:
		return number(17)
	case offprint.Decimal:
		return number(15)
	case offprint.Date:
		if v.Days() < -25508 || v.Days() > 2932896 { // 1900-03-01 to 9999-12-31
			return "text " + plain
		}
		return "time " + plain + "T00:00:00"
	case offprint.Timestamp:
		wall, _ := v.Wall(zone)
		if wall < -25508*86400e6 || wall >= 2932897*86400e6 {
			return "text " + plain
		}
		return "time " + stamp(time.UnixMicro(wall).UTC().Round(time.Millisecond)) // openpyxl rounds
	}
	return "text " + plain
}

// stamp is a time as Python's isoformat has it.
func stamp(at time.Time) string {
	if at.Nanosecond() == 0 {
		return at.Format("2006-01-02T15:04:05")
	}
	return at.Format("2006-01-02T15:04:05.000000")
}

// python is a float as repr writes it.
func python(f float64) string {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if abs := math.Abs(f); abs == 0 || abs >= 1e-4 && abs < 1e16 {
		s = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
	}
	return s
}

func asShown(c offprint.Column, v offprint.Value, plain string, zone *time.Location) string {
	if c.As == offprint.AsPercent && (v.Kind() == offprint.Float || v.Kind() == offprint.Decimal) {
		return strconv.FormatFloat(v.Float()*100, 'f', -1, 64) + "%"
	}
	if n, ok := new(big.Rat).SetString(plain); ok && c.As == offprint.AsMoney && v.Kind() != offprint.Text {
		return n.FloatString(2)
	}
	if v.Kind() != offprint.Timestamp {
		return plain
	}
	wall, _ := v.Wall(zone)
	return strings.Replace(string(offprint.WallValue(wall).Append(nil, time.UTC)), "T", " ", 1)
}

// bare is what a page keeps of a text.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}
