package web

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// A link is a [desk.Link] as the API shows it.
type link struct {
	ID       string         `json:"id"`
	URL      *string        `json:"url,omitempty" doc:"The address to hand on. It is told once, to whoever makes the link, and kept nowhere."`
	Audience desk.Audience  `json:"audience" enum:"anyone,tenant"`
	Label    string         `json:"label"`
	Address  *string        `json:"address" doc:"Whom it was made for."`
	State    desk.LinkState `json:"state" enum:"works,revoked,expired,used_up"`
	Most     *int           `json:"max_downloads" doc:"null: no limit."`
	Uses     int            `json:"downloads" doc:"How often somebody clicked Download."`
	Maker    string         `json:"created_by"`
	Created  time.Time      `json:"created_at"`
	Expires  time.Time      `json:"expires_at" doc:"With the file at the latest."`
	Used     *time.Time     `json:"last_used_at"`
	Revoked  *time.Time     `json:"revoked_at"`
}

func viewLink(l *desk.Link, state desk.LinkState) link {
	return link{
		ID: l.ID, Audience: l.Audience, Label: l.Label, Address: some(l.Address), State: state, Most: some(l.Most), Uses: l.Uses,
		Maker: l.Maker, Created: l.Created.UTC(), Expires: l.Expires.UTC(), Used: when(l.Used), Revoked: when(l.Revoked),
	}
}

func (s *Site) links(ctx context.Context, who offprint.Identity, in *RunPath) (*listAnswer[link], error) {
	run, links, err := s.Desk.LinksOf(ctx, who, in.ID)
	if err != nil {
		return nil, err
	}
	var items []link
	for i := range links {
		items = append(items, viewLink(&links[i], s.Desk.LinkState(&run, &links[i])))
	}
	return listed(items, ""), nil
}

type sharing struct {
	Audience desk.Audience `json:"audience,omitempty" enum:"anyone,tenant" doc:"anyone: whoever has the link. tenant, as when nothing is said: of those, who signs in with the run's tenant."`
	Label    string        `json:"label,omitempty" doc:"To tell it from others."`
	ExpireIn string        `json:"expires_in,omitempty" doc:"How long it works, as in 12h or 7d; without it, and at the latest, until the file expires." example:"7d"`
	Expires  *time.Time    `json:"expires_at,omitempty" nullable:"false" doc:"In place of expires_in."`
	Most     int           `json:"max_downloads,omitempty" minimum:"1" doc:"How often it may be used; without it: as often as one likes."`
}

