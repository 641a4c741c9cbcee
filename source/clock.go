package source

import "time"

// A clock hangs on a wall of its zone. It keeps what it found out about the
// stretch of time between two changes, since rows mostly stay within one.
type clock struct {
	zone        *time.Location
	from, until int64 // what it shows from and before here, it shows once
	offset      int64
}

// instant is when the clock showed this, both in microseconds since
// 1970-01-01 00:00. It is not sure where the clock showed it twice, or never.
func (c *clock) instant(shown int64) (micros int64, sure bool) {
	if c.from <= shown && shown < c.until {
		return shown - c.offset, true
	}
	t := time.UnixMicro(shown).UTC()
	at := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), c.zone)
	c.look(at)
	return at.UnixMicro(), c.from <= shown && shown < c.until
}

const forever = 1 << 62

// look finds the stretch around an instant.
func (c *clock) look(at time.Time) {
	start, end := at.ZoneBounds()
	here := offset(at)
	c.offset, c.from, c.until = here, -forever, forever
	if !start.IsZero() {
		c.from = start.UnixMicro() + max(here, offset(start.Add(-time.Second)))
	}
	if !end.IsZero() {
		c.until = end.UnixMicro() + min(here, offset(end))
	}
}

// offset is the distance from UTC in microseconds.
func offset(at time.Time) int64 {
	_, seconds := at.Zone()
	return int64(seconds) * 1e6
}
