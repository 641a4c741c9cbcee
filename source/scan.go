package source

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// userName is the name that stands for the asker, as in :user.tenant.
const userName = "user"

// A query is the SQL of one part, cut into pieces.
type query struct {
	file       string
	text       string // of the whole file, so that places in it are true; of options what YAML made of it
	begin, end int    // of the query in it
	traced     *trace // of options: where that stands in the file
	body       int    // where the JSON begins that a request sends; 0: there is none
	dialect    dialect
	pieces     []piece
	problems   Problems
}

// A piece is a stretch of a query: SQL as it stands, a parameter, or one of
// the brackets [[ ]].
type piece struct {
	kind  pieceKind
	at    int    // where it begins in the file
	text  string // as it is sent; of a parameter as it is written
	name  string // of a parameter
	field string // start, end, start_at, end_at; of :user the claim
	kinds offprint.ParamType
	many  bool
	use   use
	key   string // of a list in a request: the name that each value is given
}

type pieceKind int

const (
	sqlPiece pieceKind = iota
	paramPiece
	openPiece
	closePiece
)

// A use is where a parameter stands, when that changes how it is bound.
type use int

const (
	plainUse use = iota
	inUse        // alone in IN ( ): a list expands
	nullUse      // before IS NULL: nothing there tells its type
	pathUse      // in the path of a request
	queryUse     // in what a request asks below its ?
	bodyUse      // in the JSON that a request sends
)

// scan cuts the query into pieces and notes what is wrong with it.
func (q *query) scan(params []offprint.Parameter) {
	if q.dialect.request {
		q.scanRequest(params)
		return
	}
	s := &scanner{query: q, params: params, at: q.begin, from: q.begin, open: -1}
	for s.at < q.end {
		s.step()
	}
	s.flush(q.end)
	if s.open >= 0 {
		s.wrong(s.open, "This [[ never closes. Close it with ]].")
	}
	switch {
	case s.last != "" || q.problems != nil:
	case q.traced != nil:
		s.wrong(q.begin, "There is no query here.")
	default:
		s.wrong(q.begin, "There is no query below the header.")
	}
}

// A scanner reads a query from left to right.
type scanner struct {
	*query
	params []offprint.Parameter
	at     int    // what is read next
	from   int    // where the present stretch of SQL begins
	last   string // the token before: a word in upper case, or one character
	before string // the token before that
	depth  int    // of [ ]
	open   int    // where the present [[ is; -1: none
	inside int    // declared parameters in it

	noting bool // tokens is kept
	tokens []token
}

// A token is one word or sign of a query and where it stands.
type token struct {
	text    string // a word in upper case, else one character for all of its sort
	at, end int
}

func (s *scanner) wrong(at int, format string, args ...any) {
	s.problems = append(s.problems, s.problem(at, fmt.Sprintf(format, args...)))
}

// rest is what is still to be read.
func (s *scanner) rest() string { return s.text[s.at:s.end] }

func (s *scanner) starts(with string) bool { return strings.HasPrefix(s.rest(), with) }

// token notes what was read, for whoever asks what stood before.
func (s *scanner) token(t string, length int) {
	s.before, s.last = s.last, t
	if s.noting {
		s.tokens = append(s.tokens, token{t, s.at, s.at + length})
	}
	s.at += length
}

func (s *scanner) step() {
	c := s.text[s.at]
	switch {
	case space(c):
		s.at++
	case s.dialect.comments(s.rest()):
		s.at += s.dialect.lineEnd(s.rest())
	case s.starts("/*"):
		s.comment()
	case c == '\'', c == '"':
		s.quoted(c, s.dialect.backslashes)
	case c == '`' && s.dialect.backticks:
		s.quoted(c, false)
	case s.dialect.dollarStrings && c == '$' && s.dollar():
	case s.starts("::"):
		s.token("::", 2)
	case c == ':' && s.param():
	case strings.IndexByte(s.dialect.ownBegins, c) >= 0 && s.own():
	case c == '[', c == ']', s.starts(`\[[`):
		s.bracket()
	case letter(c):
		s.word()
	case digit(c):
		s.token("0", span(s.rest(), func(c byte) bool { return letter(c) || digit(c) || c == '.' }))
	default:
		s.token(string(rune(c)), 1)
	}
}

func space(c byte) bool  { return c == ' ' || c >= '\t' && c <= '\r' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }

// span is how many bytes at the beginning of text are in the class.
func span(text string, class func(byte) bool) int {
	for i := range len(text) {
		if !class(text[i]) {
			return i
		}
	}
	return len(text)
}

