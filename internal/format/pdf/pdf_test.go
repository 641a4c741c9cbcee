package pdf_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/pdf"
)

// A part is a table and what is known at its end.
type part struct {
	table *offprint.Table
	rows  []offprint.Row
	end   offprint.PartEnd
}

// write makes a document as the desk does, with the totals of its parts.
func write(t testing.TB, head offprint.Head, end offprint.DocEnd, parts ...part) ([]byte, []offprint.Warning) {
	t.Helper()
	var out bytes.Buffer
	w, err := pdf.Format.New(&out, head)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	for _, p := range parts {
		writePart(t, w.(offprint.GroupWriter), p)
	}
	warnings, err := w.Close(end)
	if err != nil {
		t.Fatalf("close: %v", err)
	}
	return out.Bytes(), warnings
}

func writePart(t testing.TB, w offprint.GroupWriter, p part) {
	t.Helper()
	groups, err := offprint.NewGroups(p.table)
	if err != nil {
		t.Fatal(err)
	}
	endGroups := func(ended []offprint.GroupEnd) {
		for _, e := range ended {
			if err := w.EndGroup(e); err != nil {
				t.Fatalf("end of a group: %v", err)
			}
		}
	}
	if err := w.Begin(p.table); err != nil {
		t.Fatalf("begin: %v", err)
	}
	totals := offprint.NewTotals(p.table.Columns)
	for _, row := range p.rows {
		endGroups(groups.Add(row))
		if err := w.Write(row); err != nil {
			t.Fatalf("write: %v", err)
		}
		totals.Add(row)
	}
	endGroups(groups.End())
	p.end.Rows = int64(len(p.rows))
	if p.end.Totals == nil && totals.Any() {
		p.end.Totals, p.end.Mixed = totals.Values(), totals.Mixed()
	}
	if err := w.End(p.end); err != nil {
		t.Fatalf("end: %v", err)
	}
}

// tool runs one of those that read PDF files, and answers what it prints.
func tool(t testing.TB, pdf []byte, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(path, pdf, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", path)
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s\n(these tests need poppler-utils and qpdf: apt-get install poppler-utils qpdf)", name, args, err, out)
	}
	return string(out)
}

// pages are the texts of the pages, in the order in which they were drawn.
func pages(t testing.TB, pdf []byte) []string {
	t.Helper()
	tool(t, pdf, "qpdf", "--check", "FILE")
	text := tool(t, pdf, "pdftotext", "-raw", "FILE", "-")
	return strings.Split(strings.TrimSuffix(text, "\f"), "\f")
}

// squeezed is a text without white space, and without the marks that
// pdftotext sets around text from right to left.
func squeezed(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r >= 0x202a && r <= 0x202e {
			return -1
		}
		return r
	}, s)
}

func textColumns(names ...string) []offprint.Column {
	var columns []offprint.Column
	for _, n := range names {
		columns = append(columns, offprint.Column{Name: n, Title: n, Kind: offprint.Text})
	}
	return columns
}

