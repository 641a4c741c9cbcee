package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// postgresTypes has a row for every type that a column can have: literals, and
// what they arrive as.
var postgresTypes = []struct {
	name   string
	kind   offprint.Kind
	values string // SQL literals, parted by |
	want   string // kind and text, parted by |; one kind for all where it is the column's
}{
	{"bool", offprint.Bool, `'f'|'t'`, `false|true`},
	{"int2", offprint.Int, `'-32768'|'32767'|'0'`, `-32768|32767|0`},
	{"int4", offprint.Int, `'-2147483648'|'2147483647'`, `-2147483648|2147483647`},
	{"int8", offprint.Int, `'-9223372036854775808'|'9223372036854775807'`, `-9223372036854775808|9223372036854775807`},
	{"oid", offprint.Int, `'0'|'4294967295'`, `0|4294967295`},
	{"float4", offprint.Float, `'0.1'|'-3.4028235e38'|'1e-45'|'NaN'|'Infinity'|'-0'`, `0.1|-3.4028235e+38|1e-45|NaN|+Inf|-0`},
	{"float8", offprint.Float, `'0.1'|'1.7976931348623157e308'|'5e-324'|'NaN'|'-Infinity'`, `0.1|1.7976931348623157e+308|5e-324|NaN|-Inf`},
	{
		"numeric", offprint.Decimal,
		`'1.50'|'0'|'0.00'|'-0.0001'|'10000'|'123456789012345678'|'-1234567890123456.78'|'0.000000000000000001'|'0.00000000000000000000010'|'123456789012345678901234567890.12345'|'99999999999999999999'|'0.10002000'|'-12345678901234567890'`,
		`1.50|0|0.00|-0.0001|10000|123456789012345678|-1234567890123456.78|0.000000000000000001|0.00000000000000000000010|123456789012345678901234567890.12345|99999999999999999999|0.10002000|-12345678901234567890`,
	},
	{"numeric", offprint.Decimal, `'NaN'|'Infinity'|'-Infinity'`, `float NaN|float +Inf|float -Inf`},
	{"text", offprint.Text, "''|'ü 漢 😀'|'a\nb'", "|ü 漢 😀|a\nb"},
	{"varchar", offprint.Text, `'x'`, `x`},
	{"bpchar", offprint.Text, `'x '`, `x `},
	{"name", offprint.Text, `'x'`, `x`},
	{`"char"`, offprint.Text, `'x'`, `x`},
	{"date", offprint.Date, `'2026-01-31'|'4713-01-01 BC'|'5874897-12-31'|'0001-01-01'|'infinity'|'-infinity'`, `2026-01-31|-4712-01-01|+5874897-12-31|0001-01-01|text infinity|text -infinity`},
	{
		"timestamp", offprint.Timestamp,
		`'2026-07-01 12:00:00.123456'|'4713-01-01 00:00:00 BC'|'294276-12-31 23:59:59.999999'|'infinity'|'-infinity'`,
		`2026-07-01T12:00:00.123456|-4712-01-01T00:00:00|text +294276-12-31T23:59:59.999999|text infinity|text -infinity`,
	},
	{"timestamptz", offprint.Timestamp, `'2026-07-01 12:00:00Z'|'1900-01-01 00:00:00Z'|'infinity'`, `2026-07-01T14:00:00+02:00|1900-01-01T01:00:00+01:00|text infinity`},
	{"time", offprint.Text, `'13:30'|'24:00'`, `13:30:00|24:00:00`},
	{"timetz", offprint.Text, `'13:30+02'`, `13:30:00+02`},
	{"interval", offprint.Text, `'1 year 2 mons 3 days 04:05:06'|'-1 day'`, `1 year 2 mons 3 days 04:05:06|-1 days`},
	{"uuid", offprint.Text, `'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'`, `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`},
	{"json", offprint.Text, `'{"a": 1}'`, `{"a": 1}`},
	{"jsonb", offprint.Text, `'{"a":1}'`, `{"a": 1}`},
	{"jsonpath", offprint.Text, `'$.a'`, `$."a"`},
	{"xml", offprint.Text, `'<a/>'`, `<a/>`},
	{"bytea", offprint.Bytes, `'\x'|'\x00ff'`, `|00ff`},
	{"bit", offprint.Text, `'1'`, `1`},
	{"varbit", offprint.Text, `'0101'`, `0101`},
	{"inet", offprint.Text, `'10.0.0.1/8'|'::1'`, `10.0.0.1/8|::1`},
	{"cidr", offprint.Text, `'10.0.0.0/8'`, `10.0.0.0/8`},
	{"macaddr", offprint.Text, `'08:00:2b:01:02:03'`, `08:00:2b:01:02:03`},
	{"macaddr8", offprint.Text, `'08:00:2b:01:02:03:04:05'`, `08:00:2b:01:02:03:04:05`},
	{"money", offprint.Text, `'1234.50'`, `$1,234.50`},
	{"point", offprint.Text, `'(1,2)'`, `(1,2)`},
	{"line", offprint.Text, `'{1,2,3}'`, `{1,2,3}`},
	{"lseg", offprint.Text, `'[(1,2),(3,4)]'`, `[(1,2),(3,4)]`},
	{"box", offprint.Text, `'(3,4),(1,2)'`, `(3,4),(1,2)`},
	{"path", offprint.Text, `'[(1,2),(3,4)]'`, `[(1,2),(3,4)]`},
	{"polygon", offprint.Text, `'((1,2),(3,4))'`, `((1,2),(3,4))`},
	{"circle", offprint.Text, `'<(1,2),3>'`, `<(1,2),3>`},
	{"tsvector", offprint.Text, `'a b'`, `'a' 'b'`},
	{"tsquery", offprint.Text, `'a & b'`, `'a' & 'b'`},
	{"int4range", offprint.Text, `'[1,3)'|'empty'`, `[1,3)|empty`},
	{"int8range", offprint.Text, `'[1,)'`, `[1,)`},
	{"numrange", offprint.Text, `'[1.5,2)'`, `[1.5,2)`},
	{"daterange", offprint.Text, `'[2026-01-01,2026-02-01)'`, `[2026-01-01,2026-02-01)`},
	{"tsrange", offprint.Text, `'[2026-01-01,2026-02-01)'`, `["2026-01-01 00:00:00","2026-02-01 00:00:00")`},
	{"tstzrange", offprint.Text, `'[2026-01-01Z,2026-02-01Z)'`, `["2026-01-01 01:00:00+01","2026-02-01 01:00:00+01")`},
	{"int4multirange", offprint.Text, `'{[1,3)}'`, `{[1,3)}`},
	{"int8multirange", offprint.Text, `'{}'`, `{}`},
	{"nummultirange", offprint.Text, `'{[1,2)}'`, `{[1,2)}`},
	{"datemultirange", offprint.Text, `'{}'`, `{}`},
	{"tsmultirange", offprint.Text, `'{}'`, `{}`},
	{"tstzmultirange", offprint.Text, `'{}'`, `{}`},
	{"int4[]", offprint.Text, `'{1,NULL,3}'|'{{1,2},{3,4}}'|'{}'`, `{1,NULL,3}|{{1,2},{3,4}}|{}`},
	{"date[]", offprint.Text, `'{2026-01-31}'`, `{2026-01-31}`},
	{"refcursor", offprint.Text, `'x'`, `x`},
	{"xid", offprint.Text, `'5'`, `5`},
	{"xid8", offprint.Text, `'5'`, `5`},
	{"cid", offprint.Text, `'5'`, `5`},
	{"tid", offprint.Text, `'(0,1)'`, `(0,1)`},
	{"pg_lsn", offprint.Text, `'16/B374D848'`, `16/B374D848`},
	{"pg_snapshot", offprint.Text, `'10:20:10,14'`, `10:20:10,14`},
	{"txid_snapshot", offprint.Text, `'10:20:10,14'`, `10:20:10,14`},
	{"regclass", offprint.Text, `'pg_class'`, `pg_class`},
	{"regcollation", offprint.Text, `'"C"'`, `"C"`},
	{"regconfig", offprint.Text, `'english'`, `english`},
	{"regdictionary", offprint.Text, `'simple'`, `simple`},
	{"regnamespace", offprint.Text, `'pg_catalog'`, `pg_catalog`},
	{"regoper", offprint.Text, `'#-'`, `#-`},
	{"regoperator", offprint.Text, `'+(integer,integer)'`, `+(integer,integer)`},
	{"regproc", offprint.Text, `'now'`, `now`},
	{"regprocedure", offprint.Text, `'now()'`, `now()`},
	{"regrole", offprint.Text, `'test'`, `test`},
	{"regtype", offprint.Text, `'int4'`, `integer`},
	{"aclitem", offprint.Text, `'test=r/test'`, `test=r/test`},
	{"int2vector", offprint.Text, `'1 2'`, `1 2`},
	{"oidvector", offprint.Text, `'1 2'`, `1 2`},
	{"gtsvector", offprint.Text, ``, ``},
	{"pg_node_tree", offprint.Text, ``, ``},
	{"pg_ndistinct", offprint.Text, ``, ``},
	{"pg_dependencies", offprint.Text, ``, ``},
	{"pg_mcv_list", offprint.Text, ``, ``},
	{"pg_brin_bloom_summary", offprint.Text, ``, ``},
	{"pg_brin_minmax_multi_summary", offprint.Text, ``, ``},
	{"mood", offprint.Text, `'ok'`, `ok`},
	{"price", offprint.Decimal, `'1.50'`, `1.50`},
	{"pair", offprint.Text, `'(1,x)'`, `(1,x)`},
	{"moodrange", offprint.Text, `'[ok,ok]'`, `[ok,ok]`},
	{"moodmultirange", offprint.Text, `'{}'`, `{}`},
	{"cardinal_number", offprint.Int, `'5'`, `5`},
	{"character_data", offprint.Text, `'x'`, `x`},
	{"sql_identifier", offprint.Text, `'x'`, `x`},
	{"time_stamp", offprint.Timestamp, `'2026-07-01 12:00:00Z'`, `2026-07-01T14:00:00+02:00`},
	{"yes_or_no", offprint.Text, `'YES'`, `YES`},
}