func (d dialect) lineEnd(text string) int {
	if i := strings.IndexAny(text, d.newlines); i >= 0 {
		return i + 1
	}
	return len(text)
}

func (s *scanner) comment() {
	begin, depth := s.at, 0
	if s.dialect.runsComments && (s.starts("/*!") || s.starts("/*M!")) {
		s.wrong(s.at, "%s runs what stands in this comment. Write it without /*! and */.", s.dialect.name)
	}
	for s.at < s.end {
		switch {
		case s.starts("/*") && (depth == 0 || s.dialect.nested):
			depth++
			s.at += 2
		case s.starts("*/"):
			depth--
			s.at += 2
		default:
			s.at++
		}
		if depth == 0 {
			return
		}
	}
	s.wrong(begin, "This comment never ends. Close it with */.")
}

// quoted reads a string or a quoted name; the quote within it is doubled.
func (s *scanner) quoted(quote byte, escapes bool) {
	begin := s.at
	for s.at++; s.at < s.end; s.at++ {
		switch c := s.text[s.at]; {
		case escapes && c == '\\':
			s.at++
		case c == quote && s.at+1 < s.end && s.text[s.at+1] == quote:
			s.at++
		case c == quote:
			s.token(string(quote), 1)
			return
		}
	}
	s.at = s.end
	s.wrong(begin, "This %c never closes.", quote)
}

var dollarTag = regexp.MustCompile(`^\$([A-Za-z_\x{80}-\x{10FFFF}][\w\x{80}-\x{10FFFF}]*)?\$`)

// dollar reads PostgreSQL's $$ $$ and $tag$ $tag$.
func (s *scanner) dollar() bool {
	tag := dollarTag.FindString(s.rest())
	if tag == "" {
		return false
	}
	end := strings.Index(s.rest()[len(tag):], tag)
	if end < 0 {
		s.wrong(s.at, "This %s never closes.", tag)
		s.at = s.end
		return true
	}
	s.token("'", len(tag)+end+len(tag))
	return true
}

// own is the database's own way to write parameters, which nobody would bind;
// false for an operator that begins with the same character.
func (s *scanner) own() bool {
	found := s.dialect.own.FindString(s.rest())
	switch {
	case found == "":
		return false
	case found[0] == ':':
		s.wrong(s.at, "%s would take %s for a parameter of its own, which is always null. Declare one in the header and write :name, with a blank before it.", s.dialect.name, found)
	default:
		s.wrong(s.at, "%s has no name here. Declare a parameter in the header and write :name.", found)
	}
	s.token("?", len(found))
	return true
}

func (s *scanner) word() {
	length := span(s.rest(), func(c byte) bool { return letter(c) || digit(c) || c == '$' })
	word := strings.ToUpper(s.rest()[:length])
	s.token(word, length)
	if s.dialect.escapeStrings && word == "E" && s.starts("'") {
		s.escaped()
	}
}

// goesOn is what may stand between the pieces of one string: a line's end at
// the least.
var goesOn = regexp.MustCompile(`^(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\f\v\n\r]|--[^\n\r]*[\n\r])*'`)

// escaped reads 'it\'s' after E, and its further pieces, in which \ means the same.
func (s *scanner) escaped() {
	s.quoted('\'', true)
	for {
		between := goesOn.FindString(s.rest())
		if between == "" {
			return
		}
		s.at += len(between) - 1
		s.quoted('\'', true)
	}
}

// bracket reads [[ ]], and the brackets of arrays and names.
func (s *scanner) bracket() {
	plain := s.last == "ARRAY" || s.last == "[" || s.last == ","
	switch {
	case s.text[s.at] == '\\':
		s.flush(s.at)
		s.at++
		s.from = s.at
		s.plainBracket()
	case s.starts("[[") && !plain:
		s.openBlock()
	case s.starts("]]") && s.depth == 0:
		s.closeBlock()
	case s.text[s.at] == '[':
		s.plainBracket()
	default:
		s.depth = max(0, s.depth-1)
		s.token("]", 1)
	}
}

// plainBracket reads what the database means by [.
func (s *scanner) plainBracket() {
	if !s.dialect.brackets {
		if s.starts("[[") {
			s.depth++
			s.token("[", 1)
		}
		s.depth++
		s.token("[", 1)
		return
	}
	length := strings.IndexByte(s.rest(), ']')
	if length < 0 {
		s.wrong(s.at, "This [ never closes.")
		s.at = s.end
		return
	}
	s.token("]", length+1)
}

