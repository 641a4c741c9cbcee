package source_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/source"
)

const secret = "0123456789abcdef0123456789abcdef"

func signed(c *source.Config) {
	c.Secret = secret
	c.Headers = map[string]string{"x-api-key": "key-of-ours"}
}

func TestARequestSaysWhoAsksAndASharedSecretProvesIt(t *testing.T) {
	var tokens []string
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		tokens = append(tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if r.Header.Get("X-Api-Key") != "key-of-ours" || r.Header.Get("Accept") == "" {
			t.Errorf("the headers are %v", r.Header)
		}
		says(ndjson, `{"a":1}`)(w, r)
	}, signed)
	r := report(t, db, head+"GET /x")
	req := ask(t, r, "")
	req.Run, req.Locale = "run_5", "de"
	req.Who.Email, req.Who.Roles = "a@b.example", []string{"sales", "eu"}
	for range 2 {
		if _, err := read(t, r, req); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for _, token := range tokens {
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
		if err != nil {
			t.Fatal(err)
		}
		var said jwt.Claims
		var more struct {
			Tenant string   `json:"tenant"`
			Email  string   `json:"email"`
			Run    string   `json:"run"`
			Report string   `json:"report"`
			Zone   string   `json:"zoneinfo"`
			Locale string   `json:"locale"`
			Roles  []string `json:"roles"`
		}
		if err := parsed.Claims([]byte(secret), &said, &more); err != nil {
			t.Fatal(err)
		}
		if err := said.ValidateWithLeeway(jwt.Expected{Issuer: "offprint", Subject: "user_7", AnyAudience: jwt.Audience{"erp"}}, 0); err != nil {
			t.Error(err)
		}
		if life := said.Expiry.Time().Sub(said.IssuedAt.Time()); life != 5*time.Minute {
			t.Errorf("it is good for %v", life)
		}
		if got := fmt.Sprint(more); got != "{acme a@b.example run_5 orders Europe/Berlin de [sales eu]}" {
			t.Errorf("it says %s", got)
		}
		if err := parsed.Claims([]byte(strings.Repeat("x", 32)), &said); err == nil {
			t.Error("any secret will do")
		}
		ids = append(ids, said.ID)
	}
	if len(ids) != 2 || ids[0] == "" || ids[0] == ids[1] {
		t.Errorf("the tokens are %v", ids)
	}
}

// The documentation's own program knows who asks, and nobody else.
// Pages for those who look for mistakes repeat what was sent.
func TestNoLogHoldsWhatProvesWhoWeAre(t *testing.T) {
	var sent string
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<h1>no such view</h1>%s | %q | %s", sent, r.Header, strings.Repeat("x", 2000))
	}, signed)
	r := report(t, db, head+"GET /x")
	_, err := read(t, r, ask(t, r, ""))
	text := fmt.Sprint(err)
	if _, token, _ := strings.Cut(sent, " "); token == "" || strings.Contains(text, token) || strings.Contains(text, "key-of-ours") {
		t.Errorf("the log says %s", text)
	}
	if !strings.Contains(text, "no such view") || !strings.Contains(text, "X-Api-Key") || len(text) > 1500 {
		t.Errorf("%d bytes, the log says %s", len(text), text)
	}
}

func TestWhatTheDocumentationVerifies(t *testing.T) {
	page, err := os.ReadFile("../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(page), "```python\n")
	program, _, _ = strings.Cut(program, "```")
	header := ""
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Get("Authorization")
		says(ndjson, "")(w, r)
	}, signed)
	r := report(t, db, head+"GET /x")
	if _, err := read(t, r, ask(t, r, "")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ header, secret, audience, want string }{
		{header, secret, "erp", "user_7 acme"},
		{header, "x" + secret[1:], "erp", "None"},
		{header, secret, "other", "None"},
		{header[:len(header)-2], secret, "erp", "None"},
		{"Bearer nonsense", secret, "erp", "None"},
		{"", secret, "erp", "None"},
	} {
		cmd := exec.Command("/usr/bin/python3", "-c", program+`
import sys
who = asker(sys.argv[1], sys.argv[2].encode(), sys.argv[3])
print(who and who["sub"] + " " + who["tenant"])`, tt.header, tt.secret, tt.audience)
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != tt.want {
			t.Errorf("%q, %q: %v, %s", tt.header, tt.audience, err, out)
		}
	}
}

