package jsonl_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/jsonl"
)

// write makes a document as the desk does.
func write(out io.Writer, head offprint.Head, parts ...offprint.Table) error {
	w, err := jsonl.Format.New(out, head)
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

func named(names ...string) (columns []offprint.Column) {
	for _, name := range names {
		columns = append(columns, offprint.Column{Name: name, Title: "Title of " + name})
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

// TestValues holds the form of every kind of value.
func TestValues(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		value offprint.Value
		want  string
	}{
		{"null", offprint.Value{}, `null`},
		{"bool", offprint.BoolValue(false), `false`},
		{"the largest integer", offprint.IntValue(math.MaxInt64), `9223372036854775807`},
		{"the least integer", offprint.IntValue(math.MinInt64), `-9223372036854775808`},
		{"float", offprint.FloatValue(0.1), `0.1`},
		{"the largest float", offprint.FloatValue(math.MaxFloat64), `1.7976931348623157e+308`},
		{"the least float", offprint.FloatValue(math.SmallestNonzeroFloat64), `5e-324`},
		{"no number", offprint.FloatValue(math.NaN()), `"NaN"`},
		{"infinity", offprint.FloatValue(math.Inf(1)), `"+Inf"`},
		{"decimal keeps its zeros", offprint.DecimalValue(-150, 2), `-1.50`},
		{"a decimal below one", decimal("-.05"), `-0.05`},
		{"a decimal of any length", decimal("12345678901234567890.12345678901234567890"), `12345678901234567890.12345678901234567890`},
		{"a decimal with an exponent", decimal("1e30"), `1000000000000000000000000000000`},
		{"date", offprint.DateValue(-719528), `"0000-01-01"`},
		{"instant", offprint.ValueOf(time.Date(2026, 3, 29, 1, 0, 0, 1000, time.UTC)), `"2026-03-29T03:00:00.000001+02:00"`},
		{"wall clock", offprint.WallValue(0), `"1970-01-01T00:00:00"`},
		{"bytes", offprint.BytesValue([]byte{0, 0xFF}), `"00ff"`},
		{"text", offprint.TextValue("Grüße 漢字 👩‍👩‍👧‍👦"), `"Grüße 漢字 👩‍👩‍👧‍👦"`},
		{"an empty text", offprint.TextValue(""), `""`},
		{"digits in a text", offprint.TextValue("007"), `"007"`},
		{"quotes and the like", offprint.TextValue("\"\\\n\r\t\x00\x1f<&>/"), `"\"\\\n\r\t\u0000\u001f<&>/"`},
		{"invalid UTF-8 is mended", offprint.TextValue("caf\xe9!"), "\"caf\uFFFD!\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := made(t, offprint.Head{Zone: berlin}, offprint.Table{Columns: named("a", `b"`), Rows: offprint.Rows(offprint.Row{tt.value, tt.value})})
			if want := `{"a":` + tt.want + `,"b\"":` + tt.want + "}\n"; got != want {
				t.Fatalf("%s, want %s", got, want)
			}
			d := json.NewDecoder(strings.NewReader(got))
			d.UseNumber()
			var object map[string]any
			if err := d.Decode(&object); err != nil {
				t.Fatal(err)
			}
			if n, ok := object["a"].(json.Number); ok && n.String() != tt.want {
				t.Errorf("read %s, want %s", n, tt.want)
			}
		})
	}
}

func TestNoRowsIsAnEmptyFile(t *testing.T) {
	if got := made(t, offprint.Head{}, offprint.Table{Columns: named("a"), Rows: offprint.Rows()}); got != "" {
		t.Errorf("%q", got)
	}
}

// TestParts holds that several parts are files of a zip, one part is a file.
func TestParts(t *testing.T) {
	part := func(name string, n int64) offprint.Table {
		return offprint.Table{Name: name, Columns: named("n"), Rows: offprint.Rows(offprint.Row{offprint.IntValue(n)})}
	}
	for parts, want := range map[int]string{0: ".jsonl", 1: ".jsonl", 2: ".zip"} {
		if got, _ := jsonl.Format.Media(parts); got != want {
			t.Errorf("%d parts make a %s, want %s", parts, got, want)
		}
	}
	file := made(t, offprint.Head{Parts: 2}, part("orders", 1), part("aging", 2))
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
	if want := map[string]string{"orders.jsonl": "{\"n\":1}\n", "aging.jsonl": "{\"n\":2}\n"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := write(io.Discard, offprint.Head{}, part("orders", 1), part("aging", 2)); err == nil {
		t.Error("a second part went unnoticed")
	}
}

type full struct{}

var errFull = errors.New("the disk is full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestFullDisk(t *testing.T) {
	table := offprint.Table{Columns: named("n"), Rows: offprint.Rows(offprint.Row{offprint.IntValue(1)})}
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
			row[2], row[3] = offprint.InstantValue(int64(i)*1e9), offprint.TextValue("Müller\t\"Söhne\"")
			if !yield(row, nil) {
				return
			}
		}
	}
}

// TestFlatMemory holds that rows cost none.
func TestFlatMemory(t *testing.T) {
	allocated := func(rows int) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := write(io.Discard, offprint.Head{}, offprint.Table{Columns: named("a", "b", "c", "d"), Rows: orders(rows)}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := allocated(10_000), allocated(200_000); many > few+10_000 {
		t.Errorf("%d bytes for 10,000 rows, %d for 200,000", few, many)
	}
}

// FuzzText holds that a text comes back through encoding/json as it was.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x7f", "\xff\xfe", "\u2028\ufffd", "漢字😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got map[string]string
		line := made(t, offprint.Head{}, offprint.Table{Columns: named("a"), Rows: offprint.Rows(offprint.Row{offprint.TextValue(s)})})
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		// As encoding/json reads it: U+FFFD for each byte that is no part of a character.
		if want := string([]rune(s)); got["a"] != want {
			t.Fatalf("%q became %q", s, got["a"])
		}
	})
}

// A database's number is an id all the same: many a reader of JSON keeps 53
// bits of a number.
func TestIDsAreStrings(t *testing.T) {
	large := offprint.IntValue(9007199254740993)
	rows := func(yield func(offprint.Row, error) bool) {
		_ = yield(offprint.Row{large, offprint.DecimalValue(1250, 2), large}, nil) && yield(offprint.Row{{}, offprint.BoolValue(true), {}}, nil)
	}
	columns := []offprint.Column{{Name: "id", As: offprint.AsID}, {Name: "code", As: offprint.AsText}, {Name: "n", As: offprint.AsNumber}}
	got := made(t, offprint.Head{}, offprint.Table{Columns: columns, Rows: rows})
	want := `{"id":"9007199254740993","code":"12.50","n":9007199254740993}` + "\n" + `{"id":null,"code":"true","n":null}` + "\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
