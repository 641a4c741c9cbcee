package xlsx_test

import (
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/celltest"
)

// TestMixedTotalsSayThemselves holds that a total over days, times and numbers
// in one column is no function of Excel's, to which they all are numbers.
func TestMixedTotalsSayThemselves(t *testing.T) {
	number, date, moment := offprint.IntValue(99_999), day("2026-01-31"), offprint.WallValue(instantMicros("2025-12-31T12:00:00Z"))
	for _, tt := range []struct {
		total  offprint.Total
		values []offprint.Value
		want   string
	}{
		{offprint.Sum, []offprint.Value{number, number}, "=SUBTOTAL(109,orders[N])"},
		{offprint.Sum, []offprint.Value{number, date}, "=99999"},
		{offprint.Average, []offprint.Value{date, number}, "=99999"},
		{offprint.Most, []offprint.Value{number, date}, "=46053"},
		{offprint.Most, []offprint.Value{date, date}, "=SUBTOTAL(104,orders[N])"},
		{offprint.Least, []offprint.Value{date, moment}, "=46053"},
		{offprint.Least, []offprint.Value{moment, moment}, "=SUBTOTAL(105,orders[N])"},
		{offprint.Count, []offprint.Value{number, date}, "=SUBTOTAL(103,orders[N])"},
	} {
		columns := []offprint.Column{{Name: "n", Title: "N", Total: tt.total}}
		p := celltest.PartOf(offprint.Table{Name: "orders", Columns: columns}, offprint.Row{tt.values[0]}, offprint.Row{tt.values[1]})
		b := made(t, offprint.Head{}, offprint.DocEnd{}, part{p.Table, p.Totals})
		if got := b.Sheets[0].Rows[3][0]; got.Value != tt.want {
			t.Errorf("the %s of %v is by %q, want %q", tt.total, tt.values, got.Value, tt.want)
		}
	}
}
