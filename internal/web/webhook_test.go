package web_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/notify"
)

// A receiver is a webhook's server on this machine.
type receiver struct {
	*httptest.Server
	calls  chan hookCall
	status atomic.Int64 // of its answers
}

type hookCall struct {
	http.Header
	body []byte
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{calls: make(chan hookCall, 100)}
	r.status.Store(200)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.calls <- hookCall{req.Header, body}
		w.WriteHeader(int(r.status.Load()))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) call(t *testing.T) hookCall {
	t.Helper()
	select {
	case c := <-r.calls:
		return c
	case <-time.After(15 * time.Second):
		t.Fatal("nobody called")
		panic("unreachable")
	}
}

// passes tells whether a program that has this secret takes the call.
func (c hookCall) passes(t *testing.T, secret string) bool {
	t.Helper()
	reference, err := standardwebhooks.NewWebhook(secret)
	check(t, err)
	return reference.Verify(c.body, c.Header) == nil
}

func (c hookCall) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	check(t, json.Unmarshal(c.body, &v))
	return v
}

// hooked is a wish for webhooks that are called on this machine.
func hooked(t *testing.T, w wish, change ...func(*desk.WebhookRules)) wish {
	t.Helper()
	poster, err := notify.NewWebhooks(notify.WebhookConfig{Base: "https://reports.example.com", Allow: []string{"127.0.0.1"}})
	check(t, err)
	before := w.desk
	w.desk = func(c *desk.Config) {
		c.Webhooks.Poster = poster
		for _, change := range change {
			change(&c.Webhooks)
		}
		if before != nil {
			before(c)
		}
	}
	return w
}

