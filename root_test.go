package offprint_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestValuesInTheirPlainForm(t *testing.T) {
	decimal := func(s string) offprint.Value {
		v, ok := offprint.ParseDecimal(s)
		if !ok {
			t.Fatalf("%q is no decimal", s)
		}
		return v
	}
	berlin := zone(t, "Europe/Berlin")
	at := func(s string) offprint.Value {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return offprint.ValueOf(at)
	}
	for _, tt := range []struct {
		value offprint.Value
		want  string
	}{
		{offprint.Value{}, ""},
		{offprint.BoolValue(true), "true"},
		{offprint.IntValue(math.MinInt64), "-9223372036854775808"},
		{offprint.UintValue(math.MaxUint64), "18446744073709551615"},
		{offprint.DecimalValue(150, 2), "1.50"},
		{offprint.DecimalValue(-5, 3), "-0.005"},
		{offprint.DecimalValue(math.MinInt64, 2), "-92233720368547758.08"},
		{decimal("1e3"), "1000"},
		{decimal("-1.5e-3"), "-0.0015"},
		{decimal("+.5"), "0.5"},
		{decimal("123456789012345678901234567890.10"), "123456789012345678901234567890.10"},
		{decimal("-0.00"), "0.00"},
		{offprint.FloatValue(0.1), "0.1"},
		{offprint.FloatValue(1.0 / 3), "0.3333333333333333"},
		{offprint.FloatValue(1e300), "1e+300"},
		{offprint.FloatValue(math.NaN()), "NaN"},
		{offprint.ValueOf(float32(0.1)), "0.1"},
		{offprint.ValueOf("a\xffb"), "a\uFFFDb"},
		{offprint.DateValue(0), "1970-01-01"},
		{offprint.DateValue(offprint.Day{Year: 1899, Month: 12, Day: 31}.Days()), "1899-12-31"},
		{offprint.DateValue(offprint.Day{Year: -43, Month: 3, Day: 15}.Days()), "-0043-03-15"},
		{offprint.DateValue(offprint.Day{Year: 10000, Month: 1, Day: 1}.Days()), "+10000-01-01"},
		{at("2026-03-29T00:59:59.5Z"), "2026-03-29T01:59:59.5+01:00"},
		{at("2026-03-29T01:00:00Z"), "2026-03-29T03:00:00+02:00"},
		{at("1880-01-01T00:00:00Z"), "1880-01-01T00:53:28+00:53:28"},
		{offprint.WallValue(-1), "1969-12-31T23:59:59.999999"},
		{offprint.BytesValue([]byte{0, 0xab}), "00ab"},
	} {
		if got := string(tt.value.Append(nil, berlin)); got != tt.want {
			t.Errorf("%v = %q, want %q", tt.value.Kind(), got, tt.want)
		}
	}
	for _, bad := range []string{"", "-", ".", "1.2.3", "--1", "1e", "e5", "1e99999999", "NaN", "0x10", "1 000", "1,5", "1-2", "+-1"} {
		if v, ok := offprint.ParseDecimal(bad); ok {
			t.Errorf("%q was read as the decimal %v", bad, v)
		}
	}
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"0", "-1.50", "1e3", "99999999999999999999.9", "1E-7", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := offprint.ParseDecimal(s)
		if !ok {
			return
		}
		again, ok := offprint.ParseDecimal(v.String())
		if !ok || again.String() != v.String() || offprint.Compare(v, again) != 0 {
			t.Errorf("%q became %q, and that %q", s, v, again)
		}
	})
}

