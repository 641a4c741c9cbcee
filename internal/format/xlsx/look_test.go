package xlsx_test

import (
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

// TestATextBehindNumbersStandsApart holds that no left column runs into the
// right one before it, its title included.
func TestATextBehindNumbersStandsApart(t *testing.T) {
	columns := []offprint.Column{
		{Name: "a", Title: "A", Kind: offprint.Text},
		{Name: "b", Title: "B", Kind: offprint.Int},
		{Name: "c", Title: "C", Kind: offprint.Text},
		{Name: "d", Title: "D", Kind: offprint.Bool},
		{Name: "e", Title: "E", As: offprint.AsMoney},
		{Name: "f", Title: "F", Kind: offprint.Date},
	}
	row := offprint.Row{offprint.TextValue("a"), offprint.IntValue(1), offprint.TextValue("c"), offprint.BoolValue(true), offprint.IntValue(2), day("2026-01-31")}
	s := made(t, offprint.Head{}, offprint.DocEnd{}, table(columns, row)).Sheets[0]
	for i, want := range []int{0, 0, 1, 0, 0, 1} {
		if title, c := s.Rows[0][i], s.Rows[1][i]; title.Indent != want || c.Indent != want {
			t.Errorf("%s is indented by %d, below a title indented by %d, want %d", title.Value, c.Indent, title.Indent, want)
		}
	}
}

// TestYesAndNoAreWords holds what LibreOffice needs, which else shows 1 and 0.
func TestYesAndNoAreWords(t *testing.T) {
	columns := []offprint.Column{{Name: "paid", Title: "Paid", Kind: offprint.Bool, Total: offprint.Most}}
	p := table(columns, offprint.Row{offprint.BoolValue(true)})
	p.totals = []offprint.Value{offprint.BoolValue(true)}
	rows := made(t, offprint.Head{}, offprint.DocEnd{}, p).Sheets[0].Rows
	for _, row := range rows[1:] {
		if got := row[0].Format; got != `"TRUE";"TRUE";"FALSE"` {
			t.Errorf("%s %s has the format %q", row[0].Kind, row[0].Value, got)
		}
	}
	if rows[1][0].Align != "left" {
		t.Errorf("it stands %s, and its title left", rows[1][0].Align)
	}
}

// TestALongTextLeavesThePageAsWideAsTheTable holds that what flows over from
// the last column is not printed: the page would be made to fit it.
func TestALongTextLeavesThePageAsWideAsTheTable(t *testing.T) {
	columns := []offprint.Column{{Name: "a", Title: "A"}, {Name: "note", Title: "Note"}}
	b := made(t, offprint.Head{}, offprint.DocEnd{}, table(columns, offprint.Row{offprint.IntValue(1), offprint.TextValue(strings.Repeat("long ", 1000))}), sales())
	for i, want := range []string{"$A:$B", "$A:$G", "$A:$F"} { // the last: subtotals
		if got := b.Sheets[i].Area; !strings.HasSuffix(got, want) {
			t.Errorf("of %s, %q is printed, want %q", b.Sheets[i].Name, got, want)
		}
	}
}
