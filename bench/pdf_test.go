package bench

import (
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"github.com/go-fonts/dejavu/dejavusans"

	"github.com/offprint/offprint"
)

// withFPDF draws what ours does: the same font at the same size, the header
// and the number of each of the pages, stripes, numbers on the right.
func withFPDF(out io.Writer, s shape, sample []offprint.Row, n int) error {
	const line = 5.28 // mm, as ours
	f := fpdf.New("L", "mm", "A4", "")
	f.AddUTF8FontFromBytes("sans", "", dejavusans.TTF)
	f.SetMargins(15, 15, 15)
	f.SetAutoPageBreak(true, 15)
	f.AliasNbPages("{pages}")
	columns := s.columns()
	widths := []float64{18, 20, 36, 62, 16, 24, 18, 24, 28, 14}
	f.SetHeaderFunc(func() {
		f.SetFont("sans", "", 8.5)
		f.SetFillColor(232, 237, 251)
		for i, c := range columns {
			f.CellFormat(widths[i], line, c.Title, "", 0, "L", true, 0, "")
		}
		f.Ln(line)
	})
	f.SetFooterFunc(func() {
		f.SetY(-12)
		f.CellFormat(0, line, fmt.Sprintf("Page %d of {pages}", f.PageNo()), "", 0, "R", false, 0, "")
	})
	f.AddPage()
	f.SetFillColor(247, 247, 245)
	for i := range n {
		for j, v := range sample[i%len(sample)] {
			align := "L"
			if columns[j].Numeric() {
				align = "R"
			}
			f.CellFormat(widths[j], line, shown(v, columns[j].Kind), "", 0, align, i%2 == 1, 0, "")
		}
		f.Ln(line)
	}
	return f.Output(out)
}

func shown(v offprint.Value, kind offprint.Kind) string {
	switch v := native(v).(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		if kind == offprint.Date {
			return v.Format(time.DateOnly)
		}
		return v.Format(time.DateTime)
	default:
		return v.(string)
	}
}

func BenchmarkPDF(b *testing.B) {
	compare(b, shapes[0], inGo("offprint", "offprint-pdf"), inGo("fpdf", "fpdf"))
}
