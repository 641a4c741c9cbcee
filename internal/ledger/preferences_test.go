package ledger

import (
	"fmt"
	"sync"
	"testing"

	"github.com/offprint/offprint"
)

// What somebody prefers is known at once where they said it, and a moment later
// elsewhere, whatever it was.
func TestPreferencesAreKnownEverywhereInAMoment(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		here, there := b.open(quick()), b.open(quick())
		knows := func(l *Ledger, user string, want *Preferences) bool {
			t.Helper()
			p, err := l.RecentPreferences(t.Context(), "acme", user)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(p) == fmt.Sprint(want)
		}
		first, second := &Preferences{Webhooks: []string{"wh_1"}}, &Preferences{Mail: offprint.Ends}
		for _, p := range []*Preferences{nil, first, second, nil, first} {
			if err := here.Prefer(t.Context(), "acme", "ann", p); err != nil {
				t.Fatal(err)
			}
			if !knows(here, "ann", p) || !knows(here, "ben", nil) {
				t.Errorf("it is not known that ann prefers %v", p)
			}
			b.eventually("it is known in another process", func() bool { return knows(there, "ann", p) })
		}

		// Many change and ask at once.
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				user := fmt.Sprint("user", i)
				for range 5 {
					l := []*Ledger{here, there}[i%2]
					if err := l.Prefer(t.Context(), "acme", user, first); err != nil || !knows(l, user, first) {
						t.Errorf("%s: %v", user, err)
					}
					if err := l.Prefer(t.Context(), "acme", user, second); err != nil || !knows(l, user, second) {
						t.Errorf("%s: %v", user, err)
					}
				}
			})
		}
		all.Wait()
		for i := range 20 {
			b.eventually("all are known everywhere", func() bool {
				return knows(here, fmt.Sprint("user", i), second) && knows(there, fmt.Sprint("user", i), second)
			})
		}
	})
}

// One that cannot be read is of nobody, and a ledger that does not answer is
// asked again.
func TestPreferencesThatCannotBeHad(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		for _, user := range []string{"ann", "ben"} {
			if err := l.Prefer(t.Context(), "acme", user, new(Preferences)); err != nil {
				t.Fatal(err)
			}
		}
		for _, sql := range []string{`UPDATE preferences SET wants = '{' WHERE user_id = 'ann'`, `ALTER TABLE preferences RENAME TO away`} {
			if _, err := l.db.ExecContext(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
		if p, err := l.RecentPreferences(t.Context(), "acme", "ben"); err == nil {
			t.Errorf("without its table the ledger knows %v", p)
		}
		if _, err := l.db.ExecContext(t.Context(), `ALTER TABLE away RENAME TO preferences`); err != nil {
			t.Fatal(err)
		}
		for user, want := range map[string]*Preferences{"ann": nil, "ben": new(Preferences)} {
			if p, err := l.RecentPreferences(t.Context(), "acme", user); err != nil || fmt.Sprint(p) != fmt.Sprint(want) {
				t.Errorf("%s prefers %v, %v; want %v", user, p, err, want)
			}
		}
	})
}

func TestPreferences(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		want := func(tenant, user string, wanted *Preferences) {
			t.Helper()
			p, err := l.Preferences(t.Context(), tenant, user)
			if err != nil || fmt.Sprint(p) != fmt.Sprint(wanted) {
				t.Errorf("%s of %s prefers %v, %v; want %v", user, tenant, p, err, wanted)
			}
		}
		want("acme", "ann", nil)
		first := &Preferences{Mail: []offprint.Event{offprint.RunFailed}, Webhooks: []string{"wh_1"}}
		for _, p := range []*Preferences{{Mail: offprint.Ends}, first} {
			if err := l.Prefer(t.Context(), "acme", "ann", p); err != nil {
				t.Fatal(err)
			}
		}
		want("acme", "ann", first)
		want("other", "ann", nil)
		want("acme", "ben", nil)
		if err := l.Prefer(t.Context(), "acme", "ann", new(Preferences)); err != nil { // of nothing, which is not nothing said
			t.Fatal(err)
		}
		want("acme", "ann", new(Preferences))
		if err := l.Prefer(t.Context(), "acme", "ann", nil); err != nil {
			t.Fatal(err)
		}
		want("acme", "ann", nil)
	})
}
