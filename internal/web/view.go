package web

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

func typeFor[T any]() reflect.Type { return reflect.TypeFor[T]() }

// A run is an [offprint.Run] as the API shows it.
type run struct {
	ID          string             `json:"id"`
	Report      string             `json:"report"`
	Version     string             `json:"report_version"`
	Title       string             `json:"title"`
	Format      string             `json:"format"`
	Revision    int64              `json:"revision" doc:"Grows with every stored change."`
	Parameters  offprint.Params    `json:"parameters" doc:"Resolved when the run was accepted; they may be sent again."`
	Sent        offprint.Sent      `json:"parameters_as_sent"`
	State       offprint.State     `json:"state" enum:"queued,running,succeeded,failed,canceled"`
	Phase       *offprint.Phase    `json:"phase" enum:"querying,writing,uploading" doc:"While running."`
	Attempt     int                `json:"attempt"`
	MaxAttempts int                `json:"max_attempts"`
	NextAttempt *time.Time         `json:"next_attempt_at"`
	RetryUntil  *time.Time         `json:"retry_until"`
	Progress    progress           `json:"progress"`
	Outcome     *offprint.Outcome  `json:"outcome" enum:"complete,empty,truncated" doc:"Once succeeded."`
	Warnings    []offprint.Warning `json:"warnings" nullable:"false"`
	Error       *problem           `json:"error" doc:"Once failed; of the last attempt while queued again."`
	RequestedBy string             `json:"requested_by"`
	Via         *string            `json:"via" doc:"The API key that asked on the user's behalf."`
	Tenant      *string            `json:"tenant"`
	TimeZone    string             `json:"time_zone"`
	Locale      string             `json:"locale"`
	Metadata    map[string]string  `json:"metadata"`
	Created     time.Time          `json:"created_at"`
	Started     *time.Time         `json:"started_at"`
	Finished    *time.Time         `json:"finished_at"`
	AsOf        *time.Time         `json:"data_as_of"`
	Expires     *time.Time         `json:"expires_at"`
	File        *file              `json:"file"`
	URLs        urls               `json:"urls"`
}

type progress struct {
	Rows      int64   `json:"rows" doc:"Of the present attempt."`
	RowsTotal *int64  `json:"rows_total" doc:"From the source's planner or from the runs before; grows if there are more. null: not known."`
	TotalKind *string `json:"total_kind" enum:"estimated,exact"`
	Percent   *int    `json:"percent" doc:"Never falls within a run; null while the total is not known."`
	Bytes     int64   `json:"bytes" doc:"Of the present attempt."`
	ETA       *int64  `json:"eta_seconds" doc:"Until the file is there, waiting included. null: not known."`
	Position  *int    `json:"queue_position" doc:"While queued, from 1."`
	Starts    *int64  `json:"starts_in_seconds" doc:"While queued: until a worker is free. null: at once, or not known."`
}

type file struct {
	Name      string             `json:"name"`
	MediaType string             `json:"media_type"`
	Bytes     int64              `json:"bytes"`
	Rows      int64              `json:"rows"`
	SHA256    string             `json:"sha256"`
	State     offprint.FileState `json:"state" enum:"available,expired,deleted"`
}

// urls stand only while they are of use.
type urls struct {
	Self   string `json:"self"`
	Events string `json:"events,omitempty"`
	Cancel string `json:"cancel,omitempty"`
	File   string `json:"file,omitempty"`
}

