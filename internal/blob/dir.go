// Package blob keeps files: each store is an [offprint.Blobs], and all of them
// pass one test.
package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/offprint/offprint"
)

// A Dir keeps blobs as files below a folder of its own: orders.xlsx of the
// second epoch of a run is <folder>/run_0193…/2/orders.xlsx. What is being
// written ends in .part and gets its name only when it is on the disk.
type Dir struct {
	// Reserve is what stays free on the disk, on which the ledger may live too:
	// a Put that would take of it is refused. 0 is 1 GiB, or a twentieth of a
	// disk that is smaller than twenty; less than that is none.
	Reserve int64
	root    *os.Root
}

const part = ".part"

// OpenDir opens the folder, which is made if it is missing.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return &Dir{root: root}, nil
}

// Close lets the folder go; open blobs stay readable.
func (d *Dir) Close() error { return d.root.Close() }

// Put writes to a file of a temporary name, makes it durable, and renames it;
// then the folders' entries are made durable too.
func (d *Dir) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	name, err := path(key)
	if err != nil {
		return err
	}
	if _, err := d.room(0); err != nil {
		return err
	}
	if err := d.root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return stored(err)
	}
	if err := d.fill(ctx, name+part, write); err != nil {
		return errors.Join(err, d.discard(name+part))
	}
	if err := d.root.Rename(name+part, name); err != nil {
		return stored(err)
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if err := d.syncDir(dir); err != nil {
			return stored(err)
		}
		if dir == "." {
			return nil
		}
	}
}

func (d *Dir) fill(ctx context.Context, name string, write func(io.Writer) error) error {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return stored(err)
	}
	err = write(&storing{ctx: ctx, f: f, dir: d})
	if err == nil {
		err = stored(f.Sync())
	}
	if closed := stored(f.Close()); err == nil {
		err = closed
	}
	return err
}

// discard deletes what a failed Put left; the sweep would find it, but a full
// disk wants it gone now.
func (d *Dir) discard(name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// room refuses to write so many bytes if they would take of the reserve, and
// answers how many more may be written until it is asked again: a sixty-fourth
// of the reserve, so that all who write at once do not use it up.
func (d *Dir) room(bytes int64) (more int64, err error) {
	free, size, err := d.Free()
	if errors.Is(err, errors.ErrUnsupported) {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, stored(err)
	}
	reserve := d.Reserve
	if reserve == 0 {
		reserve = min(1<<30, size/20)
	}
	if free-bytes < reserve {
		return 0, stored(fmt.Errorf("%w: %d bytes are free and %d are kept so", syscall.ENOSPC, free, reserve))
	}
	return reserve / 64, nil
}

// storing writes to f until ctx ends or there is no room, and tells the
// store's errors from the writer's own.
type storing struct {
	ctx  context.Context
	f    *os.File
	dir  *Dir
	more int64 // bytes until the room is looked at again
}

func (s *storing) Write(b []byte) (int, error) {
	if err := context.Cause(s.ctx); err != nil {
		return 0, err
	}
	if s.more -= int64(len(b)); s.more < 0 {
		more, err := s.dir.room(int64(len(b)))
		if err != nil {
			return 0, err
		}
		s.more = more
	}
	n, err := s.f.Write(b)
	return n, stored(err)
}

// stored is a store's error as people and the ledger see it.
func stored(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e := offprint.Errorf(offprint.StorageUnavailable, "The disk that keeps the files is full. Your request is kept and tried again. If this stays so, tell whoever runs this server.")
		e.Title = "There is no room for the file"
		return e.Because(err)
	}
	e := offprint.Errorf(offprint.StorageUnavailable, "The file could not be stored. Your request is kept and tried again.")
	e.Title = "The store did not take the file"
	return e.Because(err)
}

// Open reads the blob at key from offset on.
func (d *Dir) Open(_ context.Context, key string, offset int64) (io.ReadCloser, error) {
	name, err := path(key)
	if err != nil {
		return nil, err
	}
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, offprint.Errorf(offprint.NotFound, "There is no such file.").Because(err)
	}
	if err != nil {
		return nil, unread(err)
	}
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, errors.Join(unread(err), f.Close())
	}
	return f, nil
}

// Delete deletes the blob and the folders that it leaves empty.
func (d *Dir) Delete(_ context.Context, key string) error {
	name, err := path(key)
	if err != nil {
		return err
	}
	for _, file := range []string{name, name + part} {
		if err := d.discard(file); err != nil {
			return stored(err)
		}
	}
	for dir := filepath.Dir(name); dir != "."; dir = filepath.Dir(dir) {
		if d.root.Remove(dir) != nil { // not empty, or gone already
			break
		}
	}
	return nil
}

// List walks the folder in the order of its names. A folder below it that
// cannot be read hides no other; the first one is told of at the end.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[offprint.Blob, error] {
	return func(yield func(offprint.Blob, error) bool) {
		var unreadable error
		ended := false // nobody wants more
		err := fs.WalkDir(d.root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) { // deleted while we walk
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && entry != nil {
				unreadable = cmp.Or(unreadable, err)
				return fs.SkipDir
			}
			if err != nil {
				return err
			}
			err = visit(name, entry, prefix, yield)
			ended = errors.Is(err, fs.SkipAll)
			return err
		})
		if err = cmp.Or(err, unreadable); err != nil && !ended {
			yield(offprint.Blob{}, unread(err))
		}
	}
}

func visit(name string, entry fs.DirEntry, prefix string, yield func(offprint.Blob, error) bool) error {
	if entry.IsDir() {
		if name != "." && !strings.HasPrefix(name+"/", prefix) && !strings.HasPrefix(prefix, name+"/") {
			return fs.SkipDir
		}
		return nil
	}
	key, partial := strings.CutSuffix(name, part)
	info, err := entry.Info()
	if !strings.HasPrefix(key, prefix) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !yield(offprint.Blob{Key: key, Bytes: info.Size(), Modified: info.ModTime(), Partial: partial}, nil) {
		return fs.SkipAll
	}
	return nil
}

var segment = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$`)

// path is key as a file's name; keys are ours, so a wrong one is a fault of ours.
func path(key string) (string, error) {
	for s := range strings.SplitSeq(key, "/") {
		if !segment.MatchString(s) || strings.HasSuffix(s, part) {
			return "", fmt.Errorf("%q is no key of a blob", key)
		}
	}
	return filepath.FromSlash(key), nil
}
