package pdf

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
)

// A file is a PDF as numbered objects, each written once and found by its
// offset. The first error of the writer below stays, and end answers it.
type file struct {
	out     *bufio.Writer
	at      int64
	err     error
	offsets []int64 // by object number; 0: not written yet; negative: a place in a pack
	deflate *zlib.Writer
	packed  bytes.Buffer
	tree    []node // from the leaves up
}

func newFile(w io.Writer) *file {
	// Level 1: measured, level 6 costs a quarter more time for a sixth less file.
	deflate, _ := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed)
	f := &file{out: bufio.NewWriterSize(w, 1<<16), offsets: make([]int64, 1), deflate: deflate}
	f.write("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	return f
}

// reserve is the number of an object that is to be written later.
func (f *file) reserve() int {
	f.offsets = append(f.offsets, 0)
	return len(f.offsets) - 1
}

func (f *file) write(s string) {
	n, err := f.out.WriteString(s)
	f.wrote(n, err)
}

func (f *file) wrote(n int, err error) {
	f.at += int64(n)
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("write pdf: %w", err)
	}
}

func (f *file) object(n int, body string) {
	f.offsets[n] = f.at
	f.write(fmt.Sprintf("%d 0 obj\n%s\nendobj\n", n, body))
}

// add writes an object under the next free number.
func (f *file) add(body string) int {
	n := f.reserve()
	f.object(n, body)
	return n
}

// stream writes a deflated stream; dict are the entries of its own.
func (f *file) stream(n int, dict string, parts ...[]byte) {
	f.packed.Reset()
	f.deflate.Reset(&f.packed)
	for _, p := range parts {
		f.deflate.Write(p) // into memory: it cannot fail
	}
	f.deflate.Close()
	f.raw(n, dict+"/Filter/FlateDecode", f.packed.Bytes())
}

func (f *file) raw(n int, dict string, body []byte) {
	f.offsets[n] = f.at
	f.write(fmt.Sprintf("%d 0 obj\n<<%s/Length %d>>stream\n", n, dict, len(body)))
	count, err := f.out.Write(body)
	f.wrote(count, err)
	f.write("\nendstream\nendobj\n")
}

// mostPacked is how many objects a pack holds.
const mostPacked = 1 << 16

// pack writes small objects together, each of which ends where ends says, and
// answers the number of the first. The others follow it.
func (f *file) pack(objects []byte, ends []int) (first int) {
	first = len(f.offsets)
	f.offsets = append(f.offsets, make([]int64, len(ends))...)
	begin := 0
	for from := 0; from < len(ends); from += mostPacked {
		to := min(len(ends), from+mostPacked)
		f.packSome(first+from, objects[begin:ends[to-1]], begin, ends[from:to])
		begin = ends[to-1]
	}
	return first
}

// packSome writes one stream of objects; begin is what their ends count from.
func (f *file) packSome(first int, objects []byte, begin int, ends []int) {
	stream := f.reserve()
	var places []byte
	at := 0
	for i, end := range ends {
		f.offsets[first+i] = -(int64(stream)<<16 | int64(i))
		places = fmt.Appendf(places, "%d %d ", first+i, at)
		at = end - begin
	}
	f.stream(stream, fmt.Sprintf("/Type/ObjStm/N %d/First %d", len(ends), len(places)), places, objects)
}

// A node gathers pages, or nodes of pages, until it is full.
type node struct {
	number int // of its object; 0: none yet
	kids   []byte
	many   int // kids
	pages  int // below it
}

const fanOut = 64

// page writes a page, whose entries but for its parent are given.
func (f *file) page(n int, entries string) {
	f.object(n, fmt.Sprintf("<</Type/Page/Parent %d 0 R%s>>", f.node(0).number, entries))
	f.adopt(0, n, 1)
}

// node is the open one of that level.
func (f *file) node(level int) *node {
	if level == len(f.tree) {
		f.tree = append(f.tree, node{})
	}
	n := &f.tree[level]
	if n.number == 0 {
		n.number = f.reserve()
	}
	return n
}

func (f *file) adopt(level, kid, pages int) {
	n := f.node(level)
	n.kids = fmt.Appendf(n.kids, "%d 0 R ", kid)
	n.many++
	n.pages += pages
	if n.many == fanOut {
		f.closeNode(level)
	}
}

func (f *file) closeNode(level int) {
	parent := f.node(level + 1).number
	n := &f.tree[level]
	number, pages := n.number, n.pages
	f.object(number, fmt.Sprintf("<</Type/Pages/Parent %d 0 R/Count %d/Kids[%s]>>", parent, pages, n.kids))
	*n = node{kids: n.kids[:0]}
	f.adopt(level+1, number, pages)
}

// closeTree writes what is open, from the leaves up, and answers the root.
func (f *file) closeTree() (root, pages int) {
	for level := 0; level < len(f.tree)-1; level++ {
		if f.tree[level].many > 0 {
			f.closeNode(level)
		}
	}
	n := f.tree[len(f.tree)-1]
	f.object(n.number, fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s]>>", n.pages, n.kids))
	return n.number, n.pages
}

// end writes the table of offsets as a stream, whose five bytes for each hold
// a terabyte, and answers the first error there was.
func (f *file) end(entries string) error {
	n, start := f.reserve(), f.at
	f.offsets[n] = start
	f.packed.Reset()
	f.deflate.Reset(&f.packed)
	for _, at := range f.offsets {
		entry := [8]byte{6: 0xff, 7: 0xff} // not in use
		if at > 0 {                        // type, five bytes of offset, two of generation
			binary.BigEndian.PutUint64(entry[:], uint64(at)<<16)
			entry[0] = 1
		}
		if at < 0 { // type, its pack, its place there
			binary.BigEndian.PutUint64(entry[:], uint64(-at))
			entry[0] = 2
		}
		f.deflate.Write(entry[:]) // into memory
	}
	f.deflate.Close()
	f.raw(n, fmt.Sprintf("/Type/XRef/Size %d/W[1 5 2]%s/Filter/FlateDecode", len(f.offsets), entries), f.packed.Bytes())
	f.write(fmt.Sprintf("startxref\n%d\n%%%%EOF\n", start))
	if f.err == nil {
		f.wrote(0, f.out.Flush())
	}
	return f.err
}
