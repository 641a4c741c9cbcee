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
}

func (w *writer) newPart(t *offprint.Table) (*part, error) {
	if len(t.Columns) > maxColumns {
		return nil, offprint.Errorf(offprint.Invalid, "An Excel sheet holds %d columns, and the report has %d. Ask for fewer, or for CSV.", maxColumns, len(t.Columns))
	}
	p := &part{w: w, table: t, buf: w.spare}
	for i, c := range t.Columns {
		column, err := newColumn(c, i, w.head.Zone, w.styles)
		if err != nil {
			return nil, err
		}
		p.columns = append(p.columns, column)
		p.header = p.appendHeader(p.header, column)
	}
	return p, p.open()
}

func (p *part) appendHeader(b []byte, c *column) []byte {
	look := style{font: bold, fill: tint, border: lineBelow}
	if c.Numeric() {
		look.align = right
	}
	b = append(append(b, c.ref...), '1')
	return appendString(b, p.w.styles.of(look), fits(c.Title))
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
	if err := p.w.beginSheet(p.table.Title, p.w.head.Title, p.table.Name); err != nil {
		return err
	}
	if p.settled {
		p.buf = p.appendTop(p.buf)
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
	p.buf = append(p.appendTop(nil), p.buf...)
	return p.spill()
}

// appendTop writes what stands before the rows.
func (p *part) appendTop(b []byte) []byte {
	b = append(b, xmlHead+`<worksheet xmlns="`+mainNS+`"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews><sheetView`+p.w.direction()...)
	if len(p.w.sheets) == 1 {
		b = append(b, ` tabSelected="1"`...)
	}
	b = append(b, ` workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>`+
		`<selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>`...)
	if len(p.columns) > 0 {
		b = append(b, `<cols>`...)
		for i, c := range p.columns {
			b = appendWidth(b, i, c.fit(p.table.RowsEstimated), c.Hide)
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
func (p *part) end(e offprint.PartEnd) error {
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
	p.w.spare = p.buf
	p.warn()
	return nil
}

// closeSheet writes what stands behind the rows; data ends in the row last.
func (p *part) closeSheet(last int) error {
	sheet := &p.w.sheets[len(p.w.sheets)-1]
	b := append(p.buf, `</sheetData>`...)
	if n := len(p.columns); n > 0 {
		sheet.filter = absolute(n-1, last)
		b = append(append(append(b, `<autoFilter ref="A1:`+letters(n-1)...), strconv.Itoa(last)...), `"/>`...)
	}
	b = p.w.appendPrint(b)
	b = p.appendIgnored(b, last)
	p.buf = append(b, `</worksheet>`...)
	if err := p.spill(); err != nil {
		return err
	}
	return p.w.pack.end()
}

// absolute is $A$1:$J$101.
func absolute(column, row int) string {
	return "$A$1:$" + letters(column) + "$" + strconv.Itoa(row)
}

// appendIgnored keeps Excel from marking each id as a number stored as text.
func (p *part) appendIgnored(b []byte, last int) []byte {
	var where []byte
	for i, c := range p.columns {
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
	for _, c := range p.columns {
		if c.lost > 0 {
			p.w.warn(c, "digits_lost", c.lost, "Excel keeps 15 digits of a number. The further ones were rounded.")
		}
		if c.cut > 0 {
			p.w.warn(c, "text_cut", c.cut, "An Excel cell holds 32,767 characters. Longer text was cut.")
		}
	}
}
