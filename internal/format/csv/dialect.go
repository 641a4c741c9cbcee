package csv

import (
	"strings"

	"github.com/offprint/offprint"
)

// A dialect is how a file is written.
type dialect struct {
	delimiter byte
	decimal   byte
	lineEnd   string
	bom       bool
	escape    bool // formulas
}

// readDialect reads the options; what is said by name wins over what the
// dialect would set.
func readDialect(head offprint.Head) (dialect, error) {
	d := dialect{delimiter: ',', decimal: '.', lineEnd: "\r\n", escape: true}
	switch o := head.Options["csv.dialect"]; o {
	case "":
	case "excel":
		d.bom = true
		if decimalComma(head.Locale) {
			d.delimiter, d.decimal = ';', ','
		}
	default:
		return d, offprint.Errorf(offprint.Invalid, "The option csv.dialect is excel or left out, not %q.", o)
	}
	if o := head.Options["csv.delimiter"]; o != "" {
		delimiter, ok := readDelimiter(o)
		if !ok {
			return d, offprint.Errorf(offprint.Invalid, "The option csv.delimiter is comma, semicolon, tab, pipe or one ASCII character that is no quote, letter, digit or line end, not %q.", o)
		}
		d.delimiter = delimiter
	}
	switch o := head.Options["csv.decimal"]; o {
	case "":
	case ".", ",":
		d.decimal = o[0]
	default:
		return d, offprint.Errorf(offprint.Invalid, "The option csv.decimal is a point or a comma, not %q.", o)
	}
	switch o := head.Options["csv.line_end"]; o {
	case "", "crlf":
	case "lf":
		d.lineEnd = "\n"
	default:
		return d, offprint.Errorf(offprint.Invalid, "The option csv.line_end is crlf or lf, not %q.", o)
	}
	switch o := head.Options["csv.bom"]; o {
	case "":
	case "on", "true", "yes":
		d.bom = true
	case "off", "false", "no":
		d.bom = false
	default:
		return d, offprint.Errorf(offprint.Invalid, "The option csv.bom is on or off, not %q.", o)
	}
	switch o := head.Options["csv.formulas"]; o {
	case "", "escape":
	case "raw":
		d.escape = false
	default:
		return d, offprint.Errorf(offprint.Invalid, "The option csv.formulas is escape or raw, not %q.", o)
	}
	return d, nil
}

func readDelimiter(s string) (byte, bool) {
	switch s {
	case "comma":
		return ',', true
	case "semicolon":
		return ';', true
	case "tab", `\t`:
		return '\t', true
	case "pipe":
		return '|', true
	}
	if len(s) != 1 {
		return 0, false
	}
	c := s[0]
	plain := c == '"' || c == '\'' || c == '.' || c == '-' || c == '+' || c == ':' ||
		c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
	return c, !plain && (c == '\t' || c >= ' ' && c < 0x7F)
}

// decimalComma tells where Excel reads 1,5 as one and a half.
func decimalComma(locale string) bool {
	language, region, _ := strings.Cut(strings.ReplaceAll(locale, "_", "-"), "-")
	switch strings.ToUpper(region) {
	case "CH", "LI", "MX", "US", "GB":
		return false
	case "ZA":
		return true
	}
	switch strings.ToLower(language) {
	case "az", "be", "bg", "bs", "ca", "cs", "da", "de", "el", "es", "et", "eu", "fi", "fr", "gl", "hr", "hu", "hy", "id", "is", "it",
		"ka", "kk", "lt", "lv", "mk", "nb", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "tr", "uk", "uz", "vi":
		return true
	}
	return false
}
