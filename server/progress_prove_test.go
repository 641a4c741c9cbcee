package server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// A course is how the rows of a part come: after a wait, so many, each after
// its own pause.
type course struct {
	wait  time.Duration
	rows  int
	takes time.Duration              // all rows, without the wait
	share func(done float64) float64 // of takes that the first rows need; nil: each as long as any other
}

// part is a table whose rows come like that, on a machine so many times as slow.
func (c course) part(ctx context.Context, name string, slow float64, said int64) *offprint.Table {
	return &offprint.Table{
		Name: name, Title: name, RowsEstimated: said, Columns: []offprint.Column{{Name: "n", Title: "N", Kind: offprint.Int}},
		Rows: func(yield func(offprint.Row, error) bool) {
			began := time.Now()
			for n := range c.rows {
				done := float64(n) / float64(c.rows)
				if c.share != nil {
					done = c.share(done)
				}
				at := time.Duration(slow * (float64(c.wait) + done*float64(c.takes)))
				select {
				case <-time.After(at - time.Since(began)):
				case <-ctx.Done():
					yield(nil, context.Cause(ctx))
					return
				}
				if !yield(offprint.Row{offprint.IntValue(int64(n))}, nil) {
					return
				}
			}
		},
	}
}

// A sample is what was said of a run at some time.
type sample struct {
	at   time.Time
	left time.Duration // 0: nothing was said
}

// A progression is a run as the API shows it.
type progression struct {
	ID       string     `json:"id"`
	State    string     `json:"state"`
	Started  *time.Time `json:"started_at"`
	Finished *time.Time `json:"finished_at"`
	Progress struct {
		Percent *int   `json:"percent"`
		ETA     *int64 `json:"eta_seconds"`
	} `json:"progress"`
}

// TestProveTheTimeLeftIsRight makes reports of many shapes four times each and
// holds what the API says of the last one's time left against what it took.
//
// Of the samples after the first tenth of a run, those with less than 2 s to go
// are left out, since there the rounding to seconds alone is a quarter.
// Nothing said counts as wrong.
func TestProveTheTimeLeftIsRight(t *testing.T) {
	slower := func(done float64) float64 { return done * done }
	halts := func(done float64) float64 {
		return min(done, 0.4)/2 + max(0, done-0.4)/0.6*0.3 + 0.5*min(1, max(0, done-0.4)*1e6)
	}
	shapes := map[string][]course{
		"wait":    {{wait: 8 * time.Second, rows: 20_000, takes: 3 * time.Second}},
		"steady":  {{rows: 5_000, takes: 12 * time.Second}},
		"slowing": {{rows: 5_000, takes: 12 * time.Second, share: slower}},
		"halting": {{rows: 5_000, takes: 12 * time.Second, share: halts}},
		"parts": {
			{wait: 2 * time.Second, rows: 2_000, takes: 3 * time.Second},
			{wait: 4 * time.Second, rows: 10},
			{rows: 3_000, takes: 4 * time.Second, share: slower},
		},
	}
	config, err := server.Demo(t.Context(), t.TempDir(), 2_000_000)
	if err != nil {
		t.Fatal(err)
	}
	for name, courses := range shapes {
		config.InGo = append(config.InGo, shaped(name, courses))
	}
	config.Listen, config.Workers, config.Now = "127.0.0.1:0", 6, time.Now
	url, stop := started(t, config)
	defer stop()

	type shape struct {
		title, body string
		again       string // the last asking, where it is another
		first       bool   // it was never made before: shown, and not counted
	}
	asking := func(report, format, parameters string) string {
		return fmt.Sprintf(`{"report":%q,"format":%q,"parameters":{%s}}`, report, format, parameters)
	}
	var mu sync.Mutex
	var counted, right int
	prove := func(s shape) {
		var before []string // how long those took: a busy machine shows in it
		for range 3 {
			if !s.first {
				_, run := watched(t, url, s.body)
				before = append(before, fmt.Sprintf("%.1f", run.Finished.Sub(*run.Started).Seconds()))
			}
		}
		samples, run := watched(t, url, cmp.Or(s.again, s.body))
		n, good, worst := held(samples, run)
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%-44s %5.1f s, before %v: %3d of %3d samples within 30 %% (%3.0f %%), nine in ten off by %.0f %% at most", s.title,
			run.Finished.Sub(*run.Started).Seconds(), before, good, n, 100*float64(good)/float64(max(1, n)), 100*worst)
		if !s.first {
			counted, right = counted+n, right+good
		}
	}
	// These wait more than they work, and may do so together.
	var all sync.WaitGroup
	for _, s := range []shape{
		{title: "a long query, then fast rows", body: asking("wait", "csv", "")},
		{title: "steady rows", body: asking("steady", "jsonl", "")},
		{title: "rows that slow down", body: asking("slowing", "xlsx", "")},
		{title: "a halt in the middle", body: asking("halting", "csv", "")},
		{title: "three parts", body: asking("parts", "pdf", "")},
		{title: "slow on purpose", body: asking("slow", "csv", `"rows":240,"pause_ms":50`)},
		{title: "never made before: steady rows", body: asking("steady", "pdf", `"rows_said":true`), first: true},
		{title: "never made before: rows that slow down", body: asking("slowing", "pdf", `"rows_said":true`), first: true},
	} {
		all.Go(func() { prove(s) })
	}
	all.Wait()
	for _, s := range []shape{
		{title: "half as fast as before: steady rows", body: asking("steady", "csv", ""), again: asking("steady", "csv", `"slow":"2"`)},
		{title: "half as fast as before: rows that slow down", body: asking("slowing", "csv", ""), again: asking("slowing", "csv", `"slow":"2"`)},
		{title: "half as fast as before: three parts", body: asking("parts", "csv", ""), again: asking("parts", "csv", `"slow":"2"`)},
	} {
		all.Go(func() { prove(s) })
	}
	all.Wait()
	// These have the machine to themselves, as far as it is ours.
	for _, format := range []string{"xlsx", "pdf", "csv"} {
		prove(shape{title: "orders of the shop, " + format, body: asking("orders", format, `"period":"2024-01-01..2025-12-31"`)})
	}
	share := float64(right) / float64(max(1, counted))
	t.Logf("%d of %d samples are within 30 %%: %.1f %%", right, counted, 100*share)
	if share < 0.8 {
		t.Errorf("%.1f %% of what is said of the time left is right, want 80 at least", 100*share)
	}
}

