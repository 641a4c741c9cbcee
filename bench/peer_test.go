package bench

import (
	"bufio"
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/offprint/offprint"
)

// native is a value as the peers want it.
func native(v offprint.Value) any {
	switch v.Kind() {
	case offprint.Null:
		return nil
	case offprint.Bool:
		return v.Bool()
	case offprint.Int:
		return v.Int()
	case offprint.Float:
		return v.Float()
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

func withExcelize(out io.Writer, s shape, sample []offprint.Row, n int) error {
	natives := make([]any, len(s.fields))
	return excelizeFile(out, s.columns(), func(yield func([]any, error) bool) {
		for i := range n {
			for j, v := range sample[i%len(sample)] {
				natives[j] = native(v)
			}
			if !yield(natives, nil) {
				return
			}
		}
	})
}

// excelizeFile writes rows by the StreamWriter. It keeps nothing of a row.
func excelizeFile(out io.Writer, columns []offprint.Column, rows iter.Seq2[[]any, error]) (err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	row, styles := make([]any, len(columns)), make([]int, len(columns))
	for i, c := range columns {
		row[i] = c.Title
		if styles[i], err = excelizeStyle(f, c); err != nil {
			return err
		}
	}
	s, err := f.NewStreamWriter("Sheet1")
	if err != nil {
		return err
	}
	if err := s.SetRow("A1", row); err != nil {
		return err
	}
	number := 1
	for values, err := range rows {
		if err != nil {
			return err
		}
		number++
		for j, v := range values {
			row[j] = v
			if styles[j] != 0 && v != nil {
				row[j] = excelize.Cell{StyleID: styles[j], Value: v}
			}
		}
		if err := s.SetRow("A"+strconv.Itoa(number), row); err != nil {
			return err
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(out)
}

func excelizeStyle(f *excelize.File, c offprint.Column) (int, error) {
	money := "#,##0.00;[Red]-#,##0.00"
	switch {
	case c.Kind == offprint.Date:
		return f.NewStyle(&excelize.Style{NumFmt: 14})
	case c.Kind == offprint.Timestamp:
		return f.NewStyle(&excelize.Style{NumFmt: 22})
	case c.As == offprint.AsMoney:
		return f.NewStyle(&excelize.Style{CustomNumFmt: &money})
	}
	return 0, nil
}

func withEncodingCSV(out io.Writer, s shape, sample []offprint.Row, n int) error {
	w := stdcsv.NewWriter(out)
	w.UseCRLF = true
	record := make([]string, len(s.fields))
	for i, f := range s.fields {
		record[i] = f.Title
	}
	if err := w.Write(record); err != nil {
		return err
	}
	for i := range n {
		for j, v := range sample[i%len(sample)] {
			record[j] = text(v)
		}
		if err := w.Write(record); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// text is a value as encoding/csv wants it, made by the standard library.
func text(v offprint.Value) string {
	switch v.Kind() {
	case offprint.Int:
		return strconv.FormatInt(v.Int(), 10)
	case offprint.Float:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case offprint.Bool:
		return strconv.FormatBool(v.Bool())
	case offprint.Date:
		return time.Unix(v.Days()*86_400, 0).UTC().Format(time.DateOnly)
	case offprint.Timestamp:
		micros, _ := v.Wall(nil)
		return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05")
	case offprint.Decimal: // of two digits, all of them
		cents, _, _ := v.Unscaled()
		return strconv.FormatFloat(float64(cents)/100, 'f', 2, 64)
	}
	return v.Text()
}

// libxlsxwriter is a small C program, built here; its rows come as a file.
func libxlsxwriter(b *testing.B) (_ contender, ok bool) {
	if err := exec.Command("cc", "-E", "-include", "xlsxwriter.h", "-x", "c", "/dev/null").Run(); err != nil {
		return contender{}, false
	}
	dir := b.TempDir()
	program := filepath.Join(dir, "xlsxwriter")
	if said, err := exec.Command("cc", "-O2", "-Wall", "-o", program, "testdata/xlsxwriter.c", "-lxlsxwriter").CombinedOutput(); err != nil {
		b.Fatalf("build the program on libxlsxwriter: %v\n%s", err, said)
	}
	return contender{"libxlsxwriter", func(s shape, n int) *exec.Cmd {
		rows := filepath.Join(dir, s.name)
		if err := dump(s, rows); err != nil {
			b.Fatal(err)
		}
		return exec.Command(program, rows, strconv.Itoa(n), filepath.Join(dir, "out"))
	}}, true
}

// dump writes a sample for the C program: how many columns and rows, then a
// line for each cell, which begins with a letter for its kind.
func dump(s shape, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sample := s.sample()
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, len(s.fields), len(sample))
	for _, f := range s.fields {
		fmt.Fprintln(w, "t"+f.Title)
	}
	for _, row := range sample {
		for j, v := range row {
			fmt.Fprintln(w, cell(v, s.fields[j].As))
		}
	}
	return w.Flush()
}

func cell(v offprint.Value, as offprint.As) string {
	const epoch = 25569 // 1970-01-01 in Excel's days
	switch v.Kind() {
	case offprint.Null:
		return "0"
	case offprint.Bool:
		return "b" + strconv.FormatBool(v.Bool())
	case offprint.Int, offprint.Float, offprint.Decimal:
		if as == offprint.AsMoney {
			return "m" + text(v)
		}
		return "n" + text(v)
	case offprint.Date:
		return "d" + strconv.FormatInt(v.Days()+epoch, 10)
	case offprint.Timestamp:
		micros, _ := v.Wall(nil)
		return "s" + strconv.FormatFloat(float64(micros)/86_400e6+epoch, 'f', -1, 64)
	}
	return "t" + v.Text()
}
