package xlsx

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/offprint/offprint/internal/celltest"
)

// FuzzText holds that what Excel reads is what was written: the escaped text
// is XML, and its content, unescaped as ECMA-376 has it, is the text.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "a&b<c>d", "_x0041_", "_x0041\x01", "_x005F_", "_\uFFFE_x0041\uFFFF", "\r\n\t", "\xff_x", "12345678_x0041_\x00", "日本"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := `<t xml:space="preserve">` + string(appendText(nil, s)) + `</t>`
		var content struct {
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal([]byte(written), &content); err != nil {
			t.Fatalf("%q is no XML: %v", written, err)
		}
		if got, want := celltest.Unescape(content.Text), strings.ToValidUTF8(s, "\uFFFD"); got != want {
			t.Fatalf("%q became %q by %q", want, got, written)
		}
	})
}
