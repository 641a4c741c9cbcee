//go:build !linux && !darwin && !freebsd

package blob

import "errors"

// Free is not known here: a full disk is met when it is full.
func (d *Dir) Free() (free, size int64, err error) { return 0, 0, errors.ErrUnsupported }
