package source_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

const twoParts = "/*---\nsource: shop\n---*/\nSELECT 1 AS a\n/*---\npart: more\n---*/\nSELECT 2 AS b"

// A document of several parts says how many, and lets its owner write again
// when it is read.
func TestSeveralPartsAreCountedAndLetGo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, `CREATE TABLE x (n)`)
	sqlite := open(t, source.Config{Name: "shop", URL: "sqlite:" + file, MaxConnections: 1})
	postgres, _ := server(t)
	for name, db := range map[string]*source.Database{"SQLite": sqlite, "PostgreSQL": postgres} {
		t.Run(name, func(t *testing.T) {
			r := report(t, db, twoParts)
			for range 3 { // more often than there are connections
				doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
				if err != nil {
					t.Fatal(err)
				}
				if doc.Count != 2 {
					t.Errorf("%d parts are announced", doc.Count)
				}
				rows := 0
				for table, err := range doc.Parts {
					if err != nil {
						t.Fatal(err)
					}
					for _, err := range table.Rows {
						if err != nil {
							t.Fatal(err)
						}
						rows++
					}
				}
				if rows != 2 {
					t.Errorf("%d rows", rows)
				}
			}
		})
	}
	fill(t, file, `PRAGMA locking_mode = EXCLUSIVE`, `BEGIN EXCLUSIVE`, `INSERT INTO x VALUES (1)`, `COMMIT`)
}

// Each part has a title, columns and groups of its own, in the asker's language.
// The first title is the report's; a first part with a name is titled by that.
func TestEveryPartHasItsOwnHeader(t *testing.T) {
	r := report(t, shop(t, orders...), `/*---
title: {en: Orders, de: Aufträge}
part: list
columns: {amount: {title: {en: Amount, de: Betrag}, as: money}}
group: region
---*/
SELECT region, amount FROM orders ORDER BY region
/*---
part: by_region
title: {en: By region, de: Nach Region}
columns: {amount: {title: {en: Sum, de: Summe}, total: sum}}
---*/
SELECT region, sum(amount) AS amount FROM orders GROUP BY region ORDER BY region
/*---
part: without_a_title
---*/
SELECT 1 AS n`)
	for locale, want := range map[string]string{
		"en-GB": "list List [region] region,Amount | by_region By region [] region,Sum | without_a_title Without a title [] n | ",
		"de-AT": "list List [region] region,Betrag | by_region Nach Region [] region,Summe | without_a_title Without a title [] n | ",
	} {
		req := ask(t, r, "")
		req.Locale = locale
		doc, err := r.Source.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for table, err := range doc.Parts {
			if err != nil {
				t.Fatal(err)
			}
			got += fmt.Sprint(table.Name, " ", table.Title, " ", table.Group, " ")
			for i, c := range table.Columns {
				got += map[bool]string{true: ","}[i > 0] + c.Title
			}
			got += " | "
		}
		if got != want || doc.Count != 3 {
			t.Errorf("%s: %d parts, %s\nwant %s", locale, doc.Count, got, want)
		}
	}
}

// What the header says of a column reaches whoever writes the file.
func TestColumnsAreAsTheHeaderSays(t *testing.T) {
	r := report(t, shop(t, orders...), `/*---
columns:
  order_no: {title: Order, as: id, link: "https://erp.example.com/v/{id}?r={region}", note: Its number}
  id: {hide: true}
  amount: {as: money, currency: region, total: sum, width: 12.5, format: "#,##0.00"}
---*/
SELECT id, order_no, region, amount FROM orders ORDER BY id`)
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		want := []offprint.Column{
			{Name: "id", Title: "id", Kind: offprint.Int, Hide: true},
			{Name: "order_no", Title: "Order", Kind: offprint.Text, As: offprint.AsID, Link: "https://erp.example.com/v/{id}?r={region}", Note: "Its number"},
			{Name: "region", Title: "region", Kind: offprint.Text},
			{Name: "amount", Title: "amount", Kind: offprint.Decimal, As: offprint.AsMoney, Currency: "region", Total: offprint.Sum, Width: 12.5, Format: "#,##0.00"},
		}
		if fmt.Sprintf("%+v", table.Columns) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v\nwant %+v", table.Columns, want)
		}
	}
}
