package pdf

import (
	"fmt"
	"strings"

	"github.com/offprint/offprint"
)

// A table is the part being written. It keeps its first rows until they have
// shown how wide its columns are.
type table struct {
	w       *writer
	part    *offprint.Table
	columns []column
	linked  []int    // columns with a link
	groups  []column // that the part is grouped by
	fit
	lead    int // from one base line to the next
	inset   int // above and below the lines of a row
	rows    int64
	sample  []event
	sampled int // bytes of it
	settled bool

	header       string // the form's name; empty: too tall to be repeated
	headerHeight int
	striped      bool // the next row is
	waiting      []block
	text         []byte // of the value being set
}

// An event is a row, or the end of a group behind it.
type event struct {
	row offprint.Row
	end *offprint.GroupEnd
}

// What is read before the columns are set.
const (
	sampleRows  = 200
	sampleBytes = 256 << 10
)

func newTable(w *writer, part *offprint.Table) (*table, error) {
	t := &table{w: w, part: part}
	groups, err := offprint.NewGroups(part)
	if err != nil {
		return nil, err
	}
	for _, at := range groups.Columns() {
		t.groups = append(t.groups, columnOf(part.Columns[at], at))
	}
	for i, c := range part.Columns {
		if c.Hide {
			continue
		}
		column := columnOf(c, i)
		if c.Link != "" {
			if column.link, err = offprint.NewLink(c.Link, part.Columns); err != nil {
				return nil, err
			}
			t.linked = append(t.linked, len(t.columns))
		}
		t.columns = append(t.columns, column)
	}
	return t, nil
}

func (t *table) write(row offprint.Row) error {
	if len(row) != len(t.part.Columns) {
		return fmt.Errorf("a row of %d values for the %d columns of part %q", len(row), len(t.part.Columns), t.part.Name)
	}
	t.rows++
	if t.settled {
		return t.add(row)
	}
	kept := make(offprint.Row, len(row))
	for i, v := range row {
		kept[i] = v.Clone()
		t.sampled += len(v.Text())
	}
	t.sample = append(t.sample, event{row: kept})
	if t.rows < sampleRows && t.sampled < sampleBytes {
		return nil
	}
	return t.settle(false, nil)
}

func (t *table) endGroup(end offprint.GroupEnd) error {
	if t.settled {
		t.subtotal(end)
		return nil
	}
	t.sample = append(t.sample, event{end: &end})
	return nil
}

// settle sets the columns, begins the part and adds the rows that were kept.
// Where these are all, whole says so, and their totals are known.
func (t *table) settle(whole bool, totals offprint.Row) error {
	for i := range t.columns {
		t.measure(&t.columns[i], totals)
	}
	t.fit = fitColumns(t.columns, t.w.paper)
	if s := &t.w.sheet; whole && s.used && s.width > s.height { // a short part goes on where the one before it ended
		t.landscape = true
	}
	t.lead, t.inset = t.size*128/100, t.size*24/100
	t.settled = true
	err := t.begin()
	for i := 0; i < len(t.sample) && err == nil; i++ {
		if end := t.sample[i].end; end != nil {
			t.subtotal(*end)
			continue
		}
		err = t.add(t.sample[i].row)
	}
	t.sample = nil
	return err
}

func (t *table) measure(c *column, totals offprint.Row) {
	c.title(t.w.bold)
	sum := func(totals offprint.Row) {
		if totals != nil && !totals[c.index].IsNull() {
			t.text = t.w.printer.appendTotal(t.text[:0], c, totals[c.index])
			c.see(t.w.bold, t.text)
		}
	}
	for _, e := range t.sample {
		if e.end != nil {
			sum(e.end.Totals)
			continue
		}
		t.text = t.w.printer.append(t.text[:0], c, e.row[c.index])
		c.see(t.w.regular, t.text)
	}
	sum(totals)
	if t.rows >= sampleRows {
		c.grow()
	}
	if c.Width > 0 {
		c.natural = int(c.Width * digit)
		c.least = min(c.least, c.natural)
	}
}

// begin writes the part's title and the header.
func (t *table) begin() error {
	b := t.titles()
	t.headerHeight = t.height(b.tallest)
	err := t.w.section(t)
	if err != nil {
		return err
	}
	if t.headerHeight > t.w.sheet.height/3 {
		return t.flush()
	}
	t.header = t.w.addForm(t.headerForm(b))
	t.waiting = t.waiting[:0]
	t.head()
	return nil
}

