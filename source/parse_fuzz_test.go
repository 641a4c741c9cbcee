package source_test

import (
	"strings"
	"testing"

	"github.com/offprint/offprint/source"
)

// Whatever stands in a file, it is a report or a list of problems, each at a
// place that the file has.
func FuzzParse(f *testing.F) {
	f.Add("/*---\ntitle: Orders\nsource: shop\nparameters:\n  period: {type: period, default: last_30_days}\ncolumns: {a: {title: A, as: money, total: sum}}\n---*/\nSELECT 1 AS a, :period.start")
	f.Add("/*---\ntitle: 007 # not a comment\nformats: [xlsx, {]\n---*/\nSELECT 1\n/*---\npart: aging\n---*/\nSELECT 2")
	f.Add("/*---\n? [a]\n: &x *x\n<<: {a: !!b |-\n  c}\n---*/ SELECT [[ :a ]]")
	f.Add("/*---\r\ntitle: {de: x, en: }\r\nallow: {roles: ~}\r\n---*/\r\nSELECT $$:a$$, E'\\':a', \":b\"")
	f.Add("/*----\r\x19--\r\x19---*/-*//*")
	f.Add("/*---\nparameters:\n  a: {type: int, many: true, default: [1, 2], options: {query: \"SELECT \\\"x\\\\u00e9\\\",\\n :b [[ :c\", tenants: shared}}\n  b:\n    type: date\n    min: -30d\n    options:\n      query: |2-\n          SELECT 'ü' -- x\n\n        WHERE :a\n  c: {type: text, options: {query: >\n SELECT :b}}\ngroup: [a, 'b']\n---*/\nSELECT :a, :b, :c")
	f.Add("/*---\nas_user: {set: {app.tenant: \":user.tenant\", a.b: x}, role: ':user.db_role'}\n---*/\nSELECT 1\n/*---\npart: more\ngroup: a\nas_user: {}\n---*/\nSELECT 2")
	f.Add("SELECT 1")
	f.Fuzz(func(t *testing.T, text string) {
		db, err := source.Open(source.Config{Name: "shop", URL: "sqlite:nowhere.db"})
		if err != nil {
			t.Fatal(err)
		}
		definition, problems := source.Parse("orders.sql", text, map[string]*source.Database{"shop": db})
		if (definition == nil) != (len(problems) > 0) {
			t.Errorf("%q is %v and has the problems %v", text, definition, problems)
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.File != "orders.sql" || p.Line < 0 || p.Line > lines+1 || p.Text == "" {
				t.Errorf("%q: a problem in line %d of %d: %+v", text, p.Line, lines, p)
			}
		}
	})
}
