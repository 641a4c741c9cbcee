// Package csv writes RFC 4180: a header of titles, commas, CRLF, UTF-8.
// Values have their plain form (offprint.Value.Append); null is nothing, an
// empty text is "". A document of several parts is a zip of files.
package csv

import (
	"io"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/format/lines"
)

// Format is comma-separated values, .csv. Hidden columns stay. It knows the options
//
//   - csv.delimiter: a character, or comma, semicolon, tab, pipe
//   - csv.decimal: the decimal point of numbers, as "," in Paris
//   - csv.line_end: crlf, or lf; line ends within a text stay as they are
//   - csv.bom: on, or off, for programs that take UTF-8 only with one
//   - csv.dialect: excel, which sets delimiter, decimal and bom by the locale,
//     as Excel wants to open a file by a double click
//   - csv.formulas: escape, which puts an apostrophe before a text that a
//     spreadsheet would take for a formula, or raw
var Format offprint.Format = format{}

type format struct{}

func (format) Name() string { return "csv" }

func (format) Media(parts int) (ext, mediaType string) {
	return lines.Media(parts, ".csv", "text/csv; charset=utf-8")
}

func (format) New(w io.Writer, head offprint.Head) (offprint.Writer, error) {
	d, err := readDialect(head)
	if err != nil {
		return nil, err
	}
	return lines.New(w, head, ".csv", &encoder{dialect: d, zone: head.Zone}), nil
}
