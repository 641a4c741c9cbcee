// Package yaml reads YAML that people write, from its syntax tree: a scalar is
// what was written (007 is "007"), and every problem is found in one go, with
// its line, its column and the cure.
package yaml

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/offprint/offprint"
)

// A Reader reads one YAML document. File, Above and Problems must be set.
type Reader struct {
	File     string // as problems name it
	Above    int    // lines of the file above the document
	Problems *Problems
}

// An Entry is one key of a mapping with its value.
type Entry struct {
	Key   string
	At    *token.Token // of the key
	Value ast.Node
}

// Keys say what to do with each key that a mapping may have.
type Keys map[string]func(Entry)

// Document reads a text whose keys are known; what names it in complaints.
func (r *Reader) Document(text, what string, known Keys) {
	body := r.Parse(text)
	if body != nil {
		r.Object(Entry{Key: what, At: body.GetToken(), Value: body}, what, known)
	}
}

// Wrong notes a problem at a place; nil is the document's first line.
func (r *Reader) Wrong(at *token.Token, format string, args ...any) {
	p := Problem{File: r.File, Line: r.Above + 1, Column: 1, Text: fmt.Sprintf(format, args...)}
	if at != nil && at.Position != nil {
		p.Line, p.Column = r.Above+at.Position.Line, at.Position.Column
	}
	*r.Problems = append(*r.Problems, p)
}

// Parse is the document's root; nil when it cannot be read or is empty.
func (r *Reader) Parse(text string) ast.Node {
	file, err := parser.ParseBytes([]byte(text), parser.ParseComments, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(text, err)
		return nil
	}
	if len(file.Docs) > 1 {
		r.Wrong(file.Docs[1].Start, "This is one YAML document. Take out the line ---.")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil || file.Docs[0].Body.Type() == ast.CommentType {
		return nil
	}
	return file.Docs[0].Body
}

func (r *Reader) syntax(text string, err error) {
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		r.Wrong(nil, "This is no YAML: %v.", err)
		return
	}
	at, hint := syntax.GetToken(), remedy(syntax.GetMessage())
	lines := strings.Split(text, "\n")
	if at != nil && at.Position.Line <= len(lines) && strings.Contains(lines[at.Position.Line-1], " #") {
		hint = ` A # after a blank begins a comment: put a value with # in quotes.`
	}
	r.Wrong(at, "This is no YAML: %s.%s", strings.TrimSuffix(strings.ReplaceAll(syntax.GetMessage(), "found character '\t' that cannot start any token", "here is a tab"), "."), hint)
}

// remedies are what mends what the parser most often says, by its words.
var remedies = []struct{ words, cure string }{
	{"'\t' that cannot start", "Indent with blanks: YAML takes no tabs."},
	{"mapping value is not allowed", `A value that holds ": " belongs in quotes.`},
	{"value is not allowed in this context", "All keys of one mapping begin in the same column."},
	{"unexpected key name", "All keys of one mapping begin in the same column, and each has a colon and a blank behind it."},
	{"end token ']'", "Close the list with ]."},
	{"end token '}'", "Close the mapping with }."},
	{"flow map content", "Close the mapping with }."},
	{"corresponding to", "What closes here was never opened: put a text that holds it in quotes."},
	{"end character of", "Close the quote; one within it is written twice in '' and as \\\" in \"\"."},
	{"multi-line content", "Indent the lines of the text by more than their key."},
}

func remedy(message string) string {
	for _, r := range remedies {
		if strings.Contains(message, r.words) {
			return " " + r.cure
		}
	}
	return ""
}

// Entries are the keys of a mapping in their order, each once.
func (r *Reader) Entries(e Entry, what string) []Entry {
	var values []*ast.MappingValueNode
	switch n := e.Value.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		r.Wrong(r.Place(e), "%s holds keys with values, as in {key: value}.", what)
		return nil
	}
	var entries []Entry
	for _, v := range values {
		at := v.Key.GetToken()
		key := at.Value
		switch v.Key.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		default:
			r.Wrong(at, "This is no key. Write every key out: << and ? are not read here.")
			continue
		}
		if slices.ContainsFunc(entries, func(e Entry) bool { return e.Key == key }) {
			r.Wrong(at, "%s stands here twice.", key)
			continue
		}
		entries = append(entries, Entry{key, at, v.Value})
	}
	return entries
}

