package pdf

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"

	"github.com/offprint/offprint"
)

// A logo stands at the top of the first page, on the right. nil is none.
type logo struct {
	width, height int // on paper
	pixels        image.Rectangle
	jpeg          []byte // as it came; nil: picture is to be packed
	gray          bool
	picture       image.Image
}

// Bounds of a logo. The pixels bound what a small file may grow to.
const (
	widestLogo  = 15000
	tallestLogo = 3600
	mostPixels  = 4 << 20
)

// logoOf reads the option pdf.logo, the picture itself as a data URI.
func logoOf(head offprint.Head) (*logo, error) {
	option := strings.Join(strings.Fields(head.Options["pdf.logo"]), "")
	if option == "" {
		return nil, nil
	}
	media, data, ok := strings.Cut(option, ";base64,")
	picture, err := base64.StdEncoding.DecodeString(data)
	if !ok || err != nil {
		return nil, badLogo()
	}
	switch media {
	case "data:image/png":
		return pngLogo(picture)
	case "data:image/jpeg":
		return jpegLogo(picture)
	}
	return nil, badLogo()
}

func badLogo() error {
	return offprint.Errorf(offprint.Invalid, "The option pdf.logo is a picture as data:image/png;base64, or data:image/jpeg;base64, and its bytes, of four million pixels at most, in gray or RGB.")
}

func pngLogo(data []byte) (*logo, error) {
	config, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil || tooLarge(config) {
		return nil, badLogo()
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, badLogo()
	}
	l := &logo{pixels: picture.Bounds(), picture: picture}
	l.fit()
	return l, nil
}

// jpegLogo keeps the bytes: a PDF reader knows JPEG.
func jpegLogo(data []byte) (*logo, error) {
	config, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil || tooLarge(config) || config.ColorModel == color.CMYKModel {
		return nil, badLogo()
	}
	l := &logo{pixels: image.Rect(0, 0, config.Width, config.Height), jpeg: data, gray: config.ColorModel == color.GrayModel}
	l.fit()
	return l, nil
}

func tooLarge(c image.Config) bool {
	return c.Width <= 0 || c.Height <= 0 || c.Width > mostPixels/c.Height
}

// fit makes it as large as there is room.
func (l *logo) fit() {
	size := l.pixels.Size()
	l.width, l.height = tallestLogo*size.X/size.Y, tallestLogo
	if l.width > widestLogo {
		l.width, l.height = widestLogo, max(1, widestLogo*size.Y/size.X)
	}
}

// write writes the picture and answers its object.
func (l *logo) write(f *file) int {
	size := l.pixels.Size()
	entries := fmt.Sprintf("/Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8", size.X, size.Y)
	if l.jpeg != nil {
		space := "/ColorSpace/DeviceRGB"
		if l.gray {
			space = "/ColorSpace/DeviceGray"
		}
		n := f.reserve()
		f.raw(n, entries+space+"/Filter/DCTDecode", l.jpeg)
		return n
	}
	colors, shades, opaque := l.split()
	if !opaque {
		mask := f.reserve()
		f.stream(mask, entries+"/ColorSpace/DeviceGray", shades)
		entries += fmt.Sprintf("/SMask %d 0 R", mask)
	}
	n := f.reserve()
	f.stream(n, entries+"/ColorSpace/DeviceRGB", colors)
	return n
}

// split parts the colors from how opaque they are.
func (l *logo) split() (colors, shades []byte, opaque bool) {
	opaque = true
	for y := l.pixels.Min.Y; y < l.pixels.Max.Y; y++ {
		for x := l.pixels.Min.X; x < l.pixels.Max.X; x++ {
			c := color.NRGBAModel.Convert(l.picture.At(x, y)).(color.NRGBA)
			colors = append(colors, c.R, c.G, c.B)
			shades = append(shades, c.A)
			opaque = opaque && c.A == 255
		}
	}
	return colors, shades, opaque
}
