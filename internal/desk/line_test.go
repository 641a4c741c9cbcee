package desk

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// What runs and waits is written as name:seconds, or name@source:seconds; those
// that run end after so many, those that wait take as many. The source named down
// does not answer.
func TestWhenThoseInLineBegin(t *testing.T) {
	for _, tt := range []struct {
		name             string
		workers          int
		running, waiting string
		places           map[string]int
		begins           string
		last             int // seconds; -1: not known
	}{
		{"nobody works", 0, "", "a:5", nil, "", -1},
		{"a worker is free", 2, "x:9", "a:5", nil, "a:0", 5},
		{"one after another", 1, "x:9", "a:5 b:7 c:1", nil, "a:9 b:14 c:21", 22},
		{"whoever is free takes the next", 2, "x:9 y:2", "a:5 b:7 c:1", nil, "a:2 b:7 c:9", 10},
		{"one who finds no place lets others go past", 2, "x@shop:9 y:2", "a@shop:5 b:7 c:1", map[string]int{"shop": 1}, "b:2 a:9 c:9", 10},
		{"no more places than that", 3, "x@shop:9", "a@shop:5 b@shop:5 c@shop:5", map[string]int{"shop": 2}, "a:0 b:5 c:9", 9},
		{"who waits for a source that is down is in nobody's way", 1, "x:9", "a@down:50 b@down:50 c:1", map[string]int{"down": 1}, "a:? b:? c:9", 10},
		{"nobody knows how long", 1, "x:?", "a:5", nil, "", -1},
		{"nor of the first in line", 1, "x:2", "a:? b:1", nil, "a:2", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			takes := map[string]time.Duration{}
			stands := func(text string) (all []ledger.Standing) {
				for _, word := range strings.Fields(text) {
					name, seconds, _ := strings.Cut(word, ":")
					name, reads, _ := strings.Cut(name, "@")
					s := ledger.Standing{ID: name, Reads: reads, Started: now, Down: reads == "down"}
					if n, err := strconv.Atoi(seconds); err == nil {
						takes[name] = time.Duration(n) * time.Second
					}
					all = append(all, s)
				}
				return all
			}
			line := ledger.Line{Running: stands(tt.running), Waiting: stands(tt.waiting), Places: tt.places}
			begins, last := foresee(line, tt.workers, takes, now)
			want := strings.Fields(tt.begins)
			if len(begins) != len(want) {
				t.Errorf("%v", begins)
			}
			for _, word := range want {
				name, seconds, _ := strings.Cut(word, ":")
				got := strconv.Itoa(int(begins[name].Sub(now) / time.Second))
				if begins[name].IsZero() {
					got = "?"
				}
				if got != seconds {
					t.Errorf("%s begins after %s s, want %s", name, got, seconds)
				}
			}
			if got := int(last.Sub(now) / time.Second); last.IsZero() != (tt.last < 0) || tt.last >= 0 && got != tt.last {
				t.Errorf("one more begins after %d s, want %d", got, tt.last)
			}
		})
	}
}

func TestALatePhaseMayEndAtAnyMoment(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	f := offprint.Forecast{Due: now.Add(10 * time.Second), Then: 5 * time.Second}
	for after, want := range map[time.Duration]time.Duration{0: 15, 4: 11, 10: 5, 60: 5} {
		if got := f.Left(now.Add(after * time.Second)); got != want*time.Second {
			t.Errorf("after %d s: %v, want %d s", after, got, want)
		}
	}
	if got := (offprint.Forecast{Then: time.Second}).Left(now); got != 0 {
		t.Errorf("without a forecast: %v", got)
	}
}