func TestDaysOfEveryMonthCountRight(t *testing.T) {
	for at := time.Date(-400, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() < 2500; at = at.AddDate(0, 0, 13) {
		y, m, d := at.Date()
		day := offprint.Day{Year: y, Month: m, Day: d}
		if got := offprint.DayOf(day.Days()); got != day {
			t.Fatalf("%v counted and back is %v", day, got)
		}
	}
}

// A day begins at midnight, or where there is none, right after the gap.
func TestDaysBegin(t *testing.T) {
	for _, tt := range []struct{ zone, day, want string }{
		{"UTC", "2026-03-29", "2026-03-29T00:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"},
		{"Africa/Cairo", "2026-04-24", "2026-04-24T01:00:00+03:00"},        // midnight is left out
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"},   // likewise
		{"Asia/Beirut", "2026-03-29", "2026-03-29T01:00:00+03:00"},         // likewise
		{"America/Havana", "2026-11-01", "2026-11-01T00:00:00-04:00"},      // midnight comes twice
		{"Asia/Kathmandu", "2026-01-01", "2026-01-01T00:00:00+05:45"},      // a quarter of an hour
		{"Australia/Lord_Howe", "2026-04-05", "2026-04-05T00:00:00+11:00"}, // half an hour
	} {
		day, ok := offprint.ParseDay(tt.day)
		if !ok {
			t.Fatalf("%s is no day", tt.day)
		}
		if got := day.Start(zone(t, tt.zone)).Format(time.RFC3339); got != tt.want {
			t.Errorf("%s in %s begins %s, want %s", tt.day, tt.zone, got, tt.want)
		}
	}
}

func TestPeriodWords(t *testing.T) {
	sunday := offprint.Day{Year: 2026, Month: 3, Day: 1}
	want := map[string]string{
		"today": "2026-03-01..2026-03-01", "yesterday": "2026-02-28..2026-02-28",
		"this_week": "2026-02-23..2026-03-01", "last_week": "2026-02-16..2026-02-22",
		"this_month": "2026-03-01..2026-03-31", "last_month": "2026-02-01..2026-02-28",
		"this_quarter": "2026-01-01..2026-03-31", "last_quarter": "2025-10-01..2025-12-31",
		"this_year": "2026-01-01..2026-12-31", "last_year": "2025-01-01..2025-12-31", "year_to_date": "2026-01-01..2026-03-01",
		"last_7_days": "2026-02-23..2026-03-01", "last_30_days": "2026-01-31..2026-03-01", "last_90_days": "2025-12-02..2026-03-01",
		"last_12_months": "2025-03-01..2026-02-28",
	}
	for _, word := range offprint.PeriodWords {
		p, ok := offprint.NewPeriod(word, sunday)
		if !ok || p.String() != want[word] {
			t.Errorf("%s on a Sunday = %v, want %s", word, p, want[word])
		}
	}
	for range 400 { // whatever the day, weeks begin on Monday and hold the day
		sunday = sunday.Add(1)
		p, _ := offprint.NewPeriod("this_week", sunday)
		if p.From.Start(time.UTC).Weekday() != time.Monday || sunday.Before(p.From) || p.To.Before(sunday) {
			t.Fatalf("the week of %v is %v", sunday, p)
		}
	}
}

var form = offprint.Report{Name: "orders", Parameters: []offprint.Parameter{
	{Name: "period", Type: offprint.PeriodParam, Default: "last_month"},
	{Name: "region", Type: offprint.TextParam, Optional: true, Options: []offprint.Option{{Value: "EU"}, {Value: "US"}}},
	{Name: "least", Type: offprint.DecimalParam, Optional: true, Min: "0", Max: "1000.50"},
	{Name: "lines", Type: offprint.IntParam, Default: "10", Max: "100"},
	{Name: "open", Type: offprint.BoolParam, Optional: true},
	{Name: "day", Type: offprint.DateParam, Optional: true, Max: "today"},
	{Name: "at", Type: offprint.DatetimeParam, Optional: true},
	{Name: "skus", Type: offprint.TextParam, Optional: true, Many: true, Pattern: `[0-9]{4}`},
}}

func TestParametersResolve(t *testing.T) {
	now := time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC) // still October in New York
	for _, tt := range []struct{ name, zone, sent, want string }{
		{"defaults", "UTC", `{}`, `{"lines":10,"period":{"from":"2026-10-01","to":"2026-10-31"}}`},
		{
			"words are days of the zone", "America/New_York", `{"period":"last_month","day":"today"}`,
			`{"day":"2026-10-31","lines":10,"period":{"from":"2026-09-01","to":"2026-09-30"}}`,
		},
		{
			"as a form sends them", "UTC", `{"period":"2026-01-01..2026-01-31","lines":"7","open":"true","least":"12.50","skus":"0042"}`,
			`{"least":"12.50","lines":7,"open":true,"period":{"from":"2026-01-01","to":"2026-01-31"},"skus":["0042"]}`,
		},
		{
			"as an API sends them", "UTC", `{"period":{"from":"2026-01-01","to":"2026-01-01"},"least":0.10,"region":null,"skus":["0001","0002"],"at":"2026-01-01T12:00:00+02:00"}`,
			`{"at":"2026-01-01T10:00:00Z","least":"0.10","lines":10,"period":{"from":"2026-01-01","to":"2026-01-01"},"skus":["0001","0002"]}`,
		},
		{
			"a time without a zone is the run's", "Europe/Berlin", `{"period":"today","at":"2026-07-01T12:00"}`,
			`{"at":"2026-07-01T10:00:00Z","lines":10,"period":{"from":"2026-11-01","to":"2026-11-01"}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := sent(t, tt.sent)
			params, err := form.Resolve(asked, zone(t, tt.zone), now)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := text(t, asked), text(t, sent(t, tt.sent)); got != want {
				t.Errorf("what was sent became %s, was %s", got, want)
			}
			if got := text(t, params); got != tt.want {
				t.Errorf("resolved to %s, want %s", got, tt.want)
			}
			again, err := form.Resolve(params.Sent(), time.UTC, now.AddDate(1, 0, 0))
			if err != nil || text(t, again) != tt.want {
				t.Errorf("what is resolved must resolve to itself; it became %s, %v", text(t, again), err)
			}
		})
	}
}

func TestEveryBadParameterIsNamed(t *testing.T) {
	_, err := form.Resolve(sent(t, `{"period":"2026-02-30..2026-03-01","region":"MARS","least":"1000.51","lines":1e3,"open":"maybe","day":"2999-01-01","at":"noon","skus":["0001","x"],"colour":"red"}`), time.UTC, time.Now())
	if offprint.CodeOf(err) != offprint.BadParameter {
		t.Fatalf("resolve: %v", err)
	}
	for _, name := range []string{"period", "region", "least", "lines", "open", "day", "at", "skus", "colour"} {
		if !strings.Contains(err.Error(), "#/parameters/"+name+": ") {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
	for _, value := range []string{"MARS", "maybe", "noon", "red"} {
		if strings.Contains(err.Error(), value) {
			t.Errorf("the rejected value %q is repeated in %v", value, err)
		}
	}
}

func TestParametersAreBounded(t *testing.T) {
	long := `["` + strings.Repeat(`0001","`, 20000) + `0001"]`
	if _, err := form.Resolve(offprint.Sent{"skus": json.RawMessage(long)}, time.UTC, time.Now()); offprint.CodeOf(err) != offprint.BadParameter {
		t.Errorf("%d bytes of parameters: %v", len(long), err)
	}
	most := `["` + strings.Repeat(`0001","`, 9000) + `0001"]`
	if _, err := form.Resolve(offprint.Sent{"skus": json.RawMessage(most)}, time.UTC, time.Now()); err != nil {
		t.Errorf("%d bytes of parameters: %v", len(most), err)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add(`{"period":"today","lines":3}`)
	f.Add(`{"period":{"from":"2026-01-01","to":"2025-01-01"},"skus":[null,[],{}]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		var sent offprint.Sent
		if json.Unmarshal([]byte(raw), &sent) != nil {
			return
		}
		params, err := form.Resolve(sent, time.UTC, time.Now())
		if err != nil {
			return
		}
		if _, err := form.Resolve(params.Sent(), time.UTC, time.Now()); err != nil {
			t.Errorf("%s resolved to %v, which does not: %v", raw, params, err)
		}
	})
}

func TestTotalsAreExact(t *testing.T) {
	columns := []offprint.Column{{Total: offprint.Sum}, {Total: offprint.Average}, {Total: offprint.Least}, {Total: offprint.Most}, {Total: offprint.Count}, {Total: offprint.Last}, {}}
	totals := offprint.NewTotals(columns)
	for _, s := range []string{"0.10", "0.2", "9223372036854775807", "-5", "90000000000000000000.001"} {
		v, _ := offprint.ParseDecimal(s)
		totals.Add(offprint.Row{v, v, v, v, v, v, v})
	}
	totals.Add(make(offprint.Row, 7)) // nulls count for nothing
	for i, want := range []string{"99223372036854775802.301", "19844674407370955160.460200", "-5", "90000000000000000000.001", "5", "90000000000000000000.001", ""} {
		if got := totals.Values()[i].String(); got != want {
			t.Errorf("%s = %s, want %s", columns[i].Total, got, want)
		}
	}

	money := offprint.NewTotals([]offprint.Column{{Name: "amount", Total: offprint.Sum, Currency: "currency"}, {Name: "currency"}})
	money.Add(offprint.Row{offprint.IntValue(1), offprint.TextValue("EUR")})
	money.Add(offprint.Row{offprint.IntValue(2), offprint.TextValue("USD")})
	if got := money.Values()[0]; !got.IsNull() {
		t.Errorf("euros and dollars add up to %v", got)
	}
}

func TestMoves(t *testing.T) {
	now := time.Now()
	allowed := map[string]bool{
		"queued running": true, "queued failed": true, "queued canceled": true,
		"running queued": true, "running succeeded": true, "running failed": true, "running canceled": true,
	}
	for _, from := range offprint.States {
		for _, to := range offprint.States {
			run := offprint.Run{State: from}
			err := run.Move(to, now)
			if ok := allowed[string(from)+" "+string(to)]; ok != (err == nil) {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if err != nil && (run.State != from || offprint.CodeOf(err) != offprint.Conflict) {
				t.Errorf("a refused move left %s, %v", run.State, err)
			}
		}
	}
}

func sent(t *testing.T, raw string) offprint.Sent {
	t.Helper()
	var s offprint.Sent
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