// That a request says who asks does not mean that the service cares: the
// report has to say so.
func TestAServiceKeepsTenantsApartWhereTheReportSaysSo(t *testing.T) {
	for _, tt := range []struct {
		header, request string
		change          func(*source.Config)
		blind           bool
	}{
		{"", "GET /x", func(*source.Config) {}, true},
		{"tenants: shared\n", "GET /x", func(*source.Config) {}, false},
		{"", "GET /x?t=:user.tenant", func(*source.Config) {}, false},
		{"", "GET /x", signed, true},
		{"tenants: shared\n", "GET /x", signed, false},
		{"tenants: service\n", "GET /x", signed, false},
		{"tenants: service\nparameters: {a: {type: text, optional: true, options: {query: GET /a}}}\n", "GET /x?b=1[[&a=:a]]", signed, false},
		{"parameters: {a: {type: text, optional: true, options: {query: GET /a}}}\n", "GET /x?t=:user.tenant[[&a=:a]]", signed, true},
		{"parameters: {a: {type: text, optional: true, options: {query: GET /a, tenants: shared}}}\n", "GET /x?t=:user.tenant[[&a=:a]]", signed, false},
	} {
		db := service(t, says(ndjson, ""), tt.change)
		if r := report(t, db, "/*---\n"+tt.header+"---*/\n"+tt.request); r.TenantBlind != tt.blind {
			t.Errorf("%s%s: blind is %v", tt.header, tt.request, r.TenantBlind)
		}
	}
}

func TestNobodyIsToldWhoAsksWithoutASecret(t *testing.T) {
	want := "orders.sql:2:10: tenants: service is for an HTTP service that knows who asks, and the source erp is none with a secret. Filter by :user.tenant instead."
	db := service(t, says(ndjson, ""))
	if _, problems := source.Parse("orders.sql", "/*---\ntenants: service\n---*/\nGET /x", map[string]*source.Database{"erp": db}); fmt.Sprint(problems) != want {
		t.Errorf("%v", problems)
	}
}

