package xlsx

import (
	"strconv"

	"github.com/offprint/offprint"
)

// maxLinks is what Excel takes on a sheet.
const maxLinks = 65530

// links are those of a sheet: where they are, which stands behind its rows,
// and where they lead, which is a file of its own.
type links struct {
	places, targets stash
	count           int
	left            int64 // without one, on all sheets
	url             []byte
}

// link readies the column for links, if it has one that anybody sees.
func (p *part) link(c *column) (err error) {
	if c.Link == "" || c.Hide {
		return nil
	}
	if c.link, err = offprint.NewLink(c.Link, p.table.Columns); err != nil {
		return err
	}
	c.linked = c.dressed(p.w.styles, style{font: linkFont})
	if p.links == nil {
		p.links = &links{}
	}
	return nil
}

// lead makes the cell that comes next a link, or plain where it has none.
func (p *part) lead(c *column, number []byte, row offprint.Row) {
	l := p.links
	c.outfit = c.plain
	l.url = c.link.Append(l.url[:0], row, c.zone)
	switch {
	case len(l.url) == 0:
		return
	case l.count == maxLinks:
		l.left++
		return
	}
	l.count++
	c.outfit = c.linked
	b := append(append(l.places.raw, `<hyperlink ref="`...), c.ref[len(`<c r="`):]...)
	b = append(append(b, number...), `" r:id="rId`...)
	l.places.raw = append(strconv.AppendInt(b, int64(l.count), 10), `"/>`...)
	b = strconv.AppendInt(append(l.targets.raw, `<Relationship Id="rId`...), int64(l.count), 10)
	b = append(b, `" Type="`+relNS+`/hyperlink" TargetMode="External" Target="`...)
	for _, c := range l.url { // of what XML minds, an address has only this
		if c == '&' {
			b = append(b, "&amp;"...)
			continue
		}
		b = append(b, c)
	}
	l.targets.raw = append(b, `"/>`...)
	p.w.pack.keep(&l.places)
	p.w.pack.keep(&l.targets)
}

// pourLinks writes the places of the links.
func (p *part) pourLinks() error {
	if p.links == nil || p.links.count == 0 {
		return nil
	}
	p.buf = append(p.buf, `<hyperlinks>`...)
	if err := p.spill(); err != nil {
		return err
	}
	err := p.w.pack.pour(&p.links.places)
	p.buf = append(p.buf, `</hyperlinks>`...)
	return err
}

// pourTargets writes where the links of the sheet that has ended lead.
func (p *part) pourTargets() error {
	if p.links == nil || p.links.count == 0 {
		return nil
	}
	p.links.count = 0
	return p.w.pack.pour(&p.links.targets)
}
