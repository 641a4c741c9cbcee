package xlsx_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/xlsx"
)

var orderColumns = []offprint.Column{
	{Name: "order_no", Title: "Order", As: offprint.AsID},
	{Name: "ordered_at", Title: "Ordered", Kind: offprint.Timestamp},
	{Name: "customer", Title: "Customer", Kind: offprint.Text, Total: offprint.Count, Note: "As it was when the order came."},
	{Name: "secret", Title: "Secret", Kind: offprint.Int, Hide: true},
	{Name: "quantity", Title: "Quantity", Kind: offprint.Int, As: offprint.AsNumber, Total: offprint.Most},
	{Name: "amount", Title: "Amount", Kind: offprint.Decimal, As: offprint.AsMoney, Total: offprint.Sum},
	{Name: "share", Title: "Share", Kind: offprint.Float, As: offprint.AsPercent, Total: offprint.Average},
	{Name: "due", Title: "Due", Kind: offprint.Date, Format: "yyyy-mm-dd", Total: offprint.Least},
	{Name: "balance", Title: "Balance", Kind: offprint.Decimal, As: offprint.AsMoney, Total: offprint.Last},
}

// orders are n rows, made in one buffer as a source makes them.
func orders(n int) iter.Seq2[offprint.Row, error] {
	return func(yield func(offprint.Row, error) bool) {
		row := make(offprint.Row, len(orderColumns))
		at := instantMicros("2026-01-01T08:00:00Z")
		customers := []string{"Contoso Ltd", "Müller & Söhne", "<script>", "Ωmega"}
		for i := range n {
			row[0] = offprint.IntValue(int64(1_000_000 + i))
			row[1] = offprint.InstantValue(at + int64(i)*60e6)
			row[2] = offprint.TextValue(customers[i%len(customers)])
			row[3] = offprint.IntValue(int64(i))
			row[4] = offprint.IntValue(int64(i % 7))
			row[5] = offprint.DecimalValue(int64(i*37%100_000-500), 2)
			row[6] = offprint.FloatValue(float64(i%100) / 100)
			row[7] = offprint.DateValue(20_454 + int64(i%365))
			row[8] = offprint.DecimalValue(int64(i), 2)
			if !yield(row, nil) {
				return
			}
		}
	}
}

func totaled(n int) part {
	totals := offprint.NewTotals(orderColumns)
	for row := range orders(n) {
		totals.Add(row)
	}
	return part{offprint.Table{Name: "orders", Title: "Orders", Columns: orderColumns, Rows: orders(n)}, totals.Values()}
}

