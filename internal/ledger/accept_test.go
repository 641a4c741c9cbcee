package ledger

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

// together asks n times at once.
func together(n int, ask func(i int) (Accepted, error)) (answers []Accepted, errs []error) {
	answers, errs = make([]Accepted, n), make([]error, n)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			answers[i], errs[i] = ask(i)
		})
	}
	close(start)
	all.Wait()
	return answers, errs
}

func TestAcceptKeepsWhatWasAsked(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		a := ask()
		a.Run.Sent = offprint.Sent{"region": []byte(`"EU"`)}
		a.Run.Who.Roles, a.Run.Who.Via = []string{"sales"}, "key_1"
		a.Run.Zone, a.Run.Locale, a.Run.Retention = "Europe/Berlin", "de-DE", 7*24*time.Hour
		a.Run.Notify, a.Run.Metadata = addressees("mailto:a@b.example"), map[string]string{"order": "17"}
		got := b.get(l, b.accept(l, a))
		if fmt.Sprint(got.Params, got.Who, got.Notify, got.Metadata) != fmt.Sprint(a.Run.Params, a.Run.Who, a.Run.Notify, a.Run.Metadata) ||
			string(got.Sent["region"]) != `"EU"` || got.Zone != a.Run.Zone || got.Locale != a.Run.Locale || got.Retention != a.Run.Retention || got.MaxAttempts != 5 {
			t.Errorf("kept %+v\nasked %+v", got, a.Run)
		}
		if got.State != offprint.Queued || got.Revision != 1 || got.Created.IsZero() || got.Title != "Orders" || got.Format != "csv" {
			t.Errorf("kept %+v", got)
		}
		if text, err := l.Definition(t.Context(), "orders", "v1"); err != nil || text != "SELECT 1" {
			t.Errorf("definition %q, %v", text, err)
		}
		_, err := l.Get(t.Context(), "run_none")
		b.wantCode(err, offprint.NotFound)
	})
}

func TestOneKeyIsOneRun(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		answers, errs := together(50, func(i int) (Accepted, error) { return nodes[i%2].Accept(t.Context(), keyed("k", "body")) })
		fresh, run := 0, ""
		for i, a := range answers {
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			if !a.Replayed {
				fresh++
			}
			if run == "" {
				run = a.Run.ID
			}
			if a.Run.ID != run {
				t.Fatalf("one key is %s and %s", run, a.Run.ID)
			}
		}
		if fresh != 1 {
			t.Errorf("%d of 50 were fresh, want 1", fresh)
		}
		if runs, _, err := nodes[0].List(t.Context(), Filter{}); err != nil || len(runs) != 1 {
			t.Errorf("%d runs, %v; want 1", len(runs), err)
		}
	})
}

func TestAKeyAnswersLaterToo(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		id := b.accept(l, keyed("k", "body"))
		if _, err := l.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		a, err := l.Accept(t.Context(), keyed("k", "body"))
		if err != nil || !a.Replayed || a.Run.ID != id || a.Run.State != offprint.Canceled {
			t.Errorf("replay: %+v, %v; want the present run", a, err)
		}
		_, err = l.Accept(t.Context(), keyed("k", "another body"))
		b.wantCode(err, offprint.KeyReused)

		run, found, err := l.Replay(t.Context(), keyed("k", "body").Key)
		if err != nil || !found || run.ID != id {
			t.Errorf("Replay: %v, %v, %v", run.ID, found, err)
		}
		_, _, err = l.Replay(t.Context(), keyed("k", "another body").Key)
		b.wantCode(err, offprint.KeyReused)
		_, found, err = l.Replay(t.Context(), keyed("new", "body").Key)
		if err != nil || found {
			t.Errorf("a new key: %v, %v", found, err)
		}
		if _, found, err = l.Replay(t.Context(), Key{}); err != nil || found {
			t.Errorf("no key: %v, %v", found, err)
		}
	})
}

func TestTwinsInOneBatchWithAnotherBody(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		_, errs := together(40, func(i int) (Accepted, error) {
			return l.Accept(t.Context(), keyed(fmt.Sprint("k", i/2), fmt.Sprint("body", i)))
		})
		refused := 0
		for _, err := range errs {
			if err != nil {
				b.wantCode(err, offprint.KeyReused)
				refused++
			}
		}
		if refused != 20 {
			t.Errorf("%d of 40 were refused, want one of each pair", refused)
		}
	})
}

func TestOnlyTheCulpritIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		taken := b.accept(l, ask())
		answers, errs := together(60, func(i int) (Accepted, error) {
			a := keyed(fmt.Sprint("k", i), "")
			if i == 30 {
				a.Run.ID = taken // no two runs have one id
			}
			return l.Accept(t.Context(), a)
		})
		for i, err := range errs {
			switch {
			case i == 30:
				b.wantCode(err, offprint.Invalid)
			case err != nil:
				t.Errorf("asking %d: %v", i, err)
			case b.get(l, answers[i].Run.ID).State != offprint.Queued:
				t.Errorf("asking %d is not queued", i)
			}
		}
		a := keyed("k30", "")
		if got, err := l.Accept(t.Context(), a); err != nil || got.Replayed {
			t.Errorf("the refused key: %+v, %v; want it to be good still", got, err)
		}
	})
}

func TestLimits(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		o := quick()
		o.QueuedPerUser, o.Queued = 3, 5
		l := b.open(o)
		by := func(user, key string) Asking {
			a := keyed(key, "")
			a.Run.Who.User = user
			return a
		}
		_, errs := together(6, func(i int) (Accepted, error) { return l.Accept(t.Context(), by("ann", fmt.Sprint(i))) })
		refused := 0
		for _, err := range errs {
			if err != nil {
				b.wantCode(err, offprint.TooManyRequests)
				refused++
			}
		}
		if refused != 3 {
			t.Errorf("%d of ann's 6 were refused, want 3", refused)
		}
		for i := range 2 {
			b.accept(l, by("bob", fmt.Sprint("b", i)))
		}
		_, err := l.Accept(t.Context(), by("eve", "e"))
		b.wantCode(err, offprint.Busy)

		runs, _, err := l.List(t.Context(), Filter{User: "bob", Tenant: "acme"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Cancel(t.Context(), runs[0].ID); err != nil {
			t.Fatal(err)
		}
		b.eventually("the refused key is good once there is room", func() bool {
			a, err := l.Accept(t.Context(), by("eve", "e"))
			return err == nil && !a.Replayed
		})
	})
}

func TestWhenCommitIsCut(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, f := b.openFailing(quick())
		f.once("accept: before commit", errCut)
		_, err := l.Accept(t.Context(), keyed("k", ""))
		b.wantCode(err, offprint.Busy)
		if runs, _, err := l.List(t.Context(), Filter{}); err != nil || len(runs) != 0 {
			t.Errorf("stored %d runs, %v; want none", len(runs), err)
		}
		f.once("accept: after commit", errCut)
		a, err := l.Accept(t.Context(), keyed("k", ""))
		if err != nil || a.Replayed {
			t.Fatalf("%+v, %v; want it read back and accepted", a, err)
		}
		b.get(l, a.Run.ID)
	})
}

func TestAClosedLedgerSaysSo(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l, err := Open(t.Context(), b.url, quick())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = l.Accept(t.Context(), ask())
		b.wantCode(err, offprint.Draining)
	})
}
