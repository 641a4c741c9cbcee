package offprint

import (
	"errors"
	"fmt"
)

// A Code says of what kind an [Error] is. It is part of the API and stable:
// the end of the problem's type, urn:offprint:problem:bad-parameter.
type Code string

// What became of an attempt, or of a run.
const (
	SourceUnavailable  Code = "source_unavailable"  // the source did not answer; tried again until give_up
	StorageUnavailable Code = "storage_unavailable" // the store did not answer; tried again until give_up
	Internal           Code = "internal"            // ours; tried again up to max_attempts
	WorkerLost         Code = "worker_lost"         // three workers were lost over this run
	BadQuery           Code = "bad_query"           // the source refused the query
	BadParameter       Code = "bad_parameter"       // a parameter's value; see Error.Fields
	PermissionDenied   Code = "permission_denied"   // the source, or a missing claim, forbids it
	SourceTimeout      Code = "source_timeout"      // the source took longer than its time-outs allow
	RowLimit           Code = "row_limit"           // more rows than the format or the report may have
	TooLarge           Code = "too_large"           // more bytes than a file may have
)

// What became of a notice.
const (
	Unreachable   Code = "unreachable"   // whoever delivers it did not take it now; tried again until give_up
	Undeliverable Code = "undeliverable" // it was refused for good
)

// Why a request was refused.
const (
	Unreadable      Code = "unreadable"      // not JSON, or a header or a query that cannot be read
	Invalid         Code = "invalid"         // well-formed and wrong; see Error.Fields
	Unauthenticated Code = "unauthenticated" // no credentials, or wrong ones
	Forbidden       Code = "forbidden"       // known, and not allowed
	NotFound        Code = "not_found"       // unknown, or somebody else's
	NoFile          Code = "no_file"         // the run ended without a file
	NotReady        Code = "not_ready"       // the run has not ended
	Expired         Code = "expired"         // the file is gone
	NotEnded        Code = "not_ended"       // only an ended run can be erased
	Conflict        Code = "conflict"        // the thing changed meanwhile, or is in use
	KeyReused       Code = "key_reused"      // an Idempotency-Key that came with another body before
	NotConfigured   Code = "not_configured"  // nothing here can do that
	TooManyRequests Code = "too_many_runs"   // the asker's own limit
	Busy            Code = "busy"            // the server's limit
	Draining        Code = "draining"        // the server is going down
	Misdirected     Code = "misdirected"     // a Host that this server does not answer to
	BodyTooLarge    Code = "body_too_large"  // of a request
	Method          Code = "method_not_allowed"
	Precondition    Code = "precondition_failed"
	Range           Code = "range_not_satisfiable"
)

// An Error is for the person who asked: Title says what happened, Detail what
// is still safe and what to do, in full sentences without SQL, addresses or
// the rejected value. Any other error is ours, and for the log; an Error keeps
// the one that led to it for errors.Is and the log, and never shows it.
type Error struct {
	Code   Code
	Title  string  // a short sentence without a full stop; empty: the code's own
	Detail string  // sentences
	Fields []Field // what was wrong, field by field
	// TraceID leads from what the asker sees to the lines in our log.
	TraceID string
	cause   error
}

// A Field names one thing that was wrong in what was sent.
type Field struct {
	Pointer string `json:"pointer"` // an RFC 6901 fragment, as in #/parameters/period
	Detail  string `json:"detail"`
}

// Errorf makes an error of the given code whose detail is full sentences.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Because is e with the error that led to it.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// Error is for the log: the code, the sentences, and what led to them.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Title
	}
	for _, f := range e.Fields {
		text += fmt.Sprintf(" [%s: %s]", f.Pointer, f.Detail)
	}
	if e.cause != nil {
		text += " (" + e.cause.Error() + ")"
	}
	return string(e.Code) + ": " + text
}

func (e *Error) Unwrap() error { return e.cause }

// CodeOf is the code of the first Error in err's chain; any other error is
// Internal, and no error has no code.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return Internal
}

// A Decision is what follows a failed attempt.
type Decision int

const (
	Final    Decision = iota // the run has failed for good
	Again                    // tried again with growing pauses until give_up; no failure is counted
	Attempts                 // tried again with growing pauses, up to max_attempts
)

// Decide says what follows an attempt that failed with this code.
func (c Code) Decide() Decision {
	switch c {
	case SourceUnavailable, StorageUnavailable, Unreachable:
		return Again
	case Internal:
		return Attempts
	}
	return Final
}

// Retryable tells whether asking again, unchanged, may succeed.
func (c Code) Retryable() bool {
	switch c {
	case TooManyRequests, Busy, Draining, NotReady, WorkerLost:
		return true
	}
	return c.Decide() != Final
}
