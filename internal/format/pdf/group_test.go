package pdf_test

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/pdf"
)

// sales are rows by region and month, of which the last region has two currencies.
func sales(months int) part {
	p := part{table: &offprint.Table{Name: "sales", Group: []string{"region", "month"}, Columns: []offprint.Column{
		{Name: "region", Title: "Region", Hide: true},
		{Name: "month", Title: "Month"},
		{Name: "voucher", Title: "Voucher", As: offprint.AsID, Link: "https://erp.example.com/(v)/{voucher}", Note: "Opens the voucher."},
		{Name: "customer", Title: "Customer", Total: offprint.Count},
		{Name: "currency", Title: "Cur."},
		{Name: "rate", Title: "Rate", As: offprint.AsPercent, Kind: offprint.Decimal, Total: offprint.Average},
		{Name: "amount", Title: "Amount", As: offprint.AsMoney, Kind: offprint.Decimal, Total: offprint.Sum, Currency: "currency"},
	}}}
	regions := []offprint.Value{offprint.TextValue("Europe"), {}, offprint.TextValue("Americas")}
	n := 0
	for r, region := range regions {
		for m := range months {
			for k := range 1 + m%5 {
				n++
				currency := "EUR"
				if r == 2 && k%2 == 1 {
					currency = "USD"
				}
				p.rows = append(p.rows, offprint.Row{
					region, offprint.TextValue(fmt.Sprintf("M%03d", m)), offprint.TextValue(fmt.Sprintf("V/%d", n)), offprint.TextValue("c"),
					offprint.TextValue(currency), offprint.DecimalValue(int64(k*10), 3), offprint.DecimalValue(int64(n), 2),
				})
			}
		}
	}
	return p
}

