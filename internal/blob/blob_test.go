package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/azuretest"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/s3test"
)

func TestMain(m *testing.M) {
	code := m.Run()
	s3test.Stop()
	azuretest.Stop()
	os.Exit(code)
}

// addresses are those of all the stores that there are, each fresh and empty.
var addresses = map[string]func(*testing.T) string{
	"dir":   func(t *testing.T) string { return "dir:" + filepath.Join(t.TempDir(), "files") },
	"s3":    func(t *testing.T) string { return s3(t).URL("prefix/of/ours") },
	"azure": func(t *testing.T) string { return azure(t).URL("prefix/of/ours") },
}

func stores(t *testing.T, test func(*testing.T, *blob.Store)) {
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) { test(t, open(t, address(t))) })
	}
}

func open(t *testing.T, address string) *blob.Store {
	t.Helper()
	open, err := blob.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	store, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// s3 is a fresh bucket, whose keys are in the environment.
func s3(t *testing.T) s3test.Bucket {
	t.Helper()
	bucket := s3test.Make(t)
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.Key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.Secret)
	return bucket
}

// azure is a fresh container, whose key is in the environment.
func azure(t *testing.T) azuretest.Container {
	t.Helper()
	c := azuretest.Make(t)
	t.Setenv("AZURE_STORAGE_KEY", azuretest.Key)
	return c
}

func TestBlobs(t *testing.T) {
	t.Run("mem", func(t *testing.T) { testBlobs(t, new(blob.Mem)) })
	stores(t, func(t *testing.T, s *blob.Store) { testBlobs(t, s) })
}

