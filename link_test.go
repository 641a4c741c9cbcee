package offprint_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
)

func TestLinksAreTheDefinitions(t *testing.T) {
	columns := []offprint.Column{{Name: "id"}, {Name: "year"}}
	for _, tt := range []struct {
		link string
		id   offprint.Value
		want string // empty: no link
	}{
		{"https://erp.example.com/v/{id}", offprint.TextValue("A-7_x.1~"), "https://erp.example.com/v/A-7_x.1~"},
		{"https://erp.example.com/v/{id}", offprint.IntValue(-12), "https://erp.example.com/v/-12"},
		{"https://erp.example.com/v/{id}", offprint.DateValue(0), "https://erp.example.com/v/1970-01-01"},
		{"https://erp.example.com/v/{id}", offprint.Value{}, ""},
		{"https://erp.example.com/v/{id}", offprint.TextValue(""), ""},
		{"https://erp.example.com/{year}/{id}?of={id}#{year}", offprint.TextValue("a b"), "https://erp.example.com/2026/a%20b?of=a%20b#2026"},
		{"http://erp.example.com:8080/v/{id}", offprint.TextValue("//evil.com"), "http://erp.example.com:8080/v/%2F%2Fevil.com"},
		{"https://erp.example.com/v/{id}/x", offprint.TextValue("../.."), "https://erp.example.com/v/..%2F../x"},
		{"https://erp.example.com/v/{id}/x", offprint.TextValue(".."), ""},
		{"https://erp.example.com/v/.{id}", offprint.TextValue("."), ""},
		{"https://erp.example.com/v?id={id}", offprint.TextValue(".."), "https://erp.example.com/v?id=.."},
		{"https://erp.example.com/v/{id}", offprint.TextValue("x?admin=1#top&a=b;c"), "https://erp.example.com/v/x%3Fadmin%3D1%23top%26a%3Db%3Bc"},
		{"https://erp.example.com/{id}", offprint.TextValue("javascript:alert(1)"), "https://erp.example.com/javascript%3Aalert%281%29"},
		{"https://erp.example.com/{id}", offprint.TextValue(`\\evil.com`), "https://erp.example.com/%5C%5Cevil.com"},
		{"https://erp.example.com/{id}", offprint.TextValue("@evil.com\r\n\x00"), "https://erp.example.com/%40evil.com%0D%0A%00"},
		{"https://erp.example.com/{id}", offprint.TextValue("ü 漢"), "https://erp.example.com/%C3%BC%20%E6%BC%A2"},
		{"https://erp.example.com/{id}", offprint.TextValue("{year}%41"), "https://erp.example.com/%7Byear%7D%2541"},
		{"https://erp.example.com/{id}", offprint.TextValue(strings.Repeat("x", 1976)), "https://erp.example.com/" + strings.Repeat("x", 1976)},
		{"https://erp.example.com/{id}", offprint.TextValue(strings.Repeat("x", 1977)), ""},
		{"https://erp.example.com/{id}", offprint.TextValue(strings.Repeat(" ", 700)), ""},
		{"https://erp.example.com/<ü> {id}", offprint.TextValue("1"), "https://erp.example.com/%3C%C3%BC%3E%201"},
		{"https://erp.example.com", offprint.TextValue("1"), "https://erp.example.com/"},
		{"https://erp.example.com?v={id}", offprint.TextValue("1"), "https://erp.example.com?v=1"},
	} {
		l, err := offprint.NewLink(tt.link, columns)
		if err != nil {
			t.Errorf("%s: %v", tt.link, err)
			continue
		}
		if got := string(l.Append([]byte("> "), offprint.Row{tt.id, offprint.IntValue(2026)}, time.UTC)); got != "> "+tt.want {
			t.Errorf("%s of %v is %q, want %q", tt.link, tt.id, got, tt.want)
		}
	}
	for _, wrong := range []string{
		"", "javascript:alert({id})", "ftp://x/{id}", "{id}", "https:{id}", "HTTPS://x/", "https://{id}", "https://{id}.example.com/", "https://a@{id}/", "https:///{id}",
		"https://x/{nothing}", "https://x/{id", "https://x/{}", `https://{id}\x`, `https://x\{id}`, "https://a:{id}/",
	} {
		if _, err := offprint.NewLink(wrong, columns); offprint.CodeOf(err) != offprint.BadQuery {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// FuzzLink holds that no value leads out of the place that the definition has
// for it.
func FuzzLink(f *testing.F) {
	for _, s := range []string{"1", "..", "../..", "//evil.com", "\\", "javascript:x", "?a=b", "#", "@", "%2e%2e", "\x00", "."} {
		f.Add(s)
	}
	l, err := offprint.NewLink("https://erp.example.com/v/{id}/x?y=1", []offprint.Column{{Name: "id"}})
	if err != nil {
		f.Fatal(err)
	}
	base, _ := url.Parse("https://elsewhere.example.com/a/b")
	f.Fuzz(func(t *testing.T, s string) {
		link := string(l.Append(nil, offprint.Row{offprint.TextValue(s)}, time.UTC))
		if link == "" {
			return
		}
		u, err := base.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		if u.Scheme != "https" || u.Host != "erp.example.com" || u.User != nil || u.RawQuery != "y=1" || u.Fragment != "" || u.Path != "/v/"+s+"/x" {
			t.Errorf("%q leads to %s", s, u)
		}
	})
}