func TestEveryTextComesBack(t *testing.T) {
	comment := strings.Repeat("Der Kunde bat um Rückruf; the café’s “invoice” №42 → 3,5 % (см. договор). ", 70)[:5000]
	rightToLeft := []string{
		"السلام عليكم ورحمة الله", "שלום עולם",
		"Rechnung مرحبا 2026 שלום done", "شركة الإسلام للتجارة 45.5% (Acme) ولا", strings.Repeat("فارسی: پژوهشگاه گاز ایران و خلیج ", 20),
	}
	texts := []string{
		"plain", "naïve façade Ångström ĐĐ ßẞ œuvre Việt Nam Łódź", "e\u0301 combining n\u0303",
		"Общество «Ромашка»", "Ελληνική Δημοκρατία", "北京貿易公司 有限公司", "日本語のテキスト", "한국어 텍스트",
		"हिन्दी में पाठ", "ภาษาไทย", "🎉👩‍👩‍👧 🇩🇪 𝔘𝔫𝔦", "_x0041_", "=1+1", "<b>&amp;</b>", `back\slash (and) brackets\)`,
		"tab\tin it", "line\nbreak\r\nand\u2028more", "control\x00\x01\x1f\x7f\u0085characters",
		"soft\u00adhyphen zero\u200bwidth", "\ufffd", "non\u00a0breaking", "   leading", "trailing   ",
		strings.Repeat("unbroken", 300), comment, strings.Repeat("字", 3000), strings.Repeat("x\n", 200),
		"private \ue000 and \U000f0001",
	}
	texts = append(texts, rightToLeft...)
	var rows []offprint.Row
	for i, text := range texts {
		rows = append(rows, offprint.Row{offprint.TextValue(fmt.Sprintf("[%03d]", i)), offprint.TextValue(text)})
	}
	rows = append(rows, offprint.Row{offprint.TextValue(fmt.Sprintf("[%03d]", len(texts))), {}})
	file, warnings := write(t, offprint.Head{Title: "Texts", Locale: "en"}, offprint.DocEnd{},
		part{table: &offprint.Table{Columns: textColumns("mark", "text")}, rows: rows})

	text := ""
	for _, page := range pages(t, file) {
		body, _, footed := strings.Cut(page, "Texts Page ")
		if !footed {
			t.Fatalf("no footer in\n%s", page)
		}
		text += strings.TrimPrefix(body, "mark text\n")
	}
	for i, want := range texts {
		_, got, _ := strings.Cut(text, fmt.Sprintf("[%03d]", i))
		got, _, _ = strings.Cut(got, fmt.Sprintf("[%03d]", i+1))
		got, want := squeezed(got), squeezed(drawn(want))
		if slices.Contains(rightToLeft, texts[i]) {
			got, want = sorted(got), sorted(want)
		}
		if got != want {
			t.Errorf("%q came back as\n%q, want\n%q", texts[i], got, want)
		}
	}
	if len(warnings) != 1 || warnings[0].Code != "shape_missing" || warnings[0].Count == 0 {
		t.Errorf("warnings are %v, want one of shapes that are missing", warnings)
	}
}

// drawn is a text without the control characters, which the format leaves out.
func drawn(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s)
}

func sorted(s string) string {
	runes := []rune(s)
	slices.Sort(runes)
	return string(runes)
}

