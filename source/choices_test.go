package source_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// chosen are the options of a parameter, as value=label.
func chosen(t *testing.T, r *offprint.Report, name string, params offprint.Params) (string, error) {
	t.Helper()
	req := ask(t, &offprint.Report{}, "")
	req.Params = params
	var all []string
	for o, err := range parameter(t, r, name).Choices.Choose(t.Context(), req) {
		if err != nil {
			return strings.Join(all, " "), err
		}
		text := o.Value
		if o.Label != nil {
			text += "=" + o.Label.In("de")
		}
		all = append(all, text)
	}
	return strings.Join(all, " "), nil
}

func parameter(t *testing.T, r *offprint.Report, name string) *offprint.Parameter {
	t.Helper()
	for i := range r.Parameters {
		if r.Parameters[i].Name == name {
			return &r.Parameters[i]
		}
	}
	t.Fatalf("no parameter %s", name)
	return nil
}

var places = []string{
	`CREATE TABLE places (code CHAR(2), name VARCHAR(20), land CHAR(2), tenant VARCHAR(20), no NUMERIC(8,2), born DATE, seen TIMESTAMP)`,
	`INSERT INTO places VALUES
		('BE', 'Berlin', 'DE', 'acme', 5.00, '2026-01-31', '2026-06-30 23:30:00'),
		('HH', NULL, 'DE', 'acme', 6.50, '2026-02-28', '2026-07-01 12:00:00'),
		('NY', 'New York', 'US', 'acme', 7.00, NULL, NULL),
		(NULL, 'Nowhere', 'DE', 'acme', NULL, NULL, NULL),
		('XX', 'Theirs', 'DE', 'other', 8, '2026-01-01', '2026-01-01 00:00:00')`,
}

// placesOn are the same rows in a PostgreSQL and an SQLite.
func placesOn(t *testing.T) map[string]*source.Database {
	postgres, _ := server(t, places...)
	return map[string]*source.Database{"PostgreSQL": postgres, "SQLite": shop(t, places...)}
}

func TestAQueryAnswersOptions(t *testing.T) {
	tests := []struct {
		name, kind, sql string
		params          offprint.Params
		want            string
	}{
		{"values alone", "text", "SELECT code FROM places WHERE tenant = 'acme' ORDER BY code", nil, "BE HH NY"},
		{"values and labels", "text", "SELECT code, name FROM places WHERE tenant = :user.tenant ORDER BY code", nil, "BE=Berlin HH NY=New York"},
		{"one column twice", "text", "SELECT code, code FROM places WHERE code = 'BE'", nil, "BE=BE"},
		{"none", "text", "SELECT code FROM places WHERE code = 'ZZ'", nil, ""},
		{"those of another choice", "text", "SELECT code FROM places WHERE tenant = :user.tenant AND land = :land ORDER BY code", offprint.Params{"land": "DE"}, "BE HH"},
		{"before that was made", "text", "SELECT code FROM places WHERE land = :land", nil, ""},
		{"what falls away without it", "text", "SELECT code FROM places WHERE tenant = 'acme' [[ AND land = :land ]] ORDER BY code", nil, "BE HH NY"},
		{"those of several others", "text", "SELECT code FROM places WHERE land IN (:lands) ORDER BY code DESC", offprint.Params{"lands": []any{"US", "FR"}}, "NY"},
		{"whole numbers", "int", "SELECT no FROM places WHERE code IN ('BE', 'NY') ORDER BY no", nil, "5 7"},
		{"decimals", "decimal", "SELECT no, name FROM places WHERE code IN ('BE', 'HH') ORDER BY no", nil, "5.00=Berlin 6.50"},
		{"days", "date", "SELECT born FROM places WHERE tenant = 'acme' ORDER BY born DESC", nil, "2026-02-28 2026-01-31"},
		{"a label of another type", "text", "SELECT code, born FROM places WHERE code = 'BE'", nil, "BE=2026-01-31"},
		{"periods", "period", "SELECT '2026-01-01..2026-01-31', 'January' UNION ALL SELECT '2026-02-01..2026-02-28', 'February' ORDER BY 1", nil, "2026-01-01..2026-01-31=January 2026-02-01..2026-02-28=February"},
		{"a list", "text, many: true", "SELECT code FROM places WHERE land = 'US'", nil, "NY"},
		{"quotes", "text", `SELECT '''" x', 'ü'`, nil, `'" x=ü`},
	}
	for engine, db := range placesOn(t) {
		for _, tt := range tests {
			t.Run(engine+"/"+tt.name, func(t *testing.T) {
				use := map[bool]string{true: ":c.start", false: "1 IN (:c)"}[tt.kind == "period"]
				r := report(t, db, "/*---\nparameters:\n  land: {type: text, optional: true}\n  lands: {type: text, many: true, optional: true}\n  c: {type: "+tt.kind+
					", options: {query: \""+strings.ReplaceAll(tt.sql, `"`, `\"`)+"\"}}\n---*/\nSELECT "+use+", :land, 1 IN (:lands)")
				got, err := chosen(t, r, "c", tt.params)
				if err != nil || got != tt.want {
					t.Errorf("got %q, %v, want %q", got, err, tt.want)
				}
			})
		}
	}
}

