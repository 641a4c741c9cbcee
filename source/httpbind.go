package source

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A call is a bound request: what is asked for below the URL of the source,
// and what is sent.
type call struct {
	method string
	target string
	body   string // JSON; empty for GET
}

func (s *statement) call() (c call, err error) {
	text := s.text
	for _, span := range s.spans {
		if s.query.body > 0 && span.written >= s.query.body {
			text, c.body = text[:span.sent], strings.TrimSpace(text[span.sent:])
			break
		}
	}
	if c.body != "" && !json.Valid([]byte(c.body)) {
		return call{}, &serviceError{code: offprint.BadQuery, text: "What is sent is no JSON. Where something falls away its comma does too: write [[ , \"region\": :region ]]."}
	}
	text = strings.TrimSpace(text)
	c.method = text[:span(text, letter)]
	c.target, err = target(bare(text[len(c.method):]))
	return c, err
}

// target is a path, and what is asked of it without what fell away.
func target(text string) (string, error) {
	path, asked, _ := strings.Cut(text, "?")
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || climbs(path) {
		return "", errLeaves
	}
	var pairs []string
	for pair := range strings.SplitSeq(asked, "&") {
		if pair != "" { // what fell away leaves its &
			pairs = append(pairs, pair)
		}
	}
	if pairs == nil {
		return path, nil
	}
	return path + "?" + strings.Join(pairs, "&"), nil
}

// encoded is a parameter as it stands in a request. Nothing in it can end the
// value it stands for.
func (p *piece) encoded(value any) (string, error) {
	if p.use == bodyUse {
		return inJSON(value)
	}
	list, many := value.([]any)
	if !many {
		text := valueText(value)
		if p.use == pathUse && (text == "" || climbs(text)) {
			return "", p.refused("This stands in an address, where it cannot be empty, nor . or .. between slashes.")
		}
		return escape(text), nil
	}
	if len(list) == 0 { // without the name the service would answer with everything
		return "", p.refused("Give at least one value.")
	}
	all := make([]string, len(list))
	for i, one := range list {
		all[i] = escape(valueText(one))
	}
	return strings.Join(all, "&"+p.key+"="), nil
}

func (p *piece) refused(why string) error {
	if p.name == userName {
		return offprint.Errorf(offprint.PermissionDenied, "This report needs to know your %s, and cannot be made with the one that your sign-in says. Ask whoever runs this service.", p.field)
	}
	err := offprint.Errorf(offprint.BadParameter, "Nothing was made. Mend the parameters named below and ask again.")
	err.Fields = []offprint.Field{{Pointer: "#/parameters/" + p.name, Detail: why}}
	return err
}

// valueText is a value as text: 2026-01-31, 2026-01-31T22:59:59Z, 1.50, true.
func valueText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case int64:
		return strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	case offprint.Value:
		return v.String()
	case offprint.Day:
		return v.String()
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return value.(string)
}

// inJSON is a value as JSON: numbers and booleans as they are, a list as one.
func inJSON(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "null", nil
	case int64, bool, offprint.Value:
		return valueText(v), nil
	case []any:
		all := make([]string, len(v))
		for i, one := range v {
			text, err := inJSON(one)
			if err != nil {
				return "", err
			}
			all[i] = text
		}
		return "[" + strings.Join(all, ",") + "]", nil
	}
	text, err := json.Marshal(valueText(value))
	return string(text), err
}

// escape writes all but letters, digits and -._~ as % and two digits; a blank
// too, for not everybody reads + as one.
func escape(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c < 0x80 && (letter(c) || digit(c)) || strings.IndexByte("-.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}
