package web

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

//go:embed html/*.html ui/*
var files embed.FS

// pages are the templates, and the files that they link to.
type pages struct {
	templates map[string]*template.Template
	assets    map[string]asset
}

type asset struct {
	body []byte
	hash string
}

func newPages() (*pages, error) {
	p := &pages{templates: make(map[string]*template.Template), assets: make(map[string]asset)}
	entries, err := fs.ReadDir(files, "ui")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		body, err := files.ReadFile("ui/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		p.assets[e.Name()] = asset{body, hex.EncodeToString(sum[:6])}
	}
	base, err := template.New("").Funcs(template.FuncMap{"asset": p.address}).ParseFS(files, "html/layout.html", "html/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse the page's frame: %w", err)
	}
	for _, name := range []string{"home", "report", "run", "message", "broken", "share", "link", "notifications"} {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(files, "html/"+name+".html")
		}
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		p.templates[name] = t
	}
	return p, nil
}

// address is below the base path; the hash lets browsers keep a file for ever.
func (p *pages) address(name string) string { return "/ui/" + name + "?v=" + p.assets[name].hash }

func (s *Site) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.pages.assets[r.PathValue("name")]
	if !ok {
		s.fail(w, r, offprint.Errorf(offprint.NotFound, "The page has no such file. Load it again."))
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.PathValue("name"))))
	w.Header().Set("ETag", `"`+a.hash+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// A visit is one person's request for a page.
type visit struct {
	*Site
	w   http.ResponseWriter
	r   *http.Request
	who offprint.Identity
	to  *reader
}

// page shows what h shows, and its error as a page.
func (s *Site) page(h func(*visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.identify(r)
		if err == nil && r.Method == http.MethodPost {
			err = readForm(w, r)
		}
		if err == nil {
			err = h(&visit{s, w, r, who, s.readerOf(r)})
		}
		if who.User == "" && offprint.CodeOf(err) == offprint.Unauthenticated {
			err = offprint.Errorf(offprint.Unauthenticated, "Signing in with a browser is not available here yet. Programs can ask for reports with an API key or a token.").Because(err)
		}
		if err != nil {
			s.failPage(w, r, err)
		}
	}
}

// readForm reads what a form sent, within a time and a size.
func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err := r.ParseForm()
	var most *http.MaxBytesError
	switch {
	case errors.As(err, &most):
		return offprint.Errorf(offprint.BodyTooLarge, "A form may have 1 MiB.")
	case err != nil:
		return offprint.Errorf(offprint.Unreadable, "Go back and send the form again.").Because(err)
	}
	for name, values := range r.PostForm {
		if !legible(name + strings.Join(values, "")) {
			return offprint.Errorf(offprint.Unreadable, "Go back and fill the form in with text.")
		}
	}
	return lift(w)
}

func (s *Site) readerOf(r *http.Request) *reader {
	return newReader(localeOf(r.Header.Get("Accept-Language")), s.Desk.Now())
}

// A frame is what every page has around it.
type frame struct {
	Base    string
	Title   string
	Who     string // empty: nobody has to sign in
	Tells   bool   // there is something to be told, and so to choose
	Guest   bool   // whoever reads it came by a link, and what else there is here is not for them
	Refresh bool   // without a script, the page is loaded again and again
	Watches string // where the script reads the State, and loads the page again when it is another; empty: it does not
	State   string
	Page    any
}

func (v *visit) frame(title string, page any) frame {
	f := frame{Base: v.prefix, Title: title, Tells: len(v.Desk.Notifiers) > 0, Page: page}
	if v.Identity.Required {
		f.Who = cmp.Or(v.who.Email, v.who.User)
	}
	return f
}

