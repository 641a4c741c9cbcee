package desk_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/notify"
)

// TestARunTellsItsWebhook tells of one that takes a notice at the second try,
// whose secret changes in between, and that is deleted before a third notice
// could be sent again.
func TestARunTellsItsWebhook(t *testing.T) {
	poster, err := notify.NewWebhooks(notify.WebhookConfig{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	c := desk.Config{Catalog: catalog{numbers(counter{rows: 3})}, Webhooks: desk.WebhookRules{Poster: poster}}
	onBoth(t, c, func(t *testing.T, d *desk.Desk) {
		type call struct {
			http.Header
			body []byte
		}
		calls := make(chan call, 10)
		var status atomic.Int64
		status.Store(500)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			calls <- call{r.Header, body}
			w.WriteHeader(int(status.Load()))
		}))
		defer server.Close()
		next := func() call {
			t.Helper()
			select {
			case c := <-calls:
				return c
			case <-time.After(30 * time.Second):
				t.Fatal("nobody called")
				panic("unreachable")
			}
		}
		hook, err := d.AddWebhook(t.Context(), ann, desk.NewWebhook{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		delivery := func(is func(desk.NoticeRecord) bool) desk.NoticeRecord {
			t.Helper()
			for end := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				page, _, err := d.Deliveries(t.Context(), ann, hook.ID, "", 1)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 1 && is(page[0]) {
					return page[0]
				}
				if time.Now().After(end) {
					t.Fatalf("the delivery is never as it should be: %+v", page)
				}
			}
		}
		run := submit(t, d, ann, desk.Ask{Notify: []string{"webhook:" + hook.ID}})
		tried := next()
		waits := delivery(func(n desk.NoticeRecord) bool { return n.State == "waiting" && n.Attempts == 1 && n.Status == 500 })
		if in := time.Until(waits.NextAttempt); waits.Run != run.ID || in > 6*time.Second || in < 3*time.Second {
			t.Errorf("it waits as %+v, for %v", waits, in)
		}
		rotated, err := d.RotateWebhook(t.Context(), ann, hook.ID)
		if err != nil {
			t.Fatal(err)
		}
		status.Store(200)
		again := next()
		delivery(func(n desk.NoticeRecord) bool { return n.State == "delivered" && n.Attempts == 2 && n.Status == 200 })
		if again.Get("webhook-id") != tried.Get("webhook-id") || string(again.body) != string(tried.body) || !strings.Contains(string(again.body), run.ID) {
			t.Errorf("tried with %v %s and again with %v %s", tried.Header, tried.body, again.Header, again.body)
		}
		for _, secret := range []string{hook.Secret, rotated.Secret} {
			reference, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Fatal(err)
			}
			if err := reference.Verify(again.body, again.Header); err != nil {
				t.Errorf("%s: %v", secret, err)
			}
		}
		now, err := d.Webhook(t.Context(), ann, hook.ID)
		if err != nil || !now.FailingSince.IsZero() || now.Delivered.IsZero() {
			t.Errorf("the webhook is %+v, %v", now, err)
		}

		status.Store(503)
		submit(t, d, ann, desk.Ask{Notify: []string{"webhook:" + hook.ID}})
		next()
		delivery(func(n desk.NoticeRecord) bool { return n.State == "waiting" && n.Status == 503 })
		last := submit(t, d, ann, desk.Ask{Notify: []string{"webhook:" + hook.ID}})
		until(t, d, ann, last.ID, func(r offprint.Run) bool { return r.State.Final() })
		if err := d.RemoveWebhook(t.Context(), ann, hook.ID); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			notices, err := d.Notices(t.Context(), ann, last.ID)
			if err != nil || len(notices) != 1 || time.Now().After(end) {
				t.Fatalf("notices %+v, %v", notices, err)
			}
			if notices[0].State == "failed" {
				if notices[0].LastAnswer != "The webhook was deleted." {
					t.Errorf("it failed as %+v", notices[0])
				}
				break
			}
		}
	})
}

// TestWebhooksThatSomebodyMayChoose are the operator's and their own, but for
// those that are not called.
func TestWebhooksThatSomebodyMayChoose(t *testing.T) {
	poster, err := notify.NewWebhooks(notify.WebhookConfig{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]desk.NamedWebhook{"crm": {URL: "http://crm.example.com", Secret: make([]byte, 32)}}
	c := desk.Config{Catalog: catalog{numbers(counter{rows: 3})}, Webhooks: desk.WebhookRules{Poster: poster, Named: named}}
	onBoth(t, c, func(t *testing.T, d *desk.Desk) {
		add := func(who offprint.Identity, hook desk.NewWebhook) string {
			t.Helper()
			made, err := d.AddWebhook(t.Context(), who, hook)
			if err != nil {
				t.Fatal(err)
			}
			return made.ID
		}
		plain := add(ann, desk.NewWebhook{URL: "http://127.0.0.1:1/a"})
		described := add(ann, desk.NewWebhook{URL: "http://127.0.0.1:1/b", Description: "Team chat"})
		off, disabled := add(ann, desk.NewWebhook{URL: "http://127.0.0.1:1/c"}), true
		if _, err := d.AmendWebhook(t.Context(), ann, off, desk.WebhookAmendment{Disabled: &disabled}); err != nil {
			t.Fatal(err)
		}
		add(offprint.Identity{User: "somebody else"}, desk.NewWebhook{URL: "http://127.0.0.1:1/d"})
		got, err := d.Contacts(t.Context(), ann)
		want := []offprint.Contact{{Address: "webhook:crm", Name: "crm"}, {Address: "webhook:" + described, Name: "Team chat"}, {Address: "webhook:" + plain, Name: "127.0.0.1:1"}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("contacts %v, %v, want %v", got, err, want)
		}
	})
}

// What cannot be the id of a webhook is no fault of ours.
func TestSettingsNameWebhooksThatThereAre(t *testing.T) {
	poster, err := notify.NewWebhooks(notify.WebhookConfig{})
	if err != nil {
		t.Fatal(err)
	}
	c := desk.Config{Catalog: catalog{numbers(counter{rows: 3})}, Webhooks: desk.WebhookRules{Poster: poster}}
	onBoth(t, c, func(t *testing.T, d *desk.Desk) {
		for _, id := range []string{"\x00", "a\xff", "", "wh 1", "wh_none"} {
			err := d.Prefer(t.Context(), ann, &desk.Preferences{Webhooks: []string{id}})
			if e, ok := err.(*offprint.Error); !ok || e.Code != offprint.Invalid || len(e.Fields) != 1 || e.Fields[0].Detail != "There is no such webhook, or it is somebody else's." {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}