func TestAClaimThatIsMissingIsRefused(t *testing.T) {
	db := service(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
	r := report(t, db, head+"GET /x?t=:user.shoe_size")
	if _, err := read(t, r, ask(t, r, "")); offprint.CodeOf(err) != offprint.PermissionDenied {
		t.Error(err)
	}
}

func TestTheRequestCanBePastedIntoAShell(t *testing.T) {
	var asked []string
	db := service(t, func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		asked = append(asked, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Api-Key")+" "+r.Header.Get("Content-Type")+string(sent))
		says(csvs, "a\n1\n")(w, r)
	}, signed)
	text := "/*---\nparameters: {l: {type: text, many: true}, d: {type: date}}\n---*/\nGET /it's/[x]?l=:l\n&d=:d\n/*---\npart: more\n---*/\nPOST /y\n\n{\"l\":\n :l}\n"
	d, problems := source.Parse("orders.sql", text, map[string]*source.Database{"erp": db})
	if problems != nil {
		t.Fatal(problems)
	}
	curls, err := d.SQL(ask(t, d.Report(), `l=["a&b","c'd"] d="2026-01-31"`))
	if err != nil || strings.Contains(curls, secret) || strings.Contains(curls, "key-of-ours") {
		t.Fatalf("%v\n%s", err, curls)
	}
	script := filepath.Join(t.TempDir(), "ask.sh")
	if err := os.WriteFile(script, []byte("set -e\n"+curls), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script)
	cmd.Env = append(os.Environ(), "TOKEN=t0", "X_API_KEY=k0", "no_proxy=127.0.0.1")
	if out, err := cmd.Output(); err != nil || string(out) != "a\n1\na\n1\n" {
		t.Fatalf("%v: %s\n%s", err, out, curls)
	}
	if got, want := fmt.Sprint(asked), "[GET /api/it's/[x]?l=a%26b&l=c%27d&d=2026-01-31 Bearer t0 k0  POST /api/y Bearer t0 k0 application/json{\"l\":\n [\"a\\u0026b\",\"c'd\"]}]"; got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
	asked = nil
	if _, err := read(t, d.Report(), ask(t, d.Report(), `l=["a&b","c'd"] d="2026-01-31"`)); err != nil || len(asked) != 2 || !strings.HasSuffix(asked[1], "key-of-ours application/json{\"l\":\n [\"a\\u0026b\",\"c'd\"]}") {
		t.Errorf("%v, asked itself %v", err, asked)
	}
}

func TestAServiceIsConfiguredRightOrNotAtAll(t *testing.T) {
	url := func(url string) source.Config { return source.Config{Name: "erp", URL: url} }
	headers := func(name, value string) source.Config {
		return source.Config{Name: "erp", URL: "https://erp.example.com", Headers: map[string]string{name: value}, Secret: secret}
	}
	tests := []struct {
		c    source.Config
		want string
	}{
		{url("https://erp.example.com/api/"), ""},
		{url("http://127.0.0.1:8080"), ""},
		{headers("X-Api-Key", "a b"), ""},
		{url("https:///api"), "the URL cannot be read"},
		{url("https://:80"), "the URL cannot be read"},
		{url("https://[::1/"), "the URL cannot be read"},
		{url("https://u:hidden@erp.example.com"), "the URL holds a user"},
		{url("https://erp.example.com?key=hidden"), "the URL goes on after its path"},
		{url("https://erp.example.com/#hidden"), "the URL goes on after its path"},
		{url("https://erp.example.com/a/../b"), "the URL holds . or .."},
		{url("ftp://erp.example.com"), "the URL begins with none of"},
		{source.Config{Name: "erp", URL: "https://erp.example.com", Secret: "hidden"}, "a secret has 32 bytes at least"},
		{headers("Authorization", "hidden"), "Leave one of the two out."},
		{headers("host", "hidden"), "Host is ours to write"},
		{headers("X Y", "hidden"), "a name has letters"},
		{headers("", "hidden"), "a name has letters"},
		{headers("X-Y", "hidden\r\nX: y"), "the value of X-Y has more than one line"},
		{source.Config{Name: "erp", URL: "sqlite:x.db", Secret: "hidden"}, "secret, headers and allow_private are for"},
		{source.Config{Name: "erp", URL: "postgres://x/y", AllowPrivate: true}, "secret, headers and allow_private are for"},
	}
	for _, tt := range tests {
		db, err := source.Open(tt.c)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tt.c.URL, err)
				continue
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "source erp: ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v, want %s", tt.c.URL, err, tt.want)
		}
	}
}

func TestCheckAsksWhetherSomebodyIsThereAndNoMore(t *testing.T) {
	db := service(t, func(http.ResponseWriter, *http.Request) { t.Error("the report was asked for") })
	down := open(t, source.Config{Name: "down", URL: "http://127.0.0.1:1", AllowPrivate: true})
	private := service(t, nil, func(c *source.Config) { c.AllowPrivate = false })
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.sql":    "/*---\nsource: erp\nparameters: {a: {type: text, optional: true}}\ncolumns: {x: {title: X, currency: y}}\n---*/\nGET /x\n[[ ?a=:a ]]",
		"right.sql":   "/*---\nsource: erp\nparameters: {a: {type: text, optional: true}}\ncolumns: {x: {title: X, currency: y}}\n---*/\nGET /x?\n[[ a=:a ]]",
		"down.sql":    "/*---\nsource: down\n---*/\n\nGET /x",
		"private.sql": "/*---\nsource: private\n---*/\nGET /x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder, _ := source.OpenFolder(dir, map[string]*source.Database{"erp": db, "down": down, "private": private})
	said := func(offline bool) (all []string) {
		for _, p := range folder.Check(t.Context(), offline) {
			all = append(all, filepath.Base(strings.SplitN(p.String(), ": ", 2)[0])+" "+p.Text)
		}
		return all
	}
	if got := said(true); len(got) != 1 || !strings.HasPrefix(got[0], "good.sql:7:4 The ? cannot fall away") {
		t.Errorf("offline: %q", got)
	}
	got := said(false)
	if len(got) != 3 || !strings.Contains(got[1], "private.sql:4:1 The address of the service is not one of the public internet.") ||
		!strings.Contains(got[2], "source down It cannot be asked: The service cannot be reached: ") || !strings.Contains(got[2], "refused") {
		t.Errorf("online: %q", got)
	}
}
