package desk

import (
	"context"
	"fmt"

	"github.com/offprint/offprint"
)

// A Glance is the first rows of a part.
type Glance struct {
	Table *offprint.Table // its rows are read
	Rows  []offprint.Row
	All   bool // there are no more
	Parts int  // of the document
	Zone  string
}

// Preview asks for a report and shows the first rows of each part, without
// making a file. The query ends at the source when they are there.
func (d *Desk) Preview(ctx context.Context, who offprint.Identity, ask Ask, first int64, show func(Glance) error) error {
	report, err := d.Report(who, ask.Report)
	if err != nil {
		return err
	}
	run, err := d.draft(who, report, ask)
	if err != nil {
		return err
	}
	m := making{run: &run, report: report, first: first, progress: func(offprint.Phase, offprint.Progress) {}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := m.open(ctx, d); err != nil {
		return err
	}
	for table, err := range m.doc.Parts {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		glance := Glance{Table: table, Parts: m.doc.Count, Zone: run.Zone}
		if err := glance.read(first); err != nil {
			return err
		}
		if err := show(glance); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (g *Glance) read(first int64) error {
	for row, err := range g.Table.Rows {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		kept := make(offprint.Row, len(row))
		for i, v := range row {
			kept[i] = v.Clone()
		}
		if g.Rows = append(g.Rows, kept); int64(len(g.Rows)) == first {
			return nil
		}
	}
	g.All = true
	return nil
}
