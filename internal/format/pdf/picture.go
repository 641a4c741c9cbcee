package pdf

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A picture is a column's Excel number-format code, as far as paper needs it:
// digits, decimals, grouping, percent, texts, a section for negative numbers,
// and days and times in figures. nil is any other code, and prints nothing.
type picture struct {
	positive, negative *section // of numbers
	time               []string // of times: yyyy, mm, mi, or a text behind a quote
	half               bool     // a clock of twice twelve hours
}

// A section is "1,234.50 €" as a pattern.
type section struct {
	before, after        string
	digits               int // at least, before the point
	decimals, atMost     int
	grouped, percent     bool
	numeric, afterDigits bool
}

func (p *picture) numbers() bool { return p != nil && p.positive != nil }

func (p *picture) dates() bool { return p != nil && p.time != nil }

func pictureOf(code string) *picture {
	tokens, ok := tokensOf(code)
	if !ok {
		return nil
	}
	for _, t := range tokens {
		if strings.Contains("yYdDhHsS", t[:1]) {
			return timePicture(tokens)
		}
	}
	var sections [][]string
	for {
		i := indexOf(tokens, ";")
		sections = append(sections, tokens[:i])
		if i == len(tokens) {
			break
		}
		tokens = tokens[i+1:]
	}
	p := &picture{positive: sectionOf(sections[0])}
	if p.positive == nil {
		return nil
	}
	if len(sections) > 1 && len(sections[1]) > 0 {
		p.negative = sectionOf(sections[1])
	}
	return p
}

func indexOf(tokens []string, token string) int {
	for i, t := range tokens {
		if t == token {
			return i
		}
	}
	return len(tokens)
}

