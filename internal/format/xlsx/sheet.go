package xlsx

import (
	"fmt"
	"strconv"

	"github.com/offprint/offprint"
)

const (
	maxRows    = 1 << 20 // of a sheet, its header among them
	maxColumns = 1 << 14

	sampled      = 100     // rows that widths are made from,
	sampledBytes = 1 << 20 // or as many as make so much XML

	mainNS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
	relNS  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

	xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
)

// A part is one table on its way into one sheet, or into several where it has
// more rows than a sheet can hold. Its first rows wait for the widths, which
// stand before them in the file.
type part struct {
	w       *writer
	table   *offprint.Table
	columns []*column
	header  []byte // the cells of the header row
	settled bool   // the widths are known
	buf     []byte // encoded and not yet handed over
	row     int    // the last on this sheet
	digits  [8]byte
	sheets  int

	links     *links     // of this sheet; nil: no column has any
	subtotals *subtotals // nil: no groups
}

func (w *writer) newPart(t *offprint.Table) (*part, error) {
	if len(t.Columns) > maxColumns {
		return nil, offprint.Errorf(offprint.Invalid, "An Excel sheet holds %d columns, and the report has %d. Ask for fewer, or for CSV.", maxColumns, len(t.Columns))
	}
	p := &part{w: w, table: t, buf: w.spare}
	var err error
	if p.subtotals, err = w.newSubtotals(t); err != nil {
		return nil, err
	}
	for i, c := range t.Columns {
		column, err := newColumn(c, i, w.head.Zone, w.styles)
		if err != nil {
			return nil, err
		}
		if err := p.link(column); err != nil {
			return nil, err
		}
		p.columns = append(p.columns, column)
		p.header = w.appendHeader(p.header, column)
	}
	return p, p.open()
}

func (w *writer) appendHeader(b []byte, c *column) []byte {
	look := style{font: bold, fill: tint, border: lineBelow}
	if c.Numeric() {
		look.align = right
	}
	b = append(append(b, c.ref...), '1')
	return appendString(b, w.styles.of(look), fits(c.Title))
}

// appendString goes on after a cell's address with a text in a style.
func appendString(b []byte, look int, s string) []byte {
	value := `<is><t>`
	if spaced(s) {
		value = `<is><t xml:space="preserve">`
	}
	return append(appendText(append(b, open(look, inline, value)...), s), endText...)
}

// open begins a sheet with its header.
func (p *part) open() error {
	p.sheets++
	if err := p.w.beginSheet(p.w.names.add(p.table.Title, p.w.head.Title, p.table.Name)); err != nil {
		return err
	}
	if p.settled {
		p.buf = p.top(p.buf)
	}
	p.buf = append(p.buf, `<row r="1">`...)
	p.buf = append(append(p.buf, p.header...), `</row>`...)
	p.row = 1
	return nil
}

func (p *part) write(row offprint.Row) error {
	if p.row == maxRows {
		if err := p.turn(); err != nil {
			return err
		}
	}
	if len(row) != len(p.columns) {
		return fmt.Errorf("a row of %d values in a table of %d columns", len(row), len(p.columns))
	}
	p.row++
	number := strconv.AppendInt(p.digits[:0], int64(p.row), 10)
	b := append(append(append(p.buf, `<row r="`...), number...), `">`...)
	for i, c := range p.columns {
		if c.link != nil && !row[i].IsNull() {
			p.lead(c, number, row)
		}
		b = c.append(b, number, row[i])
	}
	p.buf = append(b, `</row>`...)
	if !p.settled {
		return p.sample(row)
	}
	if len(p.buf) < blockSize {
		return nil
	}
	return p.spill()
}

// turn goes on on a new sheet.
func (p *part) turn() error {
	if !p.w.overflow {
		return offprint.Errorf(offprint.RowLimit, "An Excel sheet holds %s rows, and the report has more. Nothing was made. Ask for less, or for CSV.", "1,048,576")
	}
	if err := p.closeSheet(p.row); err != nil {
		return err
	}
	return p.open()
}

func (p *part) spill() (err error) {
	p.buf, err = p.w.pack.put(p.buf)
	return err
}

func (p *part) sample(row offprint.Row) error {
	for i, c := range p.columns {
		c.see(row[i])
	}
	if p.row <= sampled && len(p.buf) < sampledBytes {
		return nil
	}
	return p.settle()
}

// settle ends the sample: what stands before the rows is known.
func (p *part) settle() error {
	p.settled = true
	p.buf = append(p.top(nil), p.buf...)
	return p.spill()
}

// top writes what stands before the rows.
func (p *part) top(b []byte) []byte {
	return p.w.appendTop(b, p.columns, p.table.RowsEstimated, len(p.w.sheets) == 1)
}

