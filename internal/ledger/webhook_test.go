package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func hooking(user string) Hooking {
	return Hooking{Webhook: Webhook{
		ID: NewWebhookID(), Tenant: "acme", User: user, APIKey: "key_1", URL: "https://app.example.com/hooks", Description: "CRM",
		Events: []offprint.Event{offprint.RunFailed}, Secrets: []SealedSecret{{Sealed: []byte("first")}},
	}}
}

func (b *bench) hook(l *Ledger, h Hooking) Webhook {
	b.Helper()
	made, err := l.AddWebhook(b.Context(), h)
	if err != nil {
		b.Fatal(err)
	}
	return made.Webhook
}

func same(a, b Webhook) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

func TestAWebhookIsKeptAsItWasMade(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		ctx := t.Context()
		made := b.hook(l, hooking("ann"))
		if got, err := l.Webhook(ctx, made.ID); err != nil || !same(got, made) || !got.Created.Equal(c.now()) || got.Events[0] != offprint.RunFailed || string(got.Secrets[0].Sealed) != "first" {
			t.Errorf("kept as %+v, %v; want %+v", got, err, made)
		}
		later := b.hook(l, hooking("ann"))
		b.hook(l, hooking("bob"))
		if all, err := l.Webhooks(ctx, "ann", "acme"); err != nil || len(all) != 2 || all[0].ID != later.ID || all[1].ID != made.ID {
			t.Errorf("ann's are %+v, %v", all, err)
		}
		if all, err := l.Webhooks(ctx, "ann", "evil"); err != nil || all != nil {
			t.Errorf("of another tenant's ann: %+v, %v", all, err)
		}
		_, err := l.Webhook(ctx, "wh_none")
		b.wantCode(err, offprint.NotFound)

		yes, no, url, words := true, false, "https://app.example.com/other", "ERP"
		check := func(a WebhookAmendment, is func(Webhook) bool) {
			t.Helper()
			if got, err := l.AmendWebhook(ctx, made.ID, a); err != nil || !is(got) {
				t.Errorf("after %+v it is %+v, %v", a, got, err)
			}
		}
		answered := func(a HookAnswer) {
			t.Helper()
			a.Webhook, a.Notice = made.ID, "ntc_none"
			if err := l.Answered(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		answered(HookAnswer{Status: 500})
		failed := c.now()
		c.add(time.Minute)
		answered(HookAnswer{})
		check(WebhookAmendment{}, func(h Webhook) bool { return h.FailingSince.Equal(failed) && h.Delivered.IsZero() })
		check(WebhookAmendment{URL: &made.URL}, func(h Webhook) bool { return h.FailingSince.Equal(failed) })
		check(WebhookAmendment{URL: &url}, func(h Webhook) bool {
			return h.URL == url && h.Description == "CRM" && len(h.Events) == 1 && h.FailingSince.IsZero()
		})
		check(WebhookAmendment{Description: &words, Events: offprint.Ends}, func(h Webhook) bool {
			return h.URL == url && h.Description == "ERP" && slices.Equal(h.Events, offprint.Ends)
		})
		answered(HookAnswer{Status: 410, Disable: "It is gone."})
		check(WebhookAmendment{}, func(h Webhook) bool {
			return h.Disabled.Equal(c.now()) && h.Reason == "It is gone." && !h.FailingSince.IsZero()
		})
		gone := c.now()
		c.add(time.Minute)
		check(WebhookAmendment{Disabled: &yes}, func(h Webhook) bool { return h.Disabled.Equal(gone) && h.Reason == "It is gone." })
		check(WebhookAmendment{Disabled: &no}, func(h Webhook) bool { return h.Disabled.IsZero() && h.Reason == "" })
		check(WebhookAmendment{Disabled: &yes}, func(h Webhook) bool { return h.Disabled.Equal(c.now()) && h.Reason == "" })
		answered(HookAnswer{Status: 204, Delivered: true})
		check(WebhookAmendment{}, func(h Webhook) bool { return h.FailingSince.IsZero() && h.Delivered.Equal(c.now()) })
		_, err = l.AmendWebhook(ctx, "wh_none", WebhookAmendment{URL: &url})
		b.wantCode(err, offprint.NotFound)

		two := []SealedSecret{{Sealed: []byte("second")}, {Sealed: []byte("first"), Until: c.now()}}
		if err := l.ChangeSecrets(ctx, made.ID, made.Secrets, two); err != nil {
			t.Fatal(err)
		}
		b.wantCode(l.ChangeSecrets(ctx, made.ID, made.Secrets, two), offprint.Conflict)
		if got, err := l.Webhook(ctx, made.ID); err != nil || len(got.Secrets) != 2 || string(got.Secrets[0].Sealed) != "second" || !got.Secrets[1].Until.Equal(c.now()) {
			t.Errorf("secrets %+v, %v", got.Secrets, err)
		}
		if err := l.RemoveWebhook(ctx, made.ID); err != nil {
			t.Fatal(err)
		}
		b.wantCode(l.RemoveWebhook(ctx, made.ID), offprint.NotFound)
	})
}

