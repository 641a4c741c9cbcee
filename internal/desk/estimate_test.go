package desk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/pgtest"
	"github.com/offprint/offprint/source"
)

// planner is a counter whose source says beforehand what it thinks.
type planner struct {
	counter
	rows int64
	err  error
}

func (p planner) Estimate(context.Context, offprint.Request) (int64, bool, error) {
	return p.rows, p.rows > 0, p.err
}

func made(t *testing.T, d *desk.Desk, ask desk.Ask) offprint.Run {
	t.Helper()
	run := until(t, d, ann, submit(t, d, ann, ask).ID, final)
	if run.State != offprint.Succeeded {
		t.Fatalf("it is %s: %v", run.State, run.Problem)
	}
	return run
}

func TestEstimates(t *testing.T) {
	down := offprint.Errorf(offprint.SourceUnavailable, "It is down.")
	for _, tt := range []struct {
		name   string
		source offprint.Source
		made   int // times before
		rows   int64
		most   int64
		want   desk.Estimate // but for how long it takes, which is known if Bytes are
	}{
		{"never made, and a source that tells nothing", counter{rows: 3}, 0, 0, 0, desk.Estimate{Basis: desk.Unknown, Notes: []string{
			"There is no estimate: the source tells none, and the report has not been made as csv yet.",
		}}},
		{"made in Go: history alone", counter{rows: 1000}, 3, 1000, 0, desk.Estimate{Basis: desk.FromHistory, Rows: 1000, Bytes: 4893, Notes: []string{
			"This is the middle of the last 3 times, whatever was asked for then.",
		}}},
		{"the planner's rows, at the weight that history knows", planner{counter{rows: 1000}, 100_000, nil}, 1, 0, 0, desk.Estimate{Basis: desk.FromPlanner, Rows: 100_000, Bytes: 489_300}},
		{"the planner's, and no history", planner{counter{}, 100_000, nil}, 0, 0, 0, desk.Estimate{Basis: desk.FromPlanner, Rows: 100_000, Notes: []string{
			"How large its file becomes, and how long that takes, is known once it has been made as csv.",
		}}},
		{"a limit cuts it", planner{counter{rows: 1000}, 3_000_000, nil}, 1, 0, 1_000_000, desk.Estimate{Basis: desk.FromPlanner, Rows: 3_000_000, Bytes: 4_893_000, Notes: []string{
			"The report's limit of 1,000,000 rows will cut it.",
		}}},
		{"a source that is down", planner{counter{rows: 1000}, 0, down}, 0, 0, 0, desk.Estimate{Basis: desk.Unknown, Notes: []string{
			"There is no estimate: the source tells none, and the report has not been made as csv yet.",
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := numbers(tt.source)
			r.MaxRows = tt.most
			onBoth(t, desk.Config{Catalog: catalog{r}}, func(t *testing.T, d *desk.Desk) {
				for range tt.made {
					made(t, d, desk.Ask{})
				}
				got, err := d.Estimate(t.Context(), ann, desk.Ask{Report: "numbers"})
				if err != nil || (got.Took > 0) != (tt.want.Bytes > 0) {
					t.Errorf("it takes %v, %v", got.Took, err)
				}
				if got.Took = 0; fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
					t.Errorf("got  %+v\nwant %+v", got, tt.want)
				}
				if e, err := d.Estimate(t.Context(), cat, desk.Ask{Report: "numbers"}); err != nil || e.Bytes > 0 {
					t.Errorf("another tenant hears of this one's files: %+v, %v", e, err)
				}
				if past, _, err := d.List(t.Context(), ann, desk.Filter{}); err != nil || len(past) != tt.made {
					t.Errorf("%d runs are recorded, %v", len(past), err)
				}
			})
		})
	}
}

func TestWhatCannotBeAskedForHasNoEstimate(t *testing.T) {
	broken := numbers(planner{err: offprint.Errorf(offprint.BadQuery, "The query is wrong.")})
	broken.Name = "broken"
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{}), broken}}, func(t *testing.T, d *desk.Desk) {
		for _, ask := range []desk.Ask{
			{Report: "numbers", Format: "docx"},
			{Report: "numbers", Parameters: offprint.Sent{"day": []byte(`"yesteryear"`)}},
			{Report: "nothing"},
		} {
			_, err := d.Estimate(t.Context(), ann, ask)
			_, _, want := d.Submit(t.Context(), ann, ask)
			if err == nil || want == nil || err.Error() != want.Error() {
				t.Errorf("%+v: %v\nSubmit says %v", ask, err, want)
			}
		}
		if _, err := d.Estimate(t.Context(), ann, desk.Ask{Report: "broken"}); offprint.CodeOf(err) != offprint.BadQuery {
			t.Errorf("a query that the source refuses: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Estimate(ctx, ann, desk.Ask{Report: "numbers"}); !errors.Is(err, context.Canceled) {
			t.Errorf("who asked has gone: %v", err)
		}
	})
}

// TestAnEstimateIsNearTheTruth asks PostgreSQL's planner about a table that it
// knows, and the history about the files of it.
func TestAnEstimateIsNearTheTruth(t *testing.T) {
	url := pgtest.URL(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range []string{
		`CREATE TABLE orders (id int, day date, customer text)`,
		`INSERT INTO orders SELECT n, DATE '2026-01-01' + n % 200, 'customer ' || n FROM generate_series(1, 200000) n`,
		`ANALYZE orders`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	db, err := source.Open(source.Config{Name: "shop", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	folder, problems := source.OpenFS("reports", fstest.MapFS{"orders.sql": {Data: []byte(strings.Join([]string{
		"/*---", "tenants: shared", "parameters: {before: {type: date}}", "---*/", "SELECT * FROM orders WHERE day < :before",
	}, "\n"))}}, map[string]*source.Database{"shop": db})
	if problems != nil {
		t.Fatal(problems)
	}
	onBoth(t, desk.Config{Catalog: folder}, func(t *testing.T, d *desk.Desk) {
		ask := func(before string) desk.Ask {
			return desk.Ask{Report: "orders", Parameters: offprint.Sent{"before": []byte(`"` + before + `"`)}}
		}
		for range 3 {
			made(t, d, ask("2026-01-21")) // a tenth
		}
		e, err := d.Estimate(t.Context(), ann, ask("2027-01-01"))
		if err != nil {
			t.Fatal(err)
		}
		run := made(t, d, ask("2027-01-01"))
		near := func(what string, got, want, off float64) {
			t.Logf("%s: %.4g, and it was %.4g", what, got, want)
			if got < want*(1-off) || got > want*(1+off) {
				t.Errorf("%s: %.4g, and it was %.4g", what, got, want)
			}
		}
		near("rows", float64(e.Rows), float64(run.File.Rows), 0.1)
		near("bytes", float64(e.Bytes), float64(run.File.Bytes), 0.2)
		t.Logf("seconds: %.3f, and it was %.3f", e.Took.Seconds(), run.Finished.Sub(run.Started).Seconds())
		if e.Basis != desk.FromPlanner || e.Took <= 0 || e.Notes != nil {
			t.Errorf("got %+v", e)
		}
	})
}