// Object reads a mapping whose keys are known.
func (r *Reader) Object(e Entry, what string, known Keys) {
	if !IsMapping(e.Value) {
		r.Wrong(r.Place(e), "%s holds keys with values, as in {key: value}. Its keys are: %s.", what, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		return
	}
	for _, inner := range r.Entries(e, what) {
		read, ok := known[inner.Key]
		if !ok {
			r.Unknown(inner, what, known)
			continue
		}
		read(inner)
	}
}

// Unknown notes that a mapping has a key that it may not have.
func (r *Reader) Unknown(e Entry, what string, known Keys) {
	names := slices.Sorted(maps.Keys(known))
	text := fmt.Sprintf("%s has no key %s.%s", what, e.Key, DidYouMean(e.Key, names))
	if IsNull(e.Value) {
		text += " If it belongs to the value before it, put that value in quotes."
	}
	r.Wrong(e.At, "%s", text)
}

// IsMapping tells {key: value} from a scalar and a list.
func IsMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

func IsList(n ast.Node) bool {
	_, list := n.(*ast.SequenceNode)
	return list
}

func IsNull(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null || n == nil
}

// Place is where a complaint about a value points.
func (r *Reader) Place(e Entry) *token.Token {
	switch e.Value.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.LiteralNode, *ast.InfinityNode, *ast.NanNode:
		return e.Value.GetToken()
	}
	return e.At
}

// Scalar is the value as it was written.
func (r *Reader) Scalar(e Entry) (text string, ok bool) {
	switch n := e.Value.(type) {
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), true
	case *ast.StringNode:
		return n.Value, r.noComment(e, n.Token)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, r.noComment(e, n.GetToken())
	case *ast.NullNode:
		r.Wrong(e.At, `%s has no value. One that begins with # or says null belongs in quotes%s.`, e.Key, map[string]string{"format": `, as in format: "#,##0.00"`}[e.Key])
	case *ast.MappingNode, *ast.MappingValueNode:
		r.Wrong(e.At, `%s is a text. One that begins with { or holds ": " belongs in quotes, as in %s: "{period}".`, e.Key, e.Key)
	case *ast.SequenceNode:
		r.Wrong(e.At, "%s is one value, not a list.", e.Key)
	default:
		r.Wrong(e.At, "%s: write the value out, without &, * or !.", e.Key)
	}
	return "", false
}

// noComment refuses "title: Invoice #5", which YAML cuts to Invoice.
func (r *Reader) noComment(e Entry, at *token.Token) bool {
	comment := e.Value.GetComment()
	quoted := at.Type == token.SingleQuoteType || at.Type == token.DoubleQuoteType
	if comment == nil || quoted || len(comment.Comments) == 0 {
		return true
	}
	begin := comment.Comments[0].Token
	if begin.Position.Line != at.Position.Line {
		return true
	}
	r.Wrong(begin, `What follows # is a comment and no part of %s. Put the value in quotes, or the comment on a line of its own.`, e.Key)
	return false
}

func (r *Reader) Text(to *string) func(Entry) {
	return func(e Entry) { *to, _ = r.Scalar(e) }
}

// Matching is a text that must match a pattern.
func (r *Reader) Matching(to *string, pattern *regexp.Regexp, rule string) func(Entry) {
	return func(e Entry) {
		text, ok := r.Scalar(e)
		if ok && !pattern.MatchString(text) {
			r.Wrong(r.Place(e), "%s is not right: %s", e.Key, rule)
		}
		*to = text
	}
}