// TestLook holds what look.md says of a workbook.
func TestLook(t *testing.T) {
	head := offprint.Head{
		Title: "Orders", Description: "Every order of a period.", Report: "orders", Version: "9f2c", Run: "run_1", By: "ada",
		Parameters: []offprint.Shown{{Label: "Period", Text: "1 Jan 2026 – 31 Jan 2026"}, {Label: "Region", Text: "EU"}},
		Zone:       berlin(t), MadeAt: time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC), AsOf: time.Date(2026, 2, 1, 11, 59, 0, 0, time.UTC),
	}
	b := made(t, head, offprint.DocEnd{Outcome: offprint.Truncated, Warnings: []offprint.Warning{{Code: "odd", Detail: "Something is odd."}}}, totaled(250))
	if b.Title != "Orders" || b.Creator != "Offprint" {
		t.Errorf("properties: %q by %q", b.Title, b.Creator)
	}
	s := b.Sheets[0]
	if s.Name != "Orders" || s.Freeze != "A2" || s.Filter != "" || s.Tables["orders"] != "A1:I252" || s.Repeat != "$1:$1" || s.Orientation != "landscape" || !s.FitToWidth || s.Footer != "Page &P of &N" {
		t.Errorf("sheet: %+v", sheet{Name: s.Name, Freeze: s.Freeze, Filter: s.Filter, Tables: s.Tables, Repeat: s.Repeat, Orientation: s.Orientation, Footer: s.Footer})
	}
	for i, c := range s.Rows[0] {
		if c.Value != orderColumns[i].Title || !c.Bold || c.Fill != "FFE8EDFB" || c.Bottom != "thin" || (c.Align == "right") != orderColumns[i].Numeric() {
			t.Errorf("header: %+v", c)
		}
	}
	for i, want := range []string{"@", "m/d/yy h:mm", "General", "General", "#,##0", "#,##0.00;[Red]-#,##0.00", "0.00%", "yyyy-mm-dd", "#,##0.00;[Red]-#,##0.00"} {
		if got := s.Rows[1][i].Format; got != want {
			t.Errorf("%s has the format %q, want %q", orderColumns[i].Name, got, want)
		}
	}
	if !slices.Equal(s.Hidden, []string{"D"}) {
		t.Errorf("hidden: %v", s.Hidden)
	}
	last, cached := s.Rows[251], s.Cached[251]
	formulas := []string{"Total", "", "=SUBTOTAL(103,orders[Customer])", "", "=SUBTOTAL(104,orders[Quantity])", "=SUBTOTAL(109,orders[Amount])", "=SUBTOTAL(101,orders[Share])", "=SUBTOTAL(105,orders[Due])", `=LOOKUP(2,1/(orders[Balance]<>""),orders[Balance])`}
	values := []string{"Total", "None", "250", "None", "6", "10266.25", "0.445", "2026-01-01 00:00:00", "2.49"}
	for i, c := range last {
		if c.Value != formulas[i] || cached[i] != values[i] || !c.Bold || c.Top != "thin" {
			t.Errorf("total of %s: %+v, cached %s, want %q, %s", orderColumns[i].Name, c, cached[i], formulas[i], values[i])
		}
	}
	wantAbout(t, b.Sheets[1], "Orders", "Every order of a period.", "Period|1 Jan 2026 – 31 Jan 2026", "Region|EU", "Rows|250 (only the first: the report's limit)",
		"Customer (count)|250", "Quantity (maximum)|6", "Total: Amount|10266.25", "Share (average)|0.445", "Due (minimum)|2026-01-01T00:00:00", "Balance (last value)|2.49",
		"Data as of|2026-02-01 12:59:00 +01:00 (Europe/Berlin)", "Made at|2026-02-01 13:00:00 +01:00 (Europe/Berlin)", "Asked by|ada",
		"Report|orders", "Version|9f2c", "Run|run_1", "What is not as one might expect", "|Something is odd.", "Columns", "Customer|As it was when the order came.")
}

