package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A million rows cost no more memory than ten thousand.
func TestProveMemoryStaysFlat(t *testing.T) {
	dir := t.TempDir()
	make := func(format, rows string) float64 {
		return peakOf(t, "run", "orders", "--data", dir, "--rows", rows, "-o", filepath.Join(dir, "orders."+format))
	}
	idle := peakOf(t, "check", "--offline", "--data", dir, "--rows", "10000")
	make("csv", "1000000") // makes the shop, which is not what is measured
	for _, format := range []string{"csv", "jsonl", "xlsx", "pdf"} {
		small, large := make(format, "10000"), make(format, "1000000")
		t.Logf("%-5s idle %.0f MB; 10,000 rows %+.0f MB; 1,000,000 rows %+.0f MB", format, idle, small-idle, large-idle)
		if large-idle > 64 {
			t.Errorf("%s: %.0f MB above idle, want 64 at most", format, large-idle)
		}
	}
}

// peakOf runs the program and tells how many megabytes it had at most.
func peakOf(t *testing.T, args ...string) float64 {
	t.Helper()
	cmd := program(args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
}

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "OFFPRINT_TEST_AS_PROGRAM=1")
	return cmd
}
