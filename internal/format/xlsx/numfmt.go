package xlsx

import (
	"errors"
	"strings"
)

// everyDigit is the fraction of a number that is shown as it is.
const everyDigit = 1 << 30

// A code is what we have to know of a number-format code.
type code struct {
	date      bool // shows days or times
	decimals  int  // of the fraction, that it shows
	thousands bool
	literal   int // characters beside the digits
}

var (
	errOpen    = errors.New("a quote or a bracket is not closed")
	errLetters = errors.New("text stands in it without quotes")
	errLong    = errors.New("it is longer than 255 characters, or has more than four sections")
)

// readCode reads the first section of a code and checks them all: Excel asks
// to repair a workbook with a code that it cannot read.
func readCode(format string) (code, error) {
	s := scanner{rest: format}
	if format == "" || strings.EqualFold(format, "General") {
		return code{decimals: everyDigit}, nil
	}
	for s.rest != "" {
		if err := s.next(); err != nil {
			return code{}, err
		}
	}
	if len(format) > 255 || s.sections > 3 {
		return code{}, errLong
	}
	return s.code, nil
}

type scanner struct {
	code
	rest     string
	sections int
	fraction bool // after the point
}

// next takes one token off rest.
func (s *scanner) next() error {
	c := s.rest[0]
	s.rest = s.rest[1:]
	switch {
	case c == '"':
		text, rest, closed := strings.Cut(s.rest, `"`)
		s.rest = rest
		s.count(len(text))
		return unless(closed, errOpen)
	case c == '[':
		inside, rest, closed := strings.Cut(s.rest, "]")
		s.rest = rest
		elapsed := strings.Trim(strings.ToLower(inside), "hms") == "" && inside != ""
		s.date = s.date || elapsed && s.sections == 0
		return unless(closed, errOpen)
	case c == '\\' || c == '_' || c == '*':
		if s.rest == "" {
			return errOpen
		}
		size := len(firstRune(s.rest))
		s.rest = s.rest[size:]
		s.count(1)
		return nil
	case c == ';':
		s.sections++
		return nil
	case isLetter(c):
		return s.word(c)
	case c < ' ':
		return errLetters
	}
	if s.sections == 0 {
		s.digit(c)
	}
	return nil
}

func unless(ok bool, err error) error {
	if ok {
		return nil
	}
	return err
}

func firstRune(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i]
		}
	}
	return s
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func (s *scanner) count(n int) {
	if s.sections == 0 {
		s.literal += n
	}
}

func (s *scanner) digit(c byte) {
	switch c {
	case '0', '#', '?':
		if s.fraction {
			s.decimals++
		}
	case '.':
		s.fraction = true
	case ',':
		s.thousands = true
	case '%':
		s.decimals += 2
		s.literal++
	case '@':
		s.decimals = everyDigit
	default:
		s.literal++
	}
}

// word takes the letters that have a meaning.
func (s *scanner) word(c byte) error {
	all := string(c) + s.rest
	for _, word := range []string{"General", "AM/PM", "A/P"} {
		if len(all) >= len(word) && strings.EqualFold(all[:len(word)], word) {
			s.rest = all[len(word):]
			if word == "General" && s.sections == 0 {
				s.decimals = everyDigit
			}
			return nil
		}
	}
	switch c | 0x20 {
	case 'y', 'm', 'd', 'h', 's':
		s.date = s.date || s.sections == 0
		return nil
	case 'e': // E+00 has 15 digits before it, and so loses none
		if s.rest != "" && (s.rest[0] == '+' || s.rest[0] == '-') {
			s.decimals -= everyDigit
			return nil
		}
	}
	return errLetters
}