func TestValuesAreWrittenForPeople(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	decimal := func(s string) offprint.Value {
		v, ok := offprint.ParseDecimal(s)
		if !ok {
			t.Fatalf("%q is no decimal", s)
		}
		return v
	}
	at := func(s string) offprint.Value {
		instant, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return offprint.ValueOf(instant)
	}
	money, percent := offprint.Column{As: offprint.AsMoney}, offprint.Column{As: offprint.AsPercent}
	picture := func(code string) offprint.Column { return offprint.Column{Format: code} }
	tests := []struct {
		locale string
		column offprint.Column
		value  offprint.Value
		want   string
	}{
		{"", offprint.Column{}, offprint.IntValue(-9223372036854775808), "-9223372036854775808"},
		{"de", offprint.Column{}, decimal("1234567.1200"), "1234567,1200"},
		{"", offprint.Column{}, offprint.FloatValue(0.30000000000000004), "0.30000000000000004"},
		{"", offprint.Column{}, offprint.FloatValue(1e300), "1e+300"},
		{"", offprint.Column{}, offprint.BoolValue(true), "true"},
		{"", offprint.Column{}, offprint.BytesValue([]byte{0xca, 0xfe}), "cafe"},
		{"", offprint.Column{}, offprint.DateValue(offprint.Day{Year: 1899, Month: 12, Day: 31}.Days()), "1899-12-31"},
		{"", offprint.Column{}, offprint.DateValue(offprint.Day{Year: -43, Month: 3, Day: 15}.Days()), "-0043-03-15"},
		{"", offprint.Column{}, at("2026-01-31T22:59:59Z"), "2026-01-31 23:59:59"},
		{"", offprint.Column{}, at("2026-01-31T22:59:59.123456Z"), "2026-01-31 23:59:59.123456"},
		{"", offprint.Column{}, offprint.WallValue(0), "1970-01-01 00:00:00"},
		{"", offprint.Column{}, at("2026-10-24T23:30:00Z"), "2026-10-25 01:30:00"},
		{"", offprint.Column{}, at("2026-10-25T00:30:00Z"), "2026-10-25 02:30:00 +02:00"},
		{"", offprint.Column{}, at("2026-10-25T01:30:00Z"), "2026-10-25 02:30:00 +01:00"},
		{"", offprint.Column{}, at("2026-10-25T02:00:00Z"), "2026-10-25 03:00:00"},
		{"", offprint.Column{As: offprint.AsDate}, at("2026-01-30T23:00:00Z"), "2026-01-31"},
		{"", offprint.Column{As: offprint.AsDate}, at("2026-01-30T23:00:01Z"), "2026-01-31 00:00:01"},
		{"en-GB", money, decimal("1234567.5"), "1,234,567.50"},
		{"en-GB", money, decimal("-999"), "-999.00"},
		{"en-GB", money, decimal("-1000.12345"), "-1,000.12"},
		{"en-GB", money, decimal("-0.004"), "0.00"},
		{"en-GB", money, decimal("999.995"), "1,000.00"},
		{"en-GB", money, offprint.FloatValue(0.1 + 0.2), "0.30"},
		{"de", money, decimal("1234567.5"), "1.234.567,50"},
		{"de-CH", money, offprint.IntValue(1234567), "1’234’567.00"},
		{"fr-FR", money, offprint.FloatValue(1234567.25), "1 234 567,25"},
		{"", money, offprint.FloatValue(1e22), "1e+22"},
		{"", money, offprint.TextValue("unknown"), "unknown"},
		{"", percent, decimal("0.25"), "25 %"},
		{"de", percent, decimal("-0.12345"), "-12,35 %"},
		{"en-GB", percent, offprint.FloatValue(1.0 / 3), "33.33 %"},
		{"", percent, offprint.FloatValue(0.1), "10 %"},
		{"", percent, offprint.IntValue(1), "100 %"},
		{"", percent, decimal("0.005"), "0.5 %"},
		{"", picture("#,##0.00"), decimal("1234.565"), "1\u202f234.57"},
		{"de", picture("#,##0.00 [$€-407]"), decimal("-1234.5"), "-1.234,50 €"},
		{"", picture("0.0%"), decimal("0.98765"), "98.8%"},
		{"", picture("00000"), offprint.IntValue(42), "00042"},
		{"", picture("0.##"), decimal("999.999"), "1000"},
		{"", picture("#,##0;(#,##0)"), offprint.IntValue(-1500), "(1\u202f500)"},
		{"", picture(`"No. "0`), offprint.IntValue(7), "No. 7"},
		{"", picture("0"), decimal("-0.4"), "0"},
		{"", picture("# ?/?"), decimal("0.5"), "0.5"},
		{"", picture("dd.mm.yyyy"), offprint.DateValue(0), "01.01.1970"},
		{"", picture("d/m/yy hh:mm"), at("2026-01-31T22:05:00Z"), "31/1/26 23:05"},
		{"", picture("h:mm AM/PM"), offprint.WallValue(13*3600e6 + 5*60e6), "1:05 PM"},
		{"", picture("mm:ss"), offprint.WallValue(65e6), "01:05"},
		{"", picture("dd mmm yyyy"), offprint.DateValue(0), "1970-01-01"},
		{"", picture("0.00"), offprint.DateValue(0), "1970-01-01"},
	}
	for _, locale := range []string{"", "en-GB", "de", "de-CH", "fr-FR"} {
		table := &offprint.Table{}
		row, want := offprint.Row{}, ""
		for i, tt := range tests {
			if tt.locale != locale {
				continue
			}
			tt.column.Name = fmt.Sprintf("c%d", i)
			table.Columns = append(table.Columns, tt.column)
			row, want = append(row, tt.value), want+tt.want
		}
		file, _ := write(t, offprint.Head{Title: "Values", Locale: locale, Zone: berlin}, offprint.DocEnd{}, part{table: table, rows: []offprint.Row{row}})
		if got := strings.Join(pages(t, file), ""); !strings.Contains(squeezed(got), squeezed(want)) {
			t.Errorf("locale %q: no %s in\n%s", locale, want, got)
		}
	}
}

