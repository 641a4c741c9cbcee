package bench

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/pdf"
	"github.com/offprint/offprint/internal/format/xlsx"
	"github.com/offprint/offprint/internal/pgtest"
)

// rounds is how often each contender runs; medians are compared.
const rounds = 5

// TestMain lets this binary be one writer at its work, for the processes that
// the benchmarks start, and ends them with a table.
func TestMain(m *testing.M) {
	if job := os.Getenv("BENCH_JOB"); job != "" {
		if err := work(job); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	pgtest.Stop()
	fmt.Println(strings.Join(table, "\n"))
	os.Exit(code)
}

// table is what the benchmarks found, a line each.
var table = []string{
	"",
	"|                          |   CPU s |  wall s | first byte ms | peak MB | file MB |   CPU |  wall |  peak |   file |",
	"|--------------------------|--------:|--------:|--------------:|--------:|--------:|------:|------:|------:|-------:|",
}

// A writer writes n rows of a shape, those of the sample again and again.
type writer func(out io.Writer, s shape, sample []offprint.Row, n int) error

var writers = map[string]writer{
	"offprint-xlsx": ours(xlsx.Format),
	"excelize":      withExcelize,
	"offprint-csv":  ours(csv.Format),
	"encoding/csv":  withEncodingCSV,
	"offprint-pdf":  ours(pdf.Format),
	"fpdf":          withFPDF,

	"offprint-postgres": withReport,
	"sql+excelize":      withDatabaseSQL,
}

func ours(format offprint.Format) writer {
	return func(out io.Writer, s shape, sample []offprint.Row, n int) error {
		w, err := format.New(out, offprint.Head{Title: "Orders"})
		if err != nil {
			return err
		}
		if err := w.Begin(&offprint.Table{Name: "orders", Title: "Orders", Columns: s.columns()}); err != nil {
			return err
		}
		for i := range n {
			if err := w.Write(sample[i%len(sample)]); err != nil {
				return err
			}
		}
		if err := w.End(offprint.PartEnd{Rows: int64(n)}); err != nil {
			return err
		}
		_, err = w.Close(offprint.DocEnd{Rows: int64(n)})
		return err
	}
}

// work is one job, as in "excelize orders 100000". It says what it used: CPU
// seconds, seconds, seconds to the first byte, kB of memory at most, bytes out.
func work(job string) error {
	var name, shaped string
	var n int
	if _, err := fmt.Sscan(job, &name, &shaped, &n); err != nil {
		return err
	}
	s := shapes[slices.IndexFunc(shapes, func(s shape) bool { return s.name == shaped })]
	sample := s.sample()
	runtime.GC() // for the sample
	before, err := cpu()
	if err != nil {
		return err
	}
	out := counter{began: time.Now()}
	if err := writers[name](&out, s, sample, n); err != nil {
		return err
	}
	wall := time.Since(out.began)
	after, err := cpu()
	if err != nil {
		return err
	}
	peak, err := peak()
	fmt.Println(after-before, wall.Seconds(), out.first.Seconds(), peak, out.bytes)
	return err
}

// A counter counts bytes and lets them go: what it costs to keep them is the
// same for all.
type counter struct {
	began time.Time
	first time.Duration // until the first byte came
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.bytes == 0 {
		c.first = time.Since(c.began)
	}
	c.bytes += int64(len(p))
	return len(p), nil
}

// cpu is what the process has used so far, in seconds.
func cpu() (float64, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, err
}

// peak is the most memory that the process had, in kB. What getrusage says
// begins with that of the parent.
func peak() (kB int, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(after, &kB)
	return kB, err
}

// A contender is one way to make a file, as a process that makes one, says
// what it used as work does, and ends.
type contender struct {
	name    string
	command func(s shape, n int) *exec.Cmd
}

// inGo is a contender of this binary.
func inGo(name, writer string, env ...string) contender {
	return contender{name, func(s shape, n int) *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), append(env, fmt.Sprintf("BENCH_JOB=%s %s %d", writer, s.name, n))...)
		return cmd
	}}
}

