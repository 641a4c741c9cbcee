package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
)

// A report is an [offprint.Report] as somebody sees it who may ask for it.
type report struct {
	Name        string         `json:"name"`
	Group       string         `json:"group"`
	Title       string         `json:"title"`
	Description string         `json:"description"`
	Version     string         `json:"version"`
	Formats     []format       `json:"formats" nullable:"false" doc:"The first is the default."`
	Parameters  map[string]any `json:"parameters" doc:"A JSON Schema of what to send as parameters."`
	Form        []blank        `json:"form" nullable:"false" doc:"The same, for whoever draws a form; in its order."`
}

type format struct {
	Name      string `json:"name"`
	Title     string `json:"title" doc:"As people call it."`
	Extension string `json:"extension"`
	MediaType string `json:"media_type"`
}

type blank struct {
	Name     string             `json:"name"`
	Type     offprint.ParamType `json:"type" enum:"text,int,decimal,bool,date,datetime,period"`
	Label    string             `json:"label"`
	Help     string             `json:"help,omitempty"`
	Default  string             `json:"default,omitempty" doc:"Of a list a line each."`
	Optional bool               `json:"optional"`
	Many     bool               `json:"many"`
	Options  []option           `json:"options,omitempty" nullable:"false"`
	Choices  bool               `json:"choices,omitempty" doc:"There are options that are not fixed: see options_url."`
	Follows  []string           `json:"follows,omitempty" nullable:"false" doc:"The parameters that these options depend on."`
	URL      string             `json:"options_url,omitempty" doc:"Where the options are that are not fixed."`
	Words    []string           `json:"words,omitempty" nullable:"false" doc:"Of a period: the words that stand for one."`
	Min      string             `json:"min,omitempty"`
	Max      string             `json:"max,omitempty"`
	Pattern  string             `json:"pattern,omitempty"`
}

type option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

func (s *Site) viewReport(r *offprint.Report, locale string) *report {
	v := &report{
		Name: r.Name, Group: r.Group, Title: r.TitleIn(locale), Description: r.Description.In(locale), Version: r.Version,
		Formats: []format{}, Parameters: schemaOf(r, locale), Form: []blank{},
	}
	for _, f := range s.Desk.FormatsOf(r) {
		ext, media := f.Media(1)
		v.Formats = append(v.Formats, format{f.Name(), formatTitle(f.Name()), strings.TrimPrefix(ext, "."), media})
	}
	for i := range r.Parameters {
		v.Form = append(v.Form, s.blankOf(r, &r.Parameters[i], locale))
	}
	return v
}

func formatTitle(name string) string {
	switch name {
	case "xlsx":
		return "Excel"
	case "jsonl":
		return "JSON Lines"
	}
	return strings.ToUpper(name)
}

func (s *Site) blankOf(r *offprint.Report, p *offprint.Parameter, locale string) blank {
	f := blank{
		Name: p.Name, Type: p.Type, Label: p.LabelIn(locale), Help: p.Help.In(locale), Default: p.Default,
		Optional: p.Optional, Many: p.Many, Min: p.Min, Max: p.Max, Pattern: p.Pattern,
	}
	for _, o := range p.Options {
		f.Options = append(f.Options, option{o.Value, labelOf(o, locale)})
	}
	if p.Choices != nil {
		f.Choices, f.Follows, f.URL = true, p.Follows, s.path("/v1/reports/"+r.Name+"/parameters/"+p.Name+"/options")
	}
	if p.Type == offprint.PeriodParam {
		f.Words = offprint.PeriodWords
	}
	return f
}

func labelOf(o offprint.Option, locale string) string {
	if label := o.Label.In(locale); label != "" {
		return label
	}
	return o.Value
}

