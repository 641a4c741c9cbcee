package xlsx_test

import (
	"archive/zip"
	"bytes"
	stdcsv "encoding/csv"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
	"github.com/offprint/offprint/internal/format/csv"
)

// TestProveLibreOfficeReadsTheShop holds that what LibreOffice finds in the
// workbooks of the sample reports is what our own CSV says of the same rows.
func TestProveLibreOfficeReadsTheShop(t *testing.T) {
	for _, d := range celltest.Shop(t, 3000) {
		var book bytes.Buffer
		if _, err := write(&book, d.Head, offprint.DocEnd{Outcome: offprint.Complete}, parts(d)...); err != nil {
			t.Fatal(err)
		}
		for i, p := range d.Parts {
			theirs := records(t, celltest.Convert(t, d.Name+".xlsx", book.Bytes(), rawCSV+strconv.Itoa(i+1)))
			ours := records(t, ownCSV(t, d.Head, p))
			if len(theirs) < len(ours) {
				t.Fatalf("%s, %s: %d rows, want %d", d.Name, p.Name, len(theirs), len(ours))
			}
			for j, want := range ours {
				for k, c := range p.Columns {
					kind := "text" // of titles
					if j > 0 {
						kind = celltest.Of(c, p.Values[j-1][k], d.Head.Zone).Kind
					}
					if got := theirs[j][k]; !same(t, kind, got, want[k]) {
						t.Errorf("%s, %s: row %d, %s: LibreOffice reads %q, want %q", d.Name, p.Name, j, c.Name, got, want[k])
					}
				}
			}
			t.Logf("%s, %s: %d cells", d.Name, p.Name, len(ours)*len(p.Columns))
		}
	}
}

// rawCSV has LibreOffice write the contents of a sheet's cells and not what is
// shown of them: a sum that is shown with two decimals can be compared in all
// its digits, a time to its second. Of en-US, so that the order of day and
// month is known; the sheet's number follows.
const rawCSV = "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033,true,true,false,false,false,"

