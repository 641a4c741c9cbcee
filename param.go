package offprint

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"regexp"
	"slices"
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
	Default  string // as a person would write it: "last_30_days", "-7d", "EU"; of a list a line each
	Optional bool
	Many     bool     // a list of values of this type
	Options  []Option // empty: anything, unless there are Choices
	Choices  Chooser  // who knows the options, where they are not fixed
	Follows  []string // the parameters whose values the choices depend on
	Min, Max string   // of numbers, dates, datetimes and periods, as a Default; of a text its length
	Pattern  string   // a regular expression (RE2) that all of a text must match

	Sensitive bool // its value stands in no message about the run
}

// An Option is one choice. Its value is written as for [Parameter.Default].
type Option struct {
	Value string
	Label Words
}

// A Chooser knows options that are not fixed, such as those that a query
// answers. It is safe for use by many goroutines.
type Chooser interface {
	// Choose ranges over the options that req's asker may choose from, in the
	// order to show them in. Of req's parameters only those that the choices
	// follow need be there. It ends after its first error, and lets go of what
	// it holds when the loop ends.
	Choose(ctx context.Context, req Request) iter.Seq2[Option, error]
}

// MaxText is the longest text parameter, in characters, unless Max says less.
const MaxText = 10_000

// Sent are parameters as they came: JSON values by name. null is the same as
// left out, but for a parameter that is optional and has a default: left out it
// is the default, and null is none.
type Sent map[string]json.RawMessage

// Params are resolved parameters: string, int64, [Value] (a decimal), bool,
// [Day], time.Time, [Period], or a slice of them ([]any) for a list. What was
// left out is absent, or nil where a default was refused. Written as JSON they may be sent again and resolve to
// themselves, which is how the ledger keeps them.
type Params map[string]any

func (p Params) Has(name string) bool { return p[name] != nil }

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

// ParamText is one resolved value as [Parameter.Default] would write it:
// 2026-01-31, 2026-01-31T12:00:00Z, 2026-01-01..2026-01-31, 12.50.
func ParamText(v any) string {
	if at, ok := v.(time.Time); ok {
		return at.UTC().Format(time.RFC3339Nano)
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
			problems = append(problems, "The pattern is no regular expression: "+strings.TrimPrefix(err.Error(), "error parsing regexp: ")+".")
		}
		if p.Type != TextParam {
			problems = append(problems, "Only a text has a pattern.")
		}
	}
	if p.Type == BoolParam && (p.Options != nil || p.Choices != nil) {
		problems = append(problems, "A bool has no options: it is true or false.")
	}
	if p.Options != nil && p.Choices != nil {
		problems = append(problems, "The options are either fixed or known elsewhere, not both.")
	}
	if p.Type == BoolParam && p.Min+p.Max != "" {
		problems = append(problems, "A bool has no min and no max.")
	}
	now := time.Now()
	if _, problem := p.bound(p.Min, false, time.UTC, now); problem != "" {
		problems = append(problems, "The min is not right. "+problem)
	}
	if _, problem := p.bound(p.Max, true, time.UTC, now); problem != "" {
		problems = append(problems, "The max is not right. "+problem)
	}
	for _, o := range p.Options {
		if _, problem := p.Type.parse(o.Value, time.UTC, now); problem != "" {
			problems = append(problems, fmt.Sprintf("The option %q is not right. %s", o.Value, problem))
		}
	}
	if problems == nil {
		if problem := p.always(now); problem != "" {
			problems = append(problems, problem)
		}
	}
	return problems
}

// always is what is wrong with bounds and default on every day from a year
// before now to a year after. A word that they hold, such as start_of_month,
// may be right only on some: that must not take the report away on the others.
func (p *Parameter) always(now time.Time) string {
	problem := p.at(now)
	if p.Type != DateParam && p.Type != DatetimeParam && p.Type != PeriodParam {
		return problem
	}
	for day := -366; day <= 366 && problem != ""; day++ {
		if p.at(now.AddDate(0, 0, day)) == "" {
			return ""
		}
	}
	return problem
}

func (p *Parameter) at(now time.Time) string {
	least, _ := p.bound(p.Min, false, time.UTC, now)
	most, _ := p.bound(p.Max, true, time.UTC, now)
	if least != nil && most != nil && less(most, least) {
		return "The min is above the max."
	}
	if p.Default == "" {
		return ""
	}
	if _, _, problem := p.resolve(nil, time.UTC, now); problem != "" {
		return "The default is not right. " + problem
	}
	return ""
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
