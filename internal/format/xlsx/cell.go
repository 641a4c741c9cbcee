package xlsx

import (
	"math"
	"strconv"
	"time"

	"github.com/offprint/offprint"
)

// A column writes the cells of one column of a part. What stands before a
// value of each kind is made once.
type column struct {
	offprint.Column
	codes    codes
	look     code // of its numbers
	textLook style
	side     string // where what is no number stands
	zone     *time.Location

	ref string // `<c r="B`, before the row's number
	outfit
	plain, linked outfit         // linked: of the cells that lead somewhere
	link          *offprint.Link // nil: none does

	width  float64       // of what was seen
	filled int64         // cells that are not empty
	texts  bool          // some cell is text,
	empty  bool          // and some an empty one
	sort   offprint.Kind // of what Excel takes for numbers: Int for all that are, Date, Timestamp
	mixed  bool          // of more than one sort
	lost   int64         // cells that lost digits
	cut    int64         // cells that lost text
}

// An outfit is what stands between a cell's address and a value of each kind.
type outfit struct {
	number, date, stamp, bool, text string // `" s="3"><v>`
	spaced                          string // of text whose spaces must stay
}

const (
	endValue = `</v></c>`
	endText  = `</t></is></c>`
)

func newColumn(c offprint.Column, i int, zone *time.Location, s *styles) (*column, error) {
	format, err := readCode(c.Format)
	if err != nil {
		return nil, offprint.Errorf(offprint.Invalid, "The format %q of the column %q is no number format that Excel reads: %v.", c.Format, c.Name, err)
	}
	codes := codesOf(c, format)
	look, err := readCode(codes.number)
	if err != nil {
		return nil, err
	}
	text := style{}
	switch {
	case c.As == offprint.AsID, c.As == offprint.AsText:
		text.code = "@"
	case c.Numeric():
		text.align = right
	}
	column := &column{Column: c, codes: codes, look: look, textLook: text, side: left, zone: zone, ref: `<c r="` + letters(i)}
	column.plain = column.dressed(s, style{})
	column.outfit = column.plain
	return column, nil
}

// standApart keeps what stands left in the column from running into the
// numbers right before it.
func (c *column) standApart(s *styles) {
	c.side, c.textLook.align = indented, indented
	c.plain = c.dressed(s, style{})
	c.outfit = c.plain
}

// dressed is the outfit of the column's values in a look.
func (c *column) dressed(s *styles, look style) outfit {
	in := func(code, align string) int {
		look.code, look.align = code, align
		return s.of(look)
	}
	text := in(c.textLook.code, c.textLook.align)
	return outfit{
		number: open(in(c.codes.number, ""), "", `<v>`),
		date:   open(in(c.codes.date, c.side), "", `<v>`), // below its title, and apart from the numbers
		stamp:  open(in(c.codes.stamp, c.side), "", `<v>`),
		bool:   open(in(yesOrNo, c.side), ` t="b"`, `<v>`),
		text:   open(text, inline, `<is><t>`),
		spaced: open(text, inline, `<is><t xml:space="preserve">`),
	}
}

const inline = ` t="inlineStr"`

func open(style int, kind, value string) string {
	if style == 0 {
		return `"` + kind + `>` + value
	}
	return `" s="` + strconv.Itoa(style) + `"` + kind + `>` + value
}

// codes are the number formats of a column's numbers, days and times.
type codes struct{ number, date, stamp string }

func codesOf(c offprint.Column, own code) codes {
	k := codes{date: shortDate, stamp: dateAndTime}
	switch c.As {
	case offprint.AsMoney:
		k.number = money
	case offprint.AsPercent:
		k.number = "0.00%"
	case offprint.AsNumber:
		if c.Kind == offprint.Int {
			k.number = "#,##0"
		}
	case offprint.AsDate:
		k.stamp = shortDate
	case offprint.AsDatetime:
		k.date = dateAndTime
	}
	switch {
	case c.Format == "":
	case own.date:
		k.date, k.stamp = c.Format, c.Format
	default:
		k.number = c.Format
	}
	return k
}

// of is the number format of values of that kind.
func (k codes) of(kind offprint.Kind) string {
	switch kind {
	case offprint.Bool:
		return yesOrNo
	case offprint.Date:
		return k.date
	case offprint.Timestamp:
		return k.stamp
	}
	return k.number
}

// asText tells that the column's digits are no numbers.
func (c *column) asText() bool { return c.As == offprint.AsID || c.As == offprint.AsText }

