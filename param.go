package offprint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A ParamType is a kind of blank in the form of a report.
type ParamType string

const (
	TextParam     ParamType = "text"
	IntParam      ParamType = "int"
	DecimalParam  ParamType = "decimal"
	BoolParam     ParamType = "bool"
	DateParam     ParamType = "date"
	DatetimeParam ParamType = "datetime"
	PeriodParam   ParamType = "period"
)

// ParamTypes are all of them, in the order of the guide.
var ParamTypes = []ParamType{TextParam, IntParam, DecimalParam, BoolParam, DateParam, DatetimeParam, PeriodParam}

// A Parameter is one blank of the form. A parameter that is neither optional
// nor has a default must be filled in.
type Parameter struct {
	Name     string // [a-z][a-z0-9_]*
	Type     ParamType
	Label    Words  // empty: made from the name
	Help     Words  // one sentence below the field
	Default  string // as a person would write it: "last_30_days", "-7d", "EU"
	Optional bool
	Many     bool     // a list of values of this type
	Options  []Option // empty: anything
	Min, Max string   // of numbers, dates and datetimes; of a text its length
	Pattern  string   // a regular expression (RE2) that all of a text must match
}

// An Option is one choice. Its value is written as for [Parameter.Default].
type Option struct {
	Value string
	Label Words
}

// MaxText is the longest text parameter, in characters, unless Max says less.
const MaxText = 10_000

// Sent are parameters as they came: JSON values by name. null is the same as left out.
type Sent map[string]json.RawMessage

// Params are resolved parameters: string, int64, [Value] (a decimal), bool,
// [Day], time.Time, [Period], or a slice of them ([]any) for a list. What was
// left out is absent. Written as JSON they may be sent again and resolve to
// themselves, which is how the ledger keeps them.
type Params map[string]any

func (p Params) Has(name string) bool { _, ok := p[name]; return ok }

func (p Params) Text(name string) string    { return param[string](p, name) }
func (p Params) Int(name string) int64      { return param[int64](p, name) }
func (p Params) Bool(name string) bool      { return param[bool](p, name) }
func (p Params) Decimal(name string) Value  { return param[Value](p, name) }
func (p Params) Date(name string) Day       { return param[Day](p, name) }
func (p Params) Time(name string) time.Time { return param[time.Time](p, name) }
func (p Params) Period(name string) Period  { return param[Period](p, name) }

// List are the values of a list; a single value is a list of one.
func (p Params) List(name string) []any {
	switch v := p[name].(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

func param[T any](p Params, name string) T {
	v, _ := p[name].(T)
	return v
}

// Sent is p as it would be sent again.
func (p Params) Sent() Sent {
	sent := make(Sent, len(p))
	for name, v := range p {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // only the types above
		}
		sent[name] = b
	}
	return sent
}

// UnmarshalJSON reads what was written, untyped but without loss: only
// [Report.Resolve] of its [Params.Sent] gives the values their types again.
func (p *Params) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	*p = m
	return nil
}

