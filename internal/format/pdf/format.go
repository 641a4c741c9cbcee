// Package pdf writes a document as a PDF to read and to print: a head, each
// part as a table with its header on every page, totals, and numbered pages.
// Pages leave as they fill, so that memory does not grow with the rows.
//
// What is drawn is what a reader can copy: every character of a value is in
// the file's text, also one that the fonts have no shape for, which is drawn
// as a box. Three things differ from the plain form of [offprint.Value]:
//
//   - A tab is a space and a line break is a new line of its cell; the other
//     control characters (C0, DEL, C1) are left out.
//   - A timestamp is the wall clock of the run's zone, 2026-01-31 23:59:59. The
//     head names the zone; only a time that a clock put back shows twice keeps
//     its distance from UTC.
//   - A number has the locale's decimal point. Money is grouped and pointed as
//     the reader's locale has it (English of no country: by a thin space), with
//     two decimals, as the workbook shows it. A percentage is the value times
//     100, with two decimals at most, and " %". A column's number format rounds
//     as its author wants it; every other number keeps all its digits.
//
// Hebrew and Arabic stand in their own order, joined. What a reader copies is the
// text as it was.
//
// A cell too wide for its column is wrapped, between words where it can be and
// between characters where it cannot; a number or a date is made smaller first,
// down to 4.5 points. A row taller than a page goes on over the next ones. No text
// of a value is cut.
//
// Of a part that is grouped, a subtotal stands below each group, on the page of
// its last row. A column's link makes links of its cells.
//
// Options: "pdf.paper" is a3, a4, a5, letter or legal (a4, in North America
// letter); "pdf.orientation" is portrait, landscape or auto (auto: as the columns
// need it); "pdf.footer" is a text for the foot of each page; "pdf.logo" is a picture for the
// top of the first, PNG or JPEG, as a data URI: data:image/png;base64,….
package pdf

import (
	"io"

	"github.com/offprint/offprint"
)

// Format is the PDF.
var Format offprint.Format = format{}

type format struct{}

func (format) Name() string { return "pdf" }

func (format) Media(int) (ext, mediaType string) { return ".pdf", "application/pdf" }

func (format) New(w io.Writer, head offprint.Head) (offprint.Writer, error) {
	paper, err := paperOf(head)
	if err != nil {
		return nil, err
	}
	logo, err := logoOf(head)
	if err != nil {
		return nil, err
	}
	regular, bold, err := faces()
	if err != nil {
		return nil, err
	}
	return newWriter(w, head, paper, logo, regular, bold), nil
}
