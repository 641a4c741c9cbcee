package source

import (
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A target is what a bound request asks for, below the URL of the source.
func (s *statement) target() (string, error) {
	text := strings.TrimPrefix(strings.TrimSpace(s.text), "GET")
	path, asked, _ := strings.Cut(bare(text), "?")
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

// encoded is a parameter as it stands in an address. Nothing in it can end the
// value it stands for.
func (p *piece) encoded(value any) (string, error) {
	list, many := value.([]any)
	if !many {
		text := plain(value)
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
		all[i] = escape(plain(one))
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

// plain is a value as text: 2026-01-31, 2026-01-31T22:59:59Z, 1.50, true.
func plain(value any) string {
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
