package xlsx

import (
	"strconv"

	"github.com/offprint/offprint"
)

// Excel keeps 15 digits of a number, and no number of more than 308 before
// the point.
const (
	maxDigits   = 15
	maxExponent = 307
	maxShort    = 1e15
	maxExact    = 1 << 53 // integers beyond it are text, decimals are rounded
)

// appendDecimal writes a decimal, rounded to 15 significant digits. ok is
// false for one beyond the range of Excel's numbers. lost says that a digit that is not 0 went, and
// that it would have been among the decimals shown.
func appendDecimal(b []byte, v offprint.Value, decimals int) (out []byte, lost, ok bool) {
	if unscaled, scale, short := v.Unscaled(); short && unscaled < maxShort && unscaled > -maxShort {
		b = v.Append(b, nil)
		if scale > 0 {
			b = trimZeros(b)
		}
		return b, false, true
	}
	start := len(b)
	plain := v.Append(b, nil)
	if n, err := strconv.ParseInt(string(plain[start:]), 10, 64); err == nil && n >= -maxExact && n <= maxExact {
		return plain, false, true
	}
	d := readDigits(plain[start:])
	switch {
	case d.exponent > maxExponent:
		return b, false, false
	case len(d.digits) == 0 || d.exponent < -maxExponent:
		return append(b, '0'), len(d.digits) > 0 && decimals == everyDigit, true
	case len(d.digits) > maxDigits:
		lost = d.loses(decimals)
		d.round()
	}
	return d.append(b), lost, true
}

func trimZeros(b []byte) []byte {
	n := len(b)
	for b[n-1] == '0' {
		n--
	}
	if b[n-1] == '.' {
		n--
	}
	return b[:n]
}

// A number is what a plain decimal says: 0.00120 is 1.2 times 10^-3.
type number struct {
	negative bool
	digits   []byte
	exponent int
}

func readDigits(plain []byte) number {
	var d number
	if plain[0] == '-' {
		d.negative, plain = true, plain[1:]
	}
	digits := make([]byte, 0, len(plain))
	point := len(plain)
	for i, c := range plain {
		if c == '.' {
			point = i
			continue
		}
		digits = append(digits, c)
	}
	lead := 0
	for lead < len(digits) && digits[lead] == '0' {
		lead++
	}
	d.digits, d.exponent = digits[lead:], point-lead-1
	d.trim()
	return d
}

func (d *number) trim() {
	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == '0' {
		d.digits = d.digits[:len(d.digits)-1]
	}
}

// loses tells whether one of so many decimals, or of the digits before the
// point, lies behind the 15th digit. All of them end in one that is not 0.
func (d *number) loses(decimals int) bool {
	for i := maxDigits; i < len(d.digits) && i-d.exponent <= decimals; i++ {
		if d.digits[i] != '0' {
			return true
		}
	}
	return false
}

func (d *number) round() {
	up := d.digits[maxDigits] >= '5'
	d.digits = d.digits[:maxDigits]
	for i := maxDigits - 1; up && i >= 0; i-- {
		if d.digits[i] != '9' {
			d.digits[i]++
			up = false
			continue
		}
		d.digits[i] = '0'
	}
	if up {
		d.digits[0] = '1'
		d.exponent++
	}
	d.trim()
}

func (d *number) append(b []byte) []byte {
	if d.negative {
		b = append(b, '-')
	}
	b = append(b, d.digits[0])
	if len(d.digits) > 1 {
		b = append(append(b, '.'), d.digits[1:]...)
	}
	return strconv.AppendInt(append(b, 'E'), int64(d.exponent), 10)
}
