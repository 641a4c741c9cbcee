package xlsx

import (
	"strconv"

	"github.com/offprint/offprint"
)

// appendTotals writes the row below the rows.
func (p *part) appendTotals(totals []offprint.Value) {
	last := p.row
	p.row++
	number := strconv.AppendInt(p.digits[:0], int64(p.row), 10)
	p.buf = append(append(append(p.buf, `<row r="`...), number...), `">`...)
	for i, c := range p.columns {
		p.buf = append(append(p.buf, c.ref...), number...)
		switch {
		case !totals[i].IsNull():
			c.see(totals[i])
			p.buf = c.appendTotal(p.buf, totals[i], p.formula(i, last, totals[i]), p.w.styles)
		case i == 0:
			p.buf = appendString(p.buf, p.w.styles.of(style{font: bold, border: lineAbove}), p.w.words.Total)
		default:
			p.buf = append(p.buf, open(p.w.styles.of(style{font: bold, border: lineAbove}), "", `</c>`)...)
		}
	}
	p.buf = append(p.buf, `</row>`...)
}

// formula makes a total follow the filter, where Excel comes to the same
// result: all rows stand on this sheet, and as numbers.
func (p *part) formula(i, last int, total offprint.Value) string {
	c := p.columns[i]
	if p.sheets > 1 || c.filled == 0 {
		return ""
	}
	function := ""
	switch c.Total {
	case offprint.Sum:
		function = "109"
	case offprint.Average:
		function = "101"
	case offprint.Least:
		function = "105"
	case offprint.Most:
		function = "104"
	case offprint.Count:
		function = "103"
	}
	switch {
	case function == "", c.Total == offprint.Count && c.empty, c.Total != offprint.Count && (c.texts || total.Kind() == offprint.Bool):
		return ""
	}
	column := letters(i)
	return "<f>SUBTOTAL(" + function + "," + column + "2:" + column + strconv.Itoa(last) + ")</f>"
}

// appendTotal goes on after the cell's address. The value is the exact one;
// the formula only says how to have it anew under a filter.
func (c *column) appendTotal(b []byte, v offprint.Value, formula string, s *styles) []byte {
	t := *c
	if c.Total == offprint.Count {
		t.codes.number = "#,##0"
	}
	t.outfit = t.dressed(s, style{font: bold, border: lineAbove}, formula)
	if !c.asText() || c.Total == offprint.Count {
		if out, ok := t.value(b, v.Kind(), v); ok {
			return out
		}
	}
	return t.appendText(b, v.Kind(), v)
}
