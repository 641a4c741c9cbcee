package offprint

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Period is a span of days, both inclusive, as people say it. Queries want
// the end exclusive, so that the last day is never lost: see End and EndAt.
type Period struct {
	From Day `json:"from"`
	To   Day `json:"to"`
}

// End is the day after the last.
func (p Period) End() Day { return p.To.Add(1) }

// StartAt is the first instant of the period in zone, EndAt the first after it.
func (p Period) StartAt(zone *time.Location) time.Time { return p.From.Start(zone) }
func (p Period) EndAt(zone *time.Location) time.Time   { return p.End().Start(zone) }

// String is 2026-10-01..2026-10-31, one of the forms that a period may be sent in.
func (p Period) String() string { return p.From.String() + ".." + p.To.String() }

// PeriodWords are the words that stand for a period, in the order of the
// guide. A last_n_days ends today; weeks begin on Monday (ISO 8601).
var PeriodWords = []string{
	"today", "yesterday", "this_week", "last_week", "this_month", "last_month", "this_quarter", "last_quarter",
	"this_year", "last_year", "year_to_date", "last_7_days", "last_30_days", "last_90_days", "last_12_months",
}

// NewPeriod is a word's period on the given day.
func NewPeriod(word string, today Day) (Period, bool) {
	month := func(n int) Day { return day(today.Year, today.Month+time.Month(n), 1) }
	quarter := func(n int) Day { return day(today.Year, (today.Month-1)/3*3+1+time.Month(3*n), 1) }
	year := func(n int) Day { return day(today.Year+n, 1, 1) }
	monday := today.Add(-int((today.Days()%7 + 10) % 7)) // 1970-01-01 was a Thursday
	span := func(from, end Day) (Period, bool) { return Period{from, end.Add(-1)}, true }
	switch word {
	case "today":
		return Period{today, today}, true
	case "yesterday":
		return Period{today.Add(-1), today.Add(-1)}, true
	case "this_week":
		return span(monday, monday.Add(7))
	case "last_week":
		return span(monday.Add(-7), monday)
	case "this_month":
		return span(month(0), month(1))
	case "last_month":
		return span(month(-1), month(0))
	case "this_quarter":
		return span(quarter(0), quarter(1))
	case "last_quarter":
		return span(quarter(-1), quarter(0))
	case "this_year":
		return span(year(0), year(1))
	case "last_year":
		return span(year(-1), year(0))
	case "year_to_date":
		return Period{year(0), today}, true
	case "last_7_days":
		return Period{today.Add(-6), today}, true
	case "last_30_days":
		return Period{today.Add(-29), today}, true
	case "last_90_days":
		return Period{today.Add(-89), today}, true
	case "last_12_months": // the twelve whole months before this one
		return span(month(-12), month(0))
	}
	return Period{}, false
}

func day(year int, month time.Month, d int) Day {
	return dayOf(time.Date(year, month, d, 0, 0, 0, 0, time.UTC))
}

func today(zone *time.Location, now time.Time) Day { return dayOf(now.In(zone)) }

func periodFrom(s string, today Day) (any, string) {
	if p, ok := NewPeriod(s, today); ok {
		return p, ""
	}
	from, to, ok := strings.Cut(s, "..")
	if !ok {
		return nil, "Write " + PeriodParam.article() + "."
	}
	return orderly(dayFrom(from, today))(dayFrom(to, today))
}

func periodFromJSON(raw json.RawMessage) (any, string) {
	wrong := "Write " + PeriodParam.article() + "."
	var p struct{ From, To string }
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, wrong
	}
	return orderly(ParseDay(p.From))(ParseDay(p.To))
}

func orderly(from Day, ok bool) func(to Day, ok bool) (any, string) {
	return func(to Day, also bool) (any, string) {
		if !ok || !also {
			return nil, "Write " + PeriodParam.article() + "."
		}
		if to.Before(from) {
			return nil, "The period ends before it begins."
		}
		return Period{from, to}, ""
	}
}

// dayFrom reads 2026-01-31, today, yesterday, start_of_month, end_of_month,
// -30d and +7d.
func dayFrom(s string, today Day) (Day, bool) {
	switch s {
	case "today":
		return today, true
	case "yesterday":
		return today.Add(-1), true
	case "start_of_month":
		return day(today.Year, today.Month, 1), true
	case "end_of_month":
		return day(today.Year, today.Month+1, 0), true
	}
	if n, ok := strings.CutSuffix(s, "d"); ok && (s[0] == '-' || s[0] == '+') {
		days, err := strconv.Atoi(n)
		if err != nil || days > 40000 || days < -40000 {
			return Day{}, false
		}
		return today.Add(days), true
	}
	return ParseDay(s)
}

// UnmarshalJSON reads what a Period is written as; the days must be in order.
func (p *Period) UnmarshalJSON(b []byte) error {
	v, problem := periodFromJSON(b)
	if problem != "" {
		return fmt.Errorf("period: %s", problem)
	}
	*p = v.(Period)
	return nil
}
