package source

import (
	"encoding/base64"
	"strings"

	"github.com/offprint/offprint/internal/yaml"
)

// longestLogo is some 250 kB of a picture: the definition is kept with every
// version of it.
const longestLogo = 350_000

// logo takes a picture only as part of the text: whoever makes the report may
// have no folder to look for a file in.
func (d *Definition) logo(h *header, e yaml.Entry) {
	text, ok := h.Scalar(e)
	if !ok {
		return
	}
	text = strings.Join(strings.Fields(text), "")
	media, data, _ := strings.Cut(text, ",")
	picture, err := base64.StdEncoding.DecodeString(data)
	known := media == "data:image/png;base64" || media == "data:image/jpeg;base64"
	if !known || err != nil || len(picture) == 0 || len(text) > longestLogo {
		h.Wrong(h.Place(e), "A logo is a PNG or JPEG picture of at most 250 kB and stands in the header itself: data:image/png;base64, and what base64 makes of the file.")
		return
	}
	d.report.Options["pdf.logo"] = text
}
