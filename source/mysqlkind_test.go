package source_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// mysqlTypes has a row for every type that a column can have: SQL literals,
// and what they arrive as.
var mysqlTypes = []struct {
	name   string // with what a column needs beside
	kind   offprint.Kind
	values string // SQL literals, parted by |
	want   string // text, parted by |; with its kind where that is not the column's
}{
	{"tinyint", offprint.Int, `-128|127|0`, `-128|127|0`},
	{"tinyint(1)", offprint.Int, `0|1|2`, `0|1|2`},
	{"tinyint unsigned", offprint.Int, `0|255`, `0|255`},
	{"smallint", offprint.Int, `-32768|32767`, `-32768|32767`},
	{"smallint unsigned", offprint.Int, `65535`, `65535`},
	{"mediumint", offprint.Int, `-8388608|8388607`, `-8388608|8388607`},
	{"mediumint unsigned", offprint.Int, `16777215`, `16777215`},
	{"int", offprint.Int, `-2147483648|2147483647`, `-2147483648|2147483647`},
	{"int unsigned", offprint.Int, `4294967295`, `4294967295`},
	{"int(6) zerofill", offprint.Int, `42`, `42`},
	{"bigint", offprint.Int, `-9223372036854775808|9223372036854775807`, `-9223372036854775808|9223372036854775807`},
	{"bigint unsigned", offprint.Int, `0|9223372036854775807|9223372036854775808|18446744073709551615`, `0|9223372036854775807|decimal 9223372036854775808|decimal 18446744073709551615`},
	{"bool", offprint.Int, `FALSE|TRUE`, `0|1`},
	{"bit(1)", offprint.Int, `b'0'|b'1'`, `0|1`},
	{"bit(64)", offprint.Int, `b'101'|0xFFFFFFFFFFFFFFFF`, `5|decimal 18446744073709551615`},
	{"float", offprint.Float, `0.1|-3.4028234e38|16777217|0.00001`, `0.1|-3.4028235e+38|16777216|0.00001`},
	{"double", offprint.Float, `0.1|1.7976931348623157e308|5e-324|1e22|123456789.125`, `0.1|1.7976931348623157e+308|5e-324|1e+22|123456789.125`},
	{"double(10,2)", offprint.Float, `1.5`, `1.5`},
	{"decimal(12,2)", offprint.Decimal, `1.5|0|-0.01|1234567890.12`, `1.50|0.00|-0.01|1234567890.12`},
	{"decimal(5)", offprint.Decimal, `10000|-1`, `10000|-1`},
	{"decimal(65,30)", offprint.Decimal, `12345678901234567890123456789012345.000000000000000000000000000001|-0.1`, `12345678901234567890123456789012345.000000000000000000000000000001|-0.100000000000000000000000000000`},
	{"decimal(18,18)", offprint.Decimal, `0.000000000000000001`, `0.000000000000000001`},
	{"decimal(10,2) zerofill", offprint.Decimal, `1.5`, `1.50`},
	{"date", offprint.Date, `'2026-01-31'|'1000-01-01'|'9999-12-31'|'0001-01-01'|'0000-00-00'|'2026-02-00'|'2026-02-31'`, `2026-01-31|1000-01-01|9999-12-31|0001-01-01|text 0000-00-00|text 2026-02-00|text 2026-02-31`},
	{"datetime", offprint.Timestamp, `'2026-07-01 12:00:00'|'1000-01-01 00:00:00'|'9999-12-31 23:00:00'|'0000-00-00 00:00:00'|'2026-00-01 10:00:00'`, `2026-07-01T14:00:00+02:00|1000-01-01T00:53:28+00:53:28|+10000-01-01T00:00:00+01:00|text 0000-00-00 00:00:00|text 2026-00-01 10:00:00`},
	{"datetime(6)", offprint.Timestamp, `'2026-07-01 12:00:00.123456'|'2026-01-01 00:00:00.5'`, `2026-07-01T14:00:00.123456+02:00|2026-01-01T01:00:00.5+01:00`},
	{
		"timestamp", offprint.Timestamp, `'2026-07-01 12:00:00'|'1970-01-01 00:00:01'|'2038-01-19 03:14:07'|'2026-10-25 00:59:59'|'2026-10-25 02:00:00'|'2026-03-29 00:59:59'|'2026-03-29 01:00:00'|0`,
		`2026-07-01T14:00:00+02:00|1970-01-01T01:00:01+01:00|2038-01-19T04:14:07+01:00|2026-10-25T02:59:59|2026-10-25T03:00:00+01:00|2026-03-29T01:59:59+01:00|2026-03-29T03:00:00+02:00|text 0000-00-00 00:00:00`,
	},
	{"timestamp(6)", offprint.Timestamp, `'2026-07-01 12:00:00.000001'`, `2026-07-01T14:00:00.000001+02:00`},
	{"time", offprint.Text, `'13:30'|'838:59:59'|'-838:59:59'|'00:00:00'`, `13:30:00|838:59:59|-838:59:59|00:00:00`},
	{"time(6)", offprint.Text, `'13:30:00.123456'|'-00:00:00.5'`, `13:30:00.123456|-00:00:00.500000`},
	{"year", offprint.Int, `2026|1901|2155|0`, `2026|1901|2155|0`},
	{"char(3)", offprint.Text, `'x'|''`, `x|`},
	{"varchar(20)", offprint.Text, `''|'ü 漢 😀'|'a
b'`, "|ü 漢 😀|a\nb"},
	{"varchar(20) character set latin1", offprint.Text, `'ü €'`, `ü €`},
	{"tinytext", offprint.Text, `'x'`, `x`},
	{"text", offprint.Text, `'x'`, `x`},
	{"mediumtext", offprint.Text, `'x'`, `x`},
	{"longtext", offprint.Text, `'x'`, `x`},
	{"enum('open','paid')", offprint.Text, `'paid'|''`, `paid|`},
	{"set('a','b')", offprint.Text, `'a,b'|''`, `a,b|`},
	{"json", offprint.Text, `'{"a": 1}'`, `{"a": 1}`},
	{"binary(3)", offprint.Bytes, `'a'`, `610000`},
	{"varbinary(20)", offprint.Bytes, `''|0x00FF`, `|00ff`},
	{"tinyblob", offprint.Bytes, `0x00`, `00`},
	{"blob", offprint.Bytes, `0x00`, `00`},
	{"mediumblob", offprint.Bytes, `0x00`, `00`},
	{"longblob", offprint.Bytes, `0x00`, `00`},
	{"uuid", offprint.Text, `'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'`, `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`},
	{"inet4", offprint.Text, `'10.0.0.1'`, `10.0.0.1`},
	{"inet6", offprint.Text, `'::1'`, `::1`},
	{"geometry", offprint.Bytes, `ST_GeomFromText('POINT(1 2)')`, `000000000101000000000000000000f03f0000000000000040`},
	{"point", offprint.Bytes, ``, ``},
	{"linestring", offprint.Bytes, ``, ``},
	{"polygon", offprint.Bytes, ``, ``},
	{"multipoint", offprint.Bytes, ``, ``},
	{"multilinestring", offprint.Bytes, ``, ``},
	{"multipolygon", offprint.Bytes, ``, ``},
	{"geometrycollection", offprint.Bytes, ``, ``},
}

