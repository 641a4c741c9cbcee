package xlsx

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/offprint/offprint"
)

// appendTable is the part that makes a range a table (ECMA-376 part 1,
// 18.5.1): filter, structured references, pivots and queries by its name.
// Rows are the header's, the data's and, where there are closings, theirs.
func appendTable(b []byte, id int, name string, columns []*column, rows int, closings []closing) []byte {
	last := letters(len(columns) - 1)
	b = strconv.AppendInt(append(b, xmlHead+`<table xmlns="`+mainNS+`" id="`...), int64(id), 10)
	b = append(b, `" name="`+name+`" displayName="`+name+`" ref="A1:`+last...)
	b = strconv.AppendInt(b, int64(rows), 10)
	if closings != nil {
		b = append(b, `" totalsRowCount="1"><autoFilter ref="A1:`+last...)
		b = strconv.AppendInt(b, int64(rows-1), 10)
	} else {
		b = append(b, `" totalsRowShown="0"><autoFilter ref="A1:`+last...)
		b = strconv.AppendInt(b, int64(rows), 10)
	}
	b = strconv.AppendInt(append(b, `"/><tableColumns count="`...), int64(len(columns)), 10)
	b = append(b, `">`...)
	for i, c := range columns {
		b = strconv.AppendInt(append(b, `<tableColumn id="`...), int64(i+1), 10)
		b = appendTitle(append(b, `" name="`...), c.Title)
		if closings != nil {
			b = closings[i].appendTo(b)
			continue
		}
		b = append(b, `"/>`...)
	}
	return append(b, `</tableColumns><tableStyleInfo showFirstColumn="0" showLastColumn="0" showRowStripes="0" showColumnStripes="0"/></table>`...)
}

// appendTo goes on after the name of a table's column.
func (c closing) appendTo(b []byte) []byte {
	switch {
	case c.function == "custom":
		b = append(b, `" totalsRowFunction="custom"><totalsRowFormula>`...)
		return append(appendText(b, c.formula), `</totalsRowFormula></tableColumn>`...)
	case c.function != "":
		b = append(b, `" totalsRowFunction="`+c.function...)
	case c.label != "":
		b = appendTitle(append(b, `" totalsRowLabel="`...), c.label)
	}
	return append(b, `"/>`...)
}

// appendTitle writes an attribute that is an ST_Xstring, as a header's cell is.
func appendTitle(b []byte, s string) []byte {
	start := len(b)
	b = appendText(b, s)
	return append(b[:start], strings.ReplaceAll(string(b[start:]), `"`, "&quot;")...)
}

// maxTitle is the longest title of a table's column, in UTF-16 units.
const maxTitle = 255

// titled are the columns under titles that a table may have: each has one, in
// one line, and unlike the others without case.
func titled(columns []offprint.Column) []offprint.Column {
	out := make([]offprint.Column, len(columns))
	seen := map[string]bool{}
	for i, c := range columns {
		base := strings.Map(func(r rune) rune {
			if r < ' ' || r == 0xFFFE || r == 0xFFFF {
				return ' '
			}
			return r
		}, strings.ToValidUTF8(c.Title, string(utf8.RuneError)))
		if base == "" {
			base = "Column " + strconv.Itoa(i+1)
		}
		c.Title = cut(base, maxTitle)
		for n := 2; seen[strings.ToLower(c.Title)]; n++ {
			end := " (" + strconv.Itoa(n) + ")"
			c.Title = cut(base, maxTitle-len(end)) + end
		}
		seen[strings.ToLower(c.Title)] = true
		out[i] = c
	}
	return out
}

// tables are the names of the tables so far, as formulas say them: Excel tells
// them apart without case.
type tables map[string]bool

// add makes a legal name for the table of a part, unlike those before it:
// orders, and orders_2 where the part goes on on a further sheet.
func (t tables) add(part string) string {
	base := tableName(part)
	name := base
	for i := 2; t[strings.ToLower(name)]; i++ {
		name = strings.TrimSuffix(base, "_") + "_" + strconv.Itoa(i)
	}
	t[strings.ToLower(name)] = true
	return name
}

// maxTableName is the longest name that is not cut.
const maxTableName = 200

// tableName is the name of a part as Excel takes it for a table's: of letters,
// digits, underscores and points, and nothing that reads as a cell.
func tableName(part string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || r == '.' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return '_'
	}, part)
	name = name[:min(len(name), maxTableName)]
	if name == "" || !isLetter(name[0]) && name[0] != '_' {
		name = "_" + name
	}
	if readsAsCell.MatchString(name) {
		name += "_"
	}
	return name
}

// readsAsCell matches Q1, R, C3, R1C1 and the two words that are values.
var readsAsCell = regexp.MustCompile(`(?i)^([a-z]{1,3}[0-9]+|r[0-9]*(c[0-9]*)?|c[0-9]*|true|false)$`)

// reference is a column of a table in a formula: orders[Amount].
func reference(table, title string) string {
	return table + "[" + inReference.Replace(title) + "]"
}

// inReference escapes what has a meaning between the brackets (ECMA-376 part 1,
// 18.17.6.4, and what Excel itself writes).
var inReference = strings.NewReplacer("'", "''", "[", "'[", "]", "']", "#", "'#")
