package web_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

func TestWithoutSignInOnlyThisMachineIsServed(t *testing.T) {
	w := open(t, wish{workers: -1})
	for _, tt := range []struct {
		promise string
		header  string
		status  int
		code    string
	}{
		{"a stranger's name that points here", "Host: evil.example", 421, "misdirected"},
		{"a name that begins like ours", "Host: localhost.evil.example:8080", 421, "misdirected"},
		{"another machine", "Host: 192.168.1.7:8080", 421, "misdirected"},
		{"a proxy", "X-Forwarded-For: 10.0.0.1", 400, "unreadable"},
		{"a proxy of RFC 7239", "Forwarded: for=10.0.0.1", 400, "unreadable"},
		{"a proxy of nginx's", "X-Real-IP: 10.0.0.1", 400, "unreadable"},
	} {
		t.Run(tt.promise, func(t *testing.T) {
			for _, path := range []string{"/v1/runs", "/", "/v1/events", "/openapi.json"} {
				problem(t, w.do("GET", path, call{headers: []string{tt.header}}), tt.status, tt.code)
			}
		})
	}
	for _, host := range []string{"localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"} {
		w.do("GET", "/v1/me", call{headers: []string{"Host: " + host}}).wants(t, 200)
	}
	for _, origin := range []string{"https://evil.example", "null"} {
		problem(t, w.do("POST", "/reports/orders", call{body: "rows=1", headers: []string{"Content-Type: application/x-www-form-urlencoded", "Origin: " + origin}}), 403, "forbidden")
	}
	if runs := w.do("GET", "/v1/runs", call{}).json(t)["items"].([]any); len(runs) != 0 {
		t.Errorf("another site's form made %v", runs)
	}
}

func TestOnlyConfiguredOriginsMayAsk(t *testing.T) {
	w := open(t, wish{workers: -1, origins: []string{"https://app.example.com"}, keys: map[string]offprint.Identity{"opk_ann": {User: "ann"}}})
	preflight := func(origin string) http.Header {
		return w.do("OPTIONS", "/v1/runs", call{headers: []string{"Origin: " + origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization"}}).Header
	}
	if h := preflight("https://app.example.com"); h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("preflight: %v", h)
	}
	if h := preflight("https://evil.example"); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a stranger's preflight: %v", h)
	}
	a := w.do("POST", "/v1/runs", call{key: "opk_ann", body: `{"report":"orders"}`, headers: []string{"Origin: https://app.example.com", "Sec-Fetch-Site: cross-site"}}).wants(t, 202)
	for _, name := range []string{"Location", "ETag", "Retry-After", "RateLimit"} {
		if !strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("%s is not exposed", name)
		}
	}
	if got := a.Header.Get("Cross-Origin-Resource-Policy"); got != "cross-origin" {
		t.Errorf("to an allowed origin: %s", got)
	}
	if got := w.do("GET", "/v1/me", call{key: "opk_ann"}).Header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
		t.Errorf("to no origin: %s", got)
	}
	form := call{key: "opk_ann", body: "p.rows=1", headers: []string{"Content-Type: application/x-www-form-urlencoded", "Origin: https://app.example.com", "Sec-Fetch-Site: cross-site"}}
	a = w.do("POST", "/reports/orders", form)
	problem(t, a, 403, "forbidden")
	if a.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
		t.Errorf("an allowed origin cannot read why it was refused: %v", a.Header)
	}
	if a = w.do("GET", "/v1/me", call{headers: []string{"Origin: https://app.example.com"}}).wants(t, 401); a.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("nor that it must sign in: %v", a.Header)
	}
}

func TestRefusalsOfTheGuardCanBeReadByAllowedOrigins(t *testing.T) {
	w := open(t, wish{workers: -1, origins: []string{"https://app.example.com"}})
	for header, status := range map[string]int{"Host: evil.example": 421, "X-Forwarded-For: 10.0.0.1": 400} {
		a := w.do("GET", "/v1/me", call{headers: []string{header, "Origin: https://app.example.com"}}).wants(t, status)
		if a.Header.Get("Access-Control-Allow-Origin") != "https://app.example.com" {
			t.Errorf("%s: %v", header, a.Header)
		}
	}
}