// Resolve checks what was sent against the form and turns it into values: the
// words of dates and periods become days of now in zone. Its error is a
// BadParameter that names every bad field, not only the first.
func (r *Report) Resolve(sent Sent, zone *time.Location, now time.Time) (Params, error) {
	params := make(Params, len(r.Parameters))
	var fields []Field
	known := make(map[string]bool, len(r.Parameters))
	for _, p := range r.Parameters {
		known[p.Name] = true
		v, given, err := p.resolve(sent[p.Name], zone, now)
		if err != "" {
			fields = append(fields, Field{"#/parameters/" + p.Name, err})
		} else if given {
			params[p.Name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if !known[name] {
			fields = append(fields, Field{"#/parameters/" + escapePointer(name), "This report has no such parameter." + r.didYouMean(name)})
		}
	}
	if fields != nil {
		err := Errorf(BadParameter, "Nothing was made. Mend the parameters named below and ask again.")
		err.Title, err.Fields = "Some parameters are not right", fields
		return nil, err
	}
	return params, nil
}

func (r *Report) didYouMean(name string) string {
	var names []string
	for _, p := range r.Parameters {
		names = append(names, p.Name)
	}
	if names == nil {
		return " It has none."
	}
	return " It has: " + strings.Join(names, ", ") + "."
}

// escapePointer writes a name as RFC 6901 wants it, and no longer than a name may be.
func escapePointer(name string) string {
	if len(name) > 63 {
		name = strings.ToValidUTF8(name[:63], "") + "…"
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (p *Parameter) resolve(raw json.RawMessage, zone *time.Location, now time.Time) (v any, given bool, problem string) {
	if len(raw) == 0 || string(raw) == "null" {
		switch {
		case p.Default != "":
			raw, _ = json.Marshal(p.Default)
		case p.Optional:
			return nil, false, ""
		default:
			return nil, false, "This is needed."
		}
	}
	if !p.Many {
		v, problem = p.one(raw, zone, now)
		return v, true, problem
	}
	items := []json.RawMessage{raw}
	if raw[0] == '[' {
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, true, "Send a list."
		}
	}
	list := make([]any, 0, len(items))
	for i, item := range items {
		v, problem := p.one(item, zone, now)
		if problem != "" {
			return nil, true, fmt.Sprintf("Value %d: %s", i+1, problem)
		}
		list = append(list, v)
	}
	return list, true, ""
}

// one reads one value of p's type and checks it. The problem is a sentence
// that does not repeat the value.
func (p *Parameter) one(raw json.RawMessage, zone *time.Location, now time.Time) (v any, problem string) {
	if p.Type == PeriodParam && raw[0] == '{' {
		v, problem = periodFromJSON(raw)
	} else {
		text, ok := scalar(raw)
		if !ok {
			return nil, "Send " + p.Type.article() + "."
		}
		v, problem = p.Type.parse(text, zone, now)
	}
	if problem == "" {
		problem = p.check(v, zone, now)
	}
	return v, problem
}

// scalar is a JSON string, number or bool as its text.
func scalar(raw json.RawMessage) (string, bool) {
	switch c := raw[0]; {
	case c == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	case c == '[', c == '{', c == 'n':
		return "", false
	}
	return string(raw), true
}

func (t ParamType) article() string {
	switch t {
	case IntParam:
		return "a whole number"
	case DecimalParam:
		return `a decimal number as a string, as in "12.50"`
	case BoolParam:
		return "true or false"
	case DateParam:
		return `a date, as in "2026-01-31"`
	case DatetimeParam:
		return `a time, as in "2026-01-31T13:30:00Z"`
	case PeriodParam:
		return `a period, as in "last_30_days" or {"from": "2026-01-01", "to": "2026-01-31"}`
	}
	return "a text"
}

func (t ParamType) parse(s string, zone *time.Location, now time.Time) (v any, problem string) {
	wrong := "Write " + t.article() + "."
	switch t {
	case TextParam:
		if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
			return nil, "This is no text: it holds a NUL or is not UTF-8."
		}
		return s, ""
	case IntParam:
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return nil, wrong
		}
		return n, ""
	case DecimalParam:
		d, ok := ParseDecimal(strings.TrimSpace(s))
		if !ok || len(s) > 1000 {
			return nil, wrong
		}
		return d, ""
	case BoolParam:
		switch s {
		case "true", "yes", "on", "1":
			return true, ""
		case "false", "no", "off", "0":
			return false, ""
		}
	case DateParam:
		if d, ok := dayFrom(s, today(zone, now)); ok {
			return d, ""
		}
	case DatetimeParam:
		if at, ok := timeFrom(s, zone); ok {
			return at, ""
		}
	case PeriodParam:
		return periodFrom(s, today(zone, now))
	}
	return nil, wrong
}

func timeFrom(s string, zone *time.Location) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), sayable(t)
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), sayable(t)
		}
	}
	return time.Time{}, false
}

// sayable tells whether RFC 3339 can write t in every zone.
func sayable(t time.Time) bool { return t.Year() > 0 && t.Year() < 9999 }

// check holds v against options, bounds and pattern.
func (p *Parameter) check(v any, zone *time.Location, now time.Time) string {
	if text, ok := v.(string); ok {
		return p.checkText(text)
	}
	if problem := p.checkBounds(v, zone, now); problem != "" {
		return problem
	}
	for _, o := range p.Options {
		if w, problem := p.Type.parse(o.Value, zone, now); problem == "" && equal(v, w) {
			return ""
		}
	}
	if p.Options != nil {
		return "Choose one of the options."
	}
	return ""
}

