package csv_test

import (
	"archive/zip"
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/csv"
)

// write makes a document as the desk does.
func write(out io.Writer, head offprint.Head, parts ...offprint.Table) error {
	w, err := csv.Format.New(out, head)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := w.Begin(&p); err != nil {
			return err
		}
		for row, err := range p.Rows {
			if err != nil {
				return err
			}
			if err := w.Write(row); err != nil {
				return err
			}
		}
		if err := w.End(offprint.PartEnd{}); err != nil {
			return err
		}
	}
	_, err = w.Close(offprint.DocEnd{})
	return err
}

func made(t *testing.T, head offprint.Head, parts ...offprint.Table) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, head, parts...); err != nil {
		t.Fatalf("write: %v", err)
	}
	return out.String()
}

func titled(titles ...string) (columns []offprint.Column) {
	for _, title := range titles {
		columns = append(columns, offprint.Column{Name: strings.ToLower(title), Title: title})
	}
	return columns
}

func decimal(s string) offprint.Value {
	v, ok := offprint.ParseDecimal(s)
	if !ok {
		panic(s)
	}
	return v
}

var at = time.Date(2026, 10, 25, 1, 30, 0, 123_000_000, time.UTC)

// TestValues holds the form of every kind of value, and that the options
// change what they say and no more.
func TestValues(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	options := func(pairs ...string) map[string]string {
		o := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			o[pairs[i]] = pairs[i+1]
		}
		return o
	}
	excel := options("csv.dialect", "excel")
	semicolon := options("csv.delimiter", ";", "csv.decimal", ",")
	text := offprint.TextValue
	tests := []struct {
		name  string
		head  offprint.Head
		value offprint.Value
		want  string
	}{
		{"null", offprint.Head{}, offprint.Value{}, ``},
		{"an empty text is not null", offprint.Head{}, text(""), `""`},
		{"bool", offprint.Head{}, offprint.BoolValue(true), `true`},
		{"the least integer", offprint.Head{}, offprint.IntValue(math.MinInt64), `-9223372036854775808`},
		{"float", offprint.Head{}, offprint.FloatValue(0.1), `0.1`},
		{"no number", offprint.Head{}, offprint.FloatValue(math.NaN()), `NaN`},
		{"decimal keeps its zeros", offprint.Head{}, offprint.DecimalValue(-150, 2), `-1.50`},
		{"a decimal of any length", offprint.Head{}, decimal("-12345678901234567890.12345678901234567890"), `-12345678901234567890.12345678901234567890`},
		{"date", offprint.Head{}, offprint.DateValue(0), `1970-01-01`},
		{"an instant in UTC", offprint.Head{}, offprint.ValueOf(at), `2026-10-25T01:30:00.123Z`},
		{"an instant in a zone", offprint.Head{Zone: berlin}, offprint.ValueOf(at), `2026-10-25T02:30:00.123+01:00`},
		{"the hour before, by the same clock", offprint.Head{Zone: berlin}, offprint.ValueOf(at.Add(-time.Hour)), `2026-10-25T02:30:00.123+02:00`},
		{"a wall clock", offprint.Head{Zone: berlin}, offprint.WallValue(1e6), `1970-01-01T00:00:01`},
		{"bytes", offprint.Head{}, offprint.BytesValue([]byte{0, 0xFF}), `00ff`},

		{"text", offprint.Head{}, text("Grüße, 漢字"), `"Grüße, 漢字"`},
		{"a quote", offprint.Head{}, text(`a "b" c`), `"a ""b"" c"`},
		{"a line end stays as it is", offprint.Head{}, text("a\nb\r\nc"), "\"a\nb\r\nc\""},
		{"spaces at the ends", offprint.Head{}, text(" a "), `" a "`},
		{"leading zeros", offprint.Head{}, text("007"), `007`},
		{"invalid UTF-8 is mended", offprint.Head{}, text("caf\xe9"), "caf\uFFFD"},
		{"control characters", offprint.Head{}, text("a\x00\x1fb"), "a\x00\x1fb"},

		{"a formula", offprint.Head{}, text("=1+1"), `'=1+1`},
		{"a formula in quotes", offprint.Head{}, text(`=HYPERLINK("x","y")`), `"'=HYPERLINK(""x"",""y"")"`},
		{"plus", offprint.Head{}, text("+1"), `'+1`},
		{"minus", offprint.Head{}, text("-1"), `'-1`},
		{"at", offprint.Head{}, text("@SUM(A1)"), `'@SUM(A1)`},
		{"tab", offprint.Head{}, text("\t=1"), "'\t=1"},
		{"return", offprint.Head{}, text("\r=1"), "\"'\r=1\""},
		{"line feed", offprint.Head{}, text("\n=1"), "\"'\n=1\""},
		{"null character", offprint.Head{}, text("\x00=1"), "'\x00=1"},
		{"full-width equals", offprint.Head{}, text("\uFF1D1"), "'\uFF1D1"},
		{"full-width plus", offprint.Head{}, text("\uFF0B1"), "'\uFF0B1"},
		{"full-width minus, in quotes", offprint.Head{}, text("\uFF0D1,2"), "\"'\uFF0D1,2\""},
		{"full-width at", offprint.Head{}, text("\uFF20SUM(A1)"), "'\uFF20SUM(A1)"},
		{"full-width letters are none", offprint.Head{}, text("\uFF21"), "\uFF21"},
		{"a formula within", offprint.Head{}, text("1=1"), `1=1`},
		{"a negative number is none", offprint.Head{}, offprint.IntValue(-1), `-1`},
		{"nor a negative decimal", offprint.Head{}, offprint.DecimalValue(-150, 2), `-1.50`},
		{"nor a negative float", offprint.Head{}, offprint.FloatValue(-0.5), `-0.5`},
		{"nor a year before ours", offprint.Head{}, offprint.DateValue(-1_000_000), `-0768-02-04`},
		{"a formula, raw", offprint.Head{Options: options("csv.formulas", "raw")}, text("=1+1"), `=1+1`},

		{"another delimiter", offprint.Head{Options: options("csv.delimiter", "tab")}, text("a\tb,c"), "\"a\tb,c\""},
		{"no longer a delimiter", offprint.Head{Options: options("csv.delimiter", "|")}, text("a,b"), `a,b`},
		{"a decimal comma", offprint.Head{Options: semicolon}, offprint.DecimalValue(150, 2), `1,50`},
		{"of a float", offprint.Head{Options: semicolon}, offprint.FloatValue(-0.5), `-0,5`},
		{"not of a text", offprint.Head{Options: semicolon}, text("1.50"), `1.50`},
		{"not of a time", offprint.Head{Options: semicolon}, offprint.ValueOf(at), `2026-10-25T01:30:00.123Z`},
		{"a decimal comma that is the delimiter too", offprint.Head{Options: options("csv.decimal", ",")}, offprint.DecimalValue(150, 2), `"1,50"`},
		{"Excel in Germany", offprint.Head{Options: excel, Locale: "de-DE"}, offprint.DecimalValue(150, 2), `1,50`},
		{"Excel in Switzerland", offprint.Head{Options: excel, Locale: "de-CH"}, offprint.DecimalValue(150, 2), `1.50`},
		{"Excel in America", offprint.Head{Options: excel, Locale: "en-US"}, offprint.DecimalValue(150, 2), `1.50`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := made(t, tt.head, offprint.Table{Columns: titled("A", "B"), Rows: offprint.Rows(offprint.Row{tt.value, offprint.IntValue(1)})})
			lines := strings.SplitN(file, "\r\n", 2)
			delimiter := lines[0][len(lines[0])-2 : len(lines[0])-1]
			if want := tt.want + delimiter + "1\r\n"; lines[1] != want {
				t.Errorf("%q, want %q", lines[1], want)
			}
		})
	}
}

