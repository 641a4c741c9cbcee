package web

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

type formPage struct {
	*report
	Inputs []input
	Format string
	Key    string
	Errors []string // of no input
}

// An input is one blank of a report's form, filled in as it was sent or as
// the report would have it.
type input struct {
	blank
	ID       string
	Kind     string // text, lines, number, decimal, check, select, checks, date, datetime, period
	Values   []string
	From, To string // of a period of the reader's own
	Required bool
	Choices  []choice
	Error    string
}

type choice struct {
	Value, Label string
	Chosen       bool
}

// Value is the first value, for what can hold only one.
func (i input) Value() string { return first(i.Values) }

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// own is the choice of a period that has no word.
const own = "own"

// form is a report's form, empty or filled in from an earlier run.
func (s *Site) form(v *visit) error {
	r, err := s.Desk.Report(v.who, v.r.PathValue("name"))
	if err != nil {
		return err
	}
	sent, format := offprint.Sent{}, ""
	if id := v.r.URL.Query().Get("run"); id != "" {
		run, err := s.Desk.Get(v.r.Context(), v.who, id)
		if err != nil {
			return err
		}
		sent, format = run.Sent, run.Format
	}
	page := v.formOf(r, sent, format)
	return s.show(v.w, http.StatusOK, "report", "layout", v.frame(r.TitleIn(v.to.locale), page))
}

func (v *visit) formOf(r *offprint.Report, sent offprint.Sent, format string) *formPage {
	page := &formPage{report: v.viewReport(r, v.to.locale), Format: format, Key: rand.Text()}
	if page.Format == "" && len(page.Formats) > 0 {
		page.Format = page.Formats[0].Name
	}
	for i := range r.Parameters {
		page.Inputs = append(page.Inputs, v.inputOf(r, &r.Parameters[i], sent[r.Parameters[i].Name]))
	}
	return page
}

func (v *visit) inputOf(r *offprint.Report, p *offprint.Parameter, sent json.RawMessage) input {
	in := input{blank: v.blankOf(r, p, v.to.locale), ID: "p-" + p.Name, Kind: kindOf(p), Required: !p.Optional && p.Default == ""}
	v.fill(&in, p, sent)
	switch in.Kind {
	case "period":
		in.Choices = periodChoices(in.Value(), p.Optional && p.Default == "")
	case "select", "checks":
		in.Choices = optionChoices(&in, p)
	}
	return in
}

func kindOf(p *offprint.Parameter) string {
	switch {
	case p.Options != nil && p.Many:
		return "checks"
	case p.Options != nil, p.Type == offprint.BoolParam && p.Optional:
		return "select"
	case p.Many:
		return "lines"
	}
	switch p.Type {
	case offprint.IntParam:
		return "number"
	case offprint.BoolParam:
		return "check"
	}
	return string(p.Type)
}

// fill puts in what was sent, else the default; the words of dates as the day
// that they are today.
func (v *visit) fill(in *input, p *offprint.Parameter, sent json.RawMessage) {
	if len(sent) == 0 && p.Default == "" {
		return
	}
	word := p.Default
	if len(sent) > 0 {
		word = plainText(sent)
	}
	if in.Kind == "period" && slices.Contains(offprint.PeriodWords, word) {
		in.Values = []string{word}
		return
	}
	var days struct{ From, To string }
	if in.Kind == "period" && json.Unmarshal(sent, &days) == nil {
		in.Values, in.From, in.To = []string{own}, days.From, days.To
		return
	}
	alone := offprint.Report{Parameters: []offprint.Parameter{*p}}
	params, err := alone.Resolve(offprint.Sent{p.Name: sent}, time.UTC, v.to.now)
	if err != nil { // shown as it came, with what is wrong beside it
		in.Values = []string{word}
		return
	}
	for _, value := range params.List(p.Name) {
		switch value := value.(type) {
		case offprint.Period:
			in.Values, in.From, in.To = []string{own}, value.From.String(), value.To.String()
		case time.Time:
			in.Values = append(in.Values, value.Format("2006-01-02T15:04"))
		default:
			in.Values = append(in.Values, fmt.Sprint(value))
		}
	}
}

func plainText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return strings.TrimSpace(string(raw))
}

func periodChoices(chosen string, optional bool) (choices []choice) {
	if optional {
		choices = append(choices, choice{"", "Any time", chosen == ""})
	}
	for _, word := range offprint.PeriodWords {
		choices = append(choices, choice{word, offprint.Titled(word), chosen == word})
	}
	return append(choices, choice{own, "From … to …", chosen == own})
}

