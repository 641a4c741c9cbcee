package source

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
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
	backslashes   bool           // 'it\'s', "it\"s"
	hashes        bool           // comments: # to the end of the line
	blankDashes   bool           // -- is a comment only before a blank
	runsComments  bool           // what stands in /*! */ is run
	arrays        bool           // ARRAY[1], = ANY(:list)
	asUser        bool           // settings and a role for a transaction
	newlines      string         // bytes of which one ends a comment of one line
	own           *regexp.Regexp // the database's own parameters
	ownBegins     string         // bytes that one of them begins with
	positional    bool           // parameters have no numbers: one that stands twice is two
	placeholder   func(number int, a arg) string
	mostValues    int  // that a statement may have
	loose         bool // a column declared as text may well hold numbers or times
	request       bool // no SQL at all: GET /path?name=:parameter
	signed        bool // with every request goes who asks, in words that the source can trust; what it makes of that is its own
}

var (
	postgresSQL = dialect{
		name: "PostgreSQL", escapeStrings: true, dollarStrings: true, nested: true, arrays: true, asUser: true,
		newlines: "\n\r", placeholder: numbered("$"), mostValues: 65535,
		ownBegins: "$", own: regexp.MustCompile(`^\$[0-9]\w*`),
	}
	sqliteSQL = dialect{
		name: "SQLite", brackets: true, backticks: true, loose: true,
		newlines: "\n", placeholder: sqlitePlaceholder, mostValues: 32766,
		ownBegins: "?$@#:", own: regexp.MustCompile(`^(?:\?\w*|[$@#:][$\w\x{80}-\x{10FFFF}]+)`),
	}
	mysqlSQL = dialect{
		name: "MySQL", backticks: true, backslashes: true, hashes: true, blankDashes: true, runsComments: true,
		newlines: "\n\x00", positional: true, placeholder: mysqlPlaceholder, mostValues: 65535,
		ownBegins: "?", own: regexp.MustCompile(`^\?`),
	}
	httpRequest = dialect{name: "HTTP", request: true, placeholder: numbered(""), mostValues: math.MaxInt}
)

func numbered(sign string) func(int, arg) string {
	return func(number int, _ arg) string { return sign + strconv.Itoa(number) }
}

// sqlitePlaceholder gives a decimal an affinity. SQLite else compares it with
// a column of TEXT, where exact decimals are, by its letters: 9 above 100.
func sqlitePlaceholder(number int, a arg) string {
	if a.kinds == offprint.DecimalParam {
		return asNumeric("?" + strconv.Itoa(number))
	}
	return "?" + strconv.Itoa(number)
}

func asNumeric(value string) string { return "CAST(" + value + " AS NUMERIC)" }

// comments tells whether text begins with a comment of one line.
func (d dialect) comments(text string) bool {
	switch {
	case d.hashes && strings.HasPrefix(text, "#"):
		return true
	case !strings.HasPrefix(text, "--"):
		return false
	}
	return !d.blankDashes || len(text) == 2 || text[2] <= ' ' || text[2] == 0x7F
}
