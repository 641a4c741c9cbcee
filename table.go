package offprint

import (
	"iter"
	"slices"
	"time"
)

// A Document is what a source answers: parts, all of one snapshot.
type Document struct {
	AsOf  time.Time                // the snapshot's time
	Count int                      // how many parts will come; 0 is one
	Parts iter.Seq2[*Table, error] // ranged over once; ends after its first error
}

// Single is a document of one part. Its snapshot is now.
func Single(t *Table) *Document {
	return &Document{AsOf: time.Now(), Count: 1, Parts: func(yield func(*Table, error) bool) { yield(t, nil) }}
}

// A Table is one part: a sheet, a section or a file. Its rows are ranged over
// once, before the next part is asked for, and end after their first error.
// What it holds is let go when the loop ends: there is nothing to close.
//
// Rows that follow each other and are equal in the columns of Group make a
// group, which ends with the totals of its rows; where an outer column changes,
// the inner groups end too. Whoever groups orders the rows by these columns
// first: rows of one group that stand apart are two groups.
type Table struct {
	Name          string // of the part: [a-z][a-z0-9_-]*
	Title         string
	Columns       []Column
	Group         []string // names of columns, the outermost first
	RowsEstimated int64    // what progress begins with, and learns from; 0: unknown
	Rows          iter.Seq2[Row, error]
}

// A Row is one value a column. It is reused for the next row.
type Row []Value

// Rows are rows already at hand, for small tables and tests.
func Rows(rows ...Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// A Column is what every format has to know of one.
type Column struct {
	Name     string // the query's own
	Title    string // what people read; never empty in a Table that a source made
	Note     string // a sentence on what it holds
	Kind     Kind   // of most of its values; Null: not known
	As       As
	Format   string  // an Excel number-format code, en-US; empty: by As and Kind
	Currency string  // the name of the column that holds the currency of this one
	Total    Total   // what stands below it
	Width    float64 // in characters of the workbook's font; 0: made to fit
	Hide     bool    // in the file, but not shown
	Link     string  // https://…/{column}; empty: none
}

// As is what the values of a column mean, where their kind does not say it.
type As string

const (
	AsID       As = "id" // digits that are no number: leading zeros stay
	AsMoney    As = "money"
	AsPercent  As = "percent" // 0.25 is shown as 25 %
	AsText     As = "text"
	AsNumber   As = "number"
	AsDate     As = "date"
	AsDatetime As = "datetime"
	AsBool     As = "bool"
)

// AsWords are all of them.
var AsWords = []As{AsID, AsMoney, AsPercent, AsText, AsNumber, AsDate, AsDatetime, AsBool}

// Numeric tells whether people expect the column on the right.
func (c *Column) Numeric() bool {
	switch c.As {
	case AsMoney, AsPercent, AsNumber:
		return true
	case "":
		return slices.Contains([]Kind{Int, Float, Decimal}, c.Kind)
	}
	return false
}
