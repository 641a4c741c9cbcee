package pdf

import (
	"bytes"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/look"
)

// A printer writes values as the reader reads them.
type printer struct {
	group, point string // of money
	clock        clock
	digits       []byte // of the number being written
	fraction     []byte
}

func newPrinter(head offprint.Head) *printer {
	p := &printer{clock: clock{zone: head.Zone}}
	if p.clock.zone == nil {
		p.clock.zone = time.UTC
	}
	p.group, p.point = look.Marks(head.Locale)
	return p
}

func (p *printer) append(b []byte, c *column, v offprint.Value) []byte {
	switch v.Kind() {
	case offprint.Date:
		if c.picture.dates() {
			return c.picture.appendTime(b, v.Days()*24*60*60*1e6)
		}
	case offprint.Timestamp:
		return p.appendTime(b, c, v)
	case offprint.Int, offprint.Float, offprint.Decimal:
		return p.appendNumber(b, c, v)
	}
	return v.Append(b, p.clock.zone)
}

// appendTotal writes what stands below a column. A count is one, whatever it
// counts; an average is not written more exactly than it is read.
func (p *printer) appendTotal(b []byte, c *column, v offprint.Value) []byte {
	switch c.Total {
	case offprint.Count:
		return p.append(b, &column{}, v)
	case offprint.Average:
		if n, ok := numberOf(v.Append(nil, p.clock.zone)); ok && !c.picture.numbers() {
			v, _ = offprint.ParseDecimal(string(n.short(c.As).append(nil, "", ".")))
		}
	}
	return p.append(b, c, v)
}

// short is an average without the digits that nobody reads: of money two
// decimals, of a percentage two of it, else none but zeros are left out.
func (n number) short(as offprint.As) number {
	switch as {
	case offprint.AsMoney:
		n = n.rounded(2)
	case offprint.AsPercent:
		n = n.rounded(4)
	}
	for len(n.fraction) > 0 && n.fraction[len(n.fraction)-1] == '0' {
		n.fraction = n.fraction[:len(n.fraction)-1]
	}
	return n
}

func (p *printer) appendNumber(b []byte, c *column, v offprint.Value) []byte {
	plain := !c.picture.numbers() && c.As != offprint.AsMoney && c.As != offprint.AsPercent
	if plain {
		return pointed(v.Append(b, p.clock.zone), len(b), p.point)
	}
	p.digits = v.Append(p.digits[:0], p.clock.zone)
	n, ok := numberOf(p.digits)
	p.fraction = append(p.fraction[:0], n.fraction...) // which grows
	n.fraction = p.fraction
	switch {
	case !ok: // NaN, ±Inf, 1e+30
		return append(b, p.digits...)
	case c.picture.numbers():
		return c.picture.append(b, n, p.group, p.point)
	case c.As == offprint.AsPercent:
		return append(n.hundredfold().rounded(2).append(b, "", p.point), "\u00a0%"...)
	}
	n = n.rounded(2)
	for len(n.fraction) < 2 {
		n.fraction = append(n.fraction, '0')
	}
	return n.append(b, p.group, p.point)
}

// pointed is b with the locale's point in the plain number that begins at from.
func pointed(b []byte, from int, point string) []byte {
	if point != "." {
		if i := bytes.IndexByte(b[from:], '.'); i >= 0 {
			return append(b[:from+i], append([]byte(point), b[from+i+1:]...)...)
		}
	}
	return b
}

// A number is one in its plain form, taken apart. It shares the plain form's memory.
type number struct {
	negative        bool
	whole, fraction []byte
}

func numberOf(plain []byte) (number, bool) {
	var n number
	if rest, ok := bytes.CutPrefix(plain, []byte("-")); ok {
		n.negative, plain = true, rest
	}
	if bytes.ContainsAny(plain, "eEIN") {
		return n, false
	}
	whole, fraction, _ := bytes.Cut(plain, []byte("."))
	n.whole, n.fraction = whole, fraction
	return n, true
}

