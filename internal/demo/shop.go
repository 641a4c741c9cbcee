package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of database/sql
)

const schema = `
CREATE TABLE regions (code TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE customers (
	id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, country TEXT NOT NULL, founded DATE, since DATETIME NOT NULL,
	vip BOOLEAN NOT NULL, credit TEXT, note TEXT);
CREATE TABLE orders (
	id INTEGER PRIMARY KEY, order_no TEXT NOT NULL, ordered_at DATETIME NOT NULL, customer_id INTEGER NOT NULL, region TEXT NOT NULL, sku TEXT NOT NULL,
	quantity INTEGER NOT NULL, price TEXT NOT NULL, amount TEXT NOT NULL, cents INTEGER NOT NULL, discount TEXT, paid BOOLEAN,
	due DATE, rating DOUBLE, comment TEXT);`

const indexes = `
CREATE INDEX orders_by_time ON orders (ordered_at);
CREATE INDEX orders_by_customer ON orders (customer_id);`

// edition grows when the shop's rows change, so that one made by an earlier
// release is not taken for it.
const edition = 2

// OpenShop is the path of a shop with so many orders below dir; it is made
// there unless it was made before. Times are UTC. Exact decimals are
// TEXT, since a DECIMAL column of SQLite turns them into floats.
func OpenShop(ctx context.Context, dir string, orders int) (string, error) {
	path := filepath.Join(dir, fmt.Sprintf("shop-%d-%d.db", edition, orders))
	return path, MakeShop(ctx, path, orders)
}

// MakeShop makes a shop at path, whole or not at all, unless there is a file.
func MakeShop(ctx context.Context, path string, orders int) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the shop: %w", err)
	}
	draft, err := os.CreateTemp(dir, "shop-*.part")
	if err != nil {
		return fmt.Errorf("make the shop: %w", err)
	}
	err = errors.Join(draft.Close(), fill(ctx, draft.Name(), orders))
	if err == nil {
		err = os.Rename(draft.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("make the shop: %w", err), os.Remove(draft.Name()))
	}
	return nil
}

func fill(ctx context.Context, path string, orders int) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)")
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	err = inTx(ctx, db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return err
		}
		if err := errors.Join(fillRegions(ctx, tx), fillCustomers(ctx, tx), fillOrders(ctx, tx, orders)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, indexes)
		return err
	})
	return errors.Join(err, db.Close())
}

func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

var regions = [][2]string{{"EU", "Europe"}, {"NA", "North America"}, {"LA", "Latin America"}, {"AP", "Asia and the Pacific"}, {"MEA", "Middle East and Africa"}}

func fillRegions(ctx context.Context, tx *sql.Tx) error {
	return insert(ctx, tx, "INSERT INTO regions VALUES (?, ?)", len(regions), func(i int) []any {
		return []any{regions[i][0], regions[i][1]}
	})
}

// people are names in many scripts; each is also somebody's company.
var people = []string{
	"Ångström & Søn A/S", "Æther Œuvres SARL", "Łódź Żagle sp. z o.o.", "Müller-Lüdenscheidt GmbH", "Peña y Muñoz S.L.", "Þórbjörg Ísfeld ehf.", "Dvořák Příčky s.r.o.",
	"Юлия Щёголева", "ООО «Ёжик»", "Αθηνά Παπαδοπούλου", "Ωμέγα Ελλάς ΑΕ", "شركة النور للتجارة", "محمد بن سلمى", "חברת השחר בע״מ", "יעל כהן",
	"北京书店有限公司", "王小明", "株式会社さくら", "山田 太郎", "हिन्दी पुस्तक भंडार", "राधा शर्मा", "ร้านหนังสือกรุงเทพ", "สมชาย ใจดี", "김민수", "Nguyễn Thị Hạnh",
	"Emoji & Co 🚀📚", "Family 👩‍👩‍👧‍👦 Books", "O'Brien \"The Reader\" <Ltd>", "Tab\tand\nnewline Inc.", "Trailing space ",
}

