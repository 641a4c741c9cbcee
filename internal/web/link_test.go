package web_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/ledger"
)

// clock is a time that tests move.
type clock struct{ moved atomic.Int64 }

func (c *clock) now() time.Time      { return time.Now().Add(time.Duration(c.moved.Load())) }
func (c *clock) add(d time.Duration) { c.moved.Add(int64(d)) }

var people = map[string]offprint.Identity{
	"opk_ann": {User: "ann", Tenant: "acme"}, "opk_bob": {User: "bob", Tenant: "acme"}, "opk_eve": {User: "eve", Tenant: "evil"},
}

// share makes a link to ann's run, and answers with its path and id.
func (w *world) share(id, body string) (path, link string) {
	w.t.Helper()
	made := w.do("POST", "/v1/runs/"+id+"/links", call{key: "opk_ann", body: body}).wants(w.t, 201).json(w.t)
	u, err := url.Parse(made["url"].(string))
	check(w.t, err)
	return u.Path, made["id"].(string)
}

var browser1 = []string{"Accept: text/html,application/xhtml+xml,*/*;q=0.8"}

// click sends the form of a link's page, and answers with where it leads.
func (w *world) click(path, key string) answer {
	w.t.Helper()
	return w.do("POST", path, call{key: key, headers: append([]string{"Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin"}, browser1...)})
}

