package offprint

import "slices"

// Groups tells where the groups of a table end, row by row, and what they
// come to. Rows that are equal in the group's columns and stand together are
// a group; where they come again later, it is another one. Its memory does not
// grow with the rows.
type Groups struct {
	at     []int // the group's columns, the outermost first
	any    bool  // a column has a total
	levels []level
	keys   []Value // of the open groups
	open   bool
	ended  []GroupEnd
}

// A level is its open group so far.
type level struct {
	rows   int64
	totals *Totals
}

// A GroupEnd is what is known of a group after its last row.
type GroupEnd struct {
	Level  int     // 0 is the outermost
	Keys   []Value // its values in the group's columns, from the outermost to its own: Europe, 2026-01
	Rows   int64
	Totals []Value // one a column, as of a [PartEnd]; nil without any total
}

// NewGroups begins the groups of a table. It is an error if the table is
// grouped by what is no column of it.
func NewGroups(t *Table) (*Groups, error) {
	g := &Groups{at: make([]int, len(t.Group)), levels: make([]level, len(t.Group)), keys: make([]Value, len(t.Group))}
	for i, name := range t.Group {
		g.at[i] = slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
		if g.at[i] < 0 {
			return nil, Errorf(BadQuery, "The report is grouped by %s, and its query has no such column.", name)
		}
		g.levels[i].totals = NewTotals(t.Columns)
		g.any = g.levels[i].totals.Any()
	}
	return g, nil
}

// Columns are the places of the group's columns, the outermost first.
func (g *Groups) Columns() []int { return g.at }

// Add counts a row in, and answers the groups that had ended before it, the
// innermost first. The slice is reused by the next call; what it holds is not.
func (g *Groups) Add(row Row) []GroupEnd {
	g.ended = g.ended[:0]
	if first := g.first(row); first < len(g.at) {
		if g.open {
			g.close(first)
		}
		for i := first; i < len(g.at); i++ {
			g.keys[i] = row[g.at[i]].Clone()
		}
	}
	g.open = true
	for i := range g.levels {
		g.levels[i].rows++
		if g.any {
			g.levels[i].totals.Add(row)
		}
	}
	return g.ended
}

// End answers the groups that end with the last row.
func (g *Groups) End() []GroupEnd {
	g.ended = g.ended[:0]
	if g.open {
		g.close(0)
	}
	g.open = false
	return g.ended
}

// first is the outermost level in which the row is of another group.
func (g *Groups) first(row Row) int {
	if !g.open {
		return 0
	}
	for i, at := range g.at {
		if row[at] != g.keys[i] && Compare(row[at], g.keys[i]) != 0 {
			return i
		}
	}
	return len(g.at)
}

// close ends the groups from the innermost level up to this one.
func (g *Groups) close(outermost int) {
	for i := len(g.levels) - 1; i >= outermost; i-- {
		l := &g.levels[i]
		end := GroupEnd{Level: i, Keys: slices.Clone(g.keys[:i+1]), Rows: l.rows}
		if g.any {
			end.Totals = l.totals.Values()
			l.totals.reset()
		}
		l.rows = 0
		g.ended = append(g.ended, end)
	}
}
