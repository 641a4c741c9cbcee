package xlsx

import (
	"bytes"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/offprint/offprint"
)

// Bounds of the formulas of a sheet of subtotals; beyond them it has values.
const (
	mostCompared  = 200_000_000 // cells, by all of its formulas: a second or two of Excel
	mostCriterion = 255         // UTF-16 units of a criterion
	mostMatched   = 1 << 20     // bytes of keys that are kept for their beginnings
)

// A finder says which rows of a part's table are a group's, as SUMIFS and its
// kin want to be told, and whether these would find the very rows: Excel
// compares texts without case, takes *, ? and ~ for a pattern, what begins
// with = < > for a comparison, and a text that reads as a number or a day for
// one; LibreOffice passes over the empty cells at a column's end. Where it would find others, lost is true for good.
type finder struct {
	columns []*column // the group's
	seed    maphash.Seed
	seen    map[uint64]bool // groups, by their keys without case
	matched []map[string]bool
	size    int // of matched
	sorts   []offprint.Kind
	lost    bool
}

func newFinder(columns []*column) *finder {
	f := &finder{columns: columns, seed: maphash.MakeSeed(), seen: map[uint64]bool{}, sorts: make([]offprint.Kind, len(columns))}
	for range columns {
		f.matched = append(f.matched, map[string]bool{})
	}
	return f
}

// criteria are one a key, given the cells that show the keys.
func (f *finder) criteria(keys []offprint.Value, cells []string) []string {
	var hash maphash.Hash
	hash.SetSeed(f.seed)
	criteria := make([]string, len(keys))
	for i, key := range keys {
		if criteria[i] = f.criterion(i, key, cells[i]); criteria[i] == "" {
			f.lost = true
		}
		hash.WriteString(folded(key))
		hash.WriteByte(0)
	}
	f.lost = f.lost || f.seen[hash.Sum64()]
	f.seen[hash.Sum64()] = true
	return criteria
}

// criterion is empty where there is none for such a key.
func (f *finder) criterion(level int, key offprint.Value, cell string) string {
	if f.sorts[level] != offprint.Null && f.sorts[level] != sortOf(key) {
		return "" // a number finds the texts that read as it, too
	}
	f.sorts[level] = sortOf(key)
	if f.columns[level].asText() {
		return f.text(level, key.String(), cell)
	}
	switch key.Kind() {
	case offprint.Bool:
		return cell
	case offprint.Date:
		if inCalendar(key.Days()) {
			return cell
		}
	case offprint.Int:
		if n := key.Int(); n > -maxShort && n < maxShort {
			return cell
		}
	case offprint.Decimal:
		if n, _, short := key.Unscaled(); short && n > -maxShort && n < maxShort {
			return cell
		}
	case offprint.Text:
		return f.text(level, key.Text(), cell)
	}
	return ""
}

// text matches plain words as they are. Anything else could read as a number;
// as the beginning of a text it cannot, and finds no more than itself as long
// as no other key goes on behind it.
func (f *finder) text(level int, s, cell string) string {
	if s == "" || s != strings.TrimSpace(s) || strings.ContainsAny(s, "*?~") || len(utf16.Encode([]rune(s))) >= mostCriterion ||
		strings.EqualFold(s, "true") || strings.EqualFold(s, "false") || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	if unicode.IsLetter([]rune(s)[0]) && !strings.ContainsFunc(s, unicode.IsNumber) {
		return cell
	}
	s = fold(s)
	if !f.matched[level][s] {
		f.size += len(s)
		f.lost = f.lost || f.size > mostMatched
	}
	if !f.lost {
		f.matched[level][s] = true
	}
	return `"="&` + cell + `&"*"`
}

// found tells whether the criteria of all groups find what they should.
func (f *finder) found() bool {
	for _, keys := range f.matched {
		if f.lost {
			return false
		}
		before := ""
		for i, key := range slices.Sorted(maps.Keys(keys)) {
			f.lost = f.lost || i > 0 && strings.HasPrefix(key, before)
			before = key
		}
	}
	return !f.lost
}

// folded tells keys apart as Excel does.
func folded(key offprint.Value) string {
	s := key.String()
	if _, scale, _ := key.Unscaled(); key.Kind() == offprint.Decimal && scale > 0 {
		s = string(trimZeros([]byte(s)))
	}
	return strconv.Itoa(int(sortOf(key))) + fold(s)
}

// sortOf is the key's kind, that of an integer for each exact number.
func sortOf(key offprint.Value) offprint.Kind {
	if key.Kind() == offprint.Decimal {
		return offprint.Int
	}
	return key.Kind()
}

func fold(s string) string { return strings.ToLower(strings.ToUpper(s)) }

// subtotal is the formula for the total of a column over some rows of a table;
// empty where Excel would come to another result, or can't find it.
func subtotal(c *column, table string, where string) string {
	values := reference(table, c.Title)
	switch {
	case c.Total == offprint.Count && !c.empty:
		return "COUNTIFS(" + where + "," + values + `,"<>")`
	case c.texts, c.mixed:
	case c.Total == offprint.Sum:
		return "SUMIFS(" + values + "," + where + ")"
	case c.Total == offprint.Average:
		return "AVERAGEIFS(" + values + "," + where + ")"
	}
	return ""
}

// grandTotal is the same over all rows.
func grandTotal(c *column, table string) string {
	values := reference(table, c.Title)
	switch {
	case c.Total == offprint.Count && !c.empty:
		return "COUNTA(" + values + ")"
	case c.texts, c.mixed:
	case c.Total == offprint.Sum:
		return "SUM(" + values + ")"
	case c.Total == offprint.Average:
		return "AVERAGE(" + values + ")"
	}
	return ""
}

// appendFormula writes the cell of v as append does, with the formula that
// comes to it where v is a number.
func (c *column) appendFormula(b, row []byte, formula string, v offprint.Value) []byte {
	start := len(b)
	b = c.append(b, row, v)
	at := bytes.Index(b[start:], []byte("<v>"))
	if formula == "" || at < 0 {
		return b
	}
	escaped := append(appendText([]byte("<f>"), formula), "</f>"...)
	return slices.Insert(b, start+at, escaped...)
}
