package xlsx

import (
	"strconv"
	"strings"

	"github.com/offprint/offprint"
)

// A closing is what stands below the rows of a column, in the sheet as in the
// part of its table: Excel wants to repair a workbook where the two differ.
type closing struct {
	label    string // a text, as words for the row or as a total that is one
	function string // the table's word for formula: sum; custom: formula is our own
	formula  string // empty: nothing, or a label
	literal  string // the exact value, which formula stands for
	kind     string // of the cell, as open wants it
	style    style
}

// appendTotals writes the row below the rows.
func (p *part) appendTotals(totals []offprint.Value) []closing {
	closings := p.closings(totals)
	p.row++
	number := strconv.AppendInt(p.digits[:0], int64(p.row), 10)
	b := append(append(append(p.buf, `<row r="`...), number...), `">`...)
	for i, c := range closings {
		b = append(append(b, p.columns[i].ref...), number...)
		look := p.w.styles.of(c.style)
		switch {
		case c.formula != "":
			b = appendText(append(b, open(look, c.kind, `<f>`)...), c.formula)
			b = append(append(append(b, `</f><v>`...), c.literal...), endValue...)
		case c.label != "":
			b = appendString(b, look, c.label)
		default:
			b = append(b, open(look, "", `</c>`)...)
		}
	}
	p.buf = append(b, `</row>`...)
	return closings
}

// closings are one a column. The row is named where there is room for it: in
// the first column that anybody sees.
func (p *part) closings(totals []offprint.Value) []closing {
	closings := make([]closing, len(p.columns))
	first := true
	for i, c := range p.columns {
		closings[i].style = style{font: bold, border: lineAbove}
		switch {
		case !totals[i].IsNull():
			c.see(totals[i])
			closings[i] = c.closing(totals[i], p.tables[len(p.tables)-1])
		case first && !c.Hide:
			closings[i].label = p.w.words.Total
		}
		first = first && c.Hide
	}
	return closings
}

// closing is a total: by the table's own function where Excel comes to the
// same, else by a formula that says the value itself.
func (c *column) closing(v offprint.Value, table string) closing {
	t := *c
	if c.Total == offprint.Count {
		t.codes.number, t.As = "#,##0", offprint.AsNumber
	}
	k := closing{style: style{font: bold, border: lineAbove, code: t.codes.of(v.Kind())}}
	if kind := v.Kind(); kind == offprint.Date || kind == offprint.Timestamp {
		k.style.align = left
	}
	t.outfit = outfit{}
	literal, ok := t.value(nil, v.Kind(), v)
	if !ok || t.asText() {
		k.style.code, k.style.align = c.textLook.code, c.textLook.align
		k.label = fits(string(v.Append(nil, c.zone)))
		return k
	}
	k.literal = strings.TrimSuffix(string(literal), endValue)
	k.function, k.formula = "custom", k.literal
	if v.Kind() == offprint.Bool {
		k.kind, k.formula = ` t="b"`, map[bool]string{true: "TRUE", false: "FALSE"}[v.Bool()]
	}
	values := reference(table, c.Title)
	switch word, number := c.function(v); {
	case word != "":
		k.function, k.formula = word, "SUBTOTAL("+number+","+values+")"
	case c.Total == offprint.Last && k.kind == "" && !c.texts:
		k.formula = "LOOKUP(2,1/(" + values + `<>""),` + values + ")"
	}
	return k
}

// function is what makes a total follow the filter: the table's word for it
// (ECMA-376 part 1, 18.18.92), and SUBTOTAL's number. There is none where Excel
// would come to another result, as of days among numbers, which it adds and
// compares, and none for the last value, which LOOKUP finds: of equals it takes
// the last, and an error is none.
func (c *column) function(total offprint.Value) (word, number string) {
	numbers := !c.texts && !c.mixed && total.Kind() != offprint.Bool && c.filled > 0
	switch {
	case c.Total == offprint.Count && !c.empty && c.filled > 0:
		return "count", "103"
	case !numbers:
	case c.Total == offprint.Sum:
		return "sum", "109"
	case c.Total == offprint.Average:
		return "average", "101"
	case c.Total == offprint.Least:
		return "min", "105"
	case c.Total == offprint.Most:
		return "max", "104"
	}
	return "", ""
}
