package xlsx_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/xlsx"
)

var salesColumns = []offprint.Column{
	{Name: "region", Title: "Region", Hide: true},
	{Name: "day", Title: "Day", Kind: offprint.Date},
	{Name: "voucher", Title: "Voucher", As: offprint.AsID, Link: "https://erp.example.com/v?a=1&id={voucher}", Note: "Opens the <voucher>."},
	{Name: "customer", Title: "Customer", Total: offprint.Count},
	{Name: "currency", Title: "Cur."},
	{Name: "rate", Title: "Rate", As: offprint.AsPercent, Kind: offprint.Decimal, Total: offprint.Average},
	{Name: "amount", Title: "Amount", As: offprint.AsMoney, Kind: offprint.Decimal, Total: offprint.Sum, Currency: "currency"},
}

// sales are two regions of two days each; the last has two currencies.
func sales() part {
	var rows []offprint.Row
	for i := range 8 {
		region, currency := "Europe", "EUR"
		if i >= 4 {
			region = "Americas"
		}
		if i == 7 {
			currency = "USD"
		}
		rows = append(rows, offprint.Row{
			offprint.TextValue(region), offprint.DateValue(int64(20454 + i/2%2)), offprint.TextValue(fmt.Sprintf("%03d", i)), offprint.TextValue("c"),
			offprint.TextValue(currency), offprint.DecimalValue(int64(i), 2), offprint.DecimalValue(int64(i*100+1), 2),
		})
	}
	p := table(salesColumns, rows...)
	p.Title = "Sales of a rather long title / 1"
	p.Group = []string{"region", "day"}
	totals := offprint.NewTotals(salesColumns)
	for _, row := range rows {
		totals.Add(row)
	}
	p.totals = totals.Values()
	return p
}

func TestGroupsHaveASheetOfSubtotals(t *testing.T) {
	again := sales()
	again.Group = []string{"region"}
	b := made(t, offprint.Head{Title: "All"}, offprint.DocEnd{}, sales(), totaled(2), again)
	var names []string
	for _, s := range b.Sheets {
		names = append(names, s.Name)
	}
	want := []string{
		"Sales of a rather long title -", "Sales of a rather lon subtotals", "Orders",
		"Sales of a rather long titl (2)", "Sales of a rather subtotals (2)", "About",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the sheets are %q, want %q", names, want)
	}
	wantRows(t, b.Sheets[1], []string{
		"Region|Day|Rows|Customer (count)|Rate (average)|Amount",
		"Europe|2026-01-01T00:00:00|2|2|0.005|1.02",
		"Europe|2026-01-02T00:00:00|2|2|0.025|5.02",
		"*Europe||4|4|0.015|6.04",
		"Americas|2026-01-01T00:00:00|2|2|0.045|9.02",
		"Americas|2026-01-02T00:00:00|2|2|0.065|",
		"*Americas||4|4|0.055|",
		"*Total||8|8|0.035|",
	})
	s := b.Sheets[1]
	if s.Freeze != "A2" || s.Filter != "A1:F7" || s.Repeat != "$1:$1" || len(s.Hidden) > 0 {
		t.Errorf("the sheet of subtotals: frozen at %s, filtered in %s, repeats %s, hides %v", s.Freeze, s.Filter, s.Repeat, s.Hidden)
	}
	for i, format := range []string{"General", "mm-dd-yy", "#,##0", "#,##0", "0.00%", "#,##0.00;[Red]-#,##0.00"} {
		if got := s.Rows[1][i].Format; got != format {
			t.Errorf("column %d has the format %q, want %q", i, got, format)
		}
		if s.Rows[7][i].Top != "thin" {
			t.Errorf("column %d has no line above its total", i)
		}
	}
	for j, formula := range map[int]string{
		2: "=COUNTIFS(orders[Region],A2,orders[Day],B2)",
		3: `=COUNTIFS(orders[Region],A2,orders[Day],B2,orders[Customer],"<>")`,
		4: "=AVERAGEIFS(orders[Rate],orders[Region],A2,orders[Day],B2)",
		5: "=SUMIFS(orders[Amount],orders[Region],A2,orders[Day],B2)",
	} {
		if got := s.Rows[1][j].Value; got != formula {
			t.Errorf("column %d of the first group is %s, want %s", j, got, formula)
		}
	}
	if got, want := s.Rows[3][5].Value, "=SUMIFS(orders[Amount],orders[Region],A4)"; got != want {
		t.Errorf("the amount of Europe is %s, want %s", got, want)
	}
	if got, want := s.Rows[7][4].Value, "=AVERAGE(orders[Rate])"; got != want {
		t.Errorf("the rate of all is %s, want %s", got, want)
	}
	wantRows(t, b.Sheets[4], []string{"Region|Rows|Customer (count)|Rate (average)|Amount", "Europe|4|4|0.015|6.04", "Americas|4|4|0.055|", "*Total|8|8|0.035|"})
}