// tokensOf parts a code into runs of one letter, AM/PM, and texts, which begin
// with a quote. It knows neither conditions nor fractions nor exponents.
func tokensOf(code string) (tokens []string, ok bool) {
	for len(code) > 0 {
		_, n := utf8.DecodeRuneInString(code)
		c := code[:n]
		switch {
		case c == `"`:
			text, _, closed := strings.Cut(code[1:], `"`)
			if !closed {
				return nil, false
			}
			tokens, n = append(tokens, `"`+text), len(text)+2
		case (c == `\` || c == "_" || c == "*") && len(code) > 1:
			_, next := utf8.DecodeRuneInString(code[1:])
			n += next
			tokens = append(tokens, map[string]string{`\`: `"` + code[1:n], "_": `" `, "*": `"`}[c])
		case c == "[":
			inside, _, closed := strings.Cut(code[1:], "]")
			text, known := bracket(inside)
			if !closed || !known {
				return nil, false
			}
			tokens, n = append(tokens, `"`+text), len(inside)+2
		case strings.HasPrefix(strings.ToUpper(code), "AM/PM"):
			tokens, n = append(tokens, "AM/PM"), len("AM/PM")
		case strings.Contains("?@EeGg/", c) && !strings.Contains(code, "/"), c == "?", c == "@":
			return nil, false
		case strings.Contains("yYmMdDhHsS", c):
			n = len(code) - len(strings.TrimLeft(code, strings.ToLower(c)+strings.ToUpper(c)))
			tokens = append(tokens, strings.ToLower(code[:n]))
		case strings.Contains("0#,.%;", c):
			tokens = append(tokens, c)
		default:
			tokens = append(tokens, `"`+c)
		}
		code = code[n:]
	}
	return tokens, len(tokens) > 0
}

// bracket is the text of [$€-407]; colors are none.
func bracket(inside string) (text string, known bool) {
	if currency, ok := strings.CutPrefix(inside, "$"); ok {
		text, _, _ = strings.Cut(currency, "-")
		return text, true
	}
	switch strings.ToLower(inside) {
	case "black", "blue", "cyan", "green", "magenta", "red", "white", "yellow":
		return "", true
	}
	return "", false
}

// sectionOf answers nil for what it does not know, as a scale of thousands.
func sectionOf(tokens []string) *section {
	var s section
	point := false
	for i, t := range tokens {
		switch t {
		case "0", "#":
			if s.afterDigits {
				return nil
			}
			s.numeric = true
			switch {
			case point && t == "0":
				s.decimals, s.atMost = s.atMost+1, s.atMost+1
			case point:
				s.atMost++
			case t == "0":
				s.digits++
			}
		case ",":
			if !s.numeric || point || i+1 == len(tokens) || !strings.Contains("0#", tokens[i+1]) {
				return nil
			}
			s.grouped = true
		case ".":
			if point {
				return nil
			}
			point, s.numeric = true, true
		default:
			text := strings.TrimPrefix(t, `"`)
			if t == "%" {
				text, s.percent = "%", true
			}
			if !s.numeric {
				s.before += text
				continue
			}
			s.after, s.afterDigits = s.after+text, true
		}
	}
	if !s.numeric {
		return nil
	}
	return &s
}

func (p *picture) append(b []byte, n number, group, point string) []byte {
	s := p.positive
	if n.negative && p.negative != nil {
		s, n.negative = p.negative, false
	}
	if s.percent {
		n = n.hundredfold()
	}
	n = n.rounded(s.atMost)
	for len(n.fraction) < s.decimals {
		n.fraction = append(n.fraction, '0')
	}
	for len(n.fraction) > s.decimals && n.fraction[len(n.fraction)-1] == '0' {
		n.fraction = n.fraction[:len(n.fraction)-1]
	}
	if missing := s.digits - len(n.whole); missing > 0 {
		n.whole = append(bytes.Repeat([]byte("0"), missing), n.whole...)
	}
	if n.negative {
		b, n.negative = append(b, '-'), false
	}
	if !s.grouped {
		group = ""
	}
	return append(n.append(append(b, s.before...), group, point), s.after...)
}

// timePicture tells months from minutes as Excel does: minutes come after
// hours or before seconds. Names of months and days are left to plain dates.
func timePicture(tokens []string) *picture {
	p := &picture{}
	last := ""
	for i, t := range tokens {
		switch {
		case t == ";":
			return p
		case strings.HasPrefix(t, "m") && len(t) <= 2 && (strings.HasPrefix(last, "h") || next(tokens[i+1:]) == "s"):
			t = t + "i"
		case t == "AM/PM":
			p.half = true
		case len(t) > 2 && (t[0] == 'm' || t[0] == 'd'):
			return nil
		case strings.Contains("0#", t):
			return nil
		case strings.Contains(",.%", t):
			t = `"` + t
		}
		if strings.Contains("ymdhs", t[:1]) {
			last = t
		}
		p.time = append(p.time, t)
	}
	return p
}

// next is the letter of the next part of a time.
func next(tokens []string) string {
	for _, t := range tokens {
		if strings.Contains("ymdhs", t[:1]) {
			return t[:1]
		}
	}
	return ""
}

func (p *picture) appendTime(b []byte, micros int64) []byte {
	t := time.UnixMicro(micros).UTC()
	hour := t.Hour()
	if p.half {
		hour = (hour+11)%12 + 1
	}
	for _, token := range p.time {
		switch token {
		case "yy":
			b = appendPadded(b, t.Year()%100, 2)
		case "mi", "mmi":
			b = appendPadded(b, t.Minute(), len(token)-1)
		case "m", "mm":
			b = appendPadded(b, int(t.Month()), len(token))
		case "d", "dd":
			b = appendPadded(b, t.Day(), len(token))
		case "h", "hh":
			b = appendPadded(b, hour, len(token))
		case "s", "ss":
			b = appendPadded(b, t.Second(), len(token))
		case "AM/PM":
			b = t.AppendFormat(b, "PM")
		default:
			if token[0] == 'y' {
				b = appendPadded(b, t.Year(), 4)
				continue
			}
			b = append(b, token[1:]...)
		}
	}
	return b
}

func appendPadded(b []byte, n, digits int) []byte {
	text := strconv.Itoa(n)
	for range digits - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}