type shareInput struct {
	RunPath
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"The same key and body again answer with the same link and its url; another body is refused."`
	Body sharing
	host string
}

// Resolve keeps the name by which the server was reached.
func (in *shareInput) Resolve(ctx huma.Context) []error {
	in.host = ctx.Host()
	return nil
}

type linkAnswer struct {
	Replayed string `header:"Idempotent-Replayed"`
	Body     link
}

// share makes a link.
func (s *Site) share(ctx context.Context, who offprint.Identity, in *shareInput) (*linkAnswer, error) {
	share := desk.Share{Audience: in.Body.Audience, Label: in.Body.Label, Most: in.Body.Most}
	lasting, ok := span(in.Body.ExpireIn)
	if !ok || lasting > 0 && in.Body.Expires != nil {
		err := offprint.Errorf(offprint.Invalid, "Nothing was made. Mend the fields named below and ask again.")
		err.Fields = []offprint.Field{{Pointer: "#/expires_in", Detail: "Send a length of time, as in 12h or 7d, or expires_at in its place."}}
		return nil, err
	}
	if in.Body.Expires != nil {
		share.Expires = *in.Body.Expires
	}
	if lasting > 0 {
		share.Expires = s.Desk.Now().Add(lasting)
	}
	once, err := (&Once{Key: in.Key}).idempotency("POST /v1/runs/"+in.ID+"/links", in.Body)
	if err != nil {
		return nil, err
	}
	share.Idempotency = once
	made, address, err := s.makeLink(ctx, who, in.host, in.ID, share)
	if err != nil {
		return nil, err
	}
	a := &linkAnswer{Body: viewLink(&made.Link, made.State)}
	a.Body.URL = some(address)
	if made.Replayed {
		a.Replayed = "true"
	}
	return a, nil
}

// makeLink makes a link and its address, which is empty where its token is not
// known any more.
func (s *Site) makeLink(ctx context.Context, who offprint.Identity, host, run string, share desk.Share) (desk.NewLink, string, error) {
	base, err := s.knownAs(host)
	if err != nil {
		return desk.NewLink{}, "", err
	}
	made, err := s.Desk.Share(ctx, who, run, share)
	if err != nil || made.Token == "" {
		return made, "", err
	}
	return made, base + s.path("/d/"+made.Token), nil
}

type linkPath struct {
	RunPath
	Link string `path:"link"`
}

func (s *Site) revoke(ctx context.Context, who offprint.Identity, in *linkPath) (*nothing, error) {
	return &nothing{}, s.Desk.Revoke(ctx, who, in.ID, in.Link)
}

// followed answers whoever came by a link. Guesses are counted, and after many
// nobody is looked up any more for a while.
func (s *Site) followed(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from := s.from(r)
		err := s.guesses.check(from, s.Desk.Now())
		if err == nil {
			err = h(w, r)
			if offprint.CodeOf(err) == offprint.NotFound {
				s.guesses.add(from, r.PathValue("token"), s.Desk.Now())
			}
		}
		if err != nil {
			s.sorry(w, r, err)
		}
	}
}

// follow is what the request's link hands on.
func (s *Site) follow(r *http.Request) (*desk.Handed, error) {
	return s.Desk.Follow(r.Context(), r.PathValue("token"), func() (offprint.Identity, error) {
		who, err := s.identify(r)
		if offprint.CodeOf(err) == offprint.Unauthenticated {
			needed := offprint.Errorf(offprint.Unauthenticated, "Signing in with a browser is not available here yet. Programs can follow it with an API key or a token.").Because(err)
			needed.Title, err = "This link is for people who sign in here", needed
		}
		return who, err
	})
}

// A handedPage says what a link hands on.
type handedPage struct {
	Name   string
	Facts  []fact
	Button string
}

// linkPage shows what a link hands on, and takes nothing: scanners of mail open
// it, too.
func (s *Site) linkPage(w http.ResponseWriter, r *http.Request) error {
	h, err := s.follow(r)
	if err != nil {
		return err
	}
	to, f := s.readerOf(r), h.Run.File
	page := handedPage{Name: f.Name, Button: downloadButton(&h.Run, to), Facts: []fact{
		{Label: "Rows", Is: []piece{text("%s", to.count(f.Rows))}},
		{Label: "Size", Is: []piece{text("%s", to.size(f.Bytes))}},
	}}
	if !h.Run.AsOf.IsZero() {
		page.Facts = append(page.Facts, fact{Label: "Data as of", Is: []piece{moment(h.Run.AsOf)}})
	}
	page.Facts = append(page.Facts, fact{Label: "Works until", Is: []piece{moment(h.Link.Expires)}})
	if l := h.Link; l.Most > 0 {
		page.Facts = append(page.Facts, fact{Label: "Downloads left", Is: []piece{text("%s", to.count(int64(l.Most-l.Uses)))}})
	}
	return s.show(w, http.StatusOK, "link", "layout", frame{Base: s.prefix, Title: h.Run.Title, Guest: true, Page: page})
}

// take takes a use of a link, and leads to the file.
func (s *Site) take(w http.ResponseWriter, r *http.Request) error {
	h, err := s.follow(r)
	if err != nil {
		return err
	}
	turn, err := s.Desk.Take(r.Context(), h)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", s.path("/d/"+r.PathValue("token")+"/file")+"?t="+url.QueryEscape(turn))
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// linkFile hands the file out to whoever took a use of its link.
func (s *Site) linkFile(w http.ResponseWriter, r *http.Request) error {
	h, err := s.Desk.Resume(r.Context(), r.PathValue("token"), r.URL.Query().Get("t"))
	if err != nil {
		return err
	}
	s.handOut(w, r, h.Fetched, h.Visitor, func(ctx context.Context) error { return s.Desk.Still(ctx, h) })
	return nil
}

// A sharePage is the links of a run, and the form for another one.
type sharePage struct {
	ID        string
	Title     string
	Sentence  []piece
	Made      string   // the address of the link just made
	Lost      bool     // it was made before, and its address is not known any more
	Errors    []string // of the form
	Closed    string   // why there is no form
	Audiences []choice
	Lasting   []choice
	Label     string
	Most      string
	Key       string
	Links     []linkRow
}

type linkRow struct {
	ID       string
	Name     string
	Badge    badge
	Sentence []piece
	Works    bool
}

// sharePage shows the links of a run.
func (s *Site) sharePage(v *visit) error { return v.showLinks(http.StatusOK, sharePage{}) }

// makeLinkPage makes a link and shows its address, this once. Loaded again it
// sends the same form, and shows the same link.
func (s *Site) makeLinkPage(v *visit) error {
	id, form := v.r.PathValue("id"), v.r.PostForm
	share := desk.Share{Audience: desk.Audience(form.Get("audience")), Label: form.Get("label"), Idempotency: formKey(form, "POST /runs/"+v.r.PathValue("id")+"/links")}
	if lasting, ok := span(form.Get("lasting")); ok && lasting > 0 {
		share.Expires = s.Desk.Now().Add(lasting)
	}
	page := sharePage{Label: share.Label, Most: form.Get("most")}
	if page.Most != "" {
		if _, err := fmt.Sscanf(page.Most, "%d", &share.Most); err != nil || share.Most < 1 {
			page.Errors = []string{"How often it may be used is a number from 1 on. Leave it empty for as often as one likes."}
			return v.showLinks(http.StatusUnprocessableEntity, page)
		}
	}
	made, address, err := s.makeLink(v.r.Context(), v.who, v.r.Host, id, share)
	if offprint.CodeOf(err) == offprint.Invalid {
		for _, f := range shown(err).Errors {
			page.Errors = append(page.Errors, f.Detail)
		}
		return v.showLinks(http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	return v.showLinks(http.StatusOK, sharePage{Made: address, Lost: made.Token == ""})
}

func (s *Site) revokePage(v *visit) error {
	id := v.r.PathValue("id")
	if err := s.Desk.Revoke(v.r.Context(), v.who, id, v.r.PathValue("link")); err != nil {
		return err
	}
	v.see("/runs/" + id + "/links")
	return nil
}

// showLinks shows the page with what is known of the links now.
func (v *visit) showLinks(status int, page sharePage) error {
	run, links, err := v.Desk.LinksOf(v.r.Context(), v.who, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	page.ID, page.Title, page.Sentence, page.Key = run.ID, run.Title, v.sentence(&run, desk.Outlook{}, v.to), rand.Text()
	for i := range links {
		page.Links = append(page.Links, v.rowOf(&run, &links[i]))
	}
	switch {
	case v.Desk.Links == desk.Nobody:
		page.Closed = "Share links are turned off here."
	case v.urls(&run).File == "":
		page.Closed = "There is no file to share now."
	default:
		page.offer(v, &run)
	}
	return v.show(v.w, status, "share", "layout", v.frame("Share "+run.Title, page))
}

// offer fills in what the form has to choose from.
func (p *sharePage) offer(v *visit, run *offprint.Run) {
	sent := v.r.PostForm
	for _, a := range []desk.Audience{desk.Tenant, desk.Anyone} {
		if a == desk.Tenant || v.Desk.Links == desk.Anyone {
			chosen := desk.Audience(sent.Get("audience")) == a || a == desk.Tenant && sent.Get("audience") == ""
			p.Audiences = append(p.Audiences, choice{Value: string(a), Label: audienceOf(run, a), Chosen: chosen})
		}
	}
	left := run.File.Expires.Sub(v.Desk.Now())
	for _, c := range []choice{{Value: "1h", Label: "For an hour"}, {Value: "24h", Label: "For a day"}, {Value: "7d", Label: "For 7 days"}, {Value: "30d", Label: "For 30 days"}} {
		if lasting, _ := span(c.Value); lasting < left {
			c.Chosen = sent.Get("lasting") == c.Value
			p.Lasting = append(p.Lasting, c)
		}
	}
}

func audienceOf(run *offprint.Run, a desk.Audience) string {
	switch {
	case a == desk.Anyone:
		return "Anyone with the link"
	case run.Who.Tenant != "":
		return "People of " + run.Who.Tenant
	}
	return "People who sign in here"
}

func (v *visit) rowOf(run *offprint.Run, l *desk.Link) linkRow {
	state := v.Desk.LinkState(run, l)
	row := linkRow{ID: l.ID, Name: audienceOf(run, l.Audience), Works: state == desk.LinkWorks}
	if l.Label != "" {
		row.Name = l.Label
		row.Sentence = append(row.Sentence, text("%s · ", audienceOf(run, l.Audience)))
	}
	switch state {
	case desk.LinkWorks:
		row.Badge = badge{"Works", "good"}
		row.Sentence = append(row.Sentence, text("until "), moment(l.Expires), text(" · "))
	case desk.LinkRevoked:
		row.Badge = badge{"Revoked", "quiet"}
	case desk.LinkExpired:
		row.Badge = badge{"Expired", "quiet"}
	case desk.LinkUsedUp:
		row.Badge = badge{"Used up", "quiet"}
	}
	used := v.to.count(int64(l.Uses)) + " downloads"
	switch {
	case l.Most > 0:
		used = fmt.Sprintf("%s of %s downloads", v.to.count(int64(l.Uses)), v.to.count(int64(l.Most)))
	case l.Uses == 0:
		used = "not used yet"
	case l.Uses == 1:
		used = "1 download"
	}
	row.Sentence = append(row.Sentence, text("%s", used))
	if !l.Used.IsZero() {
		row.Sentence = append(row.Sentence, text(", the last "), v.to.ago(l.Used))
	}
	return row
}
