package offprint

import (
	"context"
	"io"
	"iter"
	"time"
)

// Blobs keep files by key: segments of [A-Za-z0-9._-] parted by slashes.
// A blob is whole or absent to whoever opens it.
type Blobs interface {
	// Put stores what write writes. nil means it is there and durable; after
	// an error it may still be there, and only the sweep deletes it. write's
	// own error comes back as it is; any other is the store's.
	Put(ctx context.Context, key string, write func(io.Writer) error) error
	// Open reads from offset on; the error of a missing blob is a NotFound.
	Open(ctx context.Context, key string, offset int64) (io.ReadCloser, error)
	// Delete deletes; a missing blob is no error.
	Delete(ctx context.Context, key string) error
	// List are the blobs whose keys begin with prefix, in the order of their
	// keys, and the remains of what was never finished, before, among or after
	// them.
	List(ctx context.Context, prefix string) iter.Seq2[Blob, error]
}

// A Signer is a store of [Blobs] that can hand a blob out itself.
type Signer interface {
	// Sign is an address at which anybody who has it can GET the blob, whole or
	// in parts, until so much time has passed. The answer is of that media type
	// and an attachment of that name.
	Sign(ctx context.Context, key, name, mediaType string, lasting time.Duration) (address string, err error)
}

// A Blob is an entry in a list of them.
type Blob struct {
	Key      string
	Bytes    int64
	Modified time.Time
	Partial  bool // was never finished
}
