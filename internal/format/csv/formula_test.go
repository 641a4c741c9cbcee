package csv_test

import (
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
)

// attacks are the corpus, each beside a number that says which it is and must
// stay one. The text stands first, in the middle and last.
func attacks(t *testing.T) (texts []string, part offprint.Table) {
	texts = celltest.Formulas(t)
	var rows []offprint.Row
	for i, s := range texts {
		v := offprint.TextValue(s)
		rows = append(rows, offprint.Row{v, offprint.DecimalValue(int64(-i), 2), v, offprint.IntValue(int64(-i)), v})
	}
	return texts, offprint.Table{Columns: titled("A", "B", "C", "D", "E"), Rows: offprint.Rows(rows...)}
}

// dangerous are the beginnings that OWASP lists, and a null character.
const dangerous = "=+-@\t\r\n\x00\uFF1D\uFF0B\uFF0D\uFF20"

// TestFormulasAreTexts holds that a text of the corpus stays in one cell,
// whatever the delimiter, and begins as no formula does; numbers stay as they are.
func TestFormulasAreTexts(t *testing.T) {
	for _, delimiter := range []string{",", ";", "\t", "|"} {
		texts, part := attacks(t)
		r := stdcsv.NewReader(strings.NewReader(made(t, offprint.Head{Options: map[string]string{"csv.delimiter": delimiter}}, part)))
		r.Comma = rune(delimiter[0])
		got, err := r.ReadAll()
		if err != nil || len(got) != len(texts)+1 {
			t.Fatalf("%d records of %d: %v", len(got), len(texts)+1, err)
		}
		for i, s := range texts {
			want := strings.ReplaceAll(s, "\r\n", "\n") // by Go's reader
			if first, _ := utf8.DecodeRuneInString(s); strings.ContainsRune(dangerous, first) {
				want = "'" + want
			}
			for _, cell := range []string{got[i+1][0], got[i+1][2], got[i+1][4]} {
				if cell != want {
					t.Errorf("%q became %q, want %q", s, cell, want)
				}
			}
			if b, d := got[i+1][1], got[i+1][3]; b != offprint.DecimalValue(int64(-i), 2).String() || d != offprint.IntValue(int64(-i)).String() {
				t.Errorf("the numbers beside %q are %q and %q", s, b, d)
			}
		}
	}
}

// TestProveLibreOfficeCalculatesNoText holds the same by a program that people
// open the file with: told to look for formulas, it finds none, and finds each
// one where they are not escaped.
func TestProveLibreOfficeCalculatesNoText(t *testing.T) {
	for _, tt := range []struct{ delimiter, code string }{{",", "44"}, {";", "59"}, {"tab", "9"}, {"|", "124"}} {
		texts, part := attacks(t)
		options := map[string]string{"csv.delimiter": tt.delimiter}
		cells := opened(t, made(t, offprint.Head{Options: options}, part), tt.code)
		if want := 5 * (len(texts) + 1); len(cells) != want {
			t.Errorf("%s: %d cells, want %d", tt.delimiter, len(cells), want)
		}
		formulas, numbers := count(cells, "f"), count(cells, "n")
		t.Logf("%d attacks between %s: %d texts, %d numbers, %d formulas", len(texts), tt.delimiter, count(cells, "s"), numbers, formulas)
		if formulas != 0 || numbers != 2*len(texts) {
			t.Errorf("%s: %d formulas and %d numbers, want none and %d: %v", tt.delimiter, formulas, numbers, 2*len(texts), cells)
		}
	}
	harmless := offprint.Table{Columns: titled("A"), Rows: offprint.Rows(offprint.Row{offprint.TextValue("=1+1")}, offprint.Row{offprint.TextValue("\x00=1+1")})}
	raw := map[string]string{"csv.formulas": "raw"}
	if cells := opened(t, made(t, offprint.Head{Options: raw}, harmless), "44"); count(cells, "f") != 2 {
		t.Errorf("it finds no formulas at all: %v", cells)
	}
}

// opened are the types and values of all cells that LibreOffice finds in the
// file, as openpyxl reads them: f is a formula, n a number, s a text. The text
// between quotes may be one, too, and formulas are looked for.
func opened(t *testing.T, file, delimiter string) (cells [][2]string) {
	t.Helper()
	book := celltest.Convert(t, "cells.csv", []byte(file), "xlsx", "--infilter=CSV:"+delimiter+",34,76,1,,1033,false,true,,,false,,true")
	at := filepath.Join(t.TempDir(), "cells.xlsx")
	if err := os.WriteFile(at, book, 0o600); err != nil {
		t.Fatal(err)
	}
	const program = `import json, openpyxl, sys
json.dump([[c.data_type, str(c.value)] for row in openpyxl.load_workbook(sys.argv[1]).worksheets[0].iter_rows() for c in row], sys.stdout)`
	var errs bytes.Buffer
	cmd := exec.Command("/usr/bin/python3", "-c", program, at)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openpyxl (Debian: python3-openpyxl): %v\n%s", err, errs.String())
	}
	if err := json.Unmarshal(out, &cells); err != nil {
		t.Fatal(err)
	}
	return cells
}

func count(cells [][2]string, kind string) (n int) {
	for _, c := range cells {
		if c[0] == kind {
			n++
		}
	}
	return n
}
