package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func TestARunFromAskingToItsFile(t *testing.T) {
	w := open(t, wish{})
	a := w.do("POST", "/v1/runs", call{body: `{"report":"orders","format":"csv","parameters":{"period":"2026-10-01..2026-10-31","rows":1000,"least":"12.50"},
		"time_zone":"Europe/Berlin","locale":"de-DE","metadata":{"job":"7"}}`, headers: []string{"Prefer: wait=30"}}).wants(t, 200)
	run := a.json(t)
	id := run["id"].(string)
	if got := a.Header.Get("Location"); got != "/v1/runs/"+id {
		t.Errorf("location %q", got)
	}
	if a.Header.Get("Preference-Applied") != "wait=30" || !strings.HasPrefix(a.Header.Get("ETag"), `W/"`) {
		t.Errorf("headers: %v", a.Header)
	}
	for name, want := range map[string]any{
		"state": "succeeded", "outcome": "complete", "report": "orders", "title": "Bestellungen", "requested_by": "local", "tenant": nil, "via": nil,
		"time_zone": "Europe/Berlin", "locale": "de-DE", "attempt": 1.0, "max_attempts": 5.0, "error": nil, "phase": nil,
	} {
		if run[name] != want {
			t.Errorf("%s = %v, want %v", name, run[name], want)
		}
	}
	params, sent := encoded(t, run["parameters"]), encoded(t, run["parameters_as_sent"])
	if want := `{"least":"12.50","period":{"from":"2026-10-01","to":"2026-10-31"},"rows":1000}`; params != want {
		t.Errorf("parameters %s, want %s", params, want)
	}
	if want := `{"least":"12.50","period":"2026-10-01..2026-10-31","rows":1000}`; sent != want {
		t.Errorf("as sent %s, want %s", sent, want)
	}
	file := run["file"].(map[string]any)
	if file["rows"] != 1000.0 || file["state"] != "available" || !strings.HasSuffix(file["name"].(string), ".csv") {
		t.Errorf("file: %v", file)
	}
	if progress := run["progress"].(map[string]any); progress["percent"] != 100.0 || progress["rows"] != 1000.0 {
		t.Errorf("progress: %v", progress)
	}
	urls := run["urls"].(map[string]any)
	if _, ok := urls["cancel"]; ok || urls["file"] != "/v1/runs/"+id+"/file" {
		t.Errorf("urls: %v", urls)
	}
	got := w.do("GET", "/v1/runs/"+id+"/file", call{}).wants(t, 200)
	if lines := strings.Count(string(got.body), "\r\n"); lines != 1001 {
		t.Errorf("the file has %d lines, want 1001", lines)
	}

	m := w.do("GET", "/v1/runs/"+id+"/manifest", call{}).wants(t, 200).json(t)
	if m["rows"] != 1000.0 || m["sha256"] != file["sha256"] || m["report_version"] != "1" || m["data_as_of"] == nil || encoded(t, m["parameters"]) != params {
		t.Errorf("manifest: %v", m)
	}
	if d := w.download("", id); d["from"] != "127.0.0.1" || d["user"] != "local" || d["bytes"] != float64(len(got.body)) {
		t.Errorf("download: %v", d)
	}
	if notices := w.do("GET", "/v1/runs/"+id+"/notices", call{}).wants(t, 200).json(t)["items"].([]any); len(notices) != 0 {
		t.Errorf("notices: %v", notices)
	}
	w.do("POST", "/v1/runs/"+id+"/notices/ntc_1/replay", call{}).wants(t, 404)

	w.do("DELETE", "/v1/runs/"+id+"/file", call{}).wants(t, 204)
	if state := w.do("GET", "/v1/runs/"+id, call{}).json(t)["file"].(map[string]any)["state"]; state != "deleted" {
		t.Errorf("file state %v after deletion", state)
	}
	w.do("GET", "/v1/runs/"+id+"/file", call{}).wants(t, 410)
	w.do("GET", "/v1/runs/"+id+"/manifest", call{}).wants(t, 200)
	w.do("DELETE", "/v1/runs/"+id, call{}).wants(t, 204)
	w.do("GET", "/v1/runs/"+id, call{}).wants(t, 404)
	check(t, w.ledger.Check(t.Context()))
}

