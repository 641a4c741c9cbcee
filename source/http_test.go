package source_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// service is a source that handler answers, on this machine.
func service(t *testing.T, handler http.HandlerFunc, more ...func(*source.Config)) *source.Database {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := source.Config{Name: "erp", URL: server.URL + "/api", AllowPrivate: true}
	for _, change := range more {
		change(&c)
	}
	return open(t, c)
}

// says answers a body of a type.
func says(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, body)
	}
}

const (
	ndjson = "application/x-ndjson"
	array  = "application/json"
	csvs   = "text/csv; charset=utf-8"
)

func TestRowsOfAServiceBecomeATable(t *testing.T) {
	tests := []struct{ name, kind, body, columns, want string }{
		{"NDJSON", ndjson, `{"id":1,"name":"a"}` + "\n" + `{"id":2,"name":"b"}` + "\n", "", "id|name\n1|a\n2|b\n"},
		{"without the last line feed", ndjson, `{"id":1}` + "\r\n\r\n" + `{"id":2}`, "", "id\n1\n2\n"},
		{"by name, in any order", ndjson, `{"a":1,"b":2}` + "\n" + `{"b":3,"a":4}` + "\n" + `{}` + "\n" + ` { "b" : 5 } `, "", "a|b\n1|2\n4|3\n∅|∅\n∅|5\n"},
		{"in the order of the header", ndjson, `{"a":1,"b":2,"c":3}` + "\n" + `{"d":4}`, "{d: {title: D}, b: {title: B}}", "D|B|a|c\n∅|2|1|3\n4|∅|∅|∅\n"},
		{"an array", array, ` [ {"a":1} , {"a":{"x":["}"]}}, {"a":"]}\"{"} ] `, "", "a\n1\n{\"x\":[\"}\"]}\n]}\"{\n"},
		{"an array of nothing", array, "[]", "{a: {title: A}}", "A\n"},
		{"no rows", ndjson, "", "{a: {title: A}, b: {as: money}}", "A|b\n"},
		{"no rows and no columns", ndjson, "\n", "", "\n"},
		{"CSV", csvs, "id,name\r\n1,a\r\n2,\"b \"\"c\"\", d\ne\"\r\n3,\n4,\"\"\n", "", "id|name\n1|a\n2|b \"c\", d\ne\n3|∅\n4|\n"},
		{"CSV without the last line feed", csvs, "id,name\n1,a\n\n2,b", "", "id|name\n1|a\n2|b\n"},
		{"CSV of one column", csvs, "id\n1\n\n3\n", "", "id\n1\n∅\n3\n"},
		{"CSV in the order of the header", csvs, "a,b,c\n1,2,3\n", "{c: {as: number}, b: {title: B}}", "c|B|a\n3|2|1\n"},
		{"CSV without rows", csvs, "a,b\n", "", "a|b\n"},
		{"CSV without anything", csvs, "", "{a: {title: A}}", "A\n"},
		{"a byte-order mark", csvs, "\xEF\xBB\xBFid\n1\n", "", "id\n1\n"},
		{"a byte-order mark before JSON", array, "\xEF\xBB\xBF[{\"id\":1}]", "", "id\n1\n"},
		{"a mark alone", csvs, "\xEF\xBB\xBF", "", "\n"},
		{"text that is no UTF-8", ndjson, "{\"a\":\"\xC3\"}", "", "a\n\uFFFD\n"},
		{"names that are no UTF-8", ndjson, "{\"\xC3\":1}", "", "\uFFFD\n1\n"},
		{"escapes", ndjson, `{"\u0061":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00\ud800\u0041\udc00x\uD83D"}`, "", "a\n\"\\/\b\f\n\r\tä😀\uFFFDA\uFFFDx\uFFFD\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := "tenants: shared\n"
			if tt.columns != "" {
				header += "columns: " + tt.columns + "\n"
			}
			r := report(t, service(t, says(tt.kind, tt.body)), "/*---\n"+header+"---*/\nGET /x")
			if got, err := read(t, r, ask(t, r, "")); err != nil || got != tt.want {
				t.Errorf("%v, got\n%q\nwant\n%q", err, got, tt.want)
			}
		})
	}
}

