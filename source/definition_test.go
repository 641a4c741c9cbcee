package source_test

import (
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// twoSources are never asked.
func twoSources(t *testing.T) map[string]*source.Database {
	return map[string]*source.Database{
		"shop":  open(t, source.Config{Name: "shop", URL: "postgres://test@127.0.0.1:1/shop"}),
		"small": open(t, source.Config{Name: "small", URL: "sqlite:small.db"}),
	}
}

func TestAllThatIsWrongIsSaidAtOnceWithItsPlace(t *testing.T) {
	sources := twoSources(t)
	tests := []struct{ name, text, want string }{
		{"nothing wrong", "/*---\ntitle: Orders\nsource: shop\n---*/\nSELECT 1", ""},
		{"no header", "\nSELECT 1", "2:1: A report begins with its header: /*---, lines of YAML, ---*/, and then the query."},
		{"an empty file", "", "1:1: A report begins with its header: /*---, lines of YAML, ---*/, and then the query."},
		{"a header without an end", "/*---\ntitle: x\n", "1:1: This header never ends. Close it with ---*/."},
		{"a comment in the header", "/*---\nsource: shop\nfile: a/*b\n---*/\nSELECT 1", "3:8: A header holds neither /* nor */, for it is itself a comment of the query. It ends with ---*/."},
		{"no query", "/*---\nsource: shop\n---*/\n-- SELECT 1\n", "3:6: There is no query below the header."},
		{"no YAML, alone in its header", "/*---\nsource: nowhere\ntitle: [a\n---*/\nSELECT :x", "3:8: This is no YAML: sequence end token ']' not found. Close the list with ]."},
		{"a list for a header", "/*---\n- a\n---*/\nSELECT 1", "2:1: The header holds keys with values, as in {key: value}.\n" +
			"1:1: The header does not say which source it reads. Write source: name. There are: shop, small."},
		{
			"everything at once", "/*---\ntitel: Orders\nsource: shopp\nretention: 7 days\nmax_rows: many\nparameters:\n  region: {type: text, optional: maybe}\n  from: {type: day}\n  user: {type: text}\n---*/\nSELECT 1",
			`2:1: The header has no key titel. Did you mean title?
3:9: The configuration has no source shopp. Did you mean shop?
4:12: retention is a length of time, as in 7d, 12h or 30m.
5:11: max_rows is a whole number above 0, as in 100000.
7:34: optional is true or false.
8:16: type cannot be "day". Did you mean date?
9:3: A parameter's name is a letter from a to z, then at most 62 letters, digits and _; user is taken.`,
		},
		{"a comment after a value", "/*---\nsource: shop\ntitle: Invoice #5\n---*/\nSELECT 1", "3:16: What follows # is a comment and no part of title. Put the value in quotes, or the comment on a line of its own."},
		{"comments of their own, and after quotes", "/*---\n# here\nsource: shop\n# and here\ntitle: 'Invoice #5' # there\n---*/\nSELECT 1", ""},
		{"a format that is a comment", "/*---\nsource: shop\ncolumns:\n  n:\n    format: #,##0.00\n---*/\nSELECT 1 AS n", `5:5: format has no value. One that begins with # or says null belongs in quotes, as in format: "#,##0.00".`},
		{"a format that swallows its bracket", "/*---\nsource: shop\ncolumns: {n: {format: #,##0.00}}\n---*/\nSELECT 1 AS n", "3:21: This is no YAML: could not find map value. A # after a blank begins a comment: put a value with # in quotes."},
		{"a file name that is a mapping", "/*---\nsource: shop\nfile: {period}\n---*/\nSELECT 1", `3:1: file is a text. One that begins with { or holds ": " belongs in quotes, as in file: "{period}".`},
		{"a key that a comma made", "/*---\nsource: shop\nparameters: {r: {type: text, label: Region, or state}}\n---*/\nSELECT :r", "3:45: parameter r has no key or state. There are: default, help, label, many, max, min, optional, options, pattern, sensitive, type. If it belongs to the value before it, put that value in quotes."},
		{"numbers stay as written", "/*---\nsource: shop\ntitle: 007\n---*/\nSELECT 1", ""},
		{"null for a text", "/*---\nsource: shop\ntitle: ~\n---*/\nSELECT 1", `3:1: title has no value. One that begins with # or says null belongs in quotes.`},
		{"a key twice", "/*---\nsource: shop\nsource: shop\n---*/\nSELECT 1", "3:1: source stands here twice."},
		{"anchors", "/*---\nsource: &s shop\n---*/\nSELECT 1", "2:1: source: write the value out, without &, * or !."},
		{"titles that are the same", "/*---\nsource: shop\ncolumns:\n  a: {title: Amount}\n  b: {title: AMOUNT}\n---*/\nSELECT 1 AS a, 2 AS b", "5:3: The columns a and b have the same title. Give each its own."},
		{"titles that are the same in one language", "/*---\nsource: shop\ncolumns:\n  a: {title: {en: A, de: X}}\n  b: {title: {en: B, de: X}}\n---*/\nSELECT 1 AS a, 2 AS b", "5:3: The columns a and b have the same title. Give each its own."},
		{"no title at all", "/*---\nsource: shop\ncolumns: {a: {title: \"\"}}\n---*/\nSELECT 1 AS a", "3:22: title is empty."},
		{"an unknown meaning", "/*---\nsource: shop\ncolumns: {a: {as: currency, total: summe}}\n---*/\nSELECT 1 AS a", "3:19: as cannot be \"currency\". There are: id, money, percent, text, number, date, datetime, bool.\n3:36: total cannot be \"summe\". Did you mean sum?"},
		{"a link that would run", "/*---\nsource: shop\ncolumns: {a: {link: \"javascript:alert(1)\"}}\n---*/\nSELECT 1 AS a", "3:21: A link begins with https://, as in https://erp.example.com/v/{voucher_id}."},
		{"a default that is not right", "/*---\nsource: shop\nparameters: {p: {type: period, default: last_decade}}\n---*/\nSELECT :p.start", `3:14: p: The default is not right. Write a period, as in "last_30_days" or {"from": "2026-01-01", "to": "2026-01-31"}.`},
		{"options of nothing", "/*---\nsource: shop\nparameters: {r: {type: text, options: {tenants: shared}}}\n---*/\nSELECT :r", `3:30: options are a list, as in [EU, US] or [{value: EU, label: Europe}], or a query, as in {query: "SELECT code, name FROM regions ORDER BY name"}.`},
		{"options of a list of queries", "/*---\nsource: shop\nparameters: {r: {type: text, options: {query: [a, b], tenant: shared}}}\n---*/\nSELECT :r", "3:40: query is one value, not a list.\n3:55: options has no key tenant. Did you mean tenants?"},
		{"options of a text", "/*---\nsource: shop\nparameters: {r: {type: text, options: SELECT code FROM regions}}\n---*/\nSELECT :r", `3:30: options are a list, as in [EU, US] or [{value: EU, label: Europe}], or a query, as in {query: "SELECT code, name FROM regions ORDER BY name"}.`},
		{"a parameter in quotes", "/*---\nsource: shop\nparameters: {a: {type: text}, date: {type: date}}\n---*/\nSELECT 1 WHERE x LIKE '%:a%' AND y::date = z", "3:31: No query uses the parameter date. Write :date where it belongs, or take it out.\n5:25: In quotes or in a comment :a is only text. Write it outside of them, as in = :a."},
		{"options of an empty query", "/*---\nsource: shop\nparameters: {r: {type: text, options: {query: \"-- none\"}}}\n---*/\nSELECT :r", "3:48: There is no query here."},
		{"options of a query for a bool", "/*---\nsource: shop\nparameters: {r: {type: bool, options: {query: SELECT 1}}}\n---*/\nSELECT :r", "3:14: r: A bool has no options: it is true or false."},
		{"options that follow each other", "/*---\nsource: shop\nparameters:\n  a: {type: text, options: {query: 'SELECT :c'}}\n  b: {type: text, options: {query: 'SELECT :a'}}\n  c: {type: text, options: {query: 'SELECT :b'}}\n  d: {type: text, options: {query: 'SELECT :d, :a'}}\n---*/\nSELECT :a, :b, :c, :d", `4:37: The options of a depend on c, those of c on b, those of b on a, so that nobody could choose. Take one of these parameters out of its query.
5:37: The options of b depend on a, those of a on c, those of c on b, so that nobody could choose. Take one of these parameters out of its query.
6:37: The options of c depend on b, those of b on a, those of a on c, so that nobody could choose. Take one of these parameters out of its query.
7:37: The options of d depend on d, so that nobody could choose. Take one of these parameters out of its query.`},
		{"an options' query in one line", `/*---
source: shop
parameters:
  r: {type: text, options: {query: "SELECT \"größe\",\t:regn [["}}
---*/
SELECT :r`, "4:56: The header has no parameter regn. There are: r.\n4:62: This [[ never closes. Close it with ]]."},
		{
			"an options' query in a block", "/*---\nsource: shop\nparameters:\n  r:\n    type: text\n    options:\n      query: |\n        SELECT code\n          FROM regions\n\n        WHERE x = :period\n          AND y = $1\n      tenants: shared\n---*/\nSELECT :r",
			"11:19: The header has no parameter period. There are: r.\n12:19: $1 has no name here. Declare a parameter in the header and write :name.",
		},
		{
			"an options' query over folded lines", "/*---\nsource: shop\nparameters:\n  r:\n    type: text\n    options:\n      query: >-\n        SELECT code\n        FROM regions WHERE x = $1\n---*/\nSELECT :r",
			"9:32: $1 has no name here. Declare a parameter in the header and write :name.",
		},
		{"a list for the default of one", "/*---\nsource: shop\nparameters: {a: {type: text, default: [x, y]}}\n---*/\nSELECT :a", "3:14: a: Only a parameter with many: true has a list for a default."},
		{"a list of nothing for a default", "/*---\nsource: shop\nparameters: {a: {type: text, many: true, default: []}}\n---*/\nSELECT 1 IN (:a)", "3:42: A default names a value at least. Write optional: true where there may be none."},
		{"one of a list of defaults", "/*---\nsource: shop\nparameters: {a: {type: int, many: true, default: [1, x]}}\n---*/\nSELECT 1 IN (:a)", "3:14: a: The default is not right. Value 2: Write a whole number."},
		{"a list of periods", "/*---\nsource: shop\nparameters: {a: {type: period, many: true}}\n---*/\nSELECT :a.start", "3:14: a: there is no list of periods."},
		{"what is of the whole report in a later header", "/*---\nsource: shop\n---*/\nSELECT 1\n/*---\npart: more\nformats: [csv]\nparameters: {}\nmax_rows: 5\nas_user: {}\n---*/\nSELECT 2", `7:1: formats stands in the first header only: it is of the whole report.
8:1: parameters stands in the first header only: it is of the whole report.
9:1: max_rows stands in the first header only: it is of the whole report.
10:1: as_user stands in the first header only: it is of the whole report.`},
		{"two parts of one name", "/*---\nsource: shop\npart: more\n---*/\nSELECT 1\n/*---\npart: more\n---*/\nSELECT 2", "6:1: There is already a part more."},
		{"a part of a name that is none", "/*---\nsource: shop\n---*/\nSELECT 1\n/*---\npart: More rows\n---*/\nSELECT 2", "6:7: part is not right: a letter from a to z, then letters, digits, - and _."},
		{"titles that are the same in a later part", "/*---\nsource: shop\ncolumns: {a: {title: A}}\n---*/\nSELECT 1 AS a\n/*---\npart: more\ncolumns:\n  a: {title: A}\n  b: {title: a}\n---*/\nSELECT 2 AS a, 3 AS b", "10:3: The columns a and b have the same title. Give each its own."},
		{"groups", "/*---\nsource: shop\ngroup: [a, b, a]\n---*/\nSELECT 1 AS a, 2 AS b", "3:15: a stands here twice."},
		{"a group that is a mapping", "/*---\nsource: shop\ngroup: {a: b}\n---*/\nSELECT 1 AS a", `3:1: group is a list of columns, as in [region, month].`},
		{"parameters that do not fit the query", "/*---\nsource: shop\nparameters:\n  period: {type: period}\n  region: {type: text}\n  spare: {type: int}\n---*/\nSELECT :period, :period.stat,\n  :region.start, :regin, :user", `6:3: No query uses the parameter spare. Write :spare where it belongs, or take it out.
8:8: period is a period. Write :period.start and :period.end (the day after the last), or :period.start_at and :period.end_at.
8:17: period is a period. Write :period.start and :period.end (the day after the last), or :period.start_at and :period.end_at.
9:3: region is no period, so it has no .start.
9:18: The header has no parameter regin. Did you mean region?
9:26: Say what of the asker is meant, as in :user.id, :user.tenant or :user.email.`},
		{"a file's name of what is not asked", "/*---\nsource: shop\nfile: \"orders-{period}\"\n---*/\nSELECT 1", "3:1: file: {period} is no parameter of this report. There are none."},
		{"a further part without a name", "/*---\nsource: shop\n---*/\nSELECT 1\n/*---\ntitle: More\nsource: shop\n---*/\nSELECT 2", "5:1: Every further part has a name of its own. Write part: name.\n7:1: source stands in the first header only: it is of the whole report."},
		{"as_user of what is not PostgreSQL", "/*---\nsource: small\nas_user: {role: clerk}\n---*/\nSELECT 1", "3:1: as_user needs PostgreSQL, and the source small is none. Filter by :user.tenant in the query instead."},
		{"as_user of PostgreSQL's own settings", "/*---\nsource: shop\nas_user:\n  set:\n    search_path: x\n    session_authorization: \":user.id\"\n    App.tenant: y\n    app.tenant'; --: z\n    app.ok: \":user.tenant\"\n---*/\nSELECT 1", `5:5: A setting of your own has small letters, digits, _ and a dot, as in app.tenant. PostgreSQL's own are not set here.
6:5: A setting of your own has small letters, digits, _ and a dot, as in app.tenant. PostgreSQL's own are not set here.
7:5: A setting of your own has small letters, digits, _ and a dot, as in app.tenant. PostgreSQL's own are not set here.
8:5: A setting of your own has small letters, digits, _ and a dot, as in app.tenant. PostgreSQL's own are not set here.`},
		{"as_user by more than a claim", "/*---\nsource: shop\nas_user: {set: {app.a: \"x:user.id\", app.b: [a], app.c: \":user\"}, role: \"none\", user: x}\n---*/\nSELECT 1", `3:24: app.a is a text, or one claim alone, as in ":user.tenant".
3:37: app.b is one value, not a list.
3:56: app.c is a text, or one claim alone, as in ":user.tenant".
3:72: role is the name of a role of the database, or a claim, as in ":user.db_role".
3:80: as_user has no key user. Did you mean set?`},
		{"as_user of nothing", "/*---\nsource: shop\nas_user: {set: {}}\n---*/\nSELECT 1", `3:1: as_user says nothing. Write what is to be set, as in {set: {app.tenant: ":user.tenant"}}, or a role.`},
		{"lines of long ago", "/*---\rsource: shop\r---*/\rSELECT 1", "1:6: Here a carriage return stands without its line feed. Save the file with the line ends of Unix or of Windows."},
		{"Windows' lines", "/*---\r\nsource: shop\r\n---*/\r\nSELECT\r\n  :x", "5:3: The header has no parameter x. There are none."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, problems := source.Parse("orders.sql", tt.text, sources)
			want := ""
			if tt.want != "" {
				want = "orders.sql:" + strings.ReplaceAll(tt.want, "\n", "\norders.sql:")
			}
			got := map[bool]string{true: problems.Error()}[problems != nil]
			if sorted(got) != sorted(want) || (d == nil) != (want != "") {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func sorted(lines string) string {
	all := strings.Split(lines, "\n")
	for i := range all {
		for j := range i {
			if all[i] < all[j] {
				all[i], all[j] = all[j], all[i]
			}
		}
	}
	return strings.Join(all, "\n")
}

func TestAHeaderSaysAllThatAReportIs(t *testing.T) {
	text := `/*---
title: {en: Orders, de: Aufträge}
description: Every order of a period, one line each.
source: shop
parameters:
  period: {type: period, label: Period, default: last_30_days}
  region:
    type: text
    optional: true
    help: Where it went
    options: [EU, {value: US, label: {en: America}}]
  ids: {type: int, many: true, min: 1, max: 9, default: [3, 4], sensitive: true}
  day: {type: date, min: "-30d", max: today, label: {en: Day, de: Tag}, help: {en: Any, de: Irgendeiner}, optional: true}
formats: [xlsx, csv]
columns:
  amount: {title: 007, as: money, total: sum, currency: cur, width: 12.5, note: Net, format: "#,##0.00", hide: true, link: "https://x.example/{cur}"}
allow: {roles: [sales]}
tenants: shared
notify: [me, "mailto:team@example.com", webhook:crm]
retention: 7d
max_rows: 1_000
file: "orders-{period}"
about: "off"
overflow: fail
csv: {delimiter: tab, bom: true, formulas: raw}
pdf: {paper: a4, footer: "Page {page}"}
---*/
SELECT amount, cur FROM orders WHERE day >= :period.start [[ AND region = :region ]] AND id IN (:ids) [[ AND day = :day ]]`
	d, problems := source.Parse("reports/sales/orders.sql", text, twoSources(t))
	if problems != nil {
		t.Fatal(problems)
	}
	r := d.Report()
	checks := []struct {
		what      string
		got, want any
	}{
		{"name", r.Name, "orders"},
		{"title", r.TitleIn("de-AT"), "Aufträge"},
		{"description", r.Description.In("de"), "Every order of a period, one line each."},
		{"parameters", r.Parameters[0].Name + r.Parameters[1].Name + r.Parameters[2].Name, "periodregionids"},
		{"a default", r.Parameters[0].Default, "last_30_days"},
		{"an option", r.Parameters[1].Options[1].Label.In("fr"), "America"},
		{"a list", r.Parameters[2].Many, true},
		{"the default of a list", r.Parameters[2].Default, "3\n4"},
		{"what no message says", r.Parameters[2].Sensitive && !r.Parameters[1].Sensitive, true},
		{"a label", r.Parameters[3].LabelIn("de-CH"), "Tag"},
		{"help", r.Parameters[3].Help.In("en-GB"), "Any"},
		{"a bound in a word", r.Parameters[3].Min, "-30d"},
		{"formats", strings.Join(r.Formats, " "), "xlsx csv"},
		{"roles", r.Allow.Permits(offprint.Identity{Roles: []string{"sales"}}), true},
		{"who is told", strings.Join(r.Notify, " "), "me mailto:team@example.com webhook:crm"},
		{"retention", r.Retention, 7 * 24 * time.Hour},
		{"rows", r.MaxRows, int64(1000)},
		{"file", r.File, "orders-{period}"},
		{"about", r.Options["about"], "off"},
		{"delimiter", r.Options["csv.delimiter"], "\t"},
		{"byte-order mark", r.Options["csv.bom"], "true"},
		{"footer", r.Options["pdf.footer"], "Page {page}"},
		{"text", r.Text, text},
		{"version", len(r.Version), 16},
		{"tenants", r.TenantBlind, false},
	}
	for _, c := range checks {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

func TestTenantsAreKeptApartByEveryQueryOrSaidToShare(t *testing.T) {
	const more = "\n/*---\npart: more\n---*/\n"
	tests := []struct {
		name, header, sql string
		blind             bool
	}{
		{"it says nothing of tenants", "", "SELECT 1", true},
		{"it filters", "", "SELECT 1 WHERE t = :user.tenant", false},
		{"it is for all", "tenants: shared\n", "SELECT 1", false},
		{"every part filters", "", "SELECT :user.tenant" + more + "SELECT 2 WHERE t = :user.tenant", false},
		{"the second part does not", "", "SELECT :user.tenant" + more + "SELECT 2", true},
		{"the first part does not", "", "SELECT 1" + more + "SELECT :user.tenant", true},
		{"what filters may fall away", "parameters: {r: {type: text, optional: true}}\n", "SELECT 1 [[ WHERE r = :r AND t = :user.tenant ]]", true},
		{"it filters after what may fall away", "parameters: {r: {type: text, optional: true}}\n", "SELECT 1 WHERE [[ r = :r AND ]] t = :user.tenant", false},
		{"a comment filters", "", "SELECT 1 -- WHERE t = :user.tenant", true},
		{"a string filters", "", "SELECT ':user.tenant'", true},
		{"another claim filters", "", "SELECT :user.tenants, :user.id", true},
		{"the database filters by a setting", "as_user: {set: {app.tenant: \":user.tenant\"}}\n", "SELECT 1" + more + "SELECT 2", false},
		{"the database filters by a role", "as_user: {role: \":user.db_role\"}\n", "SELECT 1", false},
		{"the database does not know who asks", "as_user: {role: reports, set: {app.x: y}}\n", "SELECT 1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, problems := source.Parse("orders.sql", "/*---\nsource: shop\n"+tt.header+"---*/\n"+tt.sql, twoSources(t))
			if problems != nil {
				t.Fatal(problems)
			}
			if got := d.Report().TenantBlind; got != tt.blind {
				t.Errorf("blind to tenants: %v, want %v", got, tt.blind)
			}
			if shared := tt.header == "tenants: shared\n"; d.KeepsTenantsApart() != (!tt.blind && !shared) {
				t.Errorf("keeps tenants apart: %v", d.KeepsTenantsApart())
			}
		})
	}
}

func TestAConfigurationErrorNamesTheCureAndHidesThePassword(t *testing.T) {
	tests := []struct {
		name   string
		config source.Config
		want   string
	}{
		{"another database", source.Config{URL: "oracle://u:hunter2@h/d"}, "begins with none of postgres://, mysql://, sqlite: and https://"},
		{"nothing", source.Config{}, "begins with none of"},
		{"a slash in the password", source.Config{URL: "postgres://u:hunter2/x@h/d"}, "are written as %2F"},
		{"an unknown setting", source.Config{URL: "postgres://u:hunter2@h/d?sslmode=maybe"}, "sslmode"},
		{"no file", source.Config{URL: "sqlite:"}, "names no file"},
		{"a zone that is not there", source.Config{URL: "sqlite:x.db", TimeZone: "Berlin"}, "time_zone Berlin is not known"},
		{"below nothing", source.Config{URL: "sqlite:x.db", MaxConnections: -1}, "max_connections"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Name = "shop"
			_, err := source.Open(tt.config)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "source shop: ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}
