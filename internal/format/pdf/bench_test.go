package pdf_test

import (
	"fmt"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/pdf"
)

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// An order list of 100,000 rows and eight columns.
func BenchmarkOrders(b *testing.B) {
	table := &offprint.Table{Name: "orders", Columns: []offprint.Column{
		{Name: "id", Kind: offprint.Int},
		{Name: "day", Kind: offprint.Date},
		{Name: "customer", Kind: offprint.Text},
		{Name: "region", Kind: offprint.Text},
		{Name: "sku", Kind: offprint.Text},
		{Name: "quantity", Kind: offprint.Int},
		{Name: "price", Kind: offprint.Decimal},
		{Name: "amount", Kind: offprint.Decimal, As: offprint.AsMoney},
	}}
	names := []string{"Acme Trading Ltd", "Ångström & Søn A/S", "Ελληνική Εταιρεία", "Müller & Meier", "Ромашка", "Blue Sky Logistics Inc."}
	skus := make([]string, 1000)
	for i := range skus {
		skus[i] = fmt.Sprintf("SKU-%05d", i*97)
	}
	row := make(offprint.Row, 8)
	b.ReportAllocs()
	for b.Loop() {
		var size counter
		w, err := pdf.Format.New(&size, offprint.Head{Title: "Orders", Parts: 1})
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Begin(table); err != nil {
			b.Fatal(err)
		}
		for i := range 100_000 {
			row[0], row[1] = offprint.IntValue(int64(1_000_000+i)), offprint.DateValue(int64(20000+i%365))
			row[2], row[3] = offprint.TextValue(names[i*7%len(names)]), offprint.TextValue([]string{"EU", "Americas", "Asia"}[i%3])
			row[4], row[5] = offprint.TextValue(skus[i*31%1000]), offprint.IntValue(int64(i*13%17))
			row[6], row[7] = offprint.DecimalValue(int64(i*7919%100000), 2), offprint.DecimalValue(int64(i*7919%1700000), 2)
			if err := w.Write(row); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.End(offprint.PartEnd{Rows: 100_000}); err != nil {
			b.Fatal(err)
		}
		if _, err := w.Close(offprint.DocEnd{Outcome: offprint.Complete}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(size)/1e6, "MB")
	}
	b.ReportMetric(100_000/(b.Elapsed().Seconds()/float64(b.N)), "rows/s")
}
