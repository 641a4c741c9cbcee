package desk_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/jsonl"
	"github.com/offprint/offprint/internal/format/pdf"
	"github.com/offprint/offprint/internal/format/xlsx"
)

// as makes a report in a format.
func as(t *testing.T, format string, report *offprint.Report) ([]byte, offprint.Run, error) {
	t.Helper()
	d := desk.New(desk.Config{Catalog: catalog{report}, Formats: []offprint.Format{csv.Format, jsonl.Format, xlsx.Format, pdf.Format}})
	var out bytes.Buffer
	run, err := d.Make(t.Context(), ann, desk.Ask{Report: report.Name, Format: format}, &out, func(offprint.Phase, offprint.Progress) {})
	return out.Bytes(), run, err
}

// regions are sales in two regions and two currencies.
func regions(rows int64) *offprint.Report {
	table := &offprint.Table{Name: "sales", Title: "Sales", Group: []string{"region"}, Columns: []offprint.Column{
		{Name: "region", Title: "Region"},
		{Name: "currency", Title: "Currency"},
		{Name: "amount", Title: "Amount", Kind: offprint.Decimal, Total: offprint.Sum, Currency: "currency"},
	}}
	row := func(region, currency string, cents int64) offprint.Row {
		return offprint.Row{offprint.TextValue(region), offprint.TextValue(currency), offprint.DecimalValue(cents, 2)}
	}
	return &offprint.Report{Name: "numbers", Version: "1", MaxRows: rows, Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
		table.Rows = offprint.Rows(row("East", "EUR", 101), row("East", "EUR", 202), row("West", "EUR", 404), row("West", "USD", 808))
		return offprint.Single(table), nil
	})}
}

// Formats that people read show subtotals, the same figures in each; formats
// that programs read have the rows and nothing between them.
func TestGroupsStandWherePeopleLook(t *testing.T) {
	for _, tt := range []struct{ format, want string }{
		{"csv", "Region,Currency,Amount\r\nEast,EUR,1.01\r\nEast,EUR,2.02\r\nWest,EUR,4.04\r\nWest,USD,8.08\r\n"},
		{"jsonl", `{"region":"East","currency":"EUR","amount":1.01}` + "\n" + `{"region":"East","currency":"EUR","amount":2.02}` + "\n" +
			`{"region":"West","currency":"EUR","amount":4.04}` + "\n" + `{"region":"West","currency":"USD","amount":8.08}` + "\n"},
	} {
		file, run, err := as(t, tt.format, regions(0))
		if err != nil || string(file) != tt.want || run.Warnings != nil {
			t.Errorf("%s: %q, %v, %v", tt.format, file, run.Warnings, err)
		}
	}
	for format, want := range map[string]string{
		"xlsx": "East 2 3.03 West 2 Total 4", "pdf": "East EUR 2.02 East · 2 rows 3.03 West EUR 4.04 West USD 8.08 West · 2 rows Total",
	} {
		file, run, err := as(t, format, regions(0))
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, format, file); !strings.Contains(got, want) {
			t.Errorf("%s has %q, want %q in it", format, got, want)
		}
		if len(run.Warnings) != 1 || run.Warnings[0].Code != "currencies_mixed" {
			t.Errorf("%s: the warnings are %v", format, run.Warnings)
		}
	}
}

// The subtotals of a file that was cut are those of its rows.
func TestSubtotalsOfACutFile(t *testing.T) {
	for format, want := range map[string]string{
		"xlsx": "East 2 3.03 West 1 4.04 Total 3 7.07", "pdf": "West EUR 4.04 West · 1 row 4.04 Total 7.07 Only the first 3 rows",
	} {
		file, run, err := as(t, format, regions(3))
		if err != nil || run.Outcome != offprint.Truncated {
			t.Fatal(run.Outcome, err)
		}
		if got := read(t, format, file); !strings.Contains(got, want) {
			t.Errorf("%s has %q, want %q in it", format, got, want)
		}
	}
}

