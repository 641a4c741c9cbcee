package xlsx

import (
	"regexp"
	"strconv"
	"strings"
)

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
