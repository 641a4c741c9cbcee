package blob_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/offprint/offprint"
)

// TestAFolderThatCannotBeReadHidesNoOther: the root of a disk has one,
// lost+found, and it comes before every run.
func TestAFolderThatCannotBeReadHidesNoOther(t *testing.T) {
	folder := t.TempDir()
	s := open(t, "dir:"+folder)
	for _, key := range []string{"a/1/x.csv", "lost/1/x.csv", "run_a/1/x.csv"} {
		if err := s.Put(t.Context(), key, writing("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(folder, "lost"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(folder, "lost"), 0o700) })
	asNobody(t, folder)
	var got []string
	var told error
	for b, err := range s.List(t.Context(), "") {
		if err != nil {
			told = err
			continue
		}
		got = append(got, b.Key)
	}
	if strings.Join(got, " ") != "a/1/x.csv run_a/1/x.csv" || offprint.CodeOf(told) != offprint.StorageUnavailable {
		t.Errorf("listed %v and told %v", got, told)
	}
}

// asNobody gives the folder to a user without rights and lets the test be that
// user, where it is root, whom no mode holds off.
func asNobody(t *testing.T, folder string) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	const nobody = 65534
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil { // of this thread alone
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setfsuid(0); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
}
