package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/ledger"
)

// A post delivers mail to acme.example and to its webhooks, as long as nothing
// is wrong with an address.
type post struct {
	webhooks []offprint.Contact

	mu    sync.Mutex
	wrong map[string]error // by address
	came  []string
}

func (p *post) Admit(_ context.Context, _ offprint.Identity, address string) (offprint.Addressee, error) {
	if strings.HasSuffix(address, "@acme.example") {
		return offprint.Addressee{Address: address, Events: []offprint.Event{offprint.RunSucceeded, offprint.RunFailed}}, nil
	}
	if slices.ContainsFunc(p.webhooks, func(c offprint.Contact) bool { return c.Address == address }) {
		return offprint.Addressee{Address: address, Events: offprint.Ends}, nil
	}
	return offprint.Addressee{}, offprint.Errorf(offprint.NotFound, "There is nobody at this address.")
}

func (p *post) Notify(_ context.Context, n offprint.Notice) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.wrong[n.Address]; err != nil {
		return err
	}
	p.came = append(p.came, n.Address+" "+string(n.Event))
	return nil
}

func (p *post) set(address string, wrong error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong[address] = wrong
}

// crm is a post that knows its webhooks.
type crm struct{ *post }

func (c crm) Contacts(context.Context, offprint.Identity) ([]offprint.Contact, error) {
	return c.webhooks, nil
}

// openPost is a world where ann has a mail address, key opk_ann, and ben has
// none; the report orders names me and the customer database.
func openPost(t *testing.T, w wish) (*world, *post) {
	t.Helper()
	p := &post{wrong: map[string]error{}, webhooks: []offprint.Contact{{Address: "webhook:wh_crm", Name: "Customer database"}, {Address: "webhook:wh_chat", Name: "Team chat"}}}
	w.keys = map[string]offprint.Identity{
		"opk_ann": {User: "ann", Tenant: "acme", Email: "ann@acme.example"},
		"opk_ben": {User: "ben", Tenant: "acme"},
	}
	w.desk = func(c *desk.Config) {
		c.Notifiers = map[string]offprint.Notifier{"mailto": p, "webhook": crm{p}}
		c.Catalog.(*catalog).reports["orders"].Notify = []string{"me", "webhook:wh_crm"}
	}
	return open(t, w), p
}

func (p *post) until(t *testing.T, want ...string) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		p.mu.Lock()
		came := slices.Sorted(slices.Values(p.came))
		p.mu.Unlock()
		if slices.Equal(came, want) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("what came is %v, want %v", came, want)
		}
	}
}

