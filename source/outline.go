package source

import (
	"slices"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
)

// An outline is the outermost SELECT of a query, as far as its words and
// brackets tell: enough to say whether its rows come in an order.
type outline struct {
	*query
	tokens []token
	depths []int // of ( ) around each token
}

// outline reads the query again. Brackets around all of it do not count.
func (q *query) outline(params []offprint.Parameter) outline {
	again := *q // what is wrong with it was said the first time
	again.pieces, again.problems = nil, nil
	s := &scanner{query: &again, params: params, at: q.begin, from: q.begin, open: -1, noting: true}
	for s.at < s.end {
		s.step()
	}
	o := outline{query: q, tokens: s.tokens}
	for n := len(o.tokens); n > 0 && o.tokens[n-1].text == ";"; n-- {
		o.tokens = o.tokens[:n-1]
	}
	for {
		o.measure()
		last := len(o.tokens) - 1
		if last < 1 || o.tokens[0].text != "(" || o.closing(0) != last {
			return o
		}
		o.tokens = o.tokens[1:last]
	}
}

// measure finds how deep each token stands; a bracket stands as deep as what
// is around it.
func (o *outline) measure() {
	o.depths = make([]int, len(o.tokens))
	depth := 0
	for i, t := range o.tokens {
		if t.text == ")" {
			depth--
		}
		o.depths[i] = depth
		if t.text == "(" {
			depth++
		}
	}
}

// closing is where the bracket at i closes.
func (o *outline) closing(i int) int {
	for j := i + 1; j < len(o.tokens); j++ {
		if o.depths[j] == o.depths[i] && o.tokens[j].text == ")" {
			return j
		}
	}
	return len(o.tokens)
}

// find is where one of the words stands first outside of brackets, from a
// token on; -1: nowhere.
func (o *outline) find(from int, words ...string) int {
	for i := from; i < len(o.tokens); i++ {
		if o.depths[i] == 0 && slices.Contains(words, o.tokens[i].text) {
			return i
		}
	}
	return -1
}

// sorted is the first token after ORDER BY; -1 without one.
func (o *outline) sorted() int {
	for i := o.find(0, "ORDER"); i >= 0; i = o.find(i+1, "ORDER") {
		if i+1 < len(o.tokens) && o.tokens[i+1].text == "BY" {
			return i + 2
		}
	}
	return -1
}

// from is the FROM of the SELECT at i, not that of IS DISTINCT FROM.
func (o *outline) from(i int) int {
	for i = o.find(i, "FROM"); i > 0 && o.tokens[i-1].text == "DISTINCT"; {
		i = o.find(i+1, "FROM")
	}
	return i
}

// restless tells whether the rows may come in another order each time: there
// are several, and nothing sorts them.
func (o *outline) restless() bool {
	first := o.find(0, "SELECT", "VALUES", "TABLE")
	switch {
	case len(o.tokens) == 0 || !slices.Contains([]string{"SELECT", "WITH", "VALUES", "TABLE", "("}, o.tokens[0].text):
		return false // no query that we know
	case o.sorted() >= 0:
		return false
	case o.find(0, "UNION", "INTERSECT", "EXCEPT", "MINUS") >= 0:
		return true
	case first >= 0 && o.tokens[first].text == "VALUES":
		return false // they come as they were written
	case first >= 0 && o.tokens[first].text == "TABLE", o.find(0, "GROUP") >= 0:
		return true
	}
	from := o.from(first)
	return from >= 0 && o.find(0, "HAVING") < 0 && !o.aggregates(first, from)
}

// aggregate are functions that make one row of many.
var aggregate = strings.Fields(`COUNT SUM AVG MIN MAX TOTAL GROUP_CONCAT STRING_AGG ARRAY_AGG JSON_AGG JSONB_AGG JSON_OBJECT_AGG JSONB_OBJECT_AGG
	JSON_GROUP_ARRAY JSON_GROUP_OBJECT JSONB_GROUP_ARRAY JSONB_GROUP_OBJECT JSON_ARRAYAGG JSON_OBJECTAGG XMLAGG RANGE_AGG RANGE_INTERSECT_AGG
	BOOL_AND BOOL_OR EVERY BIT_AND BIT_OR BIT_XOR ANY_VALUE STD STDDEV STDDEV_POP STDDEV_SAMP VARIANCE VAR_POP VAR_SAMP CORR COVAR_POP COVAR_SAMP
	REGR_AVGX REGR_AVGY REGR_COUNT REGR_INTERCEPT REGR_R2 REGR_SLOPE REGR_SXX REGR_SXY REGR_SYY PERCENTILE_CONT PERCENTILE_DISC MEDIAN MODE`)

