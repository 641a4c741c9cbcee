package offprint_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/offprint/offprint"
)

// A report in Go: its form, its columns, and rows that are made as they are
// asked for. A server is given it as server.Config.InGo.
func Example() {
	squares := &offprint.Report{
		Name: "squares", Version: "1", Title: offprint.Plain("Squares"),
		Parameters: []offprint.Parameter{{Name: "most", Type: offprint.IntParam, Default: "3", Max: "1000000"}},
		Source: offprint.SourceFunc(func(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
			return offprint.Single(&offprint.Table{
				Name: "squares", Title: "Squares", RowsEstimated: req.Params.Int("most"),
				Columns: []offprint.Column{
					{Name: "n", Title: "Number", Kind: offprint.Int},
					{Name: "square", Title: "Its square", Kind: offprint.Int, Total: offprint.Sum},
				},
				Rows: upTo(req.Params.Int("most")),
			}), nil
		}),
	}
	fmt.Println(squares.Check(), squares.TitleIn("en"))
	// Output: <nil> Squares
}

func upTo(most int64) iter.Seq2[offprint.Row, error] {
	return func(yield func(offprint.Row, error) bool) {
		row := make(offprint.Row, 2)
		for n := int64(1); n <= most; n++ {
			row[0], row[1] = offprint.IntValue(n), offprint.IntValue(n*n)
			if !yield(row, nil) {
				return
			}
		}
	}
}
