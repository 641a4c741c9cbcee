package source

import (
	"math"
	"regexp"
)

// A dialect is what the scanner has to know of a database's SQL so that it
// takes no part of a string, a comment or a name for a parameter.
type dialect struct {
	name          string
	escapeStrings bool           // E'it\'s'
	dollarStrings bool           // $$it's$$, $tag$it's$tag$
	nested        bool           // comments: /* /* */ */
	brackets      bool           // [a name]
	backticks     bool           // `a name`
	arrays        bool           // ARRAY[1], = ANY(:list)
	newlines      string         // bytes of which one ends a comment that begins with --
	own           *regexp.Regexp // the database's own parameters
	ownBegins     string         // bytes that one of them begins with
	placeholder   string         // before a parameter's number
	mostValues    int            // that a statement may have
	request       bool           // no SQL at all: GET /path?name=:parameter
	signed        bool           // with every request goes who asks, in words that the source can trust
}

var (
	postgresSQL = dialect{
		name: "PostgreSQL", escapeStrings: true, dollarStrings: true, nested: true, arrays: true,
		newlines: "\n\r", placeholder: "$", mostValues: 65535,
		ownBegins: "$", own: regexp.MustCompile(`^\$[0-9]\w*`),
	}
	sqliteSQL = dialect{
		name: "SQLite", brackets: true, backticks: true,
		newlines: "\n", placeholder: "?", mostValues: 32766,
		ownBegins: "?$@#:", own: regexp.MustCompile(`^(?:\?\w*|[$@#:][$\w\x{80}-\x{10FFFF}]+)`),
	}
	httpRequest = dialect{name: "HTTP", request: true, mostValues: math.MaxInt}
)
