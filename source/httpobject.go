package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// An objectReader reads one JSON object, from the left. It writes the text of
// strings over their escapes, which are never shorter.
type objectReader struct {
	text []byte
	at   int
}

var errNotJSON = errors.New("not JSON")

// readObject puts what an object has into the row. io.ErrUnexpectedEOF means
// that it ends too early.
func readObject(t *serviceTable, text []byte) error {
	o := &objectReader{text: text}
	err := o.members(t)
	if err == nil && o.at < len(text) {
		err = errNotJSON
	}
	if errors.Is(err, errNotJSON) {
		return notJSON(t)
	}
	return err
}

func (o *objectReader) members(t *serviceTable) error {
	if err := o.expect('{'); err != nil {
		return err
	}
	if c, err := o.solid(); err != nil || c == '}' {
		o.at++
		return err
	}
	for {
		if err := o.member(t); err != nil {
			return err
		}
		c, err := o.solid()
		if err != nil {
			return err
		}
		o.at++
		switch c {
		case '}':
			return nil
		case ',':
		default:
			return errNotJSON
		}
	}
}

func (o *objectReader) member(t *serviceTable) error {
	if c, err := o.solid(); err != nil || c != '"' {
		return orNotJSON(err)
	}
	name, err := o.quoted()
	if err != nil {
		return err
	}
	if err := o.expect(':'); err != nil {
		return err
	}
	what, text, err := o.value()
	if err != nil {
		return err
	}
	return t.cell(name, what, text)
}

func orNotJSON(err error) error {
	if err == nil {
		return errNotJSON
	}
	return err
}

func (o *objectReader) solid() (byte, error) {
	for ; o.at < len(o.text); o.at++ {
		if c := o.text[o.at]; !blank(c) {
			return c, nil
		}
	}
	return 0, io.ErrUnexpectedEOF
}

func (o *objectReader) expect(c byte) error {
	if found, err := o.solid(); err != nil || found != c {
		return orNotJSON(err)
	}
	o.at++
	return nil
}

func (o *objectReader) value() (mark, []byte, error) {
	c, err := o.solid()
	if err != nil {
		return 0, nil, err
	}
	switch c {
	case '"':
		text, err := o.quoted()
		return textMark, text, err
	case '{', '[':
		return o.nested()
	case 't':
		return o.word(boolMark, "true")
	case 'f':
		return o.word(boolMark, "false")
	case 'n':
		return o.word(nullMark, "null")
	}
	return o.number()
}

func (o *objectReader) word(what mark, word string) (mark, []byte, error) {
	rest := o.text[o.at:]
	if !bytes.HasPrefix(rest, []byte(word)) {
		if bytes.HasPrefix([]byte(word), rest) {
			return 0, nil, io.ErrUnexpectedEOF
		}
		return 0, nil, errNotJSON
	}
	o.at += len(word)
	return what, rest[:len(word)], nil
}

// number reads by JSON's grammar: no 01, no 1., no +1.
func (o *objectReader) number() (mark, []byte, error) {
	begin := o.at
	o.skip('-')
	good := o.skip('0') || o.digits()
	if good && o.skip('.') {
		good = o.digits()
	}
	if good && (o.skip('e') || o.skip('E')) {
		_ = o.skip('+') || o.skip('-')
		good = o.digits()
	}
	switch {
	case o.at == len(o.text):
		return 0, nil, io.ErrUnexpectedEOF
	case !good:
		return 0, nil, errNotJSON
	}
	return numberMark, o.text[begin:o.at], nil
}

func (o *objectReader) skip(c byte) bool {
	if o.at == len(o.text) || o.text[o.at] != c {
		return false
	}
	o.at++
	return true
}

func (o *objectReader) digits() bool {
	length := span(shared(o.text[o.at:]), digit)
	o.at += length
	return length > 0
}

// nested is an object or a list as it is written.
func (o *objectReader) nested() (mark, []byte, error) {
	var n nesting
	for i, c := range o.text[o.at:] {
		if n.step(c) {
			text := o.text[o.at : o.at+i+1]
			if !json.Valid(text) {
				return 0, nil, errNotJSON
			}
			o.at += i + 1
			return nestedMark, text, nil
		}
	}
	return 0, nil, io.ErrUnexpectedEOF
}

// quoted is the text of a string.
func (o *objectReader) quoted() ([]byte, error) {
	o.at++
	begin := o.at
	for ; o.at < len(o.text); o.at++ {
		switch c := o.text[o.at]; {
		case c == '"':
			o.at++
			return o.text[begin : o.at-1], nil
		case c == '\\':
			return o.escaped(begin)
		case c < ' ':
			return nil, errNotJSON
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// escaped goes on where the first escape is.
func (o *objectReader) escaped(begin int) ([]byte, error) {
	to := o.at
	for o.at < len(o.text) {
		switch c := o.text[o.at]; {
		case c == '"':
			o.at++
			return o.text[begin:to], nil
		case c == '\\':
			n, err := o.escape(o.text[to:])
			if err != nil {
				return nil, err
			}
			to += n
		case c < ' ':
			return nil, errNotJSON
		default:
			o.text[to] = c
			to++
			o.at++
		}
	}
	return nil, io.ErrUnexpectedEOF
}

const escapes, escapeFor = `"\/bfnrt`, "\"\\/\b\f\n\r\t"

// escape writes what one stands for, and tells how many bytes it wrote.
func (o *objectReader) escape(to []byte) (int, error) {
	if o.at+1 == len(o.text) {
		return 0, io.ErrUnexpectedEOF
	}
	c := o.text[o.at+1]
	if i := bytes.IndexByte([]byte(escapes), c); i >= 0 {
		o.at += 2
		to[0] = escapeFor[i]
		return 1, nil
	}
	if c != 'u' {
		return 0, errNotJSON
	}
	r, err := o.unit()
	if err != nil {
		return 0, err
	}
	if utf16.IsSurrogate(r) {
		r = o.pair(r)
	}
	return utf8.EncodeRune(to, r), nil
}

// unit reads \u and four digits.
func (o *objectReader) unit() (rune, error) {
	if o.at+6 > len(o.text) {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := strconv.ParseUint(shared(o.text[o.at+2:o.at+6]), 16, 16)
	if err != nil {
		return 0, errNotJSON
	}
	o.at += 6
	return rune(n), nil
}

// pair reads the second half of a character beyond the first 65,536; a half
// alone is none.
func (o *objectReader) pair(high rune) rune {
	rest := o.text[o.at:]
	if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
		return utf8.RuneError
	}
	before := o.at
	low, err := o.unit()
	r := utf16.DecodeRune(high, low)
	if err != nil || r == utf8.RuneError {
		o.at = before
		return utf8.RuneError
	}
	return r
}