// notes are cells that break careless writers.
var notes = []any{
	nil, "", "=1+1", "=HYPERLINK(\"http://example.com\",\"click\")", "+49 30 1234567", "-5", "@home", "\ttab first", "'quoted", "_x0041_ is not A", "a_x000D_b",
	"control \x01\x02\x1f here", "line one\nline two\r\nline three", "<b>&amp;</b>", "comma, \"quote\"; semicolon", "007", "1e5", "0.10", "true", "2024-01-31", "NULL",
	" space on both sides ", "zero\u200bwidth \u202eright to left\u202c", "e\u0301 is é", "\U0001F600\U0001F1E9\U0001F1EA", "ﷺ", "ＦＵＬＬ width", "~!#$%^&*()",
}

const customers = 2000

func fillCustomers(ctx context.Context, tx *sql.Tx) error {
	long := strings.Repeat("Five thousand characters of comment, as somebody pasted them from a mail. ", 70)[:5000]
	countries := []string{"DE", "FR", "PL", "ES", "IS", "CZ", "RU", "GR", "EG", "IL", "CN", "JP", "IN", "TH", "KR", "VN", "US"}
	return insert(ctx, tx, "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", customers, func(i int) []any {
		r := noise(uint64(i) + 1<<40)
		name := people[i%len(people)]
		if i >= len(people) {
			name = fmt.Sprintf("%s %d", strings.TrimSpace(name), i/len(people)+1)
		}
		var founded any = time.Date(1860+int(r%160), time.Month(1+r>>8%12), 1+int(r>>16%28), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		if i%11 == 3 {
			founded = nil
		}
		note := notes[i%len(notes)]
		if i == 42 {
			note = long
		}
		var credit any = fmt.Sprintf("%d.%04d", int64(r>>20%100000)-20000, r>>8%10000)
		if i%13 == 5 {
			credit = nil
		}
		since := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r%(5*365*24*3600)) * time.Second)
		return []any{i + 1, name, fmt.Sprintf("customer%d@shop.example", i+1), countries[i%len(countries)], founded, since.Format(time.DateTime), i%17 == 0, credit, note}
	})
}

func fillOrders(ctx context.Context, tx *sql.Tx, n int) error {
	// All of them lie within the span in every zone, from UTC-12 to UTC+14.
	first := First.Start(time.UTC).Add(14 * time.Hour)
	span := int64(Last.Start(time.UTC).Add(9 * time.Hour).Sub(first).Seconds())
	return insert(ctx, tx, "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", n, func(i int) []any {
		r := noise(uint64(i))
		at := first.Add(time.Duration(span*int64(i)/int64(n)) * time.Second)
		quantity := int64(1 + r%9)
		price := int64(99 + r>>8%90000)
		cents := quantity * price
		if r>>24%50 == 0 { // sent back
			quantity, cents = -quantity, -cents
		}
		var discount, paid, due, rating, comment any = money(int64(r>>32%5) * 5), r>>28%3 != 0, at.AddDate(0, 0, 30).Format(time.DateOnly), nil, nil
		if r>>36%7 == 0 {
			discount, paid = nil, nil
		}
		if r>>40%9 == 0 {
			due = nil
		}
		if r>>44%2 == 0 {
			rating = float64(1+r>>46%13) / 3 // seventeen digits
		}
		if i%37 == 0 {
			comment = notes[i/37%len(notes)]
		}
		return []any{
			i + 1, fmt.Sprintf("%018d", 100_000_000_000_000_000+uint64(i)*7919), at.Format(time.DateTime), 1 + int64(r>>12%customers), regions[r>>52%5][0],
			fmt.Sprintf("%06d", r>>4%4000), quantity, money(price), money(cents), cents, discount, paid, due, rating, comment,
		}
	})
}

func money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}

// insert adds n rows.
func insert(ctx context.Context, tx *sql.Tx, query string, n int, row func(i int) []any) error {
	statement, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	for i := range n {
		if _, err := statement.ExecContext(ctx, row(i)...); err != nil {
			return errors.Join(fmt.Errorf("%s: row %d: %w", query, i, err), statement.Close())
		}
	}
	return statement.Close()
}

// noise is a number that looks random and is always the same (splitmix64).
func noise(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
