package blob_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A gigabyte of unknown length costs no more memory than nothing does, and a
// buffer.
func TestProveAGigabyteStreams(t *testing.T) {
	if address := os.Getenv("OFFPRINT_TEST_SENDS_TO"); address != "" {
		var size int64
		if _, err := fmt.Sscan(os.Getenv("OFFPRINT_TEST_SENDS"), &size); err != nil {
			t.Fatal(err)
		}
		err := open(t, address).Put(t.Context(), "run_a/1/large.bin", func(w io.Writer) error {
			_, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(zeros{}, size), make([]byte, 32<<10))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(string(status))
		return
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			address := address(t)
			send := func(size int64) (peak float64) { // of itself: the kernel's sum for a child begins with what its parent has
				t.Helper()
				cmd := exec.Command(os.Args[0], "-test.run=^TestProveAGigabyteStreams$")
				cmd.Env = append(os.Environ(), "OFFPRINT_TEST_SENDS_TO="+address, fmt.Sprint("OFFPRINT_TEST_SENDS=", size))
				out, err := cmd.CombinedOutput()
				_, after, found := strings.Cut(string(out), "VmHWM:")
				if _, errScan := fmt.Sscan(after, &peak); err != nil || !found || errScan != nil {
					t.Fatalf("send %d bytes: %v, %v\n%s", size, err, errScan, out)
				}
				return peak / 1024
			}
			idle := send(1)
			began := time.Now()
			peak := send(1 << 30)
			t.Logf("%s: 1 byte %.0f MB, 1 GB %+.0f MB, %.0f MB a second", name, idle, peak-idle, float64(1<<30)/1e6/time.Since(began).Seconds())
			if peak-idle > 64 {
				t.Errorf("%.0f MB above idle, want 64 at most", peak-idle)
			}
		})
	}
}
