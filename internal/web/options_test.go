package web_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/web"
)

// places answers with countries and with their cities; it can be made to wait.
type places struct {
	mu   sync.Mutex
	gate chan struct{} // nil: it answers at once
	err  error
}

func (p *places) set(gate chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate, p.err = gate, err
}

type chooserFunc func(ctx context.Context, req offprint.Request) iter.Seq2[offprint.Option, error]

func (f chooserFunc) Choose(ctx context.Context, req offprint.Request) iter.Seq2[offprint.Option, error] {
	return f(ctx, req)
}

func (p *places) choose(options func(req offprint.Request) [][2]string) offprint.Chooser {
	return chooserFunc(func(ctx context.Context, req offprint.Request) iter.Seq2[offprint.Option, error] {
		return func(yield func(offprint.Option, error) bool) {
			p.mu.Lock()
			gate, err := p.gate, p.err
			p.mu.Unlock()
			if gate != nil {
				select {
				case <-gate:
				case <-ctx.Done():
					err = context.Cause(ctx)
				}
			}
			if err != nil {
				yield(offprint.Option{}, err)
				return
			}
			for _, o := range options(req) {
				if !yield(offprint.Option{Value: o[0], Label: offprint.Plain(o[1])}, nil) {
					return
				}
			}
		}
	})
}

func countries(offprint.Request) [][2]string {
	return [][2]string{{"DE", "Germany"}, {"FR", "France"}, {"CH", "Switzerland"}, {"AT", "Austria"}, {"SE", "Sweden"}, {"DK", "Denmark"}}
}

func cities(req offprint.Request) (all [][2]string) {
	switch req.Params.Text("country") {
	case "DE":
		all = [][2]string{{"ber", "Berlin"}, {"cgn", "Köln"}, {"bsl", "Weil am Rhein"}}
	case "CH":
		all = [][2]string{{"zrh", "Zürich"}, {"brn", "Bern"}, {"bsl", "Basel"}}
	case "SE":
		for n := range 120 {
			all = append(all, [2]string{fmt.Sprintf("s%03d", n), fmt.Sprintf("Town %d", n)})
		}
	}
	return all
}

// report is one whose parameters have options of every kind.
func (p *places) report() *offprint.Report {
	var sizes []offprint.Option
	for n := range 30 {
		sizes = append(sizes, offprint.Option{Value: fmt.Sprint(34 + n), Label: offprint.Plain(fmt.Sprintf("Size %d", 34+n))})
	}
	return &offprint.Report{
		Name: "places", Version: "1", Group: "Sales", Title: offprint.Plain("Places"), Reads: "shop",
		Description: offprint.Plain("Who lives where."), Source: offprint.SourceFunc(pairs),
		Parameters: []offprint.Parameter{
			{Name: "country", Type: offprint.TextParam, Label: offprint.Plain("Country"), Choices: p.choose(countries)},
			{Name: "city", Type: offprint.TextParam, Label: offprint.Plain("City"), Optional: true, Choices: p.choose(cities), Follows: []string{"country"}},
			{Name: "tags", Type: offprint.TextParam, Label: offprint.Plain("Tags"), Optional: true, Many: true, Choices: p.choose(countries), Help: offprint.Plain("As many as you like.")},
			{Name: "size", Type: offprint.IntParam, Label: offprint.Plain("Size"), Optional: true, Options: sizes},
			{Name: "period", Type: offprint.PeriodParam, Label: offprint.Plain("Period"), Default: "last_month"},
		},
	}
}

// pairs is a document of two parts with a value of every kind.
func pairs(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
	people := table(25, func(int) error { return ctx.Err() })
	zone := time.FixedZone("", 3600)
	kinds := &offprint.Table{
		Name: "kinds", Title: "Kinds", Columns: []offprint.Column{
			{Name: "none", Title: "None"},
			{Name: "yes", Title: "Yes", Kind: offprint.Bool},
			{Name: "n", Title: "N", Kind: offprint.Int},
			{Name: "amount", Title: "Amount", Kind: offprint.Decimal, As: offprint.AsMoney},
			{Name: "day", Title: "Day", Kind: offprint.Date},
			{Name: "at", Title: "At", Kind: offprint.Timestamp},
			{Name: "text", Title: "Text", Kind: offprint.Text},
			{Name: "hidden", Title: "Hidden", Kind: offprint.Int, As: offprint.AsID, Hide: true},
		},
		Rows: offprint.Rows(offprint.Row{
			{},
			offprint.BoolValue(true), offprint.IntValue(1 << 60), offprint.DecimalValue(-123450, 2), offprint.DateValue(20000),
			offprint.ValueOf(time.Date(2026, 1, 31, 12, 30, 0, 0, zone)), offprint.TextValue("<b>" + req.Params.Text("country") + "</b>"), offprint.IntValue(7),
		}),
	}
	return &offprint.Document{AsOf: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Count: 2, Parts: func(yield func(*offprint.Table, error) bool) {
		if yield(people, nil) {
			yield(kinds, nil)
		}
	}}, nil
}