func (w *writer) appendTop(b []byte, columns []*column, rows int64, selected bool) []byte {
	b = append(b, xmlHead+`<worksheet xmlns="`+mainNS+`" xmlns:r="`+relNS+`"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews><sheetView`+w.direction()...)
	if selected {
		b = append(b, ` tabSelected="1"`...)
	}
	b = append(b, ` workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>`+
		`<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>`...)
	if len(columns) > 0 {
		b = append(b, `<cols>`...)
		for i, c := range columns {
			b = appendWidth(b, i, c.fit(rows), c.Hide)
		}
		b = append(b, `</cols>`...)
	}
	return append(b, `<sheetData>`...)
}

func appendWidth(b []byte, i int, width float64, hide bool) []byte {
	b = strconv.AppendInt(append(b, `<col min="`...), int64(i+1), 10)
	b = strconv.AppendInt(append(b, `" max="`...), int64(i+1), 10)
	b = strconv.AppendFloat(append(b, `" width="`...), width, 'f', -1, 64)
	if hide {
		b = append(b, `" hidden="1`...)
	}
	return append(b, `" customWidth="1"/>`...)
}

// end writes the totals and closes the last sheet.
func (p *part) end(e offprint.PartEnd) (err error) {
	if e.Totals != nil && p.row == maxRows {
		if err := p.turn(); err != nil {
			return err
		}
	}
	last := p.row
	if e.Totals != nil {
		p.appendTotals(e.Totals)
	}
	if !p.settled {
		if err := p.settle(); err != nil {
			return err
		}
	}
	if err := p.closeSheet(last); err != nil {
		return err
	}
	p.warn()
	if p.subtotals != nil {
		p.buf, err = p.subtotals.write(p.buf, p.w.parts[len(p.w.parts)-1], e)
	}
	p.w.spare = p.buf
	return err
}

// closeSheet writes what stands behind the rows; data ends in the row last.
func (p *part) closeSheet(last int) error {
	b := append(p.buf, `</sheetData>`...)
	b = p.w.appendFilter(b, p.columns, last)
	p.buf = appendPrompts(b, p.columns)
	if err := p.pourLinks(); err != nil {
		return err
	}
	b = p.w.appendPrint(p.buf)
	b = appendIgnored(b, p.columns, last)
	p.buf = append(b, `</worksheet>`...)
	if err := p.spill(); err != nil {
		return err
	}
	if err := p.w.pack.end(); err != nil {
		return err
	}
	return p.leads()
}

// appendFilter puts a filter over the rows, and notes what it is over.
func (w *writer) appendFilter(b []byte, columns []*column, last int) []byte {
	n := len(columns)
	if n == 0 {
		return b
	}
	w.sheets[len(w.sheets)-1].filter = absolute(n-1, last)
	b = strconv.AppendInt(append(b, `<autoFilter ref="A1:`+letters(n-1)...), int64(last), 10)
	return append(b, `"/>`...)
}

// appendPrompts shows the notes on columns to whoever goes to their titles.
func appendPrompts(b []byte, columns []*column) []byte {
	noted := 0
	for _, c := range columns {
		if c.Note != "" {
			noted++
		}
	}
	if noted == 0 {
		return b
	}
	b = strconv.AppendInt(append(b, `<dataValidations count="`...), int64(noted), 10)
	b = append(b, `">`...)
	for i, c := range columns {
		if c.Note == "" {
			continue
		}
		b = appendAttribute(append(b, `<dataValidation allowBlank="1" showInputMessage="1" promptTitle="`...), cut(c.Title, longestPromptTitle))
		b = appendAttribute(append(b, `" prompt="`...), cut(c.Note, longestPrompt))
		b = append(b, `" sqref="`+letters(i)+`1"/>`...)
	}
	return append(b, `</dataValidations>`...)
}

// What Excel shows of them.
const (
	longestPromptTitle = 32
	longestPrompt      = 255
)

// absolute is $A$1:$J$101.
func absolute(column, row int) string {
	return "$A$1:$" + letters(column) + "$" + strconv.Itoa(row)
}

// appendIgnored keeps Excel from marking each id as a number stored as text.
func appendIgnored(b []byte, columns []*column, last int) []byte {
	var where []byte
	for i, c := range columns {
		if c.texts && last > 1 {
			where = append(where, ' ')
			where = append(append(where, letters(i)...), '2', ':')
			where = strconv.AppendInt(append(where, letters(i)...), int64(last), 10)
		}
	}
	if where == nil {
		return b
	}
	b = append(append(b, `<ignoredErrors><ignoredError sqref="`...), where[1:]...)
	return append(b, `" numberStoredAsText="1"/></ignoredErrors>`...)
}

// warn tells what the cells could not hold.
func (p *part) warn() {
	if p.links != nil && p.links.left > 0 {
		p.w.warnings = append(p.w.warnings, offprint.Warning{
			Code: "links_left_out", Count: p.links.left, Detail: "An Excel sheet holds 65,530 links. The cells after these have none.",
		})
	}
	for _, c := range p.columns {
		if c.lost > 0 {
			p.w.warn(c, "digits_lost", c.lost, "Excel keeps 15 digits of a number. The further ones were rounded.")
		}
		if c.cut > 0 {
			p.w.warn(c, "text_cut", c.cut, "An Excel cell holds 32,767 characters. Longer text was cut.")
		}
	}
}
