package web

import (
	"cmp"
	"context"
	"encoding/json"

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