func (w *world) options(parameter, query string) answer {
	w.t.Helper()
	return w.do("GET", "/v1/reports/places/parameters/"+parameter+"/options?"+query, call{})
}

func filled(parameters string) string { return "parameters=" + url.QueryEscape(parameters) }

func TestOptionsOfAParameter(t *testing.T) {
	w := open(t, wish{workers: -1})
	labels := func(parameter, query string) (labels []string) {
		t.Helper()
		for _, item := range w.options(parameter, query).wants(t, 200).json(t)["items"].([]any) {
			labels = append(labels, asMap(item)["label"].(string))
		}
		return labels
	}
	for _, tt := range []struct {
		promise, parameter, query string
		want                      []string
	}{
		{"all", "country", "", []string{"Germany", "France", "Switzerland", "Austria", "Sweden", "Denmark"}},
		{"searched", "country", "q=den", []string{"Denmark", "Sweden"}},
		{"searched without accents", "city", "q=zurich&" + filled(`{"country":"CH"}`), []string{"Zürich"}},
		{"of another country", "city", filled(`{"country":"DE","size":"x"}`), []string{"Berlin", "Köln", "Weil am Rhein"}},
		{"fixed", "size", "q=40", []string{"Size 40"}},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			if got := labels(tt.parameter, tt.query); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if a := w.options("city", "").wants(t, 200).json(t); encoded(t, a) != `{"items":[],"more":false,"waiting_for":["country"]}` {
		t.Errorf("of no country: %v", a)
	}
	if a := w.options("city", filled(`{"country":"SE"}`)).wants(t, 200).json(t); len(a["items"].([]any)) != 50 || a["more"] != true {
		t.Errorf("of many: %v", a)
	}
	for query, status := range map[string]int{"search=x": 422, "parameters=1": 422, "time_zone=Nowhere": 422, "locale=%21": 422, "q=" + strings.Repeat("x", 201): 422} {
		problem(t, w.options("country", query), status, "invalid")
	}
	problem(t, w.options("city", filled(`{"country":7.5e}`)), 422, "invalid")
	problem(t, w.options("city", filled(`{"contry":"DE"}`)), 422, "bad_parameter")
	problem(t, w.options("period", ""), 404, "not_found")
	problem(t, w.do("GET", "/v1/reports/nowhere/parameters/city/options", call{}), 404, "not_found")

	form := asMap(w.do("GET", "/v1/reports/places", call{}).wants(t, 200).json(t))["form"].([]any)
	if city := asMap(form[1]); city["choices"] != true || encoded(t, city["follows"]) != `["country"]` || city["options_url"] != "/v1/reports/places/parameters/city/options" {
		t.Errorf("the form says %v", city)
	}
	problem(t, w.do("POST", "/v1/runs", call{body: `{"report":"places","parameters":{"country":"US"}}`}), 422, "bad_parameter")
	w.do("POST", "/v1/runs", call{body: `{"report":"places","parameters":{"country":"CH","city":"bsl"}}`}).wants(t, 202)
}

func TestOptionsOfADeadSource(t *testing.T) {
	w := open(t, wish{workers: -1})
	dead := offprint.Errorf(offprint.SourceUnavailable, "It is down.")
	dead.Title = "The shop database did not answer"
	w.catalog.places.set(nil, dead.Because(fmt.Errorf("dial 10.0.0.7")))
	a := w.options("country", "")
	problem(t, a, 503, "source_unavailable")
	if a.Header.Get("Retry-After") == "" || strings.Contains(string(a.body), "10.0.0.7") {
		t.Errorf("a dead source: %v %s", a.Header, a.body)
	}
	w.do("POST", "/v1/runs", call{body: `{"report":"places","parameters":{"country":"US"}}`}).wants(t, 202) // checked when it is made
}

// A stranger reads that the query is wrong; whoever wrote it finds out why.
func TestOptionsOfAWrongQuery(t *testing.T) {
	w := open(t, wish{workers: -1})
	w.catalog.places.set(nil, offprint.Errorf(offprint.BadQuery, "Nothing was made.").Because(fmt.Errorf("no such table: regoins")))
	a := w.options("country", "")
	problem(t, a, 422, "bad_query")
	trace, _ := a.json(t)["trace_id"].(string)
	if strings.Contains(string(a.body), "regoins") {
		t.Errorf("a stranger reads %s", a.body)
	}
	if log := w.log.String(); trace == "" || !strings.Contains(log, "regoins") || !strings.Contains(log, trace) {
		t.Errorf("the log says %s", log)
	}
}

func TestPreview(t *testing.T) {
	w := open(t, wish{workers: -1})
	get := func(query string) answer { return w.do("GET", "/v1/reports/places/preview?"+query, call{}) }
	a := get("time_zone=Europe/Berlin&"+filled(`{"country":"DE"}`)).wants(t, 200)
	p := a.json(t)
	parts := p["parts"].([]any)
	first, second := asMap(parts[0]), asMap(parts[1])
	if rows := first["rows"].([]any); len(parts) != 2 || len(rows) != 20 || first["more"] != true || p["as_of"] != "2026-01-02T03:04:05Z" {
		t.Errorf("%d parts, %d rows: %v", len(parts), len(rows), p["as_of"])
	}
	if want := `[[null,true,1152921504606846976,-1234.50,"2024-10-04","2026-01-31T12:30:00+01:00","<b>DE</b>","7"]]`; !strings.Contains(unescaped(a.body), want) || second["more"] != false {
		t.Errorf("%s, want %s", a.body, want)
	}
	if amount := asMap(second["columns"].([]any)[3]); amount["numeric"] != true || amount["kind"] != "decimal" || amount["as"] != "money" {
		t.Errorf("a column: %v", amount)
	}
	problem(t, get(""), 422, "bad_parameter")
	problem(t, get(filled(`{"country":"US"}`)), 422, "bad_parameter")
	problem(t, get("format=csv"), 422, "invalid")
	problem(t, w.do("GET", "/v1/reports/broken/preview", call{}), 422, "source_timeout")
	problem(t, w.do("GET", "/v1/reports/board/preview", call{}), http.StatusNotFound, "not_found")
}

func unescaped(body []byte) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(body))
}