func TestNobodyHasMoreWebhooksThanTheyMay(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		b.hook(nodes[0], hooking("ann"))
		errs := make([]error, 20)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() {
				h := hooking("ann")
				h.Most = 5
				_, errs[i] = nodes[i%2].AddWebhook(t.Context(), h)
			})
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				b.wantCode(err, offprint.Conflict)
			}
		}
		if all, err := nodes[0].Webhooks(t.Context(), "ann", "acme"); err != nil || len(all) != 5 {
			t.Errorf("%d webhooks, %v", len(all), err)
		}
		other := hooking("bob")
		other.Most = 5
		b.hook(nodes[0], other)
	})
}

func TestOneKeyIsOneWebhook(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		twin := func() Hooking {
			h := hooking("ann")
			h.Most, h.Key = 1, Key{"ann POST webhooks", "k", "f"}
			return h
		}
		hooked, errs := make([]Hooked, 10), make([]error, 10)
		var all sync.WaitGroup
		for i := range hooked {
			all.Go(func() { hooked[i], errs[i] = nodes[i%2].AddWebhook(t.Context(), twin()) })
		}
		all.Wait()
		made := 0
		for i, h := range hooked {
			if errs[i] != nil || !same(h.Webhook, hooked[0].Webhook) {
				t.Errorf("twin %d: %+v, %v", i, h, errs[i])
			}
			if !h.Replayed {
				made++
			}
		}
		if all, err := nodes[0].Webhooks(t.Context(), "ann", "acme"); err != nil || len(all) != 1 || made != 1 {
			t.Errorf("%d webhooks, made %d times, %v", len(all), made, err)
		}
		other := twin()
		other.Key.Fingerprint = "another body"
		_, err := nodes[0].AddWebhook(t.Context(), other)
		b.wantCode(err, offprint.KeyReused)
		_, err = nodes[0].ReplayWebhook(t.Context(), other.Key)
		b.wantCode(err, offprint.KeyReused)
		if again, err := nodes[1].ReplayWebhook(t.Context(), twin().Key); err != nil || !again.Replayed || again.ID != hooked[0].ID {
			t.Errorf("replayed as %+v, %v", again, err)
		}
		if none, err := nodes[1].ReplayWebhook(t.Context(), Key{}); err != nil || none.Replayed {
			t.Errorf("without a key it is %+v, %v", none, err)
		}
	})
}

