package xlsx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/look"
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
	most    int // rows of a sheet that are not its totals
	tables  []string
	sums    *offprint.Totals // of this sheet; nil: no column has any

	links     *links     // of this sheet; nil: no column has any
	subtotals *subtotals // nil: no groups
}

func (w *writer) newPart(t *offprint.Table) (*part, error) {
	if len(t.Columns) > maxColumns {
		return nil, offprint.Errorf(offprint.Invalid, "An Excel sheet holds %d columns, and the report has %d. Ask for fewer, or for CSV.", maxColumns, len(t.Columns))
	}
	p := &part{w: w, table: t, buf: w.spare, most: maxRows}
	if sums := offprint.NewTotals(t.Columns); sums.Any() {
		p.sums = sums
		p.most--
	}
	var err error
	if p.subtotals, err = p.newSubtotals(); err != nil {
		return nil, err
	}
	for i, c := range titled(t.Columns) {
		column, err := newColumn(c, i, w.head.Zone, w.styles)
		if err != nil {
			return nil, err
		}
		if i > 0 && t.Columns[i-1].Numeric() && !c.Numeric() {
			column.standApart(w.styles)
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
	header := style{font: bold, fill: tint, border: lineBelow, align: c.textLook.align}
	if c.Numeric() {
		header.align = right
	}
	b = append(append(b, c.ref...), '1')
	b = append(b, open(w.styles.of(header), ` t="s"`, `<v>`)...)
	return append(strconv.AppendInt(b, int64(w.titles.of(c.Title)), 10), endValue...)
}

// appendString goes on after a cell's address with a text in a style.
func appendString(b []byte, look int, s string) []byte {
	value := `<is><t>`
	if spaced(s) {
		value = `<is><t xml:space="preserve">`
	}
	return append(appendText(append(b, open(look, inline, value)...), s), endText...)
}

// open begins a sheet and its table with their header.
func (p *part) open() error {
	if err := p.w.beginSheet(p.w.names.add(p.table.Title, p.w.head.Title, p.table.Name)); err != nil {
		return err
	}
	if len(p.columns) > 0 {
		p.tables = append(p.tables, p.w.tables.add(p.table.Name))
		p.w.sheets[len(p.w.sheets)-1].header = whole(len(p.columns) - 1)
	}
	if p.settled {
		p.buf = p.top(p.buf)
	}
	p.buf = append(p.buf, `<row r="1">`...)
	p.buf = append(append(p.buf, p.header...), `</row>`...)
	p.w.titles.uses += len(p.columns)
	p.row = 1
	return nil
}

func (p *part) write(row offprint.Row) error {
	if p.row == p.most {
		if err := p.turn(); err != nil {
			return err
		}
	}
	if len(row) != len(p.columns) {
		return fmt.Errorf("a row of %d values in a table of %d columns", len(row), len(p.columns))
	}
	if p.sums != nil {
		p.sums.Add(row)
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
		english := look.WordsIn("en")
		return offprint.Errorf(offprint.RowLimit, "An Excel sheet holds %s rows, and the report has more. Nothing was made. Ask for less, or for CSV.", english.Number(int64(p.most-1)))
	}
	var totals []offprint.Value
	if p.sums != nil {
		totals = p.sums.Values()
		p.sums = offprint.NewTotals(p.table.Columns)
	}
	if err := p.closeSheet(totals, ""); err != nil {
		return err
	}
	for _, c := range p.columns {
		c.filled, c.texts, c.empty, c.sort, c.mixed = 0, false, false, offprint.Null, false
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

// settle ends the sample: what stands before the rows is known. The first rows
// leave at once, however long the next ones take.
func (p *part) settle() error {
	p.settled = true
	p.buf = append(p.top(nil), p.buf...)
	if err := p.spill(); err != nil {
		return err
	}
	p.w.pack.landAll()
	return p.w.pack.err
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
	totals := e.Totals
	if totals != nil && len(p.tables) > 1 {
		totals = p.sums.Values()
	}
	remark := ""
	if e.Truncated {
		remark = fmt.Sprintf(p.w.words.Cut, p.w.words.Number(e.Rows))
	}
	if err := p.closeSheet(totals, remark); err != nil {
		return err
	}
	p.warn()
	if p.subtotals != nil {
		p.buf, err = p.subtotals.write(p.buf, p.w.parts[len(p.w.parts)-1], e)
	}
	p.w.spare = p.buf
	return err
}

// closeSheet writes what stands behind the rows, and the files that go with
// the sheet. The remark stands below the table, and is no part of it.
func (p *part) closeSheet(totals []offprint.Value, remark string) error {
	if p.row == 1 && len(p.columns) > 0 { // a table has a row, and be it a blank one
		p.row++
		p.buf = append(p.buf, `<row r="2"></row>`...)
	}
	last := p.row
	var closings []closing
	if totals != nil {
		closings = p.appendTotals(totals)
	}
	p.appendRemark(remark)
	if !p.settled {
		if err := p.settle(); err != nil {
			return err
		}
	}
	p.buf = appendPrompts(append(p.buf, `</sheetData>`...), p.columns)
	if err := p.pourLinks(); err != nil {
		return err
	}
	b := appendIgnored(p.w.appendPrint(p.buf), p.columns, last)
	if len(p.columns) > 0 {
		b = append(b, `<tableParts count="1"><tablePart r:id="table"/></tableParts>`...)
	}
	p.buf = append(b, `</worksheet>`...)
	if err := p.endEntry(); err != nil || len(p.columns) == 0 {
		return err
	}
	if err := p.relate(); err != nil {
		return err
	}
	return p.writeTable(closings)
}

// appendRemark writes a line below what there is, where the sheet has room and
// a column that anybody sees.
func (p *part) appendRemark(text string) {
	row := p.row + 2
	i := slices.IndexFunc(p.columns, func(c *column) bool { return !c.Hide })
	if text == "" || i < 0 || row > maxRows {
		return
	}
	number := strconv.Itoa(row)
	b := append(p.buf, `<row r="`+number+`">`...)
	b = append(append(b, p.columns[i].ref...), number...)
	p.buf = append(appendString(b, p.w.styles.of(style{font: bold}), text), `</row>`...)
}

// endEntry hands over what is left of an entry, and closes it.
func (p *part) endEntry() error {
	if err := p.spill(); err != nil {
		return err
	}
	return p.w.pack.end()
}

// relate writes what the sheet that has ended leads to: its table, its links.
func (p *part) relate() error {
	number := strconv.Itoa(len(p.w.sheets))
	if err := p.w.pack.begin("xl/worksheets/_rels/sheet" + number + ".xml.rels"); err != nil {
		return err
	}
	target := strings.TrimPrefix(tablePath(len(p.w.tables)), "xl/")
	p.buf = append(p.buf, relationsHead+`<Relationship Id="table" Type="`+relNS+`/table" Target="../`+target+`"/>`...)
	if err := p.spill(); err != nil {
		return err
	}
	if err := p.pourTargets(); err != nil {
		return err
	}
	p.buf = append(p.buf, relationsEnd...)
	return p.endEntry()
}

// writeTable writes the table of the sheet that has ended.
func (p *part) writeTable(closings []closing) error {
	id := len(p.w.tables)
	if err := p.w.pack.begin(tablePath(id)); err != nil {
		return err
	}
	p.buf = appendTable(p.buf, id, p.tables[len(p.tables)-1], p.columns, p.row, closings)
	return p.endEntry()
}

// appendFilter puts a filter over rows that are no table, and notes what it is
// over.
func (w *writer) appendFilter(b []byte, columns []*column, last int) []byte {
	n := len(columns)
	if n == 0 {
		return b
	}
	sheet := &w.sheets[len(w.sheets)-1]
	sheet.header, sheet.filter = whole(n-1), absolute(n-1, last)
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

// whole is $A:$J.
func whole(column int) string { return "$A:$" + letters(column) }

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
