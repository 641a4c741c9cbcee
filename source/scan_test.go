package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

var scanParams = []offprint.Parameter{
	{Name: "a", Type: offprint.TextParam, Optional: true},
	{Name: "b", Type: offprint.IntParam, Optional: true},
	{Name: "p", Type: offprint.PeriodParam},
	{Name: "l", Type: offprint.TextParam, Many: true},
}

func scanned(text string, d dialect) *query {
	q := &query{file: "x.sql", text: text, end: len(text), dialect: d}
	q.scan(scanParams)
	return q
}

func TestWhatIsAParameterAndWhatIsNot(t *testing.T) {
	tests := []struct {
		name, sql        string
		postgres, sqlite string // with parameters in «», or the problem
	}{
		{"a name", "x = :a", "x = «:a»", "x = «:a»"},
		{"at the beginning and the end", ":a+:b", "«:a»+«:b»", "«:a»+«:b»"},
		{"fields of a period", ":p.start, :p.end_at.x", "«:p.start», «:p.end_at».x", "«:p.start», «:p.end_at».x"},
		{"the asker", ":user.shoe_size", "«:user.shoe_size»", "«:user.shoe_size»"},
		{"casts and times", "now()::date, x :: text, '12:30', 1:2, x:a, \"x\":a, a[1:2]", "now()::date, x :: text, '12:30', 1:2, x:a, \"x\":a, a[1:2]", "1:35: SQLite would take :2 for a parameter"},
		{"a colon after a word", "CASE WHEN x THEN:b END", "CASE WHEN x THEN:b END", "1:17: SQLite would take :b for a parameter"},
		{"a colon after a quote", "'x':a", "'x':a", "1:4: SQLite would take :a for a parameter"},
		{"a colon before a digit", "x = :1", "x = :1", "1:5: SQLite would take :1 for a parameter"},
		{"a colon before a letter of another language", "x = :漢", "x = :漢", "1:5: SQLite would take :漢 for a parameter"},
		{"colons that SQLite takes for one name", "x = :::b", "x = :::b", "1:7: SQLite would take :b for a parameter"},
		{"colons alone", "x : y", "x : y", "x : y"},
		{"a dollar before a name", "$x + $$ + x$y", "1:6: This $$ never closes", "1:1: $x has no name here"},
		{"dollars alone", "x = @$", "x = @$", "1:5: @$ has no name here"},
		{"a hash", "x # y #> z #q", "x # y #> z #q", "1:12: #q has no name here"},
		{"numbered question marks", "x = ?1", "x = ?1", "1:5: ?1 has no name here"},
		{"a cast of a parameter", ":a::text", "«:a»::text", "«:a»::text"},
		{"strings", "':a' || ''':a' || \":a\"", "':a' || ''':a' || \":a\"", "':a' || ''':a' || \":a\""},
		{"comments", "1 -- :a ' \n, :b /* :a ' */", "1 -- :a ' \n, «:b» /* :a ' */", "1 -- :a ' \n, «:b» /* :a ' */"},
		{"a comment in a comment", "1 /* /* */ :a */ + :b", "1 /* /* */ :a */ + «:b»", "1 /* /* */ «:a» */ + «:b»"},
		{"E strings", `E'\':a' || :b || e'\\'`, `E'\':a' || «:b» || e'\\'`, `1:5: SQLite would take :a for a parameter`},
		{"E strings that go on", "E'a' \n '\\':a' || :b", "E'a' \n '\\':a' || «:b»", "2:5: SQLite would take :a for a parameter"},
		{"E strings that go on past comments", "E'a' -- '\r\n-- '\n'\\':a'\n'\\':a' || :b", "E'a' -- '\r\n-- '\n'\\':a'\n'\\':a' || «:b»", "-"},
		{"an E string that ends on its line", `E'a' '\' || :b`, `E'a' '\' || «:b»`, `E'a' '\' || «:b»`},
		{"a string that is no E string goes on", "'a'\n'\\' || :b", "'a'\n'\\' || «:b»", "'a'\n'\\' || «:b»"},
		{"a comment that a lone return ends", "1 -- :a '\r, :b", "1 -- :a '\r, «:b»", "1 -- :a '\r, :b"},
		{"dollar quotes with letters of other languages", "$日é$ :a ' $日é$ || :b", "$日é$ :a ' $日é$ || «:b»", "1:1: $日é$ has no name here"},
		{"dollar quotes", "$$ :a ' $$ || $x$ $$ :a $x$ || :b", "$$ :a ' $$ || $x$ $$ :a $x$ || «:b»", "1:1: $$ has no name here"},
		{"a dollar in a name", "a$1 + :b", "a$1 + «:b»", "a$1 + «:b»"},
		{"backticks", "`:a` + :b", "`:a` + «:b»", "`:a` + «:b»"},
		{"names in brackets", "[x :a] + :b", "[x «:a»] + «:b»", "[x :a] + «:b»"},
		{"the database's own numbers", "x = $1", "1:5: $1 has no name here", "1:5: $1 has no name here"},
		{"question marks", "x ? 'a'", "x ? 'a'", "1:3: ? has no name here"},
		{"at signs", "x @> @y", "x @> @y", "1:6: @y has no name here"},
		{"a block", "x [[ AND y = :a ]] z", "x [[ AND y = «:a» ]] z", "x [[ AND y = «:a» ]] z"},
		{"a block with arrays", "x [[ AND y = ANY(ARRAY[[1],[2]]) AND z[i[1]] = :a ]]", "x [[ AND y = ANY(ARRAY[[1],[2]]) AND z[i[1]] = «:a» ]]", "-"},
		{"a block with brackets in strings", "x [[ AND y = ']]' || :a -- ]]\n ]]", "x [[ AND y = ']]' || «:a» -- ]]\n ]]", "x [[ AND y = ']]' || «:a» -- ]]\n ]]"},
		{"arrays of arrays", "ARRAY [[1,2],[3,4]], x[y[1]], '{}'::int[][]", "ARRAY [[1,2],[3,4]], x[y[1]], '{}'::int[][]", "-"},
		{"an array after a comma", "ARRAY[[[1]], /* ( */ [[2]]]", "ARRAY[[[1]], /* ( */ [[2]]]", "-"},
		{"an escaped bracket", `x \[[1]] + :b`, "x [[1]] + «:b»", "-"},
		{"a block without a parameter", "x [[ AND y = 1 ]]", "1:3: This [[ ]] holds no parameter", "1:3: This [[ ]] holds no parameter"},
		{"a block of the asker alone", "x [[ AND y = :user.tenant ]]", "1:3: This [[ ]] holds no parameter", "1:3: This [[ ]] holds no parameter"},
		{"a block in a block", "x [[ :a [[ :b ]] ]]", "1:9: A [[ ]] cannot stand within another", "1:9: A [[ ]] cannot stand within another"},
		{"a block that stays open", "x\n  [[ :a", "2:3: This [[ never closes", "2:3: This [[ never closes"},
		{"an end without a beginning", "x ]] y", "1:3: This ]] closes nothing", "1:3: This ]] closes nothing"},
		{"a string without an end", "ü 'x", "1:3: This ' never closes", "1:3: This ' never closes"},
		{"a comment without an end", "x /* y", "1:3: This comment never ends", "1:3: This comment never ends"},
		{"an unknown name", "x = :A", "1:5: The header has no parameter A. Did you mean a?", "1:5: The header has no parameter A"},
		{"a list alone in IN", "x IN (:l) OR y in ( :l /* all */ )", "x IN («:l») OR y in ( «:l» /* all */ )", "1:21: :l is a list"},
		{"a list in ANY", "x = ANY(:l)", "x = ANY(«:l»)", "1:9: :l is a list"},
		{"letters of other languages", "größe = :a AND 漢:b", "größe = «:a» AND 漢:b", "1:17: SQLite would take :b for a parameter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range []struct {
				dialect dialect
				want    string
			}{{postgresSQL, tt.postgres}, {sqliteSQL, tt.sqlite}} {
				if c.want == "-" {
					continue
				}
				q := scanned(tt.sql, c.dialect)
				got := marked(q)
				if q.problems != nil {
					got = strings.TrimPrefix(q.problems[0].String(), "x.sql:")
				}
				if got != c.want && (q.problems == nil || !strings.HasPrefix(got, c.want)) {
					t.Errorf("%s: got  %s\nwant %s", c.dialect.name, got, c.want)
				}
			}
		})
	}
}

