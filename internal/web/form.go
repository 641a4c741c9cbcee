package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
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
	Problems []ReportProblem // in its file as it is now
	Inputs   []input
	Format   string
	Key      string
	MailTo   string       // where whoever asks would be mailed; empty: nowhere
	Mailed   bool         // they are, when it is ready
	Today    offprint.Day // which the words of periods are of
	Errors   []string     // of no input
	Preview  *previewPage // nil: not asked for
}

// An input is one blank of a report's form, filled in as it was sent or as
// the report would have it.
type input struct {
	blank
	ID       string
	Kind     string // text, lines, number, decimal, check, select, several, checks, date, datetime, period
	Values   []string
	From, To string // of a period of the reader's own
	Required bool
	Search   bool // the script makes it one that can be searched
	Offered  []choice
	Error    string
}

type choice struct {
	Value, Label string
	Chosen       bool
	Days         string // of a period's word, as people read them
}

// handy are so many options that they can all be looked at.
const handy = 12

// Those options that come quickly stand in the page, so that it works without
// a script.
const (
	mostRendered = 200
	quickly      = 300 * time.Millisecond
)

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
	name := v.r.PathValue("name")
	r, err := s.Desk.Report(v.who, name)
	if problems := s.problemsOf(name); err != nil && problems != nil {
		return v.brokenPage(name, problems)
	}
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
		maps.DeleteFunc(sent, func(name string, _ json.RawMessage) bool { // what today's report has no more
			return !slices.ContainsFunc(r.Parameters, func(p offprint.Parameter) bool { return p.Name == name })
		})
	}
	page, err := v.formOf(r, sent, format)
	if err != nil {
		return err
	}
	return s.show(v.w, http.StatusOK, "report", "layout", v.watched(v.frame(r.TitleIn(v.to.locale), page), name))
}

func (v *visit) formOf(r *offprint.Report, sent offprint.Sent, format string) (page *formPage, err error) {
	page = &formPage{report: v.viewReport(r, v.to.locale), Format: format, Key: rand.Text(), Today: v.today(), Problems: v.problemsOf(r.Name)}
	if page.Format == "" && len(page.Formats) > 0 {
		page.Format = page.Formats[0].Name
	}
	ctx, cancel := context.WithTimeout(v.r.Context(), quickly)
	defer cancel()
	for i := range r.Parameters {
		page.Inputs = append(page.Inputs, v.inputOf(ctx, r, &r.Parameters[i], sent))
	}
	page.MailTo, page.Mailed, err = v.Desk.Mails(v.r.Context(), v.who, r)
	if said := mailedIn(v.r.PostForm); said != nil {
		page.Mailed = *said
	}
	return page, err
}

// mailedIn is whether a form says to mail whoever sends it; nil: it does not ask.
func mailedIn(form url.Values) *bool {
	if !form.Has("mail_asked") {
		return nil
	}
	said := form.Has("mail")
	return &said
}

// today is the reader's, as far as their browser has told its zone.
func (v *visit) today() offprint.Day {
	zone, err := time.LoadLocation(v.zone())
	if err != nil {
		zone = time.UTC
	}
	now := v.to.now.In(zone)
	return offprint.Day{Year: now.Year(), Month: now.Month(), Day: now.Day()}
}

func (v *visit) inputOf(ctx context.Context, r *offprint.Report, p *offprint.Parameter, sent offprint.Sent) input {
	in := input{
		blank: v.blankOf(r, p, v.to.locale), ID: "p-" + p.Name, Kind: kindOf(p), Required: !p.Optional && p.Default == "",
		Search: p.Choices != nil || len(p.Options) > handy,
	}
	v.fill(&in, p, sent[p.Name])
	if p.Choices != nil {
		v.offer(ctx, &in, r.Name, sent)
		return in
	}
	switch in.Kind {
	case "period":
		in.Offered = v.periodChoices(in.Value(), p.Optional && p.Default == "")
	case "select", "several", "checks":
		in.Offered = optionChoices(&in, p)
	}
	return in
}