// TestDeliveries tells of what a webhook was sent: runs, pings, and some of it
// again.
func TestDeliveries(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		ctx := t.Context()
		hook := b.hook(l, hooking("ann"))
		var refuse atomic.Bool
		refuse.Store(true)
		told := make(chan offprint.Notice, 100)
		b.work(l, Workers{Slots: 2, Make: makeAtOnce, Tell: func(_ context.Context, n offprint.Notice) error {
			told <- n
			if refuse.Load() {
				return offprint.Errorf(offprint.NotConfigured, "No.")
			}
			return nil
		}})
		a := ask()
		a.Run.Notify = addressees("webhook:"+hook.ID, "x:y")
		run := b.accept(l, a)
		list := func() []NoticeRecord {
			t.Helper()
			page, next, err := l.Deliveries(ctx, hook.ID, "", 0)
			if err != nil || next != "" {
				t.Fatal(next, err)
			}
			return page
		}
		ended := func(n NoticeRecord) bool { return n.State == "delivered" || n.State == "failed" }
		b.eventually("the webhook is told", func() bool { all := list(); return len(all) == 1 && ended(all[0]) })
		first := list()[0]
		if first.Run != run || first.Event != offprint.RunSucceeded || first.State != "failed" || first.LastAnswer != "No." || first.Attempts != 1 {
			t.Errorf("delivery %+v", first)
		}
		if err := l.Answered(ctx, HookAnswer{Webhook: hook.ID, Notice: first.ID, Status: 503}); err != nil {
			t.Fatal(err)
		}
		if got := list()[0]; got.Status != 503 {
			t.Errorf("it answered %d", got.Status)
		}
		for range 2 { // its ticket, and that of x:y
			if n := receive(b, told, "a notice"); n.Try != 1 || n.At.IsZero() || n.Run == nil {
				t.Errorf("told of %+v", n)
			}
		}

		refuse.Store(false)
		b.wantCode(l.ReplayDelivery(ctx, "wh_other", first.ID), offprint.NotFound)
		b.wantCode(l.ReplayDelivery(ctx, hook.ID, "ntc_none"), offprint.NotFound)
		if err := l.ReplayDelivery(ctx, hook.ID, first.ID); err != nil {
			t.Fatal(err)
		}
		if n := receive(b, told, "the replay"); n.ID != first.ID || n.Try != 1 {
			t.Errorf("replayed as %+v", n)
		}
		b.eventually("the replay is delivered", func() bool { return list()[0].State == "delivered" })

		ping, err := l.PingWebhook(ctx, hook.ID)
		if err != nil || ping.State != "waiting" || ping.Event != offprint.Ping {
			t.Fatalf("ping %+v, %v", ping, err)
		}
		if n := receive(b, told, "the ping"); n.ID != ping.ID || n.Run != nil || n.Event != offprint.Ping || n.Address != "webhook:"+hook.ID {
			t.Errorf("pinged with %+v", n)
		}
		_, err = l.PingWebhook(ctx, "wh_none")
		b.wantCode(err, offprint.NotFound)
		for i := range keptPings + 3 {
			if _, err := l.PingWebhook(ctx, hook.ID); err != nil {
				t.Fatalf("ping %d: %v", i, err)
			}
			b.eventually("it is delivered", func() bool { return list()[0].State == "delivered" })
		}
		if all := list(); len(all) != keptPings+1 { // with that of the run
			t.Errorf("%d deliveries are kept", len(all))
		}

		var paged []string
		for cursor := ""; ; {
			page, next, err := l.Deliveries(ctx, hook.ID, cursor, 4)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range page {
				paged = append(paged, n.ID)
			}
			if cursor = next; next == "" {
				break
			}
		}
		if all := list(); len(paged) != len(all) || paged[0] != all[0].ID || paged[len(paged)-1] != all[len(all)-1].ID || !slices.IsSortedFunc(paged, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("pages %v", paged)
		}
		_, _, err = l.Deliveries(ctx, hook.ID, "bm9uZQ", 4)
		b.wantCode(err, offprint.Invalid)

		if err := l.RemoveWebhook(ctx, hook.ID); err != nil {
			t.Fatal(err)
		}
		if all := list(); len(all) != 1 || all[0].Run != run {
			t.Errorf("without the webhook there are %+v", all)
		}
	})
}

// TestPingsAreFew tells of a webhook that nobody sends anything to.
func TestPingsAreFew(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		hook := b.hook(l, hooking("ann"))
		for range mostPings {
			if _, err := l.PingWebhook(t.Context(), hook.ID); err != nil {
				t.Fatal(err)
			}
		}
		_, err := l.PingWebhook(t.Context(), hook.ID)
		b.wantCode(err, offprint.Conflict)
		if err := l.RemoveWebhook(t.Context(), hook.ID); err != nil {
			t.Fatal(err)
		}
		if all, _, err := l.Deliveries(t.Context(), hook.ID, "", 0); err != nil || all != nil {
			t.Errorf("%+v are left, %v", all, err)
		}
		told := make(chan struct{}, 10)
		stop := b.work(l, Workers{Tell: func(context.Context, offprint.Notice) error { told <- struct{}{}; return nil }})
		a := ask()
		a.Run.Notify = addressees("webhook:wh_other")
		if _, err := l.Cancel(t.Context(), b.accept(l, a)); err != nil {
			t.Fatal(err)
		}
		receive(b, told, "another notice, behind the pings")
		stop()
		if len(told) > 0 {
			t.Error("a ping of a webhook that is no more was sent")
		}
	})
}

