package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/offprint/offprint"
)

// A Preview is the beginning of what a report would hold.
type Preview struct {
	Parts []Sample
	More  bool // there are more parts
	AsOf  time.Time
	Zone  *time.Location // the asker's, in which instants are shown
}

// A Sample is the beginning of one part.
type Sample struct {
	Name, Title string
	Columns     []offprint.Column
	Rows        []offprint.Row
	More        bool // there are more rows
}

const (
	mostSampled  = 20   // rows of a part
	mostSamples  = 3    // parts
	mostText     = 1000 // bytes of a cell
	looksAtATime = 2    // previews of one user
)

// Preview shows the first rows of what is asked for, within Config.Glance; the
// format counts for nothing. Each user has two at a time, so that nobody holds
// all connections.
func (d *Desk) Preview(ctx context.Context, who offprint.Identity, ask Ask) (Preview, error) {
	report, err := d.Report(who, ask.Report)
	if err != nil {
		return Preview{}, err
	}
	ask.Format = ""
	run, err := d.draft(ctx, who, report, ask)
	if err != nil {
		return Preview{}, err
	}
	leave, ok := d.looks.try(who)
	if !ok {
		return Preview{}, titled(offprint.Errorf(offprint.TooManyRequests, "One user may have %d previews at a time. Wait for one, then look again.", looksAtATime), "You look at too many previews at once")
	}
	defer leave()
	tooLate := noPreview(report, d.Glance)
	ctx, cancel := context.WithTimeoutCause(ctx, d.Glance, tooLate)
	defer cancel() // ends the query at the source, however we end
	req := offprint.Request{Params: run.Params, Who: who, Zone: zone(run.Zone), Locale: run.Locale, First: mostSampled + 1, Glance: true}
	p, err := d.look(ctx, report, req)
	late := errors.Is(context.Cause(ctx), tooLate)
	switch {
	case late && len(p.Parts) > 0: // the others would not come in time
		p.More = true
		return p, nil
	case ctx.Err() != nil:
		return Preview{}, context.Cause(ctx)
	}
	return p, onlyLooked(err)
}

// onlyLooked is what a source that is out of reach means to whoever only looks:
// its own words promise that a run is kept, and there is none.
func onlyLooked(err error) error {
	var told *offprint.Error
	if !errors.As(err, &told) || told.Code != offprint.SourceUnavailable {
		return err
	}
	looked := offprint.Errorf(told.Code, "So there is no preview. Look again in a minute, or generate the report: that waits until it answers.").Because(err)
	return titled(looked, told.Title)
}

func noPreview(report *offprint.Report, limit time.Duration) error {
	err := offprint.Errorf(offprint.SourceTimeout, "Its first rows did not come within %g seconds, so there is no preview. The report itself has more time: generate it.", limit.Seconds())
	err.Title = "The " + sourceOf(report.Reads) + " took too long"
	return err
}

func (d *Desk) look(ctx context.Context, report *offprint.Report, req offprint.Request) (p Preview, err error) {
	if _, err := d.choose(ctx, report, req); err != nil {
		return p, err
	}
	doc, err := report.Source.Open(ctx, req)
	if err != nil {
		return p, fmt.Errorf("query: %w", err)
	}
	p.AsOf, p.Zone = doc.AsOf, req.Zone
	for table, err := range doc.Parts {
		if err != nil {
			return p, fmt.Errorf("query: %w", err)
		}
		s, err := sample(table)
		if err != nil {
			return p, err
		}
		if p.Parts = append(p.Parts, s); len(p.Parts) == mostSamples { // before the next is asked for
			p.More = doc.Count > mostSamples
			break
		}
	}
	return p, nil
}

func sample(table *offprint.Table) (Sample, error) {
	s := Sample{Name: table.Name, Title: table.Title, Columns: slices.Clone(table.Columns)}
	for row, err := range table.Rows {
		if err != nil {
			return s, fmt.Errorf("query: %w", err)
		}
		if s.More = len(s.Rows) == mostSampled; s.More {
			break
		}
		kept := make(offprint.Row, len(row))
		for i, v := range row {
			kept[i] = shortened(v)
		}
		s.Rows = append(s.Rows, kept)
	}
	return s, nil
}

// shortened is v, kept; nobody reads a whole book in a preview.
func shortened(v offprint.Value) offprint.Value {
	switch text := v.Text(); {
	case len(text) <= mostText:
		return v.Clone()
	case v.Kind() == offprint.Text:
		return offprint.TextValue(strings.ToValidUTF8(text[:mostText], "") + "…")
	default:
		return offprint.TextValue("…")
	}
}
