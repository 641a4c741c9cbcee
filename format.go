package offprint

import (
	"io"
	"time"
)

// A Format is a kind of file that a document can become.
type Format interface {
	// Name is what a request says: csv, xlsx. Stable for ever.
	Name() string
	// Media is the file's extension, with its dot, and its media type, for a
	// document of so many parts.
	Media(parts int) (ext, mediaType string)
	// New begins a document.
	New(w io.Writer, head Head) (Writer, error)
}

// A Foreteller is a Format that knows beforehand what it cannot hold. It says
// what would become of so many rows under a report's options: full sentences,
// or none.
type Foreteller interface {
	Foretell(rows int64, options map[string]string) []string
}

// A Writer writes one document: for each part Begin, a Write a row, End; then
// Close. Its memory does not grow with the rows. Bytes leave as it goes, so
// what was written is worth nothing until Close has returned nil.
type Writer interface {
	Begin(t *Table) error
	// Write takes one value a column. The row is the caller's again afterwards.
	Write(row Row) error
	End(part PartEnd) error
	// Close writes what must come last. It does not close the io.Writer. The
	// warnings say what the format could not hold as it was.
	Close(doc DocEnd) ([]Warning, error)
}

// A GroupWriter is a Writer that shows subtotals. Of a part that is grouped,
// EndGroup is called after the last row of each group, of the innermost level
// first. Other formats write the rows and nothing between them.
type GroupWriter interface {
	Writer
	EndGroup(end GroupEnd) error
}

// A Head is what a document must say about itself and is known before its
// first row.
type Head struct {
	Title       string
	Description string
	Report      string // its name
	Version     string // of the definition
	Run         string
	Parameters  []Shown
	By          string // who asked
	Zone        *time.Location
	Locale      string
	MadeAt      time.Time
	AsOf        time.Time // the snapshot's
	Parts       int       // how many will come; 0: not known
	Options     map[string]string
}

// Shown is a parameter as people read it: Period, 1 Oct 2026 – 31 Oct 2026.
type Shown struct{ Label, Text string }

// A PartEnd is what is known of a part after its last row.
type PartEnd struct {
	Rows      int64
	Totals    []Value // one a column, null where there is none; nil without any total
	Mixed     []int   // the columns whose total is null because they hold several currencies
	Truncated bool    // there were more rows
}

// A DocEnd is what is known of a document after its last part.
type DocEnd struct {
	Outcome  Outcome
	Rows     int64 // of all parts
	Parts    []PartEnd
	AsOf     time.Time
	Warnings []Warning // what was noticed before the format's own
}

// An Outcome tells a full file from an empty or a cut one.
type Outcome string

const (
	Complete  Outcome = "complete"
	Empty     Outcome = "empty"
	Truncated Outcome = "truncated"
)

// A Warning is a full sentence about something in the file that is not as it
// was in the source, or not as one might expect.
type Warning struct {
	Code   string `json:"code"` // digits_lost, text_cut
	Detail string `json:"detail"`
	Column string `json:"column,omitempty"`
	Count  int64  `json:"count,omitempty"` // of cells
}
