package source

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

// A lineReader reads NDJSON: an object on each line.
type lineReader struct {
	*feed
	begun bool
}

func (l *lineReader) row(t *serviceTable) (bool, error) {
	if !l.begun {
		l.begun = true
		if err := l.mark(); err != nil {
			return false, err
		}
	}
	for {
		line, closed, err := l.until(lineFeed)
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if line = bytes.Trim(line, " \t\r"); len(line) == 0 {
			continue
		}
		err = readObject(t, line)
		if errors.Is(err, io.ErrUnexpectedEOF) && closed {
			err = notJSON(t)
		}
		return err == nil, err
	}
}

func notJSON(t *serviceTable) error {
	return misanswered("Row %d is no JSON object.", t.number)
}

// An arrayReader reads the objects of one JSON array as they come.
type arrayReader struct {
	*feed
	begun, ended bool
}

func (a *arrayReader) row(t *serviceTable) (bool, error) {
	if !a.begun {
		a.begun = true
		if err := a.mark(); err != nil {
			return false, err
		}
		if c, err := a.solid(); err != nil || c != '[' {
			return false, a.unless(err, "It is JSON, and no array of objects.")
		}
		a.from++
	} else if a.ended {
		return false, nil
	}
	c, err := a.solid()
	if err == nil && c == ',' && t.number > 1 {
		a.from++
		c, err = a.solid()
	} else if err == nil && c != ']' && t.number > 1 {
		return false, misanswered("After row %d there is neither a comma nor the end of the array.", t.number-1)
	} else if err == nil && c == ']' {
		return false, a.end()
	}
	if err != nil || c != '{' {
		return false, a.unless(err, "Row "+strconv.Itoa(t.number)+" is no JSON object.")
	}
	object, err := a.object()
	if err != nil {
		return false, err
	}
	if err := readObject(t, object); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = notJSON(t)
		}
		return false, err
	}
	return true, nil
}

// unless is err, or what is wrong where all could be read.
func (a *arrayReader) unless(err error, what string) error {
	if err != nil {
		return endOf(err)
	}
	return misanswered("%s", what)
}

// solid is the next byte that is no white space.
func (a *arrayReader) solid() (byte, error) {
	for {
		c, err := a.peek()
		if err != nil || !blank(c) {
			return c, err
		}
		a.from++
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// end reads what follows the array, which is nothing.
func (a *arrayReader) end() error {
	a.ended = true
	a.from++
	if _, err := a.solid(); err != io.EOF {
		return a.unless(err, "There is something after the end of the array.")
	}
	return nil
}

// object is all up to the bracket that closes the one that comes next.
func (a *arrayReader) object() ([]byte, error) {
	var n nesting
	at := 0
	for {
		for ; a.from+at < a.to; at++ {
			if n.step(a.buf[a.from+at]) {
				object := a.buf[a.from : a.from+at+1]
				a.from += at + 1
				return object, nil
			}
		}
		if err := a.more(); err != nil {
			return nil, endOf(err)
		}
	}
}

// nesting finds where brackets that were opened are closed again.
type nesting struct {
	depth           int
	quoted, escaped bool
}

// step tells whether c is the last of them.
func (n *nesting) step(c byte) bool {
	switch {
	case n.escaped:
		n.escaped = false
	case n.quoted:
		n.escaped = c == '\\'
		n.quoted = c != '"'
	case c == '"':
		n.quoted = true
	case c == '{', c == '[':
		n.depth++
	case c == '}', c == ']':
		n.depth--
		return n.depth == 0
	}
	return false
}