func TestAnswersThatAreNoTableAreRefused(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name, kind, body string
		code             offprint.Code
		want             string
	}{
		{"a page to sign in", "text/html; charset=utf-8", "<html>Sign in</html>", offprint.BadQuery, `It is "text/html" where NDJSON`},
		{"another encoding", "text/csv; charset=iso-8859-1", "a\n\xE4\n", offprint.BadQuery, `It is in "iso-8859-1"; answer in UTF-8.`},
		{"CSV without names", "text/csv; header=absent", "1,2\n", offprint.BadQuery, "It is CSV without the row that names the columns."},
		{"an envelope", array, `{"items":[]}`, offprint.BadQuery, "It is JSON, and no array of objects."},
		{"numbers", array, `[1]`, offprint.BadQuery, "Row 1 is no JSON object."},
		{"words", ndjson, "ok\n", offprint.BadQuery, "Row 1 is no JSON object."},
		{"a row that ends on its line", ndjson, "{\"a\":1}\n{\"a\":\n{\"a\":3}\n", offprint.BadQuery, "Row 2 is no JSON object."},
		{"two rows on a line", ndjson, `{"a":1} {"a":2}`, offprint.BadQuery, "Row 1 is no JSON object."},
		{"a comma too much", array, `[{"a":1,}]`, offprint.BadQuery, "Row 1 is no JSON object."},
		{"a comma before the end", array, `[{"a":1},]`, offprint.BadQuery, "Row 2 is no JSON object."},
		{"a comma at the beginning", array, `[,{"a":1}]`, offprint.BadQuery, "Row 1 is no JSON object."},
		{"no comma", array, `[{"a":1}{"a":2}]`, offprint.BadQuery, "After row 1 there is neither a comma nor the end"},
		{"something after the end", array, `[{"a":1}]{`, offprint.BadQuery, "There is something after the end of the array."},
		{"a number like no other", ndjson, `{"a":01}` + "\n", offprint.BadQuery, "Row 1 is no JSON object."},
		{"a line feed in a text", array, "[{\"a\":\"\n\"}]", offprint.BadQuery, "Row 1 is no JSON object."},
		{"nested nonsense", ndjson, `{"a":[}]}` + "\n", offprint.BadQuery, "Row 1 is no JSON object."},
		{"a column that comes late", ndjson, "{\"a\":1}\n{\"a\":2,\"b\":3}\n", offprint.BadQuery, `Row 2 has a column "b", which the first row had not. Name it under columns:`},
		{"a column twice", ndjson, `{"a":1,"a":2}` + "\n", offprint.BadQuery, `Row 1 has the column "a" twice.`},
		{"a column twice, later", ndjson, "{\"a\":1,\"b\":1}\n" + `{"b":1,"\u0062":2}` + "\n", offprint.BadQuery, `Row 2 has the column "b" twice.`},
		{"a row too long", ndjson, `{"a":1}` + "\n" + `{"a":"` + long + `"}` + "\n", offprint.BadQuery, "Row 2 is longer than 1 MiB."},
		{"a row too long in an array", array, `[{"a":"` + long + `"}]`, offprint.BadQuery, "Row 1 is longer than 1 MiB."},
		{"a row too long in CSV", csvs, "a\n\"" + long + "\"", offprint.BadQuery, "Row 1 is longer than 1 MiB."},
		{"a field too much", csvs, "a,b\n1,2\n1,2,3\n", offprint.BadQuery, "Row 2 has 3 fields where the first line names 2 columns."},
		{"a name twice", csvs, "a,a\n", offprint.BadQuery, `The first line names the column "a" twice.`},
		{"a quote in a field", csvs, "a\n5\" wide\n6\" wide\n", offprint.BadQuery, "Row 1 is no CSV"},
		{"something after the quotes", csvs, "a,b\n\"1\"x,2\n", offprint.BadQuery, "Row 1 is no CSV"},
		{"quotes that never close", csvs, "a\n\"1\n", offprint.SourceUnavailable, "unexpected EOF"},
		{"an object cut short", ndjson, "{\"a\":1}\n{\"a\":", offprint.SourceUnavailable, "unexpected EOF"},
		{"a text cut short", ndjson, "{\"a\":\"x\\u00", offprint.SourceUnavailable, "unexpected EOF"},
		{"a word cut short", ndjson, "{\"a\":tr", offprint.SourceUnavailable, "unexpected EOF"},
		{"a number cut short", ndjson, "{\"a\":1.", offprint.SourceUnavailable, "unexpected EOF"},
		{"a list cut short", ndjson, "{\"a\":[1", offprint.SourceUnavailable, "unexpected EOF"},
		{"an array cut short", array, `[{"a":1},{"a":2}`, offprint.SourceUnavailable, "unexpected EOF"},
		{"an array of nothing cut short", array, `[`, offprint.SourceUnavailable, "unexpected EOF"},
		{"JSON of nothing", array, ``, offprint.SourceUnavailable, "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := report(t, service(t, says(tt.kind, tt.body)), "/*---\ntenants: shared\n---*/\nGET /x")
			_, err := read(t, r, ask(t, r, ""))
			if offprint.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%v, want %s: %s", err, tt.code, tt.want)
			}
		})
	}
}

