package offprint

import (
	"mime"
	"net/url"
	"strings"
)

// Attachment is a Content-Disposition that names a file to be kept, for every
// browser: plainly, and as RFC 8187 has it (RFC 6266).
func Attachment(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%`, r) {
			return '_'
		}
		return r
	}, name)
	value := mime.FormatMediaType("attachment", map[string]string{"filename": plain})
	if plain != name {
		value += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return value
}
