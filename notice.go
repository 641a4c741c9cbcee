package offprint

import (
	"context"
	"regexp"
	"time"
)

// An Event is what becomes of a run that others may want to hear of.
type Event string

const (
	RunSucceeded Event = "run.succeeded" // its file may be fetched
	RunFailed    Event = "run.failed"    // for good
	RunCanceled  Event = "run.canceled"
	RunExpiring  Event = "run.expiring" // its file will soon be gone
)

// Ping is of no run: somebody tries an address.
const Ping Event = "test.ping"

// Ends are the events of which every run has one in the end.
var Ends = []Event{RunSucceeded, RunFailed, RunCanceled}

// Me is the address of whoever asks, as a request and a report may write it.
const Me = "me"

var address = regexp.MustCompile(`^(me|mailto:[^\s[:cntrl:]@<>,;]+@[^\s[:cntrl:]@<>,;]+|webhook:[A-Za-z0-9_-]+)$`)

// ValidAddress tells whether a report may name this address: [Me],
// mailto:a@b.example or webhook:ID. Whether anything delivers there is for the
// server to say.
func ValidAddress(a string) bool { return len(a) <= 512 && address.MatchString(a) }

// An Addressee is told of a run.
type Addressee struct {
	Address string // mailto:a@b.example, webhook:ID
	Events  []Event
}

// A Notifier sends word of a run to addresses of one scheme.
type Notifier interface {
	// Admit is who is told when who names that address, and of what. An error is
	// why they may not, in a sentence for them.
	Admit(ctx context.Context, who Identity, address string) (Addressee, error)
	// Notify sends one notice. An error whose code [Code.Decide]s for another try
	// is tried again, and so is a [Later], when it says; a notice of the same ID
	// is the same notice.
	Notify(ctx context.Context, n Notice) error
}

// A Directory is a [Notifier] that knows whom somebody may choose to have told.
type Directory interface {
	Contacts(ctx context.Context, who Identity) ([]Contact, error)
}

// A Contact is an address and what people call it.
type Contact struct{ Address, Name string }

// A Notice is one message to one address about one event of one run.
type Notice struct {
	ID      string
	Event   Event
	Address string
	Run     *Run      // nil: of a [Ping]
	At      time.Time // when it happened
	Try     int       // of sending it: 1, 2, …
	// Report is the definition that the run was accepted with, by which its
	// parameters are shown; nil where that is not known here.
	Report *Report
	// Link is where whoever reads it finds the run or, where they are somebody
	// else, its file; empty: nowhere.
	Link string
}

// A Later is an error of [Notifier.Notify] that says itself when the notice is
// tried again: its code and give_up no longer count.
type Later struct {
	Err error
	In  time.Duration
}

func (l *Later) Error() string { return l.Err.Error() }
func (l *Later) Unwrap() error { return l.Err }
