// Package demo is the shop that Offprint shows itself on: a SQLite database
// made on the spot, always the same, with rows as nasty as life, and a report
// made in Go. The reports on the shop are those of examples.
package demo

import (
	"context"
	"time"

	"github.com/offprint/offprint"
)

// First and Last are the days that the shop's orders span.
var (
	First = offprint.Day{Year: 2024, Month: time.January, Day: 1}
	Last  = offprint.Day{Year: 2025, Month: time.December, Day: 31}
)

// Slow is a report made in Go that is slow on purpose, so that progress and
// cancel can be seen.
func Slow() *offprint.Report {
	return &offprint.Report{
		Name: "slow", Version: "1", Title: offprint.Plain("Slow on purpose"),
		Description: offprint.Plain("Counts, and takes its time, so that progress and cancel can be seen."),
		Parameters: []offprint.Parameter{
			{Name: "rows", Type: offprint.IntParam, Label: offprint.Plain("Rows"), Default: "300", Min: "1", Max: "1000000"},
			{Name: "pause_ms", Type: offprint.IntParam, Label: offprint.Plain("Pause after each row, in milliseconds"), Default: "50", Min: "0", Max: "60000"},
		},
		Source: offprint.SourceFunc(slowly),
	}
}

func slowly(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
	rows, pause := req.Params.Int("rows"), time.Duration(req.Params.Int("pause_ms"))*time.Millisecond
	return offprint.Single(&offprint.Table{
		Name: "slow", Title: "Slow on purpose", RowsEstimated: rows,
		Columns: []offprint.Column{
			{Name: "n", Title: "Number", Kind: offprint.Int, Total: offprint.Count},
			{Name: "square", Title: "Its square", Kind: offprint.Int, Total: offprint.Sum},
			{Name: "made_at", Title: "Made at", Kind: offprint.Timestamp},
		},
		Rows: func(yield func(offprint.Row, error) bool) {
			row := make(offprint.Row, 3)
			for n := int64(1); n <= rows; n++ {
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					yield(nil, context.Cause(ctx))
					return
				}
				row[0], row[1], row[2] = offprint.IntValue(n), offprint.IntValue(n*n), offprint.ValueOf(time.Now())
				if !yield(row, nil) {
					return
				}
			}
		},
	}), nil
}