// download is the first that was recorded, which is done when the file has gone out.
func (w *world) download(key, id string) map[string]any {
	w.t.Helper()
	for range 500 {
		if items := w.do("GET", "/v1/runs/"+id+"/downloads", call{key: key}).wants(w.t, 200).json(w.t)["items"].([]any); len(items) > 0 {
			return items[0].(map[string]any)
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("no download was recorded")
	return nil
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	check(t, err)
	return string(b)
}

func TestReportsSayWhatMayBeAskedFor(t *testing.T) {
	w := open(t, wish{workers: -1})
	a := w.do("GET", "/v1/reports", call{headers: []string{"Accept-Language: de-AT,en;q=0.5"}}).wants(t, 200)
	var names, titles []string
	for _, item := range a.json(t)["items"].([]any) {
		names = append(names, item.(map[string]any)["name"].(string))
		titles = append(titles, item.(map[string]any)["title"].(string))
	}
	if !slices.Equal(names, []string{"broken", "orders", "places", "slow"}) || !slices.Contains(titles, "Bestellungen") {
		t.Errorf("reports %v, %v", names, titles)
	}
	w.do("GET", "/v1/reports", call{headers: []string{"Accept-Language: de-AT,en;q=0.5", "If-None-Match: " + a.Header.Get("ETag")}}).wants(t, 304)
	w.do("GET", "/v1/reports/board", call{}).wants(t, 404)
	one := w.do("GET", "/v1/reports/orders", call{}).wants(t, 200).json(t)
	properties := one["parameters"].(map[string]any)["properties"].(map[string]any)
	if got := encoded(t, properties["region"]); got != `{"enum":["EU","US",null],"maxLength":10000,"title":"Region","type":["string","null"]}` {
		t.Errorf("region: %s", got)
	}
	if got := encoded(t, properties["rows"]); got != `{"default":100,"description":"How many orders to make up.","maximum":1000000,"minimum":0,"title":"Rows","type":"integer"}` {
		t.Errorf("rows: %s", got)
	}
	form := one["form"].([]any)
	if first := form[0].(map[string]any); first["name"] != "period" || first["default"] != "last_30_days" || len(first["words"].([]any)) != len(offprint.PeriodWords) {
		t.Errorf("form: %v", form)
	}
	if got := encoded(t, one["formats"]); !strings.HasPrefix(got, `[{"extension":"csv","media_type":"text/csv; charset=utf-8","name":"csv","title":"CSV"},{"extension":"jsonl",`) {
		t.Errorf("formats: %s", got)
	}
}

func TestListGoesOnWhereItStopped(t *testing.T) {
	w := open(t, wish{workers: -1})
	var asked []string
	for i := range 5 {
		asked = append(asked, w.ask("", fmt.Sprintf(`{"report":"orders","metadata":{"job":"%d"}}`, i%2)))
	}
	slices.Reverse(asked)
	var got []string
	for path := "/v1/runs?limit=2"; ; {
		page := w.do("GET", path, call{}).wants(t, 200).json(t)
		for _, item := range page["items"].([]any) {
			got = append(got, item.(map[string]any)["id"].(string))
		}
		if page["next_cursor"] == nil {
			break
		}
		path = "/v1/runs?limit=2&cursor=" + page["next_cursor"].(string)
	}
	if !slices.Equal(got, asked) {
		t.Errorf("listed %v, want %v", got, asked)
	}
	for path, want := range map[string]int{
		"/v1/runs?metadata.job=1": 2, "/v1/runs?state=queued,running": 5, "/v1/runs?state=failed": 0, "/v1/runs?report=slow": 0, "/v1/runs?report=orders": 5,
	} {
		if items := w.do("GET", path, call{}).wants(t, 200).json(t)["items"].([]any); len(items) != want {
			t.Errorf("%s: %d runs, want %d", path, len(items), want)
		}
	}
	if p := w.do("GET", "/v1/runs/"+asked[0], call{}).json(t)["progress"].(map[string]any)["queue_position"]; p != 5.0 {
		t.Errorf("queue position %v, want 5", p)
	}
}

func TestOneKeyIsOneRun(t *testing.T) {
	w := open(t, wish{workers: -1})
	once := func(body string) answer {
		return w.do("POST", "/v1/runs", call{body: body, headers: []string{"Idempotency-Key: click-1"}})
	}
	var ids sync.Map
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			ids.Store(once(`{"report":"orders","parameters":{"rows":1}}`).wants(t, 202).json(t)["id"], true)
		})
	}
	all.Wait()
	n := 0
	ids.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("50 clicks with one key made %d runs", n)
	}
	replay := once(`{ "parameters": {"rows":1}, "report":"orders" }`).wants(t, 202) // the same JSON, spaced otherwise
	if replay.Header.Get("Idempotent-Replayed") != "true" {
		t.Error("a replay does not say so")
	}
	id := replay.json(t)["id"].(string)
	problem(t, once(`{"report":"orders","parameters":{"rows":2}}`), 422, "key_reused")
	w.do("POST", "/v1/runs/"+id+"/cancel", call{}).wants(t, 200)
	again := w.do("POST", "/v1/runs/"+id+"/rerun", call{headers: []string{"Idempotency-Key: click-1"}}).wants(t, 202).json(t)["id"]
	if again == id {
		t.Error("a key of one route was taken for a key of another")
	}
	w.do("DELETE", "/v1/runs/"+id, call{}).wants(t, 204)
	problem(t, once(`{"report":"orders","parameters":{"rows":1}}`), 410, "expired")
	problem(t, w.do("POST", "/v1/runs", call{body: `{"report":"nowhere"}`, headers: []string{"Idempotency-Key: click-2"}}), 404, "not_found")
	w.do("POST", "/v1/runs", call{body: `{"report":"orders"}`, headers: []string{"Idempotency-Key: click-2"}}).wants(t, 202) // a refusal keeps no key
}