func BenchmarkXLSX(b *testing.B) {
	all := []contender{inGo("offprint", "offprint-xlsx"), inGo("excelize", "excelize")}
	if c, ok := libxlsxwriter(b); ok {
		all = append(all, c)
	} else {
		table = append(table, "| libxlsxwriter or cc is not here, and left out (Debian: libxlsxwriter-dev, gcc) | | | | | | | | | |")
	}
	each(b, all...)
}

func BenchmarkCSV(b *testing.B) {
	each(b, inGo("offprint", "offprint-csv"), inGo("encoding/csv", "encoding/csv"))
}

// On one core the same must take longer.
func BenchmarkXLSXCores(b *testing.B) {
	compare(b, shapes[0], inGo("offprint, two cores", "offprint-xlsx", "GOMAXPROCS=2"), inGo("offprint, one core", "offprint-xlsx", "GOMAXPROCS=1"))
}

func each(b *testing.B, all ...contender) {
	for _, s := range shapes {
		b.Run(s.name, func(b *testing.B) { compare(b, s, all...) })
	}
}

// compare runs the contenders in turn, so that a busy neighbour meets all, and
// sets the others' medians beside the first's.
func compare(b *testing.B, s shape, all ...contender) {
	n := s.rows(count(b))
	for b.Loop() {
		measured := make([][]figures, len(all))
		for range rounds {
			for i, c := range all {
				measured[i] = append(measured[i], measure(b, c, s, n))
			}
		}
		own := medians(measured[0])
		table = append(table, fmt.Sprintf("| **%s, %d x %d** | | | | | | | | | |", strings.TrimPrefix(b.Name(), "Benchmark"), n, len(s.fields)))
		for i, c := range all {
			table = append(table, line(c.name, medians(measured[i]), own))
		}
		peer := medians(measured[1])
		b.ReportMetric(peer[cpuSeconds]/own[cpuSeconds], "x-cpu")
		b.ReportMetric(peer[wallSeconds]/own[wallSeconds], "x-wall")
		b.ReportMetric(own[bytesOut]/peer[bytesOut], "x-size")
	}
	b.ReportMetric(0, "ns/op")
}

// line shows what one used, and how many times as much as our own that is.
func line(name string, f, own figures) string {
	return fmt.Sprintf("| %-24s | %7.2f | %7.2f | %13.1f | %7.0f | %7.1f | %4.1fx | %4.1fx | %4.1fx | %5.2fx |", name,
		f[cpuSeconds], f[wallSeconds], f[firstSeconds]*1000, f[peakKB]/1024, f[bytesOut]/1e6,
		f[cpuSeconds]/own[cpuSeconds], f[wallSeconds]/own[wallSeconds], f[peakKB]/own[peakKB], f[bytesOut]/own[bytesOut])
}

// count is 100,000, or BENCH_ROWS: of orders; other shapes have about as many
// cells.
func count(b *testing.B) int {
	s := os.Getenv("BENCH_ROWS")
	if s == "" {
		return 100_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		b.Fatalf("BENCH_ROWS is not a number: %v", err)
	}
	return n
}

// figures are what a contender used.
type figures [5]float64

const (
	cpuSeconds = iota
	wallSeconds
	firstSeconds // to the first byte out
	peakKB
	bytesOut
)

func measure(b *testing.B, c contender, s shape, n int) (f figures) {
	b.Helper()
	cmd := c.command(s, n)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	said, err := cmd.Output()
	if err != nil {
		b.Fatalf("%s: %v\n%s", c.name, err, complaint.String())
	}
	if _, err := fmt.Sscan(string(said), &f[cpuSeconds], &f[wallSeconds], &f[firstSeconds], &f[peakKB], &f[bytesOut]); err != nil {
		b.Fatalf("%s said %q: %v", c.name, said, err)
	}
	return f
}

func medians(all []figures) (m figures) {
	for i := range m {
		x := make([]float64, len(all))
		for j, f := range all {
			x[j] = f[i]
		}
		slices.Sort(x)
		m[i] = x[len(x)/2]
	}
	return m
}
