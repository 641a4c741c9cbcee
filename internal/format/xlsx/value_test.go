package xlsx_test

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

func decimal(s string) offprint.Value {
	v, ok := offprint.ParseDecimal(s)
	if !ok {
		panic(s)
	}
	return v
}

func instant(s string) offprint.Value {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return offprint.ValueOf(at)
}

func day(s string) offprint.Value {
	d, ok := offprint.ParseDay(s)
	if !ok {
		panic(s)
	}
	return offprint.DateValue(d.Days())
}

func berlin(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestValues holds that every value arrives as what it is, or, where Excel has
// no such thing, as its text.
func TestValues(t *testing.T) {
	plain, id, money := offprint.Column{}, offprint.Column{As: offprint.AsID}, offprint.Column{As: offprint.AsMoney}
	text := func(s string) offprint.Value { return offprint.TextValue(s) }
	tests := []struct {
		name   string
		column offprint.Column
		value  offprint.Value
		kind   string
		want   string
	}{
		{"null", plain, offprint.Value{}, "null", ""},
		{"true", plain, offprint.BoolValue(true), "bool", "true"},
		{"false", plain, offprint.BoolValue(false), "bool", "false"},
		{"zero", plain, offprint.IntValue(0), "number", "0"},
		{"negative", plain, offprint.IntValue(-42), "number", "-42"},
		{"the largest exact integer", plain, offprint.IntValue(1 << 53), "number", "9007199254740992"},
		{"an integer beyond", plain, offprint.IntValue(1<<53 + 1), "text", "9007199254740993"},
		{"the largest integer", plain, offprint.IntValue(math.MaxInt64), "text", "9223372036854775807"},
		{"the least integer", plain, offprint.IntValue(math.MinInt64), "text", "-9223372036854775808"},
		{"an integer of an id", id, offprint.IntValue(4711), "text", "4711"},
		{"18 digits of an id", id, offprint.IntValue(123456789012345678), "text", "123456789012345678"},
		{"float", plain, offprint.FloatValue(0.1), "number", "0.1"},
		{"a float of 17 digits", plain, offprint.FloatValue(0.1 + 0.2), "number", strconv.FormatFloat(0.1+0.2, 'g', -1, 64)},
		{"the largest float", plain, offprint.FloatValue(math.MaxFloat64), "number", "1.7976931348623157e+308"},
		{"the least float", plain, offprint.FloatValue(math.SmallestNonzeroFloat64), "number", "5e-324"},
		{"no number", plain, offprint.FloatValue(math.NaN()), "text", "NaN"},
		{"infinity", plain, offprint.FloatValue(math.Inf(-1)), "text", "-Inf"},
		{"decimal", plain, offprint.DecimalValue(150, 2), "number", "1.5"},
		{"a decimal that is whole", plain, offprint.DecimalValue(-1200, 2), "number", "-12"},
		{"a small decimal", plain, decimal("0.000000000000000001"), "number", "1e-18"},
		{"15 digits", plain, decimal("1234567890123.45"), "number", "1234567890123.45"},
		{"16 digits", plain, decimal("12345678901234.56"), "number", "12345678901234.6"},
		{"nines", plain, decimal("9999999999999.999"), "number", "10000000000000.0"},
		{"a decimal of 30 digits", plain, decimal("123456789012345678901234567890"), "number", "1.23456789012346e+29"},
		{"an exact integer as decimal", plain, decimal("9007199254740992"), "number", "9007199254740992"},
		{"money of 22 digits", money, decimal("12345678901234567890.12"), "number", "1.23456789012346e+19"},
		{"a decimal beyond the range", plain, decimal("1e400"), "text", "1" + strings.Repeat("0", 400)},
		{"text", plain, text("Grüße"), "text", "Grüße"},
		{"an empty text", plain, text(""), "text", ""},
		{"leading zeros", plain, text("00123"), "text", "00123"},
		{"digits in a text", plain, text("12"), "text", "12"},
		{"date", plain, day("2026-01-31"), "time", "2026-01-31T00:00:00"},
		{"the first day Excel counts right", plain, day("1900-03-01"), "time", "1900-03-01T00:00:00"},
		{"the day before", plain, day("1900-02-28"), "text", "1900-02-28"},
		{"a day of long ago", plain, day("0044-03-15"), "text", "0044-03-15"},
		{"the last day", plain, day("9999-12-31"), "time", "9999-12-31T00:00:00"},
		{"the day after", plain, offprint.DateValue(2932897), "text", "+10000-01-01"},
		{"a wall clock", plain, offprint.WallValue(instantMicros("2026-01-31T23:59:59Z")), "time", "2026-01-31T23:59:59"},
		{"milliseconds", plain, offprint.WallValue(instantMicros("2026-01-31T23:59:59.999Z")), "time", "2026-01-31T23:59:59.999000"},
		{"an instant in winter", plain, instant("2026-01-31T23:30:00Z"), "time", "2026-02-01T00:30:00"},
		{"before the clocks go forward", plain, instant("2026-03-29T00:59:59Z"), "time", "2026-03-29T01:59:59"},
		{"after", plain, instant("2026-03-29T01:00:00Z"), "time", "2026-03-29T03:00:00"},
		{"before the clocks go back", plain, instant("2026-10-25T00:30:00Z"), "time", "2026-10-25T02:30:00"},
		{"after", plain, instant("2026-10-25T01:30:00Z"), "time", "2026-10-25T02:30:00"},
		{"an instant of long ago", plain, instant("1880-01-01T00:00:00Z"), "text", "1880-01-01T00:53:28+00:53:28"},
		{"the last moment of the calendar", plain, offprint.WallValue(2932897*86400e6 - 1), "text", "9999-12-31T23:59:59.999999"},
		{"bytes", plain, offprint.BytesValue([]byte{0, 0xAB, 0xFF}), "text", "00abff"},
	}
	var columns []offprint.Column
	var row offprint.Row
	for i, tt := range tests {
		tt.column.Name, tt.column.Title = fmt.Sprint("c", i), fmt.Sprint(i, " ", tt.name)
		columns, row = append(columns, tt.column), append(row, tt.value)
	}
	b := made(t, offprint.Head{Zone: berlin(t)}, offprint.DocEnd{}, table(columns, row))
	for i, tt := range tests {
		got := b.Sheets[0].Rows[1][i]
		if got.Kind != tt.kind || got.Value != tt.want {
			t.Errorf("%s: %s is %s %q, want %s %q", tt.name, tt.value, got.Kind, got.Value, tt.kind, tt.want)
		}
	}
}

func instantMicros(s string) int64 {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return at.UnixMicro()
}

// nasty are texts that other writers have turned into something else.
func nasty() []string {
	return []string{
		"=1+1", "+49 170 1234567", "-", "@SUM(A1)", "=HYPERLINK(\"http://example.com\",\"x\")", "http://example.com", "'quoted", "1e5", "TRUE", "2026-01-31", "#N/A",
		"Ærøskøbing, Łódź, Ağrı", "Приве́т", "Γειά σου", "مرحبا بالعالم", "שלום עולם", "漢字かな交じり文", "नमस्ते", "สวัสดี", "👩‍👩‍👧‍👦 🇩🇪 𝒳",
		"<b>&amp;\"'</b>]]>", "a\tb", "a\nb", " leading", "trailing ", "\n", "a\r\nb", "\x00\x01\x1f", "\x7f\u0085\u200b\ufeff", "\ufffe\uffff",
		"_x0041_", "_x005F_x0041_", "_x0041\x01", "__x0041__", "_x00e9_", "_xZZZZ_", "_x0041", strings.Repeat("x", 5000), strings.Repeat("é", 5000),
	}
}

// TestTexts holds that a text arrives as it was, and is nothing but a text.
func TestTexts(t *testing.T) {
	columns := []offprint.Column{{Name: "plain", Title: "Plain"}, {Name: "id", Title: "Id", As: offprint.AsID}}
	var rows []offprint.Row
	for _, s := range nasty() {
		rows = append(rows, offprint.Row{offprint.TextValue(s), offprint.TextValue(s)})
	}
	b := made(t, offprint.Head{}, offprint.DocEnd{}, table(columns, rows...))
	for i, want := range nasty() {
		for _, c := range b.Sheets[0].Rows[i+1] {
			if c.Kind != "text" || c.Value != want || c.Link != "" {
				t.Errorf("%q is %s %q", want, c.Kind, c.Value)
			}
		}
	}
	if w := b.warnings; w != nil {
		t.Errorf("warnings: %v", w)
	}
}

func TestInvalidUTF8IsMended(t *testing.T) {
	b := made(t, offprint.Head{Title: "a\xffb"}, offprint.DocEnd{}, table([]offprint.Column{{Name: "a", Title: "A\xff"}},
		offprint.Row{offprint.TextValue("caf\xe9")}))
	if got, want := b.Sheets[0].Rows[1][0].Value, "caf\uFFFD"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestTextsAreCut holds that what a cell cannot hold is cut between
// characters, and told.
func TestTextsAreCut(t *testing.T) {
	const most = 32767
	columns := []offprint.Column{{Name: "body", Title: "Body"}}
	texts := []string{
		strings.Repeat("x", most), strings.Repeat("é", most), strings.Repeat("x", most+1),
		"x" + strings.Repeat("😀", most/2), "xx" + strings.Repeat("😀", most/2), string(make([]byte, most)),
	}
	var rows []offprint.Row
	for _, s := range texts {
		rows = append(rows, offprint.Row{offprint.TextValue(s)})
	}
	rows = append(rows, offprint.Row{offprint.BytesValue(make([]byte, most))})
	b := made(t, offprint.Head{}, offprint.DocEnd{}, table(columns, rows...))
	for i, want := range []int{most, most, most, 1 + most/2, 2 + most/2 - 1, most, most - 1} {
		if got := utf8.RuneCountInString(b.Sheets[0].Rows[i+1][0].Value); got != want {
			t.Errorf("row %d holds %d characters, want %d", i, got, want)
		}
	}
	if len(b.warnings) != 1 || b.warnings[0].Code != "text_cut" || b.warnings[0].Column != "body" || b.warnings[0].Count != 3 {
		t.Errorf("warnings: %+v", b.warnings)
	}
}

// TestDigitsLost holds that rounding is told where it can be seen.
func TestDigitsLost(t *testing.T) {
	tests := []struct {
		name   string
		column offprint.Column
		value  string
		lost   int64
	}{
		{"15 digits", offprint.Column{}, "123456789012.345", 0},
		{"a 16th without a format", offprint.Column{}, "1.234567890123456", 1},
		{"a 16th that is 0", offprint.Column{}, "1.23456789012345000", 0},
		{"a 16th behind what is shown", offprint.Column{As: offprint.AsMoney}, "1.234567890123456", 0},
		{"a 16th that is shown", offprint.Column{As: offprint.AsMoney}, "12345678901234.56", 1},
		{"zeros that are shown", offprint.Column{As: offprint.AsMoney}, "123456789012345.00", 0},
		{"a digit before the point", offprint.Column{As: offprint.AsMoney}, "1234567890123456.00", 1},
		{"behind zeros", offprint.Column{As: offprint.AsMoney}, "0.0000000001234567890123456789", 0},
		{"a percentage shows two more", offprint.Column{As: offprint.AsPercent}, "123456789012.3456", 1},
		{"a format of the definition", offprint.Column{Format: `0.0" kg"`}, "12345678901234.56", 0},
		{"a format that shows it", offprint.Column{Format: `0.000`}, "1234567890123.456", 1},
		{"scientific", offprint.Column{Format: `0.00E+00`}, "1234567890123.456", 0},
	}
	var columns []offprint.Column
	var row offprint.Row
	for i, tt := range tests {
		tt.column.Name, tt.column.Title = fmt.Sprint("c", i), tt.name
		columns, row = append(columns, tt.column), append(row, decimal(tt.value))
	}
	b := made(t, offprint.Head{}, offprint.DocEnd{}, table(columns, row))
	lost := map[string]int64{}
	for _, w := range b.warnings {
		lost[w.Column] = w.Count
	}
	for i, tt := range tests {
		if got := lost[fmt.Sprint("c", i)]; got != tt.lost {
			t.Errorf("%s: %s loses %d, want %d", tt.name, tt.value, got, tt.lost)
		}
	}
}

// TestMicroseconds holds that a time can be had back to the microsecond, for
// as long as a float of days has so many digits.
func TestMicroseconds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var rows []offprint.Row
	var want []int64
	for range 5000 {
		micros := random.Int64N(instantMicros("2079-06-01T00:00:00Z"))
		want, rows = append(want, micros), append(rows, offprint.Row{offprint.WallValue(micros)})
	}
	var out bytes.Buffer
	if _, err := write(&out, offprint.Head{}, offprint.DocEnd{}, table([]offprint.Column{{Name: "at", Title: "At"}}, rows...)); err != nil {
		t.Fatal(err)
	}
	for i, serial := range numbers(t, out.Bytes())[1:] {
		days, err := strconv.ParseFloat(serial, 64)
		if err != nil {
			t.Fatal(err)
		}
		// Exactly, of the float that Excel has: Go's own product would round.
		micros := new(big.Rat).SetFloat64(days)
		micros.Sub(micros, big.NewRat(25569, 1)).Mul(micros, big.NewRat(86400e6, 1))
		if got, want := micros.FloatString(0), strconv.FormatInt(want[i], 10); got != want {
			t.Fatalf("%s is %s µs, want %s", serial, got, want)
		}
	}
}

// numbers are all numbers of the first sheet as they were written, behind the
// indexes of its header.
func numbers(t *testing.T, data []byte) (all []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("xl/worksheets/sheet1.xml")
	if err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(f)
	inside := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inside = token.Name.Local == "v"
		case xml.CharData:
			if inside {
				all = append(all, string(token))
			}
		case xml.EndElement:
			inside = false
		}
	}
}