// TestLinks is the matrix: what becomes of a link, and the status and the page
// that its holder sees.
func TestLinks(t *testing.T) {
	c := new(clock)
	old, young := []byte("the secret of last year, thirty-two"), []byte("the secret of this year, thirty-two")
	var config desk.Config
	w := open(t, wish{keys: people, ledger: ledger.Options{Now: c.now}, desk: func(d *desk.Config) { d.Secrets = [][]byte{old}; config = *d }})
	run := w.made("opk_ann", `{"report":"orders","parameters":{"rows":2000},"title":"Orders of May"}`)
	id := run["id"].(string)
	whole := w.do("GET", "/v1/runs/"+id+"/file", call{key: "opk_ann"}).wants(t, 200).body
	var tokens []string
	share := func(body string) (string, string) {
		path, link := w.share(id, body)
		tokens = append(tokens, strings.TrimPrefix(path, "/d/"))
		return path, link
	}
	// sees is what a browser sees at a link: its status, and a sentence of the page.
	sees := func(t *testing.T, a answer, status int, text string) {
		t.Helper()
		a.wants(t, status)
		if !strings.Contains(string(a.body), text) || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s does not say %q: %s", a.Header.Get("Content-Type"), text, a.body)
		}
		for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if !strings.Contains(a.Header.Get("Cache-Control"), "no-store") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("headers: %v", a.Header)
		}
		if status != 200 && (strings.Contains(string(a.body), "Orders of May") || strings.Contains(string(a.body), "acme")) {
			t.Errorf("a refusal tells of the file: %s", a.body)
		}
	}
	look := func(path, key string) answer { return w.do("GET", path, call{key: key, headers: browser1}) }
	// fetch clicks and follows.
	fetch := func(t *testing.T, path, key string) string {
		t.Helper()
		a := w.click(path, key).wants(t, http.StatusSeeOther)
		to := a.Header.Get("Location")
		if !strings.HasPrefix(to, path+"/file?t=") || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("a click leads to %s: %v", to, a.Header)
		}
		return to
	}

	t.Run("valid, and the person clicks after a scanner has looked", func(t *testing.T) {
		path, link := share(`{"audience":"anyone","max_downloads":1}`)
		for range 5 { // scanners of mail
			sees(t, look(path, ""), 200, "Orders of May")
			w.do("HEAD", path, call{}).wants(t, 200)
		}
		sees(t, look(path, ""), 200, "Download CSV (")
		to := fetch(t, path, "")
		got := w.do("GET", to, call{}).wants(t, 200)
		if !bytes.Equal(got.body, whole) || got.Header.Get("Repr-Digest") == "" || !strings.HasPrefix(got.Header.Get("Content-Disposition"), "attachment; filename=") {
			t.Errorf("%d bytes: %v", len(got.body), got.Header)
		}
		head := w.do("HEAD", to, call{}).wants(t, 200)
		if head.ContentLength != int64(len(whole)) || len(head.body) != 0 {
			t.Errorf("HEAD: %d", head.ContentLength)
		}
		sees(t, look(path, ""), 410, "This link has been used up")
		sees(t, w.click(path, ""), 410, "It was good for one download.")
		w.do("GET", to, call{headers: []string{"Range: bytes=100-"}}).wants(t, 206) // who has begun goes on
		d := w.downloadBy(id, link)
		if d["user"] != nil || d["from"] != "127.0.0.1" || d["bytes"] == nil {
			t.Errorf("recorded as %v", d)
		}
	})
	t.Run("a broken transfer is resumed", func(t *testing.T) {
		path, _ := share(`{"audience":"anyone","max_downloads":1}`)
		to := fetch(t, path, "")
		res := w.begin(t.Context(), "GET", to, call{})
		half, err := io.ReadAll(io.LimitReader(res.Body, int64(len(whole)/2)))
		check(t, err)
		check(t, res.Body.Close())
		rest := w.do("GET", to, call{headers: []string{fmt.Sprintf("Range: bytes=%d-", len(half)), "If-Range: " + res.Header.Get("ETag")}}).wants(t, 206)
		if !bytes.Equal(append(half, rest.body...), whole) {
			t.Error("the two halves are not the file")
		}
		w.do("GET", to, call{headers: []string{"If-None-Match: " + res.Header.Get("ETag")}}).wants(t, 304)
		c.add(desk.LinkTime + time.Second)
		sees(t, look(to, ""), 410, "This download has come to its end")
		problem(t, w.do("GET", to, call{}), 410, "expired") // a program is told in JSON
		c.add(-desk.LinkTime - time.Second)
	})
	t.Run("expired", func(t *testing.T) {
		path, _ := share(`{"audience":"anyone","expires_in":"1h"}`)
		to := fetch(t, path, "")
		c.add(time.Hour)
		sees(t, look(path, ""), 410, "This link has expired")
		sees(t, w.click(path, ""), 410, "Ask whoever sent it for a new one.")
		sees(t, look(to, ""), 410, "This link has expired")
		c.add(-time.Hour)
	})
	t.Run("revoked", func(t *testing.T) {
		path, link := share(`{"audience":"anyone"}`)
		to := fetch(t, path, "")
		w.do("DELETE", "/v1/runs/"+id+"/links/"+link, call{key: "opk_ann"}).wants(t, 204)
		w.do("DELETE", "/v1/runs/"+id+"/links/"+link, call{key: "opk_ann"}).wants(t, 204) // once more changes nothing
		sees(t, look(path, ""), 410, "This link was taken back")
		sees(t, w.click(path, ""), 410, "This link was taken back")
		sees(t, look(to, ""), 410, "This link was taken back")
	})
	t.Run("two at once on the last count", func(t *testing.T) {
		path, _ := share(`{"audience":"anyone","max_downloads":3}`)
		var led, gone atomic.Int64
		var all sync.WaitGroup
		for range 12 {
			all.Go(func() {
				switch a := w.click(path, ""); a.StatusCode {
				case http.StatusSeeOther:
					led.Add(1)
				case http.StatusGone:
					gone.Add(1)
					if !strings.Contains(string(a.body), "This link has been used up") {
						t.Errorf("who came too late sees: %s", a.body)
					}
				}
			})
		}
		all.Wait()
		if led.Load() != 3 || gone.Load() != 9 {
			t.Errorf("%d got it and %d came too late, want 3 and 9", led.Load(), gone.Load())
		}
	})
	t.Run("for one tenant", func(t *testing.T) {
		path, link := share(`{}`)
		sees(t, look(path, ""), 401, "This link is for people who sign in here")
		sees(t, w.click(path, ""), 401, "This link is for people who sign in here")
		sees(t, look(path, "opk_eve"), 403, "This link is for people of another organisation")
		sees(t, w.click(path, "opk_eve"), 403, "This link is for people of another organisation")
		sees(t, look(path, "opk_bob"), 200, "Orders of May")
		to := fetch(t, path, "opk_bob")
		w.do("GET", to, call{}).wants(t, 200) // a browser fetches it without a header
		if d := w.downloadBy(id, link); d["user"] != "bob" {
			t.Errorf("recorded as %v", d)
		}
	})
	t.Run("guessed", func(t *testing.T) {
		for _, token := range []string{strings.Repeat("A", 43), "x", strings.Repeat("A", 42) + "!", "..%2f"} {
			sees(t, look("/d/"+token, ""), 404, "There is no such link")
		}
		path, _ := share(`{"audience":"anyone"}`)
		token := strings.TrimPrefix(path, "/d/")
		flipped := "A" + token[1:]
		if flipped == token {
			flipped = "B" + token[1:]
		}
		sees(t, look("/d/"+flipped, ""), 404, "There is no such link")
		for _, forged := range []string{"", "?t=", "?t=e30.e30", "?t=" + url.QueryEscape("AAAA.BBBB")} {
			sees(t, look(path+"/file"+forged, ""), 410, "This download has come to its end")
		}
		other, _ := share(`{"audience":"anyone"}`)
		_, turn, _ := strings.Cut(fetch(t, other, ""), "?")
		sees(t, look(path+"/file?"+turn, ""), 410, "This download has come to its end") // another link's turn
		pass := w.do("POST", "/v1/runs/"+id+"/download", call{key: "opk_ann"}).wants(t, 200).json(t)["url"].(string)
		_, signed, _ := strings.Cut(pass, "?")
		sees(t, look(path+"/file?"+signed, ""), 410, "This download has come to its end") // a pass is no turn
		problem(t, w.do("GET", "/v1/runs/"+id+"/file?"+turn, call{}), 401, "unauthenticated")
	})
	t.Run("the secret is rotated", func(t *testing.T) {
		path, _ := share(`{"audience":"anyone"}`)
		to := fetch(t, path, "")
		for name, tt := range map[string]struct {
			secrets [][]byte
			file    int
		}{"the old one still verifies": {[][]byte{young, old}, 200}, "the old one is forgotten": {[][]byte{young}, 410}} {
			config.Secrets = tt.secrets
			d := desk.New(config)
			site, server := serve(t, wish{keys: people, revoked: w.revoked}, d, config.Log)
			if a := look(server.URL+path, ""); a.StatusCode != 200 {
				t.Errorf("%s: the link is answered with %s", name, a.Status)
			}
			look(server.URL+to, "").wants(t, tt.file)
			w.click(server.URL+path, "").wants(t, http.StatusSeeOther)
			site.Close()
			server.Close()
			d.Close()
		}
	})
	t.Run("its maker may not have the report any more", func(t *testing.T) {
		path, _ := share(`{"audience":"anyone"}`)
		changed := config
		reports := newCatalog()
		reports.reports["orders"].Allow = offprint.Allow{Roles: []string{"board"}}
		changed.Catalog = reports
		d := desk.New(changed)
		defer d.Close()
		site, server := serve(t, wish{keys: people, revoked: w.revoked}, d, changed.Log)
		defer server.Close()
		defer site.Close()
		sees(t, look(server.URL+path, ""), 410, "This link no longer works")
	})
	t.Run("another site's page sends the form", func(t *testing.T) {
		path, _ := share(`{"audience":"anyone","max_downloads":1}`)
		for _, header := range []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"} {
			w.do("POST", path, call{headers: append([]string{header}, browser1...)}).wants(t, 403)
		}
		w.do("POST", path, call{headers: append([]string{"Origin: null"}, browser1...)}).wants(t, 303) // a browser without Sec-Fetch-Site, on a page that sends no referrer
	})
	t.Run("the file is kept for shorter", func(t *testing.T) {
		other := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
		path, _ := w.share(other, `{"audience":"anyone"}`)
		w.do("PATCH", "/v1/runs/"+other, call{key: "opk_ann", body: fmt.Sprintf(`{"expires_at":%q}`, c.now().Add(time.Minute).Format(time.RFC3339Nano))}).wants(t, 200)
		c.add(time.Minute)
		sees(t, look(path, ""), 410, "The file has expired")
		c.add(-time.Minute)
	})
	t.Run("the file is deleted, then the run", func(t *testing.T) {
		other := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
		path, _ := w.share(other, `{"audience":"anyone"}`)
		to := fetch(t, path, "")
		w.do("DELETE", "/v1/runs/"+other+"/file", call{key: "opk_ann"}).wants(t, 204)
		sees(t, look(path, ""), 410, "The file was deleted")
		sees(t, look(to, ""), 410, "Ask whoever sent the link to make the report again.")
		problem(t, w.do("POST", "/v1/runs/"+other+"/links", call{key: "opk_ann", body: `{}`}), 410, "expired")
		w.do("DELETE", "/v1/runs/"+other, call{key: "opk_ann"}).wants(t, 204)
		sees(t, look(path, ""), 404, "There is no such link")
		sees(t, look(to, ""), 404, "There is no such link")
		w.do("GET", "/v1/runs/"+other+"/links", call{key: "opk_ann"}).wants(t, 404)
	})
	if len(tokens) == 0 {
		t.Fatal("no links")
	}
	for _, token := range tokens {
		if strings.Contains(w.log.String(), token) {
			t.Errorf("the log holds a token: %s", w.log)
		}
	}
	check(t, w.ledger.Check(t.Context()))
}

