package source

import (
	"regexp"
	"slices"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/yaml"
)

// asUser is what a transaction is to be of the asker, so that the database's
// row-level security decides what the report shows.
type asUser struct {
	settings []setting
	role     setting // empty: the login's own

	file         string // where it stands
	line, column int
}

func (a *asUser) problem(text string) Problem {
	return Problem{File: a.file, Line: a.line, Column: a.column, Text: text}
}

// A setting is a text, or a claim of the asker.
type setting struct{ name, text, claim string }

// An assumed setting is one for one asker. PostgreSQL has the role among them.
type assumed struct{ name, value string }

const roleName = "role"

var (
	// settingName has a dot: PostgreSQL's own settings, such as search_path and
	// session_authorization, have none. It knows no capitals, so that no
	// setting stands there twice.
	settingName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$`)
	claimAlone  = regexp.MustCompile(`^:user\.([A-Za-z_][A-Za-z0-9_]*)$`)
)

// asUser reads {set: {app.tenant: ":user.tenant"}, role: ":user.db_role"}.
func (h *header) asUser(e yaml.Entry) *asUser {
	a := &asUser{file: h.File, line: h.Above + e.At.Position.Line, column: e.At.Position.Column}
	before := len(*h.Problems)
	h.Object(e, "as_user", yaml.Keys{
		"set": func(e yaml.Entry) {
			for _, inner := range h.Entries(e, "set") {
				if !settingName.MatchString(inner.Key) {
					h.Wrong(inner.At, "A setting of your own has small letters, digits, _ and a dot, as in app.tenant. PostgreSQL's own are not set here.")
				}
				a.settings = append(a.settings, h.setting(inner))
			}
		},
		"role": func(e yaml.Entry) {
			a.role = h.setting(e)
			if a.role.claim == "" && noRole(a.role.text) {
				h.Wrong(h.Place(e), `role is the name of a role of the database, or a claim, as in ":user.db_role".`)
			}
		},
	})
	if a.settings == nil && a.role == (setting{}) && len(*h.Problems) == before {
		h.Wrong(e.At, `as_user says nothing. Write what is to be set, as in {set: {app.tenant: ":user.tenant"}}, or a role.`)
	}
	return a
}

func (h *header) setting(e yaml.Entry) setting {
	s := setting{name: e.Key}
	s.text, _ = h.Scalar(e)
	if found := claimAlone.FindStringSubmatch(s.text); found != nil {
		s.text, s.claim = "", found[1]
	} else if strings.Contains(s.text, ":user") {
		h.Wrong(h.Place(e), `%s is a text, or one claim alone, as in ":user.tenant".`, e.Key)
	}
	return s
}

// noRole tells what PostgreSQL takes for the login's own role, which may be
// more than the asker's.
func noRole(name string) bool { return name == "" || strings.EqualFold(name, "none") }

// byClaim tells whether what may be read depends on who asks.
func (a *asUser) byClaim() bool {
	return a != nil && (a.role.claim != "" || slices.ContainsFunc(a.settings, func(s setting) bool { return s.claim != "" }))
}

// assume is what is to be set for the asker, the role last. A claim that is
// missing, or is no role, is a PermissionDenied.
func (a *asUser) assume(who offprint.Identity) (all []assumed, err error) {
	if a == nil {
		return nil, nil
	}
	for _, s := range a.settings {
		value := s.text
		if s.claim != "" {
			if value, err = claim(who, s.claim); err != nil {
				return nil, err
			}
		}
		all = append(all, assumed{s.name, value})
	}
	role := a.role.text
	if a.role.claim != "" {
		if role, err = claim(who, a.role.claim); err != nil {
			return nil, err
		}
		if noRole(role) {
			return nil, notLetIn()
		}
	}
	if role != "" {
		all = append(all, assumed{roleName, role})
	}
	return all, nil
}

func notLetIn() *offprint.Error {
	return offprint.Errorf(offprint.PermissionDenied, "The database does not let you in as what your sign-in says that you are. Ask whoever runs this service.")
}

// claim is one of the asker's.
func claim(who offprint.Identity, name string) (string, error) {
	value, known := who.Claim(name)
	if !known {
		return "", offprint.Errorf(offprint.PermissionDenied, "This report needs to know your %s, and your sign-in does not say it. Ask whoever runs this service.", name)
	}
	return value, nil
}

// assumedSQL is the same as text, for [Definition.SQL].
func assumedSQL(all []assumed) string {
	var text strings.Builder
	for _, a := range all {
		if a.name == roleName {
			text.WriteString(`SET LOCAL ROLE "` + strings.ReplaceAll(a.value, `"`, `""`) + "\";\n")
			continue
		}
		text.WriteString(`SET LOCAL "` + strings.ReplaceAll(a.name, ".", `"."`) + `" = ` + quoted(a.value) + ";\n")
	}
	return text.String()
}