func TestWaitingForARun(t *testing.T) {
	w := open(t, wish{})
	a := w.do("POST", "/v1/runs", call{body: `{"report":"slow"}`, headers: []string{"Prefer: respond-async, wait=1"}}).wants(t, 202)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After while the run has not ended")
	}
	id := a.json(t)["id"].(string)
	run := w.until("", id, "running")
	etag := w.do("GET", "/v1/runs/"+id, call{}).Header.Get("ETag")
	w.do("GET", "/v1/runs/"+id, call{headers: []string{"If-None-Match: " + etag[2:]}}).wants(t, 304) // compared weakly
	if run["urls"].(map[string]any)["cancel"] == nil {
		t.Errorf("urls of a running run: %v", run["urls"])
	}
	problem(t, w.do("GET", "/v1/runs/"+id+"/file", call{}), 409, "not_ready")
	problem(t, w.do("DELETE", "/v1/runs/"+id+"/file", call{}), 409, "not_ended")
	problem(t, w.do("DELETE", "/v1/runs/"+id, call{}), 409, "not_ended")
	problem(t, w.do("GET", "/v1/runs/"+id+"/manifest", call{}), 409, "not_ready")
	time.AfterFunc(100*time.Millisecond, w.catalog.release)
	started := time.Now()
	done := w.do("GET", "/v1/runs/"+id+"?for=final", call{headers: []string{"Prefer: wait=20"}}).wants(t, 200).json(t)
	if done["state"] != "succeeded" || time.Since(started) > 10*time.Second {
		t.Errorf("waited %v for %v", time.Since(started), done["state"])
	}
}