func TestGroupsHaveSubtotals(t *testing.T) {
	file, warnings := write(t, offprint.Head{Title: "Sales", Locale: "en-GB"}, offprint.DocEnd{}, sales(2))
	text := strings.Join(pages(t, file), "")
	for _, want := range []string{
		"V/1 c EUR 0.0 % 0.01\nM000 · 1 row 1 0 % 0.01\nM001 V/2 c EUR 0.0 % 0.02\nM001 V/3 c EUR 1.0 % 0.03\nM001 · 2 rows 2 0.5 % 0.05\nEurope · 3 rows 3 0.33 % 0.06\n",
		"(empty) · 3 rows 3 0.33 % 0.15\n",
		"M001 · 2 rows 2 0.5 %\nAmericas · 3 rows 3 0.33 %\nTotal 9 0.33 %\nTotals: Customer (count) · Rate (average) · Amount (sum)\n",
		"Notes\nVoucher: Opens the voucher.\nNo total of Amount: it holds several currencies.\n",
	} {
		if !strings.Contains(strings.ReplaceAll(text, "\u00a0", " "), want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if len(warnings) != 1 || warnings[0].Code != "currencies_mixed" || warnings[0].Column != "amount" {
		t.Errorf("the warnings are %v", warnings)
	}
	german, _ := write(t, offprint.Head{Title: "Sales", Locale: "de"}, offprint.DocEnd{}, sales(2))
	if text := strings.Join(pages(t, german), ""); !strings.Contains(text, "Europe · 3 Zeilen") || !strings.Contains(text, "Summe 9") {
		t.Errorf("in German:\n%s", text)
	}
}

// Without totals there is still the number of rows.
func TestGroupsWithoutTotalsAreCounted(t *testing.T) {
	p := sales(3)
	for i := range p.table.Columns {
		p.table.Columns[i].Total = ""
	}
	file, _ := write(t, offprint.Head{Title: "Sales"}, offprint.DocEnd{}, p)
	if text := strings.Join(pages(t, file), ""); !strings.Contains(text, "M002 · 3 rows\nEurope · 6 rows\n") || strings.Contains(text, "Total") {
		t.Errorf("the groups are in\n%s", text)
	}
}

// A subtotal stands on the page of its last row, and so does the total.
func TestSubtotalsStayWithTheirRows(t *testing.T) {
	sum := regexp.MustCompile(`^(\S+ · [\d,]+ rows?|Total) `)
	for months := range 40 {
		p := sales(60 + months)
		p.table.Columns[0].Hide = false
		file, _ := write(t, offprint.Head{Title: "Sales"}, offprint.DocEnd{}, p)
		text := tool(t, file, "pdftotext", "-raw", "FILE", "-")
		all := strings.Split(text, "\f")
		for n, page := range all[:len(all)-1] {
			lines := strings.Split(page, "\n")
			at := slices.Index(lines, "Region Month Voucher Customer Cur. Rate Amount")
			if at >= 0 && sum.MatchString(lines[at+1]) {
				t.Fatalf("%d months: page %d begins with %q", 60+months, n+1, lines[at+1])
			}
		}
		if got, want := len(sum.FindAllString(text, -1))+strings.Count(text, " · "), 3*(60+months)+3; got < want {
			t.Fatalf("%d subtotals, want %d", got, want)
		}
	}
}

// A label stands above the figures where there is no room beside them.
func TestLabelsOfSubtotalsFindRoom(t *testing.T) {
	long := strings.Repeat("A very long name of a region, ", 20)
	p := part{table: &offprint.Table{Group: []string{"region"}, Columns: []offprint.Column{
		{Name: "n", Title: "N", Kind: offprint.Int, Total: offprint.Sum},
		{Name: "region", Title: "Region", Hide: true},
	}}, rows: []offprint.Row{{offprint.IntValue(7), offprint.TextValue(long)}, {offprint.IntValue(8), offprint.TextValue("x")}}}
	file, _ := write(t, offprint.Head{Title: "Narrow"}, offprint.DocEnd{}, p)
	text := squeezed(strings.Join(pages(t, file), ""))
	if want := squeezed("N 7" + long + "· 1 row 7 8 x · 1 row 8 Total 15"); !strings.Contains(text, want) {
		t.Errorf("%q, want %q", text, want)
	}
}

func TestLinksLeadWhereTheDefinitionSays(t *testing.T) {
	p := sales(40)
	p.rows[0][2] = offprint.TextValue("//evil.com/)>> /JavaScript")
	p.rows[1][2] = offprint.Value{}
	file, _ := write(t, offprint.Head{Title: "Sales"}, offprint.DocEnd{}, p)
	plain := tool(t, file, "qpdf", "--qdf", "--object-streams=disable", "FILE", "-")
	found := regexp.MustCompile(`/URI \(([^\n]*)\)\n`).FindAllStringSubmatch(plain, -1)
	if len(found) != len(p.rows)-1 {
		t.Fatalf("%d links, want %d", len(found), len(p.rows)-1)
	}
	for i, want := range []string{`https://erp.example.com/\(v\)/%2F%2Fevil.com%2F%29%3E%3E%20%2FJavaScript`, `https://erp.example.com/\(v\)/V%2F3`} {
		if got := found[i][1]; got != want && got != strings.ReplaceAll(want, `\`, "") {
			t.Errorf("a link leads to %s, want %s", got, want)
		}
	}
	if strings.Contains(plain, "/JavaScript") && !strings.Contains(plain, "%2FJavaScript") {
		t.Error("data became an action")
	}
	p.table.Columns[2].Link = "https://{voucher}/"
	w, err := pdf.Format.New(io.Discard, offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(p.table); offprint.CodeOf(err) != offprint.BadQuery {
		t.Errorf("data as a host: %v", err)
	}
}

// Links and groups take eight bytes of each link, and nothing else.
func TestMemoryDoesNotGrowWithGroupsAndLinks(t *testing.T) {
	inUse := func(rows int) (most uint64) {
		w, err := pdf.Format.New(io.Discard, offprint.Head{Title: "Sales"})
		if err != nil {
			t.Fatal(err)
		}
		p := sales(400)
		for n := 0; n < rows; n += len(p.rows) {
			part := p
			part.table = &offprint.Table{Columns: p.table.Columns, Group: p.table.Group}
			writePart(t, w.(offprint.GroupWriter), part)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		if _, err := w.Close(offprint.DocEnd{}); err != nil {
			t.Fatal(err)
		}
		return most
	}
	few, many := inUse(20_000), inUse(80_000)
	if many > few+60_000*16+512<<10 {
		t.Errorf("80,000 rows take %d bytes, 20,000 take %d", many, few)
	}
}