// hook makes one of ann's, and answers with its id and secret.
func (w *world) hook(address string) (id, secret string) {
	w.t.Helper()
	made := w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"` + address + `"}`}).wants(w.t, 201).json(w.t)
	return made["id"].(string), made["secret"].(string)
}

// delivery waits until the newest to a webhook is as it should be.
func (w *world) delivery(hook, state string) map[string]any {
	w.t.Helper()
	var newest any
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		items := w.do("GET", "/v1/webhooks/"+hook+"/deliveries", call{key: "opk_ann"}).wants(w.t, 200).json(w.t)["items"].([]any)
		if len(items) == 0 {
			continue
		}
		if newest = items[0]; at(newest, "state") == state {
			return asMap(newest)
		}
	}
	w.t.Fatalf("no delivery is ever %s: %v", state, newest)
	return nil
}

// TestWebhooks is the story of one, from its making to its end.
func TestWebhooks(t *testing.T) {
	c := new(clock)
	w := open(t, hooked(t, wish{keys: people, ledger: ledger.Options{Now: c.now}}))
	r := receive(t)
	made := w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"` + r.URL + `/hooks","description":"CRM","events":["run.failed","run.succeeded"]}`}).wants(t, 201)
	id, secret := made.json(t)["id"].(string), made.json(t)["secret"].(string)
	path := "/v1/webhooks/" + id
	if !strings.HasPrefix(id, "wh_") || !strings.HasPrefix(secret, "whsec_") || made.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("made %s: %v", made.body, made.Header)
	}
	get := func(path string) map[string]any {
		t.Helper()
		return w.do("GET", path, call{key: "opk_ann"}).wants(t, 200).json(t)
	}
	if got := get(path + "/secret"); got["secret"] != secret {
		t.Errorf("its secret is %v", got)
	}

	run := w.made("opk_ann", `{"report":"orders","notify":["webhook:`+id+`"],"metadata":{"job":"7"}}`)
	told := r.call(t)
	if !told.passes(t, secret) || told.passes(t, "whsec_"+strings.Repeat("A", 43)+"=") {
		t.Errorf("its signature: %v", told.Header)
	}
	if got := told.json(t); got["type"] != "run.succeeded" || at(got, "data", "id") != run["id"] || at(got, "data", "url") != "https://reports.example.com/v1/runs/"+run["id"].(string) || at(got, "data", "metadata", "job") != "7" {
		t.Errorf("told %s", told.body)
	}
	sent := w.delivery(id, "delivered")
	if sent["id"] != told.Get("webhook-id") || sent["run"] != run["id"] || sent["event"] != "run.succeeded" || sent["last_status"] != 200.0 || sent["attempts"] != 1.0 || sent["delivered_at"] == nil {
		t.Errorf("delivery %v", sent)
	}
	if got := get(path); got["last_delivered_at"] == nil || got["failing_since"] != nil || got["description"] != "CRM" || got["secret"] != nil {
		t.Errorf("the webhook is %v", got)
	}
	canceled := w.ask("opk_ann", `{"report":"slow","notify":["webhook:`+id+`"]}`)
	w.do("POST", "/v1/runs/"+canceled+"/cancel", call{key: "opk_ann"}).wants(t, 200)

	t.Run("a replay has the same id", func(t *testing.T) {
		w.do("POST", path+"/deliveries/"+sent["id"].(string)+"/replay", call{key: "opk_ann"}).wants(t, 204)
		if again := r.call(t); again.Get("webhook-id") != told.Get("webhook-id") || string(again.body) != string(told.body) || !again.passes(t, secret) {
			t.Errorf("again %v: %s", again.Header, again.body)
		}
		w.delivery(id, "delivered")
	})
	t.Run("both secrets sign for a day", func(t *testing.T) {
		rotated := w.do("POST", path+"/rotate", call{key: "opk_ann"}).wants(t, 200).json(t)
		fresh := rotated["secret"].(string)
		if fresh == secret || rotated["earlier_secret_until"] == nil || get(path + "/secret")["secret"] != fresh {
			t.Errorf("rotated to %v", rotated)
		}
		ping := func() hookCall {
			t.Helper()
			w.do("POST", path+"/test", call{key: "opk_ann"}).wants(t, 202)
			p := r.call(t)
			w.delivery(id, "delivered")
			return p
		}
		if p := ping(); !p.passes(t, secret) || !p.passes(t, fresh) || len(strings.Fields(p.Get("webhook-signature"))) != 2 {
			t.Errorf("within the day: %v", p.Header)
		}
		c.add(desk.RotateTime)
		if p := ping(); p.passes(t, secret) || !p.passes(t, fresh) {
			t.Errorf("after the day: %v", p.Header)
		}
		if got := get(path); got["earlier_secret_until"] != nil {
			t.Errorf("after the day: %v", got)
		}
		for range 4 {
			w.do("POST", path+"/rotate", call{key: "opk_ann"}).wants(t, 200)
		}
		problem(t, w.do("POST", path+"/rotate", call{key: "opk_ann"}), 409, "conflict")
		if p := ping(); !p.passes(t, fresh) || len(strings.Fields(p.Get("webhook-signature"))) != 5 {
			t.Errorf("after many: %v", p.Header)
		}
	})
	t.Run("what fails is shown", func(t *testing.T) {
		r.status.Store(500)
		run := w.made("opk_ann", `{"report":"broken","notify":["webhook:`+id+`"]}`)
		if told := r.call(t).json(t); told["type"] != "run.failed" || at(told, "data", "error", "code") != "source_timeout" || at(told, "data", "id") != run["id"] {
			t.Errorf("told %v", told)
		}
		sent := w.delivery(id, "waiting")
		for sent["last_status"] == nil || sent["last_answer"] == "" { // it is sent just now
			sent = w.delivery(id, "waiting")
		}
		if sent["last_status"] != 500.0 || sent["last_answer"] != "It answered 500." || sent["next_attempt_at"] == nil || sent["delivered_at"] != nil {
			t.Errorf("delivery %v", sent)
		}
		if got := get(path); got["failing_since"] == nil || got["disabled_at"] != nil {
			t.Errorf("the webhook is %v", got)
		}
		problem(t, w.do("POST", path+"/deliveries/none/replay", call{key: "opk_ann"}), 404, "not_found")
		r.status.Store(200)
		w.do("PATCH", path, call{key: "opk_ann", body: `{"events":["run.canceled"]}`}).wants(t, 200)
	})
	t.Run("a disabled one is not called", func(t *testing.T) {
		late := w.ask("opk_ann", `{"report":"slow","notify":["webhook:`+id+`"]}`)
		w.do("PATCH", path, call{key: "opk_ann", body: `{"disabled":true}`}).wants(t, 200)
		w.do("POST", "/v1/runs/"+late+"/cancel", call{key: "opk_ann"}).wants(t, 200)
		if sent := w.delivery(id, "failed"); sent["run"] != late || sent["last_answer"] != "The webhook is disabled." || sent["last_status"] != nil {
			t.Errorf("delivery %v", sent)
		}
		if got := w.do("PATCH", path, call{key: "opk_ann", body: `{"disabled":false}`}).wants(t, 200).json(t); got["disabled_at"] != nil {
			t.Errorf("enabled it is %v", got)
		}
	})
	t.Run("410 disables it", func(t *testing.T) {
		r.status.Store(410)
		w.do("POST", path+"/test", call{key: "opk_ann"}).wants(t, 202)
		for ping := w.delivery(id, "failed"); ; ping = w.delivery(id, "failed") {
			if ping["last_status"] == 410.0 {
				break
			}
		}
		if got := get(path); got["disabled_at"] == nil || got["disabled_reason"] != "It answered 410, which says that it is gone for good." {
			t.Errorf("the webhook is %v", got)
		}
		problem(t, w.do("POST", path+"/test", call{key: "opk_ann"}), 409, "conflict")
		p := problem(t, w.do("POST", "/v1/runs", call{key: "opk_ann", body: `{"report":"orders","notify":["webhook:` + id + `"]}`}), 422, "invalid")
		if !strings.Contains(encoded(t, p["errors"]), "#/notify/0") {
			t.Errorf("a disabled one: %v", p)
		}
		r.status.Store(204)
		enabled := w.do("PATCH", path, call{key: "opk_ann", body: `{"disabled":false}`}).wants(t, 200).json(t)
		if enabled["disabled_at"] != nil || enabled["disabled_reason"] != nil || enabled["failing_since"] == nil {
			t.Errorf("enabled it is %v", enabled)
		}
	})
	t.Run("a report is made again without it", func(t *testing.T) {
		w.do("DELETE", path, call{key: "opk_ann"}).wants(t, 204)
		w.do("GET", path, call{key: "opk_ann"}).wants(t, 404)
		again := w.do("POST", "/v1/runs/"+run["id"].(string)+"/rerun", call{key: "opk_ann"}).wants(t, 202).json(t)["id"].(string)
		if items := get("/v1/runs/" + again + "/notices")["items"].([]any); len(items) > 0 {
			t.Errorf("told of it: %v", items)
		}
		problem(t, w.do("POST", "/v1/runs/"+run["id"].(string)+"/rerun", call{key: "opk_ann", body: `{"notify":["webhook:` + id + `"]}`}), 422, "invalid")
	})
	for _, part := range []string{secret, strings.TrimPrefix(secret, "whsec_"), r.URL} {
		if strings.Contains(w.log.String(), part) {
			t.Errorf("%s is in the log", part)
		}
	}
}