// downloadBy is the download by that link, which is recorded when the file has gone out.
func (w *world) downloadBy(id, link string) (d map[string]any) {
	w.t.Helper()
	w.soon("the download is recorded", func() bool {
		for _, item := range w.do("GET", "/v1/runs/"+id+"/downloads", call{key: "opk_ann"}).wants(w.t, 200).json(w.t)["items"].([]any) {
			if d = item.(map[string]any); d["link"] == link {
				return true
			}
		}
		return false
	})
	return d
}

// soon waits until it is so.
func (w *world) soon(what string, is func() bool) {
	w.t.Helper()
	for range 1000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("never: %s", what)
}

func TestWhoMayShareAndHow(t *testing.T) {
	w := open(t, wish{keys: people, base: "https://reports.example.com/offprint"})
	id := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
	path := "/v1/runs/" + id + "/links"
	post := func(key, body string, headers ...string) answer {
		return w.do("POST", path, call{key: key, body: body, headers: headers})
	}
	for _, tt := range []struct {
		promise, key, body string
		status             int
		code               string
	}{
		{"a colleague's run", "opk_bob", `{}`, 404, "not_found"},
		{"an audience that there is not", "opk_ann", `{"audience":"world"}`, 422, "invalid"},
		{"for less than once", "opk_ann", `{"max_downloads":0}`, 422, "invalid"},
		{"a time gone by", "opk_ann", `{"expires_at":"2020-01-01T00:00:00Z"}`, 422, "invalid"},
		{"two ends", "opk_ann", `{"expires_at":"2099-01-01T00:00:00Z","expires_in":"1h"}`, 422, "invalid"},
		{"no length of time", "opk_ann", `{"expires_in":"soon"}`, 422, "invalid"},
		{"a label of two lines", "opk_ann", `{"label":"a\nb"}`, 422, "invalid"},
	} {
		t.Run(tt.promise, func(t *testing.T) { problem(t, post(tt.key, tt.body), tt.status, tt.code) })
	}
	slow := w.ask("opk_ann", `{"report":"slow"}`)
	problem(t, w.do("POST", "/v1/runs/"+slow+"/links", call{key: "opk_ann", body: `{}`}), 409, "not_ready")
	w.catalog.release()

	body := `{"audience":"anyone","label":"the board","max_downloads":3,"expires_in":"90d"}`
	first := post("opk_ann", body, "Idempotency-Key: one").wants(t, 201)
	made := first.json(t)
	if !strings.HasPrefix(made["url"].(string), "https://reports.example.com/offprint/d/") || made["audience"] != "anyone" || made["label"] != "the board" || made["max_downloads"] != 3.0 || made["created_by"] != "ann" {
		t.Errorf("made %v", made)
	}
	run := w.do("GET", "/v1/runs/"+id, call{key: "opk_ann"}).json(t)
	if made["expires_at"] != run["expires_at"] {
		t.Errorf("it works until %v, and its file until %v", made["expires_at"], run["expires_at"])
	}
	again := post("opk_ann", ` {"label":"the board","audience":"anyone","max_downloads":3,"expires_in":"90d"}`, "Idempotency-Key: one").wants(t, 201)
	if again.Header.Get("Idempotent-Replayed") != "true" || encoded(t, again.json(t)) != encoded(t, made) {
		t.Errorf("replayed as %s, made as %s", again.body, first.body)
	}
	problem(t, post("opk_ann", `{}`, "Idempotency-Key: one"), 422, "key_reused")
	post("opk_ann", `{}`).wants(t, 201)
	once := post("opk_ann", `{"audience":"anyone"}`, "Idempotency-Key: two").wants(t, 201).json(t)["id"].(string)
	w.do("DELETE", path+"/"+once, call{key: "opk_ann"}).wants(t, 204)
	if again := post("opk_ann", `{"audience":"anyone"}`, "Idempotency-Key: two").wants(t, 201).json(t); again["id"] != once || again["state"] != "revoked" {
		t.Errorf("a link that was revoked is made again: %v", again)
	}
	list := w.do("GET", path, call{key: "opk_ann"}).wants(t, 200)
	items := list.json(t)["items"].([]any)
	if len(items) != 3 || items[2].(map[string]any)["id"] != made["id"] || items[1].(map[string]any)["state"] != "works" || items[0].(map[string]any)["state"] != "revoked" {
		t.Errorf("links: %s", list.body)
	}
	_, token, _ := strings.Cut(made["url"].(string), "/d/")
	if strings.Contains(string(list.body), token) || items[0].(map[string]any)["url"] != nil {
		t.Errorf("the list tells a token: %s", list.body)
	}
	w.do("GET", path, call{key: "opk_bob"}).wants(t, 404)
	w.do("DELETE", path+"/"+made["id"].(string), call{key: "opk_bob"}).wants(t, 404)
	w.do("DELETE", path+"/lnk_none", call{key: "opk_ann"}).wants(t, 404)
}