func TestCancelAndMakeAgain(t *testing.T) {
	w := open(t, wish{})
	id := w.ask("", `{"report":"slow","parameters":{"rows":20},"title":"My orders"}`)
	w.until("", id, "running")
	for range 2 { // repeatable
		if run := w.do("POST", "/v1/runs/"+id+"/cancel", call{}).wants(t, 200).json(t); run["state"] != "canceled" {
			t.Errorf("canceled: %v", run["state"])
		}
	}
	problem(t, w.do("GET", "/v1/runs/"+id+"/file", call{}), 404, "no_file")
	w.catalog.release()
	a := w.do("POST", "/v1/runs/"+id+"/rerun", call{body: `{"parameters":{"rows":30}}`, headers: []string{"Prefer: wait=30"}}).wants(t, 200)
	run := a.json(t)
	if run["title"] != "My orders" || run["file"].(map[string]any)["rows"] != 30.0 {
		t.Errorf("made again: %v", run)
	}
	until := time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	kept := w.do("PATCH", "/v1/runs/"+run["id"].(string), call{body: `{"title":"Kept","metadata":{"a":"b"},"expires_at":"` + until + `"}`}).wants(t, 200).json(t)
	if kept["title"] != "Kept" || kept["expires_at"] != until || encoded(t, kept["metadata"]) != `{"a":"b"}` {
		t.Errorf("kept: %v", kept)
	}
	kept = w.do("PATCH", "/v1/runs/"+run["id"].(string), call{body: `{"metadata":{"a":null}}`}).wants(t, 200).json(t)
	if encoded(t, kept["metadata"]) != `{}` {
		t.Errorf("metadata after null: %v", kept["metadata"])
	}
}

func TestAFailedRunSaysWhyInWordsForPeople(t *testing.T) {
	w := open(t, wish{})
	run := w.made("", `{"report":"broken"}`)
	e := run["error"].(map[string]any)
	if run["state"] != "failed" || e["code"] != "source_timeout" || e["title"] != "The shop database took too long" || e["type"] != "urn:offprint:problem:source-timeout" || e["retryable"] != false {
		t.Errorf("failed: %v", run)
	}
	if strings.Contains(encoded(t, run), "SELECT") {
		t.Errorf("it tells of the query: %v", run)
	}
}

// problem checks an answer's shape.
func problem(t *testing.T, a answer, status int, code string) map[string]any {
	t.Helper()
	a.wants(t, status)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	p := a.json(t)
	if p["code"] != code || p["status"] != float64(status) || p["type"] != "urn:offprint:problem:"+strings.ReplaceAll(code, "_", "-") || p["title"] == "" || p["trace_id"] == "" {
		t.Errorf("problem %s, want code %s", a.body, code)
	}
	return p
}

