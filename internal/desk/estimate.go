package desk

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/ledger"
)

// An Estimate is what an asking would come to, as far as can be said.
type Estimate struct {
	Basis Basis
	Rows  int64         // as the source has them, before any limit; of an unknown basis 0
	Bytes int64         // 0: not known
	Took  time.Duration // from start to end, without waiting; 0: not known
	Notes []string      // full sentences
}

// A Basis is where an estimate's rows come from.
type Basis string

const (
	FromPlanner Basis = "planner" // the source's, for these very parameters
	FromHistory Basis = "history" // what the report came to before in the asker's tenant, for whatever was asked for then
	Unknown     Basis = "unknown"
)

// estimateLimit is how long the source may think.
const estimateLimit = 5 * time.Second

// Estimate says what an asking would come to, and records nothing. What Submit
// would refuse it refuses alike, and so it does what the source would: what
// only keeps it from an estimate is no error.
func (d *Desk) Estimate(ctx context.Context, who offprint.Identity, ask Ask) (Estimate, error) {
	report, err := d.Report(who, ask.Report)
	if err != nil {
		return Estimate{}, err
	}
	run, err := d.draft(ctx, who, report, ask)
	if err != nil {
		return Estimate{}, err
	}
	past, err := d.Ledger.History(ctx, who.Tenant, report.Name, run.Format)
	if err != nil {
		return Estimate{}, err
	}
	rows, planned, err := d.planned(ctx, report, &run)
	if err != nil {
		return Estimate{}, err
	}
	e := fromHistory(past)
	most := limit(report.MaxRows, d.MaxRows)
	if planned {
		e = fromPlanner(rows, most, past)
	}
	e.Notes = append(d.forebodings(e, report, run.Format, most), e.source(run.Format, len(past))...)
	return e, nil
}

// planned asks the source. Only what would end a run for good is an error.
func (d *Desk) planned(ctx context.Context, report *offprint.Report, run *offprint.Run) (rows int64, known bool, err error) {
	source, ok := report.Source.(offprint.Estimator)
	if !ok {
		return 0, false, nil
	}
	limited, cancel := context.WithTimeout(ctx, estimateLimit)
	defer cancel()
	leave, err := d.offers.seats.wait(limited, run.Who) // nobody holds all connections
	if err != nil {
		return 0, false, ctx.Err()
	}
	defer leave()
	rows, known, err = source.Estimate(limited, offprint.Request{Params: run.Params, Who: run.Who, Zone: zone(run.Zone), Locale: run.Locale, Glance: true})
	if ctx.Err() != nil {
		return 0, false, ctx.Err()
	}
	switch offprint.CodeOf(err) {
	case "":
		return rows, known, nil
	case offprint.BadQuery, offprint.BadParameter, offprint.PermissionDenied:
		return 0, false, err
	}
	d.Log.WarnContext(ctx, "no estimate from the source", "report", report.Name, "err", err)
	return 0, false, nil
}

func fromHistory(past []ledger.Past) Estimate {
	if len(past) == 0 {
		return Estimate{Basis: Unknown}
	}
	return Estimate{
		Basis: FromHistory,
		Rows:  median(past, func(p ledger.Past) int64 { return p.Rows }),
		Bytes: median(past, func(p ledger.Past) int64 { return p.Bytes }),
		Took:  time.Duration(median(past, func(p ledger.Past) int64 { return int64(p.Took) })),
	}
}

func median(past []ledger.Past, of func(ledger.Past) int64) int64 {
	values := make([]int64, len(past))
	for i, p := range past {
		values[i] = of(p)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// fromPlanner takes from history what a row weighs and how long it takes; of
// the rows only those count that a limit lets through.
func fromPlanner(rows, most int64, past []ledger.Past) Estimate {
	e := Estimate{Basis: FromPlanner, Rows: rows}
	var all ledger.Past
	for _, p := range past {
		all.Rows, all.Bytes, all.Took = all.Rows+p.Rows, all.Bytes+p.Bytes, all.Took+p.Took
	}
	if all.Rows > 0 {
		share := float64(limit(rows, most)) / float64(all.Rows)
		e.Bytes, e.Took = int64(share*float64(all.Bytes)), time.Duration(share*float64(all.Took))
	}
	return e
}

// forebodings are what would come of the limits, here and of the format.
func (d *Desk) forebodings(e Estimate, report *offprint.Report, format string, most int64) (notes []string) {
	rows := e.Rows
	if most > 0 && (rows > most || rows == most && e.Basis == FromHistory) { // what was cut before
		rows = most
		whose := "report"
		if report.MaxRows != most {
			whose = "server"
		}
		notes = append(notes, fmt.Sprintf("The %s's limit of %s rows will cut it.", whose, grouped(most)))
	}
	if f, ok := d.formats[format].(offprint.Foreteller); ok {
		notes = append(notes, f.Foretell(rows, report.Options)...)
	}
	if e.Bytes > d.MaxBytes {
		notes = append(notes, fmt.Sprintf("Its file would be larger than %s, which is the limit here. Ask for less.", megabytes(d.MaxBytes)))
	}
	return notes
}

// source says where the numbers come from, and why some are missing.
func (e Estimate) source(format string, files int) []string {
	switch {
	case e.Basis == Unknown:
		return []string{"There is no estimate: the source tells none, and the report has not been made as " + format + " yet."}
	case e.Basis == FromHistory && files == 1:
		return []string{"This is what it came to the last time, whatever was asked for then."}
	case e.Basis == FromHistory:
		return []string{fmt.Sprintf("This is the middle of the last %d times, whatever was asked for then.", files)}
	case e.Bytes == 0:
		return []string{"How large its file becomes, and how long that takes, is known once it has been made as " + format + "."}
	}
	return nil
}

// grouped is 1,000,000.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
