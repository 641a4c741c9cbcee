package source

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// choices are the options of a parameter that a query answers: a column of
// values, and one of labels if there is a second. It is an offprint.Chooser.
type choices struct {
	definition *Definition
	name       string // of the parameter
	kind       offprint.ParamType
	tenants    string // shared: every tenant may see all of them
	query      *query
}

const whatOptionsAre = `options are a list, as in [EU, US] or [{value: EU, label: Europe}], or a query, as in {query: "SELECT code, name FROM regions ORDER BY name"}.`

// choices reads {query: SELECT …}.
func (h *header) choices(e yaml.Entry, name string) *choices {
	c := &choices{name: name}
	before := len(*h.Problems)
	h.Object(e, "options", yaml.Keys{
		"query":   func(e yaml.Entry) { c.query = h.query(e) },
		"tenants": h.Choice(&c.tenants, tenantsShared),
	})
	if c.query == nil && len(*h.Problems) == before {
		h.Wrong(e.At, whatOptionsAre)
	}
	if c.query == nil {
		return nil
	}
	return c
}

func (h *header) query(e yaml.Entry) *query {
	text, ok := h.Scalar(e)
	if !ok {
		return nil
	}
	at := h.Place(e).Position
	return &query{file: h.File, text: text, end: len(text), traced: traceOf(text, h.text, offsetAt(h.text, h.Above+at.Line, at.Column))}
}

// A trace leads from what YAML read to where it is written: escapes, quotes
// and indents make the two differ.
type trace struct {
	file string
	at   []int // for each byte read, and the end, its place in the file
}

// longestEscape is how far apart two letters may be written that are read
// side by side, besides white space: \U0001F600.
const longestEscape = 10

// traceOf finds each letter again, in their order, from a place in the file.
// Among escapes it may miss by some letters, and finds its way after them.
func traceOf(read, file string, from int) *trace {
	switch written := file[from:]; {
	case strings.HasPrefix(written, "|"), strings.HasPrefix(written, ">"): // a block, below
		from += span(written, func(c byte) bool { return c != '\n' })
	case strings.HasPrefix(written, `"`), strings.HasPrefix(written, "'"):
		from++
	}
	t := &trace{file, make([]int, len(read)+1)}
	for i := range len(read) {
		t.at[i] = from
		if space(read[i]) {
			continue
		}
		next := from + span(file[from:], space)
		within := file[next:min(len(file), next+longestEscape+1)]
		if n := strings.IndexByte(within, read[i]); n >= 0 {
			t.at[i] = next + n
			from = next + n + 1
		}
	}
	t.at[len(read)] = from
	return t
}

