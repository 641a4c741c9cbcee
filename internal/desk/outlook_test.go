package desk_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
)

// parts are tables of so many rows, of which the source says something else.
type parts []struct{ rows, said int }

func (p parts) Open(context.Context, offprint.Request) (*offprint.Document, error) {
	return &offprint.Document{AsOf: time.Now(), Count: len(p), Parts: func(yield func(*offprint.Table, error) bool) {
		for i, part := range p {
			rows := slices.Repeat([]offprint.Row{{offprint.IntValue(1)}}, part.rows)
			table := &offprint.Table{
				Name: fmt.Sprint("part", i), Title: "Part", Columns: []offprint.Column{{Name: "n", Title: "N", Kind: offprint.Int}},
				RowsEstimated: int64(part.said), Rows: offprint.Rows(rows...),
			}
			if !yield(table, nil) {
				return
			}
		}
	}}, nil
}

func TestPercentNeverFallsAndIsNotHundredBeforeTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		source parts
		most   int64
		least  int // percent that was told before the end
	}{
		"what the source says":                          {parts{{20_000, 20_000}}, 0, 95},
		"far more rows than the source says":            {parts{{20_000, 100}}, 0, 95},
		"far fewer":                                     {parts{{20_000, 1_000_000}}, 0, 1},
		"parts, of which the source knows only some":    {parts{{5_000, 5_000}, {5_000, 0}, {5_000, 100}}, 0, 99},
		"parts, of which the second is much the larger": {parts{{100, 100}, {20_000, 20_000}}, 0, 95},
		"the limit comes first":                         {parts{{20_000, 20_000}}, 10_000, 95},
		"nothing known":                                 {parts{{20_000, 0}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := numbers(tt.source)
			r.MaxRows = tt.most
			d := desk.New(desk.Config{Catalog: catalog{r}, Formats: []offprint.Format{csv.Format}})
			defer d.Close()
			var last offprint.Progress
			var phase offprint.Phase
			writing := 0
			_, err := d.Make(t.Context(), ann, desk.Ask{Report: "numbers"}, io.Discard, func(now offprint.Phase, p offprint.Progress) {
				if p.Percent() < last.Percent() || p.Percent() > 99 {
					t.Errorf("%d %% after %d %%", p.Percent(), last.Percent())
				}
				if p.RowsTotal > 0 && p.RowsTotal < p.Rows {
					t.Errorf("%d rows of %d", p.Rows, p.RowsTotal)
				}
				if now == offprint.Writing {
					writing = p.Percent()
				}
				last, phase = p, now
			})
			if err != nil {
				t.Fatal(err)
			}
			if phase != offprint.Uploading || !last.Exact || last.RowsTotal != last.Rows {
				t.Errorf("at the end, %s: %+v", phase, last)
			}
			if writing < tt.least {
				t.Errorf("%d %% before the end, want %d at least", writing, tt.least)
			}
		})
	}
}

