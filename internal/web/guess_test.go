package web

import (
	"strconv"
	"testing"
	"time"
)

// TestManyGuessesAtOnceAreForgottenLikeFew: who sends them all before the first
// is answered keeps others behind their address waiting no longer.
func TestManyGuessesAtOnceAreForgottenLikeFew(t *testing.T) {
	var g guesses
	const from = "203.0.113.7"
	now := time.Now()
	for range 200 { // all are let in
		if err := g.check(from, now); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		g.add(from, strconv.Itoa(i), now)
	}
	if g.check(from, now) == nil {
		t.Error("after 200 guesses another one is let in")
	}
	if err := g.check(from, now.Add(guessEvery)); err != nil {
		t.Errorf("after the pause that is told: %v", err)
	}
}