func TestEstimate(t *testing.T) {
	w := open(t, wish{keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}, "opk_app": {User: "app", Scopes: []string{"impersonate"}, Key: offprint.Key{ID: "k"}}}})
	ask := func(key, body string) answer {
		return w.do("POST", "/v1/reports/orders/estimate", call{key: key, body: body})
	}
	none := ask("opk_ann", `{}`).wants(t, 200).json(t)
	if none["from"] != "unknown" || none["rows"] != nil || none["bytes"] != nil || none["seconds"] != nil {
		t.Errorf("of a report that nobody ever made: %v", none)
	}
	w.made("opk_ann", `{"report":"orders","parameters":{"rows":1000}}`)
	said := ask("opk_ann", `{"format":"csv"}`).wants(t, 200).json(t)
	if said["from"] != "history" || said["rows"] != 1000. || said["bytes"].(float64) < 10_000 || len(said["notes"].([]any)) != 1 {
		t.Errorf("of one that was made: %v", said)
	}
	ask("opk_app", `{"on_behalf_of":{"user":"ann"}}`).wants(t, 200)
	problem(t, ask("opk_ann", `{"on_behalf_of":{"user":"ben"}}`), 403, "forbidden")
	problem(t, ask("opk_ann", `{"parameters":{"rows":"x"}}`), 422, "bad_parameter")
	problem(t, ask("opk_ann", `{"report":"orders"}`), 422, "invalid")
	problem(t, w.do("POST", "/v1/reports/board/estimate", call{key: "opk_ann", body: `{}`}), 404, "not_found")
}

func TestAPreviewShowsNumbersAsPeopleReadThem(t *testing.T) {
	for _, tt := range []struct {
		locale string
		as     offprint.As
		value  offprint.Value
		want   string
	}{
		{"en", offprint.AsMoney, offprint.FloatValue(27062.2), "27,062.20"},
		{"de", offprint.AsMoney, offprint.DecimalValue(-1234565, 3), "-1.234,57"},
		{"en", offprint.AsMoney, offprint.IntValue(1000), "1,000.00"},
		{"en", offprint.AsMoney, offprint.FloatValue(1e300), "1e+300"},
		{"en", offprint.AsPercent, offprint.FloatValue(0.07), "7 %"},
		{"en", offprint.AsPercent, offprint.FloatValue(1.0 / 3), "33.33 %"},
		{"en", offprint.AsPercent, offprint.IntValue(1), "100 %"},
		{"en", "", offprint.FloatValue(1.0 / 3), "0.3333333333333333"},
		{"en", "", offprint.DecimalValue(12000, 4), "1.2000"},
	} {
		if got := web.Shown(tt.locale, tt.as, tt.value); got != tt.want {
			t.Errorf("%v as %q is shown as %q, want %q", tt.value, tt.as, got, tt.want)
		}
	}
}
