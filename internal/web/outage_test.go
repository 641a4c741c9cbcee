package web_test

import (
	"context"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

// Whoever waits for a source that is down reads so, and when it is tried
// again, though it was another run that found out.
func TestWhoWaitsForASourceThatIsDownIsToldSo(t *testing.T) {
	w := open(t, wish{})
	w.catalog.reports["stock"] = &offprint.Report{
		Name: "stock", Version: "1", Title: offprint.Plain("Stock"), Reads: "stock",
		Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
			err := offprint.Errorf(offprint.SourceUnavailable, "Your request is kept and tried again.")
			err.Title = "The stock database did not answer"
			return nil, err
		}),
	}
	waits := func(id string) map[string]any {
		t.Helper()
		for etag := ""; ; {
			a := w.do("GET", "/v1/runs/"+id+"?wait=20", call{headers: []string{"If-None-Match: " + etag}}).wants(t, 200)
			if run := a.json(t); run["next_attempt_at"] != nil && run["retry_until"] != nil {
				return run
			}
			etag = a.Header.Get("ETag")
		}
	}
	waits(w.ask("", `{"report":"stock"}`))
	run := waits(w.ask("", `{"report":"stock","format":"jsonl"}`))
	if problem := run["error"].(map[string]any); run["state"] != "queued" || problem["code"] != "source_unavailable" || problem["title"] != "The stock database did not answer" {
		t.Errorf("the run: %v", run)
	}
	page := string(w.do("GET", "/runs/"+run["id"].(string), call{}).wants(t, 200).body)
	for _, want := range []string{"Waiting to try again", "The stock database did not answer. Next try at "} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