// offer makes a blank with options that are not fixed one to choose from, if
// they come quickly and are few; else one to write in, which is what it is to
// whoever has no script. The script asks again in either case.
func (v *visit) offer(ctx context.Context, in *input, report string, sent offprint.Sent) {
	blank := desk.Blank{Report: report, Parameter: in.Name, Parameters: sent, TimeZone: v.zone(), Locale: v.to.locale, Most: mostRendered}
	offer, err := v.Desk.Options(ctx, v.who, blank, "")
	if err != nil || offer.More || offer.WaitingFor != nil {
		return
	}
	for _, value := range in.Values { // also what is none of them any more
		if !slices.ContainsFunc(offer.Options, func(o desk.Option) bool { return o.Value == value }) {
			offer.Options = append(offer.Options, desk.Option{Value: value, Label: value})
		}
	}
	in.Kind = "select"
	if in.Many {
		in.Kind = "several"
	}
	in.Options = nil
	for _, o := range offer.Options {
		in.Options = append(in.Options, option(o))
	}
	in.Offered = choices(in)
}

func kindOf(p *offprint.Parameter) string {
	switch {
	case len(p.Options) > handy && p.Many:
		return "several"
	case p.Options != nil && p.Many:
		return "checks"
	case p.Choices != nil && p.Many:
		return "lines"
	case p.Choices != nil:
		return "text"
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

func (v *visit) periodChoices(chosen string, optional bool) (choices []choice) {
	if optional {
		choices = append(choices, choice{"", "Any time", chosen == "", ""})
	}
	today := v.today()
	for _, word := range offprint.PeriodWords {
		period, _ := offprint.NewPeriod(word, today) // a word it knows
		choices = append(choices, choice{word, offprint.Titled(word), chosen == word, offprint.ShowParam(period, time.UTC, v.to.locale)})
	}
	return append(choices, choice{own, "From … to …", chosen == own, ""})
}

func optionChoices(in *input, p *offprint.Parameter) []choice {
	if p.Type == offprint.BoolParam {
		in.Options = []option{{"true", "Yes"}, {"false", "No"}}
	}
	return choices(in)
}

// choices are the options as they stand in a list, with one for none of them
// where that can be chosen.
func choices(in *input) (choices []choice) {
	if in.Kind == "select" && (in.Optional || in.Default == "") {
		label := "Any"
		if !in.Optional {
			label = "Choose"
		}
		choices = append(choices, choice{"", label, len(in.Values) == 0, ""})
	}
	for _, o := range in.Options {
		choices = append(choices, choice{o.Value, o.Label, slices.Contains(in.Values, o.Value), ""})
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
		TimeZone: v.zone(), Locale: cmp.Or(v.to.locale, "en"), Mailed: mailedIn(v.r.PostForm),
	}
	ask.Idempotency = formKey(v.r.PostForm, "POST /reports/"+r.Name)
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

// formKey makes one thing of one click that arrives twice. Where no script makes
// a key for each click, what was filled in is part of it.
func formKey(form url.Values, route string) desk.Idempotency {
	key := form.Get("key")
	if key == "" {
		return desk.Idempotency{}
	}
	return desk.Idempotency{Key: key + fingerprint([]byte(form.Encode())), Route: route}
}

func (v *visit) formAgain(r *offprint.Report, sent offprint.Sent, format string, err error) error {
	page, failed := v.formOf(r, sent, format)
	if failed != nil {
		return failed
	}
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

// zone is the browser's, where its script could tell: in the form, or in a
// cookie for pages that are only looked at.
func (v *visit) zone() string {
	zone := v.r.PostFormValue("time_zone")
	if cookie, err := v.r.Cookie("offprint_zone"); zone == "" && err == nil {
		zone = cookie.Value
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
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
		} else if p.Optional && p.Default != "" { // emptied: else it would be the default again
			sent[p.Name] = json.RawMessage("null")
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
	case "checks", "several", "lines": // of which a list may stand in for the other
		return anyOf(strings.FieldsFunc(strings.Join(form[name], "\n"), func(r rune) bool { return r == '\n' || r == '\r' }))
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