func TestTheOperatorSaysHowFarLinksReach(t *testing.T) {
	var config desk.Config
	w := open(t, wish{keys: people, desk: func(c *desk.Config) { config = *c }})
	id := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
	anyone, _ := w.share(id, `{"audience":"anyone"}`)
	tenant, _ := w.share(id, `{}`)
	for _, tt := range []struct {
		links          desk.Audience
		anyone, tenant int // of a link that was made before
		may            map[string]int
	}{
		{desk.Anyone, 200, 200, map[string]int{"anyone": 201, "tenant": 201}},
		{desk.Tenant, 410, 200, map[string]int{"anyone": 403, "tenant": 201}},
		{desk.Nobody, 410, 410, map[string]int{"anyone": 403, "tenant": 403}},
	} {
		t.Run(string(tt.links), func(t *testing.T) {
			config.Links = tt.links
			d := desk.New(config)
			defer d.Close()
			site, server := serve(t, wish{keys: people, revoked: w.revoked}, d, config.Log)
			defer server.Close()
			defer site.Close()
			w.do("GET", server.URL+anyone, call{}).wants(t, tt.anyone)
			w.do("GET", server.URL+tenant, call{key: "opk_bob"}).wants(t, tt.tenant)
			for audience, status := range tt.may {
				w.do("POST", server.URL+"/v1/runs/"+id+"/links", call{key: "opk_ann", body: `{"audience":"` + audience + `"}`}).wants(t, status)
			}
			page := string(w.do("GET", server.URL+"/runs/"+id+"/links", call{key: "opk_ann"}).wants(t, 200).body)
			if offers, want := strings.Contains(page, `value="anyone"`), tt.links == desk.Anyone; offers != want {
				t.Errorf("links for anyone are offered: %v", offers)
			}
			if closed, want := strings.Contains(page, "Share links are turned off here."), tt.links == desk.Nobody; closed != want {
				t.Errorf("turned off: %v", closed)
			}
		})
	}
}

