package source_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/offprint/offprint/source"
)

// What a person waits for in an editor or in CI: two hundred reports of the
// length that reports have.
func BenchmarkCheckOffline200(b *testing.B) {
	const text = `/*---
title: {en: Orders, de: Aufträge}
description: Every order of a period, one line each.
source: shop
parameters:
  period: {type: period, label: Period, default: last_30_days}
  region: {type: text, optional: true, options: [EU, {value: US, label: {en: America}}]}
formats: [xlsx, csv]
columns:
  order_no: {title: Order, as: id}
  amount: {title: Amount, as: money, total: sum, format: "#,##0.00", link: "https://x.example/{order_no}"}
---*/
SELECT o.order_no, o.ordered_at, c.name AS customer, o.region, o.amount
FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.ordered_at >= :period.start AND o.ordered_at < :period.end
[[ AND o.region = :region ]]
ORDER BY o.id
`
	files := fstest.MapFS{}
	for i := range 200 {
		files[fmt.Sprintf("r%d.sql", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	db, err := source.Open(source.Config{Name: "shop", URL: "postgres://test@127.0.0.1:1/shop"})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for b.Loop() {
		f, _ := source.OpenFS("reports", files, map[string]*source.Database{"shop": db})
		if problems := f.Check(b.Context(), true); problems != nil {
			b.Fatal(problems)
		}
	}
}