func (t *table) titles() *block {
	row := make(offprint.Row, len(t.part.Columns))
	for _, c := range t.columns {
		row[c.index] = offprint.TextValue(c.Title)
	}
	b := t.next(t.w.bold)
	b.color = tint
	t.lay(b, row, false)
	return b
}

func (t *table) headerForm(b *block) (form *sheet, width, height int) {
	width = tableWidth(t.columns)
	form = &sheet{}
	form.fill(tint, margin, -t.headerHeight, width, t.headerHeight)
	form.fill(rule, margin, -t.headerHeight, width, hairline)
	for i := range t.columns {
		c := &b.cells[i]
		c.top = b.tallest - (c.to - c.from) // titles stand at the foot
		t.show(form, b, i, 0, b.tallest)
	}
	return form, width, t.headerHeight
}

// head draws the header where the page has come to.
func (t *table) head() {
	s := &t.w.sheet
	s.form(t.header, 0, s.y)
	s.y -= t.headerHeight
	s.used = true
	t.striped = false
}

// turn ends the page and begins the next with the header.
func (t *table) turn() error {
	t.close()
	err := t.w.turn(t.landscape)
	t.striped = false
	if err == nil && t.header != "" {
		t.head()
	}
	return err
}

// add sets a row, behind which the one before it can be drawn.
func (t *table) add(row offprint.Row) error {
	err := t.flush()
	if err != nil {
		return err
	}
	b := t.next(t.w.regular)
	t.lay(b, row, true)
	if t.linked != nil {
		t.link(b, row)
	}
	return nil
}

// subtotal sets the line below a group, to stand on the page of its last row.
func (t *table) subtotal(end offprint.GroupEnd) {
	if len(t.columns) == 0 {
		return
	}
	b := t.next(t.w.regular)
	b.total, b.line, b.weight = true, rule, hairline
	b.indent = end.Level * t.size
	if end.Level == 0 {
		b.face, b.line, b.after = t.w.bold, quiet, t.inset
	}
	t.lay(b, t.totals(end.Totals), true)
	t.text = t.w.printer.append(t.text[:0], &t.groups[end.Level], end.Keys[end.Level])
	key := strings.TrimSpace(string(t.text))
	if key == "" {
		key = t.w.words.NoValue
	}
	t.layLabel(b, key+" · "+t.w.words.Rows(end.Rows))
}

// totals are one a column, also where there are none.
func (t *table) totals(values []offprint.Value) offprint.Row {
	if len(values) != len(t.part.Columns) {
		return make(offprint.Row, len(t.part.Columns))
	}
	return values
}

// end writes the totals and what there is to say below them.
func (t *table) end(part offprint.PartEnd) error {
	if !t.settled {
		err := t.settle(true, part.Totals)
		if err != nil {
			return err
		}
	}
	if len(part.Totals) > 0 && len(t.columns) > 0 && t.rows > 0 {
		t.total(t.totals(part.Totals))
	}
	err := t.flush()
	if err != nil {
		return err
	}
	t.close()
	return t.remarks(part)
}

func (t *table) remarks(part offprint.PartEnd) error {
	var said []string
	if kinds := t.w.words.Kinds(t.part.Columns); kinds != "" && len(part.Totals) > 0 && t.rows > 0 {
		said = append(said, t.w.words.Totals+": "+kinds)
	}
	switch {
	case t.rows == 0:
		said = append(said, t.w.words.Nothing)
	case part.Truncated:
		said = append(said, t.w.cut(t.rows))
	}
	for _, text := range said {
		err := t.w.remark(text, t.landscape)
		if err != nil {
			return err
		}
	}
	return nil
}

// close draws the line below what stands on the page.
func (t *table) close() {
	t.w.sheet.fill(rule, margin, t.w.sheet.y, tableWidth(t.columns), hairline)
}

// total sets the last row, with a word for it. Where a total stands in its
// place, only groups make the word needed.
func (t *table) total(totals offprint.Row) {
	b := t.next(t.w.bold)
	b.total, b.line, b.weight = true, ink, 75
	t.lay(b, totals, true)
	if b.cells[0].from == b.cells[0].to || len(t.groups) > 0 {
		t.layLabel(b, t.w.words.Total)
	}
}