// TestNoAddressIsOurFault tells of what no database takes.
func TestNoAddressIsOurFault(t *testing.T) {
	w := open(t, wish{workers: -1})
	id := w.ask("", `{"report":"orders"}`)
	filters := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf("metadata.k%d=1", i))
		}
		return "/v1/runs?" + strings.Join(all, "&")
	}
	w.do("GET", filters(20), call{}).wants(t, 200)
	for _, tt := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/v1/runs/run_%00", 404, "not_found"},
		{"GET", "/v1/runs/run_%FF/file", 404, "not_found"},
		{"GET", "/v1/reports/%C0%80", 404, "not_found"},
		{"POST", "/v1/runs/%00/cancel", 404, "not_found"},
		{"GET", "/v1/runs/%00/events", 404, "not_found"},
		{"GET", "/runs/%00", 404, "not_found"},
		{"GET", "/v1/runs?report=%00", 422, "invalid"},
		{"GET", "/v1/runs?metadata.a=%FF", 422, "invalid"},
		{"GET", "/v1/runs?metadata.%FF=a", 422, "invalid"},
		{"GET", "/v1/runs?report=%zz", 422, "invalid"},
		{"GET", filters(21), 422, "invalid"},
		{"GET", "/v1/runs?cursor=%00", 422, "invalid"},
		{"GET", "/v1/runs?cursor=" + base64.RawURLEncoding.EncodeToString([]byte("run_\x00")), 422, "invalid"},
		{"GET", "/v1/runs?cursor=" + base64.RawURLEncoding.EncodeToString([]byte("run_\xff")), 422, "invalid"},
		{"GET", "/?cursor=" + base64.RawURLEncoding.EncodeToString([]byte("run_\xff")), 422, "invalid"},
		{"GET", "/v1/runs/" + id + "/file?t=%00", 422, "invalid"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			problem(t, w.do(tt.method, tt.path, call{}), tt.status, tt.code)
		})
	}
	problem(t, w.do("POST", "/v1/runs", call{body: `{"report":"orders"}`, headers: []string{"Idempotency-Key: \xff"}}), 422, "invalid")
	form := []string{"Content-Type: application/x-www-form-urlencoded"}
	if a := w.do("POST", "/reports/orders", call{body: "key=%00&format=csv", headers: form}).wants(t, 400); !strings.Contains(string(a.body), "fill the form in with text") {
		t.Errorf("a form of no text: %s", a.body)
	}
}

func TestOnlyTrustedProxiesSayWhereARequestCameFrom(t *testing.T) {
	keys := map[string]offprint.Identity{"opk_ann": {User: "ann"}}
	for trusted, from := range map[string]string{"127.0.0.0/8": "203.0.113.7", "10.0.0.0/8": "127.0.0.1"} {
		t.Run(trusted, func(t *testing.T) {
			w := open(t, wish{keys: keys, proxies: []netip.Prefix{netip.MustParsePrefix(trusted)}})
			id := w.made("opk_ann", `{"report":"orders"}`)["id"].(string)
			w.do("GET", "/v1/runs/"+id+"/file", call{key: "opk_ann", headers: []string{"X-Forwarded-For: 198.51.100.1, 203.0.113.7"}}).wants(t, 200)
			if d := w.download("opk_ann", id); d["from"] != from {
				t.Errorf("from %v, want %s", d["from"], from)
			}
		})
	}
}

func TestBehindABaseAddressWithAPath(t *testing.T) {
	w := open(t, wish{workers: -1, base: "http://127.0.0.1/offprint/"})
	for _, at := range []string{"", "/offprint"} { // whether or not the proxy takes it off
		a := w.do("POST", at+"/v1/runs", call{body: `{"report":"orders"}`}).wants(t, 202)
		if location := a.Header.Get("Location"); !strings.HasPrefix(location, "/offprint/v1/runs/run_") {
			t.Errorf("location %q", location)
		}
		page := w.do("GET", at+"/", call{}).wants(t, 200)
		if !strings.Contains(string(page.body), `href="/offprint/reports/orders"`) || !strings.Contains(string(page.body), `data-base="/offprint"`) {
			t.Errorf("the page's links: %s", page.body)
		}
	}
	for sent, want := range map[string]string{
		"/offprint": "/offprint/", "/offprint?a=b": "/offprint/?a=b", "/offprint//v1/runs": "/offprint/v1/runs", "//v1/runs": "/offprint/v1/runs",
		"/offprint/v1/../v1/me": "/offprint/v1/me", "//evil.example/": "/offprint/evil.example/", "/offprint/./": "/offprint/",
	} {
		if a := w.do("GET", w.url+sent, call{}).wants(t, http.StatusPermanentRedirect); a.Header.Get("Location") != want {
			t.Errorf("%s leads to %q, want %q", sent, a.Header.Get("Location"), want)
		}
	}
	problem(t, w.do("GET", "/offprint/v1/runs/a%2Fb", call{}), 404, "not_found")
	w.do("GET", "/offprints", call{}).wants(t, 404)
}