// testBlobs is the contract that every store keeps.
func testBlobs(t *testing.T, blobs offprint.Blobs) {
	ctx := t.Context()
	put := func(key, text string) {
		t.Helper()
		if err := blobs.Put(ctx, key, writing(text)); err != nil {
			t.Fatal(err)
		}
	}
	put("run_a/1/orders.csv", "one")
	put("run_a/2/orders.csv", "the second epoch")
	put("run_ab/1/orders.csv", "another run")
	put("run_a/1/orders.csv", "replaced")

	for _, tt := range []struct {
		key    string
		offset int64
		want   string
	}{
		{"run_a/1/orders.csv", 0, "replaced"},
		{"run_a/2/orders.csv", 4, "second epoch"},
		{"run_a/2/orders.csv", 16, ""},
	} {
		if got := read(t, blobs, tt.key, tt.offset); got != tt.want {
			t.Errorf("%s from %d = %q, want %q", tt.key, tt.offset, got, tt.want)
		}
	}
	if got, want := keys(t, blobs, "run_a/"), "run_a/1/orders.csv run_a/2/orders.csv"; got != want {
		t.Errorf("below run_a/: %s, want %s", got, want)
	}

	t.Run("the writer's error comes back, and there is no blob", func(t *testing.T) {
		boom := errors.New("connection lost")
		err := blobs.Put(ctx, "run_b/1/orders.csv", func(w io.Writer) error {
			if _, err := io.WriteString(w, "half a f"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Errorf("put: %v, want %v", err, boom)
		}
		if _, err := blobs.Open(ctx, "run_b/1/orders.csv", 0); offprint.CodeOf(err) != offprint.NotFound {
			t.Errorf("open: %v, want not_found", err)
		}
	})
	t.Run("a canceled put leaves no blob", func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(ctx)
		err := blobs.Put(ctx, "run_c/1/orders.csv", func(w io.Writer) error {
			cancel(stopped)
			_, err := w.Write(make([]byte, 1<<20))
			return err
		})
		if !errors.Is(err, stopped) {
			t.Errorf("put: %v, want %v", err, stopped)
		}
		if _, err := blobs.Open(t.Context(), "run_c/1/orders.csv", 0); offprint.CodeOf(err) != offprint.NotFound {
			t.Errorf("open: %v, want not_found", err)
		}
	})
	t.Run("while it is read it may be deleted", func(t *testing.T) {
		r, err := blobs.Open(ctx, "run_ab/1/orders.csv", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for range 2 { // a missing blob is no error
			if err := blobs.Delete(ctx, "run_ab/1/orders.csv"); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(r); string(got) != "another run" {
			t.Errorf("read %q, %v", got, err)
		}
	})
	for _, key := range []string{"", "../etc/passwd", "/etc/passwd", "a//b", "a/..", ".hidden", "a/b.part", "a\x00b", strings.Repeat("a", 300)} {
		if err := blobs.Put(ctx, key, writing("x")); err == nil {
			t.Errorf("%q was taken as a key", key)
		}
	}
}

func TestDirKeepsNothingHalf(t *testing.T) {
	path := t.TempDir()
	dir, err := blob.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	err = dir.Put(t.Context(), "run_a/1/orders.csv", func(w io.Writer) error {
		if _, err := w.Write([]byte("half")); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(path, "run_a/1/orders.csv")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a half file has its name already: %v", err)
		}
		for b, err := range dir.List(t.Context(), "") {
			if err != nil || !b.Partial {
				t.Errorf("listed as %+v, %v; want partial", b, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(path, "run_a/1/orders.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o, want 600", info.Mode().Perm())
	}
	if err := dir.Delete(t.Context(), "run_a/1/orders.csv"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(path); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFullDiskIsStorageUnavailable(t *testing.T) {
	if !mayMount(t) {
		return
	}
	dir := small(t, "1m")
	dir.Reserve = 1
	err := dir.Put(t.Context(), "run_a/1/orders.csv", func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 4<<20))
		return err
	})
	if offprint.CodeOf(err) != offprint.StorageUnavailable {
		t.Errorf("put: %v, want storage_unavailable", err)
	}
	if got := keys(t, dir, ""); got != "" {
		t.Errorf("left on the full disk: %s", got)
	}
}

// A report never takes the last of a disk on which the ledger may live.
func TestTheReserveOfADiskIsLeftAlone(t *testing.T) {
	if !mayMount(t) {
		return
	}
	const mega = 1 << 20
	for _, tt := range []struct {
		name          string
		reserve, kept int64
	}{
		{"what is configured", 4 * mega, 4 * mega},
		{"a twentieth of a small disk", 0, 16 * mega / 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := small(t, "16m")
			dir.Reserve = tt.reserve
			free := func() int64 {
				free, size, err := dir.Free()
				if err != nil || size != 16*mega {
					t.Fatal(size, err)
				}
				return free
			}
			if err := dir.Put(t.Context(), "run_a/1/orders.csv", writing("small enough")); err != nil {
				t.Fatal(err)
			}
			least := free()
			err := dir.Put(t.Context(), "run_b/1/orders.csv", func(w io.Writer) error {
				b := make([]byte, 10_000)
				for range 16 * mega / len(b) {
					if _, err := w.Write(b); err != nil {
						return fmt.Errorf("write row: %w", err)
					}
					least = min(least, free())
				}
				return nil
			})
			if offprint.CodeOf(err) != offprint.StorageUnavailable {
				t.Errorf("put: %v, want storage_unavailable", err)
			}
			if most := tt.kept + tt.kept/8; least < tt.kept-tt.kept/8 || least > most {
				t.Errorf("%d bytes were left free, want about %d", least, tt.kept)
			}
			if got := keys(t, dir, ""); got != "run_a/1/orders.csv" {
				t.Errorf("there are %s", got)
			}

			dir.Reserve = 15*mega + mega/2 + mega/4 // others have used up what was left
			if err := dir.Put(t.Context(), "run_c/1/orders.csv", writing("small")); err != nil {
				t.Errorf("with room for it: %v", err)
			}
			dir.Reserve = 16 * mega
			err = dir.Put(t.Context(), "run_d/1/orders.csv", func(io.Writer) error {
				t.Error("it was begun")
				return nil
			})
			if offprint.CodeOf(err) != offprint.StorageUnavailable || free() < 15*mega {
				t.Errorf("put without room: %v", err)
			}
		})
	}
}

// mayMount tells whether the test may mount: root may, anybody else runs the
// test once more as root of a namespace of its own, and is done then.
func mayMount(t *testing.T) bool {
	t.Helper()
	if os.Getuid() == 0 {
		return true
	}
	out, err := exec.Command("unshare", "--map-root-user", "--mount", os.Args[0], "-test.run=^"+t.Name()+"$").CombinedOutput()
	if err != nil {
		t.Fatalf("as root of a namespace: %v\n%s", err, out)
	}
	return false
}

// small is a store on a file system of that size.
func small(t *testing.T, size string) *blob.Dir {
	t.Helper()
	path := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", path).CombinedOutput(); err != nil {
		t.Fatalf("mount a small tmpfs (needs root): %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", path).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	dir, err := blob.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func writing(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func read(t *testing.T, blobs offprint.Blobs, key string, offset int64) string {
	t.Helper()
	r, err := blobs.Open(t.Context(), key, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func keys(t *testing.T, blobs offprint.Blobs, prefix string) string {
	t.Helper()
	var keys []string
	for b, err := range blobs.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, b.Key)
	}
	return strings.Join(keys, " ")
}
