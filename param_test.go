package offprint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func fixed(values ...string) (options []offprint.Option) {
	for _, v := range values {
		options = append(options, offprint.Option{Value: v})
	}
	return options
}

// What is sent for a parameter p, and what it becomes or the sentence that
// refuses it.
func TestOneParameterOfEachSort(t *testing.T) {
	type parameter = offprint.Parameter
	for _, tt := range []struct {
		name string
		p    parameter
		sent string // empty: nothing
		want string
	}{
		{"a list within its bounds", parameter{Type: "int", Many: true, Min: "1", Max: "9"}, `[1,"9",5]`, `[1,9,5]`},
		{"a list with one beyond", parameter{Type: "int", Many: true, Min: "1", Max: "9"}, `[1,10]`, `Value 2: At most 9.`},
		{"a list of texts by their length", parameter{Type: "text", Many: true, Min: "2", Max: "3"}, `["ab","a"]`, `Value 2: At least 2 characters.`},
		{"a list by its pattern", parameter{Type: "text", Many: true, Pattern: "[A-Z]+"}, `["AB","aB"]`, `Value 2: This does not have the form that the report asks for.`},
		{"a pattern matches all of a text", parameter{Type: "text", Pattern: "a|b"}, `"ab"`, `This does not have the form that the report asks for.`},
		{"a list of options", parameter{Type: "text", Many: true, Options: fixed("EU", "NA")}, `["NA","EU"]`, `["NA","EU"]`},
		{"a list of other options", parameter{Type: "text", Many: true, Options: fixed("EU", "NA")}, `["NA","US"]`, `Value 2: Choose one of the options.`},
		{"a list of days", parameter{Type: "date", Many: true, Max: "today"}, `["-1d","2026-11-01","yesterday"]`, `["2026-10-31","2026-11-01","2026-10-31"]`},
		{"a list of decimals", parameter{Type: "decimal", Many: true, Min: "0"}, `["1.50",0]`, `["1.50","0"]`},
		{"a list of bools", parameter{Type: "bool", Many: true}, `[true,"no"]`, `[true,false]`},
		{"an empty list", parameter{Type: "text", Many: true}, `[]`, `[]`},
		{"no list", parameter{Type: "text", Many: true}, ``, `This is needed.`},
		{"one for a list", parameter{Type: "text", Many: true}, `"EU"`, `["EU"]`},
		{"a list for one", parameter{Type: "text"}, `["EU"]`, `Send a text.`},
		{"a list within a list", parameter{Type: "text", Many: true}, `[["EU"]]`, `Value 1: Send a text.`},
		{"the default of a list", parameter{Type: "text", Many: true, Default: "EU\nNA"}, ``, `["EU","NA"]`},
		{"the default of a list of one", parameter{Type: "int", Many: true, Default: "7"}, ``, `[7]`},
		{"days before", parameter{Type: "date", Min: "-30d"}, `"2026-10-02"`, `"2026-10-02"`},
		{"days before that", parameter{Type: "date", Min: "-30d"}, `"2026-10-01"`, `Not before 2026-10-02.`},
		{"until the end of the month", parameter{Type: "date", Max: "end_of_month"}, `"2026-12-01"`, `Not after 2026-11-30.`},
		{"a period within days", parameter{Type: "period", Min: "-30d", Max: "today"}, `"last_30_days"`, `{"from":"2026-10-03","to":"2026-11-01"}`},
		{"a period that begins before", parameter{Type: "period", Min: "-30d", Max: "today"}, `"last_month"`, `Not before 2026-10-02.`},
		{"a period that ends after", parameter{Type: "period", Min: "-30d", Max: "today"}, `"this_month"`, `Not after 2026-11-01.`},
		{"a time on the last day", parameter{Type: "datetime", Min: "-1d", Max: "today"}, `"2026-11-01T23:59:59"`, `"2026-11-01T22:59:59Z"`},
		{"a time after the last day", parameter{Type: "datetime", Min: "-1d", Max: "today"}, `"2026-11-02T00:00:00"`, `Not after 2026-11-01T23:59:59+01:00.`},
		{"a time on the first day", parameter{Type: "datetime", Min: "-1d"}, `"2026-10-31T00:00"`, `"2026-10-30T23:00:00Z"`},
		{"a time before the first day", parameter{Type: "datetime", Min: "-1d"}, `"2026-10-30T23:59:59"`, `Not before 2026-10-31T00:00:00+01:00.`},
		{"a time before a time", parameter{Type: "datetime", Max: "2026-11-01T12:00:00Z"}, `"2026-11-01T12:00:01Z"`, `Not after 2026-11-01T13:00:00+01:00.`},
		{"a day as a time", parameter{Type: "datetime", Default: "start_of_month"}, ``, `"2026-10-31T23:00:00Z"`},
		{"optional and left out", parameter{Type: "text", Optional: true}, ``, ``},
		{"optional and null", parameter{Type: "text", Optional: true}, `null`, ``},
		{"optional, with a default", parameter{Type: "text", Optional: true, Default: "EU"}, ``, `"EU"`},
		{"optional, with a default that is refused", parameter{Type: "text", Optional: true, Default: "EU"}, `null`, `null`},
		{"needed, with a default", parameter{Type: "text", Default: "EU"}, `null`, `"EU"`},
		{"a choice that only the source knows", parameter{Type: "int", Choices: nobodys{}, Max: "9"}, `7`, `7`},
		{"a choice of another type", parameter{Type: "int", Choices: nobodys{}}, `"x"`, `Write a whole number.`},
		{"a default choice", parameter{Type: "int", Choices: nobodys{}, Default: "3"}, ``, `3`},
		{"the longest text", parameter{Type: "text"}, `"` + strings.Repeat("ü", offprint.MaxText) + `"`, `"` + strings.Repeat("ü", offprint.MaxText) + `"`},
		{"a longer text", parameter{Type: "text", Max: "99999"}, `"` + strings.Repeat("ü", offprint.MaxText+1) + `"`, `At most 10000 characters.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Name = "p"
			if problems := tt.p.Check(); problems != nil {
				t.Fatal(problems)
			}
			r := offprint.Report{Parameters: []offprint.Parameter{tt.p}}
			asked := offprint.Sent{}
			if tt.sent != "" {
				asked["p"] = json.RawMessage(tt.sent)
			}
			now := time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)
			berlin := zone(t, "Europe/Berlin")
			params, err := r.Resolve(asked, berlin, now)
			got := string(params.Sent()["p"])
			if told := new(offprint.Error); errors.As(err, &told) {
				got = told.Fields[0].Detail
			}
			if got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
			if params.Has("p") != (err == nil && tt.want != "" && tt.want != "null") {
				t.Errorf("given: %v", params.Has("p"))
			}
			if again, err := r.Resolve(params.Sent(), berlin, now); params != nil && (err != nil || text(t, again) != text(t, params)) {
				t.Errorf("it became %v again, %v", again, err)
			}
		})
	}
}

// What is resolved in one zone is not what it would be in another.
func TestBoundsAreDaysOfTheRunsZone(t *testing.T) {
	r := offprint.Report{Parameters: []offprint.Parameter{{Name: "p", Type: offprint.DateParam, Max: "today"}}}
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) // the second in Auckland, the first in Pago Pago
	for name, want := range map[string]bool{"Pacific/Auckland": true, "Pacific/Pago_Pago": false, "UTC": false} {
		_, err := r.Resolve(offprint.Sent{"p": json.RawMessage(`"2026-11-02"`)}, zone(t, name), now)
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsWrongWithAParameterItself(t *testing.T) {
	type parameter = offprint.Parameter
	for _, tt := range []struct {
		name string
		p    parameter
		want string
	}{
		{"no type", parameter{Type: "day"}, `"day" is no type of parameter.`},
		{"a pattern that is none", parameter{Type: "text", Pattern: "("}, "The pattern is no regular expression"},
		{"a pattern of a number", parameter{Type: "int", Pattern: "1"}, "Only a text has a pattern."},
		{"bounds of a bool", parameter{Type: "bool", Min: "true"}, "A bool has no min and no max."},
		{"a bound of another type", parameter{Type: "date", Min: "7"}, "The min is not right. Write a date"},
		{"a bound of a period", parameter{Type: "period", Max: "last_month"}, "The max is not right. Write a date"},
		{"a length that is none", parameter{Type: "text", Max: "x"}, "The max is not right. Write a whole number."},
		{"bounds the wrong way round", parameter{Type: "decimal", Min: "1.1", Max: "1"}, "The min is above the max."},
		{"days the wrong way round", parameter{Type: "datetime", Min: "today", Max: "-1d"}, "The min is above the max."},
		{"a default beyond", parameter{Type: "int", Max: "5", Default: "6"}, "The default is not right. At most 5."},
		{"a day that is never within", parameter{Type: "date", Default: "today", Max: "-1d"}, "The default is not right. Not after "},
		{"one of a list of defaults", parameter{Type: "int", Many: true, Default: "6\nx"}, "The default is not right. Value 2: Write a whole number."},
		{"a default that is no option", parameter{Type: "text", Options: fixed("EU"), Default: "US"}, "The default is not right. Choose one of the options."},
		{"an option of another type", parameter{Type: "int", Options: fixed("x")}, `The option "x" is not right.`},
		{"options of a bool", parameter{Type: "bool", Options: fixed("true")}, "A bool has no options: it is true or false."},
		{"choices of a bool", parameter{Type: "bool", Choices: nobodys{}}, "A bool has no options: it is true or false."},
		{"options and choices", parameter{Type: "text", Options: fixed("a"), Choices: nobodys{}}, "The options are either fixed or known elsewhere, not both."},
	} {
		if got := fmt.Sprint(tt.p.Check()); !strings.HasPrefix(got, "["+tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	for _, p := range []parameter{ // wrong on some days, which must not be when the server starts
		{Type: "date", Default: "start_of_month", Min: "-3d"},
		{Type: "date", Default: "end_of_month", Max: "+3d"},
		{Type: "period", Default: "this_month", Max: "today"},
		{Type: "datetime", Min: "start_of_month", Max: "-10d"},
	} {
		if problems := p.Check(); problems != nil {
			t.Errorf("%v: %v", p, problems)
		}
	}
	r := offprint.Report{Name: "r", Version: "1", Source: offprint.SourceFunc(nil), Parameters: []parameter{{Name: "a", Type: "text", Follows: []string{"a"}}, {Name: "b", Type: "text", Follows: []string{"a", "x"}}}}
	got := fmt.Sprint(r.Check())
	for _, want := range []string{"Parameter a follows a,", "Parameter b follows x,"} {
		if !strings.Contains(got, want) || strings.Count(got, "follows") != 2 {
			t.Errorf("want %s in %s", want, got)
		}
	}
}

// nobodys are choices of a report that is never asked.
type nobodys struct{ offprint.Chooser }

// What stands below each kind of value by each word; an empty text is nothing.
func TestTotalsOfEveryKind(t *testing.T) {
	decimal := func(s string) offprint.Value {
		v, ok := offprint.ParseDecimal(s)
		if !ok {
			t.Fatal(s)
		}
		return v
	}
	of := func(values ...any) (all []offprint.Value) {
		for _, v := range values {
			all = append(all, offprint.ValueOf(v))
		}
		return all
	}
	day := func(n int64) offprint.Value { return offprint.DateValue(n) }
	for _, tt := range []struct {
		name   string
		values []offprint.Value
		want   string // sum avg min max count last
	}{
		{"nothing", nil, "    0 "},
		{"nulls", of(nil, nil), "    0 "},
		{"ints", of(3, nil, -1, 7), "9 3.000000 -1 7 3 7"},
		{"ints beyond 64 bits", []offprint.Value{offprint.UintValue(math.MaxUint64), offprint.IntValue(1)}, "18446744073709551616 9223372036854775808.000000 1 18446744073709551615 2 1"},
		{"decimals", []offprint.Value{decimal("1.50"), decimal("2.25")}, "3.75 1.875000 1.50 2.25 2 2.25"},
		{"floats", of(0.1, 0.2, 0.3), "0.6 0.19999999999999998 0.1 0.3 3 0.3"},
		{"floats without an end", of(math.Inf(1), 1.0, 2.0), "+Inf +Inf 1 +Inf 3 2"},
		{"numbers of all sorts", []offprint.Value{offprint.IntValue(1), decimal("0.5"), offprint.FloatValue(0.25)}, "1.75 0.5833333333333334 0.25 1 3 0.25"},
		{"days", []offprint.Value{day(3), day(1), {}, day(2)}, "  1970-01-02 1970-01-04 3 1970-01-03"},
		{"instants", []offprint.Value{offprint.InstantValue(3e6), offprint.InstantValue(1e6)}, "  1970-01-01T00:00:01Z 1970-01-01T00:00:03Z 2 1970-01-01T00:00:01Z"},
		{"texts", of("b", "a", "c"), "  a c 3 c"},
		{"bools", of(true, false), "  false true 2 false"},
		{"bytes", []offprint.Value{offprint.BytesValue([]byte{2}), offprint.BytesValue([]byte{1})}, "  01 02 2 01"},
	} {
		var columns []offprint.Column
		for _, word := range offprint.TotalWords {
			columns = append(columns, offprint.Column{Total: word})
		}
		totals := offprint.NewTotals(columns)
		for _, v := range tt.values {
			totals.Add(offprint.Row{v, v, v, v, v, v})
		}
		var got []string
		for _, v := range totals.Values() {
			got = append(got, v.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

// Money of two currencies has no total; how many there are it has.
func TestNoTotalIsOverMixedCurrencies(t *testing.T) {
	for _, tt := range []struct {
		name       string
		currencies []any
		want       string
	}{
		{"one", []any{"EUR", "EUR"}, "30 15.000000 10 20 2 20"},
		{"two", []any{"EUR", "USD"}, "    2 "},
		{"one that is not said", []any{"EUR", nil}, "    2 "},
		{"none that is said", []any{nil, nil}, "30 15.000000 10 20 2 20"},
	} {
		var columns []offprint.Column
		for _, word := range offprint.TotalWords {
			columns = append(columns, offprint.Column{Total: word, Currency: "currency"})
		}
		totals := offprint.NewTotals(append(columns, offprint.Column{Name: "currency"}))
		for i, currency := range tt.currencies {
			v := offprint.IntValue(int64(10 * (i + 1)))
			totals.Add(offprint.Row{v, v, v, v, v, v, offprint.ValueOf(currency)})
		}
		totals.Add(offprint.Row{{}, {}, {}, {}, {}, {}, offprint.TextValue("JPY")}) // no amount, no currency of it
		var got []string
		for _, v := range totals.Values()[:len(columns)] {
			got = append(got, v.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

func TestWhatStandsOnTheRight(t *testing.T) {
	right := map[string]bool{
		"money": true, "percent": true, "number": true, "id": false, "text": false, "date": false, "datetime": false, "bool": false,
	}
	for _, as := range offprint.AsWords {
		for _, kind := range []offprint.Kind{offprint.Null, offprint.Text, offprint.Int} {
			c := offprint.Column{As: as, Kind: kind}
			if want, ok := right[string(as)]; !ok || c.Numeric() != want {
				t.Errorf("as %s: %v", as, c.Numeric())
			}
		}
	}
	for kind, want := range map[offprint.Kind]bool{
		offprint.Int: true, offprint.Float: true, offprint.Decimal: true, offprint.Text: false, offprint.Date: false, offprint.Timestamp: false,
		offprint.Bool: false, offprint.Bytes: false, offprint.Null: false,
	} {
		if c := (offprint.Column{Kind: kind}); c.Numeric() != want {
			t.Errorf("kind %v: %v", kind, c.Numeric())
		}
	}
}
