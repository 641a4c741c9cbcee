package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// answers are the status and the general title of every code: nothing else
// here chooses a status for an error.
var answers = map[offprint.Code]struct {
	status int
	title  string
}{
	offprint.Unreadable:         {http.StatusBadRequest, "The request cannot be read"},
	offprint.Unauthenticated:    {http.StatusUnauthorized, "Who is asking is not known"},
	offprint.Forbidden:          {http.StatusForbidden, "This is not allowed"},
	offprint.PermissionDenied:   {http.StatusForbidden, "The source does not allow it"},
	offprint.NotFound:           {http.StatusNotFound, "There is no such thing"},
	offprint.NoFile:             {http.StatusNotFound, "There is no file"},
	offprint.Method:             {http.StatusMethodNotAllowed, "This cannot be done here"},
	offprint.NotReady:           {http.StatusConflict, "The run has not ended"},
	offprint.NotEnded:           {http.StatusConflict, "The run has not ended"},
	offprint.Conflict:           {http.StatusConflict, "It changed meanwhile"},
	offprint.Expired:            {http.StatusGone, "It is gone"},
	offprint.Precondition:       {http.StatusPreconditionFailed, "The file is another one"},
	offprint.BodyTooLarge:       {http.StatusRequestEntityTooLarge, "The request is too large"},
	offprint.Range:              {http.StatusRequestedRangeNotSatisfiable, "The file has no such part"},
	offprint.Misdirected:        {http.StatusMisdirectedRequest, "This server has another name"},
	offprint.Invalid:            {http.StatusUnprocessableEntity, "Some fields are not right"},
	offprint.BadParameter:       {http.StatusUnprocessableEntity, "Some parameters are not right"},
	offprint.KeyReused:          {http.StatusUnprocessableEntity, "The Idempotency-Key was used before"},
	offprint.NotConfigured:      {http.StatusUnprocessableEntity, "This server is not set up for that"},
	offprint.BadQuery:           {http.StatusUnprocessableEntity, "The report's query is not right"},
	offprint.SourceTimeout:      {http.StatusUnprocessableEntity, "The source took too long"},
	offprint.RowLimit:           {http.StatusUnprocessableEntity, "The report has too many rows"},
	offprint.TooLarge:           {http.StatusUnprocessableEntity, "The report is too large"},
	offprint.TooManyRequests:    {http.StatusTooManyRequests, "You have too many runs waiting"},
	offprint.Internal:           {http.StatusInternalServerError, "Something went wrong here"},
	offprint.WorkerLost:         {http.StatusInternalServerError, "The workers that made it were lost"},
	offprint.Busy:               {http.StatusServiceUnavailable, "The server is busy"},
	offprint.Draining:           {http.StatusServiceUnavailable, "The server is going down"},
	offprint.SourceUnavailable:  {http.StatusServiceUnavailable, "The source did not answer"},
	offprint.StorageUnavailable: {http.StatusServiceUnavailable, "The file store did not answer"},
}

// retryAfter are the seconds after which to ask again, where that helps.
var retryAfter = map[offprint.Code]int{
	offprint.NotReady: 2, offprint.TooManyRequests: 10, offprint.Busy: 2, offprint.Draining: 5,
	offprint.SourceUnavailable: 10, offprint.StorageUnavailable: 10,
}

// A problem is an error as the outside sees it (RFC 9457).
type problem struct {
	Type      string           `json:"type" example:"urn:offprint:problem:source-timeout"`
	Title     string           `json:"title" doc:"What happened, in a few words."`
	Status    int              `json:"status"`
	Code      offprint.Code    `json:"code" doc:"Stable: what a program decides by." example:"source_timeout"`
	Detail    string           `json:"detail,omitempty" doc:"What is still safe and what to do, in sentences for a person."`
	Retryable bool             `json:"retryable" doc:"Asking again, unchanged, may succeed."`
	TraceID   string           `json:"trace_id,omitempty" doc:"Leads to the lines in the server's log."`
	Errors    []offprint.Field `json:"errors,omitempty" nullable:"false" doc:"What was wrong, field by field."`

	header http.Header // of the answer that it is
}

func (p *problem) Error() string           { return string(p.Code) + ": " + p.Detail }
func (p *problem) GetStatus() int          { return p.Status }
func (p *problem) GetHeaders() http.Header { return p.header }
func (*problem) ContentType(string) string { return "application/problem+json" }
func typeOf(code offprint.Code) string {
	return "urn:offprint:problem:" + strings.ReplaceAll(string(code), "_", "-")
}

func statusOf(code offprint.Code) (int, string) {
	answer, ok := answers[code]
	if !ok {
		answer = answers[offprint.Internal]
	}
	return answer.status, answer.title
}

// shown is what people may read of an error; an error that is not for them is
// a general sentence.
func shown(err error) *problem {
	var e *offprint.Error
	if !errors.As(err, &e) {
		e = offprint.Errorf(offprint.Internal, "Nothing is lost. Try again; if it stays, tell whoever runs this server the trace id.")
	}
	status, title := statusOf(e.Code)
	return &problem{
		Type: typeOf(e.Code), Title: cmp.Or(e.Title, title), Status: status, Code: e.Code, Detail: e.Detail,
		Retryable: e.Code.Retryable(), TraceID: e.TraceID, Errors: e.Fields,
	}
}

// audible is err, or that the ledger is silent.
func audible(err error) error {
	if desk.Silent(err) {
		return offprint.Errorf(offprint.Busy, "Its own database does not answer at the moment. Nothing is lost: ask again.").Because(err)
	}
	return err
}

// refuse is err as the answer to a request. What is ours is logged here, and
// nowhere else.
func (s *Site) refuse(ctx context.Context, h http.Header, err error) *problem {
	err = audible(err)
	p := shown(err)
	p.TraceID = cmp.Or(p.TraceID, traceID(h))
	p.header = http.Header{"Cache-Control": {"no-store"}}
	if p.Status >= 500 && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "request failed", "error", err, "trace_id", p.TraceID)
	}
	if (p.Code == offprint.BadQuery || p.Code == offprint.PermissionDenied) && behind(err) {
		s.Log.WarnContext(ctx, "a source refused what was asked of it", "error", err, "trace_id", p.TraceID)
	}
	if seconds := retryAfter[p.Code]; seconds > 0 {
		p.header.Set("Retry-After", strconv.Itoa(seconds))
	}
	if p.Code == offprint.Unauthenticated {
		challenge := `Bearer realm="offprint"`
		if h.Get("Authorization") != "" || h.Get("X-API-Key") != "" {
			challenge += `, error="invalid_token"`
		}
		p.header.Set("WWW-Authenticate", challenge)
	}
	return p
}

// behind tells whether there is more to an error than people are shown: what a
// database said of a query, for whoever wrote it.
func behind(err error) bool {
	var e *offprint.Error
	return errors.As(err, &e) && errors.Unwrap(e) != nil
}

// fail answers a request with a problem.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.refuse(r.Context(), r.Header, err)
	for name, values := range p.header {
		w.Header()[name] = values
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // texts and numbers
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		w.Write(append(body, '\n'))
	}
}

// traceID is the caller's (W3C Trace Context), or a fresh one.
func traceID(h http.Header) string {
	if parts := strings.Split(h.Get("traceparent"), "-"); len(parts) == 4 && len(parts[1]) == 32 {
		if id, err := hex.DecodeString(parts[1]); err == nil && slices.ContainsFunc(id, func(b byte) bool { return b != 0 }) {
			return strings.ToLower(parts[1])
		}
	}
	id := make([]byte, 16)
	rand.Read(id)
	return hex.EncodeToString(id)
}
