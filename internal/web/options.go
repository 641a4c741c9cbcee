package web

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// Filled is what somebody has filled in of a report's form.
type Filled struct {
	Name       string `path:"name" doc:"Of the report."`
	Parameters string `query:"parameters" maxLength:"20000" doc:"What is filled in so far, as a JSON object: {\"country\":\"DE\"}."`
	TimeZone   string `query:"time_zone" doc:"IANA; empty: UTC." example:"Europe/Berlin"`
	Locale     string `query:"locale" doc:"BCP 47; empty: as Accept-Language has it." example:"de-DE"`
	Language   string `header:"Accept-Language"`
}

// sent reads the parameters.
func (f *Filled) sent() (offprint.Sent, error) {
	if f.Parameters == "" {
		return offprint.Sent{}, nil
	}
	var sent offprint.Sent
	if err := json.Unmarshal([]byte(f.Parameters), &sent); err != nil {
		wrong := offprint.Errorf(offprint.Invalid, "Nothing was done. Mend the query and ask again.")
		wrong.Fields = []offprint.Field{{Pointer: pointer("query", "parameters"), Detail: `Send a JSON object, as in {"country":"DE"}.`}}
		return nil, wrong
	}
	return sent, nil
}

func (f *Filled) locale() string { return cmp.Or(f.Locale, localeOf(f.Language)) }

type optionsInput struct {
	Filled
	Parameter string `path:"parameter"`
	Search    string `query:"q" maxLength:"200" doc:"Words that the options must have in their label or value, whatever the case and the accents."`
}

type optionsAnswer struct {
	Body struct {
		Items      []option `json:"items" nullable:"false" doc:"50 at most, the best first."`
		More       bool     `json:"more" doc:"There are more that fit: search."`
		WaitingFor []string `json:"waiting_for" nullable:"false" doc:"The parameters to fill in first; until then there are no items."`
	}
}

// options answers with what the caller may choose from.
func (s *Site) options(ctx context.Context, who offprint.Identity, in *optionsInput) (*optionsAnswer, error) {
	sent, err := in.sent()
	if err != nil {
		return nil, err
	}
	blank := desk.Blank{Report: in.Name, Parameter: in.Parameter, Parameters: sent, TimeZone: in.TimeZone, Locale: in.locale()}
	offer, err := s.Desk.Options(ctx, who, blank, in.Search)
	if err != nil {
		return nil, err
	}
	a := new(optionsAnswer)
	a.Body.Items, a.Body.More, a.Body.WaitingFor = []option{}, offer.More, append([]string{}, offer.WaitingFor...)
	for _, o := range offer.Options {
		a.Body.Items = append(a.Body.Items, option(o))
	}
	return a, nil
}

type previewInput struct{ Filled }

type previewAnswer struct{ Body preview }

type preview struct {
	Parts []sample   `json:"parts" nullable:"false" doc:"3 at most."`
	More  bool       `json:"more" doc:"There are more parts."`
	AsOf  *time.Time `json:"as_of" doc:"When the data was as it is shown."`
}

type sample struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Columns []column `json:"columns" nullable:"false"`
	Rows    [][]any  `json:"rows" nullable:"false" doc:"20 at most, each a list of values in the order of the columns, as JSON Lines has them; a text beyond 1,000 bytes is cut."`
	More    bool     `json:"more" doc:"There are more rows."`
}

type column struct {
	Name    string      `json:"name"`
	Title   string      `json:"title"`
	Kind    string      `json:"kind" doc:"Of most of its values." example:"decimal"`
	As      offprint.As `json:"as,omitempty" doc:"What they mean, where their kind does not say it."`
	Numeric bool        `json:"numeric" doc:"People expect it on the right."`
	Hide    bool        `json:"hide,omitempty" doc:"In the file, but not shown."`
}

// preview answers with the first rows of a report.
func (s *Site) preview(ctx context.Context, who offprint.Identity, in *previewInput) (*previewAnswer, error) {
	sent, err := in.sent()
	if err != nil {
		return nil, err
	}
	p, err := s.Desk.Preview(ctx, who, desk.Ask{Report: in.Name, Parameters: sent, TimeZone: in.TimeZone, Locale: in.locale()})
	if err != nil {
		return nil, err
	}
	a := &previewAnswer{preview{Parts: []sample{}, More: p.More, AsOf: when(p.AsOf)}}
	for _, part := range p.Parts {
		a.Body.Parts = append(a.Body.Parts, sampleOf(part, p.Zone))
	}
	return a, nil
}

func sampleOf(part desk.Sample, zone *time.Location) sample {
	v := sample{Name: part.Name, Title: part.Title, Columns: []column{}, Rows: [][]any{}, More: part.More}
	for i := range part.Columns {
		c := &part.Columns[i]
		v.Columns = append(v.Columns, column{c.Name, c.Title, c.Kind.String(), c.As, c.Numeric(), c.Hide})
	}
	for _, row := range part.Rows {
		values := make([]any, len(row))
		for i, cell := range row {
			values[i] = jsonValue(cell, zone)
		}
		v.Rows = append(v.Rows, values)
	}
	return v
}

// jsonValue is a value as JSON Lines has it: numbers with all their digits.
func jsonValue(v offprint.Value, zone *time.Location) any {
	switch v.Kind() {
	case offprint.Null:
		return nil
	case offprint.Bool:
		return v.Bool()
	case offprint.Float:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			break
		}
		fallthrough
	case offprint.Int, offprint.Decimal:
		return json.RawMessage(v.Append(nil, zone))
	}
	return string(v.Valid().Append(nil, zone))
}
