package offprint

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// A Report is what may be asked for: a SQL file, or a value of this type made
// in Go. It does not change once it is served; a changed definition is another
// Report of the same name and another version.
type Report struct {
	Name        string // [a-z][a-z0-9_-]{0,62}; stable for ever: it is in URLs and in the ledger
	Group       string // the folder it is shown under
	Version     string // grows or changes with the definition; of a file the hash of its text
	Title       Words
	Description Words
	Parameters  []Parameter // the form, in its order
	Formats     []string    // the names of those it may become, the first is the default; empty: all
	Source      Source
	Reads       string // the name of the configured source that it reads; empty: none
	Allow       Allow
	TenantBlind bool              // it says nothing of tenants, so only askers without one may have it
	Notify      []string          // who is told of its runs where nobody says otherwise: Me and addresses, MostNotified at most
	Retention   time.Duration     // of its files; 0: the server's
	MaxRows     int64             // 0: the server's; beyond it the file is cut and says so
	File        string            // the file's name without its extension, with {parameter}; empty: Name
	Text        string            // the definition's text, from which any worker can make it; empty for one in Go
	Options     map[string]string // what formats may want to know, by "pdf.paper", "csv.delimiter"
}

// MostNotified is how many addresses a report may name.
const MostNotified = 10

// Allow is who may see and ask for a report. Empty, it is everybody who is
// signed in.
type Allow struct{ Roles []string }

// Permits tells whether who may see and ask for the report.
func (a Allow) Permits(who Identity) bool {
	return len(a.Roles) == 0 || slices.ContainsFunc(a.Roles, func(role string) bool { return slices.Contains(who.Roles, role) })
}

var reportName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// ValidName tells whether a report may have this name.
func ValidName(name string) bool { return reportName.MatchString(name) }

// TitleIn is the title for a locale; without one it is made from the name.
func (r *Report) TitleIn(locale string) string {
	if title := r.Title.In(locale); title != "" {
		return title
	}
	return Titled(r.Name)
}

// Makes tells whether the report may become the named format.
func (r *Report) Makes(format string) bool {
	return len(r.Formats) == 0 || slices.Contains(r.Formats, format)
}

// Check tells what is wrong with a report made in Go; a file's loader tells
// more, with lines.
func (r *Report) Check() error {
	var problems []error
	add := func(detail string) { problems = append(problems, Errorf(Invalid, "%s", detail)) }
	if !ValidName(r.Name) {
		add("A report's name begins with a letter from a to z and goes on with at most 62 letters, digits, - and _.")
	}
	if r.Source == nil {
		add("The report has no source.")
	}
	if r.Version == "" {
		add("The report has no version. Change it whenever the report changes.")
	}
	if len(r.Notify) > MostNotified {
		add(fmt.Sprintf("The report names more than %d addresses.", MostNotified))
	}
	for _, a := range r.Notify {
		if !ValidAddress(a) {
			add(a + " is no address. Write me, mailto:team@example.com or webhook:ID.")
		}
	}
	for _, p := range r.Parameters {
		for _, problem := range p.Check() {
			add("Parameter " + p.Name + ": " + problem)
		}
		for _, name := range p.Follows {
			if name == p.Name || !slices.ContainsFunc(r.Parameters, func(q Parameter) bool { return q.Name == name }) {
				add("Parameter " + p.Name + " follows " + name + ", which is no other parameter of the report.")
			}
		}
	}
	return errors.Join(problems...)
}

// A Request is what a source is asked.
type Request struct {
	Run    string // the run's id; empty for a preview
	Params Params
	Who    Identity
	Zone   *time.Location
	Locale string
	First  int64 // no more rows of a part will be read, as for a preview; 0: all
	// Glance tells that somebody looks on, as at a preview, for seconds at most.
	// Glances together leave a source connections for the runs.
	Glance bool
}

// A Source answers a request with a document. Open may query; reading is
// lazy. What the document holds is let go when its parts have been ranged
// over, or when ctx ends: whoever opens it does one of the two. A source that
// is canceled stops at the server too, not only here.
type Source interface {
	Open(ctx context.Context, req Request) (*Document, error)
}

// SourceFunc lets a function be a Source.
type SourceFunc func(ctx context.Context, req Request) (*Document, error)

func (f SourceFunc) Open(ctx context.Context, req Request) (*Document, error) { return f(ctx, req) }

// An Estimator is a Source that can say of how many rows its answer would be
// without reading them: within seconds, and roughly. It reads what who asks may
// read. That it cannot say of this request is no error.
type Estimator interface {
	Estimate(ctx context.Context, req Request) (rows int64, known bool, err error)
}

// A Catalog holds the reports that may be asked for. It is safe for use by
// many goroutines and may change between calls.
type Catalog interface {
	// Reports are all that may be asked for now, by name.
	Reports() []*Report
	// Report is the one of that name, as it is now.
	Report(name string) (*Report, bool)
	// Compile makes a report again from what was accepted: from its text, or,
	// of a report in Go, by name and version. ErrUnknownVersion means that
	// another worker may have it.
	Compile(name, version, text string) (*Report, error)
}

// ErrUnknownVersion is a Catalog's word that it does not have this version of
// a report made in Go. The run goes back, uncounted.
var ErrUnknownVersion = errors.New("this worker does not have that version of the report")