// ownCSV is the part as it went in.
func ownCSV(t *testing.T, head offprint.Head, p celltest.Part) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := csv.Format.New(&out, offprint.Head{Zone: head.Zone, Options: map[string]string{"csv.formulas": "raw"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(&p.Table); err != nil {
		t.Fatal(err)
	}
	for _, row := range p.Values {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(offprint.PartEnd{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(offprint.DocEnd{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func records(t *testing.T, file []byte) [][]string {
	t.Helper()
	all, err := stdcsv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// same tells whether two spellings are of one value: of a number, a percentage,
// a wall clock, yes or no. Of a number LibreOffice writes 15 digits.
func same(t *testing.T, kind, theirs, ours string) bool {
	t.Helper()
	switch kind {
	case "number":
		a, b := number(t, theirs), number(t, ours)
		return math.Abs(a-b) <= 1e-14*math.Abs(b)
	case "time":
		return clock(t, theirs).Equal(clock(t, ours))
	case "bool":
		return strings.EqualFold(theirs, ours)
	}
	return theirs == ours
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	if share, is := strings.CutSuffix(s, "%"); is {
		s = share + "e-2"
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Errorf("%q is no number", s)
	}
	return f
}

// clock is what a wall clock shows, whatever its zone.
func clock(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, time.DateTime, "01/02/2006 15:04:05", "01/02/2006"} {
		if at, err := time.Parse(layout, s); err == nil {
			_, offset := at.Zone()
			return at.Add(time.Duration(offset) * time.Second)
		}
	}
	t.Errorf("%q is no time", s)
	return time.Time{}
}

// averages are what AVG answers, in floats and in decimals, with every total.
func averages() celltest.Part {
	columns := []offprint.Column{
		{Name: "shop", Title: "Shop [all]"},
		{Name: "visits", Title: "Visits", Kind: offprint.Float, Total: offprint.Sum},
		{Name: "basket", Title: "Basket", Kind: offprint.Decimal, As: offprint.AsMoney, Total: offprint.Sum},
		{Name: "share", Title: "Share", Kind: offprint.Float, As: offprint.AsPercent, Total: offprint.Average},
		{Name: "least", Title: "Least #", Kind: offprint.Float, Total: offprint.Least},
		{Name: "most", Title: "Shop's most", Kind: offprint.Decimal, Total: offprint.Most},
		{Name: "opened", Title: "Opened", Kind: offprint.Date, Total: offprint.Least},
		{Name: "note", Title: "Note", Kind: offprint.Text, Total: offprint.Count},
		{Name: "balance", Title: "Balance", Kind: offprint.Decimal, As: offprint.AsMoney, Total: offprint.Last},
	}
	var rows []offprint.Row
	for i := range int64(1000) {
		average := new(big.Rat).SetFrac64(i*37%1009-200, 7)
		f, _ := average.Float64()
		note := offprint.Value{}
		if i%3 == 0 {
			note = offprint.TextValue("=1+1")
		}
		rows = append(rows, offprint.Row{
			offprint.TextValue("shop " + strconv.FormatInt(i, 10)), offprint.FloatValue(f), decimal(average.FloatString(10)), offprint.FloatValue(float64(i) / 3000),
			offprint.FloatValue(f), decimal(average.FloatString(6)), offprint.DateValue(20_000 + i*7919%365), note, decimal(average.FloatString(2)),
		})
	}
	return celltest.PartOf(offprint.Table{Name: "averages", Title: "Averages", Columns: columns}, rows...)
}

// TestProveLibreOfficeAddsUp holds that each total is a formula with the
// result that we say: LibreOffice, given zeros for results, comes to the same.
func TestProveLibreOfficeAddsUp(t *testing.T) {
	p := averages()
	var book bytes.Buffer
	if _, err := write(&book, offprint.Head{}, offprint.DocEnd{}, part{p.Table, p.Totals}); err != nil {
		t.Fatal(err)
	}
	all := records(t, celltest.Convert(t, "averages.xlsx", withoutResults(t, book.Bytes()), rawCSV+"1"))
	last := all[len(all)-1]
	for i, c := range p.Columns {
		if c.Total == offprint.NoTotal {
			continue
		}
		kind, want := celltest.Of(c, p.Totals[i], nil).Kind, p.Totals[i].String()
		if !same(t, kind, last[i], want) {
			t.Errorf("the %s of %s is %s by LibreOffice, want %s", c.Total, c.Title, last[i], want)
		}
		t.Logf("%s of %s: %s, by LibreOffice %s", c.Total, c.Title, want, last[i])
	}
}

// TestProveLibreOfficeFindsTheGroups holds that the criteria of subtotals find
// the rows of their groups, whatever these are called.
func TestProveLibreOfficeFindsTheGroups(t *testing.T) {
	days := []offprint.Value{offprint.DateValue(20_454), offprint.DateValue(20_455)}
	for name, regions := range map[string][]offprint.Value{
		"words":          {offprint.TextValue("Asia"), offprint.TextValue("Asia and the Pacific"), offprint.TextValue("Łódź & Söhne")},
		"numbers":        {offprint.IntValue(-1), offprint.DecimalValue(105, 1), offprint.DecimalValue(10500, 1)},
		"read as others": {offprint.TextValue("2026-01"), offprint.TextValue("1e3"), offprint.TextValue("=1+1"), offprint.TextValue("<5"), offprint.TextValue("-"), offprint.TextValue("007")},
		"truths":         {offprint.BoolValue(false), offprint.BoolValue(true)},
	} {
		columns := []offprint.Column{
			{Name: "region", Title: "Region's [name] #"},
			{Name: "day", Title: "Day"},
			{Name: "customer", Title: "Customer", Total: offprint.Count},
			{Name: "rate", Title: "Rate", Kind: offprint.Float, Total: offprint.Average},
			{Name: "amount", Title: "Amount", Kind: offprint.Decimal, As: offprint.AsMoney, Total: offprint.Sum},
		}
		var rows []offprint.Row
		for i, region := range regions {
			for j := range int64(7) {
				customer := offprint.Value{}
				if j%3 == 0 {
					customer = offprint.TextValue("c")
				}
				rows = append(rows, offprint.Row{region, days[j/4], customer, offprint.FloatValue(float64(j) / 8), offprint.DecimalValue(int64(i)*100+j, 2)})
			}
		}
		p := celltest.PartOf(offprint.Table{Name: "sales", Title: "Sales", Columns: columns, Group: []string{"region", "day"}}, rows...)
		var book bytes.Buffer
		if _, err := write(&book, offprint.Head{}, offprint.DocEnd{}, part{p.Table, p.Totals}); err != nil {
			t.Fatal(err)
		}
		ours := read(t, book.Bytes()).Sheets[1]
		theirs := read(t, celltest.Convert(t, "sales.xlsx", withoutResults(t, book.Bytes()), "xlsx")).Sheets[1]
		formulas := 0
		for i, row := range ours.Rows {
			for j, c := range row {
				if c.Kind != "formula" {
					continue
				}
				formulas++
				if got, want := theirs.Cached[i][j], ours.Cached[i][j]; !same(t, "number", got, want) {
					t.Errorf("%s: %s is %s by LibreOffice, want %s", name, c.Value, got, want)
				}
			}
		}
		if want := 4*3*len(regions) + 4; formulas != want {
			t.Errorf("%s: %d formulas, want %d", name, formulas, want)
		}
	}
}

var result = regexp.MustCompile(`</f><v>[^<]*</v>`)

// withoutResults is the workbook with a zero for what each formula comes to.
func withoutResults(t *testing.T, book []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range unpack(t, book) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(result.ReplaceAll(content, []byte(`</f><v>0</v>`))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestProveLibreOfficeKeepsTheTable holds that what it opened as a table it
// saves as one: of the same name, place, columns and totals.
func TestProveLibreOfficeKeepsTheTable(t *testing.T) {
	p := averages()
	var book bytes.Buffer
	if _, err := write(&book, offprint.Head{}, offprint.DocEnd{}, part{p.Table, p.Totals}); err != nil {
		t.Fatal(err)
	}
	saved := celltest.Convert(t, "averages.xlsx", book.Bytes(), "xlsx")
	var ours, theirs tableFile
	decode(t, unpack(t, book.Bytes()), "xl/tables/table1.xml", &ours)
	decode(t, unpack(t, saved), "xl/tables/table1.xml", &theirs)
	if theirs.Name != ours.Name || theirs.Ref != ours.Ref || theirs.Totals != 1 || !slices.Equal(titlesOf(theirs), titlesOf(ours)) {
		t.Errorf("LibreOffice saved the table as %+v, want %+v", theirs, ours)
	}
	for whose, data := range map[string][]byte{"our": book.Bytes(), "LibreOffice's": saved} {
		if got := read(t, data).Sheets[0].Tables["averages"]; got != ours.Ref {
			t.Errorf("openpyxl finds the table of %s workbook at %q, want %s", whose, got, ours.Ref)
		}
	}
}

func titlesOf(table tableFile) (titles []string) {
	for _, c := range table.Columns {
		titles = append(titles, c.Name)
	}
	return titles
}
