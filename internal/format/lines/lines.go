// Package lines is what the text formats share: a line a row, in one file or,
// of a document of several parts, in a zip of files.
package lines

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/flate"

	"github.com/offprint/offprint"
)

// An Encoder writes at the end of a buffer, and keeps nothing of a row.
type Encoder interface {
	Begin(b []byte, columns []offprint.Column) []byte
	Row(b []byte, row offprint.Row) []byte
}

// Media is the extension and media type of a document: those of one file, or
// of a zip of them.
func Media(parts int, ext, mediaType string) (string, string) {
	if parts > 1 {
		return ".zip", "application/zip"
	}
	return ext, mediaType
}

// New begins a document of head.Parts parts, whose files have the extension.
func New(out io.Writer, head offprint.Head, ext string, e Encoder) offprint.Writer {
	w := &writer{encoder: e, out: out, flushAt: 1 << 10}
	if head.Parts > 1 {
		w.parts = newParts(out, ext)
	}
	return w
}

// block is how much is encoded before it is handed on. The first rows go in
// smaller ones, however long the next ones take.
const block = 64 << 10

type writer struct {
	encoder Encoder
	out     io.Writer // of the present part
	parts   *parts    // nil for a document of one
	begun   bool
	buf     []byte
	flushAt int
	width   int // columns
}

func (w *writer) Begin(t *offprint.Table) (err error) {
	switch {
	case w.parts != nil:
		if w.out, err = w.parts.next(t.Name); err != nil {
			return err
		}
	case w.begun:
		return errors.New("a second part, where one was announced")
	}
	w.begun, w.width = true, len(t.Columns)
	w.buf = w.encoder.Begin(w.buf[:0], t.Columns)
	return w.flush()
}

func (w *writer) Write(row offprint.Row) error {
	if len(row) != w.width {
		return fmt.Errorf("a row of %d values in a table of %d columns", len(row), w.width)
	}
	w.buf = w.encoder.Row(w.buf, row)
	if len(w.buf) < w.flushAt {
		return nil
	}
	w.flushAt = min(2*w.flushAt, block)
	return w.flush()
}

func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *writer) End(offprint.PartEnd) error { return w.flush() }

func (w *writer) Close(offprint.DocEnd) ([]offprint.Warning, error) {
	if w.parts == nil {
		return nil, nil
	}
	return nil, w.parts.zip.Close()
}

// parts are the files of a zip archive.
type parts struct {
	zip  *zip.Writer
	ext  string
	used map[string]bool
}

func newParts(w io.Writer, ext string) *parts {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 1) })
	return &parts{z, ext, map[string]bool{}}
}

// next begins the file of the named part, under a name that every file system
// takes and no other file of the archive has, also without case.
func (p *parts) next(name string) (io.Writer, error) {
	name = strings.Trim(strings.Map(fileRune, name), " .")
	if name == "" {
		name = "part"
	}
	unique := name
	for i := 2; p.used[strings.ToLower(unique)]; i++ {
		unique = name + "-" + strconv.Itoa(i)
	}
	p.used[strings.ToLower(unique)] = true
	return p.zip.Create(unique + p.ext)
}

func fileRune(r rune) rune {
	if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) {
		return '-'
	}
	return r
}