func shaped(name string, courses []course) *offprint.Report {
	return &offprint.Report{
		Name: name, Version: "1", Title: offprint.Plain(name),
		Parameters: []offprint.Parameter{
			{Name: "slow", Type: offprint.DecimalParam, Default: "1"}, {Name: "rows_said", Type: offprint.BoolParam, Default: "false"},
		},
		Source: offprint.SourceFunc(func(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
			slow := 1.0
			if req.Params.Decimal("slow").String() != "1" {
				slow = 2
			}
			return &offprint.Document{AsOf: time.Now(), Count: len(courses), Parts: func(yield func(*offprint.Table, error) bool) {
				for i, c := range courses {
					said := int64(0)
					if req.Params.Bool("rows_said") {
						said = int64(c.rows)
					}
					if !yield(c.part(ctx, fmt.Sprintf("part_%d", i), slow, said), nil) {
						return
					}
				}
			}}, nil
		}),
	}
}

// watched asks for a report and for how it stands until it has ended.
func watched(t *testing.T, url, body string) (samples []sample, run progression) {
	call := func(method, path, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		status, answer := do(t, req)
		if err := json.Unmarshal([]byte(answer), &run); err != nil || status >= 300 {
			t.Errorf("%s %s: %d %s", method, path, status, answer)
		}
	}
	percent := 0
	call("POST", "/v1/runs", body)
	for run.State == "queued" || run.State == "running" {
		time.Sleep(100 * time.Millisecond)
		call("GET", "/v1/runs/"+run.ID, "")
		s := sample{at: time.Now()}
		if eta := run.Progress.ETA; eta != nil {
			s.left = time.Duration(*eta) * time.Second
		}
		if run.State == "running" {
			samples = append(samples, s)
		}
		if p := run.Progress.Percent; p != nil {
			if *p < percent {
				t.Errorf("%s: %d %% after %d %%", body, *p, percent)
			}
			percent = *p
		}
	}
	if run.State != "succeeded" {
		t.Errorf("%s: %s", body, run.State)
	}
	return samples, run
}

// held holds the samples against how the run went: how many count, how many are
// right, and how far the worst but a tenth of them is off.
func held(samples []sample, run progression) (counted, right int, worst float64) {
	var offs []float64
	tenth := run.Started.Add(run.Finished.Sub(*run.Started) / 10)
	for _, s := range samples {
		left := run.Finished.Sub(s.at)
		if s.at.Before(tenth) || left < 2*time.Second {
			continue
		}
		counted++
		off := (s.left - left).Abs().Seconds() / left.Seconds()
		offs = append(offs, off)
		if off <= 0.3 {
			right++
		}
	}
	if slices.Sort(offs); len(offs) > 0 {
		worst = offs[len(offs)*9/10]
	}
	return counted, right, worst
}