func TestAddressesAreWrittenInOneWay(t *testing.T) {
	w := open(t, wish{workers: -1})
	for sent, want := range map[string]string{"//v1/me": "/v1/me", "/v1//me?a=b": "/v1/me?a=b", "//evil.example/..": "/", `/\evil.example//`: "/%5Cevil.example/"} {
		if a := w.do("GET", w.url+sent, call{}).wants(t, http.StatusPermanentRedirect); a.Header.Get("Location") != want {
			t.Errorf("%s leads to %q, want %q", sent, a.Header.Get("Location"), want)
		}
	}
}

func TestTheDocumentNamesEveryRoute(t *testing.T) {
	w := open(t, wish{workers: -1})
	a := w.do("GET", "/openapi.json", call{}).wants(t, 200)
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Responses   map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct{ Schemas map[string]map[string]any }
	}
	check(t, json.Unmarshal(a.body, &doc))
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %q", doc.OpenAPI)
	}
	routes := []string{
		"get /v1/reports", "get /v1/reports/{name}", "get /v1/reports/{name}/preview", "post /v1/reports/{name}/estimate",
		"get /v1/reports/{name}/parameters/{parameter}/options", "post /v1/runs", "get /v1/runs", "get /v1/runs/{id}", "patch /v1/runs/{id}", "delete /v1/runs/{id}",
		"post /v1/runs/{id}/cancel", "post /v1/runs/{id}/rerun", "get /v1/runs/{id}/file", "delete /v1/runs/{id}/file", "post /v1/runs/{id}/download",
		"get /v1/runs/{id}/manifest", "get /v1/runs/{id}/downloads", "get /v1/runs/{id}/notices", "post /v1/runs/{id}/notices/{notice}/replay",
		"get /v1/runs/{id}/links", "post /v1/runs/{id}/links", "delete /v1/runs/{id}/links/{link}", "get /v1/runs/{id}/events", "get /v1/events", "get /v1/me",
		"get /v1/me/notifications", "put /v1/me/notifications", "delete /v1/me/notifications", "head /v1/runs/{id}/file",
		"get /v1/webhooks", "post /v1/webhooks", "get /v1/webhooks/{id}", "patch /v1/webhooks/{id}", "delete /v1/webhooks/{id}", "get /v1/webhooks/{id}/secret",
		"post /v1/webhooks/{id}/rotate", "post /v1/webhooks/{id}/test", "get /v1/webhooks/{id}/deliveries", "post /v1/webhooks/{id}/deliveries/{delivery}/replay",
	}
	ids := make(map[string]bool)
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		op, ok := doc.Paths[path][method]
		if !ok {
			t.Errorf("%s is missing", route)
			continue
		}
		if ids[op.OperationID] {
			t.Errorf("%s: the id %q is another's too", route, op.OperationID)
		}
		ids[op.OperationID] = true
		if ref := op.Responses["default"].Content["application/problem+json"].Schema["$ref"]; ref != "#/components/schemas/Problem" && method != "head" {
			t.Errorf("%s: its problem is %v", route, ref)
		}
	}
	if n := strings.Count(string(a.body), `"operationId"`); n != len(routes) {
		t.Errorf("%d operations, want %d", n, len(routes))
	}
	if strings.Contains(string(a.body), "ErrorModel") || strings.Contains(string(a.body), "ErrorDetail") {
		t.Error("the library's own error is in it")
	}
	if doc.Components.Schemas["Asking"]["properties"].(map[string]any)["report"] == nil || doc.Components.Schemas["Run"] == nil {
		t.Errorf("schemas: %v", doc.Components.Schemas)
	}
}
