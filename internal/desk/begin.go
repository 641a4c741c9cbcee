package desk

import (
	"context"
	"fmt"

	"github.com/offprint/offprint"
)

// A Beginning is the first rows of a part.
type Beginning struct {
	Table *offprint.Table // its rows are read
	Rows  []offprint.Row
	All   bool // there are no more
	Parts int  // of the document
	Zone  string
}

// Begin asks for a report and shows the first rows of each part, without
// making a file. The query ends at the source when they are there.
func (d *Desk) Begin(ctx context.Context, who offprint.Identity, ask Ask, first int64, show func(Beginning) error) error {
	report, err := d.Report(who, ask.Report)
	if err != nil {
		return err
	}
	run, err := d.draft(ctx, who, report, ask)
	if err != nil {
		return err
	}
	m := d.making(&run, report, nil, func(offprint.Phase, offprint.Progress) {})
	m.first = first
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := m.open(ctx, d); err != nil {
		return err
	}
	for table, err := range m.doc.Parts {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		beginning := Beginning{Table: table, Parts: m.doc.Count, Zone: run.Zone}
		if err := beginning.read(first); err != nil {
			return err
		}
		if err := show(beginning); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (b *Beginning) read(first int64) error {
	for row, err := range b.Table.Rows {
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		kept := make(offprint.Row, len(row))
		for i, v := range row {
			kept[i] = v.Clone()
		}
		if b.Rows = append(b.Rows, kept); int64(len(b.Rows)) == first {
			return nil
		}
	}
	b.All = true
	return nil
}