// TestALaterSaysWhen tells of a notifier who knows how long to wait, and goes on
// for longer than give_up.
func TestALaterSaysWhen(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		tries := make(chan offprint.Notice)
		answers := make(chan error)
		b.work(l, Workers{Tell: func(_ context.Context, n offprint.Notice) error {
			tries <- n
			return <-answers
		}})
		a := ask()
		a.Run.Notify = addressees("x:y")
		run := b.accept(l, a)
		if _, err := l.Cancel(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		wants := func(state string, try int, next time.Time) {
			t.Helper()
			b.eventually(fmt.Sprintf("try %d is %s until %v", try, state, next), func() bool {
				all, err := l.Notices(t.Context(), run)
				return err == nil && all[0].State == state && all[0].Attempts == try && all[0].NextAttempt.Equal(next)
			})
		}
		at := c.now()
		for try := 1; try <= 2*mostUncounted; try++ {
			n := receive(b, tries, "a try")
			if n.Try != try || !n.At.Equal(at) {
				t.Errorf("try %d of %v; want %d of %v", n.Try, n.At, try, at)
			}
			wants("telling", try, time.Time{})
			in := time.Duration(try) * time.Hour
			answers <- &offprint.Later{Err: fmt.Errorf("wrapped: %w", offprint.Errorf(offprint.NotConfigured, "Later.")), In: in}
			wants("waiting", try, c.now().Add(in))
			c.add(in)
			_, err := l.db.ExecContext(t.Context(), `UPDATE river_job SET state = 'available', scheduled_at = (SELECT min(created_at) FROM river_job) WHERE state = 'scheduled'`)
			if err != nil {
				t.Fatal(err)
			}
		}
		receive(b, tries, "the last try")
		answers <- offprint.Errorf(offprint.NotConfigured, "No more.")
		wants("failed", 2*mostUncounted+1, time.Time{})
	})
}

// TestAFaultOfOursMayPass tells of a notice that was tried for long already: one
// fault of ours in between does not end it, and one that stays does.
func TestAFaultOfOursMayPass(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		ours := errors.New("the ledger did not answer")
		b.work(l, Workers{Tell: func(_ context.Context, n offprint.Notice) error {
			switch {
			case n.Try <= mostUncounted:
				return &offprint.Later{Err: offprint.Errorf(offprint.Undeliverable, "It answered 500.")}
			case n.Try == mostUncounted+1 || n.Address == "x:never":
				return ours
			}
			return nil
		}})
		a := ask()
		a.Run.Notify = addressees("x:never", "x:once")
		run := b.accept(l, a)
		if _, err := l.Cancel(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		b.eventually("one is delivered, one failed", func() bool {
			all, err := l.Notices(t.Context(), run)
			return err == nil && all[0].State == "failed" && all[0].Attempts == mostUncounted+2 && all[1].State == "delivered" && all[1].Attempts == mostUncounted+2
		})
	})
}

// TestALaterOutlivesItsTicket has the ticket of a notice get lost, long after
// give_up: it is tried all the same.
func TestALaterOutlivesItsTicket(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		c := newClock()
		o := quick()
		o.Now = c.now
		l := b.open(o)
		b.work(l, Workers{Tell: func(_ context.Context, n offprint.Notice) error {
			if n.Try == 1 {
				return &offprint.Later{Err: offprint.Errorf(offprint.Undeliverable, "It answered 500."), In: 48 * time.Hour}
			}
			return nil
		}})
		a := ask()
		a.Run.Notify = addressees("x:y")
		run := b.accept(l, a)
		if _, err := l.Cancel(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		ends := func(state string, try int) {
			t.Helper()
			b.eventually(fmt.Sprintf("try %d is %s", try, state), func() bool {
				all, err := l.Notices(t.Context(), run)
				return err == nil && all[0].State == state && all[0].Attempts == try
			})
		}
		ends("waiting", 1)
		c.add(48 * time.Hour)
		if _, err := l.db.ExecContext(t.Context(), `DELETE FROM river_job WHERE state = 'scheduled'`); err != nil {
			t.Fatal(err)
		}
		ends("delivered", 2)
	})
}

