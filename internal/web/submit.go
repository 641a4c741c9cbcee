package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/identity"
)

// Wishes are what may be said of any new run. It is exported, as are the other
// parts of requests, because the library decodes exported fields only.
type Wishes struct {
	Format     string            `json:"format,omitempty" doc:"Empty: the report's first." example:"xlsx"`
	Parameters offprint.Sent     `json:"parameters,omitempty" doc:"As the report's schema has them. Decimals are strings."`
	TimeZone   string            `json:"time_zone,omitempty" doc:"IANA; empty: UTC." example:"Europe/Berlin"`
	Locale     string            `json:"locale,omitempty" doc:"BCP 47; empty: en." example:"de-DE"`
	Notify     []string          `json:"notify,omitzero" maxItems:"20" nullable:"false" doc:"me, mailto:a@b.example or webhook:ID; an empty list: nobody. Without it: as the report says and who asks prefers; of what is made again, whom that run told."`
	Title      string            `json:"title,omitempty" doc:"Empty: the report's."`
	Metadata   map[string]string `json:"metadata,omitempty" doc:"The asker's own; runs can be listed by it."`
	Retention  string            `json:"retention,omitempty" doc:"How long to keep the file, as in 12h or 7d; never longer than the report says." example:"7d"`
}

type asking struct {
	Report string `json:"report" doc:"Its name." example:"orders"`
	Wishes
	Behalf *behalf `json:"on_behalf_of,omitempty" doc:"For API keys with the scope impersonate: whose run it is."`
}

type behalf struct {
	User   string   `json:"user" minLength:"1" maxLength:"200"`
	Tenant string   `json:"tenant,omitempty" maxLength:"200"`
	Email  string   `json:"email,omitempty" maxLength:"320"`
	Roles  []string `json:"roles,omitempty" maxItems:"100" nullable:"false"`
}

// named is in whose name who asks: their own, or that of the one they name.
func (b *behalf) named(who offprint.Identity) (offprint.Identity, error) {
	if b == nil {
		return who, nil
	}
	return identity.OnBehalf(who, identity.Behalf(*b))
}

// Once are the headers of a request that creates.
type Once struct {
	Key    string `header:"Idempotency-Key" maxLength:"255" doc:"The same key and body again answer with the same run; another body is refused."`
	Prefer string `header:"Prefer" doc:"wait=n, at most 30: answers 200 if the run ends within so many seconds."`
}

type submitInput struct {
	Once
	Body asking
}

// submit accepts an asking.
func (s *Site) submit(ctx context.Context, who offprint.Identity, in *submitInput) (*runAnswer, error) {
	who, err := in.Body.Behalf.named(who)
	if err != nil {
		return nil, err
	}
	ask, err := in.Body.ask(who)
	if err != nil {
		return nil, err
	}
	ask.Report = in.Body.Report
	if ask.Idempotency, err = in.idempotency("POST /v1/runs", in.Body); err != nil {
		return nil, err
	}
	return s.accepted(ctx, who, in.Prefer, func() (offprint.Run, bool, error) { return s.Desk.Submit(ctx, who, ask) })
}

type rerunInput struct {
	Once
	ID   string `path:"id"`
	Body *Wishes
}

// rerun asks again for what a run was asked for.
func (s *Site) rerun(ctx context.Context, who offprint.Identity, in *rerunInput) (*runAnswer, error) {
	if in.Body == nil {
		in.Body = new(Wishes)
	}
	ask, err := in.Body.ask(who)
	if err != nil {
		return nil, err
	}
	if ask.Idempotency, err = in.idempotency("POST /v1/runs/"+in.ID+"/rerun", in.Body); err != nil {
		return nil, err
	}
	return s.accepted(ctx, who, in.Prefer, func() (offprint.Run, bool, error) { return s.Desk.Rerun(ctx, who, in.ID, ask) })
}

