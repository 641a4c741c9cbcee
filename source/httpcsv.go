package source

import (
	"bytes"
	"io"
	"strings"
)

// A csvReader reads CSV as RFC 4180 has it. The first record names the
// columns. An empty field is null, and one of quotes alone an empty text.
type csvReader struct {
	*feed
	names  [][]byte // nil before the first record
	fields []csvField
	quoted bool // at the end of what was looked at of the present record
	closed int  // where in it the last quotes closed; a quote there is a doubled one
}

type csvField struct {
	text []byte
	null bool
}

func (c *csvReader) row(t *serviceTable) (bool, error) {
	if c.names == nil {
		if more, err := c.head(t); !more || err != nil {
			return false, err
		}
	}
	more, err := c.record(t)
	if !more || err != nil {
		return false, err
	}
	if len(c.fields) != len(c.names) {
		return false, misanswered("Row %d has %d fields where the first line names %d columns.", t.number, len(c.fields), len(c.names))
	}
	for i, field := range c.fields {
		what := textMark
		if field.null {
			what = nullMark
		}
		if err := t.cell(c.names[i], what, field.text); err != nil {
			return false, err
		}
	}
	return true, nil
}

// head reads the names, among which are all that the report speaks of.
func (c *csvReader) head(t *serviceTable) (bool, error) {
	if err := c.mark(); err != nil {
		return false, err
	}
	more, err := c.record(t)
	if !more || err != nil {
		return false, err
	}
	named := map[string]bool{}
	for _, field := range c.fields {
		name := strings.ToValidUTF8(string(field.text), "\uFFFD")
		if named[name] {
			return false, misanswered("The first line names the column %s twice.", clipped(field.text))
		}
		named[name] = true
		c.names = append(c.names, []byte(name))
		if _, known := t.places[name]; !known {
			t.add(name)
		}
	}
	for _, said := range t.said {
		if !named[said.Name] {
			return false, misanswered("The first line does not name the column %q, which the header of the report speaks of.", said.Name)
		}
	}
	return true, nil
}

// record reads the next one; where there are several columns, a line without
// anything is none.
func (c *csvReader) record(t *serviceTable) (bool, error) {
	for {
		c.quoted, c.closed = false, 0
		text, closed, err := c.until(c.end)
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if c.quoted { // the body ends within a field
			return false, io.ErrUnexpectedEOF
		}
		if closed {
			text = bytes.TrimSuffix(text, []byte("\r"))
		}
		if len(text) == 0 && len(c.names) != 1 {
			continue
		}
		if !c.split(text) {
			return false, misanswered("Row %d is no CSV: a quote stands where none can be. A field with quotes stands in quotes, and each of its own is doubled.", t.number)
		}
		return true, nil
	}
}

// end finds the line feed that is in no quotes. A quote in the middle of a
// field opens nothing; split complains of it.
func (c *csvReader) end(text []byte, at int) int {
	feed := 0 // before at: not looked for; -1: there is none
	for {
		if c.quoted {
			i := bytes.IndexByte(text[at:], '"')
			if i < 0 {
				return -1
			}
			at += i + 1
			c.quoted, c.closed = false, at
		}
		if feed >= 0 && feed <= at {
			feed = lineFeed(text, at)
		}
		before := text[at:]
		if feed >= 0 {
			before = text[at:feed]
		}
		quote := bytes.IndexByte(before, '"')
		if quote < 0 {
			return feed
		}
		at += quote
		c.quoted = at == 0 || at == c.closed || text[at-1] == ','
		at++
	}
}

// split cuts a record into its fields; false where a quote makes no sense.
func (c *csvReader) split(text []byte) bool {
	c.fields = c.fields[:0]
	for {
		field, rest, more, ok := csvCut(text)
		if !ok {
			return false
		}
		c.fields = append(c.fields, field)
		if !more {
			return true
		}
		text = rest
	}
}

// csvCut reads the first field and the comma behind it. It writes the text
// over its doubled quotes.
func csvCut(text []byte) (field csvField, rest []byte, more, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		plain, rest, more := bytes.Cut(text, []byte(","))
		return csvField{plain, len(plain) == 0}, rest, more, bytes.IndexByte(plain, '"') < 0
	}
	to := 0
	for at := 1; at < len(text); at++ {
		c := text[at]
		if c == '"' {
			switch {
			case at+1 == len(text):
				return csvField{text: text[:to]}, nil, false, true
			case text[at+1] == ',':
				return csvField{text: text[:to]}, text[at+2:], true, true
			case text[at+1] != '"':
				return field, nil, false, false
			}
			at++
		}
		text[to] = c
		to++
	}
	return field, nil, false, false
}