func (s *scanner) openBlock() {
	if s.open >= 0 {
		s.wrong(s.at, `A [[ ]] cannot stand within another. Where the SQL itself has [[, write \[[.`)
	}
	s.flush(s.at)
	s.add(piece{kind: openPiece, text: "[["})
	s.open, s.inside = s.at, 0
	s.skip(2)
}

func (s *scanner) closeBlock() {
	switch {
	case s.open < 0:
		s.wrong(s.at, "This ]] closes nothing. Between brackets of the SQL itself write a blank, as in ] ].")
		s.token("]", 2)
		return
	case s.inside == 0:
		s.wrong(s.open, `This [[ ]] holds no parameter of the header, so that nothing could make it fall away. Where the SQL itself has [[, write \[[.`)
	}
	s.flush(s.at)
	s.add(piece{kind: closePiece, text: "]]"})
	s.open = -1
	s.skip(2)
}

// skip reads what is no part of the SQL.
func (s *scanner) skip(length int) {
	s.at += length
	s.from = s.at
}

// flush ends the present stretch of SQL.
func (s *scanner) flush(end int) {
	if end > s.from {
		s.pieces = append(s.pieces, piece{kind: sqlPiece, at: s.from, text: s.text[s.from:end]})
	}
	s.from = end
}

func (s *scanner) add(p piece) {
	p.at = s.at
	s.pieces = append(s.pieces, p)
}

var (
	named      = regexp.MustCompile(`^:([A-Za-z_][A-Za-z0-9_]*)(?:\.([A-Za-z_][A-Za-z0-9_]*))?`)
	beforeNull = regexp.MustCompile(`^\s+(?i:is\s+(?:not\s+)?null)\b`)
)

// param reads :name; false for a colon that means something else, as in a[1:2]
// and x:y.
func (s *scanner) param() bool {
	if s.at > s.begin {
		c := s.text[s.at-1]
		if letter(c) || digit(c) || strings.IndexByte(")]'\"`:", c) >= 0 {
			return false
		}
	}
	found := named.FindStringSubmatch(s.rest())
	if found == nil {
		return false
	}
	p := piece{kind: paramPiece, text: found[0], name: found[1], field: found[2]}
	s.resolve(&p)
	p.use = s.use(p)
	if p.many && p.use != inUse && !s.dialect.arrays {
		s.wrong(s.at, "%s is a list. A list stands alone in the brackets of IN, as in IN (:%s).", p.text, p.name)
	}
	s.flush(s.at)
	s.add(p)
	s.token(":", len(p.text))
	s.from = s.at
	return true
}

var periodFields = []string{"start", "end", "start_at", "end_at"}

// resolve finds what a name means.
func (s *scanner) resolve(p *piece) {
	if p.name == userName {
		p.kinds = offprint.TextParam
		if p.field == "" {
			s.wrong(s.at, "Say what of the asker is meant, as in :user.id, :user.tenant or :user.email.")
		}
		return
	}
	s.inside++
	i := slices.IndexFunc(s.params, func(d offprint.Parameter) bool { return d.Name == p.name })
	if i < 0 {
		names := []string{}
		for _, d := range s.params {
			names = append(names, d.Name)
		}
		s.wrong(s.at, "The header has no parameter %s.%s", p.name, yaml.DidYouMean(p.name, names))
		return
	}
	p.kinds, p.many = s.params[i].Type, s.params[i].Many
	switch {
	case p.kinds != offprint.PeriodParam && p.field != "":
		s.wrong(s.at, "%s is no period, so it has no .%s.", p.name, p.field)
	case p.kinds == offprint.PeriodParam && !slices.Contains(periodFields, p.field):
		s.wrong(s.at, "%s is a period. Write :%s.start and :%s.end (the day after the last), or :%s.start_at and :%s.end_at.", p.name, p.name, p.name, p.name, p.name)
	case p.field == "start", p.field == "end":
		p.kinds = offprint.DateParam
	case p.field != "":
		p.kinds = offprint.DatetimeParam
	}
}

func (s *scanner) use(p piece) use {
	after := s.rest()[len(p.text):]
	operator := len(s.last) == 1 && strings.Contains("+-*/|<>=!~%^&#@.", s.last)
	switch {
	case s.last == "(" && s.before == "IN" && strings.HasPrefix(skipBlank(after, s.dialect), ")"):
		return inUse
	case !operator && beforeNull.MatchString(after):
		return nullUse
	}
	return plainUse
}

func skipBlank(text string, d dialect) string {
	for {
		text = strings.TrimLeft(text, " \t\n\v\f\r")
		if !d.comments(text) {
			return text
		}
		text = text[d.lineEnd(text):]
	}
}