// letters is the name of the column at i: A, Z, AA.
func letters(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return letters(i/26-1) + letters(i%26)
}

// append writes the cell of v in the row of that number; nothing for null.
func (c *column) append(b []byte, row []byte, v offprint.Value) []byte {
	kind := v.Kind()
	if kind == offprint.Null {
		return b
	}
	c.filled++
	start := len(b)
	b = append(append(b, c.ref...), row...)
	ok := false
	if !c.asText() {
		b, ok = c.value(b, kind, v)
	}
	if !ok { // begun anew as text
		b = append(append(b[:start], c.ref...), row...)
		b = c.appendText(b, kind, v)
	}
	return b
}

// value writes a cell that is no text; ok is false where Excel has no such value.
func (c *column) value(b []byte, kind offprint.Kind, v offprint.Value) (out []byte, ok bool) {
	switch kind {
	case offprint.Bool:
		digit := byte('0')
		if v.Bool() {
			digit = '1'
		}
		b, ok = append(append(b, c.bool...), digit), true
	case offprint.Int:
		c.note(offprint.Int)
		n := v.Int()
		b, ok = strconv.AppendInt(append(b, c.number...), n, 10), n >= -maxExact && n <= maxExact
	case offprint.Float:
		c.note(offprint.Int)
		f := v.Float()
		b, ok = append(b, c.number...), !math.IsNaN(f) && !math.IsInf(f, 0)
		b = v.Append(b, nil)
	case offprint.Decimal:
		c.note(offprint.Int)
		var lost bool
		b, lost, ok = appendDecimal(append(b, c.number...), v, c.look.decimals)
		if lost {
			c.lost++
		}
	case offprint.Date:
		c.note(kind)
		b, ok = append(b, c.date...), inCalendar(v.Days())
		b = strconv.AppendInt(b, v.Days()+epoch, 10)
	case offprint.Timestamp:
		c.note(kind)
		b = append(b, c.stamp...)
		b, ok = appendSerial(b, v, c.zone)
	}
	return append(b, endValue...), ok
}

func (c *column) note(sort offprint.Kind) {
	if c.sort == offprint.Null {
		c.sort = sort
	}
	c.mixed = c.mixed || sort != c.sort
}

// Excel counts days from 1899-12-30, wrongly before 1900-03-01.
const (
	epoch    = 25569              // 1970-01-01
	firstDay = 61 - epoch         // 1900-03-01
	lastDay  = 2958465 - epoch    // 9999-12-31
	aDay     = 24 * 3600 * 1000e3 // in microseconds
	tick     = 100                // what a float64 cannot tell from the next day, at the end of the calendar
)

func inCalendar(days int64) bool { return days >= firstDay && days <= lastDay }

// appendSerial writes a wall clock as days and a fraction, with as many digits
// as keep each microsecond.
func appendSerial(b []byte, v offprint.Value, zone *time.Location) ([]byte, bool) {
	micros, _ := v.Wall(zone)
	if micros < firstDay*aDay || micros >= (lastDay+1)*aDay-tick {
		return b, false
	}
	micros += epoch * aDay
	b = strconv.AppendInt(b, micros/aDay, 10)
	rest := uint64(micros % aDay)
	if rest == 0 {
		return b, true
	}
	fraction := (rest*62500 + 2700) / 5400 // rest * 10^12 / aDay, rounded
	b = append(b, ".000000000000"...)
	for i := len(b) - 1; fraction > 0; i-- {
		b[i] = byte('0' + fraction%10)
		fraction /= 10
	}
	return trimZeros(b), true
}

// appendText writes a cell as text, be it because it is one or because Excel
// has no other way to hold it.
func (c *column) appendText(b []byte, kind offprint.Kind, v offprint.Value) []byte {
	c.texts = true
	switch kind {
	case offprint.Text:
		s := fits(v.Text())
		if len(s) < len(v.Text()) {
			c.cut++
		}
		c.empty = c.empty || s == ""
		if spaced(s) {
			return append(appendText(append(b, c.spaced...), s), endText...)
		}
		return append(appendText(append(b, c.text...), s), endText...)
	case offprint.Bytes:
		if s := v.Text(); len(s) > maxText/2 {
			c.cut++
			v = offprint.SharedBytesValue(s[:maxText/2])
		}
	}
	b = append(b, c.text...)
	start := len(b)
	b = v.Append(b, c.zone) // digits and signs: nothing to escape
	if len(b)-start > maxText {
		c.cut++
		b = b[:start+maxText]
	}
	return append(b, endText...)
}
