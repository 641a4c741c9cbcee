package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
)

// A chooser answers with value=label, by who asks and what is followed.
type chooser struct {
	options func(req offprint.Request) []string
	asked   atomic.Int32
	mu      sync.Mutex
	block   chan struct{} // nil: it answers at once
	err     error
}

func (c *chooser) set(block chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block, c.err = block, err
}

func (c *chooser) Choose(ctx context.Context, req offprint.Request) iter.Seq2[offprint.Option, error] {
	c.asked.Add(1)
	c.mu.Lock()
	block, err := c.block, c.err
	c.mu.Unlock()
	return func(yield func(offprint.Option, error) bool) {
		if block != nil {
			select {
			case <-block:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		if err != nil {
			yield(offprint.Option{}, err)
			return
		}
		for _, text := range c.options(req) {
			value, label, _ := strings.Cut(text, "=")
			if !yield(offprint.Option{Value: value, Label: offprint.Plain(label)}, nil) {
				return
			}
		}
	}
}

// places is a report of cities, which depend on their country.
type places struct {
	countries, cities, sizes chooser
	*desk.Desk
	report *offprint.Report
}

func newPlaces() *places {
	p := new(places)
	p.countries.options = func(offprint.Request) []string { return []string{"DE=Germany", "FR=France", "CH=Schweiz"} }
	p.cities.options = func(req offprint.Request) []string {
		return map[string][]string{
			"DE": {"b=Berlin", "k=Köln", "f=Frankfurt am Main", "x=Bad " + req.Who.User},
			"CH": {"z=Zürich", "b=Bern"},
		}[req.Params.Text("country")]
	}
	p.sizes.options = func(offprint.Request) []string { return []string{"10", "20.50=Twenty", "30"} }
	p.report = &offprint.Report{
		Name: "places", Version: "1", Reads: "shop",
		Source: counter{rows: 3}, Parameters: []offprint.Parameter{
			{Name: "country", Type: offprint.TextParam, Choices: &p.countries},
			{Name: "city", Type: offprint.TextParam, Many: true, Optional: true, Choices: &p.cities, Follows: []string{"country"}},
			{Name: "size", Type: offprint.DecimalParam, Optional: true, Choices: &p.sizes},
			{Name: "tone", Type: offprint.TextParam, Optional: true, Options: []offprint.Option{{Value: "a", Label: offprint.Plain("Loud")}, {Value: "b", Label: offprint.Plain("Quiet")}}},
			{Name: "name", Type: offprint.TextParam, Optional: true},
		},
	}
	return p
}

// alone opens a desk that makes nothing.
func (p *places) alone(t *testing.T, c desk.Config) *places {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	c.Catalog, c.Formats = catalog{p.report}, []offprint.Format{csv.Format}
	p.Desk = desk.New(c)
	t.Cleanup(p.Close)
	return p
}

func sent(t *testing.T, text string) offprint.Sent {
	t.Helper()
	var s offprint.Sent
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *places) offered(t *testing.T, who offprint.Identity, parameter, filled, search string) desk.Offer {
	t.Helper()
	offer, err := p.Options(t.Context(), who, desk.Blank{Report: "places", Parameter: parameter, Parameters: sent(t, filled)}, search)
	if err != nil {
		t.Fatal(err)
	}
	return offer
}

func values(o desk.Offer) (values []string) {
	for _, one := range o.Options {
		values = append(values, one.Value)
	}
	return values
}

func TestOptionsAreSearchedByWords(t *testing.T) {
	p := newPlaces().alone(t, desk.Config{})
	for _, tt := range []struct {
		promise, parameter, filled, search string
		want                               []string
	}{
		{"all, as their source has them", "country", `{}`, "", []string{"DE", "FR", "CH"}},
		{"by the label, whatever the case", "country", `{}`, "GERM", []string{"DE"}},
		{"by the value", "country", `{}`, "fr", []string{"FR"}},
		{"the very value first, then what begins so", "city", `{"country":"DE"}`, "b", []string{"b", "x"}},
		{"every word", "city", `{"country":"DE"}`, "main frank", []string{"f"}},
		{"without its accents", "city", `{"country":"DE"}`, "koln", []string{"k"}},
		{"with accents that are not there", "city", `{"country":"CH"}`, "bérn", []string{"b"}},
		{"nothing that fits", "country", `{}`, "zz", nil},
		{"fixed options", "tone", `{}`, "quiet", []string{"b"}},
		{"what follows a value is only of it", "city", `{"country":"CH"}`, "", []string{"z", "b"}},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			if got := values(p.offered(t, ann, tt.parameter, tt.filled, tt.search)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := p.offered(t, ann, "city", `{"name":"x","country":null}`, ""); !reflect.DeepEqual(got, desk.Offer{WaitingFor: []string{"country"}}) {
		t.Errorf("of no country: %+v", got)
	}
	for _, parameter := range []string{"name", "nothing"} {
		if _, err := p.Options(t.Context(), ann, desk.Blank{Report: "places", Parameter: parameter}, ""); offprint.CodeOf(err) != offprint.NotFound {
			t.Errorf("options of %s: %v", parameter, err)
		}
	}
}

func TestTheVeryOptionIsFoundBehindManyThatBeginSo(t *testing.T) {
	p := newPlaces()
	p.countries.options = func(offprint.Request) (all []string) {
		for n := 199; n > 0; n-- {
			all = append(all, fmt.Sprintf("%d=Customer of the number %d", n, n))
		}
		return all
	}
	p.alone(t, desk.Config{})
	offer := p.offered(t, ann, "country", `{}`, "1")
	if len(offer.Options) != desk.MostOffered || !offer.More || offer.Options[0].Value != "1" {
		t.Errorf("%d options, more: %v, the first is %v", len(offer.Options), offer.More, offer.Options[0])
	}
}

func TestAskersOfOneMinuteShareAQuery(t *testing.T) {
	now := time.Now()
	var later atomic.Int64
	p := newPlaces().alone(t, desk.Config{Now: func() time.Time { return now.Add(time.Duration(later.Load())) }})
	gate := make(chan struct{})
	p.countries.set(gate, nil)
	var asking sync.WaitGroup
	for range 100 {
		asking.Go(func() {
			if offer, err := p.Options(t.Context(), ann, desk.Blank{Report: "places", Parameter: "country"}, "e"); err != nil || len(offer.Options) != 3 {
				t.Errorf("%v %v", offer, err)
			}
		})
	}
	close(gate)
	asking.Wait()
	if n := p.countries.asked.Load(); n != 1 {
		t.Errorf("100 askers made %d queries", n)
	}
	if got := values(p.offered(t, ben, "city", `{"country":"DE"}`, "bad")); !reflect.DeepEqual(got, []string{"x"}) {
		t.Errorf("ben is offered %q", got)
	}
	for _, who := range []offprint.Identity{ann, cat, {User: "ann", Tenant: "acme", Claims: map[string]string{"level": "2"}}} {
		asked := p.cities.asked.Load()
		p.offered(t, who, "city", `{"country":"DE"}`, "")
		if p.cities.asked.Load() != asked+1 {
			t.Errorf("%v is offered somebody else's list", who)
		}
	}
	later.Store(int64(time.Minute))
	p.offered(t, ann, "country", `{}`, "")
	if n := p.countries.asked.Load(); n != 2 {
		t.Errorf("after a minute: %d queries", n)
	}
}

func TestNobodyDrivesOutTheListsOfOthers(t *testing.T) {
	p := newPlaces().alone(t, desk.Config{})
	p.offered(t, ben, "size", `{}`, "")
	for n := range 300 {
		blank := desk.Blank{Report: "places", Parameter: "country", Locale: fmt.Sprintf("en-x%03d", n)}
		if _, err := p.Options(t.Context(), ann, blank, ""); err != nil {
			t.Fatal(err)
		}
	}
	p.offered(t, ben, "size", `{}`, "")
	if n := p.sizes.asked.Load(); n != 1 {
		t.Errorf("ben's list was asked for %d times", n)
	}
}

func TestALongListIsSearchedAtItsSource(t *testing.T) {
	p := newPlaces().alone(t, desk.Config{})
	p.countries.options = func(offprint.Request) (all []string) {
		for n := range 10_500 {
			all = append(all, fmt.Sprintf("%05d=Country %d", n, n))
		}
		return all
	}
	for range 2 {
		if got := values(p.offered(t, ann, "country", `{}`, "country 10499")); !reflect.DeepEqual(got, []string{"10499"}) {
			t.Errorf("the last: %q", got)
		}
	}
	if n := p.countries.asked.Load(); n != 3 {
		t.Errorf("%d queries: it is either kept or not found out to be long", n)
	}
	if offer := p.offered(t, ann, "country", `{}`, "country"); len(offer.Options) != desk.MostOffered || !offer.More {
		t.Errorf("%d options, more: %v", len(offer.Options), offer.More)
	}
	if _, err := p.Make(t.Context(), ann, desk.Ask{Report: "places", Parameters: sent(t, `{"country":"10499"}`)}, io.Discard, quietly); err != nil {
		t.Errorf("made of the last of a long list: %v", err)
	}
}

func quietly(offprint.Phase, offprint.Progress) {}

func TestASlowSourceOfOptionsIsToldOf(t *testing.T) {
	p := newPlaces().alone(t, desk.Config{Glance: time.Second})
	p.countries.set(make(chan struct{}), nil)
	_, err := p.Options(t.Context(), ann, desk.Blank{Report: "places", Parameter: "country"}, "")
	var told *offprint.Error
	if !errors.As(err, &told) || told.Code != offprint.SourceUnavailable || told.Title != "The shop database did not answer" {
		t.Errorf("slow: %v", err)
	}
	dead := offprint.Errorf(offprint.SourceUnavailable, "It is down.")
	p.countries.set(nil, dead)
	if _, err := p.Options(t.Context(), ann, desk.Blank{Report: "places", Parameter: "country"}, ""); !errors.Is(err, dead) {
		t.Errorf("dead: %v", err)
	}
	p.countries.set(nil, nil)
	if got := values(p.offered(t, ann, "country", `{}`, "")); len(got) != 3 {
		t.Errorf("back again: %q", got)
	}
}

func TestValuesAreHeldAgainstTheirOptions(t *testing.T) {
	p := newPlaces().alone(t, desk.Config{})
	for _, tt := range []struct {
		promise, filled string
		wrong           map[string]string
	}{
		{"of the list", `{"country":"DE","city":["b","k"],"size":"20.5"}`, nil},
		{"none is needed", `{"country":"CH","city":[]}`, nil},
		{"not of the list", `{"country":"US"}`, map[string]string{"#/parameters/country": "Choose one of the options."}},
		{"one of many is not", `{"country":"DE","city":["b","z"]}`, map[string]string{"#/parameters/city": "Value 2: Choose one of the options."}},
		{"of another country", `{"country":"CH","city":["k"],"size":"11"}`, map[string]string{
			"#/parameters/city": "Value 1: Choose one of the options.", "#/parameters/size": "Choose one of the options.",
		}},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			_, err := p.Make(t.Context(), ann, desk.Ask{Report: "places", Parameters: sent(t, tt.filled)}, io.Discard, quietly)
			var told *offprint.Error
			if tt.wrong == nil && err != nil || tt.wrong != nil && !errors.As(err, &told) {
				t.Fatalf("made: %v", err)
			}
			got := map[string]string(nil)
			for _, f := range fieldsOf(told) {
				if got == nil {
					got = make(map[string]string)
				}
				got[f.Pointer] = f.Detail
			}
			if !reflect.DeepEqual(got, tt.wrong) {
				t.Errorf("wrong are %v, want %v", got, tt.wrong)
			}
		})
	}
}

func fieldsOf(e *offprint.Error) []offprint.Field {
	if e == nil {
		return nil
	}
	return e.Fields
}

// What cannot be checked when it is asked for is checked when it is made.
func TestARunOfUncheckedValuesIsAcceptedAndThenChecked(t *testing.T) {
	p := newPlaces()
	onBoth(t, desk.Config{Catalog: catalog{p.report}}, func(t *testing.T, d *desk.Desk) {
		gate := make(chan struct{})
		p.countries.set(gate, nil)
		good := submit(t, d, ann, desk.Ask{Report: "places", Parameters: sent(t, `{"country":"DE"}`)})
		bad := submit(t, d, ann, desk.Ask{Report: "places", Parameters: sent(t, `{"country":"US"}`)})
		close(gate)
		p.countries.set(nil, nil)
		until(t, d, ann, good.ID, func(r offprint.Run) bool { return r.State == offprint.Succeeded })
		failed := until(t, d, ann, bad.ID, func(r offprint.Run) bool { return r.State == offprint.Failed })
		if failed.Problem.Code != offprint.BadParameter || len(failed.Problem.Fields) != 1 {
			t.Errorf("of no country: %v", failed.Problem)
		}
		if _, _, err := d.Rerun(t.Context(), ann, bad.ID, desk.Ask{}); offprint.CodeOf(err) != offprint.BadParameter {
			t.Errorf("asked for again: %v", err)
		}
		if r, _, err := d.Rerun(t.Context(), ann, bad.ID, desk.Ask{Parameters: sent(t, `{"country":"FR"}`)}); err != nil || r.Params.Text("country") != "FR" {
			t.Errorf("asked for again with another country: %v", err)
		}
	})
}

// heading is a format that keeps what a document says of itself.
type heading struct {
	offprint.Format
	head *offprint.Head
}

func (h heading) New(w io.Writer, head offprint.Head) (offprint.Writer, error) {
	*h.head = head
	return h.Format.New(w, head)
}

func TestParametersAreShownByTheirLabels(t *testing.T) {
	p := newPlaces()
	head := new(offprint.Head)
	d := desk.New(desk.Config{Catalog: catalog{p.report}, Formats: []offprint.Format{heading{csv.Format, head}}})
	defer d.Close()
	filled := sent(t, `{"country":"DE","city":["k","b"],"size":"20.50"}`)
	if _, err := d.Make(t.Context(), ann, desk.Ask{Report: "places", Parameters: filled}, io.Discard, quietly); err != nil {
		t.Fatal(err)
	}
	want := []offprint.Shown{{Label: "Country", Text: "Germany"}, {Label: "City", Text: "Köln, Berlin"}, {Label: "Size", Text: "Twenty"}}
	if !reflect.DeepEqual(head.Parameters, want) {
		t.Errorf("the file says %v, want %v", head.Parameters, want)
	}
	params, err := p.report.Resolve(filled, time.UTC, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Labeled(ann, p.report, params, time.UTC, "en").Shown(params, time.UTC, "en"); !reflect.DeepEqual(got, want) {
		t.Errorf("the page says %v, want %v", got, want)
	}
	if got := d.Labeled(ben, p.report, params, time.UTC, "en").Shown(params, time.UTC, "en"); got[0].Text != "DE" {
		t.Errorf("who was offered nothing sees %v", got)
	}
}

func TestAPreviewIsShortAndEndsItsQuery(t *testing.T) {
	ended := make(chan struct{})
	p := newPlaces()
	p.report.Parameters = nil
	p.report.Source = offprint.SourceFunc(func(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
		if req.First != 21 || !req.Glance { // else the rest of a part is read, and runs are kept waiting
			t.Errorf("asked for %+v", req)
		}
		context.AfterFunc(ctx, func() { close(ended) })
		long := offprint.TextValue(strings.Repeat("ä", 1000))
		return offprint.Single(&offprint.Table{Name: "n", Columns: []offprint.Column{{Name: "n"}, {Name: "text"}}, Rows: func(yield func(offprint.Row, error) bool) {
			row := make(offprint.Row, 2)
			for n := int64(0); ; n++ {
				row[0], row[1] = offprint.IntValue(n), long
				if !yield(row, nil) {
					return
				}
			}
		}}), nil
	})
	p.alone(t, desk.Config{})
	got, err := p.Preview(t.Context(), ann, desk.Ask{Report: "places", Format: "none"})
	if err != nil || len(got.Parts) != 1 || len(got.Parts[0].Rows) != 20 || !got.Parts[0].More {
		t.Fatalf("%+v %v", got, err)
	}
	for n, row := range got.Parts[0].Rows {
		if row[0].Int() != int64(n) || row[1].Text() != strings.Repeat("ä", 500)+"…" {
			t.Fatalf("row %d: %v", n, row)
		}
	}
	<-ended
}

func TestPreviewsAreBounded(t *testing.T) {
	p := newPlaces()
	p.report.Parameters = nil
	begun := make(chan struct{})
	p.report.Source = counter{rows: 1, at: func(ctx context.Context, _ int) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	p.alone(t, desk.Config{})
	ctx, leave := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	look := func(who offprint.Identity) {
		looking.Go(func() {
			if _, err := p.Preview(ctx, who, desk.Ask{Report: "places"}); !errors.Is(err, context.Canceled) {
				t.Errorf("left alone: %v", err)
			}
		})
		<-begun
	}
	look(ann)
	look(ann)
	if _, err := p.Preview(ctx, ann, desk.Ask{Report: "places"}); offprint.CodeOf(err) != offprint.TooManyRequests {
		t.Errorf("a third: %v", err)
	}
	look(ben)
	leave()
	looking.Wait()
}

func TestASlowPreviewIsGivenUp(t *testing.T) {
	p := newPlaces()
	p.report.Parameters = nil
	p.report.Source = counter{rows: 1, at: func(ctx context.Context, _ int) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	p.alone(t, desk.Config{Glance: 50 * time.Millisecond})
	_, err := p.Preview(t.Context(), ann, desk.Ask{Report: "places"})
	var told *offprint.Error
	if !errors.As(err, &told) || told.Code != offprint.SourceTimeout || told.Title != "The shop database took too long" {
		t.Errorf("slow: %v", err)
	}
}

func TestAPreviewPromisesNothing(t *testing.T) {
	p := newPlaces()
	p.report.Parameters = nil
	p.report.Source = counter{rows: 1, at: func(context.Context, int) error {
		err := offprint.Errorf(offprint.SourceUnavailable, "Your request is kept and tried again.")
		err.Title = "The shop database did not answer"
		return err
	}}
	p.alone(t, desk.Config{})
	_, err := p.Preview(t.Context(), ann, desk.Ask{Report: "places"})
	var told *offprint.Error
	if !errors.As(err, &told) || told.Code != offprint.SourceUnavailable || told.Title != "The shop database did not answer" || strings.Contains(told.Detail, "kept") {
		t.Errorf("out of reach: %v", err)
	}
}
