package web

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

type estimateInput struct {
	Name string `path:"name" doc:"Of the report."`
	Body struct {
		Wishes
		Behalf *behalf `json:"on_behalf_of,omitempty" doc:"For API keys with the scope impersonate: in whose name to ask."`
	}
}

type estimateAnswer struct {
	Body struct {
		Rows    *int64     `json:"rows" doc:"As the source has them, before any limit. null: not known."`
		From    desk.Basis `json:"from" enum:"planner,history,unknown" doc:"What the rows are known from: the source's planner, for these very parameters, or what the report came to before."`
		Bytes   *int64     `json:"bytes" doc:"Of the file."`
		Seconds *int64     `json:"seconds" doc:"From start to end, without waiting in line."`
		Notes   []string   `json:"notes" nullable:"false" doc:"Sentences for a person: what a limit would cut, and where the numbers come from."`
	}
}

// estimate says what an asking would come to.
func (s *Site) estimate(ctx context.Context, who offprint.Identity, in *estimateInput) (*estimateAnswer, error) {
	who, err := in.Body.Behalf.named(who)
	if err != nil {
		return nil, err
	}
	ask, err := in.Body.ask(who)
	if err != nil {
		return nil, err
	}
	ask.Report = in.Name
	e, err := s.Desk.Estimate(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	a := new(estimateAnswer)
	a.Body.From, a.Body.Notes, a.Body.Bytes = e.Basis, append([]string{}, e.Notes...), some(e.Bytes)
	if e.Basis != desk.Unknown {
		a.Body.Rows = &e.Rows
	}
	a.Body.Seconds = inSeconds(e.Took)
	return a, nil
}

// An estimatePart is what the form says below its buttons.
type estimatePart struct {
	Line  string
	Notes []string
}

// estimateForm says what a form would come to, for the page's script; nothing,
// where it is not right yet or nothing is known.
func (s *Site) estimateForm(v *visit) error {
	r, err := s.Desk.Report(v.who, v.r.PathValue("name"))
	if err != nil {
		return err
	}
	ask := desk.Ask{
		Report: r.Name, Format: v.r.PostForm.Get("format"), Parameters: sentIn(r, v.r.PostForm), TimeZone: v.zone(), Locale: cmp.Or(v.to.locale, "en"),
	}
	e, err := s.Desk.Estimate(v.r.Context(), v.who, ask)
	part := estimatePart{}
	switch code := offprint.CodeOf(err); {
	case code == offprint.Internal:
		return err
	case err == nil && e.Basis != desk.Unknown:
		part = estimatePart{v.to.estimate(e), e.Notes}
	}
	return s.show(v.w, http.StatusOK, "report", "estimate", part)
}

// estimate is About 1.2 million rows · 48 MB · about 2 min.
func (r *reader) estimate(e desk.Estimate) string {
	said := []string{"No rows"}
	if e.Rows > 0 {
		said[0] = "About " + r.about(e.Rows) + " rows"
	}
	if e.Bytes > 0 {
		said = append(said, r.shortSize(e.Bytes))
	}
	if e.Took > 0 {
		said = append(said, "about "+roughly(e.Took))
	}
	return strings.Join(said, " · ")
}

// roughly is a length of time as one guesses it.
func roughly(d time.Duration) string {
	if d < time.Minute || d >= time.Hour {
		return spell(d)
	}
	return strings.TrimSuffix(spell(d.Round(time.Minute)), " 0 s")
}