// offsetAt is the place of a line and a column, both from 1.
func offsetAt(text string, line, column int) (at int) {
	for range line - 1 {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			return len(text)
		}
		at += end + 1
	}
	for range column - 1 {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

func (c *choices) blind() bool { return c.tenants != tenantsShared && !c.query.namesTenant() }

// follow notes on each parameter which others its options depend on. Nobody
// could choose first where they depend on each other.
func (d *Definition) follow(problems *Problems) {
	for _, c := range d.choices {
		var names []string
		for _, p := range d.report.Parameters {
			if slices.ContainsFunc(c.query.pieces, func(x piece) bool { return x.name == p.Name }) {
				names = append(names, p.Name)
			}
		}
		d.parameter(c.name).Follows = names
	}
	for _, c := range d.choices {
		if way := d.wayBack(c.name, c.name, map[string]bool{}); way != nil {
			*problems = append(*problems, c.query.problem(c.query.start(), inCircle(way)))
		}
	}
}

// inCircle says of a, b, a that they wait for each other.
func inCircle(way []string) string {
	text := "The options of " + way[0] + " depend on " + way[1]
	for i := 1; i < len(way)-1; i++ {
		text += ", those of " + way[i] + " on " + way[i+1]
	}
	return text + ", so that nobody could choose. Take one of these parameters out of its query."
}

func (d *Definition) parameter(name string) *offprint.Parameter {
	i := slices.IndexFunc(d.report.Parameters, func(p offprint.Parameter) bool { return p.Name == name })
	return &d.report.Parameters[i]
}

// wayBack is how one gets from a parameter to the goal by what follows what,
// past none that was seen; nil when one does not.
func (d *Definition) wayBack(from, goal string, seen map[string]bool) []string {
	seen[from] = true
	for _, next := range d.parameter(from).Follows {
		if next == goal {
			return []string{from, goal}
		}
		if seen[next] {
			continue
		}
		if way := d.wayBack(next, goal, seen); way != nil {
			return append([]string{from}, way...)
		}
	}
	return nil
}

// Choose asks the query as the asker, in a snapshot of its own.
func (c *choices) Choose(ctx context.Context, req offprint.Request) iter.Seq2[offprint.Option, error] {
	return func(yield func(offprint.Option, error) bool) {
		s, err := c.definition.begin(ctx, req, []part{{name: c.name, query: c.query}})
		if err != nil {
			yield(offprint.Option{}, err)
			return
		}
		s.options(c, zoneOf(req), yield)
	}
}

func (s *session) options(c *choices, zone *time.Location, yield func(offprint.Option, error) bool) {
	s.using.Lock()
	defer s.using.Unlock()
	r := &reading{session: s, statement: s.statements[0]}
	defer func() { s.release(r.done) }()
	if err := r.ask(nil); err != nil {
		yield(offprint.Option{}, err)
		return
	}
	if what := tooWide(len(r.answer.columns)); what != "" {
		err := s.db.told(offprint.BadQuery).Because(r.statement.problem(-1, what))
		yield(offprint.Option{}, err)
		return
	}
	for row, err := range r.rows {
		if err == nil && row[0].IsNull() {
			continue
		}
		var o offprint.Option
		if err == nil {
			o, err = c.option(row, zone)
		}
		if !yield(o, err) || err != nil {
			return
		}
	}
}

func tooWide(columns int) string {
	if columns <= 2 {
		return ""
	}
	return fmt.Sprintf("The options' query answers %d columns. The first is the value, the second the label, and there is no third.", columns)
}

func (c *choices) option(row offprint.Row, zone *time.Location) (o offprint.Option, err error) {
	if o.Value, err = c.value(row[0], zone); err == nil && len(row) == 2 {
		o.Label = offprint.Plain(string(row[1].Append(nil, zone)))
	}
	return o, err
}

// paramTypes are the types whose values are written as those of a kind are.
var paramTypes = map[offprint.Kind]offprint.ParamType{
	offprint.Int: offprint.IntParam, offprint.Decimal: offprint.DecimalParam, offprint.Date: offprint.DateParam,
}

// value writes what the query answers as a default of the parameter would be.
func (c *choices) value(v offprint.Value, zone *time.Location) (string, error) {
	text := string(v.Append(nil, zone))
	switch c.kind {
	case offprint.TextParam, paramTypes[v.Kind()]: // nothing to read
		return text, nil
	case offprint.IntParam: // 5.00 of a numeric column
		if whole, rest, ok := strings.Cut(text, "."); ok && strings.Trim(rest, "0") == "" {
			text = whole
		}
	case offprint.DateParam: // a time's day in the run's zone
		text, _, _ = strings.Cut(text, "T")
	}
	sent, err := json.Marshal(text)
	if err != nil {
		return "", fmt.Errorf("option: %w", err)
	}
	alone := offprint.Report{Parameters: []offprint.Parameter{{Name: c.name, Type: c.kind}}}
	params, err := alone.Resolve(offprint.Sent{c.name: sent}, zone, time.Now())
	if err != nil {
		return "", offprint.Errorf(offprint.BadQuery, "The query for the options of %s answers a value that is no %s. The report must be mended by whoever wrote it.", c.name, c.kind).Because(err)
	}
	return offprint.ParamText(params[c.name]), nil
}