func TestRefusals(t *testing.T) {
	keys := map[string]offprint.Identity{"opk_ann": {User: "ann", Tenant: "acme"}}
	w := open(t, wish{keys: keys, workers: -1})
	id := w.ask("opk_ann", `{"report":"orders"}`)
	for _, tt := range []struct {
		promise      string
		method, path string
		call         call
		status       int
		code         string
		field        string
	}{
		{"not JSON", "POST", "/v1/runs", call{body: `{"report":`}, 400, "unreadable", ""},
		{"a form", "POST", "/v1/runs", call{body: `report=orders`, headers: []string{"Content-Type: application/x-www-form-urlencoded"}}, 400, "unreadable", ""},
		{"no body", "POST", "/v1/runs", call{}, 400, "unreadable", ""},
		{"a wrong type", "POST", "/v1/runs", call{body: `{"report":7}`}, 422, "invalid", "#/report"},
		{"nothing asked for", "POST", "/v1/runs", call{body: `{}`}, 422, "invalid", "#/report"},
		{"an unknown field", "POST", "/v1/runs", call{body: `{"report":"orders","sql":"DROP"}`}, 422, "invalid", "#/sql"},
		{"an unknown parameter", "POST", "/v1/runs", call{body: `{"report":"orders","parameters":{"when":"now"}}`}, 422, "bad_parameter", "#/parameters/when"},
		{"a bad parameter", "POST", "/v1/runs", call{body: `{"report":"orders","parameters":{"rows":"many"}}`}, 422, "bad_parameter", "#/parameters/rows"},
		{"a bad format", "POST", "/v1/runs", call{body: `{"report":"orders","format":"docx"}`}, 422, "invalid", "#/format"},
		{"a bad retention", "POST", "/v1/runs", call{body: `{"report":"orders","retention":"soon"}`}, 422, "invalid", "#/retention"},
		{"an address nobody delivers to", "POST", "/v1/runs", call{body: `{"report":"orders","notify":["https://example.com/hook"]}`}, 422, "not_configured", "#/notify/0"},
		{"no address of mine", "POST", "/v1/runs", call{body: `{"report":"orders","notify":["me"]}`}, 422, "invalid", "#/notify/0"},
		{"no such report", "POST", "/v1/runs", call{body: `{"report":"nowhere"}`}, 404, "not_found", ""},
		{"a report for others", "POST", "/v1/runs", call{body: `{"report":"board"}`}, 404, "not_found", ""},
		{"on nobody's behalf", "POST", "/v1/runs", call{body: `{"report":"orders","on_behalf_of":{"user":"bob"}}`}, 403, "forbidden", ""},
		{"a huge body", "POST", "/v1/runs", call{body: `{"report":"` + strings.Repeat("x", 2<<20) + `"}`}, 413, "body_too_large", ""},
		{"no key", "GET", "/v1/runs", call{key: "none"}, 401, "unauthenticated", ""},
		{"a wrong key", "GET", "/v1/runs", call{key: "opk_wrong"}, 401, "unauthenticated", ""},
		{"no key for a file", "GET", "/v1/runs/" + id + "/file", call{key: "none"}, 401, "unauthenticated", ""},
		{"no key for a stream", "GET", "/v1/events", call{key: "none"}, 401, "unauthenticated", ""},
		{"a query that says a thing twice", "GET", "/v1/runs?limit=2&limit=3", call{}, 422, "invalid", "query limit"},
		{"a search for two things", "GET", "/v1/reports/orders/parameters/region/options?q=a&q=b", call{}, 422, "invalid", "query q"},
		{"an unknown query", "GET", "/v1/runs?page=2", call{}, 422, "invalid", "query page"},
		{"an unknown query elsewhere", "GET", "/v1/runs/" + id + "?verbose=1", call{}, 422, "invalid", "query verbose"},
		{"a bad limit", "GET", "/v1/runs?limit=1000", call{}, 422, "invalid", "query limit"},
		{"a bad state", "GET", "/v1/runs?state=done", call{}, 422, "invalid", "query state[0]"},
		{"a bad cursor", "GET", "/v1/runs?cursor=xyz", call{}, 422, "invalid", ""},
		{"no such run", "GET", "/v1/runs/run_0", call{}, 404, "not_found", ""},
		{"no such address", "GET", "/v1/nothing", call{}, 404, "not_found", ""},
		{"a wrong method", "PUT", "/v1/runs/" + id, call{body: `{}`}, 405, "method_not_allowed", ""},
		{"a forged pass", "GET", "/v1/runs/" + id + "/file?t=abc.def", call{}, 401, "unauthenticated", ""},
		{"not ended", "GET", "/v1/runs/" + id + "/file", call{}, 409, "not_ready", ""},
		{"another site's page", "POST", "/v1/runs", call{body: `{"report":"orders"}`, headers: []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}}, 403, "forbidden", ""},
		{"a title of two lines", "PATCH", "/v1/runs/" + id, call{body: `{"title":"a\nb"}`}, 422, "invalid", "#/title"},
		{"a past expiry", "PATCH", "/v1/runs/" + id, call{body: `{"expires_at":"2020-01-01T00:00:00Z"}`}, 422, "invalid", "#/expires_at"},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			if tt.call.key == "" {
				tt.call.key = "opk_ann"
			}
			if tt.call.key == "none" {
				tt.call.key = ""
			}
			a := w.do(tt.method, tt.path, tt.call)
			p := problem(t, a, tt.status, tt.code)
			if tt.field != "" && !strings.Contains(string(a.body), `"pointer":"`+tt.field+`"`) {
				t.Errorf("fields %v, want %s", p["errors"], tt.field)
			}
			for _, secret := range []string{"many", "DROP", "docx", "soon", "example.com", "verbose=1", "xyz"} {
				if strings.Contains(string(a.body), secret) {
					t.Errorf("it repeats what was sent: %s", a.body)
				}
			}
			if tt.status == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("no challenge: %v", a.Header)
			}
			if tt.status == 405 && !strings.Contains(a.Header.Get("Allow"), http.MethodPatch) {
				t.Errorf("allow: %q", a.Header.Get("Allow"))
			}
		})
	}
	a := w.do("GET", "/v1/nothing", call{headers: []string{"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}})
	if p := problem(t, a, 404, "not_found"); p["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" {
		t.Errorf("trace id %v", p["trace_id"])
	}
}

func TestLimits(t *testing.T) {
	o := wish{workers: -1}
	o.ledger.Queued, o.ledger.QueuedPerUser = 3, 2
	o.keys = map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_bob": {User: "bob"}}
	w := open(t, o)
	body := `{"report":"orders"}`
	w.ask("opk_ann", body)
	w.ask("opk_ann", body)
	a := w.do("POST", "/v1/runs", call{key: "opk_ann", body: body})
	if problem(t, a, 429, "too_many_runs"); a.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	w.ask("opk_bob", body)
	a = w.do("POST", "/v1/runs", call{key: "opk_bob", body: body})
	if p := problem(t, a, 503, "busy"); a.Header.Get("Retry-After") == "" || p["retryable"] != true {
		t.Error("503 without Retry-After")
	}
	w.do("GET", "/readyz", call{}).wants(t, 200)
	w.site.Close()
	problem(t, w.do("POST", "/v1/runs", call{key: "opk_bob", body: body}), 503, "draining")
	problem(t, w.do("GET", "/readyz", call{}), 503, "draining")
	w.do("GET", "/livez", call{}).wants(t, 200)
}

func TestAnInternalErrorIsToldToTheLogAlone(t *testing.T) {
	w := open(t, wish{workers: -1})
	id := w.ask("", `{"report":"orders"}`)
	problem(t, w.do("POST", "/v1/runs", call{body: `{"report":"panic"}`}), 500, "internal")
	if log := w.log.String(); !strings.Contains(log, "a mistake of ours") || !strings.Contains(log, "submit.go") {
		t.Errorf("the log does not tell of a panic: %s", log)
	}
	check(t, w.ledger.Close())
	a := w.do("GET", "/v1/runs/"+id, call{})
	p := problem(t, a, 500, "internal")
	if strings.Contains(string(a.body), "sql") || strings.Contains(string(a.body), "database") {
		t.Errorf("it tells too much: %s", a.body)
	}
	if log := w.log.String(); !strings.Contains(log, "database is closed") || !strings.Contains(log, p["trace_id"].(string)) {
		t.Errorf("the log does not tell of %v: %s", p["trace_id"], log)
	}
}

func TestOnBehalfOfSomebody(t *testing.T) {
	w := open(t, wish{keys: map[string]offprint.Identity{
		"opk_app": {User: "app", Tenant: "acme", Scopes: []string{"impersonate"}, Key: offprint.Key{ID: "key_app", Name: "app"}},
		"opk_bob": {User: "bob", Tenant: "acme"},
	}})
	run := w.made("opk_app", `{"report":"board","on_behalf_of":{"user":"bob","email":"bob@acme.example","roles":["board"]}}`)
	if run["requested_by"] != "bob" || run["via"] != "app" || run["tenant"] != "acme" || run["state"] != "succeeded" {
		t.Errorf("on behalf: %v", run)
	}
	id := run["id"].(string)
	w.do("GET", "/v1/runs/"+id, call{key: "opk_bob"}).wants(t, 200)
	w.do("GET", "/v1/runs/"+id, call{key: "opk_app"}).wants(t, 200) // who asked may follow it
	a := w.do("POST", "/v1/runs", call{key: "opk_app", body: `{"report":"orders","on_behalf_of":{"user":"eve","tenant":"evil"}}`})
	problem(t, a, 403, "forbidden")
	pass := w.do("POST", "/v1/runs/"+id+"/download", call{key: "opk_app"}).wants(t, 200).json(t)["url"].(string)
	w.do("GET", pass, call{}).wants(t, 200)
	if who := w.do("GET", "/v1/me", call{key: "opk_app"}).wants(t, 200).json(t); who["user"] != "app" || encoded(t, who["scopes"]) != `["impersonate"]` {
		t.Errorf("me: %v", who)
	}
}
