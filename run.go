package offprint

import (
	"slices"
	"time"
)

// An Identity is who asks.
type Identity struct {
	User   string            `json:"user"`
	Tenant string            `json:"tenant,omitempty"` // empty: no tenants here
	Email  string            `json:"email,omitempty"`
	Roles  []string          `json:"roles,omitempty"`
	Scopes []string          `json:"scopes,omitempty"` // of an API key: impersonate
	Claims map[string]string `json:"claims,omitempty"` // what a JWT said besides
	Key    Key               `json:"key,omitzero"`     // the API key that asks, if one does
	Via    string            `json:"via,omitempty"`    // its name, where it asks on the user's behalf
}

// A Key is an API key by the name that people gave it, and by its id, which no
// other key ever has.
type Key struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Claim is what :user.<name> means in a query; known is false for a claim
// that the identity does not carry.
func (i Identity) Claim(name string) (value string, known bool) {
	switch name {
	case "id":
		value = i.User
	case "tenant":
		value = i.Tenant
	case "email":
		value = i.Email
	default:
		value, known = i.Claims[name]
		return value, known
	}
	return value, value != ""
}

// Owns tells whether the run is this identity's own, or was asked for with its
// API key on somebody's behalf; nobody owns nothing. A key without a tenant
// asks for all of them.
func (i Identity) Owns(r *Run) bool {
	if i.Key.ID != "" && r.Who.Key.ID == i.Key.ID && slices.Contains(i.Scopes, "impersonate") {
		return i.Tenant == "" || r.Who.Tenant == i.Tenant
	}
	return i.User != "" && r.Who.User == i.User && r.Who.Tenant == i.Tenant
}

// A Run is one asking for a report by one person, and what became of it.
type Run struct {
	ID      string
	Report  string
	Version string // of the definition it is made from
	Title   string
	Format  string
	Reads   string // the name of the configured source that it reads; empty: none

	Params Params // resolved when it was accepted
	Sent   Sent   // as they came
	Who    Identity
	Zone   string // IANA
	Locale string

	Notify    []Addressee
	Metadata  map[string]string // the asker's own
	Retention time.Duration     // of the file

	State       State
	Phase       Phase // while running
	Failures    int   // attempts that failed for a reason that counts against MaxAttempts
	Outages     int   // attempts that a source or store out of reach ended
	Losses      int   // workers lost
	MaxAttempts int
	NextAttempt time.Time // while queued and waiting for another try
	RetryUntil  time.Time // while tries are not counted: when they end
	Progress    Progress

	Outcome  Outcome // once succeeded
	Warnings []Warning
	Problem  *Error // once failed; of the last attempt while queued again
	File     *File  // once succeeded

	Created, Started, Finished time.Time
	AsOf                       time.Time // the snapshot's
	Revision                   int64     // grows with every stored change
}

// Attempt is the number of the present or last attempt: one more than those
// before it that failed or were lost.
func (r *Run) Attempt() int {
	ended := r.Failures + r.Outages + r.Losses
	if r.State == Failed && r.Problem != nil && (r.Problem.Code == Internal || r.Problem.Code == WorkerLost) {
		return max(ended, 1) // the last one is counted among them
	}
	return ended + 1
}

// A State is where a run stands. docs/design.md draws it.
type State string

const (
	Queued    State = "queued"    // accepted, and between attempts; a worker or time moves it on
	Running   State = "running"   // a worker holds its lease
	Succeeded State = "succeeded" // final: File may be fetched until it expires
	Failed    State = "failed"    // final: Problem says why
	Canceled  State = "canceled"  // final
)

// States are all of them.
var States = []State{Queued, Running, Succeeded, Failed, Canceled}

// moves is the law that the ledger's statements are tested against.
var moves = map[State][]State{
	Queued:  {Running, Failed, Canceled}, // failed: the third loss, or give_up
	Running: {Queued, Succeeded, Failed, Canceled},
}

// Final states never change.
func (s State) Final() bool { return len(moves[s]) == 0 }

// CanMove tells whether a run may go from s to the other state.
func (s State) CanMove(to State) bool { return slices.Contains(moves[s], to) }

// Move takes r to another state; a move that is not allowed is a Conflict and
// changes nothing.
func (r *Run) Move(to State, now time.Time) error {
	if !r.State.CanMove(to) {
		return Errorf(Conflict, "A run that is %s cannot become %s.", r.State, to)
	}
	r.State, r.Phase = to, ""
	switch {
	case to == Running:
		r.Started, r.NextAttempt = now, time.Time{}
	case to.Final():
		r.Finished, r.NextAttempt = now, time.Time{}
	}
	r.Revision++
	return nil
}

// A Phase is what a running run is at.
type Phase string

const (
	Querying  Phase = "querying"
	Writing   Phase = "writing"
	Uploading Phase = "uploading"
)

// Progress belongs to the present attempt.
type Progress struct {
	Rows      int64
	RowsTotal int64 // 0: not known
	Exact     bool  // RowsTotal is no estimate
	Bytes     int64
	AtLeast   int // the percent that was shown before; it never falls within a run
	Forecast
}

// A Forecast is when the present phase of an attempt is due to end, and how
// long what comes after it takes. The zero value is none.
type Forecast struct {
	Due  time.Time
	Then time.Duration
}

// Left is how long it takes until the file is there; 0 is not known. A phase
// that is overdue may end at any moment, but what comes after it still comes.
func (f Forecast) Left(now time.Time) time.Duration {
	if f.Due.IsZero() {
		return 0
	}
	return max(0, f.Due.Sub(now)) + f.Then
}

// Percent is 0 to 99 while rows are written, 0 when the total is not known.
func (p Progress) Percent() int {
	if p.RowsTotal <= 0 {
		return p.AtLeast
	}
	return max(p.AtLeast, int(min(99, p.Rows*100/p.RowsTotal)))
}

// A File is a finished document in a store.
type File struct {
	Key       string    `json:"key"`
	Name      string    `json:"name"`
	MediaType string    `json:"media_type"`
	Bytes     int64     `json:"bytes"`
	Rows      int64     `json:"rows"`
	SHA256    string    `json:"sha256"` // hexadecimal
	State     FileState `json:"-"`
	Expires   time.Time `json:"-"`
}

// A FileState is where a file stands.
type FileState string

const (
	Available   FileState = "available"
	FileExpired FileState = "expired" // no longer handed out; the blob goes an hour later
	Deleted     FileState = "deleted"
)
