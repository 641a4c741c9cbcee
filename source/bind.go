package source

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// onlyOne is the cure of two statements in one part.
const onlyOne = "a part is one query, and a further one begins with a header of its own"

// A statement is a query as the database gets it.
type statement struct {
	text  string
	args  []arg
	spans []stretch
	query *query
}

// An arg is one bound value: nil, or a type of offprint.Params. A []any is an
// array.
type arg struct {
	value any
	kinds offprint.ParamType
	text  bool // declared as text: nothing around it tells its type
}

// A stretch ties a place of a statement to the file.
type stretch struct{ sent, written int }

// bind makes the statement of a request. A missing claim is a PermissionDenied,
// more values than the database takes are a BadParameter.
func (q *query) bind(req offprint.Request) (*statement, error) {
	b := binder{query: q, numbers: map[string]int{}, lists: map[string]int{}, req: req}
	text, spans, err := q.render(req.Params.Has, b.placeholders)
	if err != nil {
		return nil, err
	}
	if fields := b.tooLong(); fields != nil {
		err := offprint.Errorf(offprint.BadParameter, "Nothing was made. Mend the parameters named below and ask again.")
		err.Fields = fields
		return nil, err
	}
	return &statement{text: text, args: b.args, spans: spans, query: q}, nil
}

// bindTypes is the statement with the named optional parameters given and
// without values, for preparing only.
func (q *query) bindTypes(given func(name string) bool) *statement {
	b := binder{query: q, numbers: map[string]int{}, typesOnly: true}
	text, spans, _ := q.render(given, b.placeholders) // errs only over values
	return &statement{text: text, args: b.args, spans: spans, query: q}
}

// render joins the pieces. What stands in [[ ]] falls away when a parameter in
// it is not given; write says what a parameter becomes.
func (q *query) render(given func(name string) bool, write func(piece) (string, error)) (string, []stretch, error) {
	var text strings.Builder
	var spans []stretch
	dropping := false
	for i, p := range q.pieces {
		switch {
		case p.kind == openPiece:
			dropping = fallsAway(q.pieces[i+1:], given)
		case p.kind == closePiece:
			dropping = false
		case dropping:
			continue
		case p.kind == sqlPiece:
			spans = append(spans, stretch{text.Len(), p.at})
			text.WriteString(p.text)
			continue
		}
		written := " "
		if p.kind == paramPiece {
			var err error
			if written, err = write(p); err != nil {
				return "", nil, err
			}
		}
		spans = append(spans, stretch{text.Len(), p.at})
		text.WriteString(written)
	}
	return text.String(), spans, nil
}

func fallsAway(inside []piece, given func(name string) bool) bool {
	for _, p := range inside {
		if p.kind == closePiece {
			return false
		}
		if p.kind == paramPiece && p.name != userName && !given(p.name) {
			return true
		}
	}
	return false
}

// A binder gives every value one number, wherever it stands: PostgreSQL would
// otherwise not see that two date_trunc(:unit, day) are the same. Where the
// database knows no numbers, a value is sent for each place.
type binder struct {
	*query
	req       offprint.Request
	numbers   map[string]int
	lists     map[string]int // how many values of a parameter stand in IN
	lengths   []int          // of the lists among args
	args      []arg
	typesOnly bool
}

func (b *binder) placeholders(p piece) (string, error) {
	a := arg{kinds: p.kinds, text: p.use == nullUse && p.kinds == offprint.TextParam}
	if b.typesOnly {
		if p.many && p.use != inUse {
			a.value = []any{}
		}
		return b.number(p, a, ""), nil
	}
	value, err := p.value(b.req)
	if err != nil {
		return "", err
	}
	if b.dialect.request {
		return p.encoded(value)
	}
	list, many := value.([]any)
	if !many || p.use != inUse {
		a.value = value
		return b.number(p, a, ""), nil
	}
	if len(list) == 0 { // IN () is no SQL; IN (NULL) finds no row either
		return "NULL", nil
	}
	var all []string
	before := len(b.args)
	for i, one := range list {
		a.value = one
		all = append(all, b.number(p, a, "#"+strconv.Itoa(i)))
	}
	b.lists[p.name] = len(list)
	if len(b.args) > before {
		b.lengths = append(b.lengths, len(list))
	}
	return strings.Join(all, ", "), nil
}

func (b *binder) number(p piece, a arg, item string) string {
	key := p.text + item
	if a.text {
		key += "?"
	}
	n, ok := b.numbers[key]
	if !ok || b.dialect.positional {
		b.args = append(b.args, a)
		n = len(b.args)
		b.numbers[key] = n
	}
	return b.dialect.placeholder(n, a)
}

// tooLong names the lists with which the statement has more values than the
// database takes, and how many values of each would do.
func (b *binder) tooLong() (fields []offprint.Field) {
	if len(b.args) <= b.dialect.mostValues {
		return nil
	}
	room := b.dialect.mostValues - len(b.args)
	for _, n := range b.lengths {
		room += n
	}
	most := share(slices.Sorted(slices.Values(b.lengths)), room)
	for _, name := range slices.Sorted(maps.Keys(b.lists)) {
		if b.lists[name] > most {
			fields = append(fields, offprint.Field{Pointer: "#/parameters/" + name, Detail: fmt.Sprintf("At most %d values.", most)})
		}
	}
	return fields
}

// share is the length to which the longest lists must be cut, so that all
// together fit in room. The lengths are sorted.
func share(lengths []int, room int) int {
	for i, n := range lengths {
		if each := room / (len(lengths) - i); n > each {
			return each
		}
		room -= n
	}
	return room
}

// value is what a parameter stands for in a request; nil when it was left out.
func (p *piece) value(req offprint.Request) (any, error) {
	if p.name == userName {
		return claim(req.Who, p.field)
	}
	value := req.Params[p.name]
	if period, ok := value.(offprint.Period); ok {
		return p.of(period, zoneOf(req)), nil
	}
	if p.many {
		return listOf(value), nil
	}
	return value, nil
}

func listOf(value any) any {
	if value == nil {
		return nil
	}
	if list, ok := value.([]any); ok {
		return list
	}
	return []any{value}
}

func (p *piece) of(period offprint.Period, zone *time.Location) any {
	switch p.field {
	case "start":
		return period.From
	case "end":
		return period.End()
	case "start_at":
		return period.StartAt(zone)
	}
	return period.EndAt(zone)
}

func zoneOf(req offprint.Request) *time.Location {
	if req.Zone == nil {
		return time.UTC
	}
	return req.Zone
}

// problem is what the database said about a place in the statement, as a
// place in the file; without a place it is about the query as a whole.
func (s *statement) problem(sent int, what string) Problem {
	at := s.query.start()
	for _, span := range s.spans {
		if sent >= span.sent {
			at = max(at, span.written+sent-span.sent)
		}
	}
	return s.query.problem(min(at, s.query.end), what)
}

// start is where the query itself begins, below its header.
func (q *query) start() int {
	return q.end - len(strings.TrimLeft(q.text[q.begin:q.end], " \t\n"))
}

func (q *query) problem(at int, what string) Problem {
	line, column := q.place(at)
	return Problem{File: q.file, Line: line, Column: column, Text: what}
}

func (q *query) place(at int) (line, column int) {
	if q.traced != nil {
		return place(q.traced.file, q.traced.at[at])
	}
	return place(q.text, at)
}
