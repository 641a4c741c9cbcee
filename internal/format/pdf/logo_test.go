package pdf_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/pdf"
)

func dataURI(t *testing.T, media string, encode func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return "data:" + media + ";base64," + base64.StdEncoding.EncodeToString(b.Bytes())
}

// A logo stands on the first page only, and the text stays away from it.
func TestALogoStandsOnTheFirstPage(t *testing.T) {
	clear, solid, gray := image.NewNRGBA(image.Rect(0, 0, 40, 10)), image.NewRGBA(image.Rect(5, 5, 25, 125)), image.NewGray(image.Rect(0, 0, 8, 8))
	for x := range 20 {
		clear.Set(x, 3, color.NRGBA{200, 10, 10, 128})
		for y := range 125 {
			solid.Set(5+x, y, color.RGBA{0, 0, 255, 255})
		}
	}
	png := func(m image.Image) string {
		return dataURI(t, "image/png", func(w io.Writer) error { return png.Encode(w, m) })
	}
	jpg := func(m image.Image) string {
		return dataURI(t, "image/jpeg", func(w io.Writer) error { return jpeg.Encode(w, m, nil) })
	}
	table, rows, _ := orders(300)
	for name, tt := range map[string]struct {
		logo   string
		images []string // as pdfimages lists them
	}{
		"transparent PNG": {png(clear), []string{"image 40 10 rgb", "smask 40 10 gray"}},
		"opaque PNG":      {png(solid), []string{"image 20 120 rgb"}},
		"folded PNG":      {strings.ReplaceAll(png(solid), "A", "A\n "), []string{"image 20 120 rgb"}},
		"JPEG":            {jpg(solid), []string{"image 20 120 rgb"}},
		"gray JPEG":       {jpg(gray), []string{"image 8 8 gray"}},
	} {
		t.Run(name, func(t *testing.T) {
			head := offprint.Head{Title: strings.Repeat("A long title ", 12), Options: map[string]string{"pdf.logo": tt.logo}}
			file, _ := write(t, head, offprint.DocEnd{}, part{table: table, rows: rows})
			if first := squeezed(pages(t, file)[0]); !strings.HasPrefix(first, squeezed(head.Title)) {
				t.Errorf("the first page begins %.100q", first)
			}
			var got []string
			for i, line := range strings.Split(strings.TrimSpace(tool(t, file, "pdfimages", "-list", "FILE")), "\n") {
				if f := strings.Fields(line); i > 1 {
					got = append(got, strings.Join(f[2:6], " "))
					if f[0] != "1" {
						t.Errorf("a picture on page %s", f[0])
					}
				}
			}
			if strings.Join(got, ", ") != strings.Join(tt.images, ", ") {
				t.Errorf("the pictures are %q, want %q", got, tt.images)
			}
		})
	}
}

func TestALogoIsAPicture(t *testing.T) {
	huge := dataURI(t, "image/png", func(w io.Writer) error {
		return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, image.NewGray(image.Rect(0, 0, 2049, 2048)))
	})
	for _, logo := range []string{"logo.png", "https://example.com/logo.png", "data:image/png;base64,", "data:image/png;base64,%%%", "data:image/svg+xml;base64,PHN2Zy8+", "data:image/jpeg;base64,AAAA", huge} {
		_, err := pdf.Format.New(io.Discard, offprint.Head{Options: map[string]string{"pdf.logo": logo}})
		if offprint.CodeOf(err) != offprint.Invalid {
			t.Errorf("%.40s: %v", logo, err)
		}
	}
}
