package main

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // to read the shop

	"github.com/offprint/offprint/internal/pgtest"
)

// warehouse is the sample shop on PostgreSQL.
func warehouse(t *testing.T, shop string) string {
	t.Helper()
	url := pgtest.URL(t)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // a text becomes what its column is
	move(t, shop, stdlib.OpenDB(*config), "timestamptz", func(n int) string { return fmt.Sprintf("$%d", n) })
	return url
}

// tables are those of the shop, with the types that people choose where there are some.
var tables = []struct {
	name    string
	columns []string
}{
	{"regions", []string{"code varchar(3)", "name text"}},
	{"customers", []string{
		"id int", "name text", "email text", "country text", "founded date", "since TIME", "vip boolean", "credit decimal(12, 4)", "note text",
	}},
	{"orders", []string{
		"id int", "order_no text", "ordered_at TIME", "customer_id int", "region varchar(3)", "sku text", "quantity int", "price decimal(12, 2)", "amount decimal(12, 2)",
		"cents int", "discount decimal(12, 2)", "paid boolean", "due date", "rating double precision", "comment text",
	}},
}

// move copies the shop into another database, and closes that.
func move(t *testing.T, shop string, to *sql.DB, timestamp string, mark func(n int) string) {
	t.Helper()
	defer to.Close()
	from, err := sql.Open("sqlite", "file:"+shop)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	tx, err := to.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		columns := strings.ReplaceAll(strings.Join(table.columns, ", "), "TIME", timestamp)
		if _, err := tx.ExecContext(t.Context(), "CREATE TABLE "+table.name+" ("+columns+")"); err != nil {
			t.Fatal(err)
		}
		if err := moveRows(t, from, tx, table.name, table.columns, mark); err != nil {
			t.Fatalf("%s: %v", table.name, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func moveRows(t *testing.T, from *sql.DB, to *sql.Tx, table string, columns []string, mark func(n int) string) error {
	var texts, marks []string
	row, cells := make([]any, len(columns)), make([]any, len(columns))
	for i, column := range columns {
		name, _, _ := strings.Cut(column, " ")
		texts, marks = append(texts, "CAST("+name+" AS TEXT)"), append(marks, mark(i+1))
		cells[i] = &row[i]
	}
	rows, err := from.QueryContext(t.Context(), "SELECT "+strings.Join(texts, ", ")+" FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	insert := "INSERT INTO " + table + " VALUES (" + strings.Join(marks, ", ") + ")"
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			return err
		}
		if _, err := to.ExecContext(t.Context(), insert, row...); err != nil {
			return err
		}
	}
	return rows.Err()
}
