package xlsx

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
)

// maxName is the longest name of a sheet, in UTF-16 units.
const maxName = 31

// names are the sheets' so far: Excel tells them apart without case.
type names map[string]bool

// add makes a legal name out of the first title that holds one, unlike those
// before it.
func (n names) add(titles ...string) string {
	base := "Sheet"
	for _, title := range titles {
		if name := legal(title); name != "" {
			base = name
			break
		}
	}
	return n.unlike(base, "")
}

// unlike is the beginning of base with what follows it and, where there is
// such a name already, a number.
func (n names) unlike(base, after string) string {
	join := func(end string) string {
		short := cut(base, maxName-len(utf16.Encode([]rune(end))))
		if end != "" {
			short = strings.TrimRight(short, " '")
		}
		return short + end
	}
	name := join(after)
	for i := 2; n[strings.ToLower(name)]; i++ {
		name = join(after + " (" + strconv.Itoa(i) + ")")
	}
	n[strings.ToLower(name)] = true
	return name
}

// legal is the title without what Excel forbids in a sheet's name.
func legal(title string) string {
	title = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`[]:*?/\`, r):
			return '-'
		case r == 0xFFFE || r == 0xFFFF || unicode.IsControl(r) || r != ' ' && unicode.IsSpace(r):
			return ' '
		}
		return r
	}, strings.ToValidUTF8(title, "\uFFFD"))
	title = strings.Trim(strings.Join(strings.Fields(title), " "), " '")
	title = strings.TrimRight(cut(title, maxName), " '")
	if strings.EqualFold(title, "History") { // Excel keeps that name for itself
		title += " 1"
	}
	return title
}

// cut is the beginning of s, of at most so many UTF-16 units.
func cut(s string, most int) string {
	units := 0
	for i, r := range s {
		units++
		if r > 0xFFFF {
			units++
		}
		if units > most {
			return s[:i]
		}
	}
	return s
}
