package xlsx

import "strconv"

// titles are the workbook's shared strings: the cells of headers, which a
// table's have to be, and nothing else.
type titles struct {
	index map[string]int
	order []string
	uses  int // the cells
}

func newTitles() *titles { return &titles{index: map[string]int{}} }

// of is the index that cells name.
func (t *titles) of(title string) int {
	i, known := t.index[title]
	if !known {
		i = len(t.order)
		t.index[title] = i
		t.order = append(t.order, title)
	}
	return i
}

// xml is xl/sharedStrings.xml.
func (t *titles) xml() []byte {
	b := strconv.AppendInt([]byte(xmlHead+`<sst xmlns="`+mainNS+`" count="`), int64(t.uses), 10)
	b = strconv.AppendInt(append(b, `" uniqueCount="`...), int64(len(t.order)), 10)
	b = append(b, `">`...)
	for _, title := range t.order {
		b = append(b, `<si><t`...)
		if spaced(title) {
			b = append(b, ` xml:space="preserve"`...)
		}
		b = append(appendText(append(b, '>'), title), `</t></si>`...)
	}
	return append(b, `</sst>`...)
}