// A file that was cut says so wherever it can, and its name always.
func TestACutFileSaysSo(t *testing.T) {
	for _, tt := range []struct{ format, ext, want string }{
		{"xlsx", ".xlsx", "Total 7.07 Only the first 3 rows: the report’s limit"},
		{"pdf", ".pdf", "Total 7.07 Only the first 3 rows: the report’s limit"},
		{"csv", ".csv", ""},
		{"jsonl", ".jsonl", ""},
	} {
		report := regions(3)
		report.Options = map[string]string{"about": "off"}
		file, run, err := as(t, tt.format, report)
		if err != nil || run.Outcome != offprint.Truncated || run.File.Rows != 3 {
			t.Fatal(run.Outcome, err)
		}
		if len(run.Warnings) == 0 || run.Warnings[0].Code != "truncated" {
			t.Errorf("%s: the warnings are %v", tt.format, run.Warnings)
		}
		if !strings.HasPrefix(run.File.Name, "numbers-") || !strings.HasSuffix(run.File.Name, "-cut-short"+tt.ext) {
			t.Errorf("%s: the file is called %s", tt.format, run.File.Name)
		}
		if tt.want == "" {
			continue
		}
		got := read(t, tt.format, file)
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s has %q, want %q in it", tt.format, got, tt.want)
		}
		if tt.format == "xlsx" && !strings.Contains(got, "Rows 3 (only the first: the report's limit)") { // though nobody wanted it
			t.Errorf("no About sheet: %q", got)
		}
	}
	_, run, err := as(t, "csv", regions(4))
	if err != nil || strings.Contains(run.File.Name, "cut") {
		t.Errorf("a whole file is called %s, %v", run.File.Name, err)
	}
}

// read is what a PDF says, or the sheets of a workbook, one after the other.
func read(t *testing.T, format string, file []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file."+format)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("pdftotext", "-raw", path, "-")
	if format == "xlsx" {
		cmd = exec.Command("/usr/bin/python3", "-c", `
import sys, openpyxl
for sheet in openpyxl.load_workbook(sys.argv[1], data_only=True).worksheets:
    for row in sheet.iter_rows(values_only=True): print(*[v for v in row if v is not None])`, path)
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s (needs poppler-utils and python3-openpyxl): %v", cmd, err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

// A report that may not go on in a second sheet is not made at all, and says
// what to do.
func TestMoreRowsThanOneSheetIsNoFile(t *testing.T) {
	report := numbers(counter{rows: 1 << 20})
	report.Options = map[string]string{"overflow": "fail"}
	_, run, err := as(t, "xlsx", report)
	if offprint.CodeOf(err) != offprint.RowLimit || !strings.Contains(err.Error(), "An Excel sheet holds 1,048,575 rows, and the report has more. Nothing was made. Ask for less, or for CSV.") || run.File != nil {
		t.Errorf("%v, with the file %v", err, run.File)
	}
}

// Several parts are a zip of files, whose names nobody's data or title chose.
func TestPartsAreFilesOfTheirOwn(t *testing.T) {
	report := &offprint.Report{Name: "pack", Version: "1", Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
		return &offprint.Document{Count: 3, Parts: func(yield func(*offprint.Table, error) bool) {
			one := &offprint.Table{Name: "aging", Title: "../Aging: 1/2", Columns: []offprint.Column{{Name: "n", Title: "N"}}, Rows: offprint.Rows(offprint.Row{offprint.IntValue(1)})}
			empty := &offprint.Table{Name: "none", Title: "None", Columns: []offprint.Column{{Name: "x", Title: "X"}, {Name: "y", Title: "Y"}}, Rows: offprint.Rows()}
			again := &offprint.Table{Name: "../Aging", Title: "Aging", Columns: one.Columns, Rows: offprint.Rows(offprint.Row{offprint.IntValue(2)}), Group: []string{"n"}}
			_ = yield(one, nil) && yield(empty, nil) && yield(again, nil)
		}}, nil
	})}
	for format, want := range map[string]string{
		"csv":   "aging.csv: N\r\n1\r\n|none.csv: X,Y\r\n|-Aging.csv: N\r\n2\r\n|",
		"jsonl": "aging.jsonl: {\"n\":1}\n|none.jsonl: |-Aging.jsonl: {\"n\":2}\n|",
	} {
		file, _, err := as(t, format, report)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			got += f.Name + ": " + string(b) + "|"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
}
