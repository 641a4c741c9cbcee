package blob

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

// A Mem keeps blobs in memory, for tests and trials. The zero Mem is empty and
// ready.
type Mem struct {
	mu    sync.Mutex
	blobs map[string]memBlob
}

type memBlob struct {
	data []byte
	at   time.Time
}

func (m *Mem) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	if _, err := path(key); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = make(map[string]memBlob)
	}
	m.blobs[key] = memBlob{b.Bytes(), time.Now()}
	return nil
}

func (m *Mem) Open(_ context.Context, key string, offset int64) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[key]
	if !ok {
		return nil, offprint.Errorf(offprint.NotFound, "There is no such file.")
	}
	if offset < 0 {
		return nil, fmt.Errorf("open %s: offset %d", key, offset)
	}
	return io.NopCloser(bytes.NewReader(b.data[min(offset, int64(len(b.data))):])), nil
}

func (m *Mem) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, key)
	return nil
}

func (m *Mem) List(_ context.Context, prefix string) iter.Seq2[offprint.Blob, error] {
	m.mu.Lock()
	blobs := maps.Clone(m.blobs)
	m.mu.Unlock()
	return func(yield func(offprint.Blob, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(blobs)) {
			b := blobs[key]
			if strings.HasPrefix(key, prefix) && !yield(offprint.Blob{Key: key, Bytes: int64(len(b.data)), Modified: b.at}, nil) {
				return
			}
		}
	}
}