// wantRows compares the values of a sheet, of formulas those that are kept with
// them; * is before a row in bold.
func wantRows(t *testing.T, s sheet, want []string) {
	t.Helper()
	var got []string
	for i, row := range s.Rows {
		var texts []string
		for j, c := range row {
			if c.Kind == "formula" {
				c.Value = s.Cached[i][j]
			}
			texts = append(texts, c.Value)
		}
		bold := ""
		if i > 0 && row[0].Bold {
			bold = "*"
		}
		got = append(got, bold+strings.Join(texts, "|"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the sheet %s is\n%s\nwant\n%s", s.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSubtotalsFollowTheRowsWhereExcelFindsThem holds when subtotals are
// formulas: when Excel's criteria find each group's rows and no others.
func TestSubtotalsFollowTheRowsWhereExcelFindsThem(t *testing.T) {
	texts := func(texts ...string) (values []offprint.Value) {
		for _, s := range texts {
			values = append(values, offprint.TextValue(s))
		}
		return values
	}
	large := make([]offprint.Value, 11_000)
	for i := range large {
		large[i] = offprint.IntValue(int64(i))
	}
	tests := []struct {
		name string
		as   offprint.As
		keys []offprint.Value
		want string // the first group's number of rows
	}{
		{"words", "", texts("Asia", "Asia and the Pacific", "Łódź"), "=COUNTIFS(orders[Key],A2)"},
		{"no value", "", []offprint.Value{{}, offprint.TextValue("a")}, "1"},
		{"days", "", []offprint.Value{offprint.DateValue(20454), offprint.DateValue(20455)}, "=COUNTIFS(orders[Key],A2)"},
		{"numbers", "", []offprint.Value{offprint.IntValue(1), offprint.DecimalValue(105, 1)}, "=COUNTIFS(orders[Key],A2)"},
		{"truths", "", []offprint.Value{offprint.BoolValue(true), offprint.BoolValue(false)}, "=COUNTIFS(orders[Key],A2)"},
		{"texts that read as days", "", texts("2026-01", "2026-02"), `=COUNTIFS(orders[Key],"="&A2&"*")`},
		{"texts that read as formulas", "", texts("=1+1", "<5"), `=COUNTIFS(orders[Key],"="&A2&"*")`},
		{"ids", offprint.AsID, []offprint.Value{offprint.IntValue(100), offprint.IntValue(200)}, `=COUNTIFS(orders[Key],"="&A2&"*")`},
		{"ids that go on behind another", offprint.AsID, []offprint.Value{offprint.IntValue(1), offprint.IntValue(200), offprint.IntValue(10)}, "1"},
		{"words that differ in case", "", texts("north", "North"), "1"},
		{"a group that comes again", "", texts("a", "b", "a"), "1"},
		{"the same number again", "", []offprint.Value{offprint.DecimalValue(10, 1), offprint.DecimalValue(20, 1), offprint.DecimalValue(100, 2)}, "1"},
		{"a pattern", "", texts("a*", "b"), "1"},
		{"an empty text", "", texts("", "b"), "1"},
		{"a text that reads as a truth", "", texts("TRUE", "b"), "1"},
		{"spaces at the ends", "", texts("a ", "b"), "1"},
		{"longer than a criterion", "", texts(strings.Repeat("a", 255)), "1"},
		{"a number among texts", "", []offprint.Value{offprint.TextValue("a"), offprint.IntValue(5)}, "1"},
		{"a day that Excel does not know", "", []offprint.Value{offprint.DateValue(-40_000)}, "1"},
		{"floats", "", []offprint.Value{offprint.FloatValue(0.1)}, "1"},
		{"so many that Excel would be busy", "", large, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rows []offprint.Row
			for _, key := range tt.keys {
				rows = append(rows, offprint.Row{key, offprint.IntValue(1)})
			}
			p := table([]offprint.Column{{Name: "key", Title: "Key", As: tt.as}, {Name: "n", Title: "N", Total: offprint.Sum}}, rows...)
			p.Group, p.totals = []string{"key"}, []offprint.Value{{}, offprint.IntValue(int64(len(rows)))}
			s := made(t, offprint.Head{}, offprint.DocEnd{}, p).Sheets[1]
			if got := s.Rows[1][1].Value; got != tt.want || s.Cached[1][1] != "1" || len(s.Rows) != len(rows)+2 {
				t.Errorf("the first of %d groups has %s rows (%s), want %s", len(s.Rows)-2, got, s.Cached[1][1], tt.want)
			}
		})
	}
}

// TestEmptyGroups holds that a part of no rows opens, also where it is grouped.
func TestEmptyGroups(t *testing.T) {
	p := sales()
	p.Rows, p.totals = offprint.Rows(), nil
	b := made(t, offprint.Head{Locale: "de"}, offprint.DocEnd{}, p)
	wantRows(t, b.Sheets[1], []string{"Region|Day|Zeilen|Customer (Anzahl)|Rate (Durchschnitt)|Amount", "*Summe||0|||"})
	if got := b.Sheets[2].Name; got != "Info" {
		t.Errorf("the last sheet is %q", got)
	}
}

// TestGroupsBeyondASheet holds that there is a bound, and that it is told.
func TestGroupsBeyondASheet(t *testing.T) {
	p := counting(100_003)
	p.Columns = []offprint.Column{{Name: "n", Title: "N"}}
	p.Group, p.totals = []string{"n"}, nil
	var out bytes.Buffer
	warnings, err := write(&out, offprint.Head{}, offprint.DocEnd{}, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Code != "groups_left_out" || warnings[0].Count != 3 {
		t.Errorf("the warnings are %v", warnings)
	}
	files := unpack(t, out.Bytes())
	checkPackage(t, files)
	checkSchema(t, "sheet2.xml", files["xl/worksheets/sheet2.xml"])
	checkOrder(t, "sheet2.xml", files["xl/worksheets/sheet2.xml"])
	if got := bytes.Count(files["xl/worksheets/sheet2.xml"], []byte("<row ")); got != 100_002 {
		t.Errorf("%d rows of subtotals", got)
	}
}

func TestLinksAndNotes(t *testing.T) {
	evil := sales()
	evil.Columns = slices.Clone(evil.Columns)
	evil.Columns[6].Link = "https://erp.example.com/c/{currency}"
	row := offprint.Row{{}, {}, offprint.TextValue(`"><f>1</f>//evil.com`), {}, offprint.TextValue(".."), {}, offprint.IntValue(1)}
	none := offprint.Row{{}, {}, {}, {}, {}, {}, offprint.IntValue(2)}
	both := offprint.Row{{}, {}, offprint.TextValue("=HYPERLINK(\"https://evil.com\")"), {}, offprint.TextValue("EUR"), {}, offprint.IntValue(3)}
	evil.Rows, evil.totals, evil.Group = offprint.Rows(row, none, both), nil, nil
	b := made(t, offprint.Head{}, offprint.DocEnd{}, sales(), evil)
	for i, row := range b.Sheets[0].Rows[1:9] {
		for j, c := range row {
			want := ""
			if j == 2 {
				want = fmt.Sprintf("https://erp.example.com/v?a=1&id=%03d", i)
			}
			if c.Link != want || c.Underlined != (want != "") {
				t.Errorf("row %d, column %d leads to %q (underlined: %v), want %q", i, j, c.Link, c.Underlined, want)
			}
		}
		if row[2].Format != "@" || row[2].Kind != "text" {
			t.Errorf("a linked id is %+v", row[2])
		}
	}
	s := b.Sheets[2]
	for _, tt := range []struct {
		row, column int
		link        string
	}{
		{1, 2, "https://erp.example.com/v?a=1&id=%22%3E%3Cf%3E1%3C%2Ff%3E%2F%2Fevil.com"},
		{1, 6, ""},
		{2, 6, ""},
		{3, 2, "https://erp.example.com/v?a=1&id=%3DHYPERLINK%28%22https%3A%2F%2Fevil.com%22%29"},
		{3, 6, "https://erp.example.com/c/EUR"},
		{3, 4, ""},
	} {
		c := s.Rows[tt.row][tt.column]
		if c.Link != tt.link || c.Underlined != (tt.link != "") || c.Kind == "formula" {
			t.Errorf("row %d, column %d: %+v, want a link to %q", tt.row, tt.column, c, tt.link)
		}
	}
	if s.Rows[3][6].Format != "#,##0.00;[Red]-#,##0.00" {
		t.Errorf("linked money: %+v", s.Rows[3][6])
	}
	if got := b.Sheets[0].Prompts; len(got) != 1 || got["C1"] != "Voucher: Opens the <voucher>." {
		t.Errorf("the prompts are %v", got)
	}
	about := b.Sheets[len(b.Sheets)-1]
	var said []string
	for _, row := range about.Rows {
		if len(row) == 2 && row[1].Value != "" {
			said = append(said, row[0].Value+": "+row[1].Value)
		}
	}
	for _, want := range []string{"Sales of a rather long title -: Rate (average): 0.035", "Voucher: Opens the <voucher>."} {
		if !slices.Contains(said, want) {
			t.Errorf("the About sheet says %q, and not %q", said, want)
		}
	}
}

// TestMixedCurrencies holds that the workbook says why a total is not there.
func TestMixedCurrencies(t *testing.T) {
	w, err := xlsx.Format.New(io.Discard, offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	p := sales()
	if err := w.Begin(&p.Table); err != nil {
		t.Fatal(err)
	}
	if err := w.End(offprint.PartEnd{Totals: p.totals, Mixed: []int{6}}); err != nil {
		t.Fatal(err)
	}
	warnings, err := w.Close(offprint.DocEnd{})
	if err != nil || len(warnings) != 1 || warnings[0].Code != "currencies_mixed" || warnings[0].Detail != "No total of Amount: it holds several currencies." {
		t.Errorf("%v, %v", warnings, err)
	}
}

// TestMoreLinksThanASheetHolds holds that the cells beyond are plain, that it
// is told, and that the next sheet has links again.
func TestMoreLinksThanASheetHolds(t *testing.T) {
	p := counting(fullSheet + 3)
	p.Columns = []offprint.Column{{Name: "n", Title: "N", Link: "https://erp.example.com/{n}"}}
	p.totals = nil
	var out bytes.Buffer
	warnings, err := write(&out, offprint.Head{}, offprint.DocEnd{}, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].Code != "links_left_out" || warnings[0].Count != fullSheet+1-65_530 {
		t.Errorf("the warnings are %v", warnings)
	}
	files := unpack(t, out.Bytes())
	checkPackage(t, files)
	for name, want := range map[string]int{"1": 65_530, "2": 2} {
		places, targets := bytes.Count(files["xl/worksheets/sheet"+name+".xml"], []byte("<hyperlink ")), bytes.Count(files["xl/worksheets/_rels/sheet"+name+".xml.rels"], []byte("/hyperlink"))
		if places != want || targets != want {
			t.Errorf("sheet %s has %d links, which lead to %d places, want %d", name, places, targets, want)
		}
	}
	checkSchema(t, "sheet2.xml", files["xl/worksheets/sheet2.xml"])
	if !bytes.Contains(files["xl/worksheets/_rels/sheet2.xml.rels"], []byte(`Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink" TargetMode="External" Target="https://erp.example.com/1048577"`)) {
		t.Errorf("the second sheet leads to %.300s", files["xl/worksheets/_rels/sheet2.xml.rels"])
	}
}

// TestGroupsAndLinksWaitCompressed holds that what stands behind the rows
// takes a fraction of its size until then.
func TestGroupsAndLinksWaitCompressed(t *testing.T) {
	p := counting(100_000)
	p.Columns = []offprint.Column{{Name: "n", Title: "N", Link: "https://erp.example.com/vouchers/of/a/long/address/{n}"}}
	p.Group, p.totals = []string{"n"}, nil
	source := p.Rows
	var most uint64
	p.Rows = func(yield func(offprint.Row, error) bool) {
		n := 0
		for row := range source {
			if n++; n%25_000 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
	if _, err := write(io.Discard, offprint.Head{}, offprint.DocEnd{}, p); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d kB in use", most>>10)
	if most > 16<<20 {
		t.Errorf("%d bytes in use", most)
	}
}