func optionChoices(in *input, p *offprint.Parameter) (choices []choice) {
	if in.Kind == "select" && (p.Optional || p.Default == "") {
		label := "Any"
		if !p.Optional {
			label = "Choose"
		}
		choices = append(choices, choice{"", label, len(in.Values) == 0})
	}
	options := in.Options
	if p.Type == offprint.BoolParam {
		options = []option{{"true", "Yes"}, {"false", "No"}}
	}
	for _, o := range options {
		choices = append(choices, choice{o.Value, o.Label, slices.Contains(in.Values, o.Value)})
	}
	return choices
}

// generate takes a form. What is wrong with it is shown beside each blank,
// and nothing that was filled in is lost.
func (s *Site) generate(v *visit) error {
	r, err := s.Desk.Report(v.who, v.r.PathValue("name"))
	if err != nil {
		return err
	}
	if s.isClosed() {
		return offprint.Errorf(offprint.Draining, "Nothing was made. Go back and send the form again in a moment.")
	}
	sent := sentIn(r, v.r.PostForm)
	ask := desk.Ask{
		Report: r.Name, Format: v.r.PostForm.Get("format"), Parameters: sent,
		TimeZone: zoneIn(v.r.PostForm), Locale: cmp.Or(v.to.locale, "en"),
	}
	ask.Idempotency = formKey(v.r.PostForm, r.Name)
	run, _, err := s.Desk.Submit(v.r.Context(), v.who, ask)
	if code := offprint.CodeOf(err); code == offprint.BadParameter || code == offprint.Invalid {
		return v.formAgain(r, sent, ask.Format, err)
	}
	if err != nil {
		return err
	}
	v.see("/runs/" + run.ID)
	return nil
}

// formKey makes one run of one click that arrives twice. Where no script makes
// a key for each click, what was filled in is part of it.
func formKey(form url.Values, report string) desk.Idempotency {
	key := form.Get("key")
	if key == "" {
		return desk.Idempotency{}
	}
	return desk.Idempotency{Key: key + fingerprint([]byte(form.Encode())), Route: "POST /reports/" + report}
}

func (v *visit) formAgain(r *offprint.Report, sent offprint.Sent, format string, err error) error {
	page := v.formOf(r, sent, format)
	for _, f := range shown(err).Errors {
		name, _ := strings.CutPrefix(f.Pointer, "#/parameters/")
		i := slices.IndexFunc(page.Inputs, func(in input) bool { return in.Name == name })
		if i < 0 {
			page.Errors = append(page.Errors, f.Detail)
			continue
		}
		page.Inputs[i].Error = strings.ReplaceAll(f.Detail, ` as a string, as in "12.50"`, ", as in 12.50") // nobody types JSON here
		if in := page.Inputs[i]; in.Value() == own && (in.From == "" || in.To == "") {
			page.Inputs[i].Error = "Choose the first and the last day."
		}
	}
	return v.show(v.w, http.StatusUnprocessableEntity, "report", "layout", v.frame(r.TitleIn(v.to.locale), page))
}

// zoneIn is the browser's zone, where its script could tell.
func zoneIn(form url.Values) string {
	zone := form.Get("time_zone")
	if _, err := time.LoadLocation(zone); err != nil {
		return ""
	}
	return zone
}

// sentIn are the parameters that a form holds; a blank left empty is left out.
func sentIn(r *offprint.Report, form url.Values) offprint.Sent {
	sent := offprint.Sent{}
	for i := range r.Parameters {
		p := &r.Parameters[i]
		if v := sentFor(p, form); v != nil {
			raw, err := json.Marshal(v)
			if err != nil {
				panic(err) // texts and lists of them
			}
			sent[p.Name] = raw
		}
	}
	return sent
}

func sentFor(p *offprint.Parameter, form url.Values) any {
	name := "p." + p.Name
	value := form.Get(name)
	switch kindOf(p) {
	case "period":
		if value == own {
			return map[string]string{"from": form.Get(name + ".from"), "to": form.Get(name + ".to")}
		}
	case "check":
		return value == "true"
	case "checks":
		return anyOf(form[name])
	case "lines":
		return anyOf(strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' }))
	}
	if value == "" {
		return nil
	}
	return value
}

// anyOf is a list, or nothing for an empty one.
func anyOf(values []string) any {
	if len(values) == 0 {
		return nil
	}
	return values
}
