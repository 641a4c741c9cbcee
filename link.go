package offprint

import (
	"bytes"
	"slices"
	"strings"
	"time"
)

// A Link makes the web address of a cell out of its column's definition,
// https://erp.example.com/v/{voucher_id}, and its row. Data fills the places
// in braces and can be nothing else: it never becomes a host, a scheme, a
// further step of the path or a parameter of its own.
type Link struct {
	texts  []string // the definition's, escaped; one more than there are places
	places []int    // columns
	path   int      // where the path begins
}

// LongestLink is the longest address there is: Excel takes none beyond 2,079.
const LongestLink = 2000

// NewLink reads a link for rows of these columns. Its error is a sentence for
// whoever wrote the definition.
func NewLink(text string, columns []Column) (*Link, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	switch {
	case !ok || scheme != "https" && scheme != "http":
		return nil, Errorf(BadQuery, "A link begins with https://, as in https://erp.example.com/v/{voucher_id}.")
	case host == "" || strings.ContainsAny(host, `{}\ `):
		return nil, Errorf(BadQuery, "A link names its host itself, as in https://erp.example.com/v/{voucher_id}: data may stand behind it only.")
	}
	l := &Link{path: len(appendSafe(nil, scheme+"://"+host))}
	if len(host) == len(rest) {
		text += "/"
	}
	for left := text; ; {
		before, after, found := strings.Cut(left, "{")
		l.texts = append(l.texts, string(appendSafe(nil, before)))
		if !found {
			return l, nil
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed {
			return nil, Errorf(BadQuery, "A link closes each { with }, as in https://erp.example.com/v/{voucher_id}.")
		}
		at := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
		if at < 0 {
			return nil, Errorf(BadQuery, "The link %s names {%s}, and the query has no such column.", text, name)
		}
		l.places, left = append(l.places, at), behind
	}
}

// Append adds the address of a row's cell. It adds nothing where a value is
// null or empty, or would make a step up in the path, or where it would be
// longer than [LongestLink].
func (l *Link) Append(b []byte, row Row, zone *time.Location) []byte {
	start := len(b)
	b = append(b, l.texts[0]...)
	for i, at := range l.places {
		if row[at].IsNull() {
			return b[:start]
		}
		before := len(b)
		if len(row[at].Text()) > LongestLink {
			return b[:start]
		}
		if row[at].Kind() == Text {
			b = appendEscaped(b, row[at].Text())
		} else {
			b = appendEscaped(b, string(row[at].Append(nil, zone)))
		}
		if len(b) == before {
			return b[:start]
		}
		b = append(b, l.texts[i+1]...)
	}
	if len(b)-start > LongestLink || climbs(b[start+l.path:]) {
		return b[:start]
	}
	return b
}

// climbs tells of a step . or .. in a path, which every reader takes for
// another place, however it is escaped.
func climbs(path []byte) bool {
	if i := bytes.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	for len(path) > 0 {
		step := path[1:]
		if i := bytes.IndexByte(step, '/'); i >= 0 {
			step = step[:i]
		}
		if string(step) == "." || string(step) == ".." {
			return true
		}
		path = path[1+len(step):]
	}
	return false
}

const hexDigits = "0123456789ABCDEF"

// appendEscaped leaves only what RFC 3986 calls unreserved.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '_' || c == '.' || c == '~' {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// appendSafe leaves what a definition may say, but for what no address holds.
func appendSafe(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b = append(b, c)
			continue
		}
		b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}