// TestAWebhookIsItsOwners is the matrix of those who may do what with one.
func TestAWebhookIsItsOwners(t *testing.T) {
	keys := map[string]offprint.Identity{
		"opk_ann": people["opk_ann"], "opk_bob": people["opk_bob"], "opk_eve": {User: "ann", Tenant: "evil"},
		"opk_app":   {User: "app", Tenant: "acme", Key: offprint.Key{ID: "key_app", Name: "App"}, Scopes: []string{"impersonate"}},
		"opk_other": {User: "other", Tenant: "acme", Key: offprint.Key{ID: "key_other", Name: "Other"}, Scopes: []string{"impersonate"}},
	}
	r := receive(t)
	crm := []byte("the operator's own secret, 32 b.")
	w := open(t, hooked(t, wish{keys: keys}, func(rules *desk.WebhookRules) {
		rules.Named = map[string]desk.NamedWebhook{"crm": {URL: r.URL + "/crm", Secret: crm}}
	}))
	id, secret := w.hook(r.URL)
	ping := w.do("POST", "/v1/webhooks/"+id+"/test", call{key: "opk_ann"}).wants(t, 202).json(t)["id"].(string)
	r.call(t)
	for _, key := range []string{"opk_bob", "opk_eve", "opk_app"} {
		for _, at := range []struct{ method, path, body string }{
			{"GET", "", ""},
			{"PATCH", "", `{"description":"mine"}`},
			{"GET", "/secret", ""},
			{"POST", "/rotate", ""},
			{"POST", "/test", ""},
			{"GET", "/deliveries", ""},
			{"POST", "/deliveries/" + ping + "/replay", ""},
			{"DELETE", "", ""},
		} {
			a := w.do(at.method, "/v1/webhooks/"+id+at.path, call{key: key, body: at.body})
			problem(t, a, 404, "not_found")
			none := w.do(at.method, "/v1/webhooks/wh_none"+at.path, call{key: key, body: at.body})
			if was, is := withoutTrace(t, none), withoutTrace(t, a); was != is {
				t.Errorf("%s %s tells that it exists: %s, and not %s", at.method, at.path, is, was)
			}
		}
		if items := w.do("GET", "/v1/webhooks", call{key: key}).wants(t, 200).json(t)["items"].([]any); len(items) > 0 {
			t.Errorf("%s sees %v", key, items)
		}
		problem(t, w.do("POST", "/v1/runs", call{key: key, body: `{"report":"orders","notify":["webhook:` + id + `"]}`}), 422, "invalid")
	}
	if got := w.do("GET", "/v1/webhooks/"+id+"/secret", call{key: "opk_ann"}).wants(t, 200).json(t)["secret"]; got != secret {
		t.Errorf("her secret is %v now", got)
	}

	t.Run("an API key names its own for whom it asks for", func(t *testing.T) {
		own := w.do("POST", "/v1/webhooks", call{key: "opk_app", body: `{"url":"` + r.URL + `"}`}).wants(t, 201).json(t)["id"].(string)
		body := `{"report":"orders","notify":["webhook:` + own + `"],"on_behalf_of":{"user":"zoe"}}`
		run := w.made("opk_app", body)
		if told := r.call(t).json(t); at(told, "data", "id") != run["id"] {
			t.Errorf("told %v", told)
		}
		problem(t, w.do("POST", "/v1/runs", call{key: "opk_other", body: body}), 422, "invalid")
	})
	t.Run("whoever asks names the operator's", func(t *testing.T) {
		for _, key := range []string{"opk_bob", "opk_eve"} {
			run := w.made(key, `{"report":"orders","notify":["webhook:crm"]}`)
			told := r.call(t)
			if at(told.json(t), "data", "id") != run["id"] || !told.passes(t, desk.SecretText(crm)) {
				t.Errorf("told %s", told.body)
			}
			w.do("GET", "/v1/webhooks/crm", call{key: key}).wants(t, 404)
			w.do("GET", "/v1/webhooks/crm/deliveries", call{key: key}).wants(t, 404)
		}
	})
}

