package offprint

import (
	"time"
)

// A Day is a day of the calendar, without a zone.
type Day struct {
	Year  int // astronomical: 0 is 1 BC
	Month time.Month
	Day   int
}

// DayOf is the day that lies the given number of days after 1970-01-01, in
// the proleptic Gregorian calendar.
func DayOf(days int64) Day {
	// Counting years from March puts the leap day last; 400 years are an era
	// of 146,097 days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
	days += 719468
	era := floorDiv(days, 146097)
	ofEra := uint32(days - era*146097) // as 32 bits, for speed
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*ofYear + 2) / 153
	day := ofYear - (153*month+2)/5 + 1
	year := int64(yearOfEra) + era*400
	if month < 10 {
		month += 3
	} else {
		month -= 9
		year++
	}
	return Day{int(year), time.Month(month), int(day)}
}

// ParseDay reads 2026-01-31.
func ParseDay(s string) (Day, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return Day{}, false
	}
	return dayOf(t), true
}

func dayOf(t time.Time) Day {
	y, m, d := t.Date()
	return Day{y, m, d}
}

// Days counts from 1970-01-01.
func (d Day) Days() int64 {
	return floorDiv(time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC).Unix(), 24*60*60)
}

// Add is the day n days later; a negative n goes back.
func (d Day) Add(n int) Day { return DayOf(d.Days() + int64(n)) }

// Before compares calendar days.
func (d Day) Before(e Day) bool { return d.Days() < e.Days() }

// Start is the first instant of the day in zone: midnight, the first of two
// midnights, or what follows a midnight that daylight saving leaves out.
func (d Day) Start(zone *time.Location) time.Time {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, zone)
	changed, changes := t.ZoneBounds()
	if dayOf(t).Before(d) { // left out: Date answered with the clock of before
		return changes
	}
	if changed.IsZero() {
		return t
	}
	_, was := changed.Add(-1).Zone()
	_, is := t.Zone()
	first := t.Add(time.Duration(is-was) * time.Second)
	if first.Before(changed) && dayOf(first) == d {
		return first
	}
	return t
}

// String is 2026-01-31; a year beyond 9999 or before 1 has a sign (ISO 8601).
func (d Day) String() string { return string(d.append(nil)) }

func (d Day) append(b []byte) []byte {
	year := int64(d.Year)
	switch {
	case year < 0:
		b, year = append(b, '-'), -year
	case year > 9999:
		b = append(b, '+')
	}
	if year > 9999 {
		b = appendDigits(b, year)
	} else {
		b = appendTwo(appendTwo(b, year/100), year%100)
	}
	month, day := byte(d.Month), byte(d.Day)
	return append(b, '-', '0'+month/10, '0'+month%10, '-', '0'+day/10, '0'+day%10)
}

func appendDigits(b []byte, n int64) []byte {
	if n >= 10 {
		b = appendDigits(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// MarshalText writes 2026-01-31.
func (d Day) MarshalText() ([]byte, error) { return d.append(nil), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Day) UnmarshalText(b []byte) error {
	day, ok := ParseDay(string(b))
	if !ok {
		return Errorf(BadParameter, "%q is not a date. Write it as 2026-01-31.", b)
	}
	*d = day
	return nil
}