// TestALinkIsTakenBackEverywhereAtOnce tells of two nodes, and of a transfer
// that goes on.
func TestALinkIsTakenBackEverywhereAtOnce(t *testing.T) {
	here := open(t, wish{keys: people, dir: t.TempDir()})
	id := here.made("opk_ann", `{"report":"orders","parameters":{"rows":1000000}}`)["id"].(string)
	there := open(t, wish{keys: people, dir: here.dir, workers: -1, desk: func(c *desk.Config) { c.Blobs = here.blobs }})
	path, link := here.share(id, `{"audience":"anyone"}`)
	to := there.click(path, "").wants(t, http.StatusSeeOther).Header.Get("Location")
	res := there.begin(t.Context(), "GET", to, call{})
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil || res.StatusCode != 200 {
		t.Fatal(res.Status, err)
	}
	here.do("DELETE", "/v1/runs/"+id+"/links/"+link, call{key: "opk_ann"}).wants(t, 204)
	there.do("GET", path, call{}).wants(t, 410)
	there.do("GET", to, call{}).wants(t, 410)
	began := time.Now()
	n := int64(1000)
	for { // slowly, so that it would last for long
		m, err := io.CopyN(io.Discard, res.Body, 64<<10)
		n += m
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v, want the transfer broken off", n, res.ContentLength, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("broken off after %d of %d bytes, %v after the link was taken back", n, res.ContentLength, time.Since(began))
}

// TestARevokedLinkEndsAlsoATransferThatNobodyReads: what waits to be sent is
// not asked about before it is.
func TestARevokedLinkEndsAlsoATransferThatNobodyReads(t *testing.T) {
	w := open(t, wish{keys: people})
	id := w.made("opk_ann", `{"report":"orders","parameters":{"rows":1000000}}`)["id"].(string)
	path, link := w.share(id, `{"audience":"anyone"}`)
	to := w.click(path, "").wants(t, http.StatusSeeOther).Header.Get("Location")
	res := w.begin(t.Context(), "GET", to, call{})
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil || res.StatusCode != 200 {
		t.Fatal(res.Status, err)
	}
	w.do("DELETE", "/v1/runs/"+id+"/links/"+link, call{key: "opk_ann"}).wants(t, 204)
	began := time.Now()
	sent := int64(w.downloadBy(id, link)["bytes"].(float64))
	if sent >= res.ContentLength {
		t.Fatalf("all %d bytes were on their way already", sent)
	}
	t.Logf("ended %v after the link was taken back, at %d of %d bytes", time.Since(began), sent, res.ContentLength)
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("a whole file of %d bytes", n)
	}
}