func equal(v, w any) bool {
	a, errA := json.Marshal(v)
	b, errB := json.Marshal(w)
	return errA == nil && errB == nil && string(a) == string(b)
}

func (p *Parameter) checkText(text string) string {
	n, most := utf8.RuneCountInString(text), MaxText
	if m, err := strconv.Atoi(p.Max); err == nil {
		most = min(m, MaxText)
	}
	least, _ := strconv.Atoi(p.Min)
	switch {
	case n > most:
		return fmt.Sprintf("At most %d characters.", most)
	case n < least:
		return fmt.Sprintf("At least %d characters.", least)
	case p.Options != nil && !slices.ContainsFunc(p.Options, func(o Option) bool { return o.Value == text }):
		return "Choose one of the options."
	case p.Pattern != "":
		re, err := regexp.Compile(`\A(?:` + p.Pattern + `)\z`)
		if err != nil || !re.MatchString(text) {
			return "This does not have the form that the report asks for."
		}
	}
	return ""
}

func (p *Parameter) checkBounds(v any, zone *time.Location, now time.Time) string {
	bound := p.Type
	first, last := v, v
	if period, ok := v.(Period); ok {
		bound, first, last = DateParam, period.From, period.To
	}
	if least, problem := bound.parse(p.Min, zone, now); p.Min != "" && problem == "" && less(first, least) {
		return "Not before or below " + shown(least) + "."
	}
	if most, problem := bound.parse(p.Max, zone, now); p.Max != "" && problem == "" && less(most, last) {
		return "Not after or above " + shown(most) + "."
	}
	return ""
}

func less(a, b any) bool {
	switch a := a.(type) {
	case int64:
		return a < b.(int64)
	case Value:
		return a.rat().Cmp(b.(Value).rat()) < 0
	case Day:
		return a.Before(b.(Day))
	case time.Time:
		return a.Before(b.(time.Time))
	}
	return false
}

func shown(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}

// Check tells what is wrong with the definition of p itself, in sentences.
func (p *Parameter) Check() (problems []string) {
	if !slices.Contains(ParamTypes, p.Type) {
		return []string{fmt.Sprintf("%q is no type of parameter. The types are text, int, decimal, bool, date, datetime and period.", p.Type)}
	}
	if p.Pattern != "" {
		if _, err := regexp.Compile(p.Pattern); err != nil {
			problems = append(problems, "The pattern is no regular expression: "+err.Error()+".")
		}
		if p.Type != TextParam {
			problems = append(problems, "Only a text has a pattern.")
		}
	}
	if p.Type == BoolParam && p.Options != nil {
		problems = append(problems, "A bool has no options: it is true or false.")
	}
	now := time.Now()
	bound := p.Type
	switch p.Type {
	case PeriodParam:
		bound = DateParam
	case TextParam:
		bound = IntParam
	}
	for _, b := range []struct{ key, text string }{{"min", p.Min}, {"max", p.Max}} {
		if _, problem := bound.parse(b.text, time.UTC, now); b.text != "" && problem != "" {
			problems = append(problems, fmt.Sprintf("The %s is not right. %s", b.key, problem))
		}
	}
	for _, o := range p.Options {
		if _, problem := p.Type.parse(o.Value, time.UTC, now); problem != "" {
			problems = append(problems, fmt.Sprintf("The option %q is not right. %s", o.Value, problem))
		}
	}
	if p.Default != "" && problems == nil {
		raw, _ := json.Marshal(p.Default)
		if _, _, problem := p.resolve(raw, time.UTC, now); problem != "" {
			problems = append(problems, "The default is not right. "+problem)
		}
	}
	return problems
}

// LabelIn is the label for a locale; without one it is made from the name: from_day is "From day".
func (p *Parameter) LabelIn(locale string) string {
	if label := p.Label.In(locale); label != "" {
		return label
	}
	return Titled(p.Name)
}

// Titled makes a name readable: order_no is "Order no".
func Titled(name string) string {
	s := strings.TrimSpace(strings.ReplaceAll(name, "_", " "))
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || r == utf8.RuneError {
		return s
	}
	return strings.ToUpper(string(r)) + s[n:]
}
