package offprint

import (
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

// Resolve checks what was sent against the form and turns it into values: the
// words of dates and periods become days of now in zone. Its error is a
// BadParameter that names every bad field, not only the first.
func (r *Report) Resolve(sent Sent, zone *time.Location, now time.Time) (Params, error) {
	params := make(Params, len(r.Parameters))
	var fields []Field
	if bytes := sent.bytes(); bytes > MaxSent {
		return nil, badParameters([]Field{{"#/parameters", fmt.Sprintf("All parameters together may have %d KB.", MaxSent>>10)}})
	}
	known := make(map[string]bool, len(r.Parameters))
	for i := range r.Parameters {
		p := &r.Parameters[i]
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
		return nil, badParameters(fields)
	}
	return params, nil
}

func badParameters(fields []Field) error {
	err := Errorf(BadParameter, "Nothing was made. Mend the parameters named below and ask again.")
	err.Title, err.Fields = "Some parameters are not right", fields
	return err
}

// MaxSent is how many bytes of JSON the values of a run's parameters may have,
// as sent and as resolved: they stand in every answer about it.
const MaxSent = 64 << 10

func (s Sent) bytes() (n int) {
	for _, raw := range s {
		n += len(raw)
	}
	return n
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

// resolve is p's value, or the problem with what was sent, as a sentence that
// does not repeat it.
func (p *Parameter) resolve(raw json.RawMessage, zone *time.Location, now time.Time) (v any, given bool, problem string) {
	if len(raw) == 0 || string(raw) == "null" {
		switch {
		case p.Default != "" && p.Optional && string(raw) == "null":
			return nil, true, ""
		case p.Default != "":
			raw = p.defaultJSON()
		case p.Optional:
			return nil, false, ""
		default:
			return nil, false, "This is needed."
		}
	}
	c := p.checker(zone, now)
	if !p.Many {
		v, problem = c.one(raw)
		return v, true, problem
	}
	if raw[0] != '[' {
		v, problem = c.one(raw)
		return []any{v}, true, problem
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, true, "Send a list."
	}
	list := make([]any, 0, len(items))
	for i, item := range items {
		v, problem := c.one(item)
		if problem != "" {
			return nil, true, fmt.Sprintf("Value %d: %s", i+1, problem)
		}
		list = append(list, v)
	}
	return list, true, ""
}

// defaultJSON is the default as it would be sent.
func (p *Parameter) defaultJSON() json.RawMessage {
	if p.Many {
		return json.RawMessage(asJSON(strings.Split(p.Default, "\n")))
	}
	return json.RawMessage(asJSON(p.Default))
}

// A checker holds values against a parameter. What it takes to do so is read
// once, since lists may be long.
type checker struct {
	*Parameter
	zone        *time.Location
	now         time.Time
	options     map[string]bool // by the values' JSON; nil: anything
	pattern     *regexp.Regexp
	least, most any // nil: no bound; of a text its length
}

func (p *Parameter) checker(zone *time.Location, now time.Time) *checker {
	c := &checker{Parameter: p, zone: zone, now: now}
	c.least, _ = p.bound(p.Min, false, zone, now) // Check has told what is wrong with them
	c.most, _ = p.bound(p.Max, true, zone, now)
	if most := int64(MaxText); p.Type == TextParam && (c.most == nil || less(most, c.most)) {
		c.most = most
	}
	if p.Pattern != "" {
		c.pattern, _ = regexp.Compile(`\A(?:` + p.Pattern + `)\z`) // a wrong one matches nothing; Check has said so
	}
	if p.Options != nil {
		c.options = make(map[string]bool, len(p.Options))
	}
	for _, o := range p.Options {
		if v, problem := p.Type.parse(o.Value, zone, now); problem == "" {
			c.options[asJSON(v)] = true
		}
	}
	return c
}

// bound is min or max, nil for none: of a text its length, of a period a day.
// A day bounds times by its first instant, and as the upper bound by its last.
func (p *Parameter) bound(text string, upper bool, zone *time.Location, now time.Time) (v any, problem string) {
	if text == "" {
		return nil, ""
	}
	switch p.Type {
	case TextParam:
		return IntParam.parse(text, zone, now)
	case PeriodParam:
		return DateParam.parse(text, zone, now)
	case DatetimeParam:
		if day, ok := dayFrom(text, today(zone, now)); ok && upper {
			return day.Add(1).Start(zone).Add(-time.Microsecond).UTC(), ""
		}
	}
	if v, problem = p.Type.parse(text, zone, now); problem != "" {
		return nil, problem
	}
	return v, ""
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only the types of Params
	}
	return string(b)
}

// one reads one value.
func (c *checker) one(raw json.RawMessage) (v any, problem string) {
	if c.Type == PeriodParam && raw[0] == '{' {
		v, problem = periodFromJSON(raw)
	} else {
		text, ok := scalar(raw)
		if !ok {
			return nil, "Send " + c.Type.article() + "."
		}
		v, problem = c.Type.parse(text, c.zone, c.now)
	}
	if problem == "" {
		problem = c.check(v)
	}
	return v, problem
}

// check holds v against bounds, options and pattern.
func (c *checker) check(v any) string {
	first, last := v, v
	least, most, unit := "At least ", "At most ", ""
	switch v := v.(type) {
	case Period:
		first, last, least, most = v.From, v.To, "Not before ", "Not after "
	case Day, time.Time:
		least, most = "Not before ", "Not after "
	case string:
		n := int64(utf8.RuneCountInString(v))
		first, last, unit = n, n, " characters"
	}
	switch {
	case c.least != nil && less(first, c.least):
		return least + c.shown(c.least) + unit + "."
	case c.most != nil && less(c.most, last):
		return most + c.shown(c.most) + unit + "."
	case c.options != nil && !c.options[asJSON(v)]:
		return "Choose one of the options."
	}
	if text, ok := v.(string); ok && c.Pattern != "" && (c.pattern == nil || !c.pattern.MatchString(text)) {
		return "This does not have the form that the report asks for."
	}
	return ""
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
		if at, ok := timeFrom(s, zone, today(zone, now)); ok {
			return at, ""
		}
	case PeriodParam:
		return periodFrom(s, today(zone, now))
	}
	return nil, wrong
}

// timeFrom reads a time, in zone if it has none of its own; a day is its first
// instant.
func timeFrom(s string, zone *time.Location, today Day) (time.Time, bool) {
	if d, ok := dayFrom(s, today); ok {
		t := d.Start(zone).UTC()
		return t, sayable(t)
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), sayable(t)
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), sayable(t)
		}
	}
	return time.Time{}, false
}

// sayable tells whether RFC 3339 can write t in every zone.
func sayable(t time.Time) bool { return t.UTC().Year() > 1 && t.UTC().Year() < 9999 }

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

func (c *checker) shown(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.In(c.zone).Format(time.RFC3339)
	}
	return fmt.Sprint(v)
}
