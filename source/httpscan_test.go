package source

import (
	"errors"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

var requestParams = []offprint.Parameter{
	{Name: "a", Type: offprint.TextParam, Optional: true},
	{Name: "id", Type: offprint.IntParam},
	{Name: "p", Type: offprint.PeriodParam},
	{Name: "l", Type: offprint.TextParam, Many: true},
}

func TestWhatARequestMayBe(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a path", "GET /aging", "GET /aging"},
		{"parameters in the path and the query", "GET /orders/:id/lines?from=:p.start&a=:a,:id", "GET /orders/«:id»/lines?from=«:p.start»&a=«:a»,«:id»"},
		{"an extension", "GET /orders/:id.json", "GET /orders/«:id».json"},
		{"a verb of its own", "GET /items/:id:export?a=x:a", "GET /items/«:id»:export?a=x:a"},
		{"ports and times", "GET /a?url=http://host:80/x&at=12:30", "GET /a?url=http://host:80/x&at=12:30"},
		{"the asker", "GET /t/:user.tenant?who=:user.id", "GET /t/«:user.tenant»?who=«:user.id»"},
		{"a block", "GET /a?x=1[[&a=:a]]", "GET /a?x=1[[&a=«:a»]]"},
		{"a block of the path", "GET /a[[/:a]]?x=1", "GET /a[[/«:a»]]?x=1"},
		{"a list", "GET /a?r=:l&s[]=:l[[&t=:l&a=:a]]", "GET /a?r=«:l»&s[]=«:l»[[&t=«:l»&a=«:a»]]"},
		{"a list in a line of its own", "GET /a?\n  r=:l\n  &id=:id", "GET /a?\n  r=«:l»\n  &id=«:id»"},
		{"several lines", "\nGET /a\n  ?x=:id\n  [[ &a=:a ]]\n", "\nGET /a\n  ?x=«:id»\n  [[ &a=«:a» ]]\n"},
		{"quotes, which mean nothing", "GET /a?x=':a'&y=--:id", "GET /a?x='«:a»'&y=--«:id»"},
		{"escapes", "GET /a%20b?x=%3A", "GET /a%20b?x=%3A"},
		{"JSON below an address", "POST /a/:id\n  ?x=:a\n\n{\"a b\": :a, \"l\"::l, \"x\":true, \"\\\":a\": [1, [2] ] [[ , \"p\": :p.start ]]}", "POST /a/«:id»\n  ?x=«:a»\n\n{\"a b\": «:a», \"l\":«:l», \"x\":true, \"\\\":a\": [1, [2] ] [[ , \"p\": «:p.start» ]]}"},
		{"lists of lists", "POST /a\n\n{\"a\": \\[[1], [2] ], \"b\": [ [1] ], \"e\": \"\"}", "POST /a\n\n{\"a\": [[1], [2] ], \"b\": [ [1] ], \"e\": \"\"}"},
		{"an address alone", "POST /a\n\n", "POST /a\n\n"},
		{"an empty line after GET", "GET /a\n\n?x=:id", "GET /a\n\n?x=«:id»"},
		{"a parameter in quotes", "POST /a\n\n{\"a\": \":a\"}", "3:7: In quotes :a is the text itself."},
		{"a string without an end", "POST /a\n\n{\"a: 1}", "3:2: This \" never closes."},
		{"a block across the empty line", "POST /a[[/:a\n\n{} ]]", "1:8: This [[ does not close before the empty line."},
		{"the folder above, and JSON", "POST /a/..\n\n{}", "1:9: A path cannot hold . or .."},
		{"nothing", "\n ", "1:1: There is no request below the header. Write GET /path?name=:parameter."},
		{"SQL", "SELECT 1 -- /x", "1:1: A request begins with GET, as in GET /aging?as_of=:as_of, or with POST."},
		{"another method", "DELETE /a", "1:1: A request begins with GET"},
		{"a method alone", "GET", "1:4: What is asked for begins with /"},
		{"an address of somebody else", "GET https://evil.example/a", "1:5: What is asked for begins with /"},
		{"a parameter first", "GET :a", "1:5: What is asked for begins with /"},
		{"a host", "GET //evil.example/a", "1:5: A path that begins with // could be taken for another host."},
		{"the folder above", "GET /a/../b", "1:8: A path cannot hold . or .. between its slashes"},
		{"the folder above, last", "GET /a/..", "1:8: A path cannot hold . or .."},
		{"the folder above, before a ?", "GET /..?x", "1:6: A path cannot hold . or .."},
		{"the folder above, escaped", "GET /a/%2e%2E/b", "1:8: A path cannot hold . or .."},
		{"the folder above, escaped twice", "GET /a/%252e./b", "1:8: A path cannot hold . or .."},
		{"the folder above, with a parameter of Tomcat", "GET /a/..;x/b", "1:8: A path cannot hold . or .."},
		{"the folder above, by escaped slashes", "GET /a/x%2F..%5Cb", "1:8: A path cannot hold . or .."},
		{"dots in a query", "GET /a?x=/../", "GET /a?x=/../"},
		{"dots in a name", "GET /a..b/.c", "GET /a..b/.c"},
		{"a fragment", "GET /a#b", "1:7: What follows # never leaves a browser."},
		{"a blank", "GET /a?x=a b", "1:11: A blank cannot stand in an address."},
		{"the version of HTTP", "GET /a HTTP/1.1", "1:7: A blank cannot stand in an address."},
		{"letters of other languages", "GET /größe/größe", "1:8: This character cannot stand in an address as it is."},
		{"a backslash", `GET /a\b`, "1:7: This character cannot stand in an address as it is."},
		{"half an escape", "GET /a%2", "1:7: After % come two hexadecimal digits."},
		{"a list in the path", "GET /a/:l", "1:8: :l is a list. A list stands alone after a name"},
		{"a list beside something", "GET /a?x=1,:l", "1:12: :l is a list."},
		{"a list before something", "GET /a?x=:l,1", "1:10: :l is a list."},
		{"a list without a name", "GET /a?:l", "1:8: :l is a list."},
		{"a path with a gap", "GET /a/:a/b", "1:8: a may be left out, and a path cannot go without it."},
		{"a ? that falls away", "GET /a[[?a=:a]]", "1:9: The ? cannot fall away with what stands in [[ ]]."},
		{"a block that stays open", "GET /a[[?a=:a", "1:7: This [[ never closes."},
		{"a block without a parameter", "GET /a?[[x=1]]", "1:8: This [[ ]] holds no parameter"},
		{"an unknown name", "GET /a?x=:b", "1:10: The header has no parameter b."},
		{"a period without an end", "GET /a?x=:p", "1:10: p is a period."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &query{file: "x.sql", text: tt.text, end: len(tt.text), dialect: httpRequest}
			q.scan(requestParams)
			got := marked(q)
			if q.problems != nil {
				got = strings.TrimPrefix(q.problems.InOrder()[0].String(), "x.sql:")
			}
			if got != tt.want && (q.problems == nil || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWhatIsAskedStaysBelowTheURL(t *testing.T) {
	day := offprint.Day{Year: 2026, Month: 1, Day: 31}
	tests := []struct {
		name, text string
		params     offprint.Params
		want       string // or the code
	}{
		{"all given", "GET /o/:id\n ?p=:p.start [[ &a=:a ]]", offprint.Params{"id": int64(7), "p": offprint.Period{From: day, To: day}, "a": "ä b&c=d"}, "/o/7?p=2026-01-31&a=%C3%A4%20b%26c%3Dd"},
		{"left out", "GET /o?[[a=:a]][[&x=1&b=:a]]&id=:id&", offprint.Params{"id": int64(7)}, "/o?id=7"},
		{"nothing is left", "GET /o?[[a=:a]]", nil, "/o"},
		{"a list", "GET /o?l=:l&x[]=:l", offprint.Params{"l": []any{"a", "b,c", "d&l=e"}}, "/o?l=a&l=b%2Cc&l=d%26l%3De&x[]=a&x[]=b%2Cc&x[]=d%26l%3De"},
		{"a list without values", "GET /o?l=:l", offprint.Params{"l": []any{}}, "bad_parameter"},
		{"slashes", "GET /o/[[:a]]", offprint.Params{"a": "a/b?c#d"}, "/o/a%2Fb%3Fc%23d"},
		{"the folder above", "GET /o/[[:a]]", offprint.Params{"a": ".."}, "bad_parameter"},
		{"far above", "GET /o/[[:a]]", offprint.Params{"a": "x/../../y"}, "bad_parameter"},
		{"above for Windows", "GET /o/[[:a]]", offprint.Params{"a": `..\x`}, "bad_parameter"},
		{"above, escaped", "GET /o/[[:a]]", offprint.Params{"a": "%2e%2e"}, "bad_parameter"},
		{"nothing where something must be", "GET /o/[[:a]]", offprint.Params{"a": ""}, "bad_parameter"},
		{"nothing in a query", "GET /o?a=:a", offprint.Params{"a": ""}, "/o?a="},
		{"dots in a query", "GET /o?a=:a", offprint.Params{"a": "../x"}, "/o?a=..%2Fx"},
		{"what falls away makes a folder above", "GET /o/.[[-:a]].", nil, "bad_query"},
		{"what falls away makes a host", "GET /[[-:a]]/evil.example", nil, "bad_query"},
		{"JSON", "POST /o\n\n{\"a\": :a, \"id\": :id, \"l\": :l, \"p\": :p.start}", offprint.Params{"id": int64(7), "l": []any{"x", "y\n\n\""}, "p": offprint.Period{From: day, To: day}}, `/o{"a": null, "id": 7, "l": ["x","y\n\n\""], "p": "2026-01-31"}`},
		{"JSON out of which something falls", "POST /o\n\n{\"id\": :id [[, \"a\": :a]]}", offprint.Params{"id": int64(7)}, `/o{"id": 7   }`},
		{"a line that falls away above JSON", "POST /o?\n [[ a=:a ]]\n [[ &b=:id ]]\n\n{}", offprint.Params{"id": int64(7)}, "/o?b=7{}"},
		{"JSON that is a parameter", "POST /o\n\n[[ :a ]]", offprint.Params{"a": "x"}, `/o"x"`},
		{"JSON that falls away", "POST /o\n\n[[ :a ]]", nil, `/o`},
		{"JSON that is none", "POST /o\n\n{\"id\": :id, [[\"a\": :a]]}", offprint.Params{"id": int64(7)}, "bad_query"},
		{"JSON with a list of nothing", "POST /o\n\n:l", offprint.Params{"l": []any{}}, "/o[]"},
		{"JSON with text that would be more", "POST /o\n\n{\"a\": :a}", offprint.Params{"a": "\", \"b\": \"</x>"}, `/o{"a": "\", \"b\": \"\u003c/x\u003e"}`},
		{"the asker's claim climbs", "GET /t/:user.tenant", nil, "permission_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &query{file: "x.sql", text: tt.text, end: len(tt.text), dialect: httpRequest}
			q.scan(requestParams)
			got := ""
			st, err := q.bind(offprint.Request{Params: tt.params, Who: offprint.Identity{User: "u", Tenant: "../x"}})
			if err == nil {
				var c call
				c, err = st.call()
				got = c.target + c.body
			}
			var told *serviceError
			if errors.As(err, &told) {
				got = string(told.code)
			} else if err != nil {
				got = string(offprint.CodeOf(err))
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
