package source_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// shop is a small SQLite database with what the statements put into it.
func shop(t *testing.T, statements ...string) *source.Database {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, append(statements, "PRAGMA user_version = 1")...)
	return open(t, source.Config{Name: "shop", URL: "sqlite:" + file})
}

func fill(t *testing.T, file string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, c source.Config) *source.Database {
	t.Helper()
	db, err := source.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// report reads a definition that must be right.
func report(t *testing.T, db *source.Database, text string) *offprint.Report {
	t.Helper()
	d, problems := source.Parse("orders.sql", text, map[string]*source.Database{"shop": db})
	if problems != nil {
		t.Fatal(problems)
	}
	return d.Report()
}

// ask makes a request out of what somebody in Berlin sent.
func ask(t *testing.T, r *offprint.Report, sent string) offprint.Request {
	t.Helper()
	return askFrom(t, r, "Europe/Berlin", sent)
}

func askFrom(t *testing.T, r *offprint.Report, place, sent string) offprint.Request {
	t.Helper()
	zone, err := time.LoadLocation(place)
	if err != nil {
		t.Fatal(err)
	}
	form := offprint.Sent{}
	for pair := range strings.FieldsSeq(sent) {
		name, value, _ := strings.Cut(pair, "=")
		form[name] = []byte(value)
	}
	params, err := r.Resolve(form, zone, time.Date(2026, 11, 23, 12, 0, 0, 0, zone))
	if err != nil {
		t.Fatal(err)
	}
	return offprint.Request{Params: params, Zone: zone, Who: offprint.Identity{User: "user_7", Tenant: "acme"}}
}

// read is all parts as text: a line of titles, and a line each row; null is ∅.
func read(t *testing.T, r *offprint.Report, req offprint.Request) (string, error) {
	t.Helper()
	doc, err := r.Source.Open(t.Context(), req)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for table, err := range doc.Parts {
		if err != nil {
			return out.String(), err
		}
		for i, c := range table.Columns {
			out.WriteString(strings.Repeat("|", min(i, 1)) + c.Title)
		}
		out.WriteString("\n")
		for row, err := range table.Rows {
			if err != nil {
				return out.String(), err
			}
			for i, v := range row {
				out.WriteString(strings.Repeat("|", min(i, 1)))
				if v.IsNull() {
					out.WriteString("∅")
				}
				out.Write(v.Append(nil, req.Zone))
			}
			out.WriteString("\n")
		}
	}
	return out.String(), nil
}

var orders = []string{
	`CREATE TABLE orders (id INTEGER PRIMARY KEY, order_no TEXT, ordered_at DATETIME, day DATE, region TEXT, amount DECIMAL(12,2), paid BOOLEAN)`,
	`INSERT INTO orders VALUES
		(1, '0001', '2026-10-31 22:59:59', '2026-10-31', 'EU', '10.5', 1),
		(2, '0002', '2026-10-31 23:00:00', '2026-11-01', 'EU', '7', 0),
		(3, '0003', '2026-11-30 22:59:59', '2026-11-30', 'US', '1234567890.05', 1),
		(4, '0004', '2026-11-30 23:00:00', '2026-12-01', NULL, NULL, NULL)`,
}

func TestAPeriodHoldsItsLastDayInTheZoneOfTheRun(t *testing.T) {
	r := report(t, shop(t, orders...), `/*---
title: Orders
source: shop
parameters:
  period: {type: period}
  region: {type: text, optional: true}
columns:
  order_no: {title: Order, as: id}
---*/
SELECT order_no, ordered_at, amount, paid FROM orders
WHERE ordered_at >= :period.start_at AND ordered_at < :period.end_at
[[ AND region = :region ]]
ORDER BY id`)
	got, err := read(t, r, ask(t, r, `period="this_month"`))
	want := `Order|ordered_at|amount|paid
0002|2026-11-01T00:00:00+01:00|7.00|false
0003|2026-11-30T23:59:59+01:00|1234567890.05|true
`
	if err != nil || got != want {
		t.Errorf("all regions: %v\n%swant\n%s", err, got, want)
	}
	got, err = read(t, r, ask(t, r, `period="this_month" region="US"`))
	want = "Order|ordered_at|amount|paid\n0003|2026-11-30T23:59:59+01:00|1234567890.05|true\n"
	if err != nil || got != want {
		t.Errorf("one region: %v\n%swant\n%s", err, got, want)
	}
}

func TestADecimalIsComparedAsANumberAlsoWithText(t *testing.T) {
	r := report(t, shop(t,
		`CREATE TABLE prices (id INTEGER PRIMARY KEY, price TEXT)`,
		`INSERT INTO prices VALUES (1, '50.68'), (2, '100.00'), (3, '9'), (4, '1495.70')`,
	), `/*---
title: Prices
source: shop
parameters:
  least: {type: decimal}
  exact: {type: decimal, optional: true}
---*/
SELECT price FROM prices WHERE price >= :least AND (:exact IS NULL OR price = :exact) ORDER BY id`)
	for asked, want := range map[string]string{
		`least="100"`:                 "price\n100.00\n1495.70\n",
		`least="99.995" exact="100"`:  "price\n100.00\n",
		`least="9.00" exact="1495.7"`: "price\n1495.70\n",
	} {
		got, err := read(t, r, ask(t, r, asked))
		if err != nil || got != want {
			t.Errorf("%s: %v\n%swant\n%s", asked, err, got, want)
		}
		text, err := r.Source.(*source.Definition).SQL(ask(t, r, asked))
		if err != nil || !strings.Contains(text, "AS NUMERIC)") {
			t.Errorf("%s as text to paste: %v\n%s", asked, err, text)
		}
	}
}