func (n number) hundredfold() number {
	f := append(n.fraction, "00"...)
	whole := bytes.TrimLeft(append(bytes.Clone(n.whole), f[:2]...), "0")
	if len(whole) == 0 {
		whole = []byte("0")
	}
	f = f[2:]
	if len(n.fraction) <= 2 {
		f = nil
	} else {
		f = f[:len(n.fraction)-2]
	}
	return number{n.negative, whole, f}
}

// rounded is n with so many decimals, half away from zero.
func (n number) rounded(decimals int) number {
	if len(n.fraction) <= decimals {
		return n
	}
	up := n.fraction[decimals] >= '5'
	n.whole, n.fraction = bytes.Clone(n.whole), n.fraction[:decimals]
	if up {
		carry := increment(n.fraction)
		if carry && increment(n.whole) {
			n.whole = append([]byte("1"), n.whole...)
		}
	}
	zero := len(bytes.Trim(n.whole, "0")) == 0 && len(bytes.Trim(n.fraction, "0")) == 0
	n.negative = n.negative && !zero
	return n
}

// increment adds one to the last of the digits, and tells whether one is left over.
func increment(digits []byte) bool {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i] < '9' {
			digits[i]++
			return false
		}
		digits[i] = '0'
	}
	return true
}

func (n number) append(b []byte, group, point string) []byte {
	if n.negative {
		b = append(b, '-')
	}
	for i, d := range n.whole {
		if left := len(n.whole) - i; i > 0 && left%3 == 0 {
			b = append(b, group...)
		}
		b = append(b, d)
	}
	if len(n.fraction) == 0 {
		return b
	}
	return append(append(b, point...), n.fraction...)
}

// appendTime writes 2026-01-31 23:59:59. A column of dates shows no midnight.
func (p *printer) appendTime(b []byte, c *column, v offprint.Value) []byte {
	if c.picture.dates() {
		micros, _ := v.Wall(p.clock.zone)
		return c.picture.appendTime(b, micros)
	}
	start := len(b)
	b = v.Append(b, p.clock.zone)
	t := start + bytes.IndexByte(b[start:], 'T')
	b[t] = ' '
	offset := ""
	if v.Zoned() {
		end := t + bytes.IndexAny(b[t:], "Z+-")
		offset, b = string(b[end:]), b[:end]
	}
	if c.As == offprint.AsDate && string(b[t:]) == " 00:00:00" {
		return b[:t]
	}
	if offset != "" && p.clock.twice(v) {
		b = append(append(b, ' '), strings.Replace(offset, "Z", "+00:00", 1)...)
	}
	return b
}

// A clock tells of instants whose wall clock shows the same twice, as it does
// when it is put back in autumn. It keeps the season it was asked for last.
type clock struct {
	zone       *time.Location
	from, to   int64 // micros of what is known
	known      bool
	repeatedTo int64 // from the beginning of the season up to here
	repeats    int64 // from here up to the end of the season
}

func (c *clock) twice(v offprint.Value) bool {
	wall, offset := v.Wall(c.zone)
	micros := wall - int64(offset)*1e6
	if !c.known || micros < c.from || micros >= c.to {
		c.learn(time.UnixMicro(micros).In(c.zone))
	}
	return micros < c.repeatedTo || micros >= c.repeats
}

func (c *clock) learn(t time.Time) {
	const always = 1<<63 - 1
	c.known, c.from, c.to, c.repeatedTo, c.repeats = true, -always, always, -always, always
	start, end := t.ZoneBounds()
	_, here := t.Zone()
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		c.from = start.UnixMicro()
		c.repeatedTo = c.from + max(0, int64(before-here))*1e6
	}
	if !end.IsZero() {
		_, after := end.Zone()
		c.to = end.UnixMicro()
		c.repeats = c.to - max(0, int64(here-after))*1e6
	}
}