// orders are n rows of several kinds, and their plain text, cell after cell.
func orders(n int) (*offprint.Table, []offprint.Row, []string) {
	table := &offprint.Table{Name: "orders", Title: "Orders", Columns: []offprint.Column{
		{Name: "order_no", Title: "Order", Kind: offprint.Int, As: offprint.AsID},
		{Name: "ordered_on", Title: "Ordered", Kind: offprint.Date},
		{Name: "customer", Title: "Customer", Kind: offprint.Text},
		{Name: "secret", Title: "Secret", Kind: offprint.Text, Hide: true},
		{Name: "quantity", Title: "Quantity", Kind: offprint.Int, Total: offprint.Sum},
		{Name: "amount", Title: "Amount", Kind: offprint.Decimal, Total: offprint.Sum},
	}}
	names := []string{"Acme Ltd", "Ångström & Søn", "Ρόδος Α.Ε.", "Ромашка", strings.Repeat("A very long name of a firm ", 8)}
	rows, texts := make([]offprint.Row, n), make([]string, n)
	for i := range n {
		rows[i] = offprint.Row{
			offprint.IntValue(int64(i * i * 7)), offprint.DateValue(int64(i) - 40000), offprint.TextValue(names[i%len(names)]),
			offprint.TextValue("hidden"), offprint.IntValue(int64(i % 19)), offprint.DecimalValue(int64(i)*987654321, 2),
		}
		for j, v := range rows[i] {
			if !table.Columns[j].Hide {
				texts[i] += v.String() + " "
			}
		}
	}
	return table, rows, texts
}

func TestEveryCellOfALongTableComesBackInItsOrder(t *testing.T) {
	table, rows, texts := orders(3000)
	totals := offprint.NewTotals(table.Columns)
	for _, row := range rows {
		totals.Add(row)
	}
	file, _ := write(t, offprint.Head{Title: "Orders", Options: map[string]string{"pdf.footer": "Internal"}, MadeAt: time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC), Parts: 1},
		offprint.DocEnd{Outcome: offprint.Complete}, part{table, rows, offprint.PartEnd{Totals: totals.Values()}})
	made := pages(t, file)
	whole := ""
	for i, page := range made {
		header, footer := "Order Ordered Customer Quantity Amount\n", "Orders · 2026-11-23 14:30 · Internal"
		if !strings.Contains(page, header) {
			t.Fatalf("page %d does not repeat the header:\n%s", i+1, page)
		}
		if number := fmt.Sprintf("Page %d of %d", i+1, len(made)); !strings.Contains(page, number) {
			t.Fatalf("page %d does not say %s:\n%s", i+1, number, page)
		}
		_, body, _ := strings.Cut(page, header)
		body, _, ok := strings.Cut(body, footer)
		if !ok {
			t.Fatalf("page %d has no footer:\n%s", i+1, page)
		}
		whole += body
	}
	want := squeezed(strings.Join(texts, "") + "Total" + rowText(totals.Values()))
	if got := squeezed(whole); got != want {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Fatalf("differs at byte %d of %d: got %.80q, want %.80q", at, len(want), got[at:], want[at:])
	}
}

func rowText(values []offprint.Value) string {
	text := ""
	for _, v := range values {
		text += v.String()
	}
	return text
}

