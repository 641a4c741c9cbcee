package desk

import (
	"fmt"

	"github.com/offprint/offprint"
)

// sums are what a part comes to: as a whole and, where it is grouped and the
// format shows that, group by group.
type sums struct {
	totals *offprint.Totals // nil: no column has one
	groups *offprint.Groups // nil: none to show
	to     offprint.GroupWriter
}

func (m *making) sums(table *offprint.Table) (s sums, err error) {
	if totals := offprint.NewTotals(table.Columns); totals.Any() {
		s.totals = totals
	}
	var shows bool
	if s.to, shows = m.to.(offprint.GroupWriter); shows && len(table.Group) > 0 {
		s.groups, err = offprint.NewGroups(table)
	}
	return s, err
}

// add counts in a row that is about to be written, behind the groups that end
// before it.
func (s *sums) add(row offprint.Row) error {
	if s.totals != nil {
		s.totals.Add(row)
	}
	if s.groups == nil {
		return nil
	}
	return s.tell(s.groups.Add(row))
}

func (s *sums) end(part *offprint.PartEnd) error {
	if s.totals != nil {
		part.Totals, part.Mixed = s.totals.Values(), s.totals.Mixed()
	}
	if s.groups == nil {
		return nil
	}
	return s.tell(s.groups.End())
}

func (s *sums) tell(ended []offprint.GroupEnd) error {
	for _, end := range ended {
		if err := s.to.EndGroup(end); err != nil {
			return fmt.Errorf("write subtotal: %w", err)
		}
	}
	return nil
}
