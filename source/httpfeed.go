package source

import (
	"bytes"
	"errors"
	"io"
)

// longestRecord is how many bytes a row may have.
const longestRecord = 1 << 20

// A feed is a body that is read record by record, all into one buffer: what it
// hands out is good until it is asked for more, and may be written to.
type feed struct {
	body     io.Reader
	buf      []byte
	from, to int // of buf, what was read and not yet handed out
	err      error
}

var errLong = errors.New("a row is longer than 1 MiB")

// more reads on, and may move what is there to the beginning of buf.
func (f *feed) more() error {
	if f.err != nil {
		return f.err
	}
	if f.from > 0 {
		f.to = copy(f.buf, f.buf[f.from:f.to])
		f.from = 0
	}
	if f.to == len(f.buf) {
		if len(f.buf) >= longestRecord {
			return errLong
		}
		f.buf = append(f.buf, make([]byte, len(f.buf))...)
	}
	var n int
	n, f.err = f.body.Read(f.buf[f.to:])
	if f.to += n; n > 0 {
		return nil
	}
	return f.err
}

// peek is the next byte.
func (f *feed) peek() (byte, error) {
	for f.from == f.to {
		if err := f.more(); err != nil {
			return 0, err
		}
	}
	return f.buf[f.from], nil
}

// mark drops UTF-8's byte-order mark at the very beginning.
func (f *feed) mark() error {
	for f.to < 3 {
		if err := f.more(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
	if bytes.HasPrefix(f.buf[:f.to], []byte("\xEF\xBB\xBF")) {
		f.from = 3
	}
	return nil
}

// until hands out all before the byte that end finds, which is dropped; the
// rest of the body is handed out too, and then comes io.EOF. end has looked at
// so many bytes of the text before, and answers -1 for none.
func (f *feed) until(end func(text []byte, seen int) int) (record []byte, closed bool, err error) {
	for seen := 0; ; {
		if i := end(f.buf[f.from:f.to], seen); i >= 0 {
			record = f.buf[f.from : f.from+i]
			f.from += i + 1
			return record, true, nil
		}
		seen = f.to - f.from
		if err := f.more(); err == io.EOF && seen > 0 {
			record = f.buf[f.from:f.to]
			f.from = f.to
			return record, false, nil
		} else if err != nil {
			return nil, false, err
		}
	}
}

// lineFeed finds the next one.
func lineFeed(text []byte, seen int) int {
	if i := bytes.IndexByte(text[seen:], '\n'); i >= 0 {
		return seen + i
	}
	return -1
}
