package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

func TestAFileInParts(t *testing.T) {
	w := open(t, wish{})
	run := w.made("", `{"report":"orders","parameters":{"rows":20000}}`)
	path := "/v1/runs/" + run["id"].(string) + "/file"
	whole := w.do("GET", path, call{}).wants(t, 200)
	sum := sha256.Sum256(whole.body)
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	for name, want := range map[string]string{
		"ETag": etag, "Repr-Digest": "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":", "Content-Type": "text/csv; charset=utf-8",
		"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache", "Accept-Ranges": "bytes",
		"Content-Disposition": "attachment; filename=" + run["file"].(map[string]any)["name"].(string), "Content-Length": fmt.Sprint(len(whole.body)),
	} {
		if got := whole.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	n := len(whole.body)
	for _, tt := range []struct {
		promise string
		method  string
		headers []string
		status  int
		body    string
	}{
		{"head", "HEAD", nil, 200, ""},
		{"from the middle", "GET", []string{"Range: bytes=1000-1999"}, 206, string(whole.body[1000:2000])},
		{"the end", "GET", []string{"Range: bytes=-10"}, 206, string(whole.body[n-10:])},
		{"resumed, the same file", "GET", []string{"Range: bytes=1000-", "If-Range: " + etag}, 206, string(whole.body[1000:])},
		{"resumed, another file", "GET", []string{"Range: bytes=1000-", `If-Range: "other"`}, 200, string(whole.body)},
		{"known already", "GET", []string{"If-None-Match: " + etag}, 304, ""},
		{"head of a part", "HEAD", []string{"Range: bytes=0-9"}, 206, ""},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			a := w.do(tt.method, path, call{headers: tt.headers}).wants(t, tt.status)
			if string(a.body) != tt.body {
				t.Errorf("%d bytes, want %d", len(a.body), len(tt.body))
			}
		})
	}
	for _, odd := range []string{"bytes=0-4,100-104", "bytes=5-2", "bytes=x-", "bytes=-", "bytes=-0", "bytes=1-2-3", "lines=1-2", "bytes=+1-2", "bytes=99999999999999999999-", ""} {
		if a := w.do("GET", path, call{headers: []string{"Range: " + odd}}).wants(t, 200); string(a.body) != string(whole.body) {
			t.Errorf("range %q: %d bytes, want the whole", odd, len(a.body))
		}
	}
	beyond := w.do("GET", path, call{headers: []string{"Range: bytes=99999999-"}})
	problem(t, beyond, 416, "range_not_satisfiable")
	if got, want := beyond.Header.Get("Content-Range"), fmt.Sprintf("bytes */%d", n); got != want {
		t.Errorf("content range %q, want %q", got, want)
	}
	problem(t, w.do("GET", path, call{headers: []string{`If-Match: "other"`}}), 412, "precondition_failed")

	pass := w.do("POST", strings.TrimSuffix(path, "file")+"download", call{}).wants(t, 200).json(t)
	if pass["expires_in"] != 60.0 {
		t.Errorf("pass: %v", pass)
	}
	w.do("GET", pass["url"].(string), call{headers: []string{"Range: bytes=0-9"}}).wants(t, 206)
	other := w.made("", `{"report":"orders"}`)["id"].(string)
	_, token, _ := strings.Cut(pass["url"].(string), "?t=")
	problem(t, w.do("GET", "/v1/runs/"+other+"/file?t="+token, call{}), 401, "unauthenticated")
	page := w.do("GET", "/v1/runs/"+other+"/file?t="+token, call{headers: []string{"Accept: text/html,*/*;q=0.8"}}).wants(t, 401)
	if page.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(string(page.body), "This link no longer works") || strings.Contains(string(page.body), "Signing in") {
		t.Errorf("a browser with an old link sees: %s", page.body)
	}
}

// TestWhoLeavesAmongManyPartsLeavesNothing tells of a download of many parts
// that is broken off; the race detector looks on.
func TestWhoLeavesAmongManyPartsLeavesNothing(t *testing.T) {
	w := open(t, wish{})
	run := w.made("", `{"report":"orders","parameters":{"rows":300000}}`)
	for range 20 {
		ctx, leave := context.WithCancel(t.Context())
		res := w.begin(ctx, "GET", "/v1/runs/"+run["id"].(string)+"/file", call{headers: []string{"Range: bytes=0-9999999,1-9999999,2-9999999"}})
		if _, err := res.Body.Read(make([]byte, 100)); err != nil {
			t.Error(err)
		}
		leave()
		check(t, res.Body.Close())
	}
}