func TestTimesAmongOptionsAreInstants(t *testing.T) {
	head := "/*---\nparameters:\n  at: {type: datetime, options: {query: SELECT seen FROM places WHERE code = 'BE'}}\n" +
		"  on: {type: date, options: {query: SELECT seen FROM places WHERE code = 'BE'}}\n---*/\nSELECT :at, :on"
	for engine, db := range placesOn(t) {
		r := report(t, db, head)
		at, err := chosen(t, r, "at", nil)
		on, err2 := chosen(t, r, "on", nil)
		// PostgreSQL's TIMESTAMP is a clock on the wall, SQLite's is of the source's zone.
		want := map[string]string{"PostgreSQL": "2026-06-30T21:30:00Z on 2026-06-30", "SQLite": "2026-06-30T23:30:00Z on 2026-07-01"}[engine]
		if got := at + " on " + on; got != want || err != nil || err2 != nil {
			t.Errorf("%s: %s, %v, %v, want %s", engine, got, err, err2, want)
		}
	}
}

func TestOptionsTellWhatTheyFollow(t *testing.T) {
	r := report(t, shop(t, places...), `/*---
parameters:
  land: {type: text, options: {query: SELECT DISTINCT land FROM places}}
  from: {type: date, optional: true}
  place:
    type: text
    options:
      query: |
        SELECT code, name FROM places
        WHERE land = :land AND tenant = :user.tenant
        [[ AND born >= :from ]]
        ORDER BY name
---*/
SELECT :place`)
	if got := fmt.Sprint(parameter(t, r, "place").Follows, parameter(t, r, "land").Follows); got != "[land from] []" {
		t.Errorf("follows: %s", got)
	}
	if parameter(t, r, "from").Choices != nil {
		t.Error("a date without options has some")
	}
	got, err := chosen(t, r, "place", offprint.Params{"land": "DE", "from": offprint.Day{Year: 2026, Month: 1, Day: 31}})
	if err != nil || got != "HH BE=Berlin" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := r.Resolve(offprint.Sent{"land": []byte(`"DE"`), "place": []byte(`"anything"`)}, time.UTC, time.Now()); err != nil {
		t.Errorf("only who can ask the source knows the options: %v", err)
	}
}

func TestWhatGoesWrongWithOptionsIsSaid(t *testing.T) {
	tests := []struct {
		name, kind, sql string
		code            offprint.Code
		want            string
	}{
		{"three columns", "text", "SELECT 1, 2, 3", offprint.BadQuery, "The options' query answers 3 columns."},
		{"no number", "int", "SELECT 'x'", offprint.BadQuery, "answers a value that is no int"},
		{"a fraction", "int", "SELECT 5.5", offprint.BadQuery, "answers a value that is no int"},
		{"a query that is refused", "text", "SELECT nothing FROM places", offprint.BadQuery, "nothing"},
		{"a write", "text", "DELETE FROM places RETURNING code", offprint.BadQuery, ""},
		{"a claim that is missing", "text", "SELECT :user.shoe_size", offprint.PermissionDenied, "shoe_size"},
	}
	for engine, db := range placesOn(t) {
		for _, tt := range tests {
			t.Run(engine+"/"+tt.name, func(t *testing.T) {
				r := report(t, db, "/*---\nparameters: {c: {type: "+tt.kind+", options: {query: \""+tt.sql+"\"}}}\n---*/\nSELECT :c")
				got, err := chosen(t, r, "c", nil)
				if got != "" || offprint.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %q, %v, want %s with %s", got, err, tt.code, tt.want)
				}
				if told := new(offprint.Error); errors.As(err, &told) && strings.Contains(told.Detail+told.Title, "SELECT") {
					t.Errorf("a stranger sees the SQL: %s", told.Detail)
				}
			})
		}
	}
}

