package ledger

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/offprint/offprint"
)

// A record is a run with what only the ledger knows of it.
type record struct {
	offprint.Run
	epoch   int64
	ticket  int64
	heldFor string
	owner   string // of its lease
	outage  outage // of its source, as it was known when the run might start
	fileKey string
	unread  unreadable // why some of the rest is missing, if it is
}

// asked is what of a run never changes once it is accepted.
type asked struct {
	Format      string            `json:"format"`
	Params      offprint.Params   `json:"params"`
	Sent        offprint.Sent     `json:"sent,omitempty"`
	Who         offprint.Identity `json:"who"`
	Zone        string            `json:"zone,omitempty"`
	Locale      string            `json:"locale,omitempty"`
	Notify      []string          `json:"notify,omitempty"`
	Of          events            `json:"notify_of,omitempty"`
	Retention   int64             `json:"retention,omitempty"` // microseconds
	MaxAttempts int               `json:"max_attempts"`
}

// events are those that an address is told of; one that is not among them, as
// an earlier release wrote it, is told of every end.
type events map[string][]offprint.Event

func askedOf(r *offprint.Run) asked {
	a := asked{
		Format: r.Format, Params: r.Params, Sent: r.Sent, Who: r.Who, Zone: r.Zone, Locale: r.Locale,
		Retention: r.Retention.Microseconds(), MaxAttempts: r.MaxAttempts,
	}
	for _, to := range r.Notify {
		a.Notify = append(a.Notify, to.Address)
		if a.Of == nil {
			a.Of = make(events)
		}
		a.Of[to.Address] = to.Events
	}
	return a
}

func (a asked) into(r *offprint.Run) {
	r.Format, r.Params, r.Sent, r.Who, r.Zone, r.Locale = a.Format, a.Params, a.Sent, a.Who, a.Zone, a.Locale
	r.Retention, r.MaxAttempts = micros(a.Retention), a.MaxAttempts
	for _, address := range a.Notify {
		of, known := a.Of[address]
		if !known {
			of = offprint.Ends
		}
		r.Notify = append(r.Notify, offprint.Addressee{Address: address, Events: of})
	}
}

// problem is how an offprint.Error is kept: without what led to it, which is
// for the log alone.
type problem struct {
	Code    offprint.Code    `json:"code"`
	Title   string           `json:"title,omitempty"`
	Detail  string           `json:"detail"`
	Fields  []offprint.Field `json:"fields,omitempty"`
	TraceID string           `json:"trace_id,omitempty"`
}

func problemText(e *offprint.Error) string {
	if e == nil {
		return ""
	}
	return text(problem{e.Code, e.Title, e.Detail, e.Fields, e.TraceID})
}

// text is how a structured value of our own is kept; read reads it, and nothing
// of nothing. What somebody asks for is marshaled where they can be told: see
// Ledger.asking.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and times always marshal
	}
	return string(b)
}

func read(s string, v any) error {
	if s == "" {
		return nil
	}
	return json.Unmarshal([]byte(s), v)
}

// find reads records with what the narrow table knows better and, of those
// that are held, what is known of their source.
const find = `SELECT r.id, r.report, r.version, r.title, r.metadata, r.asking, r.state, r.epoch, r.ticket, r.held_for, r.reads,
	r.failures, r.outages, r.losses, r.next_attempt, r.retry_until, r.percent, r.outcome, r.warnings, r.problem,
	r.file, r.file_key, r.file_state, r.expires, r.created, r.started, r.finished, r.as_of, r.revision,
	COALESCE(x.owner, ''), COALESCE(x.phase, ''), COALESCE(x.row_count, 0), COALESCE(x.row_total, 0), COALESCE(x.exact, 0),
	COALESCE(x.bytes, 0), COALESCE(x.percent, 0), COALESCE(x.as_of, 0), COALESCE(x.due, 0), COALESCE(x.rest, 0), COALESCE(x.revision, 0),
	COALESCE(s.outages, 0), COALESCE(s.next_probe, 0), COALESCE(s.problem, '')
	FROM runs r LEFT JOIN running x ON x.run = r.id AND x.epoch = r.epoch LEFT JOIN sources s ON r.held_for <> '' AND s.name = r.reads `

// scan reads what find selects; no row is errNoRun.
func scan(row interface{ Scan(...any) error }) (record, error) {
	var r record
	var asking, metadata, warnings, trouble, file, fileState string
	var next, until, expires, created, started, finished, asOf, exact, liveAsOf, due, rest, liveRevision int64
	var percent, livePercent int
	var o outage
	var probe int64
	err := row.Scan(&r.ID, &r.Report, &r.Version, &r.Title, &metadata, &asking, &r.State, &r.epoch, &r.ticket, &r.heldFor, &r.Reads,
		&r.Failures, &r.Outages, &r.Losses, &next, &until, &percent, &r.Outcome, &warnings, &trouble,
		&file, &r.fileKey, &fileState, &expires, &created, &started, &finished, &asOf, &r.Revision,
		&r.owner, &r.Phase, &r.Progress.Rows, &r.Progress.RowsTotal, &exact, &r.Progress.Bytes, &livePercent, &liveAsOf, &due, &rest, &liveRevision,
		&o.times, &probe, &o.problem)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errNoRun
	}
	if err != nil {
		return r, err
	}
	r.NextAttempt, r.RetryUntil = at(next), at(until)
	r.Created, r.Started, r.Finished, r.AsOf = at(created), at(started), at(finished), at(max(asOf, liveAsOf))
	r.Progress.Exact = exact != 0
	r.Progress.Forecast = offprint.Forecast{Due: at(due), Then: micros(rest)}
	r.Progress.AtLeast = max(percent, livePercent)
	r.Revision = max(r.Revision, liveRevision)
	if o.is() {
		o.probe = at(probe)
		r.outage, r.NextAttempt, trouble = o, o.probe, o.problem
	}
	return r, r.decode(asking, metadata, warnings, trouble, file, fileState, expires)
}

func (r *record) decode(asking, metadata, warnings, trouble, file, fileState string, expires int64) error {
	var a asked
	err := errors.Join(read(asking, &a), read(metadata, &r.Metadata), read(warnings, &r.Warnings))
	if err != nil {
		return unreadable{fmt.Errorf("read the record of %s: %w", r.ID, err)}
	}
	a.into(&r.Run)
	if trouble != "" {
		var p problem
		err = read(trouble, &p)
		r.Problem = &offprint.Error{Code: p.Code, Title: p.Title, Detail: p.Detail, Fields: p.Fields, TraceID: p.TraceID}
	}
	if file != "" {
		r.File = &offprint.File{}
		err = errors.Join(err, read(file, r.File))
		r.File.State, r.File.Expires = offprint.FileState(fileState), at(expires)
		r.Progress = offprint.Progress{Rows: r.File.Rows, RowsTotal: r.File.Rows, Exact: true, Bytes: r.File.Bytes}
	}
	if err != nil {
		return unreadable{fmt.Errorf("read the record of %s: %w", r.ID, err)}
	}
	return nil
}

// unreadable is the error of one record, and says nothing of the others.
type unreadable struct{ error }

func (u unreadable) Unwrap() error { return u.error }
