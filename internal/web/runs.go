package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

type RunPath struct {
	ID string `path:"id" doc:"Of the run."`
}

type getInput struct {
	RunPath
	Wait   int    `query:"wait" minimum:"0" maximum:"30" doc:"Seconds to wait for a change of what If-None-Match names; like Prefer: wait=n."`
	For    string `query:"for" enum:"final" doc:"final: wait for the end, not for any change."`
	Prefer string `header:"Prefer" doc:"wait=n, at most 30."`
	Match  string `header:"If-None-Match" doc:"The ETag of the run as it is known."`
}

// get answers with a run, at once or when it has changed.
func (s *Site) get(ctx context.Context, who offprint.Identity, in *getInput) (*runAnswer, error) {
	run, err := s.Desk.Get(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	wait := max(preferred(in.Prefer), time.Duration(in.Wait)*time.Second)
	news := func(r *offprint.Run) bool { return !matches(in.Match, etag(r)) }
	if in.For == "final" {
		news = ended
	}
	if wait > 0 && !run.State.Final() && !news(&run) {
		if err := s.enter(who); err != nil {
			return nil, err
		}
		defer s.leave(who)
		if run, err = s.await(ctx, who, run, wait, news); err != nil {
			return nil, err
		}
	}
	a, err := s.answer(ctx, &run)
	if err != nil {
		return nil, err
	}
	if wait > 0 && in.Prefer != "" {
		a.Applied = "wait=" + seconds(wait)
	}
	if matches(in.Match, a.ETag) {
		a.Status, a.Body = http.StatusNotModified, nil
	}
	return a, nil
}

// matches compares weakly (RFC 9110, 8.8.3.2).
func matches(header, etag string) bool {
	if strings.TrimSpace(header) == "*" {
		return true
	}
	etag = strings.TrimPrefix(etag, "W/")
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == etag {
			return true
		}
	}
	return false
}

