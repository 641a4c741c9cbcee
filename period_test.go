package offprint_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// worldly are zones with what makes days odd: quarters of an hour, daylight
// saving of half an hour, at midnight, in the south, and a day left out.
var worldly = []string{
	"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/Havana", "America/St_Johns", "Pacific/Auckland",
	"Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Beirut", "Asia/Gaza",
	"Africa/Cairo", "Africa/Casablanca", "Australia/Lord_Howe", "America/Asuncion", "Atlantic/Azores", "America/Godthab",
}

// oddDays are those round daylight saving somewhere, new year, leap days, ends
// of quarters, Mondays and Sundays.
var oddDays = []string{
	"2026-01-01", "2025-12-31", "2024-02-28", "2024-02-29", "2024-03-01", "2023-02-28", "2023-03-01", "2000-02-29", "2100-02-28", "2100-03-01",
	"2026-03-08", "2026-03-28", "2026-03-29", "2026-03-30", "2026-03-31", "2026-04-01", "2026-04-05", "2026-06-30", "2026-07-01", "2026-09-27",
	"2026-09-30", "2026-10-01", "2026-10-25", "2026-10-26", "2026-11-01", "2026-11-22", "2026-11-23", "2018-11-04", "2011-12-31", "2012-01-01",
	"2026-05-31", "2026-08-31", "2024-12-30", "2024-12-29", "2025-03-31", "2027-01-03", "2027-01-04",
}

// walked is a word's period by walking from day to day.
func walked(word string, today time.Time) (from, to time.Time) {
	back := func(t time.Time, first func(time.Time) bool) time.Time {
		for !first(t) {
			t = t.AddDate(0, 0, -1)
		}
		return t
	}
	forth := func(t time.Time, first func(time.Time) bool) time.Time { // the last day before the next first
		for t = t.AddDate(0, 0, 1); !first(t); {
			t = t.AddDate(0, 0, 1)
		}
		return t.AddDate(0, 0, -1)
	}
	firsts := map[string]func(time.Time) bool{
		"week":    func(t time.Time) bool { return t.Weekday() == time.Monday },
		"month":   func(t time.Time) bool { return t.Day() == 1 },
		"quarter": func(t time.Time) bool { return t.Day() == 1 && strings.Contains("Jan Apr Jul Oct", t.Format("Jan")) },
		"year":    func(t time.Time) bool { return t.YearDay() == 1 },
	}
	which, unit, _ := strings.Cut(word, "_")
	first := firsts[unit]
	switch {
	case word == "today":
		return today, today
	case word == "yesterday":
		return today.AddDate(0, 0, -1), today.AddDate(0, 0, -1)
	case word == "year_to_date":
		return back(today, firsts["year"]), today
	case word == "last_12_months":
		to = back(today, firsts["month"]).AddDate(0, 0, -1)
		for from = to.AddDate(0, 0, 1); !(from.Day() == 1 && from.Month() == to.AddDate(0, 0, 1).Month() && from.Before(to)); {
			from = from.AddDate(0, 0, -1)
		}
		return from, to
	case which == "this":
		return back(today, first), forth(today, first)
	case which == "last" && first != nil:
		to = back(today, first).AddDate(0, 0, -1)
		return back(to, first), to
	}
	days := 0
	if _, err := fmt.Sscanf(word, "last_%d_days", &days); err != nil {
		panic(err)
	}
	for from = today; days > 1; days-- {
		from = from.AddDate(0, 0, -1)
	}
	return from, today
}

func TestEveryPeriodWordOnEveryOddDayInEveryZone(t *testing.T) {
	report := offprint.Report{Parameters: []offprint.Parameter{{Name: "p", Type: offprint.PeriodParam}}}
	for _, name := range worldly {
		z := zone(t, name)
		for _, odd := range oddDays {
			today, ok := offprint.ParseDay(odd)
			if !ok {
				t.Fatal(odd)
			}
			noon, err := time.Parse(time.DateOnly, odd)
			if err != nil {
				t.Fatal(err)
			}
			first := today.Start(z)
			last := today.Add(1).Start(z).Add(-time.Nanosecond)
			for _, word := range offprint.PeriodWords {
				from, to := walked(word, noon)
				want := from.Format(time.DateOnly) + ".." + to.Format(time.DateOnly)
				for _, now := range []time.Time{first, last} {
					params, err := report.Resolve(offprint.Sent{"p": json.RawMessage(`"` + word + `"`)}, z, now)
					if err != nil || params.Period("p").String() != want {
						t.Errorf("%s in %s at %s: %v, %v, want %s", word, name, now.Format(time.RFC3339), params["p"], err, want)
					}
				}
			}
		}
	}
}