func TestEveryTypeOfAServiceArrivesAsTheRightKind(t *testing.T) {
	tests := []struct {
		as, values string // JSON, parted by |
		kind       offprint.Kind
		want       string
	}{
		{"", `1|-0|9223372036854775807|-9223372036854775808|9223372036854775808|12345678901234567890123`, offprint.Int, "int 1|int 0|int 9223372036854775807|int -9223372036854775808|decimal 9223372036854775808|decimal 12345678901234567890123"},
		{"", `1.50|-0.05|1e3|1.5E-3|0.1|123456789012345678.123456789`, offprint.Decimal, "decimal 1.50|decimal -0.05|decimal 1000|decimal 0.0015|decimal 0.1|decimal 123456789012345678.123456789"},
		{"", `"x"|""|"ü 漢 😀"|"007"|"\u0007"|1e999999999`, offprint.Text, "text x|text |text ü 漢 😀|text 007|text \a|text 1e999999999"},
		{"", `true|false`, offprint.Bool, "bool true|bool false"},
		{"", `{"a":[1, "x"]}|[]|{}`, offprint.Text, `text {"a":[1, "x"]}|text []|text {}`},
		{"id", `7|"007"|1.50|true|[1]`, offprint.Text, "text 7|text 007|text 1.50|text true|text [1]"},
		{"text", `7|"x"`, offprint.Text, "text 7|text x"},
		{"money", `10|"10.50"|0.1|"n/a"|1e2`, offprint.Decimal, "decimal 10|decimal 10.50|decimal 0.1|text n/a|decimal 100"},
		{"number", `2|"1.50"|2.5|"x"`, offprint.Decimal, "int 2|decimal 1.50|decimal 2.5|text x"},
		{"percent", `0.25|"0.5"`, offprint.Decimal, "decimal 0.25|decimal 0.5"},
		{"date", `"2026-01-31"|"2026-02-30"|"soon"|"2026-01-31T10:00:00Z"|true`, offprint.Date, "date 2026-01-31|text 2026-02-30|text soon|timestamp 2026-01-31T11:00:00+01:00|bool true"},
		{
			"datetime", `"2026-07-01T12:00:00Z"|"2026-07-01T12:00:00.123456+02:00"|"2026-07-01 12:00"|"2026-07-01"|1782907200|1.5|9223372036854775807`, offprint.Timestamp,
			"timestamp 2026-07-01T14:00:00+02:00|timestamp 2026-07-01T12:00:00.123456+02:00|timestamp 2026-07-01T14:00:00+02:00|date 2026-07-01|timestamp 2026-07-01T14:00:00+02:00|decimal 1.5|int 9223372036854775807",
		},
		{"bool", `true|1|0|"TRUE"|"false"|"0"|"maybe"|5`, offprint.Bool, "bool true|bool true|bool false|bool true|bool false|bool false|text maybe|int 5"},
	}
	var tables []kindTable
	var zone *time.Location
	for _, tt := range tests {
		t.Run(tt.as+" "+tt.values, func(t *testing.T) {
			body := ""
			for value := range strings.SplitSeq(tt.values, "|") {
				body += `{"v":` + value + "}\n"
			}
			header := "tenants: shared\n"
			if tt.as != "" {
				header += "columns: {v: {as: " + tt.as + "}}\n"
			}
			r := report(t, service(t, says(ndjson, body+`{"v":null}`)), "/*---\n"+header+"---*/\nGET /x")
			req := ask(t, r, "")
			zone = req.Zone
			became, got := kindsOf(t, r, req)
			became.name = tt.as + " " + tt.values
			tables = append(tables, became)
			if became.column.Kind != tt.kind {
				t.Errorf("the column is %s, want %s", became.column.Kind, tt.kind)
			}
			if got != tt.want+"|null " {
				t.Errorf(" got %s\nwant %s|null ", got, tt.want)
			}
		})
	}
	throughFormats(t, zone, tables)
}