func marked(q *query) string {
	var b strings.Builder
	for _, p := range q.pieces {
		if p.kind == paramPiece {
			b.WriteString("«" + p.text + "»")
			continue
		}
		b.WriteString(p.text)
	}
	return b.String()
}

func TestABlockFallsAwayWhenAParameterInItIsLeftOut(t *testing.T) {
	q := scanned("SELECT 1 [[ WHERE a = :a AND t = :user.tenant ]] [[ AND b = :b + :a ]]", postgresSQL)
	for _, tt := range []struct{ given, want string }{
		{"", "SELECT 1    "},
		{"a", "SELECT 1   WHERE a = $1 AND t = $2    "},
		{"b", "SELECT 1    "},
		{"a b", "SELECT 1   WHERE a = $1 AND t = $2     AND b = $3 + $1  "},
	} {
		st := q.bindTypes(func(name string) bool { return strings.Contains(tt.given, name) })
		if strings.Join(strings.Fields(st.text), " ") != strings.Join(strings.Fields(tt.want), " ") {
			t.Errorf("given %q: %q, want %q", tt.given, st.text, tt.want)
		}
	}
}

// What the scanner would miss, SQLite counts.
func TestWhatSQLiteWouldTakeForNullIsNotAsked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(Config{Name: "shop", URL: "sqlite:" + file})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s, err := db.engine.begin(t.Context(), opening{held: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.end(true)
	for sql, args := range map[string][]arg{"SELECT :a": nil, "SELECT ?1, @a": {{}}, "SELECT 1": {{}}} {
		if _, err := s.query(&statement{text: sql, args: args}, nil); err == nil || db.engine.fault(err, sql).code != "" {
			t.Errorf("%s with %d values: %v", sql, len(args), err)
		}
	}
}

// What is no parameter and no bracket of ours reaches the database as it was
// written, and a problem points into the text.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		"SELECT :a [[ WHERE x = :b ]] -- '", `E'\'' $$ :a $x$ [[`, "GET /a/:a?x=:b[[&l=:l]]\n&y=%20", "POST /a\n\n{\"x\": :a [[, \"y\": :b]], \"z\": \\[[1] ]}", "[x] ]] `y` /* /* */", `\[[1]] ARRAY[[1]]`, ":p.start::date", "ü:a'", "$1 ? @x", "IN (:l)", "\\", "[[[[\\\\[[", "\\[\\[[",
		`'\':a' # :b`, "1--:a -- :b\n/*! :a */ `\\` \"\\\"\"", `\\[[`,
	} {
		f.Add(seed)
	}
	bare := func(text string) string { return strings.ReplaceAll(text, `\`, "") }
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []dialect{postgresSQL, mysqlSQL, sqliteSQL, httpRequest} {
			q := scanned(text, d)
			var all strings.Builder
			for _, p := range q.pieces {
				if text[p.at:] == "" || !strings.HasPrefix(text[p.at:], p.text) {
					t.Fatalf("%s: %q does not stand at %d of %q", d.name, p.text, p.at, text)
				}
				all.WriteString(p.text)
			}
			got := all.String() // less the \ of \[[, in a string not even that
			if bare(got) != bare(text) || len(text)-len(got) > strings.Count(text, `\[[`) {
				t.Fatalf("%s: %q became %q", d.name, text, got)
			}
			for _, p := range q.problems {
				if p.Line < 1 || p.Column < 1 || p.Line > strings.Count(text, "\n")+1 {
					t.Fatalf("%s: %q: a problem at %d:%d", d.name, text, p.Line, p.Column)
				}
			}
		}
	})
}