func TestAReportWithoutRowsSaysSo(t *testing.T) {
	table, _, _ := orders(0)
	file, _ := write(t, offprint.Head{Title: "Orders", Parameters: []offprint.Shown{{Label: "Period", Text: "October 2026"}}, Parts: 1},
		offprint.DocEnd{Outcome: offprint.Empty}, part{table: table})
	got := pages(t, file)
	for _, want := range []string{"Orders", "Period: October 2026", "Customer", "Nothing matched these parameters", "Page 1 of 1"} {
		if !strings.Contains(got[0], want) {
			t.Errorf("no %q in\n%s", want, got[0])
		}
	}
}

func TestADocumentWithoutPartsIsAPage(t *testing.T) {
	file, _ := write(t, offprint.Head{Title: "Nothing"}, offprint.DocEnd{Outcome: offprint.Empty})
	if got := pages(t, file); len(got) != 1 || !strings.Contains(got[0], "Page 1 of 1") {
		t.Errorf("pages are %q", got)
	}
}

func TestPartsAreSectionsWithBookmarks(t *testing.T) {
	table, rows, _ := orders(100)
	second := &offprint.Table{Name: "aging", Title: "Aging of “debts” (2026)", Columns: textColumns("bucket", "sum")}
	file, _ := write(t, offprint.Head{Title: "Debts", Locale: "de-DE", Parts: 3}, offprint.DocEnd{},
		part{table: table, rows: rows, end: offprint.PartEnd{Truncated: true}},
		part{table: second, rows: []offprint.Row{{offprint.TextValue("30 days"), offprint.TextValue("12")}}},
		part{table: second})
	got := pages(t, file)
	last := got[len(got)-1]
	for _, want := range []string{second.Title, "bucket sum", "30 days 12", "Nichts passt zu diesen Angaben", fmt.Sprintf("Seite %d von %d", len(got), len(got))} {
		if !strings.Contains(last, want) {
			t.Errorf("no %q in the last page\n%s", want, last)
		}
	}
	if all := strings.Join(got, ""); !strings.Contains(all, "Nur die ersten 100 Zeilen") {
		t.Errorf("nothing tells of the cut in\n%s", all)
	}
	outline := tool(t, file, "qpdf", "--json=2", "--json-key=outlines", "FILE")
	for _, want := range []string{`"title": "Orders"`, `"title": "Aging of “debts” (2026)"`} {
		if !strings.Contains(outline, want) {
			t.Errorf("no bookmark %s in\n%s", want, outline)
		}
	}
}

func TestManyColumnsLoseNothing(t *testing.T) {
	for _, n := range []int{40, 150} {
		table := &offprint.Table{}
		row, want, titles := offprint.Row{}, "", ""
		for i := range n {
			title := fmt.Sprintf("Column no. %d", i)
			table.Columns = append(table.Columns, offprint.Column{Name: title, Title: title, Kind: offprint.Int})
			row = append(row, offprint.IntValue(int64(1234567890+i)))
			titles += title
			want += row[i].String()
		}
		file, _ := write(t, offprint.Head{Title: "Wide"}, offprint.DocEnd{}, part{table: table, rows: []offprint.Row{row, row}})
		got := squeezed(strings.Join(pages(t, file), ""))
		if !strings.Contains(got, want) || !strings.Contains(got, squeezed(titles)) {
			t.Errorf("%d columns: the text is\n%s", n, got)
		}
	}
}

func TestThousandsOfPagesAreOneTree(t *testing.T) {
	rows := make([]offprint.Row, 4200) // more than 64 x 64
	for i := range rows {
		rows[i] = offprint.Row{offprint.TextValue(fmt.Sprintf("row %d", i) + strings.Repeat("\n", 45) + ".")}
	}
	file, _ := write(t, offprint.Head{Title: "Long"}, offprint.DocEnd{}, part{table: &offprint.Table{Columns: textColumns("text")}, rows: rows})
	got := pages(t, file)
	if len(got) < 4200 {
		t.Fatalf("%d pages", len(got))
	}
	for i, page := range got {
		if number := fmt.Sprintf("Page %d of %d", i+1, len(got)); !strings.Contains(page, number) {
			t.Fatalf("page %d does not say %s:\n%s", i+1, number, page)
		}
	}
}

