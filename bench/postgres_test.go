package bench

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // for the peer

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/pgtest"
	"github.com/offprint/offprint/server"
)

const (
	createSQL = `CREATE TABLE orders AS SELECT g AS id, DATE '2024-10-04' + (g * 7919 % 400)::int AS day,
	TIMESTAMP '2024-10-04' + g * 48271 % 34560000 * INTERVAL '1 second' AS at, 'Customer ' || g * 16807 % 5000 || ' Trading Company' AS customer,
	(ARRAY['North', 'South', 'East', 'West'])[1 + g * 31 % 4] AS region, 'SKU-' || lpad((g * 69621 % 5000 * 37)::text, 6, '0') AS sku,
	(1 + g * 13 % 20)::int AS quantity, (g * 39373 % 50000 / 100.0)::numeric(12, 2) AS price,
	(g * 40692 % 1000000 / 100.0)::numeric(12, 2) AS amount, g % 3 > 0 AS paid FROM generate_series(1, $1::bigint) g`
	selectSQL = `SELECT id, day, at, customer, region, sku, quantity, price, amount, paid FROM orders ORDER BY id`
)

// From PostgreSQL's reply to the file: a report as anybody writes it, against
// the rows of database/sql handed to excelize.
func BenchmarkPostgreSQL(b *testing.B) {
	url := pgtest.URL(b)
	if err := fill(b.Context(), url, count(b)); err != nil {
		b.Fatal(err)
	}
	at := "BENCH_POSTGRES=" + url
	compare(b, shapes[0], inGo("offprint", "offprint-postgres", at), inGo("database/sql, excelize", "sql+excelize", at))
}

func fill(ctx context.Context, url string, n int) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, createSQL, strconv.Itoa(n))
	if err == nil {
		_, err = conn.Exec(ctx, "ALTER TABLE orders ADD PRIMARY KEY (id); ANALYZE orders")
	}
	return errors.Join(err, conn.Close(ctx))
}

func withReport(out io.Writer, _ shape, _ []offprint.Row, _ int) error {
	config := server.Config{
		Sources: map[string]server.SourceConfig{"shop": {URL: os.Getenv("BENCH_POSTGRES")}},
		ReportFiles: fstest.MapFS{"orders.sql": {
			Data: []byte("/*---\ntitle: Orders\ncolumns: {price: {as: money}, amount: {as: money}}\n---*/\n" + selectSQL),
		}},
	}
	ask := server.Ask{Report: "orders", Format: "xlsx", TimeZone: "UTC"}
	_, err := server.Make(context.Background(), config, ask, out, func(offprint.Phase, offprint.Progress) {})
	return err
}

func withDatabaseSQL(out io.Writer, s shape, _ []offprint.Row, _ int) (err error) {
	db, err := sql.Open("pgx", os.Getenv("BENCH_POSTGRES"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.Query(selectSQL)
	if err != nil {
		return err
	}
	defer rows.Close()
	values, cells := make([]any, len(s.fields)), make([]any, len(s.fields))
	for i := range values {
		cells[i] = &values[i]
	}
	return excelizeFile(out, s.columns(), func(yield func([]any, error) bool) {
		for rows.Next() {
			err := rows.Scan(cells...)
			for j, f := range s.fields {
				if digits, ok := values[j].(string); ok && f.Kind == offprint.Decimal {
					number, errParse := strconv.ParseFloat(digits, 64)
					values[j], err = number, errors.Join(err, errParse)
				}
			}
			if !yield(values, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, err)
		}
	})
}
