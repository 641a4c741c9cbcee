package source_test

import (
	"context"
	"errors"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

func TestPostgreSQLsPlannerEstimates(t *testing.T) {
	db, beside := server(t,
		`CREATE TABLE orders (id int, day date, paid boolean)`,
		`INSERT INTO orders SELECT n, DATE '2026-01-01' + n % 200, n % 4 = 0 FROM generate_series(1, 200000) n`,
		`ANALYZE orders`)
	for _, tt := range []struct {
		name, text, sent string
		rows             float64
	}{
		{"all", head + `SELECT * FROM orders`, "", 200000},
		{"what is bound counts", "/*---\nparameters: {day: {type: date}}\n---*/\nSELECT * FROM orders WHERE day < :day", `day="2026-01-21"`, 20000},
		{"what falls away does not", "/*---\nparameters: {paid: {type: bool, optional: true}}\n---*/\nSELECT * FROM orders [[WHERE paid = :paid]]", "", 200000},
		{"a filter in [[ ]] does", "/*---\nparameters: {paid: {type: bool, optional: true}}\n---*/\nSELECT * FROM orders [[WHERE paid = :paid]]", "paid=true", 50000},
		{"all parts together", head + "SELECT * FROM orders\n/*---\npart: days\n---*/\nSELECT day FROM orders GROUP BY day", "", 200200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, db, tt.text)
			rows, known, err := r.Source.(offprint.Estimator).Estimate(t.Context(), ask(t, r, tt.sent))
			if got := float64(rows); err != nil || !known || got < tt.rows*0.8 || got > tt.rows*1.2 {
				t.Errorf("%d rows, known %v, %v; want about %.0f", rows, known, err, tt.rows)
			}
		})
	}
	t.Run("a query that cannot be", func(t *testing.T) {
		r := report(t, db, head+`SELECT nothing FROM orders`)
		_, _, err := r.Source.(offprint.Estimator).Estimate(t.Context(), ask(t, r, ""))
		if offprint.CodeOf(err) != offprint.BadQuery {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a table that is locked holds up nobody for good", func(t *testing.T) {
		tx, err := beside.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(context.WithoutCancel(t.Context()))
		if _, err := tx.Exec(t.Context(), `LOCK TABLE orders IN ACCESS EXCLUSIVE MODE`); err != nil {
			t.Fatal(err)
		}
		gone := errors.New("who asked has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		r := report(t, db, head+`SELECT * FROM orders`)
		ended := make(chan error)
		go func() {
			_, _, err := r.Source.(offprint.Estimator).Estimate(ctx, ask(t, r, ""))
			ended <- err
		}()
		for waiting := 0; waiting == 0; {
			err := tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass`).Scan(&waiting)
			if err != nil {
				t.Fatal(err)
			}
		}
		cancel(gone)
		if err := <-ended; !errors.Is(err, gone) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSQLiteEstimatesNothing(t *testing.T) {
	db, _ := each(t)["SQLite"](t)
	r := report(t, db, head+`SELECT n FROM n`)
	rows, known, err := r.Source.(offprint.Estimator).Estimate(t.Context(), ask(t, r, ""))
	if err != nil || known || rows != 0 {
		t.Errorf("%d rows, known %v, %v", rows, known, err)
	}
	r = report(t, db, head+`SELECT nothing FROM n`)
	if _, _, err := r.Source.(offprint.Estimator).Estimate(t.Context(), ask(t, r, "")); offprint.CodeOf(err) != offprint.BadQuery {
		t.Errorf("a query that cannot be: %v", err)
	}
}

var _ offprint.Estimator = (*source.Definition)(nil)