// schemaOf is the form as a JSON Schema. It says what is right; whether a
// value is, only the report itself decides.
func schemaOf(r *offprint.Report, locale string) map[string]any {
	properties, required := map[string]any{}, []string{}
	for i := range r.Parameters {
		p := &r.Parameters[i]
		properties[p.Name] = schemaOfParameter(p, locale)
		if !p.Optional && p.Default == "" {
			required = append(required, p.Name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func schemaOfParameter(p *offprint.Parameter, locale string) map[string]any {
	one := typeSchema(p)
	if p.Options != nil {
		one["enum"] = optionValues(p)
	}
	schema := one
	if p.Many {
		schema = map[string]any{"type": "array", "items": one}
	}
	if p.Optional { // also where there is a default, which null is not
		nullable(schema)
	}
	schema["title"] = p.LabelIn(locale)
	if help := p.Help.In(locale); help != "" {
		schema["description"] = help
	}
	if p.Default != "" {
		schema["default"] = defaultOf(p)
	}
	return schema
}

// nullable lets a schema have null, too.
func nullable(schema map[string]any) {
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []string{kind, "null"}
	}
	if values, ok := schema["enum"].([]any); ok {
		schema["enum"] = append(values, nil)
	}
	if kinds, ok := schema["anyOf"].([]any); ok {
		schema["anyOf"] = append(kinds, map[string]any{"type": "null"})
	}
}

func defaultOf(p *offprint.Parameter) any {
	if !p.Many {
		return typed(p.Type, p.Default)
	}
	var list []any
	for text := range strings.SplitSeq(p.Default, "\n") {
		list = append(list, typed(p.Type, text))
	}
	return list
}

func typeSchema(p *offprint.Parameter) map[string]any {
	schema := map[string]any{"type": "string"}
	bound := func(keys [2]string, as func(string) any) {
		for i, text := range []string{p.Min, p.Max} {
			if text != "" {
				schema[keys[i]] = as(text)
			}
		}
	}
	switch p.Type {
	case offprint.TextParam:
		schema["maxLength"] = offprint.MaxText
		bound([2]string{"minLength", "maxLength"}, jsonNumber)
		if p.Pattern != "" {
			schema["pattern"] = "^(?:" + p.Pattern + ")$"
		}
	case offprint.IntParam:
		schema["type"] = "integer"
		bound([2]string{"minimum", "maximum"}, jsonNumber)
	case offprint.DecimalParam:
		schema["pattern"] = `^[+-]?\d+(\.\d+)?$`
		schema["examples"] = []string{"12.50"}
	case offprint.BoolParam:
		schema["type"] = "boolean"
	case offprint.DateParam:
		schema["examples"] = []string{"2026-01-31", "today", "-30d", "start_of_month", "end_of_month"}
	case offprint.DatetimeParam:
		schema["format"] = "date-time"
	case offprint.PeriodParam:
		return periodSchema()
	}
	return schema
}

func periodSchema() map[string]any {
	day := map[string]any{"type": "string", "format": "date"}
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "string", "enum": offprint.PeriodWords},
		map[string]any{"type": "string", "pattern": `^.+\.\..+$`, "examples": []string{"2026-10-01..2026-10-31"}},
		map[string]any{"type": "object", "properties": map[string]any{"from": day, "to": day}, "required": []string{"from", "to"}, "description": "Both inclusive."},
	}}
}

func jsonNumber(text string) any { return json.Number(text) }

func optionValues(p *offprint.Parameter) (values []any) {
	for _, o := range p.Options {
		values = append(values, typed(p.Type, o.Value))
	}
	return values
}

// typed is a value of a definition as JSON has it.
func typed(t offprint.ParamType, text string) any {
	switch t {
	case offprint.IntParam:
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return jsonNumber(text)
		}
	case offprint.BoolParam:
		if b, err := strconv.ParseBool(text); err == nil {
			return b
		}
	}
	return text
}

type ReportsInput struct {
	Language string `header:"Accept-Language"`
	Match    string `header:"If-None-Match"`
}

type reportInput struct {
	ReportsInput
	Name string `path:"name"`
}

// cached is an answer with a strong ETag over all that it says.
type cached[T any] struct {
	Status int
	ETag   string `header:"ETag"`
	Vary   string `header:"Vary"`
	Body   *T
}

// varies are the headers that an answer in somebody's language depends on; who
// may read it depends on their origin.
const varies = "Accept-Language, Origin"

func cache[T any](body *T, match string) (*cached[T], error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("hash an answer: %w", err)
	}
	sum := sha256.Sum256(text)
	a := &cached[T]{Status: http.StatusOK, ETag: `"` + hex.EncodeToString(sum[:16]) + `"`, Vary: varies, Body: body}
	if matches(match, a.ETag) {
		a.Status, a.Body = http.StatusNotModified, nil
	}
	return a, nil
}

// reports answers with what the caller may ask for.
func (s *Site) reports(_ context.Context, who offprint.Identity, in *ReportsInput) (*cached[page[*report]], error) {
	locale := localeOf(in.Language)
	items := []*report{}
	for _, r := range s.Desk.Reports(who, locale) {
		items = append(items, s.viewReport(r, locale))
	}
	return cache(&page[*report]{Items: items}, in.Match)
}

func (s *Site) report(_ context.Context, who offprint.Identity, in *reportInput) (*cached[report], error) {
	r, err := s.Desk.Report(who, in.Name)
	if err != nil {
		return nil, err
	}
	return cache(s.viewReport(r, localeOf(in.Language)), in.Match)
}

// localeOf is the language that somebody likes best, which browsers send first.
func localeOf(header string) string {
	first, _, _ := strings.Cut(header, ",")
	first, _, _ = strings.Cut(first, ";")
	first = strings.TrimSpace(first)
	if first == "*" || len(first) > 35 || strings.ContainsFunc(first, notTag) {
		return ""
	}
	return first
}

func notTag(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