// Whoever has seen enough lets go: a source of one connection can be asked again.
func TestOptionsStreamAndLetGo(t *testing.T) {
	_, beside := server(t)
	file := t.TempDir() + "/shop.db"
	fill(t, file, `PRAGMA user_version = 1`)
	for engine, db := range map[string]*source.Database{
		"PostgreSQL": open(t, source.Config{Name: "shop", URL: beside.Config().ConnString(), MaxConnections: 1}),
		"SQLite":     open(t, source.Config{Name: "shop", URL: "sqlite:" + file, MaxConnections: 1}),
	} {
		r := report(t, db, "/*---\nparameters: {c: {type: int, options: {query: \""+endless+"SELECT n FROM n\"}}}\n---*/\nSELECT :c")
		req := ask(t, r, "c=1")
		for range 3 {
			n := 0
			for _, err := range parameter(t, r, "c").Choices.Choose(t.Context(), req) {
				if n++; err != nil || n == 100 {
					if err != nil {
						t.Fatalf("%s: %v", engine, err)
					}
					break
				}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		var last error
		for _, err := range parameter(t, r, "c").Choices.Choose(ctx, req) {
			if n++; n == 100 {
				cancel()
			}
			last = err
		}
		if !errors.Is(last, context.Canceled) {
			t.Errorf("%s: canceled after %d options: %v", engine, n, last)
		}
		if got, err := read(t, r, req); err != nil || !strings.HasSuffix(got, "\n1\n") {
			t.Errorf("%s: after that %q, %v", engine, got, err)
		}
	}
}

func TestOptionsEndByTheSourcesTimeouts(t *testing.T) {
	_, beside := server(t)
	db := open(t, source.Config{Name: "shop", URL: beside.Config().ConnString(), FirstRowTimeout: 100 * time.Millisecond})
	r := report(t, db, "/*---\nparameters: {c: {type: text, options: {query: SELECT pg_sleep(60)}}}\n---*/\nSELECT :c")
	if _, err := chosen(t, r, "c", nil); offprint.CodeOf(err) != offprint.SourceTimeout {
		t.Errorf("got %v", err)
	}
	gone(t, beside, time.Now())
}

func TestOptionsOfAllTenantsAreSaidToBe(t *testing.T) {
	tests := []struct {
		name, header, options string
		blind                 bool
	}{
		{"options of all", "", "query: SELECT code FROM places ORDER BY code", true},
		{"the asker's own", "", "query: SELECT code FROM places WHERE tenant = :user.tenant ORDER BY code", false},
		{"options for all", "", "query: SELECT code FROM places ORDER BY code, tenants: shared", false},
		{"a report for all", "tenants: shared\n", "query: SELECT code FROM places ORDER BY code", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := "/*---\n" + tt.header + "parameters:\n  c: {type: text, options: {" + tt.options + "}}\n---*/\nSELECT :c WHERE 't' = :user.tenant"
			f, problems := source.OpenFS("reports", fstest.MapFS{"a.sql": {Data: []byte(file)}}, map[string]*source.Database{"shop": shop(t, places...)})
			if problems != nil {
				t.Fatal(problems)
			}
			if r, _ := f.Report("a"); r.TenantBlind != tt.blind {
				t.Errorf("blind to tenants: %v", r.TenantBlind)
			}
			f.Tenants(true)
			got := f.Check(t.Context(), false).Error()
			if want := "reports/a.sql:3:36: The options' query does not name :user.tenant"; tt.blind != strings.HasPrefix(got, want) || !tt.blind && got != "" {
				t.Errorf("check: %q", got)
			}
		})
	}
}

func TestCheckPreparesOptionsAndGroups(t *testing.T) {
	file := `/*---
parameters:
  land: {type: text, optional: true, options: {query: "SELECT land, \"name\", 3 FROM places ORDER BY land"}}
  place:
    type: text
    options:
      query: |
        SELECT code FROM places
        WHERE 1 = 1
          [[ AND lamd = :land ]]
        ORDER BY code
group: [code, nme]
columns: {cod: {title: X}}
---*/
SELECT code, name FROM places WHERE code = :place [[ AND land = :land ]] ORDER BY code
/*---
part: more
group: name
---*/
SELECT name FROM places ORDER BY name
`
	for engine, db := range placesOn(t) {
		f, problems := source.OpenFS("reports", fstest.MapFS{"a.sql": {Data: []byte(file)}}, map[string]*source.Database{"shop": db})
		if problems != nil {
			t.Fatal(problems)
		}
		var got []string
		for _, p := range f.Check(t.Context(), false) {
			p.Text, _, _ = strings.Cut(p.Text, ".")
			got = append(got, p.String())
		}
		column := map[string]string{"PostgreSQL": `column "lamd" does not exist`, "SQLite": "no such column: lamd"}[engine]
		want := `reports/a.sql:3:56: The options' query answers 3 columns
reports/a.sql:10:18: ` + engine + ` says: ` + column + `
reports/a.sql:12:15: group: the query has no column nme
reports/a.sql:13:11: columns: the query has no column cod`
		if strings.Join(got, "\n") != want {
			t.Errorf("%s:\n%s\nwant\n%s", engine, strings.Join(got, "\n"), want)
		}
	}
}

func TestATableKnowsItsGroups(t *testing.T) {
	r := report(t, shop(t, places...), "/*---\ngroup: [land, code]\ncolumns: {land: {hide: true}}\n---*/\nSELECT land, code FROM places ORDER BY land, code\n/*---\npart: plain\n---*/\nSELECT 1 AS n")
	doc, err := r.Source.Open(t.Context(), ask(t, r, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(table.Group))
		for range table.Rows {
		}
	}
	if want := "[land code] []"; strings.Join(got, " ") != want {
		t.Errorf("groups: %v, want %s", got, want)
	}
	r = report(t, shop(t, places...), "/*---\ngroup: lamd\n---*/\nSELECT land FROM places")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.BadQuery || !strings.Contains(err.Error(), `"lamd"`) {
		t.Errorf("a group that is not there: %v", err)
	}
}
