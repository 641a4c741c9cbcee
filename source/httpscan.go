package source

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// A requestScanner reads what is asked of an HTTP service, from left to right:
//
//	GET /aging?as_of=:as_of
//	[[ &region=:region ]]
//
// There are neither strings nor comments in an address. White space is for the
// eye where a line or a bracket ends; anywhere else it is a mistake. After POST
// and an address comes an empty line, and then JSON.
type requestScanner struct {
	*scanner
	method  string // once it was read
	inBody  bool   // past the empty line
	asked   bool   // past the ?
	segment int    // where the present segment of the path begins
	key     int    // where the present name=value begins
	odd     bool   // a character was complained of
}

func (q *query) scanRequest(params []offprint.Parameter) {
	s := &requestScanner{scanner: &scanner{query: q, params: params, at: q.begin, from: q.begin, open: -1}}
	for s.at < s.end {
		s.step()
	}
	s.endSegment()
	s.flush(q.end)
	if s.open >= 0 {
		s.wrong(s.open, "This [[ never closes. Close it with ]].")
	}
	if s.last == "" && q.problems == nil {
		s.wrong(q.begin, "There is no request below the header. Write GET /path?name=:parameter.")
	}
}

func (s *requestScanner) step() {
	c := s.text[s.at]
	switch {
	case s.inBody && c == '"':
		s.quotedJSON()
	case s.inBody && s.starts(`\[[`):
		s.flush(s.at)
		s.skip(1)
		s.token("[", 2)
	case space(c):
		s.blank()
	case s.method == "":
		s.begins()
	case s.starts("[["):
		s.openBlock()
	case s.starts("]]"):
		s.closeBlock()
	case c == ':' && s.param():
	case s.inBody:
		s.token(string(rune(c)), 1)
	default:
		s.character(c)
	}
}

// begins reads the method and looks at where the path begins.
func (s *requestScanner) begins() {
	s.method = s.rest()[:span(s.rest(), func(c byte) bool { return !space(c) })]
	if s.method != "GET" && s.method != "POST" {
		s.wrong(s.at, "A request begins with GET, as in GET /aging?as_of=:as_of, or with POST.")
		s.asked = true // whatever else is wrong with it follows from this
		s.token("GET", len(s.method))
		return
	}
	s.token(s.method, len(s.method))
	path := strings.TrimLeft(s.rest(), " \t\n\v\f\r")
	s.at = s.end - len(path)
	s.segment = s.at
	switch {
	case !strings.HasPrefix(path, "/"):
		s.wrong(s.at, "What is asked for begins with /, as in GET /aging. It is added to the URL of the source in the configuration, which nothing here can change.")
	case strings.HasPrefix(path, "//"):
		s.wrong(s.at, "A path that begins with // could be taken for another host. Write one /.")
	}
}

// blank reads white space, which is dropped from an address.
func (s *requestScanner) blank() {
	begin := s.at
	s.at += span(s.rest(), space)
	between := s.text[begin:s.at]
	if s.method == "POST" && !s.inBody && emptyLine.MatchString(between) && s.at < s.end {
		s.beginBody(begin)
		return
	}
	if s.method == "" || s.inBody || s.at == s.end || strings.Contains(between, "\n") {
		return
	}
	if s.starts("[[") || s.starts("]]") || strings.HasSuffix(s.text[s.begin:begin], "[[") || strings.HasSuffix(s.text[s.begin:begin], "]]") {
		return
	}
	s.wrong(begin, "A blank cannot stand in an address. Write %%20 where one is meant, or go on in a new line.")
}

// emptyLine parts an address from the JSON below it.
var emptyLine = regexp.MustCompile(`\n[ \t]*\n\s*`)

func (s *requestScanner) beginBody(at int) {
	if s.open >= 0 {
		s.wrong(s.open, "This [[ does not close before the empty line. What is asked for and what is sent fall away on their own.")
	}
	s.at, at = at, s.at
	s.endSegment()
	s.flush(at)
	s.at, s.query.body, s.inBody, s.asked = at, at, true, true
}

// quotedJSON reads a string of the body, in which nothing is a parameter.
func (s *requestScanner) quotedJSON() {
	begin := s.at
	s.quoted('"', true)
	inside := s.text[begin+1 : max(begin+1, s.at-1)]
	if found := named.FindStringSubmatch(inside); found != nil && found[0] == inside && slices.ContainsFunc(s.params, func(d offprint.Parameter) bool { return d.Name == found[1] }) {
		s.wrong(begin, "In quotes %s is the text itself. Without them it is the parameter, which brings quotes of its own.", inside)
	}
}

