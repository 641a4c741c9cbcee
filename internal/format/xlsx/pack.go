package xlsx

import (
	"archive/zip"
	"errors"
	"hash/crc32"
	"io"
	"runtime"
)

// blockSize is how much is compressed at a time, by one goroutine.
const blockSize = 192 << 10

// A pack is a zip archive whose entries are streamed in blocks. Blocks are
// compressed side by side and written in their order by whoever calls, as soon
// as one calls; only the caller's goroutine touches the io.Writer. Each block
// ends at a byte, by a sync flush, so that they can be joined as they are.
type pack struct {
	zip    *zip.Writer
	entry  *zip.FileHeader
	body   io.Writer
	flying []*block // being compressed, the oldest first
	free   []*block
	most   int   // blocks at a time
	err    error // the first; nothing is written after it
}

func newPack(w io.Writer) *pack {
	return &pack{zip: zip.NewWriter(w), most: min(4, runtime.GOMAXPROCS(0))}
}

// begin opens an entry. Its sizes follow it, in zip64 where they have to.
func (p *pack) begin(name string) error {
	if p.err != nil {
		return p.err
	}
	const streamed, utf8Names = 0x8, 0x800
	p.entry = &zip.FileHeader{
		Name: name, Method: zip.Deflate, Flags: streamed | utf8Names,
		CreatorVersion: 45, ReaderVersion: 20,
	}
	//lint:ignore SA1019 CreateRaw writes the old fields, and only these.
	p.entry.ModifiedDate = 1<<5 | 1 // 1980-01-01, as Office has it: the same rows make the same file
	p.body, p.err = p.zip.CreateRaw(p.entry)
	return p.err
}

// put takes raw, the next piece of the entry, and answers with an empty buffer
// for the one after it.
func (p *pack) put(raw []byte) (next []byte, err error) {
	if p.err != nil {
		return raw[:0], p.err
	}
	for n := len(p.flying); n > 0 && (n == p.most || len(p.flying[0].done) > 0); n = len(p.flying) {
		p.land()
	}
	b := p.take()
	next, b.raw = b.raw[:0], raw
	p.flying = append(p.flying, b)
	go b.compress()
	return next, p.err
}

func (p *pack) take() *block {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b
	}
	return &block{done: make(chan struct{}, 1)}
}

// land waits for the oldest block and writes it. After an error it waits for
// all of them, so that nothing of a broken document goes on.
func (p *pack) land() {
	b := p.flying[0]
	p.flying = append(p.flying[:0], p.flying[1:]...)
	<-b.done
	if p.err == nil {
		_, p.err = p.body.Write(b.packed)
	}
	if p.err == nil {
		p.err = p.zip.Flush()
	}
	p.entry.CRC32 = combineCRC(p.entry.CRC32, b.crc, uint64(len(b.raw)))
	p.entry.UncompressedSize64 += uint64(len(b.raw))
	p.entry.CompressedSize64 += uint64(len(b.packed))
	p.free = append(p.free, b)
	if p.err != nil {
		p.landAll()
	}
}

func (p *pack) landAll() {
	for len(p.flying) > 0 {
		p.land()
	}
}

// A stash is a piece of an entry that is made before its time. It waits
// compressed, and is joined as it is.
type stash struct {
	raw    []byte // not compressed yet: whoever adds to it calls keep
	packed []byte
	crc    uint32
	size   uint64
}

// keep compresses what the stash has, once it is worth it.
func (p *pack) keep(s *stash) {
	if len(s.raw) >= blockSize {
		p.squeeze(s)
	}
}

func (p *pack) squeeze(s *stash) {
	b := p.take()
	s.raw, b.raw = b.raw[:0], s.raw
	b.shrink()
	s.packed = append(s.packed, b.packed...)
	s.crc = combineCRC(s.crc, b.crc, uint64(len(b.raw)))
	s.size += uint64(len(b.raw))
	p.free = append(p.free, b)
}

// pour puts a stash into the entry, and empties it.
func (p *pack) pour(s *stash) error {
	if len(s.raw) > 0 {
		p.squeeze(s)
	}
	p.landAll()
	if p.err != nil {
		return p.err
	}
	_, p.err = p.body.Write(s.packed)
	p.entry.CRC32 = combineCRC(p.entry.CRC32, s.crc, s.size)
	p.entry.UncompressedSize64 += s.size
	p.entry.CompressedSize64 += uint64(len(s.packed))
	*s = stash{raw: s.raw[:0], packed: s.packed[:0]}
	return p.err
}

// end closes the entry.
func (p *pack) end() error {
	p.landAll()
	if p.err != nil {
		return p.err
	}
	lastBlock := []byte{3, 0} // an empty one
	_, p.err = p.body.Write(lastBlock)
	e := p.entry
	e.CompressedSize64 += uint64(len(lastBlock))
	const most32 = 1<<32 - 1
	if e.CompressedSize64 >= most32 || e.UncompressedSize64 >= most32 {
		e.ReaderVersion = 45
	}
	//lint:ignore SA1019 As above.
	e.CompressedSize = uint32(min(e.CompressedSize64, most32))
	//lint:ignore SA1019 As above.
	e.UncompressedSize = uint32(min(e.UncompressedSize64, most32))
	return p.err
}

// file is a whole entry at once.
func (p *pack) file(name string, content []byte) error {
	if err := p.begin(name); err != nil {
		return err
	}
	if _, err := p.put(content); err != nil {
		return err
	}
	return p.end()
}

func (p *pack) close() error {
	if p.err != nil {
		return p.err
	}
	p.err = errors.New("the archive is closed")
	return p.zip.Close()
}

// A block is a piece of an entry on its way through the compressor.
type block struct {
	raw     []byte
	packed  []byte
	crc     uint32
	deflate deflater
	done    chan struct{} // holds one, so that nobody has to come for it
}

// compress is all that ever runs beside the caller. It ends by itself, within
// the time of one block: a document that is never closed leaves nothing behind.
func (b *block) compress() {
	b.shrink()
	b.done <- struct{}{}
}

func (b *block) shrink() {
	b.crc = crc32.ChecksumIEEE(b.raw)
	b.packed = b.deflate.append(b.packed[:0], b.raw)
}

// combineCRC is the CRC-32 of a piece of CRC a followed by one of CRC b and
// the given length: a * x^(8*length) + b modulo the polynomial, bits reflected.
func combineCRC(a, b uint32, length uint64) uint32 {
	power := uint32(1) << 23 // x^8
	for ; length > 0; length >>= 1 {
		if length&1 != 0 {
			a = multiply(a, power)
		}
		power = multiply(power, power)
	}
	return a ^ b
}

func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			product ^= b
		}
		b = b>>1 ^ crc32.IEEE&-(b&1)
	}
	return product
}
