package desk_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/ledger"
)

// openDesk is a desk on a fresh SQLite ledger, where nobody works yet.
func openDesk(t *testing.T, blobs offprint.Blobs) *desk.Desk {
	t.Helper()
	l, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return desk.New(desk.Config{Catalog: catalog{numbers(counter{rows: 3})}, Ledger: l, Formats: []offprint.Format{csv.Format}, Blobs: blobs})
}

func TestWorkSaysAtOnceThatItCannotStart(t *testing.T) {
	d := openDesk(t, new(blob.Mem))
	done := make(chan error, 1)
	go func() { done <- d.Work(t.Context(), 10_001) }() // more slots than a queue may have
	select {
	case err := <-done:
		if err == nil {
			t.Error("it started")
		}
	case <-time.After(10 * time.Second):
		t.Error("it has not started, and says nothing")
	}
}

// stubborn is a store that does not delete what is of one run.
type stubborn struct {
	*blob.Mem
	run string
}

var errStubborn = errors.New("access denied to this object")

func (s *stubborn) Delete(ctx context.Context, key string) error {
	if s.run != "" && strings.HasPrefix(key, s.run) {
		return errStubborn
	}
	return s.Mem.Delete(ctx, key)
}

func TestAFileThatCannotBeDeletedKeepsNoOther(t *testing.T) {
	blobs := &stubborn{Mem: new(blob.Mem)}
	d := openDesk(t, blobs)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Work(ctx, 1) }()
	first, second := submit(t, d, ann, desk.Ask{}), submit(t, d, ann, desk.Ask{})
	for _, run := range []offprint.Run{first, second} {
		until(t, d, ann, run.ID, final)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	blobs.run = first.ID
	for _, run := range []offprint.Run{first, second} { // what dead epochs left, and what nobody wants any more
		err := blobs.Put(t.Context(), run.ID+"/0/left.csv", func(w io.Writer) error { _, err := w.Write([]byte("x")); return err })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Ledger.DeleteFile(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Sweep(t.Context(), true); !errors.Is(err, errStubborn) {
		t.Errorf("sweep: %v, want to be told", err)
	}
	for run, want := range map[string]offprint.FileState{first.ID: offprint.FileExpired, second.ID: offprint.Deleted} {
		if r, err := d.Ledger.Get(t.Context(), run); err != nil || r.File.State != want {
			t.Errorf("the file is %v, %v; want %s", r.File, err, want)
		}
	}
	for b, err := range blobs.List(t.Context(), second.ID) {
		t.Errorf("still there: %s, %v", b.Key, err)
	}

	blobs.run = ""
	if err := d.Sweep(t.Context(), true); err != nil {
		t.Error(err)
	}
	for b, err := range blobs.List(t.Context(), "") {
		t.Errorf("in the end still there: %s, %v", b.Key, err)
	}
}