// kindsOf reads a table of one column, and says what each value is.
func kindsOf(t *testing.T, r *offprint.Report, req offprint.Request) (became kindTable, said string) {
	t.Helper()
	doc, err := r.Source.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		became.column = table.Columns[0]
		for row, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, row[0].Kind().String()+" "+string(row[0].Append(nil, req.Zone)))
			became.values = append(became.values, row[0].Clone())
		}
	}
	return became, strings.Join(all, "|")
}

func TestCSVIsTextUntilTheHeaderSaysMore(t *testing.T) {
	body := "id,n,day,at,ok\n007,1.50,2026-01-31,2026-07-01 12:00:00,1\n"
	for _, tt := range []struct{ columns, want string }{
		{"{}", "text 007|text 1.50|text 2026-01-31|text 2026-07-01 12:00:00|text 1"},
		{"{n: {as: money}, day: {as: date}, at: {as: datetime}, ok: {as: bool}, id: {as: number}}", "decimal 1.50|date 2026-01-31|timestamp 2026-07-01T12:00:00+02:00|bool true|decimal 7"},
	} {
		db := service(t, says(csvs, body), func(c *source.Config) { c.TimeZone = "Europe/Berlin" })
		r := report(t, db, "/*---\ntenants: shared\ncolumns: "+tt.columns+"\n---*/\nGET /x")
		req := ask(t, r, "")
		doc, err := r.Source.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for table := range doc.Parts {
			for row := range table.Rows {
				for _, v := range row {
					got = append(got, v.Kind().String()+" "+string(v.Append(nil, req.Zone)))
				}
			}
		}
		if all := strings.Join(got, "|"); all != tt.want {
			t.Errorf(" got %s\nwant %s", all, tt.want)
		}
	}
}

func TestCSVHasAllThatTheHeaderSpeaksOf(t *testing.T) {
	r := report(t, service(t, says(csvs, "a,b\n1,2\n")), "/*---\ntenants: shared\ncolumns: {c: {title: C}}\n---*/\nGET /x")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.BadQuery || !strings.Contains(err.Error(), `The first line does not name the column "c"`) {
		t.Error(err)
	}
}

