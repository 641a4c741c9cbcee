package pdf_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/pdf"
)

// heapWhileWriting is the most memory in use while n rows are written.
func heapWhileWriting(t *testing.T, n int) uint64 {
	t.Helper()
	table, rows, _ := orders(1000)
	w, err := pdf.Format.New(io.Discard, offprint.Head{Title: "Orders"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(table); err != nil {
		t.Fatal(err)
	}
	var most uint64
	for i := range n {
		if err := w.Write(rows[i%1000]); err != nil {
			t.Fatal(err)
		}
		if i%(n/8) == n/8-1 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if err := w.End(offprint.PartEnd{Rows: int64(n)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(offprint.DocEnd{}); err != nil {
		t.Fatal(err)
	}
	return most
}

func TestMemoryDoesNotGrowWithTheRows(t *testing.T) {
	few, many := heapWhileWriting(t, 20_000), heapWhileWriting(t, 80_000)
	t.Logf("20,000 rows: %d kB, 80,000 rows: %d kB", few>>10, many>>10)
	if many > few+512<<10 {
		t.Errorf("80,000 rows take %d bytes, 20,000 take %d", many, few)
	}
}

type brokenDisk struct{ left int }

var errFull = errors.New("the disk is full")

func (d *brokenDisk) Write(b []byte) (int, error) {
	if d.left -= len(b); d.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestAFullDiskIsAnErrorAndNoFile(t *testing.T) {
	table, rows, _ := orders(1000)
	for _, size := range []int{0, 70_000} {
		w, err := pdf.Format.New(&brokenDisk{size}, offprint.Head{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Begin(table)
		for i := 0; i < 200_000 && err == nil; i++ {
			err = w.Write(rows[i%1000])
		}
		if !errors.Is(err, errFull) {
			t.Errorf("disk of %d bytes: error is %v, want %v", size, err, errFull)
		}
	}
	var out bytes.Buffer
	w, err := pdf.Format.New(io.MultiWriter(&out, &brokenDisk{100}), offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(offprint.DocEnd{}); !errors.Is(err, errFull) {
		t.Errorf("close: error is %v, want %v", err, errFull)
	}
}

func TestARowOfTheWrongLengthIsAnError(t *testing.T) {
	w, err := pdf.Format.New(io.Discard, offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(&offprint.Table{Name: "orders", Columns: textColumns("a", "b")}); err != nil {
		t.Fatal(err)
	}
	want := `a row of 1 values for the 2 columns of part "orders"`
	if err := w.Write(offprint.Row{{}}); err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestMoreCharactersThanAFontCanHoldAreABoxAndAWarning(t *testing.T) {
	var rows []offprint.Row
	for from := rune(0x100); from < 0x12000; from += 256 {
		var b strings.Builder
		for r := from; r < from+256 && !utf16.IsSurrogate(r); r++ {
			b.WriteRune(r)
		}
		rows = append(rows, offprint.Row{offprint.TextValue(b.String())})
	}
	file, warnings := write(t, offprint.Head{Title: "All"}, offprint.DocEnd{}, part{table: &offprint.Table{Columns: textColumns("text")}, rows: rows})
	if len(warnings) != 2 || warnings[1].Code != "text_lost" {
		t.Fatalf("warnings are %v", warnings)
	}
	text := squeezed(strings.Join(pages(t, file), ""))
	for _, want := range []rune{0x100, 0xa000, 0xfffd} {
		if !strings.ContainsRune(text, want) {
			t.Errorf("no %U in the text", want)
		}
	}
}

func TestATitleOfAThousandWordsIsRead(t *testing.T) {
	long := strings.Repeat("word ", 1000)
	table := &offprint.Table{Columns: textColumns("a", long, "c")}
	row := offprint.Row{offprint.TextValue("x"), offprint.TextValue("y"), offprint.TextValue("z")}
	file, _ := write(t, offprint.Head{Title: long, Description: long}, offprint.DocEnd{}, part{table: table, rows: []offprint.Row{row}})
	if got := strings.Count(strings.Join(pages(t, file), " "), "word"); got < 3000 {
		t.Errorf("%d words of 3000 and the footers' came back", got)
	}
}

func FuzzText(f *testing.F) {
	for _, text := range []string{"plain", "a\r\nb\tc", "()\\", "\xff\xfe", "e\u0301\u200d👩‍👧", "\u2028\u2029\u0085", strings.Repeat("long ", 3000)} {
		f.Add(text, "name", 3)
	}
	f.Fuzz(func(t *testing.T, text, title string, columns int) {
		columns = 1 + (columns&0x7fffffff)%60
		table := &offprint.Table{}
		row := offprint.Row{}
		for i := range columns {
			kind := []offprint.Kind{offprint.Text, offprint.Int}[i%2]
			table.Columns = append(table.Columns, offprint.Column{Name: fmt.Sprint("c", i), Title: title, Kind: kind, Format: title})
			row = append(row, offprint.ValueOf([]any{text, int64(len(text))}[i%2]))
		}
		file, _ := write(t, offprint.Head{Title: title, By: text, Locale: title}, offprint.DocEnd{},
			part{table: table, rows: []offprint.Row{row, row, row}})
		if !bytes.HasSuffix(file, []byte("%%EOF\n")) {
			t.Fatal("the file does not end")
		}
	})
}