type listInput struct {
	State    []offprint.State `query:"state" enum:"queued,running,succeeded,failed,canceled" nullable:"false" doc:"One or more, with commas between."`
	Report   string           `query:"report"`
	Limit    int              `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor   string           `query:"cursor" doc:"The last page's next_cursor."`
	metadata map[string]string
}

// mostFilters is how much metadata a list can be filtered by.
const mostFilters = 20

// Resolve takes metadata.NAME=VALUE, and refuses what it does not know.
func (in *listInput) Resolve(ctx huma.Context) (wrong []error) {
	address := ctx.URL()
	query, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: "this is not a query string"}}
	}
	for key, values := range query {
		name, ok := strings.CutPrefix(key, "metadata.")
		switch {
		case ok && name != "":
			if in.metadata == nil {
				in.metadata = make(map[string]string)
			}
			in.metadata[name] = values[0]
		case !slices.Contains([]string{"state", "report", "limit", "cursor"}, key):
			wrong = append(wrong, &huma.ErrorDetail{Location: "query." + key, Message: "unknown query parameter"})
		}
	}
	if len(in.metadata) > mostFilters {
		wrong = append(wrong, &huma.ErrorDetail{Location: "query.metadata", Message: "a list is filtered by 20 at most"})
	}
	return wrong
}

// A page is one of a list.
type page[T any] struct {
	Items []T     `json:"items" nullable:"false"`
	Next  *string `json:"next_cursor" doc:"null after the last page."`
}

type listAnswer[T any] struct{ Body page[T] }

func listed[T any](items []T, next string) *listAnswer[T] {
	if items == nil {
		items = []T{}
	}
	return &listAnswer[T]{page[T]{items, some(next)}}
}

// list answers with the caller's runs, newest first.
func (s *Site) list(ctx context.Context, who offprint.Identity, in *listInput) (*listAnswer[*run], error) {
	runs, next, err := s.Desk.List(ctx, who, desk.Filter{
		States: in.State, Report: in.Report, Metadata: in.metadata, Cursor: in.Cursor, Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	items := make([]*run, len(runs))
	for i := range runs {
		if items[i], err = s.viewed(ctx, &runs[i]); err != nil {
			return nil, err
		}
	}
	return listed(items, next), nil
}

type amendInput struct {
	RunPath
	Body struct {
		Title    *string            `json:"title,omitempty" nullable:"false" minLength:"1" maxLength:"200"`
		Metadata map[string]*string `json:"metadata,omitempty" doc:"Merged into what there is; null takes an entry away."`
		Expires  *time.Time         `json:"expires_at,omitempty" nullable:"false" doc:"Until when to keep the file."`
	}
}

// amend renames a run or keeps its file longer.
func (s *Site) amend(ctx context.Context, who offprint.Identity, in *amendInput) (*runAnswer, error) {
	run, err := s.Desk.Amend(ctx, who, in.ID, desk.Amendment{Title: in.Body.Title, Metadata: in.Body.Metadata, Expires: in.Body.Expires})
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, &run)
}

// cancel ends a run; one that has ended is answered as it is.
func (s *Site) cancel(ctx context.Context, who offprint.Identity, in *RunPath) (*runAnswer, error) {
	run, err := s.Desk.Cancel(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, &run)
}

type nothing struct{}

func (s *Site) erase(ctx context.Context, who offprint.Identity, in *RunPath) (*nothing, error) {
	return &nothing{}, s.Desk.Erase(ctx, who, in.ID)
}

func (s *Site) deleteFile(ctx context.Context, who offprint.Identity, in *RunPath) (*nothing, error) {
	return &nothing{}, s.Desk.DeleteFile(ctx, who, in.ID)
}

// A manifest is what a file is and where it comes from.
type manifest struct {
	Run        string             `json:"run"`
	Report     string             `json:"report"`
	Version    string             `json:"report_version"`
	Title      string             `json:"title"`
	Format     string             `json:"format"`
	Parameters offprint.Params    `json:"parameters"`
	TimeZone   string             `json:"time_zone"`
	Locale     string             `json:"locale"`
	By         string             `json:"requested_by"`
	Tenant     *string            `json:"tenant"`
	AsOf       *time.Time         `json:"data_as_of"`
	Created    time.Time          `json:"created_at"`
	Finished   *time.Time         `json:"finished_at"`
	Outcome    offprint.Outcome   `json:"outcome" enum:"complete,empty,truncated"`
	Warnings   []offprint.Warning `json:"warnings" nullable:"false"`
	Name       string             `json:"name"`
	MediaType  string             `json:"media_type"`
	Rows       int64              `json:"rows"`
	Bytes      int64              `json:"bytes"`
	SHA256     string             `json:"sha256"`
}

type manifestAnswer struct{ Body *manifest }

// manifest stays when the file is gone.
func (s *Site) manifest(ctx context.Context, who offprint.Identity, in *RunPath) (*manifestAnswer, error) {
	r, err := s.Desk.Get(ctx, who, in.ID)
	switch {
	case err != nil:
		return nil, err
	case !r.State.Final():
		return nil, offprint.Errorf(offprint.NotReady, "Wait for the end of the run, then ask again.")
	case r.File == nil:
		return nil, offprint.Errorf(offprint.NoFile, "The run ended without a file. Make it again.")
	}
	v := s.view(&r, desk.Outlook{})
	return &manifestAnswer{&manifest{
		Run: v.ID, Report: v.Report, Version: v.Version, Title: v.Title, Format: v.Format, Parameters: v.Parameters,
		TimeZone: v.TimeZone, Locale: v.Locale, By: v.RequestedBy, Tenant: v.Tenant, AsOf: v.AsOf, Created: v.Created, Finished: v.Finished,
		Outcome: r.Outcome, Warnings: v.Warnings, Name: v.File.Name, MediaType: v.File.MediaType, Rows: v.File.Rows, Bytes: v.File.Bytes, SHA256: v.File.SHA256,
	}}, nil
}

type notice struct {
	ID          string     `json:"id"`
	Event       string     `json:"event"`
	Address     string     `json:"address"`
	State       string     `json:"state"`
	Attempts    int        `json:"attempts"`
	LastAnswer  string     `json:"last_answer"`
	Created     time.Time  `json:"created_at"`
	Delivered   *time.Time `json:"delivered_at"`
	NextAttempt *time.Time `json:"next_attempt_at"`
}

func (s *Site) notices(ctx context.Context, who offprint.Identity, in *RunPath) (*listAnswer[notice], error) {
	records, err := s.Desk.Notices(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	var items []notice
	for _, n := range records {
		items = append(items, notice{n.ID, string(n.Event), n.Address, n.State, n.Attempts, n.LastAnswer, n.Created.UTC(), when(n.Delivered), when(n.NextAttempt)})
	}
	return listed(items, ""), nil
}

type noticeInput struct {
	RunPath
	Notice string `path:"notice"`
}

func (s *Site) replayNotice(ctx context.Context, who offprint.Identity, in *noticeInput) (*nothing, error) {
	return &nothing{}, s.Desk.ReplayNotice(ctx, who, in.ID, in.Notice)
}

type download struct {
	User  *string   `json:"user" doc:"null: whoever had the link."`
	Link  *string   `json:"link" doc:"The id of the share link by which it came."`
	From  string    `json:"from" doc:"The address it went to."`
	At    time.Time `json:"at"`
	Bytes *int64    `json:"bytes" doc:"null: they went to the store, which tells nobody."`
}

func (s *Site) downloads(ctx context.Context, who offprint.Identity, in *RunPath) (*listAnswer[download], error) {
	records, err := s.Desk.Downloads(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	var items []download
	for _, d := range records {
		item := download{some(d.User), some(d.Link), d.From, d.At.UTC(), nil}
		if d.Bytes != desk.ByStore {
			item.Bytes = &d.Bytes
		}
		items = append(items, item)
	}
	return listed(items, ""), nil
}

type me struct {
	User   string   `json:"user"`
	Tenant *string  `json:"tenant"`
	Email  *string  `json:"email"`
	Roles  []string `json:"roles" nullable:"false"`
	Scopes []string `json:"scopes" nullable:"false"`
	Via    *string  `json:"via" doc:"The API key that asks."`
}

type meAnswer struct{ Body me }

func (s *Site) me(_ context.Context, who offprint.Identity, _ *nothing) (*meAnswer, error) {
	return &meAnswer{me{who.User, some(who.Tenant), some(who.Email), append([]string{}, who.Roles...), append([]string{}, who.Scopes...), some(who.Via)}}, nil
}
