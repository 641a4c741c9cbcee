package bench

import (
	stdcsv "encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/xlsx"
)

// rounds is how often each writer writes; medians are compared.
const rounds = 5

var columns = []offprint.Column{
	{Name: "id", Title: "Id", Kind: offprint.Int},
	{Name: "day", Title: "Day", Kind: offprint.Date},
	{Name: "at", Title: "At", Kind: offprint.Timestamp},
	{Name: "customer", Title: "Customer", Kind: offprint.Text},
	{Name: "region", Title: "Region", Kind: offprint.Text},
	{Name: "sku", Title: "SKU", Kind: offprint.Text},
	{Name: "quantity", Title: "Quantity", Kind: offprint.Int},
	{Name: "price", Title: "Price", Kind: offprint.Decimal, As: offprint.AsMoney},
	{Name: "amount", Title: "Amount", Kind: offprint.Decimal, As: offprint.AsMoney},
	{Name: "paid", Title: "Paid", Kind: offprint.Bool},
}

// sample are rows as a source hands them out, which every writer writes over
// and over again: both sides pay the same for having them.
func sample() []offprint.Row {
	random := rand.New(rand.NewPCG(7, 7))
	regions := []string{"North", "South", "East", "West"}
	all := make([]offprint.Row, 10_000)
	for i := range all {
		quantity, price, day := 1+random.Int64N(20), 100+random.Int64N(50_000), 20_000+random.Int64N(400)
		all[i] = offprint.Row{
			offprint.IntValue(int64(1_000_000 + i)),
			offprint.DateValue(day),
			offprint.WallValue((day*86_400 + random.Int64N(86_400)) * 1e6),
			offprint.TextValue(fmt.Sprintf("Customer %d Trading Company", random.IntN(5000))),
			offprint.TextValue(regions[random.IntN(len(regions))]),
			offprint.TextValue(fmt.Sprintf("SKU-%06d", random.IntN(5000)*37)),
			offprint.IntValue(quantity),
			offprint.DecimalValue(price, 2),
			offprint.DecimalValue(price*quantity, 2),
			offprint.BoolValue(random.IntN(3) > 0),
		}
	}
	return all
}

// A writer writes n of the rows, once.
type writer func(out io.Writer, rows []offprint.Row, n int) error

func ours(format offprint.Format) writer {
	return func(out io.Writer, rows []offprint.Row, n int) error {
		w, err := format.New(out, offprint.Head{Title: "Orders"})
		if err != nil {
			return err
		}
		if err := w.Begin(&offprint.Table{Name: "orders", Title: "Orders", Columns: columns}); err != nil {
			return err
		}
		for i := range n {
			if err := w.Write(rows[i%len(rows)]); err != nil {
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

// native is a value as the peers want it.
func native(v offprint.Value) any {
	switch v.Kind() {
	case offprint.Bool:
		return v.Bool()
	case offprint.Int:
		return v.Int()
	case offprint.Decimal: // of two digits, all of them
		cents, _, _ := v.Unscaled()
		return float64(cents) / 100
	case offprint.Date:
		return time.Unix(v.Days()*86_400, 0).UTC()
	case offprint.Timestamp:
		micros, _ := v.Wall(nil)
		return time.UnixMicro(micros).UTC()
	}
	return v.Text()
}

func withExcelize(out io.Writer, rows []offprint.Row, n int) (err error) {
	f := excelize.NewFile()
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	moneyFormat := "#,##0.00;[Red]-#,##0.00"
	styles := make([]int, len(columns))
	for i, style := range map[int]*excelize.Style{1: {NumFmt: 14}, 2: {NumFmt: 22}, 7: {CustomNumFmt: &moneyFormat}, 8: {CustomNumFmt: &moneyFormat}} {
		if styles[i], err = f.NewStyle(style); err != nil {
			return err
		}
	}
	s, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	row := make([]any, len(columns))
	for i, c := range columns {
		row[i] = c.Title
	}
	if err := s.SetRow("A1", row); err != nil {
		return err
	}
	for i := range n {
		for j, v := range rows[i%len(rows)] {
			row[j] = native(v)
			if styles[j] != 0 {
				row[j] = excelize.Cell{StyleID: styles[j], Value: row[j]}
			}
		}
		if err := s.SetRow("A"+strconv.Itoa(i+2), row); err != nil {
			return err
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(out)
}

func withEncodingCSV(out io.Writer, rows []offprint.Row, n int) error {
	w := stdcsv.NewWriter(out)
	w.UseCRLF = true
	record := make([]string, len(columns))
	for i, c := range columns {
		record[i] = c.Title
	}
	if err := w.Write(record); err != nil {
		return err
	}
	for i := range n {
		for j, v := range rows[i%len(rows)] {
			switch v := native(v).(type) {
			case string:
				record[j] = v
			case int64:
				record[j] = strconv.FormatInt(v, 10)
			case float64:
				record[j] = strconv.FormatFloat(v, 'f', 2, 64)
			case bool:
				record[j] = strconv.FormatBool(v)
			case time.Time:
				record[j] = v.Format(layouts[columns[j].Kind])
			}
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

var layouts = map[offprint.Kind]string{offprint.Date: time.DateOnly, offprint.Timestamp: "2006-01-02T15:04:05"}

func BenchmarkXLSX(b *testing.B) { compare(b, ours(xlsx.Format), withExcelize, count(b)) }
func BenchmarkCSV(b *testing.B)  { compare(b, ours(csv.Format), withEncodingCSV, count(b)) }

// count is 100,000, or BENCH_ROWS.
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

// compare times the two in turn, so that a busy neighbour meets both.
func compare(b *testing.B, own, peer writer, n int) {
	rows := sample()
	for b.Loop() {
		var owns, peers, sizes []float64
		for range rounds {
			seconds, size := timed(b, own, rows, n)
			control, controlSize := timed(b, peer, rows, n)
			owns, peers, sizes = append(owns, seconds), append(peers, control), append(sizes, size/controlSize)
		}
		b.ReportMetric(median(peers)/median(owns), "x-faster")
		b.ReportMetric(float64(n)/median(owns), "rows/cpu-s")
		b.ReportMetric(float64(n)/median(peers), "peer-rows/cpu-s")
		b.ReportMetric(median(sizes), "x-size")
	}
	b.ReportMetric(0, "ns/op")
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func timed(b *testing.B, write writer, rows []offprint.Row, n int) (seconds, bytes float64) {
	b.Helper()
	var out counter
	runtime.GC() // nobody pays for another's garbage
	before := cpu(b)
	if err := write(&out, rows, n); err != nil {
		b.Fatal(err)
	}
	return cpu(b) - before, float64(out)
}

// cpu is what the process has used so far, in seconds.
func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// A counter counts bytes and lets them go.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
