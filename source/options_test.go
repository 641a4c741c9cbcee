package source_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/pdf"
	"github.com/offprint/offprint/internal/format/xlsx"
	"github.com/offprint/offprint/source"
)

// file makes a report of a header's lines and a query, in a format.
func file(t *testing.T, db *source.Database, format offprint.Format, locale, header, query string) []byte {
	t.Helper()
	r := report(t, db, "/*---\nsource: shop\n"+header+"\n---*/\n"+query)
	request := ask(t, r, "")
	request.Locale = locale
	doc, err := r.Source.Open(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := format.New(&b, offprint.Head{Title: "Options", Locale: locale, Zone: request.Zone, Parts: doc.Count, Options: r.Options})
	if err != nil {
		t.Fatal(err)
	}
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Begin(table); err != nil {
			t.Fatal(err)
		}
		for row, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.End(offprint.PartEnd{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(offprint.DocEnd{}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What a header says of a format is what the format does.
func TestOptionsOfFormatsReachTheFile(t *testing.T) {
	db := open(t, source.Config{Name: "shop", URL: "sqlite:" + shopOf(t)})
	const query = `SELECT '=1+1' AS a, 1.5 AS b, 'x' AS c`
	for _, tt := range []struct{ locale, header, want string }{
		{"en", "title: Plain", "a,b,c\r\n'=1+1,1.5,x\r\n"},
		{"en", "csv: {formulas: raw}", "a,b,c\r\n=1+1,1.5,x\r\n"},
		{"en", "csv: {formulas: escape, bom: true}", "\uFEFFa,b,c\r\n'=1+1,1.5,x\r\n"},
		{"en", `csv: {delimiter: ";", decimal: ","}`, "a;b;c\r\n'=1+1;1,5;x\r\n"},
		{"en", `csv: {delimiter: tab}`, "a\tb\tc\r\n'=1+1\t1.5\tx\r\n"},
		{"en", `csv: {delimiter: "|"}`, "a|b|c\r\n'=1+1|1.5|x\r\n"},
		{"en", `csv: {line_end: lf}`, "a,b,c\n'=1+1,1.5,x\n"},
		{"en", `csv: {line_end: crlf}`, "a,b,c\r\n'=1+1,1.5,x\r\n"},
		{"en-US", `csv: {dialect: excel}`, "\uFEFFa,b,c\r\n'=1+1,1.5,x\r\n"},
		{"de-DE", `csv: {dialect: excel}`, "\uFEFFa;b;c\r\n'=1+1;1,5;x\r\n"},
		{"de-CH", `csv: {dialect: excel, bom: false}`, "a,b,c\r\n'=1+1,1.5,x\r\n"},
		{"de-DE", `csv: {dialect: excel, delimiter: tab, decimal: "."}`, "\uFEFFa\tb\tc\r\n'=1+1\t1.5\tx\r\n"},
		{"en", `columns: {b: {hide: true, link: "https://x.example/{a}"}}`, "a,b,c\r\n'=1+1,1.5,x\r\n"},
	} {
		if got := string(file(t, db, csv.Format, tt.locale, tt.header, query)); got != tt.want {
			t.Errorf("%s for %s: %q, want %q", tt.header, tt.locale, got, tt.want)
		}
	}
	for header, want := range map[string]int{"about: last": 2, "about: off": 1, `about: "off"`: 1, "title: Plain": 2} {
		if got := cells(t, file(t, db, xlsx.Format, "en", header, query)); len(got) != want {
			t.Errorf("%s: %d sheets, want %d", header, len(got), want)
		}
	}
	logo := base64.StdEncoding.EncodeToString(picture(t))
	for _, tt := range []struct{ header, tool, want string }{
		{"pdf: {paper: a5}", "pdfinfo", "419.53 x 595.28 pts"},
		{"pdf: {paper: letter, orientation: landscape}", "pdfinfo", "792 x 612 pts (letter)"},
		{"pdf: {footer: For the board only}", "pdftotext", "For the board only"},
		{"pdf:\n  logo: data:image/png;base64," + logo, "pdfimages -list", " 3     2  rgb "},
		{"pdf:\n  logo: >\n    data:image/png;base64,\n    " + logo, "pdfimages -list", " 3     2  rgb "},
	} {
		made := file(t, db, pdf.Format, "en", tt.header, query)
		args := strings.Fields(tt.tool + " FILE")
		if args[0] == "pdftotext" {
			args = append(args, "-")
		}
		if got := string(run(t, made, "options.pdf", args...)); !strings.Contains(got, tt.want) {
			t.Errorf("%.60s: %s tells %s", tt.header, tt.tool, got)
		}
	}
}

func shopOf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.db")
	fill(t, path, `CREATE TABLE x (n)`)
	return path
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A logo is part of the definition: no worker has a folder to look in.
func TestALogoStandsInTheHeader(t *testing.T) {
	sources := twoSources(t)
	for _, logo := range []string{"logo.png", "https://example.com/logo.png", "data:image/svg+xml;base64,AAAA", `"data:image/png;base64,not it"`, "data:image/png;base64," + strings.Repeat("A", 350_000)} {
		_, problems := source.Parse("orders.sql", "/*---\nsource: shop\npdf: {logo: "+logo+"}\n---*/\nSELECT 1", sources)
		if problems == nil || !strings.HasPrefix(problems.Error(), "orders.sql:3:13: A logo is a PNG or JPEG picture of at most 250 kB and stands in the header itself") {
			t.Errorf("%.40s: %v", logo, problems)
		}
	}
}

// A link that names its host by data is no link, and one that names what the
// query does not have is told before a row is read.
func TestALinkIsReadWithItsDefinition(t *testing.T) {
	db := open(t, source.Config{Name: "shop", URL: "sqlite:" + shopOf(t)})
	text := func(link string) string {
		return "/*---\nsource: shop\ncolumns: {a: {link: \"" + link + "\"}}\n---*/\nSELECT 1 AS a, 2 AS b"
	}
	for link, want := range map[string]string{
		"javascript:alert({a})":   "3:21: A link begins with https://",
		"https://{a}.example.com": "3:21: A link names its host itself",
		"https://x.example/{a":    "3:21: A link closes each { with }",
	} {
		_, problems := source.Parse("orders.sql", text(link), map[string]*source.Database{"shop": db})
		if problems == nil || !strings.HasPrefix(problems.Error(), "orders.sql:"+want) {
			t.Errorf("%s: %v, want %s", link, problems, want)
		}
	}
	for link, want := range map[string]offprint.Code{"https://x.example/{b}?a={a}": "", "https://x.example/{c}": offprint.BadQuery} {
		r := report(t, db, text(link))
		doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
		if err == nil {
			for _, e := range doc.Parts {
				err = e
			}
		}
		if offprint.CodeOf(err) != want {
			t.Errorf("%s: %v, want %q", link, err, want)
		}
	}
}
