package source_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

// halfHours are the instants from a day and a half before each change of clocks until
// three days after, as the databases write them in UTC.
func halfHours() (all []string) {
	for _, around := range []string{"2026-03-29", "2026-04-04", "2026-09-26", "2026-10-25", "2026-11-01"} {
		day, err := time.Parse(time.DateOnly, around)
		if err != nil {
			panic(err) // one of the days above
		}
		for n := -72; n < 144; n++ {
			all = append(all, day.Add(time.Duration(n)*30*time.Minute).Format("2006-01-02 15:04:05"))
		}
	}
	return all
}

// A day holds what happened between the midnights of whoever asks, in every
// database, through both ways of writing it: on the day of a change 23 or 25
// hours.
func TestDaysAreThoseOfWhoeverAsksAroundAChangeOfClocks(t *testing.T) {
	stamps := halfHours()
	values := "('" + strings.Join(stamps, "'), ('") + "')"
	pairs := "('" + strings.Join(stamps, "', NULL), ('") + "', NULL)"
	postgres, _ := server(t, `CREATE TABLE n (at timestamptz)`, `SET TIME ZONE 'UTC'`, `INSERT INTO n VALUES `+values)
	address, _ := maria(t, `CREATE TABLE n (at timestamp NULL, stored datetime)`, `INSERT INTO n VALUES `+pairs, `UPDATE n SET stored = at`)
	file := filepath.Join(t.TempDir(), "shop.db")
	fill(t, file, `CREATE TABLE n (stored DATETIME)`, `INSERT INTO n VALUES `+values)
	mysql, sqlite := open(t, source.Config{Name: "shop", URL: address}), open(t, source.Config{Name: "shop", URL: "sqlite:" + file})
	ways := []struct {
		name  string
		db    *source.Database
		where string
	}{
		{"PostgreSQL, days", postgres, "at >= :p.start AND at < :p.end"},
		{"PostgreSQL, instants", postgres, "at >= :p.start_at AND at < :p.end_at"},
		{"PostgreSQL, the day of an instant", postgres, "CAST(at AS date) >= :p.start AND CAST(at AS date) < :p.end"},
		{"MySQL, TIMESTAMP, days", mysql, "at >= :p.start AND at < :p.end"},
		{"MySQL, TIMESTAMP, the day of an instant", mysql, "DATE(at) >= :p.start AND DATE(at) < :p.end"},
		{"MySQL, DATETIME, instants", mysql, "stored >= :p.start_at AND stored < :p.end_at"},
		{"SQLite, DATETIME, instants", sqlite, "stored >= :p.start_at AND stored < :p.end_at"},
	}
	for _, way := range ways {
		r := report(t, way.db, "/*---\nparameters: {p: {type: period}}\n---*/\nSELECT COUNT(*) AS c FROM n WHERE "+way.where)
		for _, place := range []string{"UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"} {
			for _, day := range []string{"2026-03-29", "2026-04-05", "2026-09-27", "2026-10-25", "2026-11-01"} {
				req := askFrom(t, r, place, fmt.Sprintf(`p={"from":%q,"to":%[1]q}`, day))
				midnight, err := time.ParseInLocation(time.DateOnly, day, req.Zone)
				if err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("c\n%d\n", midnight.AddDate(0, 0, 1).Sub(midnight)/(30*time.Minute))
				if got, err := read(t, r, req); err != nil || got != want {
					t.Errorf("%s: %s in %s: %q, %v, want %q", way.name, day, place, got, err, want)
				}
			}
		}
	}
}

// What a database keeps as an instant arrives as that instant. The hour that a
// night in autumn has twice is the exception of MySQL, which cannot tell which
// of both it was: it says no offset rather than a wrong one.
func TestInstantsArriveAsInstantsAroundAChangeOfClocks(t *testing.T) {
	stamps := halfHours()
	address, _ := maria(t, `CREATE TABLE n (at timestamp NULL, stored datetime)`, `INSERT INTO n VALUES ('`+strings.Join(stamps, `', NULL), ('`)+`', NULL)`, `UPDATE n SET stored = at`)
	db := open(t, source.Config{Name: "shop", URL: address})
	r := report(t, db, head+"SELECT at, stored FROM n ORDER BY stored")
	for place, twice := range map[string]int{"UTC": 0, "Asia/Kolkata": 0, "Europe/Berlin": 4, "America/New_York": 4, "Pacific/Auckland": 4} {
		req := askFrom(t, r, place, "")
		doc, err := r.Source.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		n, unsure := 0, 0
		for table, err := range doc.Parts {
			if err != nil {
				t.Fatal(err)
			}
			for row, err := range table.Rows {
				if err != nil {
					t.Fatal(err)
				}
				at, stored := row[0], row[1]
				seen, _ := at.Wall(req.Zone)
				shown, _ := stored.Wall(req.Zone)
				if stored.String() != strings.Replace(stamps[n], " ", "T", 1)+"Z" || seen != shown || at.Zoned() && at != stored {
					t.Errorf("%s: %s arrived as %v and %v", place, stamps[n], at, stored)
				}
				if !at.Zoned() {
					unsure++
				}
				n++
			}
		}
		if n != len(stamps) || unsure != twice {
			t.Errorf("%s: %d rows of %d, %d without an offset, want %d", place, n, len(stamps), unsure, twice)
		}
	}
}

// A source may keep its times in a zone with changes of its own.
func TestDATETIMEIsInTheZoneOfTheSource(t *testing.T) {
	address, _ := maria(t, `CREATE TABLE n (stored datetime)`, `INSERT INTO n VALUES ('2026-07-01 12:00:00'), ('2026-12-01 12:00:00')`)
	db := open(t, source.Config{Name: "shop", URL: address, TimeZone: "Europe/Berlin"})
	r := report(t, db, "/*---\nparameters: {d: {type: datetime}}\n---*/\nSELECT stored FROM n WHERE stored >= :d")
	got, err := read(t, r, askFrom(t, r, "UTC", `d="2026-07-01T10:00:00Z"`))
	if want := "stored\n2026-07-01T10:00:00Z\n2026-12-01T11:00:00Z\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAZoneThatMySQLDoesNotKnowIsNoOther(t *testing.T) {
	address, _ := maria(t)
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), head+"SELECT @@time_zone AS z")
	_, err := read(t, r, askFrom(t, r, "Europe/London", ""))
	var told *offprint.Error
	if !errors.As(err, &told) || told.Code != offprint.BadQuery || !strings.Contains(told.Title, "Europe/London") || !strings.Contains(told.Detail, "mysql_tzinfo_to_sql") {
		t.Errorf("got %v", err)
	}
	for place, want := range map[string]string{"Asia/Kolkata": "+05:30", "UTC": "+00:00", "Europe/Berlin": "Europe/Berlin"} {
		if got, err := read(t, r, askFrom(t, r, place, "")); err != nil || got != "z\n"+want+"\n" {
			t.Errorf("%s: %q, %v", place, got, err)
		}
	}
}