// TestASlowWebhookHoldsUpNobody tells of one that does not answer, and has many
// notices waiting.
func TestASlowWebhookHoldsUpNobody(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		nodes := []*Ledger{b.open(quick()), b.open(quick())}
		answer := make(chan struct{})
		var inside, most, slow atomic.Int64
		told := make(chan string, 100)
		tell := func(_ context.Context, n offprint.Notice) error {
			if n.Address != "webhook:slow" {
				told <- n.Address
				return nil
			}
			now := inside.Add(1)
			for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
			}
			<-answer
			inside.Add(-1)
			slow.Add(1)
			return nil
		}
		b.work(nodes[0], Workers{Tell: tell})
		end := func(addresses ...string) {
			t.Helper()
			a := ask()
			a.Run.Notify = addressees(addresses...)
			if _, err := nodes[0].Cancel(t.Context(), b.accept(nodes[0], a)); err != nil {
				t.Fatal(err)
			}
		}
		const waiting = 40
		for range waiting {
			end("webhook:slow")
		}
		b.eventually("as many are sent at once as may be", func() bool { return inside.Load() == mostInside })
		held := func() (n int) {
			t.Helper()
			if err := one(t.Context(), nodes[0].inner, `SELECT count(*) FROM notices WHERE state = 'held'`, nil, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		b.eventually("all others are held", func() bool { return held() == waiting-mostInside })
		for range 5 {
			end("webhook:fast", "x:y")
		}
		for range 10 {
			receive(b, told, "word to the others")
		}
		if all, _, err := nodes[0].Deliveries(t.Context(), "slow", "", 0); err != nil || len(all) != waiting || all[0].State != "waiting" || all[0].Attempts != 0 {
			t.Errorf("%d deliveries, %+v, %v", len(all), all[0], err)
		}
		close(answer)
		b.eventually("all are told in the end", func() bool { return slow.Load() == waiting })
		if n := most.Load(); n != mostInside {
			t.Errorf("%d were sent at once", n)
		}
		if n := held(); n > 0 {
			t.Errorf("%d are still held", n)
		}
	})
}

// TestHeldNoticesOfALostProcess are found by the reaper.
func TestHeldNoticesOfALostProcess(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		l := b.open(quick())
		a := ask()
		a.Run.Notify = addressees("webhook:crm")
		for range 3 {
			if _, err := l.Cancel(t.Context(), b.accept(l, a)); err != nil {
				t.Fatal(err)
			}
		}
		for _, text := range []string{`UPDATE river_job SET state = 'cancelled', finalized_at = created_at`, `UPDATE notices SET state = 'held', ticket = 0, lease_until = 1`} {
			if _, err := l.db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		told := make(chan struct{}, 10)
		b.work(l, Workers{Tell: func(context.Context, offprint.Notice) error { told <- struct{}{}; return nil }})
		for range 3 {
			receive(b, told, "a notice that was held")
		}
	})
}

// TestNothingIsHeldForEver tells of a database that is cut off while notices are
// held and called.
func TestNothingIsHeldForEver(t *testing.T) {
	for _, step := range []string{"hold a notice: before commit", "hold a notice: after commit", "call a notice: before commit", "call a notice: after commit"} {
		t.Run(step, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				o := quick()
				o.Lease, o.Beat = 500*time.Millisecond, 100*time.Millisecond
				l, f := b.openFailing(o)
				reached := make(chan struct{}, 2) // so often it fails
				f.set(step, func() error {
					select {
					case reached <- struct{}{}:
						return errCut
					default:
						return nil
					}
				})
				const waiting = 10
				var mu sync.Mutex
				told := map[string]int{}
				answer := make(chan struct{})
				b.work(l, Workers{Tell: func(_ context.Context, n offprint.Notice) error {
					<-answer
					mu.Lock()
					defer mu.Unlock()
					told[n.ID]++
					return nil
				}})
				a := ask()
				a.Run.Notify = addressees("webhook:crm")
				for range waiting {
					if _, err := l.Cancel(t.Context(), b.accept(l, a)); err != nil {
						t.Fatal(err)
					}
				}
				close(answer)
				b.eventually("each is told, and once", func() bool {
					mu.Lock()
					defer mu.Unlock()
					for id, n := range told {
						if n > 1 {
							t.Fatalf("%s is told %d times", id, n)
						}
					}
					return len(told) == waiting
				})
				if len(reached) < cap(reached) {
					t.Error("the step was not reached")
				}
			})
		})
	}
}
