package offprint

import "strings"

// Words are one text in several languages, by BCP 47 tag; the key "" holds
// the one for everybody else.
type Words map[string]string

// Plain are words in one language only.
func Plain(text string) Words {
	if text == "" {
		return nil
	}
	return Words{"": text}
}

// In is the text for a locale: of its very tag, else of its language, else
// the one for everybody else, else English, else any, by the least tag.
func (w Words) In(locale string) string {
	for _, tag := range []string{locale, language(locale), "", "en"} {
		if text, ok := w[tag]; ok {
			return text
		}
	}
	least, text := "", ""
	for tag, t := range w {
		if least == "" || tag < least {
			least, text = tag, t
		}
	}
	return text
}

func language(locale string) string {
	tag, _, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	return strings.ToLower(tag)
}
