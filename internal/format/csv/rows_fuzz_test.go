package csv_test

import (
	"archive/zip"
	stdcsv "encoding/csv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
)

// FuzzRows holds that whatever the rows and the options are, Go's reader finds
// each value in a cell of its own: in its plain form, with the decimal point
// that was asked for, and behind an apostrophe where it is a text that
// spreadsheets calculate.
func FuzzRows(f *testing.F) {
	random := rand.New(rand.NewPCG(5, 6))
	for size := range uint32(60) {
		seed := make([]byte, size*size/3)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed, random.Uint32())
	}
	f.Fuzz(func(t *testing.T, data []byte, choice uint32) {
		d := celltest.Throw(data)
		d.Head.Options, d.Head.Parts = options(choice), len(d.Parts)
		var tables []offprint.Table
		for _, p := range d.Parts {
			tables = append(tables, p.Table)
		}
		for i, file := range filesOf(t, made(t, d.Head, tables...), len(tables)) {
			wantRows(t, file, d.Parts[i], d.Head)
		}
	})
}

// options are a choice of each.
func options(choice uint32) map[string]string {
	chosen := map[string]string{}
	for _, o := range []struct {
		name  string
		words []string
	}{
		{"csv.delimiter", []string{"", ",", ";", "tab", "|", "~", " ", "="}},
		{"csv.decimal", []string{"", ".", ","}},
		{"csv.bom", []string{"", "on", "off"}},
		{"csv.dialect", []string{"", "excel"}},
		{"csv.formulas", []string{"", "escape", "raw"}},
		{"csv.line_end", []string{"", "crlf", "lf"}},
	} {
		n := uint32(len(o.words))
		chosen[o.name] = o.words[choice%n]
		choice /= n
	}
	return chosen
}

// filesOf are the parts in their order: of several, those of a zip.
func filesOf(t *testing.T, document string, parts int) (files []string) {
	t.Helper()
	if parts == 1 {
		return []string{document}
	}
	z, err := zip.NewReader(strings.NewReader(document), int64(len(document)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, string(content))
	}
	return files
}

func wantRows(t *testing.T, file string, p celltest.Part, head offprint.Head) {
	t.Helper()
	if lf := head.Options["csv.line_end"] == "lf"; !strings.HasSuffix(file, "\n") || strings.HasSuffix(file, "\r\n") == lf {
		t.Errorf("the file ends in %q", file[max(0, len(file)-10):])
	}
	delimiter, point, mark := dialectOf(head)
	if mark {
		if !strings.HasPrefix(file, "\ufeff") {
			t.Error("no mark stands at the head")
		}
		file = strings.TrimPrefix(file, "\ufeff")
	}
	if len(p.Columns) == 0 {
		return
	}
	r := stdcsv.NewReader(strings.NewReader(file))
	r.Comma = delimiter
	got, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%v: %q", err, file)
	}
	if want := wanted(p, head, point); !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("with %v, %q\nbecame %q\nby %q", head.Options, want, got, file)
	}
}

// dialectOf is how the options, and the locales that are thrown, have the file.
func dialectOf(head offprint.Head) (delimiter rune, point string, mark bool) {
	delimiter, point = ',', "."
	if head.Options["csv.dialect"] == "excel" {
		mark = true
		if head.Locale == "de" || head.Locale == "fr-CA" {
			delimiter, point = ';', ","
		}
	}
	switch o := head.Options["csv.delimiter"]; o {
	case "":
	case "tab":
		delimiter = '\t'
	default:
		delimiter = rune(o[0])
	}
	if o := head.Options["csv.decimal"]; o != "" {
		point = o
	}
	if o := head.Options["csv.bom"]; o != "" {
		mark = o == "on"
	}
	return delimiter, point, mark
}

// wanted are the records of a part.
func wanted(p celltest.Part, head offprint.Head, point string) [][]string {
	var titles []string
	for _, c := range p.Columns {
		titles = append(titles, asRead(c.Title))
	}
	records := [][]string{titles}
	for _, row := range p.Values {
		var record []string
		for _, v := range row {
			s := asRead(string(v.Append(nil, head.Zone)))
			switch first, _ := utf8.DecodeRuneInString(s); v.Kind() {
			case offprint.Float, offprint.Decimal:
				s = strings.Replace(s, ".", point, 1)
			case offprint.Text:
				if s != "" && strings.ContainsRune(dangerous, first) && head.Options["csv.formulas"] != "raw" {
					s = "'" + s
				}
			}
			record = append(record, s)
		}
		records = append(records, record)
	}
	return records
}

// asRead is a text as Go's reader has it: valid, and with \n for \r\n.
func asRead(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
}
