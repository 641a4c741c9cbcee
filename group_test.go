package offprint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

// grouped are the ends of groups between the rows, as text.
func grouped(t *testing.T, table *offprint.Table, rows ...offprint.Row) (told []string) {
	t.Helper()
	g, err := offprint.NewGroups(table)
	if err != nil {
		t.Fatal(err)
	}
	say := func(ended []offprint.GroupEnd) {
		for _, e := range ended {
			var said []string
			for _, v := range e.Keys {
				said = append(said, v.String())
			}
			var totals []string
			for _, v := range e.Totals {
				totals = append(totals, v.String())
			}
			told = append(told, fmt.Sprintf("%d %s: %d rows %s", e.Level, strings.Join(said, "/"), e.Rows, strings.Join(totals, "|")))
		}
	}
	for _, row := range rows {
		say(g.Add(row))
		told = append(told, row[len(row)-1].String())
	}
	say(g.End())
	return told
}

func TestGroupsEndWhereTheirRowsDo(t *testing.T) {
	table := &offprint.Table{Group: []string{"region", "month"}, Columns: []offprint.Column{
		{Name: "month"},
		{Name: "region"},
		{Name: "currency", Total: offprint.Count},
		{Name: "rate", Total: offprint.Average},
		{Name: "amount", Total: offprint.Sum, Currency: "currency"},
	}}
	row := func(region, month, currency string, cents int64) offprint.Row {
		r := offprint.Row{offprint.TextValue(month), offprint.TextValue(region), offprint.TextValue(currency), offprint.IntValue(cents), offprint.DecimalValue(cents, 2)}
		if region == "" {
			r[1] = offprint.Value{}
		}
		return r
	}
	got := grouped(t, table,
		row("EU", "01", "EUR", 1), row("EU", "01", "EUR", 2), row("EU", "02", "USD", 4), // of two currencies
		row("US", "02", "USD", 8), row("", "02", "USD", 16),
		row("EU", "01", "EUR", 32), // again
	)
	want := []string{
		"0.01", "0.02", "1 EU/01: 2 rows ||2|1.500000|0.03",
		"0.04", "1 EU/02: 1 rows ||1|4.000000|0.04", "0 EU: 3 rows ||3|2.333333|",
		"0.08", "1 US/02: 1 rows ||1|8.000000|0.08", "0 US: 1 rows ||1|8.000000|0.08",
		"0.16", "1 /02: 1 rows ||1|16.000000|0.16", "0 : 1 rows ||1|16.000000|0.16",
		"0.32", "1 EU/01: 1 rows ||1|32.000000|0.32", "0 EU: 1 rows ||1|32.000000|0.32",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Values that a reader takes for the same are the same, however they are held.
func TestGroupsCompareValuesNotTheirForm(t *testing.T) {
	table := &offprint.Table{Group: []string{"n"}, Columns: []offprint.Column{{Name: "n"}}}
	big, _ := offprint.ParseDecimal("1.0000000000000000000")
	got := grouped(t, table, offprint.Row{offprint.IntValue(1)}, offprint.Row{offprint.DecimalValue(100, 2)}, offprint.Row{big})
	if want := "0 1: 3 rows "; got[len(got)-1] != want || len(got) != 4 {
		t.Errorf("%q, want one group, %q", got, want)
	}
	if got := grouped(t, table); got != nil {
		t.Errorf("no rows have the groups %q", got)
	}
}

// The keys of a group outlive the buffer that its rows came in.
func TestGroupsKeepTheirKeys(t *testing.T) {
	g, err := offprint.NewGroups(&offprint.Table{Group: []string{"a"}, Columns: []offprint.Column{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	row := offprint.Row{offprint.TextValue("x")}
	g.Add(row)
	row[0] = offprint.TextValue("y")
	first := g.Add(row)[0]
	last := g.End()[0]
	if first.Keys[0].Text() != "x" || last.Keys[0].Text() != "y" {
		t.Errorf("the groups were %v and %v", first, last)
	}
}

func TestGroupsWantColumns(t *testing.T) {
	_, err := offprint.NewGroups(&offprint.Table{Group: []string{"regoin"}, Columns: []offprint.Column{{Name: "region"}}})
	if offprint.CodeOf(err) != offprint.BadQuery || !strings.Contains(err.Error(), "regoin") {
		t.Errorf("grouped by what is not there: %v", err)
	}
}

// Subtotals are as exact as totals, and add up to them.
func TestSubtotalsAddUpToTheTotal(t *testing.T) {
	columns := []offprint.Column{{Name: "g"}, {Name: "n", Total: offprint.Sum}}
	g, err := offprint.NewGroups(&offprint.Table{Group: []string{"g"}, Columns: columns})
	if err != nil {
		t.Fatal(err)
	}
	whole, parts := offprint.NewTotals(columns), offprint.NewTotals(columns)
	for i := range 1000 {
		n, _ := offprint.ParseDecimal(fmt.Sprintf("%d.%0*d", 1<<(i%60), 1+i%22, i))
		row := offprint.Row{offprint.IntValue(int64(i / 7)), n}
		ended := g.Add(row)
		whole.Add(row)
		for _, e := range ended {
			parts.Add(e.Totals)
		}
	}
	for _, e := range g.End() {
		parts.Add(e.Totals)
	}
	if got, want := parts.Values()[1], whole.Values()[1]; offprint.Compare(got, want) != 0 {
		t.Errorf("the subtotals add up to %v, the total is %v", got, want)
	}
}
