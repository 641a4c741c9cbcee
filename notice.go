package offprint

import "context"

// An Event is what becomes of a run that others may want to hear of.
type Event string

const (
	RunSucceeded Event = "run.succeeded" // its file may be fetched
	RunFailed    Event = "run.failed"    // for good
	RunCanceled  Event = "run.canceled"
)

// Ends are the events of which every run has one in the end.
var Ends = []Event{RunSucceeded, RunFailed, RunCanceled}

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
	// is tried again; a notice of the same ID is the same notice.
	Notify(ctx context.Context, n Notice) error
}

// A Notice is one message to one address about one event of one run.
type Notice struct {
	ID      string
	Event   Event
	Address string
	Run     *Run
}