func TestEveryTypeOfMySQLArrivesAsTheRightKind(t *testing.T) {
	url, beside := maria(t)
	db := open(t, source.Config{Name: "shop", URL: url})
	var tables []kindTable
	var zone *time.Location
	for i, tt := range mysqlTypes {
		t.Run(tt.name, func(t *testing.T) {
			name := fmt.Sprintf("t%d", i)
			put(t, beside, "CREATE TABLE "+name+" (id int PRIMARY KEY, v "+tt.name+" NULL) CHARACTER SET utf8mb4", "INSERT INTO "+name+" VALUES (0, NULL)")
			wants := []string{"null "}
			if tt.values != "" {
				for n, value := range strings.Split(tt.values, "|") {
					put(t, beside, fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", name, n+1, value))
				}
				for want := range strings.SplitSeq(tt.want, "|") {
					if !strings.HasPrefix(want, "text ") && !strings.HasPrefix(want, "decimal ") {
						want = tt.kind.String() + " " + want
					}
					wants = append(wants, want)
				}
			}
			r := report(t, db, head+"SELECT v FROM "+name+" ORDER BY id")
			req := ask(t, r, "")
			became, got := arrived(t, r, req)
			became.name, zone = tt.name, req.Zone
			if became.column.Kind != tt.kind {
				t.Errorf("the column is %s, want %s", became.column.Kind, tt.kind)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", wants) {
				t.Errorf("\n got %q\nwant %q", got, wants)
			}
			tables = append(tables, became)
		})
	}
	throughFormats(t, zone, tables)
	for _, name := range typesOf(t, beside) {
		if !slices.ContainsFunc(mysqlTypes, func(tt struct {
			name         string
			kind         offprint.Kind
			values, want string
		},
		) bool {
			return span(tt.name) == name
		}) {
			t.Errorf("the table above has no row for the type %s", name)
		}
	}
}

// span is the first word.
func span(name string) string {
	return name[:len(name)-len(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz0123456789"))]
}

// arrived is the only column of a report: as it is, and as kind and text.
func arrived(t *testing.T, r *offprint.Report, req offprint.Request) (became kindTable, got []string) {
	t.Helper()
	doc, err := r.Source.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for table, err := range doc.Parts {
		if err != nil {
			t.Fatal(err)
		}
		became.column = table.Columns[0]
		for row, err := range table.Rows {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, row[0].Kind().String()+" "+string(row[0].Append(nil, req.Zone)))
			became.values = append(became.values, row[0].Clone())
		}
	}
	return became, got
}

// typesOf are the names that the server gives to types when a column is made
// of any type that its manual or a plugin has.
func typesOf(t *testing.T, beside *sql.DB) (names []string) {
	t.Helper()
	candidates := texts(t, beside, `SELECT help_topic.name FROM mysql.help_topic JOIN mysql.help_category USING (help_category_id)
		WHERE help_category.name = 'Data Types' UNION SELECT plugin_name FROM information_schema.plugins WHERE plugin_type = 'DATA TYPE'`)
	for i, name := range candidates {
		for n, arguments := range []string{"", "(10)", "('a')"} {
			table := fmt.Sprintf("made%d_%d", i, n)
			if _, err := beside.ExecContext(t.Context(), "CREATE TABLE "+table+" (v "+strings.TrimSuffix(name, " Data Type")+arguments+")"); err == nil {
				names = append(names, texts(t, beside, "SELECT data_type FROM information_schema.columns WHERE table_schema = database() AND table_name = '"+table+"'")...)
			}
		}
	}
	if len(names) < 40 {
		t.Errorf("only %d columns could be made: %v", len(names), names)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func texts(t *testing.T, beside *sql.DB, query string) (all []string) {
	t.Helper()
	rows, err := beside.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	return all
}