func TestAFileTheStoreHasLostIsSaidToBeGone(t *testing.T) {
	w := open(t, wish{})
	run := w.made("", `{"report":"orders"}`)
	id := run["id"].(string)
	for b, err := range w.blobs.List(t.Context(), "") {
		check(t, err)
		check(t, w.blobs.Delete(t.Context(), b.Key))
	}
	a := w.do("GET", "/v1/runs/"+id+"/file", call{})
	problem(t, a, 410, "expired")
	if a.Header.Get("Content-Disposition") != "" {
		t.Errorf("a problem with the headers of a file: %v", a.Header)
	}
}

// TestNobodySeesWhatIsNotTheirs tells of two users of one tenant, and of a
// namesake in another.
func TestNobodySeesWhatIsNotTheirs(t *testing.T) {
	w := open(t, wish{keys: map[string]offprint.Identity{
		"opk_ann": {User: "ann", Tenant: "acme"}, "opk_bob": {User: "bob", Tenant: "acme"}, "opk_eve": {User: "ann", Tenant: "evil"},
	}})
	done := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
	running := w.ask("opk_ann", `{"report":"slow"}`)
	w.until("opk_ann", running, "running")
	pass := w.do("POST", "/v1/runs/"+done+"/download", call{key: "opk_ann"}).wants(t, 200).json(t)["url"].(string)
	w.do("GET", pass, call{}).wants(t, 200)

	for _, key := range []string{"opk_bob", "opk_eve"} {
		heard := w.listen(key, "/v1/events", "")
		for _, tt := range []struct{ method, path string }{
			{"GET", ""},
			{"PATCH", ""},
			{"DELETE", ""},
			{"POST", "/cancel"},
			{"POST", "/rerun"},
			{"GET", "/file"},
			{"HEAD", "/file"},
			{"DELETE", "/file"},
			{"POST", "/download"},
			{"GET", "/manifest"},
			{"GET", "/downloads"},
			{"GET", "/notices"},
			{"POST", "/notices/n/replay"},
			{"GET", "/events"},
		} {
			for _, id := range []string{done, running} {
				body := ""
				if tt.method == "PATCH" {
					body = `{"title":"mine"}`
				}
				if a := w.do(tt.method, "/v1/runs/"+id+tt.path, call{key: key, body: body}); a.StatusCode != http.StatusNotFound {
					t.Errorf("%s: %s %s: %s", key, tt.method, tt.path, a.Status)
				}
			}
		}
		if items := w.do("GET", "/v1/runs", call{key: key}).json(t)["items"].([]any); len(items) != 0 {
			t.Errorf("%s sees %v", key, items)
		}
		page := w.do("GET", "/runs/"+done, call{key: key, headers: []string{"Accept: text/html"}}).wants(t, 404)
		if strings.Contains(string(page.body), "acme") {
			t.Errorf("the page tells: %s", page.body)
		}
		mine := w.ask(key, `{"report":"orders"}`)
		if e := heard.next(); e.run["id"] != mine {
			t.Errorf("%s heard of %v", key, e.run)
		}
		heard.stop()
	}
	if run := w.do("GET", "/v1/runs/"+running, call{key: "opk_ann"}).json(t); run["state"] != "running" {
		t.Errorf("ann's run: %v", run["state"])
	}
	w.catalog.release()
	w.until("opk_ann", running, "succeeded")
}

// TestFileNamesOfEveryScript reads the header as browsers do: RFC 8187 first,
// and plain letters for those that do not know it.
func TestFileNamesOfEveryScript(t *testing.T) {
	names := map[string]string{
		"plain": "orders", "umlaut": "Umsätze Köln", "greek": "Πωλήσεις", "japanese": "売上 月次", "arabic": "تقرير المبيعات",
		"hindi": "बिक्री", "emoji": "Q3 📈", "odd": `100% of "it"; a=b`,
	}
	w := open(t, wish{desk: func(c *desk.Config) {
		reports := c.Catalog.(*catalog).reports
		for name, file := range names {
			named := *reports["orders"]
			named.Name, named.File = name, file
			reports[name] = &named
		}
	}})
	for name := range names {
		run := w.made("", `{"report":"`+name+`"}`)
		a := w.do("GET", "/v1/runs/"+run["id"].(string)+"/file", call{}).wants(t, 200)
		header := a.Header.Get("Content-Disposition")
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" || params["filename"] != run["file"].(map[string]any)["name"] || !strings.HasSuffix(params["filename"], ".csv") {
			t.Errorf("%s: %s is read as %q, %v; want %q", name, header, params["filename"], err, run["file"])
		}
		if strings.ContainsFunc(header, func(r rune) bool { return r > '~' || r < ' ' }) || !strings.Contains(header, "filename=") {
			t.Errorf("%s: an old browser cannot read %q", name, header)
		}
	}
}