// view is r as the API shows it.
func (s *Site) view(r *offprint.Run, ahead desk.Outlook) *run {
	v := &run{
		ID: r.ID, Report: r.Report, Version: r.Version, Title: r.Title, Format: r.Format, Revision: r.Revision,
		Parameters: r.Params, Sent: r.Sent, State: r.State, Phase: some(r.Phase), Attempt: r.Attempt(), MaxAttempts: r.MaxAttempts,
		NextAttempt: when(r.NextAttempt), RetryUntil: when(r.RetryUntil), Progress: progressOf(r, ahead),
		Outcome: some(r.Outcome), Warnings: r.Warnings, RequestedBy: r.Who.User, Via: some(r.Who.Via), Tenant: some(r.Who.Tenant),
		TimeZone: r.Zone, Locale: r.Locale, Metadata: r.Metadata,
		Created: r.Created.UTC(), Started: when(r.Started), Finished: when(r.Finished), AsOf: when(r.AsOf), URLs: s.urls(r),
	}
	if v.Sent == nil {
		v.Sent = offprint.Sent{}
	}
	if v.Parameters == nil {
		v.Parameters = offprint.Params{}
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	if v.Warnings == nil {
		v.Warnings = []offprint.Warning{}
	}
	if r.Problem != nil {
		v.Error = shown(r.Problem)
	}
	if f := r.File; f != nil {
		v.File = &file{f.Name, f.MediaType, f.Bytes, f.Rows, f.SHA256, s.fileState(f)}
		v.Expires = when(f.Expires)
	}
	return v
}

// fileState also knows a file whose time has come since the last sweep.
func (s *Site) fileState(f *offprint.File) offprint.FileState {
	if f.State == offprint.Available && !f.Expires.After(s.Desk.Now()) {
		return offprint.FileExpired
	}
	return f.State
}

func (s *Site) urls(r *offprint.Run) urls {
	self := s.path("/v1/runs/" + r.ID)
	u := urls{Self: self}
	if !r.State.Final() {
		u.Events, u.Cancel = self+"/events", self+"/cancel"
	}
	if r.File != nil && s.fileState(r.File) == offprint.Available {
		u.File = self + "/file"
	}
	return u
}

func progressOf(r *offprint.Run, ahead desk.Outlook) progress {
	p := progress{Rows: r.Progress.Rows, Bytes: r.Progress.Bytes, RowsTotal: some(r.Progress.RowsTotal)}
	if p.RowsTotal != nil {
		kind := "estimated"
		if r.Progress.Exact {
			kind = "exact"
		}
		p.TotalKind = &kind
	}
	if percent := r.Progress.Percent(); percent > 0 || p.RowsTotal != nil {
		p.Percent = &percent
	}
	if r.State == offprint.Succeeded {
		all := 100
		p.Percent = &all
		if r.File != nil {
			p.Rows, p.Bytes = r.File.Rows, r.File.Bytes
		}
	}
	p.ETA, p.Position, p.Starts = inSeconds(ahead.Left), some(ahead.Position), inSeconds(ahead.Starts)
	return p
}

// inSeconds is in full ones, one at least, or null for nothing.
func inSeconds(d time.Duration) *int64 {
	if d <= 0 {
		return nil
	}
	return some(int64(max(time.Second, d.Round(time.Second)) / time.Second))
}

// some is v, or null for nothing.
func some[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// viewed is r as the API shows it now.
func (s *Site) viewed(ctx context.Context, r *offprint.Run) (*run, error) {
	ahead, err := s.Desk.Outlook(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.view(r, ahead), nil
}

// A runAnswer is a run with what an answer's header says of it.
type runAnswer struct {
	Status     int
	ETag       string `header:"ETag"`
	RetryAfter string `header:"Retry-After"`
	Location   string `header:"Location"`
	Applied    string `header:"Preference-Applied"`
	Replayed   string `header:"Idempotent-Replayed"`
	Body       *run
}

func (s *Site) answer(ctx context.Context, r *offprint.Run) (*runAnswer, error) {
	body, err := s.viewed(ctx, r)
	if err != nil {
		return nil, err
	}
	a := &runAnswer{Status: http.StatusOK, ETag: etag(r), Body: body}
	if !r.State.Final() {
		a.RetryAfter = strconv.Itoa(s.pause(r, body.Progress.ETA))
	}
	return a, nil
}

func etag(r *offprint.Run) string { return `W/"` + strconv.FormatInt(r.Revision, 10) + `"` }

// pause is in how many seconds it is worth asking again.
func (s *Site) pause(r *offprint.Run, eta *int64) int {
	switch {
	case !r.NextAttempt.IsZero():
		return int(min(60, max(1, r.NextAttempt.Sub(s.Desk.Now())/time.Second)))
	case eta != nil:
		return int(min(30, max(1, *eta/2)))
	}
	return 2
}
