package source

import (
	"time"

	"github.com/offprint/offprint"
)

// parseStamp reads 2026-01-31 as a date, and as an instant what has a clock:
// 2026-01-31 23:59, with seconds, a fraction, T for the blank, and a zone as
// in Z or +01:00. Without one it is in zone.
func parseStamp(text string, zone *time.Location) (offprint.Value, bool) {
	p := stamp{text: text, ok: true}
	year, month, day := p.digits(4), p.then('-').digits(2), p.then('-').digits(2)
	if !p.ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return offprint.Value{}, false
	}
	if p.text == "" {
		return offprint.DateValue(offprint.Day{Year: year, Month: time.Month(month), Day: day}.Days()), true
	}
	if p.text[0] == 'T' || p.text[0] == ' ' {
		p.text = p.text[1:]
	}
	hour, minute, second, nanos := p.digits(2), p.then(':').digits(2), 0, 0
	if p.has(':') {
		second = p.then(':').digits(2)
	}
	if p.has('.') {
		nanos = p.fraction()
	}
	offset, zoned := p.zone()
	if !p.ok || p.text != "" || hour > 23 || minute > 59 || second > 59 {
		return offprint.Value{}, false
	}
	if zoned || zone == time.UTC {
		t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
		return offprint.InstantValue(t.UnixMicro() - int64(offset)*1e6), true
	}
	return offprint.InstantValue(time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone).UnixMicro()), true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// A stamp is read from the left; ok falls with the first thing that does not fit.
type stamp struct {
	text string
	ok   bool
}

func (p *stamp) has(c byte) bool { return p.ok && p.text != "" && p.text[0] == c }

func (p *stamp) then(c byte) *stamp {
	if !p.has(c) {
		p.ok = false
		return p
	}
	p.text = p.text[1:]
	return p
}

func (p *stamp) digits(n int) (value int) {
	if len(p.text) < n || span(p.text[:n], digit) < n {
		p.ok = false
	}
	if !p.ok {
		return 0
	}
	for i := range n {
		value = value*10 + int(p.text[i]-'0')
	}
	p.text = p.text[n:]
	return value
}

// fraction is of a second, in nanoseconds.
func (p *stamp) fraction() int {
	p.then('.')
	length := span(p.text, digit)
	nanos, unit := 0, 100_000_000
	for i := range length {
		nanos += int(p.text[i]-'0') * unit
		unit /= 10
	}
	p.ok = p.ok && length > 0
	p.text = p.text[length:]
	return nanos
}

// zone is the distance from UTC in seconds.
func (p *stamp) zone() (offset int, zoned bool) {
	if p.has(' ') {
		p.text = p.text[1:]
	}
	sign := 1
	switch {
	case p.has('Z'), p.has('z'):
		p.text = p.text[1:]
		return 0, true
	case p.has('-'):
		sign = -1
	case !p.has('+'):
		return 0, false
	}
	p.text = p.text[1:]
	hours := p.digits(2)
	if p.has(':') {
		p.text = p.text[1:]
	}
	return sign * (hours*60 + p.digits(2)) * 60, true
}