func (r *Reader) Choice(to *string, words ...string) func(Entry) {
	return func(e Entry) {
		text, ok := r.Scalar(e)
		if ok && !slices.Contains(words, text) {
			r.Wrong(r.Place(e), "%s cannot be %q.%s", e.Key, text, DidYouMean(text, words))
			return
		}
		*to = text
	}
}

func (r *Reader) Yes(to *bool) func(Entry) {
	return func(e Entry) {
		text, ok := r.Scalar(e)
		switch {
		case !ok:
		case text == "true" || text == "false":
			*to = text == "true"
		default:
			r.Wrong(r.Place(e), "%s is true or false.", e.Key)
		}
	}
}

func (r *Reader) Whole(to *int64) func(Entry) {
	return func(e Entry) {
		text, ok := r.Scalar(e)
		if !ok {
			return
		}
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil || n <= 0 {
			r.Wrong(r.Place(e), "%s is a whole number above 0, as in 100000.", e.Key)
			return
		}
		*to = n
	}
}

func (r *Reader) Number(to *float64) func(Entry) {
	return func(e Entry) {
		text, ok := r.Scalar(e)
		if !ok {
			return
		}
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !(f > 0 && f <= 255) {
			r.Wrong(r.Place(e), "%s is a number above 0, at most 255.", e.Key)
			return
		}
		*to = f
	}
}

// Duration reads 7d, 12h, 30m or 45s.
func (r *Reader) Duration(to *time.Duration) func(Entry) {
	return func(e Entry) {
		text, ok := r.Scalar(e)
		if !ok {
			return
		}
		d, err := time.ParseDuration(text)
		if days, found := strings.CutSuffix(text, "d"); found {
			var n uint64
			n, err = strconv.ParseUint(days, 10, 16)
			d = time.Duration(n) * 24 * time.Hour
		}
		if err != nil || d <= 0 {
			r.Wrong(r.Place(e), "%s is a length of time, as in 7d, 12h or 30m.", e.Key)
			return
		}
		*to = d
	}
}

var tag = regexp.MustCompile(`^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$`)

// Words are one text, or a mapping of texts by language.
func (r *Reader) Words(to *offprint.Words) func(Entry) {
	return func(e Entry) {
		if IsMapping(e.Value) {
			*to = r.languages(e)
			return
		}
		text, ok := r.Scalar(e)
		if ok && strings.TrimSpace(text) == "" {
			r.Wrong(r.Place(e), "%s is empty.", e.Key)
		}
		*to = offprint.Plain(text)
	}
}

func (r *Reader) languages(e Entry) offprint.Words {
	words := offprint.Words{}
	for _, inner := range r.Entries(e, e.Key) {
		switch {
		case IsNull(inner.Value):
			r.Wrong(inner.At, `%s is a text, or texts by language, as in {en: Orders, de: Aufträge}. One that begins with { belongs in quotes.`, e.Key)
			continue
		case !tag.MatchString(inner.Key):
			r.Wrong(inner.At, "%s is no language tag. Write %s by language, as in {en: Orders, de: Aufträge, pt-BR: Pedidos}.", inner.Key, e.Key)
			continue
		}
		words[inner.Key], _ = r.Scalar(inner)
	}
	return words
}

// List reads a list of texts; a single one is a list of one.
func (r *Reader) List(to *[]string) func(Entry) {
	return func(e Entry) {
		for _, item := range r.Items(e) {
			if text, ok := r.Scalar(item); ok {
				*to = append(*to, text)
			}
		}
	}
}

func (r *Reader) Items(e Entry) []Entry {
	sequence, ok := e.Value.(*ast.SequenceNode)
	if !ok {
		return []Entry{e}
	}
	items := make([]Entry, len(sequence.Values))
	for i, v := range sequence.Values {
		items[i] = Entry{e.Key, e.At, v}
		if v != nil && !IsNull(v) {
			items[i].At = begin(v)
		}
	}
	return items
}

// begin is where a value begins; of a mapping without braces the syntax tree
// says only where its first colon is.
func begin(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	}
	return n.GetToken()
}