func TestHeads(t *testing.T) {
	tests := []struct {
		name    string
		options map[string]string
		locale  string
		want    string
	}{
		{"plain", nil, "de", "A,\"B, too\"\r\n"},
		{"with a mark", map[string]string{"csv.bom": "on"}, "", "\ufeffA,\"B, too\"\r\n"},
		{"semicolon", map[string]string{"csv.delimiter": "semicolon"}, "", "A;B, too\r\n"},
		{"Excel in France", map[string]string{"csv.dialect": "excel"}, "fr", "\ufeffA;B, too\r\n"},
		{"line feeds", map[string]string{"csv.line_end": "lf"}, "", "A,\"B, too\"\n"},
		{"carriage returns, too", map[string]string{"csv.line_end": "crlf"}, "", "A,\"B, too\"\r\n"},
		{"Excel, but without a mark", map[string]string{"csv.dialect": "excel", "csv.bom": "off"}, "en", "A,\"B, too\"\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := made(t, offprint.Head{Options: tt.options, Locale: tt.locale}, offprint.Table{Columns: titled("A", "B, too"), Rows: offprint.Rows()}); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestWrongOptions(t *testing.T) {
	for _, options := range []map[string]string{
		{"csv.delimiter": "\""},
		{"csv.delimiter": "'"},
		{"csv.delimiter": "ab"},
		{"csv.delimiter": "\n"},
		{"csv.delimiter": "."},
		{"csv.delimiter": "-"},
		{"csv.delimiter": "5"},
		{"csv.decimal": ";"},
		{"csv.line_end": "\n"},
		{"csv.bom": "perhaps"},
		{"csv.dialect": "word"},
		{"csv.formulas": "live"},
	} {
		if _, err := csv.Format.New(io.Discard, offprint.Head{Options: options}); offprint.CodeOf(err) != offprint.Invalid {
			t.Errorf("%v: %v", options, err)
		}
	}
}

// nasty are texts that other writers have turned into something else.
var nasty = []string{
	"plain", "", "a,b", `"`, `""`, "a\nb", "a\r\nb", "\n", "'", "''=1", "\\.", " ", "00123", "123456789012345678", "1e5",
	"Ærøskøbing", "Приве́т", "Γειά", "مرحبا", "שלום", "漢字", "नमस्ते", "สวัสดี", "👩‍👩‍👧‍👦", "\u2028", "_x0041_", "<b>&amp;</b>", strings.Repeat("x", 5000),
}

// TestReadBack holds that Go's and Python's readers, and so most others, read
// what was written.
func TestReadBack(t *testing.T) {
	var rows []offprint.Row
	want := [][]string{{"A", "B"}}
	for i, s := range nasty {
		other := nasty[len(nasty)-1-i]
		rows = append(rows, offprint.Row{offprint.TextValue(s), offprint.TextValue(other)})
		want = append(want, []string{s, other})
	}
	raw := map[string]string{"csv.formulas": "raw"}
	file := made(t, offprint.Head{Options: raw}, offprint.Table{Columns: titled("A", "B"), Rows: offprint.Rows(rows...)})
	wantPython(t, file, want)

	r := stdcsv.NewReader(strings.NewReader(file))
	got, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range want { // Go's reader takes \r\n within quotes for \n
		for i := range record {
			record[i] = strings.ReplaceAll(record[i], "\r\n", "\n")
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("encoding/csv read %q", got)
	}
}

// TestLineEnds holds that the option is of rows alone, and that both ends are
// read back.
func TestLineEnds(t *testing.T) {
	rows := offprint.Rows(offprint.Row{offprint.TextValue("a\r\nb"), offprint.TextValue("c\nd")}, offprint.Row{{}, {}})
	lf := map[string]string{"csv.line_end": "lf"}
	file := made(t, offprint.Head{Options: lf}, offprint.Table{Columns: titled("A", "B"), Rows: rows})
	if want := "A,B\n\"a\r\nb\",\"c\nd\"\n,\n"; file != want {
		t.Errorf("%q, want %q", file, want)
	}
	wantPython(t, file, [][]string{{"A", "B"}, {"a\r\nb", "c\nd"}, {"", ""}})
}

// TestSingleColumn holds that an empty line is never a row.
func TestSingleColumn(t *testing.T) {
	file := made(t, offprint.Head{}, offprint.Table{Columns: titled("A"), Rows: offprint.Rows(offprint.Row{{}}, offprint.Row{offprint.TextValue("")}, offprint.Row{offprint.IntValue(1)})})
	wantPython(t, file, [][]string{{"A"}, {""}, {""}, {"1"}})
}

func wantPython(t *testing.T, file string, want [][]string) {
	t.Helper()
	const program = `import csv, io, json, sys; json.dump(list(csv.reader(io.TextIOWrapper(sys.stdin.buffer, "utf-8", newline=""))), sys.stdout)`
	cmd := exec.Command("/usr/bin/python3", "-c", program)
	cmd.Stdin = strings.NewReader(file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Python's csv module does not read it; if Python is missing, install python3: %v", err)
	}
	var got [][]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Python read %q, want %q", got, want)
	}
}

// TestParts holds that several parts are files of a zip, one part is a file.
func TestParts(t *testing.T) {
	part := func(name string, n int64) offprint.Table {
		return offprint.Table{Name: name, Columns: titled("N"), Rows: offprint.Rows(offprint.Row{offprint.IntValue(n)})}
	}
	for parts, want := range map[int]string{0: ".csv", 1: ".csv", 2: ".zip"} {
		if got, _ := csv.Format.Media(parts); got != want {
			t.Errorf("%d parts make a %s, want %s", parts, got, want)
		}
	}
	file := made(t, offprint.Head{Parts: 3}, part("orders", 1), part("aging", 2), part("orders", 3))
	z, err := zip.NewReader(strings.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name] = string(content)
	}
	if want := map[string]string{"orders.csv": "N\r\n1\r\n", "aging.csv": "N\r\n2\r\n", "orders-2.csv": "N\r\n3\r\n"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := write(io.Discard, offprint.Head{Parts: 1}, part("orders", 1), part("aging", 2)); err == nil {
		t.Error("a second part went unnoticed")
	}
}

type full struct{}

var errFull = errors.New("the disk is full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestFullDisk(t *testing.T) {
	table := offprint.Table{Columns: titled("N"), Rows: offprint.Rows(offprint.Row{offprint.IntValue(1)})}
	for _, parts := range []int{1, 2} {
		if err := write(full{}, offprint.Head{Parts: parts}, table); !errors.Is(err, errFull) {
			t.Errorf("%d parts: %v", parts, err)
		}
	}
}

// orders are n rows in one buffer, as a source makes them.
func orders(n int) iter.Seq2[offprint.Row, error] {
	return func(yield func(offprint.Row, error) bool) {
		row := make(offprint.Row, 4)
		for i := range n {
			row[0], row[1] = offprint.IntValue(int64(i)), offprint.DecimalValue(int64(i), 2)
			row[2], row[3] = offprint.InstantValue(int64(i)*1e9), offprint.TextValue("Müller, \"Söhne\"")
			if !yield(row, nil) {
				return
			}
		}
	}
}

// TestTheFirstRowsLeave holds that nobody waits for more rows to see the first.
func TestTheFirstRowsLeave(t *testing.T) {
	var out bytes.Buffer
	w, err := csv.Format.New(&out, offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(&offprint.Table{Columns: titled("A", "B", "C", "D")}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "A,B,C,D\r\n" {
		t.Errorf("before the first row %q has left", out.String())
	}
	for row := range orders(30) {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "\r\n0,") {
		t.Errorf("of thirty rows %q has left", out.String())
	}
}

// TestFlatMemory holds that rows cost none, and none in the end.
func TestFlatMemory(t *testing.T) {
	allocated := func(rows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := write(io.Discard, offprint.Head{}, offprint.Table{Columns: titled("A", "B", "C", "D"), Rows: orders(rows)}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(10_000), allocated(200_000); many > few+10_000 {
		t.Errorf("%d bytes for 10,000 rows, %d for 200,000", few, many)
	}
}

// FuzzText holds that a text comes back through Go's reader as it was.
func FuzzText(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		raw := offprint.Head{Options: map[string]string{"csv.formulas": "raw"}}
		file := made(t, raw, offprint.Table{Columns: titled("A", "B"), Rows: offprint.Rows(offprint.Row{offprint.TextValue(a), offprint.TextValue(b)})})
		got, err := stdcsv.NewReader(strings.NewReader(file)).ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", file, err)
		}
		read := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n") }
		if len(got) != 2 || got[1][0] != read(a) || got[1][1] != read(b) {
			t.Fatalf("%q became %q", []string{a, b}, got)
		}
	})
}