func TestGuessingIsSlow(t *testing.T) {
	c := new(clock)
	w := open(t, wish{keys: people, ledger: ledger.Options{Now: c.now}, proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	id := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
	path, _ := w.share(id, `{"audience":"anyone"}`)
	as := func(from, path string) answer {
		return w.do("GET", path, call{headers: append([]string{"X-Forwarded-For: " + from}, browser1...)})
	}
	guess := func(from string, i int) answer { return as(from, fmt.Sprintf("/d/%043d", i)) }
	for range 50 { // colleagues open a link whose run was erased
		guess("203.0.113.7", 0).wants(t, 404)
	}
	for i := range 20 {
		guess("203.0.113.7", i).wants(t, 404)
		guess("2001:db8::"+fmt.Sprint(i), i).wants(t, 404) // one household
	}
	for _, from := range []string{"203.0.113.7", "2001:db8::ffff"} {
		a := guess(from, 21).wants(t, http.StatusTooManyRequests)
		if a.Header.Get("Retry-After") != "10" || !strings.Contains(string(a.body), "Too many links that do not exist") {
			t.Errorf("who guesses sees %v %s", a.Header, a.body)
		}
		as(from, path).wants(t, http.StatusTooManyRequests) // whatever it is: a guess that is right is one, too
	}
	as("203.0.113.8", path).wants(t, 200)
	as("2001:db8:0:1::1", path).wants(t, 200)
	c.add(10 * time.Second)
	as("203.0.113.7", path).wants(t, 200)
	guess("203.0.113.7", 22).wants(t, 404)
	guess("203.0.113.7", 23).wants(t, http.StatusTooManyRequests)
}

// signing is a store that can hand its blobs out itself: a real HTTP server.
type signing struct {
	offprint.Blobs
	url    string
	signed atomic.Pointer[string]
}

func (s *signing) Sign(_ context.Context, key, name, mediaType string, lasting time.Duration) (string, error) {
	query := url.Values{"name": {name}, "type": {mediaType}, "until": {time.Now().Add(lasting).Format(time.RFC3339)}}
	address := s.url + "/" + key + "?" + query.Encode()
	s.signed.Store(&address)
	return address, nil
}

func (s *signing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	until, err := time.Parse(time.RFC3339, r.URL.Query().Get("until"))
	if err != nil || time.Until(until) > desk.StoreTime || time.Now().After(until) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	in, err := s.Open(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), 0)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", r.URL.Query().Get("type"))
	w.Header().Set("Content-Disposition", "attachment; filename="+r.URL.Query().Get("name"))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

func TestDownloadsMayGoToTheStore(t *testing.T) {
	store := new(signing)
	server := httptest.NewServer(store)
	defer server.Close()
	store.url = server.URL
	w := open(t, wish{keys: people, desk: func(c *desk.Config) { store.Blobs, c.Blobs, c.Signer = c.Blobs, store, store }})
	run := w.made("opk_ann", `{"report":"orders"}`)
	path := "/v1/runs/" + run["id"].(string) + "/file"
	a := w.do("GET", path, call{key: "opk_ann"}).wants(t, http.StatusTemporaryRedirect)
	if a.Header.Get("Location") != *store.signed.Load() || a.Header.Get("Cache-Control") != "private, no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" || len(a.body) != 0 {
		t.Errorf("%v %s", a.Header, a.body)
	}
	if d := w.download("opk_ann", run["id"].(string)); d["user"] != "ann" || d["bytes"] != nil {
		t.Errorf("recorded as %v", d)
	}
	file := run["file"].(map[string]any)
	got := w.do("GET", a.Header.Get("Location"), call{}).wants(t, 200)
	sum := sha256.Sum256(got.body)
	if hex.EncodeToString(sum[:]) != file["sha256"] || got.Header.Get("Content-Type") != file["media_type"] || !strings.Contains(got.Header.Get("Content-Disposition"), file["name"].(string)) {
		t.Errorf("%d bytes from the store: %v", len(got.body), got.Header)
	}
	w.do("GET", a.Header.Get("Location"), call{headers: []string{"Range: bytes=5-"}}).wants(t, 206)
	pass := w.do("POST", strings.TrimSuffix(path, "file")+"download", call{key: "opk_ann"}).wants(t, 200).json(t)["url"].(string)
	w.do("GET", pass, call{}).wants(t, http.StatusTemporaryRedirect)

	// What the store cannot answer is answered here.
	w.do("HEAD", path, call{key: "opk_ann"}).wants(t, 200)
	w.do("GET", path, call{key: "opk_ann", headers: []string{`If-None-Match: "` + file["sha256"].(string) + `"`}}).wants(t, 304)
	w.do("GET", path, call{key: "opk_bob"}).wants(t, 404)
	link, _ := w.share(run["id"].(string), `{"audience":"anyone"}`)
	to := w.click(link, "").wants(t, http.StatusSeeOther).Header.Get("Location")
	w.do("GET", to, call{}).wants(t, 200) // a link can be taken back, and the store's address cannot
	w.do("DELETE", path, call{key: "opk_ann"}).wants(t, 204)
	w.do("GET", path, call{key: "opk_ann"}).wants(t, 410)
	w.do("GET", a.Header.Get("Location"), call{}).wants(t, 404)
}

// TestNoDownloadIsGoodWithoutItsBytes races fetching, keeping longer and the
// sweep while the time of files comes.
func TestNoDownloadIsGoodWithoutItsBytes(t *testing.T) {
	c := new(clock)
	w := open(t, wish{keys: people, workers: 2, ledger: ledger.Options{Now: c.now}, desk: func(d *desk.Config) { d.Retention = 20 * time.Minute }})
	const rounds = 12
	var good, gone, kept, late atomic.Int64
	for round := range rounds {
		run := w.made("opk_ann", `{"report":"orders","parameters":{"rows":3000}}`)
		id, sum := run["id"].(string), run["file"].(map[string]any)["sha256"]
		link, _ := w.share(id, `{"audience":"anyone"}`)
		to := w.click(link, "").wants(t, http.StatusSeeOther).Header.Get("Location")
		expires, err := time.Parse(time.RFC3339Nano, run["expires_at"].(string))
		check(t, err)
		until := expires.Add(time.Minute)
		var wasKept, back atomic.Bool
		var answered atomic.Int64
		after := func(n int) { // so many answers
			for answered.Load() < int64(n) {
				time.Sleep(100 * time.Microsecond)
			}
		}
		var all sync.WaitGroup
		stop := make(chan struct{})
		for _, path := range []string{"/v1/runs/" + id + "/file", "/v1/runs/" + id + "/file", to} {
			all.Go(func() {
				ended := false
				for range 15 {
					a := w.do("GET", path, call{key: "opk_ann"})
					answered.Add(1)
					got := sha256.Sum256(a.body)
					switch {
					case a.StatusCode == 200 && hex.EncodeToString(got[:]) == sum:
						good.Add(1)
						if ended {
							back.Store(true)
						}
					case a.StatusCode == 410:
						gone.Add(1)
						ended = true
					default:
						t.Errorf("%s with %d bytes", a.Status, len(a.body))
					}
				}
			})
		}
		all.Go(func() { // its time comes in the middle
			after(20)
			c.add(expires.Sub(c.now()))
		})
		all.Go(func() { // keeps it before, at or after that moment; then it is told that it is too late
			after(2 * round)
			a := w.do("PATCH", "/v1/runs/"+id, call{key: "opk_ann", body: fmt.Sprintf(`{"expires_at":%q}`, until.Format(time.RFC3339Nano))})
			switch a.StatusCode {
			case 200:
				kept.Add(1)
				wasKept.Store(true)
			case 409:
				late.Add(1)
			default:
				t.Errorf("keep longer: %s %s", a.Status, a.body)
			}
		})
		var sweeping sync.WaitGroup
		sweeping.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := w.desk.Sweep(t.Context(), true); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		all.Wait()
		if back.Load() && !wasKept.Load() {
			t.Error("what was gone came back, and nobody had kept it")
		}
		if a := w.do("GET", "/v1/runs/"+id+"/file", call{key: "opk_ann"}); wasKept.Load() != (a.StatusCode == 200) {
			t.Errorf("kept longer: %v, and answered with %s", wasKept.Load(), a.Status)
		}
		c.add(2 * time.Minute)
		w.do("GET", "/v1/runs/"+id+"/file", call{key: "opk_ann"}).wants(t, 410)
		c.add(59 * time.Minute)
		check(t, w.desk.Sweep(t.Context(), true))
		if n := w.blobsOf(id); n > 1 || n == 0 && wasKept.Load() {
			t.Errorf("within the hour there are %d blobs", n)
		}
		c.add(2 * time.Hour)
		close(stop)
		sweeping.Wait()
		check(t, w.desk.Sweep(t.Context(), true))
		if n := w.blobsOf(id); n != 0 {
			t.Errorf("hours later there are %d blobs", n)
		}
		if state := w.do("GET", "/v1/runs/"+id, call{key: "opk_ann"}).json(t)["file"].(map[string]any)["state"]; state != "deleted" {
			t.Errorf("hours later it is %v", state)
		}
	}
	t.Logf("%d whole, %d gone; kept longer %d times, too late %d times", good.Load(), gone.Load(), kept.Load(), late.Load())
	if good.Load() == 0 || gone.Load() == 0 || kept.Load() == 0 || late.Load() == 0 {
		t.Error("the race did not happen")
	}
}

// TestADeletedFileIsWholeOrGone races fetching and deleting, on a real disk.
func TestADeletedFileIsWholeOrGone(t *testing.T) {
	files, err := blob.OpenDir(t.TempDir())
	check(t, err)
	t.Cleanup(func() { check(t, files.Close()) })
	w := open(t, wish{desk: func(c *desk.Config) { c.Blobs = files }})
	var whole, gone atomic.Int64
	for range 10 {
		run := w.made("", `{"report":"orders","parameters":{"rows":20000}}`)
		path, sum := "/v1/runs/"+run["id"].(string)+"/file", run["file"].(map[string]any)["sha256"]
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for n := range 8 {
					if i == 0 && n == 4 {
						w.do("DELETE", path, call{}).wants(t, 204)
					}
					a := w.do("GET", path, call{})
					got := sha256.Sum256(a.body)
					switch {
					case a.StatusCode == 200 && hex.EncodeToString(got[:]) == sum:
						whole.Add(1)
					case a.StatusCode == 410 && a.Header.Get("Repr-Digest") == "":
						gone.Add(1)
					default:
						t.Errorf("%s with %d bytes: %v", a.Status, len(a.body), a.Header)
					}
				}
			})
		}
		all.Wait()
	}
	t.Logf("%d whole, %d gone", whole.Load(), gone.Load())
	if whole.Load() == 0 || gone.Load() == 0 {
		t.Error("the race did not happen")
	}
}