func TestPeopleChooseWhatTheyAreTold(t *testing.T) {
	w, _ := openPost(t, wish{workers: -1})
	const path = "/v1/me/notifications"
	wants := func(key, want string) {
		t.Helper()
		if got := encoded(t, w.do("GET", path, call{key: key}).wants(t, 200).json(t)); got != want {
			t.Errorf("%s is told as %s\nwant %s", key, got, want)
		}
	}
	unsaid := `{"mail":{"expiring":false,"failed":true,"succeeded":true},"mail_to":"ann@acme.example","source":"reports","webhooks":[]}`
	wants("opk_ann", unsaid)
	w.do("PUT", path, call{key: "opk_ann", body: `{"mail":{"failed":true,"expiring":true},"webhooks":["wh_chat"]}`}).wants(t, 200)
	wants("opk_ann", `{"mail":{"expiring":true,"failed":true,"succeeded":false},"mail_to":"ann@acme.example","source":"settings","webhooks":["wh_chat"]}`)
	wants("opk_ben", strings.Replace(unsaid, `"ann@acme.example"`, "null", 1))
	for body, want := range map[string]string{
		`{"webhooks":["wh_chat","wh_gone"]}`: `[{"detail":"There is nobody at this address.","pointer":"#/webhooks/1"}]`,
		`{"mail":{"slow":true}}`:             `[{"detail":"There is nothing of this name here.","pointer":"#/mail/slow"}]`,
		`{"mail":true}`:                      `[{"detail":"Expected object.","pointer":"#/mail"}]`,
	} {
		if got := encoded(t, w.do("PUT", path, call{key: "opk_ann", body: body}).wants(t, 422).json(t)["errors"]); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	w.do("PUT", path, call{key: "opk_ann", body: `{}`}).wants(t, 200)
	wants("opk_ann", `{"mail":{"expiring":false,"failed":false,"succeeded":false},"mail_to":"ann@acme.example","source":"settings","webhooks":[]}`)
	w.do("DELETE", path, call{key: "opk_ann"}).wants(t, 204)
	wants("opk_ann", unsaid)
	w.do("GET", path, call{}).wants(t, 401)
}

// An empty list is a word of its own, also to an Idempotency-Key.
func TestARequestMayTellNobody(t *testing.T) {
	w, p := openPost(t, wish{})
	say := func(notify string) answer {
		return w.do("POST", "/v1/runs", call{key: "opk_ann", body: `{"report":"orders","parameters":{"rows":1}` + notify + `}`, headers: []string{"Prefer: wait=30", "Idempotency-Key: once"}})
	}
	id := say(`,"notify":[]`).wants(t, 200).json(t)["id"].(string)
	if problem := say("").wants(t, 422).json(t); problem["code"] != "idempotency_key_reused" && problem["code"] != string(offprint.KeyReused) {
		t.Errorf("without notify it is taken for the same: %v", problem)
	}
	if n := len(w.do("GET", "/v1/runs/"+id+"/notices", call{key: "opk_ann"}).json(t)["items"].([]any)); n != 0 {
		t.Errorf("%d notices", n)
	}
	w.made("opk_ann", `{"report":"orders","parameters":{"rows":1}}`)
	p.until(t, "mailto:ann@acme.example run.succeeded", "webhook:wh_crm run.succeeded")
}

// browseAs is a browser in which somebody is signed in.
func (w *world) browseAs(key string) *browser {
	w.t.Helper()
	b := w.browse()
	b.do(chromedp.Navigate("about:blank"))
	_, err := chromedp.Call(b.ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Authorization": "Bearer " + key}})
	check(w.t, err)
	return b
}

func checked(selector string, is bool) string {
	return fmt.Sprintf(`document.querySelector(%q)?.checked === %v`, selector, is)
}

func TestSomebodyChoosesInTheBrowser(t *testing.T) {
	w, _ := openPost(t, wish{workers: -1})
	b := w.browseAs("opk_ann")
	b.do(chromedp.Navigate(w.url + "/"))
	b.sees(".top", "ann@acme.example")
	b.do(chromedp.Click(chromedp.CSS(`.top a[href="/notifications"]`)), chromedp.WaitVisible(chromedp.CSS("form.choosing")))
	b.holds(checked("[value=reports]", true) + ` && getComputedStyle(document.querySelector(".chosen")).display === "none"`)
	b.picture("notifications-reports")
	b.do(chromedp.Click(chromedp.CSS("[value=settings]")), chromedp.WaitVisible(chromedp.CSS(".chosen")))
	b.holds(checked("[value=succeeded]", true) + " && " + checked("[value=expiring]", false))
	b.do(chromedp.Click(chromedp.CSS("[value=succeeded]")), chromedp.Click(chromedp.CSS("[value=expiring]")), chromedp.Click(chromedp.CSS("[value=wh_chat]")))
	b.picture("notifications-settings")
	b.do(chromedp.EmulateViewport(390, 844))
	b.holds(noSidewaysScroll)
	b.do(chromedp.EmulateViewport(1200, 800))
	b.do(chromedp.Click(chromedp.CSS("form.choosing button.main")))
	b.sees(".saved", "Saved.")
	b.holds(checked("[value=settings]", true) + " && " + checked("[value=succeeded]", false) + " && " + checked("[value=expiring]", true) + " && " + checked("[value=wh_chat]", true))
	b.picture("notifications-saved")
	if got := encoded(t, w.do("GET", "/v1/me/notifications", call{key: "opk_ann"}).json(t)["mail"]); got != `{"expiring":true,"failed":true,"succeeded":false}` {
		t.Errorf("kept is %s", got)
	}
	b.do(chromedp.Evaluate[chromedp.Void](`window.before = true`), chromedp.Click(chromedp.CSS("[value=reports]")), chromedp.Click(chromedp.CSS("form.choosing button.main")))
	b.holds(`!window.before`)
	b.sees(".saved", "Saved.")
	if got := w.do("GET", "/v1/me/notifications", call{key: "opk_ann"}).json(t)["source"]; got != "reports" {
		t.Errorf("it comes from %v", got)
	}
}

func TestTheFormMailsWhomItSays(t *testing.T) {
	w, p := openPost(t, wish{})
	b := w.browseAs("opk_ann")
	b.do(chromedp.Navigate(w.url + "/reports/slow"))
	b.sees(".check", "Mail me when it is ready ann@acme.example")
	b.holds(checked("[name=mail]", false)) // the report does not say it
	b.do(chromedp.Navigate(w.url + "/reports/orders"))
	b.sees(".estimate, .check", "Mail me when it is ready")
	b.holds(checked("[name=mail]", true))
	b.picture("form-mail")
	b.do(chromedp.SetValue(chromedp.CSS("#p-least"), "a lot"), chromedp.Click(chromedp.CSS("[name=mail]")), chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".error", "Write a decimal number")
	b.holds(checked("[name=mail]", false)) // what was chosen stays
	b.do(chromedp.SetValue(chromedp.CSS("#p-least"), "1"), chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".told", "Told Customer database at")
	b.holds(`!document.querySelector(".told").textContent.includes("ann@acme.example")`)
	p.until(t, "webhook:wh_crm run.succeeded")
}

func TestARunSaysWhoIsToldAndHowItWent(t *testing.T) {
	w, p := openPost(t, wish{})
	p.set("mailto:ann@acme.example", offprint.Errorf(offprint.BadQuery, "The mail server says that there is no such mailbox."))
	b := w.browseAs("opk_ann")
	id := w.ask("opk_ann", `{"report":"slow","parameters":{"rows":1000},"notify":["me","webhook:wh_crm"]}`)
	b.do(chromedp.Navigate(w.url + "/runs/" + id))
	b.sees(".told li", "ann@acme.example will be mailed when it is ready or if it cannot be made")
	b.sees(".told li", "Customer database will be told when it has ended")
	b.picture("told-before")
	b.do(chromedp.Evaluate[chromedp.Void](`window.stayed = true`))
	w.catalog.release()
	b.sees(".panel .badge", "Ready")
	b.sees(".told li", "Told Customer database at ")
	b.sees(".told li", "Could not be delivered to ann@acme.example: The mail server says that there is no such mailbox.")
	b.picture("told-failed")
	p.set("mailto:ann@acme.example", nil)
	b.do(chromedp.Click(chromedp.CSS(`[aria-label="Send again: ann@acme.example"]`)))
	b.sees(".told li", "Mailed to ann@acme.example at ")
	p.until(t, "mailto:ann@acme.example run.succeeded", "webhook:wh_crm run.succeeded")
	b.holds(`window.stayed === true && ` + noSidewaysScroll)
	b.picture("told")
	b.do(chromedp.EmulateViewport(390, 844))
	b.holds(noSidewaysScroll)
}

func TestARunSaysWhenItsFileWillBeGone(t *testing.T) {
	var passed atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }
	w, p := openPost(t, wish{ledger: ledger.Options{Now: now}})
	w.do("PUT", "/v1/me/notifications", call{key: "opk_ann", body: `{"mail":{"expiring":true}}`}).wants(t, 200)
	id := w.made("opk_ann", `{"report":"slow","parameters":{"rows":0}}`)["id"].(string)
	page := func() string { return string(w.do("GET", "/runs/"+id, call{key: "opk_ann"}).wants(t, 200).body) }
	if text := page(); !strings.Contains(text, "ann@acme.example will be mailed before the file is gone, on ") || strings.Contains(text, "Send again") {
		t.Errorf("before: %s", text)
	}
	passed.Add(int64(6*24*time.Hour + time.Minute))
	check(t, w.desk.Sweep(t.Context(), false))
	p.until(t, "mailto:ann@acme.example run.expiring")
	w.eventually("it is told", func() bool {
		text := page()
		return strings.Contains(text, "Mailed to ann@acme.example at ") && strings.Contains(text, " that the file will be gone") && strings.Contains(text, "Send again") && !strings.Contains(text, "will be mailed")
	})
	w.do("DELETE", "/v1/runs/"+id+"/file", call{key: "opk_ann"}).wants(t, 204)
	if text := page(); strings.Contains(text, "Send again") {
		t.Errorf("of a file that is gone: %s", text)
	}
}

func (w *world) eventually(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(15 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("never: %s", what)
		}
	}
}

