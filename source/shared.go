package source

import "unsafe"

// shared is the bytes as a string, without a copy: the reader's buffer is not
// written to before the next row, and no value is good for longer.
func shared(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