// oddBytes have no place in an address as they are, nor has what is beyond ASCII.
const oddBytes = "\"<>\\^`{|}\x7f"

func (s *requestScanner) character(c byte) {
	switch {
	case c == '#':
		s.wrong(s.at, "What follows # never leaves a browser. Write %%23 where the character is meant.")
	case c == '?' && !s.asked:
		s.endSegment()
		if s.open >= 0 {
			s.wrong(s.at, "The ? cannot fall away with what stands in [[ ]]. Write it before the [[.")
		}
		s.asked, s.key = true, s.at+1
	case c == '/' && !s.asked:
		s.endSegment()
		s.segment = s.at + 1
	case c == '&':
		s.key = s.at + 1
	case c == '%' && !hexPair(s.rest()[1:]):
		s.wrong(s.at, "After %% come two hexadecimal digits. Write %%25 where the character is meant.")
	case c < ' ', c >= utf8.RuneSelf, strings.IndexByte(oddBytes, c) >= 0:
		if !s.odd {
			s.wrong(s.at, "This character cannot stand in an address as it is. Write it as %% and two hexadecimal digits for each of its bytes, as in %%C3%%BC for ü.")
		}
		s.odd = true
	}
	_, length := utf8.DecodeRuneInString(s.rest())
	s.token(s.rest()[:length], length)
}

func hexPair(text string) bool {
	hex := func(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
	return len(text) >= 2 && hex(text[0]) && hex(text[1])
}

// endSegment looks at a segment of the path as it is written; bind looks at
// what it became.
func (s *requestScanner) endSegment() {
	if s.method != "" && !s.asked && climbs(bare(s.text[s.segment:s.at])) {
		s.wrong(s.segment, "A path cannot hold . or .. between its slashes: it stays below the URL of the source.")
	}
}

// bare is a stretch of a request without what is there for the eye and for us.
func bare(text string) string {
	return strings.NewReplacer("[[", "", "]]", "", " ", "", "\t", "", "\n", "", "\v", "", "\f", "", "\r", "").Replace(text)
}

// climbs tells whether a server could take a part of the path for the folder
// above, however often it decodes, and wherever it sees slashes.
func climbs(path string) bool {
	for range 3 {
		for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if part, _, _ = strings.Cut(part, ";"); part == "." || part == ".." {
				return true
			}
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			return false
		}
		path = decoded
	}
	return false
}

// param reads :name; false for a colon that means something else, as in
// /items/7:export.
func (s *requestScanner) param() bool {
	if c := s.text[s.at-1]; letter(c) || digit(c) || c == ':' && !s.inBody || c == '"' && s.inBody {
		return false
	}
	found := named.FindStringSubmatch(s.rest())
	if found == nil {
		return false
	}
	p := piece{kind: paramPiece, text: found[0], name: found[1], field: found[2], use: pathUse}
	at := slices.IndexFunc(s.params, func(d offprint.Parameter) bool { return d.Name == p.name })
	if at >= 0 && s.params[at].Type != offprint.PeriodParam && p.field != "" { // :id.json
		p.text, p.field = ":"+p.name, ""
	}
	s.resolve(&p)
	switch {
	case s.inBody:
		p.use = bodyUse
	case s.asked:
		p.use = queryUse
	}
	if at >= 0 && !s.inBody {
		s.place(&p, s.params[at])
	}
	s.flush(s.at)
	s.add(p)
	s.token(":", len(p.text))
	s.from = s.at
	return true
}

// place holds that what a parameter becomes makes sense where it stands.
func (s *requestScanner) place(p *piece, d offprint.Parameter) {
	if p.use == pathUse && s.open < 0 && d.Optional && d.Default == "" {
		s.wrong(s.at, "%s may be left out, and a path cannot go without it. Put what then falls away into [[ ]].", p.name)
	}
	if !p.many {
		return
	}
	name, value, _ := strings.Cut(s.text[min(s.key, s.at):s.at], "=")
	p.key = bare(name)
	after := s.rest()[len(p.text):]
	alone := value == "" && (after == "" || space(after[0]) || after[0] == '&' || strings.HasPrefix(after, "]]") || strings.HasPrefix(after, "[["))
	if p.use == pathUse || s.key == 0 || p.key == "" || strings.Contains(p.key, ":") || !alone {
		s.wrong(s.at, "%s is a list. A list stands alone after a name, which is repeated for each value, as in ?%s=:%s.", p.text, p.name, p.name)
	}
}
