package web

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// zone is the browser's, where its script could tell: in the form, or in a
// cookie for pages that are only looked at.
func (v *visit) zone() string {
	zone := v.r.PostFormValue("time_zone")
	if cookie, err := v.r.Cookie("offprint_zone"); zone == "" && err == nil {
		zone = cookie.Value
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return ""
	}
	return zone
}

// sentIn are the parameters that a form holds; a blank left empty is left out.
func sentIn(r *offprint.Report, form url.Values) offprint.Sent {
	sent := offprint.Sent{}
	for i := range r.Parameters {
		p := &r.Parameters[i]
		if v := sentFor(p, form); v != nil {
			raw, err := json.Marshal(v)
			if err != nil {
				panic(err) // texts and lists of them
			}
			sent[p.Name] = raw
		}
	}
	return sent
}

func sentFor(p *offprint.Parameter, form url.Values) any {
	name := "p." + p.Name
	value := form.Get(name)
	switch kindOf(p) {
	case "period":
		if value == own {
			return map[string]string{"from": form.Get(name + ".from"), "to": form.Get(name + ".to")}
		}
	case "check":
		return value == "true"
	case "checks", "several", "lines": // of which a list may stand in for the other
		return anyOf(strings.FieldsFunc(strings.Join(form[name], "\n"), func(r rune) bool { return r == '\n' || r == '\r' }))
	}
	if value == "" {
		return nil
	}
	return value
}

// anyOf is a list, or nothing for an empty one.
func anyOf(values []string) any {
	if len(values) == 0 {
		return nil
	}
	return values
}

// formKey makes one run of one click that arrives twice. Where no script makes
// a key for each click, what was filled in is part of it.
func formKey(form url.Values, report string) desk.Idempotency {
	key := form.Get("key")
	if key == "" {
		return desk.Idempotency{}
	}
	return desk.Idempotency{Key: key + fingerprint([]byte(form.Encode())), Route: "POST /reports/" + report}
}
