package look_test

import (
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/look"
)

func TestCountsInTheReadersWords(t *testing.T) {
	for _, tt := range []struct {
		locale string
		rows   int64
		want   string
	}{
		{"", 0, "0 rows"},
		{"en", 1, "1 row"},
		{"en-US", 1204310, "1,204,310 rows"},
		{"de-DE", 1204310, "1.204.310 Zeilen"},
		{"de-CH", 12000, "12’000 Zeilen"},
		{"fr", 1000, "1\u202f000 lignes"},
		{"es", 1, "1 fila"},
		{"it", 1000, "1,000 rows"}, // words and digits of one language
	} {
		w := look.WordsIn(tt.locale)
		if got := w.Rows(tt.rows); got != tt.want {
			t.Errorf("%d in %q: %q, want %q", tt.rows, tt.locale, got, tt.want)
		}
	}
}

func TestSizesInTheReadersWords(t *testing.T) {
	for _, tt := range []struct {
		locale string
		bytes  int64
		want   string
	}{
		{"en", 0, "0 KB"},
		{"en", 1, "1 KB"},
		{"en", 99_999, "100 KB"},
		{"en", 100_000, "0.1 MB"},
		{"en", 48_170_000, "48.2 MB"},
		{"en", 999_950_000, "1,000.0 MB"},
		{"de", 48_170_000, "48,2 MB"},
		{"fr", 48_170_000, "48,2 Mo"},
		{"it", 1_048_170_000, "1,048.2 MB"},
	} {
		w := look.WordsIn(tt.locale)
		if got := w.Size(tt.bytes); got != tt.want {
			t.Errorf("%d in %q: %q, want %q", tt.bytes, tt.locale, got, tt.want)
		}
	}
}

// Kinds are said only where they are not what everybody expects.
func TestKindsOfTotals(t *testing.T) {
	column := func(title string, total offprint.Total) offprint.Column {
		return offprint.Column{Title: title, Total: total}
	}
	hidden := column("Secret", offprint.Average)
	hidden.Hide = true
	sum, rate, none := column("Amount", offprint.Sum), column("Rate", offprint.Average), column("Name", offprint.NoTotal)
	for _, tt := range []struct {
		columns []offprint.Column
		want    string
	}{
		{nil, ""},
		{[]offprint.Column{none, sum, sum, hidden}, ""},
		{[]offprint.Column{none, sum, rate}, "Amount (Summe) · Rate (Durchschnitt)"},
		{[]offprint.Column{rate}, "Rate (Durchschnitt)"},
	} {
		w := look.WordsIn("de")
		if got := w.Kinds(tt.columns); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestMixedCurrenciesAreNamed(t *testing.T) {
	table := &offprint.Table{Columns: []offprint.Column{{Name: "a", Title: "A"}, {Name: "b", Title: "Amount"}}}
	got := look.Mixed(table, offprint.PartEnd{Mixed: []int{1}})
	if len(got) != 1 || got[0].Column != "b" || got[0].Detail != "No total of Amount: it holds several currencies." {
		t.Errorf("the warnings are %v", got)
	}
}