func wantAbout(t *testing.T, s sheet, want ...string) {
	t.Helper()
	if s.Name != "About" {
		t.Fatalf("the last sheet is %q", s.Name)
	}
	var got []string
	for _, row := range s.Rows {
		var texts []string
		for _, c := range row {
			if c.Kind != "null" {
				texts = append(texts, c.Value)
			}
		}
		if texts != nil {
			got = append(got, strings.Join(texts, "|"))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("about:\n%q\nwant\n%q", got, want)
	}
}

// TestWidthsFit holds that what stands in the first rows can be read.
func TestWidthsFit(t *testing.T) {
	columns := []offprint.Column{
		{Name: "a", Title: "A"},
		{Name: "b", Title: "A rather long title"},
		{Name: "c", Title: "C", Width: 33},
		{Name: "d", Title: "D", As: offprint.AsMoney},
		{Name: "e", Title: "E"},
		{Name: "f", Title: "F"},
		{Name: "g", Title: "G"},
	}
	row := offprint.Row{
		offprint.TextValue("xy"), offprint.TextValue("x"), offprint.TextValue("x"), offprint.DecimalValue(-123456789012, 2),
		offprint.TextValue(strings.Repeat("long ", 100)), offprint.TextValue("漢字漢字漢字漢字漢字"), instant("2026-01-31T10:00:00Z"),
	}
	w := made(t, offprint.Head{}, offprint.DocEnd{}, table(columns, row)).Sheets[0].Widths
	for column, room := range map[string][2]float64{
		"A": {6, 9}, "B": {22, 25}, "C": {33, 33}, "D": {17, 21}, "E": {60, 62}, "F": {20, 23}, "G": {16, 19},
	} {
		if w[column] < room[0] || w[column] > room[1] {
			t.Errorf("column %s is %v wide, want %v", column, w[column], room)
		}
	}
}

// TestShapes holds that each of these documents opens without repair.
func TestShapes(t *testing.T) {
	empty := totaled(0)
	empty.totals = nil
	tests := []struct {
		name  string
		head  offprint.Head
		parts []part
		want  []string // sheets and their rows
	}{
		{"an empty part", offprint.Head{}, []part{empty}, []string{"Orders 1", "About"}},
		{"an empty part with totals", offprint.Head{}, []part{totaled(0)}, []string{"Orders 3", "About"}},
		{"fewer rows than are sampled", offprint.Head{}, []part{totaled(3)}, []string{"Orders 5", "About"}},
		{"as many", offprint.Head{}, []part{totaled(100)}, []string{"Orders 102", "About"}},
		{"no About sheet", offprint.Head{Options: map[string]string{"about": "off"}}, []part{totaled(1)}, []string{"Orders 3"}},
		{"no part", offprint.Head{Options: map[string]string{"about": "off"}}, nil, []string{"About"}},
		{"no columns", offprint.Head{}, []part{table(nil, offprint.Row{})}, []string{"Orders 0", "About"}},
		{"three parts", offprint.Head{Title: "All", Locale: "ar"}, []part{totaled(300), totaled(3), empty}, []string{"Orders 302", "Orders (2) 5", "Orders (3) 1", "About"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := made(t, tt.head, offprint.DocEnd{}, tt.parts...)
			var got []string
			for _, s := range b.Sheets {
				name := s.Name
				if name != "About" {
					name += fmt.Sprint(" ", len(s.Rows))
				}
				got = append(got, name)
				if want := tt.head.Locale == "ar"; s.RightToLeft != want {
					t.Errorf("right to left: %v, want %v", s.RightToLeft, want)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestSheetNames(t *testing.T) {
	tests := []struct{ title, want string }{
		{"Orders", "Orders"},
		{"orders", "orders (2)"},
		{"Sales [EU]: a*b? c/d\\e", "Sales -EU-- a-b- c-d-e"},
		{"'quoted'", "quoted"},
		{"O'Brien & \"Sons\"", "O'Brien & \"Sons\""},
		{"A title that is longer than thirty-one characters", "A title that is longer than thi"},
		{"A title that is longer than thirty-two characters", "A title that is longer than (2)"},
		{"😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀", "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀"},
		{"History", "History 1"},
		{"about", "about"},
		{" \n\t ", "Everything"},
	}
	var parts []part
	for _, tt := range tests {
		p := totaled(1)
		p.Title = tt.title
		parts = append(parts, p)
	}
	b := made(t, offprint.Head{Title: "Everything"}, offprint.DocEnd{}, parts...)
	for i, tt := range tests {
		if got := b.Sheets[i].Name; got != tt.want {
			t.Errorf("%q names the sheet %q, want %q", tt.title, got, tt.want)
		}
		if got, want := b.Sheets[i].Repeat, "$1:$1"; got != want {
			t.Errorf("%q repeats %q", tt.title, got)
		}
	}
	if got := b.Sheets[len(tests)].Name; got != "About (2)" {
		t.Errorf("the About sheet is named %q", got)
	}
}

// counting are n rows of one number, 2 to n+1: the row that they stand in.
func counting(n int) part {
	columns := []offprint.Column{{Name: "n", Title: "N", Total: offprint.Last}}
	return part{offprint.Table{Name: "counting", Columns: columns, Rows: func(yield func(offprint.Row, error) bool) {
		row := make(offprint.Row, 1)
		for i := range n {
			if row[0] = offprint.IntValue(int64(i + 2)); !yield(row, nil) {
				return
			}
		}
	}}, []offprint.Value{offprint.IntValue(int64(n + 1))}}
}

// fullSheet is how many rows stand between the header and the totals.
const fullSheet = 1<<20 - 2

// TestMoreRowsThanASheetHolds holds that the next sheet takes them, and that
// each has a table and totals of its own.
func TestMoreRowsThanASheetHolds(t *testing.T) {
	var out bytes.Buffer
	if _, err := write(&out, offprint.Head{}, offprint.DocEnd{}, counting(fullSheet+2)); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, out.Bytes())
	checkPackage(t, files)
	checkTables(t, files)
	sheet := files["xl/worksheets/sheet1.xml"]
	if got := bytes.Count(sheet, []byte("<v>")); got != fullSheet+2 {
		t.Errorf("%d numbers, want %d", got, fullSheet+2)
	}
	for name, end := range map[string]string{
		"1": `<row r="1048575"><c r="A1048575"><v>1048575</v></c></row><row r="1048576"><c r="A1048576"><f>LOOKUP(2,1/(counting[N]&lt;&gt;""),counting[N])</f><v>1048575</v></c></row></sheetData>`,
		"2": `<row r="3"><c r="A3"><v>1048577</v></c></row><row r="4"><c r="A4"><f>LOOKUP(2,1/(counting_2[N]&lt;&gt;""),counting_2[N])</f><v>1048577</v></c></row></sheetData>`,
	} {
		sheet := files["xl/worksheets/sheet"+name+".xml"]
		if last := sheet[max(0, len(sheet)-2000):]; !bytes.Contains(styled.ReplaceAll(last, nil), []byte(end)) {
			t.Errorf("sheet %s ends in %s", name, sheet[max(0, len(sheet)-700):])
		}
	}
}

var styled = regexp.MustCompile(` s="\d+"`)

// TestTheRowsOfOneSheet holds how many there are: one more where no totals
// stand below them.
func TestTheRowsOfOneSheet(t *testing.T) {
	for _, tt := range []struct {
		total offprint.Total
		want  int
	}{{offprint.Last, fullSheet}, {offprint.NoTotal, fullSheet + 1}} {
		w, err := xlsx.Format.New(io.Discard, offprint.Head{Options: map[string]string{"overflow": "fail"}})
		if err != nil {
			t.Fatal(err)
		}
		p, written := counting(fullSheet+2), 0
		p.Columns[0].Total = tt.total
		if err = w.Begin(&p.Table); err != nil {
			t.Fatal(err)
		}
		for row := range p.Rows {
			if err = w.Write(row); err != nil {
				break
			}
			written++
		}
		if offprint.CodeOf(err) != offprint.RowLimit || written != tt.want {
			t.Errorf("%q: after %d rows, want %d: %v", tt.total, written, tt.want, err)
		}
	}
}

func TestManyRowsAreForetold(t *testing.T) {
	for _, tt := range []struct {
		rows     int64
		overflow string
		want     string
	}{
		{fullSheet, "", "[]"},
		{fullSheet + 1, "", "[Beyond what one Excel sheet holds: 2 sheets.]"},
		{3 * fullSheet, "sheets", "[Beyond what one Excel sheet holds: 3 sheets.]"},
		{fullSheet + 1, "fail", "[Beyond what one Excel sheet holds, and this report may not go on on another: nothing would be made.]"},
	} {
		got := xlsx.Format.(offprint.Foreteller).Foretell(tt.rows, map[string]string{"overflow": tt.overflow})
		if fmt.Sprint(got) != tt.want {
			t.Errorf("%d rows, %q: %v, want %s", tt.rows, tt.overflow, got, tt.want)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	for _, options := range []map[string]string{{"overflow": "wrap"}, {"about": "first"}} {
		if _, err := xlsx.Format.New(io.Discard, offprint.Head{Options: options}); offprint.CodeOf(err) != offprint.Invalid {
			t.Errorf("%v: %v", options, err)
		}
	}
}

// TestNumberFormats holds that a code which Excel cannot read is refused: it
// would want to repair the workbook.
func TestNumberFormats(t *testing.T) {
	for format, good := range map[string]bool{
		"0": true, "General": true, "#,##0.00 €": true, `0.0" kg"`: true, "[Red]0;[Blue]-0;\"none\";@": true, "[h]:mm:ss": true, "dd.mm.yyyy": true,
		"h:mm AM/PM": true, "0.00E+00": true, "# ?/?": true, `_-* #,##0.00\ "kr"_-`: true, "[$-409]d-mmm-yy": true, "0%": true,
		"0 kg": false, `0"kg`: false, "[Red": false, "0;0;0;0;0": false, `0\`: false, "0\x01": false, strings.Repeat("0", 256): false,
	} {
		w, err := xlsx.Format.New(io.Discard, offprint.Head{})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Begin(&offprint.Table{Columns: []offprint.Column{{Name: "a", Title: "A", Format: format}}})
		if (err == nil) != good {
			t.Errorf("%q: %v", format, err)
		}
	}
}

// A broken io.Writer takes so many bytes and no more.
type broken struct{ left int }

var errFull = errors.New("the disk is full")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestFullDisk holds that no document is finished which was not written whole.
func TestFullDisk(t *testing.T) {
	defer goleak.VerifyNone(t)
	var whole bytes.Buffer
	if _, err := write(&whole, offprint.Head{}, offprint.DocEnd{}, totaled(8_000)); err != nil {
		t.Fatal(err)
	}
	for _, left := range []int{0, 100, 5000, whole.Len() / 2, whole.Len() - 3000, whole.Len() - 1} {
		if _, err := write(&broken{left}, offprint.Head{}, offprint.DocEnd{}, totaled(8_000)); !errors.Is(err, errFull) {
			t.Errorf("after %d bytes of %d: %v", left, whole.Len(), err)
		}
	}
}

// TestAbandoned holds that a document which nobody closes leaves nothing behind.
func TestAbandoned(t *testing.T) {
	defer goleak.VerifyNone(t)
	w, err := xlsx.Format.New(io.Discard, offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	p := totaled(0)
	if err := w.Begin(&p.Table); err != nil {
		t.Fatal(err)
	}
	for row := range orders(20_000) {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheFirstRowsLeave holds that nobody waits for more rows to see the first:
// bytes leave when the document begins, and rows as soon as the widths are known.
func TestTheFirstRowsLeave(t *testing.T) {
	var out bytes.Buffer
	w, err := xlsx.Format.New(&out, offprint.Head{})
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		t.Error("nothing has left when the document begins")
	}
	p := totaled(0)
	if err := w.Begin(&p.Table); err != nil {
		t.Fatal(err)
	}
	for row := range orders(100) {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	_, sheet, _ := bytes.Cut(out.Bytes(), []byte("sheet1.xml"))
	rows, err := io.ReadAll(flate.NewReader(bytes.NewReader(sheet)))
	if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasSuffix(rows, []byte("</row>")) || !bytes.Contains(rows, []byte(`<row r="101">`)) {
		t.Errorf("of a hundred rows %d bytes have left: %v", len(rows), err)
	}
}

func TestSameRowsMakeTheSameFile(t *testing.T) {
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if _, err := write(out, offprint.Head{}, offprint.DocEnd{}, totaled(20_000)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two runs differ")
	}
}

// TestNoAllocation holds that a row costs none.
func TestNoAllocation(t *testing.T) {
	w, err := xlsx.Format.New(io.Discard, offprint.Head{Zone: berlin(t)})
	if err != nil {
		t.Fatal(err)
	}
	p := totaled(0)
	if err := w.Begin(&p.Table); err != nil {
		t.Fatal(err)
	}
	const rows = 10_000
	batch := func() {
		for row := range orders(rows) {
			if err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	batch()
	if got := testing.AllocsPerRun(1, batch) / rows; got > 0.05 {
		t.Errorf("%.3f allocations a row", got)
	}
}

// TestMemoryIsFlat holds that four times the rows take no more of it.
func TestMemoryIsFlat(t *testing.T) {
	few, many := heap(t, 100_000), heap(t, 400_000)
	t.Logf("heap in use: %.1f MB for 100,000 rows, %.1f MB for 400,000", few, many)
	if many > few*1.2+1 {
		t.Errorf("heap in use: %.1f MB for 100,000 rows, %.1f MB for 400,000", few, many)
	}
}

// heap is the most that was in use, in MB.
func heap(t *testing.T, rows int) (most float64) {
	runtime.GC()
	p := counting(rows)
	source, n := p.Rows, 0
	p.Rows = func(yield func(offprint.Row, error) bool) {
		for row := range source {
			if n++; n%50_000 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, float64(m.HeapInuse)/1e6)
			}
			if !yield(row, nil) {
				return
			}
		}
	}
	if _, err := write(io.Discard, offprint.Head{}, offprint.DocEnd{}, p); err != nil {
		t.Fatal(err)
	}
	return most
}