func TestNotesComeLast(t *testing.T) {
	table, rows, _ := orders(3)
	file, warnings := write(t, offprint.Head{Title: "Orders"}, offprint.DocEnd{
		Outcome: offprint.Truncated, Rows: 3, AsOf: time.Date(2026, 11, 23, 14, 29, 0, 0, time.UTC),
		Warnings: []offprint.Warning{{Code: "digits_lost", Detail: "Two numbers were longer than the source told."}},
	}, part{table: table, rows: rows})
	got := strings.Join(pages(t, file), "")
	for _, want := range []string{"Notes", "Only the first 3 rows", "Data as of 2026-11-23 14:29", "Two numbers were longer than the source told."} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(warnings) != 0 {
		t.Errorf("warnings of its own: %v", warnings)
	}
}

func TestTheFileTellsWhatItIs(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	file, _ := write(t, offprint.Head{
		Title: "Größe (β) 🎉", By: "Anna Weber", Locale: "de_DE", Zone: zone, MadeAt: time.Date(2026, 11, 23, 14, 30, 0, 0, zone),
	}, offprint.DocEnd{})
	info := tool(t, file, "pdfinfo", "-isodates", "FILE")
	for _, want := range []string{"Größe (β) 🎉", "Anna Weber", "Offprint", "2026-11-23T14:30:00+01", "(A4)", "1.7"} {
		if !strings.Contains(info, want) {
			t.Errorf("no %q in\n%s", want, info)
		}
	}
	if meta := tool(t, file, "pdfinfo", "-meta", "FILE"); !strings.Contains(meta, "<xmp:CreateDate>2026-11-23T14:30:00+01:00<") {
		t.Errorf("metadata are\n%s", meta)
	}
	if catalog := tool(t, file, "qpdf", "--show-object=trailer", "FILE"); !strings.Contains(catalog, "/XRef") {
		t.Errorf("trailer is %s", catalog)
	}
}

func TestPaperIsAsAskedFor(t *testing.T) {
	tests := []struct{ locale, paper, orientation, size, err string }{
		{locale: "de-DE", size: "595.28 x 841.89"},
		{locale: "en", size: "595.28 x 841.89"},
		{locale: "en-US", size: "612 x 792"},
		{locale: "en-US", paper: "a4", size: "595.28 x 841.89"},
		{paper: "Letter", orientation: "landscape", size: "792 x 612"},
		{orientation: "portrait", size: "595.28 x 841.89"},
		{paper: "a3", size: "841.89 x 1190.55"},
		{paper: "a5", size: "419.53 x 595.28"},
		{paper: "legal", size: "612 x 1008"},
		{paper: "b5", err: `pdf.paper: "b5" is none of a3, a4, a5, letter and legal`},
		{orientation: "sideways", err: `pdf.orientation: "sideways" is none of portrait, landscape and auto`},
	}
	table, rows, _ := orders(1)
	for _, tt := range tests {
		head := offprint.Head{Locale: tt.locale, Options: map[string]string{"pdf.paper": tt.paper, "pdf.orientation": tt.orientation}}
		if tt.err != "" {
			if _, err := pdf.Format.New(&bytes.Buffer{}, head); err == nil || err.Error() != tt.err {
				t.Errorf("error is %v, want %s", err, tt.err)
			}
			continue
		}
		file, _ := write(t, head, offprint.DocEnd{}, part{table: table, rows: rows})
		if info := tool(t, file, "pdfinfo", "FILE"); !strings.Contains(info, tt.size) {
			t.Errorf("%+v: no %s in\n%s", tt, tt.size, info)
		}
	}
}