func TestAPackedAnswerIsUnpacked(t *testing.T) {
	rows := strings.Repeat(`{"a":"x"}`+"\n", 10000)
	packers := map[string]func(io.Writer) io.WriteCloser{
		"gzip": func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	}
	for name, packer := range packers {
		for _, whole := range []bool{true, false} {
			t.Run(fmt.Sprint(name, whole), func(t *testing.T) {
				db := service(t, func(w http.ResponseWriter, r *http.Request) {
					if !strings.Contains(r.Header.Get("Accept-Encoding"), name) {
						t.Errorf("it was not asked for: %v", r.Header)
					}
					var packed strings.Builder
					z := packer(&packed)
					io.WriteString(z, rows)
					z.Close()
					w.Header().Set("Content-Type", ndjson)
					w.Header().Set("Content-Encoding", name)
					end := packed.Len()
					if !whole {
						end -= 3
					}
					io.WriteString(w, packed.String()[:end])
				})
				r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
				got, err := read(t, r, ask(t, r, ""))
				switch {
				case whole && (err != nil || strings.Count(got, "x\n") != 10000):
					t.Errorf("%v, %d bytes", err, len(got))
				case !whole && offprint.CodeOf(err) != offprint.SourceUnavailable:
					t.Errorf("cut short: %v", err)
				}
			})
		}
	}
	db := service(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		says(ndjson, "x")(w, nil)
	})
	r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.BadQuery || !strings.Contains(err.Error(), `packed with "br"`) {
		t.Error(err)
	}
}

func TestWhatAStatusMeans(t *testing.T) {
	tests := []struct {
		status int
		code   offprint.Code
		asked  int
	}{
		{400, offprint.BadQuery, 1},
		{401, offprint.PermissionDenied, 1},
		{403, offprint.PermissionDenied, 1},
		{404, offprint.BadQuery, 1},
		{408, offprint.SourceUnavailable, 3},
		{422, offprint.BadQuery, 1},
		{429, offprint.SourceUnavailable, 3},
		{500, offprint.SourceUnavailable, 1},
		{502, offprint.SourceUnavailable, 3},
		{503, offprint.SourceUnavailable, 3},
		{504, offprint.SourceUnavailable, 3},
		{202, offprint.BadQuery, 1},
		{206, offprint.BadQuery, 1},
		{302, offprint.BadQuery, 1},
		{307, offprint.BadQuery, 1},
		{204, "", 1},
	}
	for _, tt := range tests {
		t.Run(strconv.Itoa(tt.status), func(t *testing.T) {
			t.Parallel()
			var asked []string
			db := service(t, func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.String())
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				if tt.status != 204 {
					io.WriteString(w, "secrets of ours")
				}
			})
			r := report(t, db, "/*---\ntenants: shared\nparameters: {a: {type: text}}\n---*/\nGET /x?a=:a")
			_, err := read(t, r, ask(t, r, `a="private"`))
			if offprint.CodeOf(err) != tt.code || len(asked) != tt.asked || asked[0] != "/api/x?a=private" {
				t.Fatalf("%v, asked %v", err, asked)
			}
			var told *offprint.Error
			if errors.As(err, &told) && (strings.Contains(told.Title+told.Detail, "secrets") || strings.Contains(err.Error(), "private") || !strings.Contains(err.Error(), "secrets of ours")) {
				t.Errorf("a stranger reads %q, the log %q", told.Title+told.Detail, err)
			}
			if told != nil && !strings.HasPrefix(told.Title, "The erp service ") {
				t.Errorf("the title is %q", told.Title)
			}
		})
	}
}

func TestAnOutageBeforeTheFirstRowIsWaitedFor(t *testing.T) {
	asked := 0
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked++; asked {
		case 1:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			says(ndjson, `{"a":1}`)(w, r)
		}
	})
	r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
	if got, err := read(t, r, ask(t, r, "")); err != nil || got != "a\n1\n" || asked != 3 {
		t.Errorf("%v, %q, asked %d times", err, got, asked)
	}
	asked = 0
	later := service(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(429)
	})
	r = report(t, later, "/*---\ntenants: shared\n---*/\nGET /x")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceUnavailable || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}

