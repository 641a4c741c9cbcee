package source_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/offprint/offprint/source"
)

func TestRowsThatNothingSortsAreAWarning(t *testing.T) {
	tests := []struct {
		name, sql string
		warned    bool
	}{
		{"sorted", "SELECT a FROM t ORDER BY a", false},
		{"not sorted", "SELECT a FROM t", true},
		{"sorted in small letters, over lines", "select a from t order\n  by a limit 3;", false},
		{"sorted only in a comment", "SELECT a FROM t -- ORDER BY a", true},
		{"sorted only in a string", "SELECT a FROM t WHERE b = 'ORDER BY a'", true},
		{"sorted only within", "SELECT a FROM (SELECT a FROM t ORDER BY a) AS s", true},
		{"sorted only in a window", "SELECT row_number() OVER (ORDER BY a) AS n FROM t", true},
		{"sorted in what may fall away", "SELECT a FROM t [[ ORDER BY a, :p ]]", false},
		{"a name that is quoted", `SELECT a AS "order" FROM t`, true},
		{"one row of a count", "SELECT count(*) AS n FROM t", false},
		{"one row of sums in other functions", "SELECT coalesce(round(sum(a), 2), 0) AS n, 1 AS one FROM t WHERE b", false},
		{"one row by FILTER", "SELECT count(*) FILTER (WHERE b) AS n FROM t", false},
		{"a sum within another query", "SELECT a, (SELECT sum(b) FROM s WHERE s.a = t.a) AS n FROM t", true},
		{"a sum over a window", "SELECT sum(a) FILTER (WHERE b) OVER (PARTITION BY b) AS n FROM t", true},
		{"a sum for each group", "SELECT b, sum(a) AS n FROM t GROUP BY b", true},
		{"SQLite's lesser of two", "SELECT min(a, b) AS n FROM t", true},
		{"the least of all", "SELECT min(coalesce(a, b)) AS n FROM t", false},
		{"a row of no table", "SELECT 1 AS one", false},
		{"a row of no table, with the time", "SELECT 1 IS DISTINCT FROM 2 AS one", false},
		{"two rows of no table", "SELECT 1 AS n UNION ALL SELECT 2", true},
		{"two rows of no table, sorted", "SELECT 1 AS n UNION ALL SELECT 2 ORDER BY n", false},
		{"rows as they are written", "VALUES (1), (2)", false},
		{"a WITH", "WITH s AS (SELECT a FROM t ORDER BY a) SELECT a FROM s", true},
		{"a WITH, sorted", "WITH s (a) AS (SELECT a FROM t) SELECT a FROM s ORDER BY a", false},
		{"in brackets", "(SELECT a FROM t ORDER BY a)", false},
		{"in brackets, not sorted", "((SELECT a FROM t));", true},
		{"halves in brackets", "(SELECT a FROM t ORDER BY a) UNION (SELECT b FROM t ORDER BY b)", true},
		{"one row, but any", "SELECT a FROM t LIMIT 1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := "/*---\n---*/\n"
			if strings.Contains(tt.sql, ":p") {
				header = "/*---\nparameters: {p: {type: int, optional: true}}\n---*/\n"
			}
			f, problems := source.OpenFS("x", fstest.MapFS{"a.sql": {Data: []byte(header + tt.sql)}}, map[string]*source.Database{"shop": shop(t)})
			if problems != nil {
				t.Fatal(problems)
			}
			got := f.Check(t.Context(), true)
			if warned := len(got) == 1 && got[0].Warning && strings.Contains(got[0].Text, "Nothing sorts the rows"); warned != tt.warned || len(got) > 1 {
				t.Errorf("got %v, want a warning: %v", got, tt.warned)
			}
		})
	}
}

func TestAGroupWhoseRowsMayFallApartIsAWarning(t *testing.T) {
	tests := []struct {
		name, group, sql string
		warned           bool
	}{
		{"sorted by it", "[a]", "SELECT a, b FROM t ORDER BY a, b", false},
		{"sorted by more, in its order", "[a, b]", "SELECT b, a, c FROM t ORDER BY a DESC, b NULLS LAST, c LIMIT 3", false},
		{"sorted the other way round", "[a, b]", "SELECT a, b FROM t ORDER BY b, a", true},
		{"sorted by less", "[a, b]", "SELECT a, b FROM t ORDER BY a", true},
		{"sorted by its place", "[b]", "SELECT a, b FROM t ORDER BY 2", false},
		{"sorted by another place", "[b]", "SELECT a, b FROM t ORDER BY 1", true},
		{"sorted by its expression", "[m]", "SELECT substr(d, 1, 7) AS m, a FROM t ORDER BY substr(d,  1, 7), a", false},
		{"sorted by what it is made of", "[m]", "SELECT substr(d, 1, 7) AS m FROM t ORDER BY d", false},
		{"sorted by a column of another name", "[region]", "SELECT r.name AS region FROM t r ORDER BY r.name", false},
		{"sorted by a name of a table", "[a]", "SELECT * FROM t ORDER BY t.a, b", false},
		{"sorted by another name of a table", "[a]", "SELECT * FROM t ORDER BY t.b", true},
		{"in another case", "[a]", `SELECT A AS "a" FROM t ORDER BY "a"`, false},
		{"of several queries", "[a]", "SELECT a FROM t UNION SELECT b FROM t ORDER BY a", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "/*---\ngroup: " + tt.group + "\n---*/\n" + tt.sql
			f, problems := source.OpenFS("x", fstest.MapFS{"a.sql": {Data: []byte(text)}}, map[string]*source.Database{"shop": shop(t)})
			if problems != nil {
				t.Fatal(problems)
			}
			got := f.Check(t.Context(), true)
			if warned := len(got) == 1 && got[0].Warning && strings.Contains(got[0].Text, "a group may fall apart"); warned != tt.warned || len(got) > 1 {
				t.Errorf("got %v, want a warning: %v", got, tt.warned)
			}
		})
	}
}