// aggregates tells whether an aggregate stands among what is selected, and
// not in a query within, nor as a window function.
func (o *outline) aggregates(first, until int) bool {
	for i := first; i+1 < until; i++ {
		switch {
		case o.tokens[i].text == "(" && slices.Contains([]string{"SELECT", "WITH", "VALUES"}, o.tokens[i+1].text):
			i = o.closing(i)
		case o.tokens[i+1].text == "(" && slices.Contains(aggregate, o.tokens[i].text) && !o.windowed(i+1) && !o.scalar(i):
			return true
		}
	}
	return false
}

// windowed tells whether OVER follows the brackets at i.
func (o *outline) windowed(i int) bool {
	i = o.closing(i) + 1
	for i < len(o.tokens) {
		switch o.tokens[i].text {
		case "OVER":
			return true
		case "FILTER", "WITHIN", "GROUP":
			i++
		case "(":
			i = o.closing(i) + 1
		default:
			return false
		}
	}
	return false
}

// scalar tells whether it is SQLite's min(a, b), the lesser of two.
func (o *outline) scalar(i int) bool {
	if o.tokens[i].text != "MIN" && o.tokens[i].text != "MAX" {
		return false
	}
	end := o.closing(i + 1)
	for j := i + 2; j < end; j++ {
		if o.tokens[j].text == "," && o.depths[j] == o.depths[i]+1 {
			return true
		}
	}
	return false
}

// items are the texts between the commas from one token to another.
func (o *outline) items(from, until int) (items []string) {
	begin := from
	for i := from; i <= until; i++ {
		if i < until && (o.depths[i] != 0 || o.tokens[i].text != ",") {
			continue
		}
		if i > begin {
			items = append(items, o.text[o.tokens[begin].at:o.tokens[i-1].end])
		}
		begin = i + 1
	}
	return items
}

// order are the columns of the answer by which its rows are sorted; "" is one
// that cannot be told, as an expression. It is nil without an ORDER BY.
func (o *outline) order() (names []string) {
	begin := o.sorted()
	if begin < 0 {
		return nil
	}
	until := o.find(begin, "LIMIT", "OFFSET", "FETCH", "FOR")
	if until < 0 {
		until = len(o.tokens)
	}
	selected := o.selected()
	for _, item := range o.items(begin, until) {
		names = append(names, selected.meaning(item))
	}
	return names
}

// A selection is what stands between SELECT and FROM: expressions with the
// names that their columns get.
type selection []struct{ name, expression string }

func (o *outline) selected() (s selection) {
	first := o.find(0, "SELECT")
	if first < 0 {
		return nil
	}
	until := o.from(first)
	if until < 0 {
		until = len(o.tokens)
	}
	for _, item := range o.items(first+1, until) {
		expression, name := plain(item), ""
		if i := strings.LastIndex(expression, " as "); i >= 0 {
			expression, name = expression[:i], expression[i+len(" as "):]
		} else {
			name = lastName(expression)
		}
		s = append(s, struct{ name, expression string }{strings.Trim(name, "\"`[]"), expression})
	}
	return s
}

// lacks tells whether no column is called so. Of what * stands for nothing is known.
func (s selection) lacks(name string) bool {
	for _, one := range s {
		if one.name == "" || strings.EqualFold(one.name, name) {
			return false
		}
	}
	return true
}

// plain is SQL in small letters with one blank between its words.
func plain(sql string) string { return strings.ToLower(strings.Join(strings.Fields(sql), " ")) }

// lastName is the b of a.b, and "" of anything but a name.
func lastName(expression string) string {
	name := expression[strings.LastIndexByte(expression, '.')+1:]
	if span(strings.Trim(name, "\"`"), func(c byte) bool { return letter(c) || digit(c) }) < len(strings.Trim(name, "\"`")) {
		return ""
	}
	return name
}

// meaning is the column of the answer that an item of ORDER BY means.
func (s selection) meaning(item string) string {
	item = plain(item)
	for _, end := range []string{" nulls first", " nulls last", " asc", " desc"} {
		item = strings.TrimSuffix(item, end)
	}
	if n, err := strconv.Atoi(item); err == nil {
		if n < 1 || n > len(s) {
			return ""
		}
		return s[n-1].name
	}
	bare := strings.Trim(item, "\"`[]")
	for _, one := range s {
		if one.name == bare {
			return one.name
		}
	}
	for _, one := range s {
		if one.expression == item {
			return one.name
		}
	}
	for _, one := range s {
		if strings.HasSuffix(one.expression, "*") {
			return strings.Trim(lastName(item), "\"`[]")
		}
	}
	return ""
}