func TestNobodyAnswers(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1", "http://nowhere.invalid", "https://127.0.0.1:1/x"} {
		r := report(t, open(t, source.Config{Name: "erp", URL: url, AllowPrivate: true}), "/*---\ntenants: shared\n---*/\nGET /x")
		if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceUnavailable {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestACertificateThatNobodyVouchesForIsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(says(ndjson, `{"a":1}`))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake
	server.StartTLS()
	defer server.Close()
	r := report(t, open(t, source.Config{Name: "erp", URL: server.URL, AllowPrivate: true}), "/*---\ntenants: shared\n---*/\nGET /x")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.SourceUnavailable || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestThisMachineIsNobodysService(t *testing.T) {
	asked := false
	handler := func(w http.ResponseWriter, r *http.Request) { asked = true }
	db := service(t, handler, func(c *source.Config) { c.AllowPrivate = false })
	named := service(t, handler, func(c *source.Config) {
		c.AllowPrivate = false
		c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1)
	})
	for _, db := range []*source.Database{db, named} {
		r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
		_, err := read(t, r, ask(t, r, ""))
		if offprint.CodeOf(err) != offprint.PermissionDenied || !strings.Contains(err.Error(), "allow_private: true") || asked {
			t.Errorf("%v, asked: %v", err, asked)
		}
	}
}

func TestACanceledRequestEndsAtTheService(t *testing.T) {
	for _, rows := range []string{"", `{"a":1}` + "\n"} {
		t.Run(fmt.Sprintf("after %q", rows), func(t *testing.T) {
			arrived, gone := make(chan struct{}), make(chan struct{})
			db := service(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", ndjson)
				if rows != "" {
					io.WriteString(w, rows)
					w.(http.Flusher).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				close(gone)
			})
			r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
			ctx, cancel := context.WithCancel(t.Context())
			var canceled time.Time
			go func() {
				<-arrived
				canceled = time.Now()
				cancel()
			}()
			doc, err := r.Source.Open(ctx, ask(t, r, ""))
			if err != nil {
				t.Fatal(err)
			}
			ended := drained(doc)
			if !errors.Is(ended, context.Canceled) {
				t.Errorf("it ended with %v", ended)
			}
			select {
			case <-gone:
				t.Logf("the service knew after %v", time.Since(canceled))
			case <-time.After(30 * time.Second):
				t.Error("the service was not told")
			}
		})
	}
}

func TestASlowFirstRowIsATimeout(t *testing.T) {
	gone := make(chan struct{})
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	}, func(c *source.Config) { c.FirstRowTimeout = 50 * time.Millisecond })
	r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
	_, err := read(t, r, ask(t, r, ""))
	var told *offprint.Error
	if !errors.As(err, &told) || told.Code != offprint.SourceTimeout || told.Title != "The erp service took too long" {
		t.Error(err)
	}
	<-gone
}

func TestNoMoreThanMaxConnectionsAreAskedAtOnce(t *testing.T) {
	var mu sync.Mutex
	present, most := 0, 0
	two := make(chan struct{})
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		present++
		if most = max(most, present); present == 2 {
			select {
			case <-two:
			default:
				close(two)
			}
		}
		mu.Unlock()
		<-two
		says(ndjson, `{"a":1}`)(w, r)
		mu.Lock()
		present--
		mu.Unlock()
	}, func(c *source.Config) { c.MaxConnections = 2 })
	r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x")
	req := ask(t, r, "")
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			if got, err := read(t, r, req); err != nil || got != "a\n1\n" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	readers.Wait()
	if most != 2 {
		t.Errorf("%d at once", most)
	}
}

func TestEachPartIsARequest(t *testing.T) {
	var asked []string
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.String())
		says(csvs, "a\n"+r.URL.Path+"\n")(w, r)
	}, func(c *source.Config) { c.MaxConnections = 1 })
	r := report(t, db, "/*---\ntenants: shared\n---*/\nGET /x\n/*---\npart: more\n---*/\nGET /y")
	for range 3 {
		if got, err := read(t, r, ask(t, r, "")); err != nil || got != "a\n/api/x\na\n/api/y\n" {
			t.Errorf("%v, %q", err, got)
		}
	}
	if len(asked) != 6 {
		t.Errorf("asked %v", asked)
	}
}