// What one does with a script works without.
func TestNotificationsWorkWithoutAScript(t *testing.T) {
	w, p := openPost(t, wish{})
	post := func(key, path string, form url.Values, status int) answer {
		t.Helper()
		return w.do("POST", path, call{key: key, body: form.Encode(), headers: []string{"Content-Type: application/x-www-form-urlencoded"}}).wants(t, status)
	}
	a := post("opk_ann", "/notifications", url.Values{"source": {"settings"}, "mail": {"failed"}, "webhook": {"wh_chat", "wh_crm"}}, http.StatusSeeOther)
	if to := a.Header.Get("Location"); to != "/notifications?saved" {
		t.Errorf("it leads to %s", to)
	}
	text := string(w.do("GET", "/notifications?saved", call{key: "opk_ann"}).wants(t, 200).body)
	for _, want := range []string{"Saved.", `name="webhook" value="wh_chat" checked>Team chat`, `value="failed" checked`, `value="succeeded">`} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %s: %s", want, text)
		}
	}
	w.do("PUT", "/v1/me/notifications", call{key: "opk_ann", body: `{"webhooks":["wh_chat"]}`}).wants(t, 200)
	p.webhooks = p.webhooks[:1] // the chat is gone
	if text := string(w.do("GET", "/notifications", call{key: "opk_ann"}).body); !strings.Contains(text, `value="wh_chat" checked>wh_chat`) {
		t.Errorf("a webhook that is gone cannot be left out: %s", text)
	}
	if text := string(post("opk_ann", "/notifications", url.Values{"source": {"settings"}, "webhook": {"wh_chat"}}, 422).body); !strings.Contains(text, "<p>wh_chat: There is nobody at this address.") {
		t.Errorf("a webhook that is gone: %s", text)
	}
	post("opk_ann", "/notifications", url.Values{"source": {"reports"}}, http.StatusSeeOther)

	run := post("opk_ann", "/reports/orders", url.Values{"p.rows": {"1"}, "p.period": {"last_month"}, "format": {"csv"}, "mail_asked": {"yes"}, "mail": {"yes"}, "key": {"k"}}, http.StatusSeeOther).Header.Get("Location")
	p.until(t, "mailto:ann@acme.example run.succeeded", "webhook:wh_crm run.succeeded")
	id := strings.TrimPrefix(run, "/runs/")
	w.eventually("it is delivered", func() bool {
		return strings.Contains(string(w.do("GET", run, call{key: "opk_ann"}).body), "Mailed to ann@acme.example at ")
	})
	for _, n := range w.do("GET", "/v1/runs/"+id+"/notices", call{key: "opk_ann"}).json(t)["items"].([]any) {
		if n := n.(map[string]any); n["address"] == "mailto:ann@acme.example" {
			path := run + "/notices/" + n["id"].(string) + "/again"
			post("opk_ben", path, nil, 404)
			if to := post("opk_ann", path, nil, http.StatusSeeOther).Header.Get("Location"); to != run {
				t.Errorf("it leads to %s", to)
			}
		}
	}
	p.until(t, "mailto:ann@acme.example run.succeeded", "mailto:ann@acme.example run.succeeded", "webhook:wh_crm run.succeeded")

	// Who has no address is not asked whether to be mailed.
	if text := string(w.do("GET", "/reports/orders", call{key: "opk_ben"}).wants(t, 200).body); strings.Contains(text, "Mail me") {
		t.Errorf("ben's form: %s", text)
	}
	if text := string(w.do("GET", "/notifications", call{key: "opk_ben"}).wants(t, 200).body); !strings.Contains(text, "There is nobody at this address.") && !strings.Contains(text, "Your mail address is not known here.") {
		t.Errorf("ben's page: %s", text)
	}
}

// Where nothing is delivered there is nothing to choose.
func TestWhereNothingIsDelivered(t *testing.T) {
	w := open(t, wish{workers: -1})
	for path, not := range map[string]string{"/": "/notifications", "/reports/orders": "Mail me"} {
		if text := string(w.do("GET", path, call{}).wants(t, 200).body); strings.Contains(text, not) {
			t.Errorf("%s has %s", path, not)
		}
	}
	if text := string(w.do("GET", "/notifications", call{}).wants(t, 200).body); !strings.Contains(text, "This server sends no mail.") {
		t.Errorf("the page: %s", text)
	}
}
