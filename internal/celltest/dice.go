package celltest

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// Throw is a document of one to three parts, always the same of the same bytes:
// columns and values of every kind, mostly those that go together.
func Throw(data []byte) Document {
	d := &dice{data: data}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err) // it is inside the binary
	}
	doc := Document{Head: offprint.Head{
		Title: d.text(), Description: d.text(), Zone: one(d, []*time.Location{nil, zone}), Locale: one(d, []string{"", "en-US", "de", "ar", "fr-CA"}),
		Parameters: []offprint.Shown{{Label: d.text(), Text: d.text()}}, Options: map[string]string{"about": one(d, []string{"", "last", "off"})},
	}}
	for i := range 1 + d.of(3) {
		doc.Parts = append(doc.Parts, d.part(fmt.Sprint("part_", i)))
	}
	return doc
}

func (d *dice) part(name string) Part {
	t := offprint.Table{Name: name, Title: d.text()}
	d.walls = d.once(2)
	for i := range d.of(9) {
		t.Columns = append(t.Columns, d.column(i))
	}
	for i := range t.Columns {
		if d.once(4) {
			t.Group = append(t.Group, t.Columns[i].Name)
		}
		if d.once(4) {
			t.Columns[i].Currency = one(d, t.Columns).Name
		}
		if d.once(8) {
			t.Columns[i].Link = "https://shop.example/?a=1&b={" + one(d, t.Columns).Name + "}"
		}
	}
	if !d.once(4) {
		t.Group = nil
	}
	rows := d.of(8)
	if d.once(8) {
		rows = d.of(200) // more than widths are made from
	}
	var values []offprint.Row
	for range rows {
		row := make(offprint.Row, len(t.Columns))
		for i, c := range t.Columns {
			row[i] = d.value(c.Kind)
		}
		values = append(values, row)
	}
	return PartOf(t, values...)
}

// TimeFormats are those of the thrown number formats that show days or times.
var TimeFormats = []string{"yyyy-mm-dd", "[h]:mm:ss", `dd/mm/yy" at "hh:mm`}

var numberFormats = []string{"General", "0", "0.00", "#,##0.00 €", `0.0" kg"`, "0.00E+00", "0%", "@"}

func (d *dice) column(i int) offprint.Column {
	c := offprint.Column{
		Name: fmt.Sprint("c", i), Title: d.text(), Kind: offprint.Kind(d.of(int(offprint.Bytes) + 1)),
		As:    one(d, []offprint.As{"", "", "", offprint.AsID, offprint.AsMoney, offprint.AsPercent, offprint.AsText, offprint.AsNumber, offprint.AsDate, offprint.AsDatetime, offprint.AsBool}),
		Total: one(d, append(offprint.TotalWords[:len(offprint.TotalWords):len(offprint.TotalWords)], offprint.NoTotal)),
		Hide:  d.once(8),
	}
	if d.once(3) {
		c.Format = one(d, slices.Concat(numberFormats, TimeFormats))
	}
	if d.once(6) {
		c.Width = float64(d.byte())
	}
	if d.once(6) {
		c.Note = d.text()
	}
	return c
}

// value is mostly of the kind.
func (d *dice) value(kind offprint.Kind) offprint.Value {
	switch d.of(16) {
	case 0:
		return offprint.Value{}
	case 1:
		kind = offprint.Kind(d.of(int(offprint.Bytes) + 1))
	}
	const mostDays = 3_000_000 // beyond all calendars
	switch kind {
	case offprint.Bool:
		return offprint.BoolValue(d.once(2))
	case offprint.Int:
		return offprint.IntValue(d.int64() >> (d.of(8) * 8))
	case offprint.Float:
		if d.once(2) {
			return offprint.FloatValue(float64(d.int64()>>40) / 100)
		}
		return offprint.FloatValue(math.Float64frombits(uint64(d.int64())))
	case offprint.Decimal:
		return d.decimal()
	case offprint.Date:
		return offprint.DateValue(d.int64() % mostDays)
	case offprint.Timestamp:
		micros := d.int64() % (mostDays * 86400e6)
		if d.walls {
			return offprint.WallValue(micros)
		}
		return offprint.InstantValue(micros)
	case offprint.Bytes:
		s := d.text()
		return offprint.BytesValue([]byte(s[:min(len(s), 100)]))
	}
	return offprint.TextValue(d.text())
}

func (d *dice) decimal() offprint.Value {
	if !d.once(3) {
		return offprint.DecimalValue(d.int64()>>(d.of(8)*8), d.of(19))
	}
	var s strings.Builder
	s.WriteString(one(d, []string{"", "-"}))
	for range 1 + d.of(40) {
		s.WriteByte(byte('0' + d.of(10)))
	}
	s.WriteByte('.')
	for range d.of(30) {
		s.WriteByte(byte('0' + d.of(10)))
	}
	s.WriteString(one(d, []string{"", "", "", "e20", "e-20", "e300", "e-300", "e400", "e-400"}))
	v, _ := offprint.ParseDecimal(s.String())
	return v
}

// odd are texts that writers and readers have turned into something else.
var odd = []string{
	"=1+1", "\t=1", "\r\n=1", "\uFF1D1", "'", "''=1", "-", "http://example.com", "1e5", "TRUE", "2026-01-31", "#N/A", "NULL", "a,b", `"`, `""`, `a "b" c`, "\\.",
	"Ærøskøbing", "Приве́т", "مرحبا", "漢字", "नमस्ते", "👩‍👩‍👧‍👦 🇩🇪 𝒳", "<b>&amp;\"'</b>]]>", "a\tb", "a\nb", "a\r\nb", " leading", "trailing ", "\n", "\r",
	"\x00\x01\x1f", "\x7f\u0085\u200b\ufeff", "\ufffe\uffff", "\u2028", "_x0041_", "_x005F_x0041_", "_x0041\x01", "__x0041__", "_xZZZZ_", "_x0041", "A[1]'s #",
}

func (d *dice) text() string {
	switch d.of(4) {
	case 0:
		return one(d, []string{"", " ", "a", "Amount", "amount", "AMOUNT", "007"})
	case 1:
		return one(d, odd)
	}
	s := make([]byte, d.of(24))
	for i := range s {
		s[i] = d.byte()
		if s[i] >= 0x80 && d.once(2) { // most of the invalid ones out
			s[i] -= 0x80
		}
	}
	if d.once(200) {
		return strings.Repeat(strings.ToValidUTF8(string(s), "")+"€😀", 32_767/max(1, len(s)))
	}
	return string(s)
}

// dice make decisions of the fuzzer's bytes, and of what they add up to once
// there are no more.
type dice struct {
	data  []byte
	state uint64
	walls bool // this part's times have no zone
}

func (d *dice) byte() byte {
	if len(d.data) > 0 {
		b := d.data[0]
		d.data, d.state = d.data[1:], d.state*31+uint64(b)
		return b
	}
	d.state = d.state*6364136223846793005 + 1442695040888963407
	return byte(d.state >> 56)
}

// of is a number below n, which is at most 256.
func (d *dice) of(n int) int { return int(d.byte()) * n / 256 }

func (d *dice) once(in int) bool { return d.of(in) == in-1 }

func (d *dice) int64() int64 {
	var b [8]byte
	for i := range b {
		b[i] = d.byte()
	}
	return int64(binary.BigEndian.Uint64(b[:]))
}

func one[T any](d *dice, of []T) T { return of[d.of(len(of))] }