// policy lets a page load its own files and nothing else, run no inline
// script, and stand in nobody's frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// show writes a page, whole or not at all.
func (s *Site) show(w http.ResponseWriter, status int, name, part string, data any) error {
	var b bytes.Buffer
	if err := s.pages.templates[name].ExecuteTemplate(&b, part, data); err != nil {
		return fmt.Errorf("write page %s: %w", name, err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "private, no-store")
	h.Set("Vary", varies)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // whoever has gone does not read it
	return nil
}

// takesPage tells a person's browser from a program.
func takesPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

func asksForPage(r *http.Request) bool {
	return takesPage(r) && !forPrograms(r)
}

// failPage shows an error as a page.
func (s *Site) failPage(w http.ResponseWriter, r *http.Request, err error) {
	p := s.refuse(r.Context(), r.Header, err)
	for name, values := range p.header {
		w.Header()[name] = values
	}
	f := frame{Base: s.prefix, Title: p.Title, Guest: byLink(r), Page: p}
	if err := s.show(w, p.Status, "message", "layout", f); err != nil {
		s.fail(w, r, err)
	}
}

// A card is one run as a list shows it.
type card struct {
	Base       string
	ID         string
	Title      string
	Revision   int64
	State      offprint.State
	Badge      badge
	Parameters string
	Sentence   []piece
	Asked      piece
	Percent    int  // of the bar
	Bar        bool // being made, of a known length
	Busy       bool // being made, of an unknown length
	Cancel     bool
	Again      bool
	File       string // where to download it
	FileButton string
	Key        string // of the next click
}

// AskedPieces is Asked as the template of pieces takes it.
func (c card) AskedPieces() []piece { return []piece{c.Asked} }

// standingAt is a card's buttons, and where a click on one of them leads back.
type standingAt struct {
	card
	Back      string
	Prominent bool // making again is the next thing to do
}

func (c card) Listed() standingAt { return standingAt{c, "list", false} }
func (c card) Alone() standingAt  { return standingAt{c, "run", c.Again && c.File == ""} }

func (v *visit) card(r *offprint.Run, ahead desk.Outlook) card {
	c := card{
		Base: v.prefix, ID: r.ID, Title: r.Title, Revision: r.Revision, State: r.State, Badge: v.badgeOf(r),
		Parameters: inOneLine(v.parameters(r, v.to.locale)), Sentence: v.sentence(r, ahead, v.to), Asked: v.to.ago(r.Created),
		Percent: r.Progress.Percent(), Cancel: !r.State.Final(), Again: r.State.Final(), Key: rand.Text(),
	}
	running := r.State == offprint.Running
	c.Bar, c.Busy = running && r.Progress.RowsTotal > 0, running && r.Progress.RowsTotal == 0
	if u := v.urls(r); u.File != "" {
		c.File = u.File
		c.FileButton = downloadButton(r, v.to)
	}
	return c
}

func downloadButton(r *offprint.Run, to *reader) string {
	return fmt.Sprintf("Download %s (%s)", formatTitle(r.Format), to.shortSize(r.File.Bytes))
}

func (v *visit) cardNow(r *offprint.Run) (card, error) {
	ahead, err := v.Desk.Outlook(v.r.Context(), r)
	if err != nil {
		return card{}, err
	}
	return v.card(r, ahead), nil
}

// A shelf is the reports of one group.
type shelf struct {
	Group   string
	Reports []*report
}

type homePage struct {
	Problems []ReportProblem
	Shelves  []shelf
	Runs     []card
	Older    string // the address of the next page
	Newest   bool   // this is the first page
}

// home is the catalogue and the caller's runs.
func (s *Site) home(v *visit) error {
	cursor := v.r.URL.Query().Get("cursor")
	runs, next, err := s.Desk.List(v.r.Context(), v.who, desk.Filter{Cursor: cursor, Limit: 20})
	if err != nil {
		return err
	}
	page := homePage{Newest: cursor == "", Problems: s.problemsOf("")}
	for i := range runs {
		c, err := v.cardNow(&runs[i])
		if err != nil {
			return err
		}
		page.Runs = append(page.Runs, c)
	}
	if next != "" {
		page.Older = "?cursor=" + next
	}
	for _, r := range s.Desk.Reports(v.who, v.to.locale) {
		if n := len(page.Shelves); n == 0 || page.Shelves[n-1].Group != r.Group {
			page.Shelves = append(page.Shelves, shelf{Group: r.Group})
		}
		last := &page.Shelves[len(page.Shelves)-1]
		last.Reports = append(last.Reports, s.viewReport(r, v.to.locale))
	}
	f := v.watched(v.frame("Reports", page), "")
	for i := range runs {
		f.Refresh = f.Refresh || !runs[i].State.Final()
	}
	return s.show(v.w, http.StatusOK, "home", "layout", f)
}

type runPage struct {
	card
	Report     string
	ByReport   bool // the report can still be asked for
	Parameters []offprint.Shown
	Facts      []fact
	Warnings   []offprint.Warning
	Told       []toldRow
	Telling    string // how soon that will be another: now, later
	Error      *problem
	Deletable  bool
	Shareable  bool
	Longer     string    // for how long a click keeps the file longer
	Until      time.Time // and until when that is
}

// A fact is a line of the small print.
type fact struct {
	Label string
	Is    []piece
	Mono  bool
}

// runPage is one run: how it stands, what it was asked for, what became of it.
func (s *Site) runPage(v *visit) error {
	run, err := s.Desk.Get(v.r.Context(), v.who, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	c, err := v.cardNow(&run)
	if err != nil {
		return err
	}
	if v.r.URL.Query().Get("part") == "card" {
		return s.show(v.w, http.StatusOK, "home", "card", c)
	}
	page := runPage{
		card: c, Report: run.Report, Parameters: s.parameters(&run, v.to.locale), Facts: v.facts(&run), Warnings: run.Warnings, Deletable: c.File != "",
	}
	if page.Told, page.Telling, err = v.told(&run); err != nil {
		return err
	}
	_, err = s.Desk.Report(v.who, run.Report)
	page.ByReport = err == nil
	if page.Deletable {
		page.Shareable = s.Desk.Links != desk.Nobody
		page.Longer, page.Until = lasting(run.Retention), run.File.Expires.Add(run.Retention)
	}
	if run.State == offprint.Failed {
		page.Error = shown(run.Problem)
	}
	if v.r.URL.Query().Get("part") == "panel" {
		return s.show(v.w, http.StatusOK, "run", "panel", page)
	}
	f := v.frame(run.Title, page)
	f.Refresh = !run.State.Final() || page.Telling == tellingNow
	return s.show(v.w, http.StatusOK, "run", "layout", f)
}

func (v *visit) facts(r *offprint.Run) []fact {
	facts := []fact{
		{Label: "Format", Is: []piece{text("%s", formatTitle(r.Format))}},
		{Label: "Asked for", Is: []piece{v.to.ago(r.Created)}},
	}
	times := []struct {
		label string
		at    time.Time
	}{{"Data as of", r.AsOf}, {"Started", r.Started}, {"Ended", r.Finished}}
	for _, t := range times {
		if !t.at.IsZero() {
			facts = append(facts, fact{Label: t.label, Is: []piece{clock(t.at)}})
		}
	}
	if !r.Started.IsZero() && !r.Finished.IsZero() {
		took := "less than 1 s"
		if d := r.Finished.Sub(r.Started); d >= time.Second {
			took = spell(d)
		}
		facts = append(facts, fact{Label: "Took", Is: []piece{text("%s", took)}})
	}
	if r.Attempt() > 1 {
		facts = append(facts, fact{Label: "Attempt", Is: []piece{text("%d", r.Attempt())}})
	}
	if r.Who.Via != "" {
		facts = append(facts, fact{Label: "Asked by", Is: []piece{text("%s, for %s", r.Who.Via, r.Who.User)}})
	}
	if f := r.File; f != nil {
		facts = append(facts,
			fact{Label: "File", Is: []piece{text("%s", f.Name)}},
			fact{Label: "Rows", Is: []piece{text("%s", v.to.count(f.Rows))}},
			fact{Label: "Size", Is: []piece{text("%s", v.to.size(f.Bytes))}},
			fact{Label: "SHA-256", Is: []piece{text("%s", f.SHA256)}, Mono: true})
	}
	return append(facts, fact{Label: "Run", Is: []piece{text("%s", r.ID)}, Mono: true})
}

// see sends the browser on, so that loading again asks for nothing again.
func (v *visit) see(p string) {
	if v.r.PostFormValue("back") == "list" {
		p = "/"
	}
	http.Redirect(v.w, v.r, v.path(p), http.StatusSeeOther)
}

func (s *Site) cancelPage(v *visit) error {
	run, err := s.Desk.Cancel(v.r.Context(), v.who, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	v.see("/runs/" + run.ID)
	return nil
}

func (s *Site) againPage(v *visit) error {
	id := v.r.PathValue("id")
	again := desk.Ask{Idempotency: desk.Idempotency{Key: v.r.PostFormValue("key"), Route: "POST /runs/" + id + "/again"}}
	run, _, err := s.Desk.Rerun(v.r.Context(), v.who, id, again)
	if err != nil {
		return err
	}
	v.see("/runs/" + run.ID)
	return nil
}

// keepPage keeps a file longer. The form says until when, so that two clicks
// that came together are one.
func (s *Site) keepPage(v *visit) error {
	until, err := time.Parse(time.RFC3339Nano, v.r.PostFormValue("until"))
	if err != nil {
		return offprint.Errorf(offprint.Unreadable, "Go back and click again.")
	}
	run, err := s.Desk.Amend(v.r.Context(), v.who, v.r.PathValue("id"), desk.Amendment{Expires: &until})
	if err != nil {
		return err
	}
	v.see("/runs/" + run.ID)
	return nil
}

func (s *Site) deletePage(v *visit) error {
	id := v.r.PathValue("id")
	if err := s.Desk.DeleteFile(v.r.Context(), v.who, id); err != nil {
		return err
	}
	v.see("/runs/" + id)
	return nil
}
