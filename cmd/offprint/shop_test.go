package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql" // to write it
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // to read the shop

	"github.com/offprint/offprint/internal/mariatest"
	"github.com/offprint/offprint/internal/pgtest"
)

// warehouse is the sample shop on PostgreSQL.
func warehouse(t *testing.T, shop string) string {
	t.Helper()
	address := pgtest.URL(t)
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // a text becomes what its column is
	move(t, shop, stdlib.OpenDB(*config), "timestamptz", func(n int) string { return fmt.Sprintf("$%d", n) })
	return address
}

// books is the shop on MariaDB.
func books(t *testing.T, shop string) string {
	t.Helper()
	address := mariatest.URL(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	to, err := sql.Open("mysql", fmt.Sprintf("%s@unix(%s)%s", u.User.Username(), u.Query().Get("socket"), u.Path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.ExecContext(t.Context(), "ALTER DATABASE CHARACTER SET utf8mb4"); err != nil {
		t.Fatal(err)
	}
	move(t, shop, to, "datetime", func(int) string { return "?" })
	return address
}

// erp is a service that knows what the shop's customers owe.
func erp(t *testing.T, shop string) string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+shop)
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		regions, err := json.Marshal(r.URL.Query()["region"])
		if err == nil {
			err = owed(r.Context(), db, w, r.URL.Query().Get("as_of"), string(regions))
		}
		if err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
	}))
	t.Cleanup(func() {
		service.Close()
		db.Close()
	})
	return service.URL + "/api"
}

func owed(ctx context.Context, db *sql.DB, w http.ResponseWriter, day, regions string) error {
	rows, err := db.QueryContext(ctx, `SELECT json_object('customer', printf('%06d', customer_id), 'amount', printf('%.2f', sum(cents) / 100.0), 'due', min(due))
		FROM orders WHERE paid = 0 AND due <= $1 AND ($2 = 'null' OR region IN (SELECT value FROM json_each($2))) GROUP BY customer_id ORDER BY customer_id`, day, regions)
	if err != nil {
		return err
	}
	defer rows.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		fmt.Fprintln(w, line)
	}
	return rows.Err()
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
