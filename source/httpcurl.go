package source

import (
	"maps"
	"slices"
	"strings"

	"github.com/offprint/offprint"
)

// curls are the requests of a report for a shell. What is secret in them is
// left to variables of that shell.
func (h *service) curls(d *Definition, req offprint.Request) (string, error) {
	var all strings.Builder
	for _, p := range d.parts {
		st, err := p.query.bind(req)
		if err != nil {
			return "", err
		}
		c, err := st.call()
		if err != nil {
			return "", d.db.told(offprint.BadQuery).Because(err)
		}
		all.WriteString("curl --fail --globoff --compressed --header " + inShell("Accept: "+accepted))
		if h.signer != nil {
			all.WriteString(` --header "Authorization: Bearer $TOKEN"`)
		}
		for _, name := range slices.Sorted(maps.Keys(h.headers)) {
			all.WriteString(` --header "` + name + ": $" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + `"`)
		}
		if c.body != "" {
			all.WriteString(" --header 'Content-Type: application/json' --data-raw " + inShell(c.body))
		}
		all.WriteString(" --request " + c.method + " " + inShell(h.address(c)) + "\n")
	}
	return all.String(), nil
}

// inShell is text as one word of a POSIX shell.
func inShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
