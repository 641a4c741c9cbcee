package blob

import (
	"context"
	"io"
	"sync"

	"github.com/offprint/offprint"
)

// chunk is what an upload holds in memory, and sends at once. 10,000 of them,
// which are the most that S3 takes, are 167 GB.
const chunk = 16 << 20

var buffers = sync.Pool{New: func() any { return new([chunk]byte) }}

// An upload is a blob on its way to a server. After the first chunk the server
// keeps what it has, and shows nobody; after the last the blob is there.
type upload interface {
	send(ctx context.Context, b []byte) error // a chunk, after which more come
	last(ctx context.Context, b []byte) error // what is left; maybe all, maybe nothing
}

// put passes on what write writes, in chunks, while write goes on.
func put(ctx context.Context, up upload, write func(io.Writer) error) error {
	buf := buffers.Get().(*[chunk]byte)
	c := &chunks{ctx: ctx, up: up, buf: buf[:0]}
	if err := write(c); err != nil {
		return err
	}
	if c.err == nil {
		c.err = c.ended(up.last(ctx, c.buf))
	}
	if c.err == nil { // after an error a connection may still read from it
		buffers.Put(buf)
	}
	return c.err
}

// tooLarge is what a server does not take that takes so many chunks.
func tooLarge(most int) error {
	err := offprint.Errorf(offprint.TooLarge, "Its file would be larger than %d GB, which is all that the store takes. Ask for a shorter period, or for less.", most*chunk/1e9)
	err.Title = "The report is too large"
	return err
}

type chunks struct {
	ctx context.Context
	up  upload
	buf []byte
	err error // after which nothing is taken any more
}

func (c *chunks) Write(b []byte) (n int, err error) {
	for len(b) > 0 && c.err == nil {
		if len(c.buf) == chunk {
			c.err = c.up.send(c.ctx, c.buf)
			c.buf = c.buf[:0]
		}
		if c.err = c.ended(c.err); c.err != nil {
			break
		}
		taken := min(len(b), chunk-len(c.buf))
		c.buf = append(c.buf, b[:taken]...)
		b, n = b[taken:], n+taken
	}
	return n, c.err
}

// ended is why the upload was ended, if it was, and err otherwise: clients do
// not tell the cause.
func (c *chunks) ended(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	return err
}
