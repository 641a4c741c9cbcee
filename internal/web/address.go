package web

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// path is a path as the outside sees it.
func (s *Site) path(p string) string { return s.prefix + p }

// absolute is a path as somebody on another machine can follow it.
func (s *Site) absolute(p string) string {
	if s.BaseURL == nil {
		return p
	}
	base, _ := s.knownAs("")
	return base + p
}

// knownAs is how people find this server, without the path: as the configuration
// says or, on this machine, as whoever asks has found it.
func (s *Site) knownAs(host string) (string, error) {
	switch {
	case s.BaseURL != nil:
		return (&url.URL{Scheme: s.BaseURL.Scheme, Host: s.BaseURL.Host}).String(), nil
	case loopback(host):
		return (&url.URL{Scheme: "http", Host: host}).String(), nil
	}
	err := offprint.Errorf(offprint.NotConfigured, "Whoever runs it has to say under base_url how people find it. Nothing was made.")
	err.Title = "This server does not know its own address"
	return "", err
}

// routed is the request as the routes know it: without the base address's
// path, whether or not a proxy has taken it off already. moved is where to ask
// instead, as the outside sees it, if the address was not written as it is.
func (s *Site) routed(r *http.Request) (routed *http.Request, moved string) {
	sent := r.URL.EscapedPath()
	clean := cleaned(sent)
	if s.prefix != "" && clean == s.prefix {
		clean += "/"
	}
	rest := clean
	if below, ok := strings.CutPrefix(clean, s.prefix+"/"); ok {
		rest = "/" + below
	}
	if clean != sent {
		moved = s.prefix + rest
		if r.URL.RawQuery != "" {
			moved += "?" + r.URL.RawQuery
		}
	}
	if rest == sent {
		return r, moved
	}
	u := *r.URL
	u.RawPath = rest
	var err error
	if u.Path, err = url.PathUnescape(rest); err != nil {
		return r, moved
	}
	routed = r.Clone(r.Context())
	routed.URL = &u
	return routed, moved
}

// cleaned is a path without empty and dot segments.
func cleaned(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// readable refuses an address that no database takes: there is nothing at it.
func readable(u *url.URL) error {
	if !legible(u.Path) {
		return offprint.Errorf(offprint.NotFound, "There is nothing at this address.")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return unreadableQuery("")
	}
	for name, values := range query {
		if !legible(name) {
			return unreadableQuery("")
		}
		for _, value := range values {
			if cursor, err := base64.RawURLEncoding.DecodeString(value); !legible(value) || name == "cursor" && err == nil && !legible(string(cursor)) {
				return unreadableQuery(name)
			}
		}
	}
	return nil
}

func unreadableQuery(name string) error {
	err := offprint.Errorf(offprint.Invalid, "Nothing was done. Mend the query and ask again.")
	err.Fields = []offprint.Field{{Pointer: pointer("query", name), Detail: "This is not text."}}
	return err
}

func legible(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