func withoutTrace(t *testing.T, a answer) string {
	t.Helper()
	p := a.json(t)
	delete(p, "trace_id")
	return fmt.Sprint(a.StatusCode, encoded(t, p))
}

// TestWhatAWebhookMayBe is the matrix of what is sent to make or change one, and
// of which field the refusal names.
func TestWhatAWebhookMayBe(t *testing.T) {
	w := open(t, hooked(t, wish{keys: people}, func(r *desk.WebhookRules) { r.Most = 3 }))
	r := receive(t)
	id, _ := w.hook(r.URL)
	for _, tt := range []struct{ name, body, field string }{
		{"no url", `{}`, "#/url"},
		{"url of another type", `{"url":7}`, "#/url"},
		{"an empty url", `{"url":""}`, "#/url"},
		{"no address", `{"url":"app.example.com"}`, "#/url"},
		{"not encrypted", `{"url":"http://app.example.com"}`, "#/url"},
		{"another scheme", `{"url":"ftp://app.example.com"}`, "#/url"},
		{"a password", `{"url":"https://ann:pw@app.example.com"}`, "#/url"},
		{"a fragment", `{"url":"https://app.example.com/#x"}`, "#/url"},
		{"a port", `{"url":"https://app.example.com:70000"}`, "#/url"},
		{"this machine", `{"url":"https://localhost"}`, "#/url"},
		{"loopback", `{"url":"https://127.0.0.2"}`, "#/url"},
		{"private", `{"url":"https://10.0.0.1"}`, "#/url"},
		{"metadata", `{"url":"https://169.254.169.254/latest"}`, "#/url"},
		{"mapped", `{"url":"https://[::ffff:10.0.0.1]"}`, "#/url"},
		{"decimal", `{"url":"https://2130706433"}`, "#/url"},
		{"too long", `{"url":"https://app.example.com/` + strings.Repeat("x", 2048) + `"}`, "#/url"},
		{"no events", `{"url":"` + r.URL + `","events":[]}`, "#/events"},
		{"events of another type", `{"url":"` + r.URL + `","events":"run.failed"}`, "#/events"},
		{"an unknown event", `{"url":"` + r.URL + `","events":["run.failed","run.started"]}`, "#/events/1"},
		{"a test", `{"url":"` + r.URL + `","events":["test.ping"]}`, "#/events/0"},
		{"a long description", `{"url":"` + r.URL + `","description":"` + strings.Repeat("ä", 201) + `"}`, "#/description"},
		{"lines in a description", `{"url":"` + r.URL + `","description":"a\nb"}`, "#/description"},
		{"an unknown field", `{"url":"` + r.URL + `","secret":"whsec_"}`, "#/secret"},
		{"null", `{"url":null}`, "#/url"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := []answer{w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: tt.body})}
			if tt.name != "no url" && tt.name != "null" {
				asked = append(asked, w.do("PATCH", "/v1/webhooks/"+id, call{key: "opk_ann", body: tt.body}))
			}
			for _, a := range asked {
				p := problem(t, a, 422, "invalid")
				errs := p["errors"].([]any)
				if len(errs) != 1 || at(errs[0], "pointer") != tt.field {
					t.Errorf("%s names %v, want %s", a.Request.Method, errs, tt.field)
				}
				if strings.Contains(string(a.body), "10.0.0.1") || strings.Contains(string(a.body), "169.254") {
					t.Errorf("it repeats the address: %s", a.body)
				}
			}
		})
	}
	p := problem(t, w.do("PATCH", "/v1/webhooks/"+id, call{key: "opk_ann", body: `{"disabled":"yes"}`}), 422, "invalid")
	if at(p["errors"].([]any)[0], "pointer") != "#/disabled" {
		t.Errorf("it names %v", p["errors"])
	}
	for _, query := range []string{"limit=0", "limit=201", "cursor=x", "page=2", "limit=1&limit=2"} {
		problem(t, w.do("GET", "/v1/webhooks/"+id+"/deliveries?"+query, call{key: "opk_ann"}), 422, "invalid")
	}
	problem(t, w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url`}), 400, "unreadable")

	made := w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"` + r.URL + `","events":["run.failed","run.failed"]}`, headers: []string{"Idempotency-Key: one"}}).wants(t, 201)
	if events := encoded(t, made.json(t)["events"]); events != `["run.failed"]` {
		t.Errorf("events %s", events)
	}
	again := w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"events":["run.failed","run.failed"], "url":"` + r.URL + `"}`, headers: []string{"Idempotency-Key: one"}}).wants(t, 201)
	if again.Header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(made.body) {
		t.Errorf("again %s, and not %s", again.body, made.body)
	}
	problem(t, w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"` + r.URL + `"}`, headers: []string{"Idempotency-Key: one"}}), 422, "key_reused")
	w.do("POST", "/v1/webhooks", call{key: "opk_bob", body: `{"url":"` + r.URL + `"}`, headers: []string{"Idempotency-Key: one"}}).wants(t, 201)
	w.hook(r.URL)
	problem(t, w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"` + r.URL + `"}`}), 409, "conflict")
	if items := w.do("GET", "/v1/webhooks", call{key: "opk_ann"}).wants(t, 200); len(items.json(t)["items"].([]any)) != 3 || strings.Contains(string(items.body), "whsec_") {
		t.Errorf("her webhooks: %s", items.body)
	}
}

// TestWebhooksTurnedOff tells of an operator who lets nobody have their own.
func TestWebhooksTurnedOff(t *testing.T) {
	r := receive(t)
	dir := t.TempDir()
	before := open(t, hooked(t, wish{keys: people, dir: dir, workers: -1}))
	id, _ := before.hook(r.URL)
	run := before.ask("opk_ann", `{"report":"slow","notify":["webhook:`+id+`"]}`)
	w := open(t, hooked(t, wish{keys: people, dir: dir}, func(rules *desk.WebhookRules) { rules.OnlyNamed = true }))
	w.do("POST", "/v1/runs/"+run+"/cancel", call{key: "opk_ann"}).wants(t, 200)
	if sent := w.delivery(id, "failed"); sent["last_answer"] != "Webhooks of one's own are turned off here." {
		t.Errorf("delivery %v", sent)
	}
	path := "/v1/webhooks/" + id
	problem(t, w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"` + r.URL + `"}`}), 403, "forbidden")
	problem(t, w.do("POST", path+"/test", call{key: "opk_ann"}), 403, "forbidden")
	problem(t, w.do("PATCH", path, call{key: "opk_ann", body: `{"disabled":true}`}), 403, "forbidden")
	problem(t, w.do("POST", "/v1/runs", call{key: "opk_ann", body: `{"report":"orders","notify":["webhook:` + id + `"]}`}), 403, "forbidden")
	w.do("DELETE", path, call{key: "opk_ann"}).wants(t, 204)

	without := open(t, wish{keys: people})
	problem(t, without.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"https://app.example.com"}`}), 422, "not_configured")
	problem(t, without.do("POST", "/v1/runs", call{key: "opk_ann", body: `{"report":"orders","notify":["webhook:crm"]}`}), 422, "not_configured")
	if len(r.calls) > 0 {
		t.Error("it was called")
	}
}

// TestServerSecretsChange tells of an operator who replaces them one by one.
func TestServerSecretsChange(t *testing.T) {
	r := receive(t)
	dir := t.TempDir()
	with := func(secrets ...string) *world {
		t.Helper()
		return open(t, hooked(t, wish{keys: people, dir: dir, workers: -1, desk: func(c *desk.Config) {
			for _, s := range secrets {
				c.Secrets = append(c.Secrets, []byte(s))
			}
		}}))
	}
	const first, second = "the first secret of the server, 32", "the second secret of the server, 32"
	w := with() // the ledger's own
	id, secret := w.hook(r.URL)
	path := "/v1/webhooks/" + id
	reads := func(w *world) {
		t.Helper()
		if got := w.do("GET", path+"/secret", call{key: "opk_ann"}).wants(t, 200).json(t)["secret"]; got != secret {
			t.Errorf("it is %v, want %s", got, secret)
		}
	}
	sweep := func(w *world) {
		t.Helper()
		check(t, w.desk.Sweep(t.Context(), true))
	}
	reads(with(first))
	rotated := with(first).do("POST", path+"/rotate", call{key: "opk_ann"}).wants(t, 200).json(t)["secret"].(string)
	secret = rotated
	problem(t, with(second).do("GET", path+"/secret", call{key: "opk_ann"}), 422, "not_configured")
	both := with(second, first)
	reads(both)
	sweep(both)
	reads(both)
	alone := with(second)
	reads(alone)
	hook, err := alone.ledger.Webhook(t.Context(), id)
	check(t, err)
	sweep(alone)
	if same, err := alone.ledger.Webhook(t.Context(), id); err != nil || fmt.Sprint(same) != fmt.Sprint(hook) || len(hook.Secrets) != 2 {
		t.Errorf("a second sweep changes something: %v, %v", same, err)
	}
	stranger := with("the secret of another server, for all")
	problem(t, stranger.do("GET", path+"/secret", call{key: "opk_ann"}), 422, "not_configured")
	stranger.do("POST", path+"/rotate", call{key: "opk_ann"}).wants(t, 200)
	stranger.do("GET", path+"/secret", call{key: "opk_ann"}).wants(t, 200)
	if text := encoded(t, hook); strings.Contains(text, strings.TrimPrefix(secret, "whsec_")) {
		t.Errorf("it is kept as it is: %s", text)
	}
}

// TestWebhooksAreMadeOnce tells of twins who come together.
func TestWebhooksAreMadeOnce(t *testing.T) {
	w := open(t, hooked(t, wish{keys: people, workers: -1}))
	bodies := make([]string, 10)
	var all sync.WaitGroup
	for i := range bodies {
		all.Go(func() {
			bodies[i] = string(w.do("POST", "/v1/webhooks", call{key: "opk_ann", body: `{"url":"https://app.example.com"}`, headers: []string{"Idempotency-Key: twin"}}).body)
		})
	}
	all.Wait()
	slices.Sort(bodies)
	if len(slices.Compact(bodies)) != 1 || !strings.Contains(bodies[0], "whsec_") {
		t.Errorf("they became %v", slices.Compact(bodies))
	}
}