// TestARunIsLikeThoseBefore holds what is told of a run whose source says
// nothing of its rows.
func TestARunIsLikeThoseBefore(t *testing.T) {
	var halt atomic.Bool
	halted, on := make(chan struct{}, 2), make(chan struct{})
	silent := offprint.SourceFunc(func(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
		rows := 1000
		if req.Params.Date("day").Year == 2020 {
			rows = 400
		}
		doc, err := counter{rows: rows, at: func(ctx context.Context, row int) error {
			if row != 250 || !halt.Load() {
				return nil
			}
			halted <- struct{}{}
			select {
			case <-on:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}}.Open(ctx, req)
		for table := range doc.Parts {
			table.RowsEstimated = 0
			doc.Parts = offprint.Single(table).Parts
		}
		return doc, err
	})
	onBoth(t, desk.Config{Catalog: catalog{numbers(silent)}}, func(t *testing.T, d *desk.Desk) {
		old := desk.Ask{Parameters: offprint.Sent{"day": []byte(`"2020-02-02"`)}}
		for range 2 {
			made(t, d, desk.Ask{})
			made(t, d, old)
		}
		made(t, d, desk.Ask{})
		halt.Store(true)
		defer halt.Store(false)
		for _, tt := range []struct {
			day         string
			least, most int64
		}{{"today", 1000, 1000}, {"2020-02-02", 400, 400}, {"2021-01-01", 400, 1000}} { // the last was never asked for: like some of all
			ask := desk.Ask{Parameters: offprint.Sent{"day": []byte(`"` + tt.day + `"`)}}
			run := submit(t, d, ann, ask)
			<-halted
			run = until(t, d, ann, run.ID, func(r offprint.Run) bool { return r.Progress.Rows > 0 })
			p := run.Progress
			if p.RowsTotal < tt.least || p.RowsTotal > tt.most || p.Exact || p.Percent() < 1 || p.Percent() > 70 {
				t.Errorf("%s: %d of %d rows, want from %d to %d; %d %%", tt.day, p.Rows, p.RowsTotal, tt.least, tt.most, p.Percent())
			}
			on <- struct{}{}
			run = until(t, d, ann, run.ID, final)
			if run.Progress.RowsTotal != run.File.Rows || !run.Progress.Exact {
				t.Errorf("at the end %+v", run.Progress)
			}
		}
	})
}

// TestWhoWaitsKnowsWhen has two workers, a report that took its time before,
// and more askings than workers.
func TestWhoWaitsKnowsWhen(t *testing.T) {
	var let atomic.Pointer[chan struct{}]
	pausing := counter{rows: 1, at: func(ctx context.Context, _ int) error {
		gate := let.Load()
		if gate == nil {
			time.Sleep(300 * time.Millisecond) // what is usual
			return nil
		}
		select {
		case <-*gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
	onBoth(t, desk.Config{Catalog: catalog{numbers(pausing)}}, func(t *testing.T, d *desk.Desk) {
		let.Store(nil)
		run := made(t, d, desk.Ask{})
		took := run.Finished.Sub(run.Started)
		gate := make(chan struct{})
		let.Store(&gate)
		var ids []string
		for range 7 {
			ids = append(ids, submit(t, d, ann, desk.Ask{}).ID)
		}
		for _, id := range ids[:2] {
			until(t, d, ann, id, func(r offprint.Run) bool { return r.State == offprint.Running && !r.Progress.Due.IsZero() })
		}
		ahead := func(id string) desk.Outlook {
			t.Helper()
			run, err := d.Get(t.Context(), ann, id)
			if err != nil {
				t.Fatal(err)
			}
			o, err := d.Outlook(t.Context(), &run)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		line := func() (outlooks []desk.Outlook) {
			for _, id := range ids[2:] {
				outlooks = append(outlooks, ahead(id))
			}
			return outlooks
		}
		var all []desk.Outlook
		for wait := time.Now().Add(10 * time.Second); len(all) == 0 || all[4].Starts-all[2].Starts < took*9/10; all = line() { // read once a second
			if time.Now().After(wait) {
				t.Fatalf("each takes %v: %+v", took, all)
			}
			time.Sleep(10 * time.Millisecond)
		}
		for i, o := range all {
			if o.Position != i+1 || o.Left < o.Starts+took*9/10 || o.Left > o.Starts+took*11/10 {
				t.Errorf("number %d: %+v, and each takes %v", i+1, o, took)
			}
		}
		if _, err := d.Cancel(t.Context(), ann, ids[2]); err != nil {
			t.Fatal(err)
		}
		for wait := time.Now().Add(10 * time.Second); ahead(ids[3]).Position != 1; time.Sleep(10 * time.Millisecond) { // counted a few times a second
			if time.Now().After(wait) {
				t.Fatalf("the next after one that was canceled: %+v", ahead(ids[3]))
			}
		}
		if o := ahead(ids[2]); o != (desk.Outlook{}) {
			t.Errorf("one that was canceled: %+v", o)
		}
		close(gate)
		for _, id := range ids[3:] {
			until(t, d, ann, id, final)
		}
	})
}
