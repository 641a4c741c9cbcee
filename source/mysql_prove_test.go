package source_test

import (
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint/source"
)

const million = `CREATE TABLE orders (id bigint unsigned PRIMARY KEY, day date, at timestamp NULL, stored datetime(6), customer varchar(80), quantity int, price decimal(12,2), ratio double, paid tinyint(1), note varchar(80) NULL)`

const fillMillion = `INSERT INTO orders SELECT seq, DATE '2026-01-01' + INTERVAL seq % 365 DAY, TIMESTAMP '2026-01-01 00:00:00' + INTERVAL seq MINUTE, TIMESTAMP '2026-01-01 00:00:00' + INTERVAL seq SECOND, CONCAT('customer ', seq),
	seq % 100, seq * 1.05, seq / 7, seq % 2, IF(seq % 3 = 0, NULL, 'a remark of some length') FROM seq_1_to_1000000`

// A million rows of MySQL are read in flat memory. That of the whole process
// counts, which is measured while it reads, every few milliseconds.
func TestProveAMillionRowsOfMySQLStayFlat(t *testing.T) {
	address, beside := maria(t, million, fillMillion)
	r := report(t, open(t, source.Config{Name: "shop", URL: address}), head+"SELECT * FROM orders")
	req := ask(t, r, "")
	runtime.GC()
	idle := inUse()
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak.Store(max(peak.Load(), inUse()))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, worked := time.Now(), cpu(t)
	rows := counted(t, r, req)
	took, worked := time.Since(began), cpu(t)-worked
	runtime.ReadMemStats(&after)
	close(stop)
	<-stopped
	above := (float64(peak.Load()) - float64(idle)) / (1 << 20)
	t.Logf("%d rows of 10 columns in %.1f s (%.1f s of CPU): %.0f rows/s, %.1f allocations a row, %.1f MB above idle", rows, took.Seconds(), worked.Seconds(), float64(rows)/took.Seconds(), float64(after.Mallocs-before.Mallocs)/float64(rows), above)
	if rows != 1_000_000 || above > 64 {
		t.Errorf("%d rows, %.1f MB above idle, want 64 at most", rows, above)
	}
	began, worked, rows = time.Now(), cpu(t), 0
	all, err := beside.QueryContext(t.Context(), "SELECT * FROM orders")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	cells := make([]any, 10)
	for i := range cells {
		cells[i] = new(any)
	}
	for all.Next() {
		if err := all.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		rows++
	}
	if all.Err() != nil {
		t.Fatal(all.Err())
	}
	took, worked = time.Since(began), cpu(t)-worked
	t.Logf("database/sql, scanned into any: %.0f rows/s (%.1f s of CPU)", float64(rows)/took.Seconds(), worked.Seconds())
}

// cpu is what this process has worked.
func cpu(t *testing.T) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// inUse is what the process has from the system for its heap and stacks.
func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}