// Written out, so that not only two ways to reckon agree.
func TestPeriodWordsAsACalendarHasThem(t *testing.T) {
	for _, tt := range []struct{ today, word, want string }{
		{"2024-02-29", "last_year", "2023-01-01..2023-12-31"},
		{"2024-02-29", "this_month", "2024-02-01..2024-02-29"},
		{"2024-03-31", "last_month", "2024-02-01..2024-02-29"},
		{"2024-02-29", "last_12_months", "2023-02-01..2024-01-31"},
		{"2025-03-01", "last_12_months", "2024-03-01..2025-02-28"},
		{"2024-03-29", "last_30_days", "2024-02-29..2024-03-29"},
		{"2026-01-01", "last_quarter", "2025-10-01..2025-12-31"},
		{"2026-01-01", "last_week", "2025-12-22..2025-12-28"},
		{"2026-01-01", "this_week", "2025-12-29..2026-01-04"},
		{"2026-01-01", "yesterday", "2025-12-31..2025-12-31"},
		{"2026-01-01", "year_to_date", "2026-01-01..2026-01-01"},
		{"2026-01-04", "this_week", "2025-12-29..2026-01-04"}, // a Sunday ends it
		{"2026-01-05", "this_week", "2026-01-05..2026-01-11"}, // a Monday begins it
		{"2026-05-31", "last_quarter", "2026-01-01..2026-03-31"},
		{"2026-12-31", "this_quarter", "2026-10-01..2026-12-31"},
		{"2026-11-23", "last_7_days", "2026-11-17..2026-11-23"},
		{"2026-11-23", "last_90_days", "2026-08-26..2026-11-23"},
		{"2026-11-23", "this_year", "2026-01-01..2026-12-31"},
		{"2100-03-01", "yesterday", "2100-02-28..2100-02-28"}, // no leap year
		{"2000-03-01", "yesterday", "2000-02-29..2000-02-29"}, // one
	} {
		today, _ := offprint.ParseDay(tt.today)
		if got, ok := offprint.NewPeriod(tt.word, today); !ok || got.String() != tt.want {
			t.Errorf("%s on %s: %v, want %s", tt.word, tt.today, got, tt.want)
		}
	}
}

// The instants of a period are its first and the first after it, on days of 23
// and 25 hours and on those whose midnight is left out, too.
func TestTheInstantsOfOddDays(t *testing.T) {
	for _, tt := range []struct {
		zone, day, start string
		hours            float64
	}{
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", 23},
		{"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", 25},
		{"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", 23},
		{"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", 25},
		{"Pacific/Auckland", "2026-09-27", "2026-09-26T12:00:00Z", 23},
		{"Pacific/Auckland", "2026-04-05", "2026-04-04T11:00:00Z", 25},
		{"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 24.5},
		{"Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", 23.5},
		{"Asia/Kathmandu", "2026-03-29", "2026-03-28T18:15:00Z", 24},
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 23}, // begins at 01:00
		{"America/Sao_Paulo", "2018-11-03", "2018-11-03T03:00:00Z", 24},
		{"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", 25}, // its last hour comes twice
		{"Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z", 23},       // begins at 01:00
		{"Asia/Beirut", "2026-10-24", "2026-10-23T21:00:00Z", 25},
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", 23}, // begins at 01:00
		{"Africa/Cairo", "2026-10-29", "2026-10-28T21:00:00Z", 25},
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", 25}, // its first hour comes twice
		{"Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", 24},
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0}, // there was none
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", 24},
	} {
		day, _ := offprint.ParseDay(tt.day)
		p := offprint.Period{From: day, To: day}
		start, end := p.StartAt(zone(t, tt.zone)), p.EndAt(zone(t, tt.zone))
		if got := start.UTC().Format(time.RFC3339); got != tt.start || end.Sub(start).Hours() != tt.hours {
			t.Errorf("%s in %s begins at %s and has %v hours, want %s and %v", tt.day, tt.zone, got, end.Sub(start).Hours(), tt.start, tt.hours)
		}
	}
}

// Whatever the zone, a day begins with its first instant, and where the one
// before it ends: no row falls between two periods, none is in both.
func TestDaysMeetWithoutAGap(t *testing.T) {
	for _, name := range worldly {
		z := zone(t, name)
		for day := (offprint.Day{Year: 2007, Month: 1, Day: 1}); day.Year < 2028; day = day.Add(1) {
			start := day.Start(z)
			if y, m, d := start.In(z).Date(); (offprint.Day{Year: y, Month: m, Day: d}).Before(day) {
				t.Fatalf("%s in %s begins at %s, before itself", day, name, start)
			}
			if y, m, d := start.Add(-time.Nanosecond).In(z).Date(); !(offprint.Day{Year: y, Month: m, Day: d}).Before(day) {
				t.Fatalf("%s in %s begins at %s, and had begun before", day, name, start)
			}
			if p := (offprint.Period{From: day, To: day}); !p.EndAt(z).Equal(day.Add(1).Start(z)) {
				t.Fatalf("%s in %s ends at %s", day, name, p.EndAt(z))
			}
		}
	}
}