func TestEveryTypeOfPostgreSQLArrivesAsTheRightKind(t *testing.T) {
	db, beside := server(t, `CREATE TYPE mood AS ENUM ('ok')`, `CREATE DOMAIN price AS numeric(12,2) CHECK (VALUE >= 0)`,
		`CREATE TYPE pair AS (a int, b text)`, `CREATE TYPE moodrange AS RANGE (subtype = mood)`)
	known := map[string]bool{}
	var tables []kindTable
	var zone *time.Location
	for _, tt := range postgresTypes {
		known[strings.Trim(tt.name, `"`)] = true
		t.Run(tt.name, func(t *testing.T) {
			name := tt.name
			if slices.Contains([]string{"cardinal_number", "character_data", "sql_identifier", "time_stamp", "yes_or_no"}, name) {
				name = "information_schema." + name
			}
			sql, wants := "SELECT NULL::"+name+" AS v", []string{"null "}
			if tt.values != "" {
				for value := range strings.SplitSeq(tt.values, "|'") {
					sql += " UNION ALL SELECT '" + strings.TrimPrefix(value, "'") + "::" + name
				}
				for want := range strings.SplitSeq(tt.want, "|") {
					if !strings.HasPrefix(want, "text ") && !strings.HasPrefix(want, "float ") {
						want = tt.kind.String() + " " + want
					}
					wants = append(wants, want)
				}
			}
			r := report(t, db, head+sql)
			req := ask(t, r, "")
			doc, err := r.Source.Open(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			became := kindTable{name: tt.name}
			for table, err := range doc.Parts {
				if err != nil {
					t.Fatal(err)
				}
				became.column, zone = table.Columns[0], req.Zone
				if table.Columns[0].Kind != tt.kind {
					t.Errorf("the column is %s, want %s", table.Columns[0].Kind, tt.kind)
				}
				for row, err := range table.Rows {
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, row[0].Kind().String()+" "+string(row[0].Append(nil, req.Zone)))
					became.values = append(became.values, row[0].Clone())
				}
			}
			tables = append(tables, became)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", wants) {
				t.Errorf("%s\n got %q\nwant %q", sql, got, wants)
			}
		})
	}
	throughFormats(t, zone, tables)
	rows, err := beside.Query(t.Context(), `SELECT typname FROM pg_type WHERE typtype IN ('b', 'e', 'd', 'r', 'm') AND typelem = 0 AND typname NOT LIKE 'pg_toast%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if !known[name] {
			t.Errorf("the table above has no row for the type %s", name)
		}
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
}
