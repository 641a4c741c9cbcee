//go:build linux || darwin || freebsd

package blob

import (
	"errors"
	"fmt"
	"syscall"
)

// Free is how much the store's disk still takes from us, and its size.
func (d *Dir) Free() (free, size int64, err error) {
	f, err := d.root.Open(".")
	if err != nil {
		return 0, 0, fmt.Errorf("ask the store's disk: %w", err)
	}
	var s syscall.Statfs_t
	err = errors.Join(syscall.Fstatfs(int(f.Fd()), &s), f.Close())
	if err != nil {
		return 0, 0, fmt.Errorf("ask the store's disk: %w", err)
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