func (w *world) blobsOf(run string) (n int) {
	w.t.Helper()
	for _, err := range w.blobs.List(w.t.Context(), run) {
		check(w.t, err)
		n++
	}
	return n
}

func TestSomebodySharesAReportInTheBrowser(t *testing.T) {
	w := open(t, wish{})
	id := w.made("", `{"report":"orders","parameters":{"rows":120000}}`)["id"].(string)
	b := w.browse()
	b.do(chromedp.Navigate(w.url + "/runs/" + id))
	b.sees(".panel", "Keep 7 days longer")
	revision, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector(".panel").dataset.revision`))
	check(t, err)
	b.picture("run-shareable")
	expires := func() time.Time {
		at, err := time.Parse(time.RFC3339Nano, w.do("GET", "/v1/runs/"+id, call{}).json(t)["expires_at"].(string))
		check(t, err)
		return at
	}
	before := expires()
	b.do(chromedp.Click(chromedp.CSS("[data-focus=keep]")))
	w.soon("it is kept 7 days longer", func() bool { return expires().Sub(before) == 7*24*time.Hour })
	b.holds(`document.querySelector(".panel").dataset.revision !== ` + fmt.Sprintf("%q", revision))
	b.do(chromedp.Click(chromedp.CSS("[data-focus=share]")), chromedp.WaitVisible(chromedp.CSS("form.form")))
	b.picture("share-form")
	b.do(chromedp.Click(chromedp.CSS("[value=anyone]")), chromedp.SetValue(chromedp.CSS("#most"), "2"), chromedp.SetValue(chromedp.CSS("#lasting"), "24h"), chromedp.SetValue(chromedp.CSS("#label"), "Bob of the auditors"))
	b.do(chromedp.Click(chromedp.CSS("form.form button.main")))
	b.sees(".made", "Copy it now: it is not shown again.")
	b.sees(".links", "Bob of the auditors")
	b.sees(".links", "0 of 2 downloads")
	address, err := chromedp.Run(b.ctx, chromedp.Value(chromedp.CSS("#address")))
	check(t, err)
	if !strings.HasPrefix(address, w.url+"/d/") {
		t.Errorf("the link is %q, want it at the address where the browser came", address)
	}
	b.do(chromedp.Click(chromedp.CSS("[data-copy]")))
	b.sees(".copy button", "Copied")
	b.picture("share-made")
	b.do(chromedp.Reload())
	b.holds(is("#address", address)) // the same form again is the same link
	b.holds(`document.querySelectorAll(".links .run").length === 1`)

	b.do(chromedp.Navigate(address))
	b.sees(".handed", "120,000")
	b.sees(".handed", "Downloads left 2")
	b.picture("link")
	b.do(chromedp.EmulateViewport(390, 844))
	b.holds(noSidewaysScroll)
	b.do(chromedp.EmulateViewport(1200, 800))
	b.do(chromedp.Click(chromedp.CSS(".handed button")))
	w.soon("a click is a download", func() bool {
		return w.do("GET", "/v1/runs/"+id+"/links", call{}).json(t)["items"].([]any)[0].(map[string]any)["downloads"] == 1.0
	})

	b.do(chromedp.Navigate(w.url + "/runs/" + id + "/links"))
	b.sees(".links", "1 of 2 downloads, the last just now")
	b.holds(`document.querySelector("#address") === null`)
	b.do(chromedp.EmulateViewport(390, 844))
	b.holds(noSidewaysScroll)
	b.do(chromedp.EmulateViewport(1200, 800))
	b.do(chromedp.Evaluate[chromedp.Void](`window.confirm = () => true`), chromedp.Click(chromedp.CSS(".links button.bad")))
	b.sees(".links .badge", "Revoked")
	b.picture("share-revoked")
	b.expected = "410"
	b.do(chromedp.Navigate(address))
	b.sees(".message", "This link was taken back")
	b.picture("link-revoked")
	b.do(chromedp.EmulateViewport(1200, 800))
}

func TestLinksAreMadeWithoutAScript(t *testing.T) {
	w := open(t, wish{})
	id := w.made("", `{"report":"orders"}`)["id"].(string)
	post := func(path string, form url.Values) answer {
		return w.do("POST", path, call{body: form.Encode(), headers: []string{"Content-Type: application/x-www-form-urlencoded"}})
	}
	form := url.Values{"key": {"k"}, "audience": {"anyone"}, "lasting": {"1h"}, "most": {"many"}}
	wrong := string(post("/runs/"+id+"/links", form).wants(t, 422).body)
	if !strings.Contains(wrong, "How often it may be used is a number") || !strings.Contains(wrong, `value="many"`) || !strings.Contains(wrong, `value="anyone" checked`) {
		t.Errorf("a form that is not right: %s", wrong)
	}
	form.Set("most", "")
	form.Set("audience", "tenant")
	page := string(post("/runs/"+id+"/links", form).wants(t, 200).body)
	_, rest, _ := strings.Cut(page, `readonly value="`)
	address, _, _ := strings.Cut(rest, `"`)
	if !strings.HasPrefix(address, w.url+"/d/") || strings.Count(page, "not used yet") != 1 {
		t.Fatalf("made: %s", page)
	}
	if again := string(post("/runs/"+id+"/links", form).wants(t, 200).body); !strings.Contains(again, address) || strings.Count(again, "not used yet") != 1 {
		t.Errorf("the same form again: %s", again)
	}
	link := w.do("GET", "/v1/runs/"+id+"/links", call{}).json(t)["items"].([]any)[0].(map[string]any)["id"].(string)
	if got := post("/runs/"+id+"/links/"+link+"/revoke", nil).wants(t, http.StatusSeeOther).Header.Get("Location"); got != "/runs/"+id+"/links" {
		t.Errorf("revoking leads to %s", got)
	}
	w.do("GET", address, call{}).wants(t, 410)
	until := w.do("GET", "/v1/runs/"+id, call{}).json(t)["expires_at"].(string)
	post("/runs/"+id+"/keep", url.Values{"until": {until}}).wants(t, http.StatusSeeOther)
	w.do("DELETE", "/v1/runs/"+id+"/file", call{}).wants(t, 204)
	if page := string(post("/runs/"+id+"/keep", url.Values{"until": {until}}).wants(t, 409).body); !strings.Contains(page, "The file has expired already") {
		t.Errorf("kept too late: %s", page)
	}
	if page := string(w.do("GET", "/runs/"+id+"/links", call{}).wants(t, 200).body); !strings.Contains(page, "There is no file to share now.") {
		t.Errorf("nothing to share: %s", page)
	}
}
