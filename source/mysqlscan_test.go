package source

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

func TestWhatIsAParameterToMySQLAndWhatIsNot(t *testing.T) {
	tests := []struct{ name, sql, want string }{
		{"a name", "x = :a", "x = «:a»"},
		{"an assignment", "@x := :a, @y:=:b, @@x", "@x := «:a», @y:=«:b», @@x"},
		{"a backslash in a string", `'\':a', :b`, `'\':a', «:b»`},
		{"a backslash in a string of double quotes", `"\":a", :b`, `"\":a", «:b»`},
		{"two backslashes", `'\\', :b`, `'\\', «:b»`},
		{"a backslash in a name", "`\\`, :b", "`\\`, «:b»"},
		{"doubled quotes", "''':a', \"\"\":a\", ```:a`, :b", "''':a', \"\"\":a\", ```:a`, «:b»"},
		{"a string that begins with a word", `_utf8'\':a', N'\':a', x'00', :b`, `_utf8'\':a', N'\':a', x'00', «:b»`},
		{"an E is no sign of anything", `E'\':a', :b`, `E'\':a', «:b»`},
		{"dollars are letters", "$$ :a $$, a$b", "$$ «:a» $$, a$b"},
		{"a hash begins a comment", "1 # :a '\n, :b", "1 # :a '\n, «:b»"},
		{"two dashes and a blank", "1 -- :a '\n, :b", "1 -- :a '\n, «:b»"},
		{"two dashes and a line's end", "1 --\n, :b --", "1 --\n, «:b» --"},
		{"two dashes before anything else are a sum", "1--:b", "1--«:b»"},
		{"a lone return ends no comment", "1 -- :a\r:a\n:b", "1 -- :a\r:a\n«:b»"},
		{"a null byte ends a comment", "1 -- :a\x00:b", "1 -- :a\x00«:b»"},
		{"comments do not nest", "1 /* /* :a */ :b", "1 /* /* :a */ «:b»"},
		{"a hint", "SELECT /*+ MAX_EXECUTION_TIME(1) */ :b", "SELECT /*+ MAX_EXECUTION_TIME(1) */ «:b»"},
		{"a comment that is run", "1 /*!50000 :a */", "1:3: MySQL runs what stands in this comment"},
		{"a comment that MariaDB runs", "1 /*M! :a */", "1:3: MySQL runs what stands in this comment"},
		{"its own parameters", "x = ?", "1:5: ? has no name here"},
		{"a path in JSON", `x->'$.a' = :a AND x->>"$[0]" = :b`, `x->'$.a' = «:a» AND x->>"$[0]" = «:b»`},
		{"a list alone in IN", "x IN (:l) OR y in ( :l # all\n )", "x IN («:l») OR y in ( «:l» # all\n )"},
		{"a list elsewhere", "x = :l", "1:5: :l is a list"},
		{"a block", "x [[ AND y = ']]' || :a # ]]\n ]] z", "x [[ AND y = ']]' || «:a» # ]]\n ]] z"},
		{"a string without an end", `x '\'`, "1:3: This ' never closes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := scanned(tt.sql, mysqlSQL)
			got := marked(q)
			if q.problems != nil {
				got = strings.TrimPrefix(q.problems[0].String(), "x.sql:")
			}
			if got != tt.want && (q.problems == nil || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// MySQL has no numbers for parameters: what stands twice is sent twice, and a
// list counts wherever it stands.
func TestWhereParametersHaveNoNumbersEachPlaceHasItsOwn(t *testing.T) {
	q := scanned("SELECT :a, :b, :a WHERE x IN (:l) OR y IN (:l)", mysqlSQL)
	params := offprint.Params{"a": "x", "b": int64(7), "l": []any{"p", "q"}}
	st, err := q.bind(offprint.Request{Params: params})
	if err != nil {
		t.Fatal(err)
	}
	var values []any
	for _, a := range st.args {
		values = append(values, a.value)
	}
	if want := "SELECT ?, ?, ? WHERE x IN (?, ?) OR y IN (?, ?)"; st.text != want || fmt.Sprint(values) != "[x 7 x p q p q]" {
		t.Errorf("%s with %v", st.text, values)
	}
	long := make([]any, 40000)
	for i := range long {
		long[i] = "v"
	}
	params["l"] = long
	_, err = q.bind(offprint.Request{Params: params})
	var told *offprint.Error
	if !errors.As(err, &told) || fmt.Sprint(told.Fields) != "[{#/parameters/l At most 32766 values.}]" {
		t.Errorf("got %v", err)
	}
}

func TestAShapeIsKnownBeforeMySQLIsAsked(t *testing.T) {
	for _, tt := range []struct {
		sql  string
		want shape // of which end is counted from behind
	}{
		{"SELECT a FROM b -- c", shape{true, true, true, 0}},
		{"/* a */ select a from b; -- c", shape{true, true, true, 6}},
		{"(SELECT 1) UNION (SELECT 2);", shape{true, true, false, 1}},
		{"WITH x AS (SELECT 1) SELECT * FROM x ; ;", shape{true, true, false, 3}},
		{"SELECT ';' AS a", shape{true, true, true, 0}},
		{"SELECT count(*) FROM a", shape{true, true, false, 0}},
		{"CALL p(?)", shape{true, false, false, 0}},
		{"SHOW TABLES", shape{true, false, false, 0}},
		{"SELECT 1 INTO OUTFILE 'x'", shape{false, true, true, 0}},
		{"COMMIT", shape{}},
		{"SET STATEMENT sql_mode = '' FOR SELECT 1", shape{}},
		{"DELETE FROM a", shape{}},
		{"", shape{}},
	} {
		got := shapeOf(tt.sql)
		got.end = len(tt.sql) - got.end
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.sql, got, tt.want)
		}
	}
}