// accepted answers for a run that was asked for: 202, or 200 to whoever
// preferred to wait and saw it end.
func (s *Site) accepted(ctx context.Context, who offprint.Identity, prefer string, submit func() (offprint.Run, bool, error)) (*runAnswer, error) {
	if s.isClosed() {
		return nil, offprint.Errorf(offprint.Draining, "Nothing was made. Ask again; another server will answer.")
	}
	run, replayed, err := submit()
	if err != nil {
		return nil, err
	}
	wait := preferred(prefer)
	if wait > 0 && s.enter(who) == nil { // whoever waits too often already is answered at once: the run is made
		defer s.leave(who)
		if run, err = s.await(ctx, who, run, wait, ended); err != nil {
			return nil, err
		}
	}
	a, err := s.answer(ctx, &run)
	if err != nil {
		return nil, err
	}
	a.Location = s.path("/v1/runs/" + run.ID)
	if wait > 0 {
		a.Applied = "wait=" + strconv.Itoa(int(wait/time.Second))
	}
	if replayed {
		a.Replayed = "true"
	}
	if wait == 0 || !run.State.Final() {
		a.Status = http.StatusAccepted
	}
	return a, nil
}

// ask is what was wished for; what only the web knows is resolved here.
func (w *Wishes) ask(who offprint.Identity) (desk.Ask, error) {
	ask := desk.Ask{
		Format: w.Format, Parameters: w.Parameters, TimeZone: w.TimeZone, Locale: w.Locale,
		Title: w.Title, Metadata: w.Metadata, Notify: w.Notify,
	}
	var wrong []offprint.Field
	var ok bool
	if ask.Retention, ok = span(w.Retention); !ok {
		wrong = append(wrong, offprint.Field{Pointer: "#/retention", Detail: "Send a length of time, as in 12h or 7d."})
	}
	if wrong != nil {
		err := offprint.Errorf(offprint.Invalid, "Nothing was made. Mend the fields named below and ask again.")
		err.Fields = wrong
		return ask, err
	}
	return ask, nil
}

// span reads 12h, 90m and 7d; nothing is nothing.
func span(s string) (time.Duration, bool) {
	if s == "" {
		return 0, true
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0 && n <= 36500
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d > 0
}

func (o *Once) idempotency(route string, body any) (desk.Idempotency, error) {
	if o.Key == "" {
		return desk.Idempotency{}, nil
	}
	if !legible(o.Key) {
		err := offprint.Errorf(offprint.Invalid, "Nothing was made. Send a key in UTF-8.")
		err.Fields = []offprint.Field{{Pointer: pointer("header", "Idempotency-Key"), Detail: "This is not text."}}
		return desk.Idempotency{}, err
	}
	sent, err := json.Marshal(body)
	if err != nil {
		return desk.Idempotency{}, fmt.Errorf("write a request down: %w", err)
	}
	canonical, err := canonical(sent)
	return desk.Idempotency{Key: o.Key, Route: route, Fingerprint: fingerprint(canonical)}, err
}

// canonical is the same for the same JSON, however its fields are ordered and
// spaced; numbers count as they are written.
func canonical(body []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("read a request again: %w", err)
	}
	return json.Marshal(v)
}

func fingerprint(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// most that anybody waits.
const mostWait = 30 * time.Second

// preferred is the wait of a Prefer header (RFC 7240): respond-async, wait=10.
func preferred(header string) time.Duration {
	for part := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' }) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
		if err == nil && n > 0 {
			return min(mostWait, time.Duration(n)*time.Second)
		}
	}
	return 0
}

func ended(r *offprint.Run) bool { return r.State.Final() }

// await is the run as soon as it is so, or as it is when the time is up.
func (s *Site) await(ctx context.Context, who offprint.Identity, run offprint.Run, most time.Duration, so func(*offprint.Run) bool) (offprint.Run, error) {
	watch := s.Desk.Watch(run.ID)
	defer watch.Close()
	up := time.NewTimer(most)
	defer up.Stop()
	for {
		now, err := s.Desk.Get(ctx, who, run.ID)
		if err != nil || so(&now) {
			return now, err
		}
		run = now
		select {
		case <-watch.C:
			watch.Take()
		case <-up.C:
			return run, nil
		case <-s.closed:
			return run, nil
		case <-ctx.Done():
			return run, ctx.Err()
		}
	}
}
