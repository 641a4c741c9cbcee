package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
)

// notifications are what somebody is told of their runs.
type notifications struct {
	Source   string   `json:"source" enum:"reports,settings" doc:"reports: nothing was chosen, and each report says who is told. settings: what stands here holds in its place."`
	MailTo   *string  `json:"mail_to" doc:"Where mail would go. null: none can be sent."`
	Mail     mailings `json:"mail" doc:"Of what to mail. While source is reports: what is mailed where a report says to."`
	Webhooks []string `json:"webhooks" nullable:"false" doc:"The ids of webhooks that are told of every run, as each of them chooses."`
}

type mailings struct {
	Succeeded bool `json:"succeeded" required:"false" doc:"The file may be fetched."`
	Failed    bool `json:"failed" required:"false" doc:"It could not be made."`
	Expiring  bool `json:"expiring" required:"false" doc:"The file will be gone in a day; of files that are kept for two days at least."`
}

// mailingsOf are the events of which somebody is mailed.
func mailingsOf(p *desk.Preferences) mailings {
	return mailings{p.Mails(offprint.RunSucceeded), p.Mails(offprint.RunFailed), p.Mails(offprint.RunExpiring)}
}

func (m mailings) events() (events []offprint.Event) {
	for _, one := range []struct {
		on bool
		of offprint.Event
	}{{m.Succeeded, offprint.RunSucceeded}, {m.Failed, offprint.RunFailed}, {m.Expiring, offprint.RunExpiring}} {
		if one.on {
			events = append(events, one.of)
		}
	}
	return events
}

type notificationsAnswer struct{ Body notifications }

func (s *Site) notifications(ctx context.Context, who offprint.Identity, _ *nothing) (*notificationsAnswer, error) {
	p, err := s.Desk.Preferences(ctx, who)
	if err != nil {
		return nil, err
	}
	to, _, err := s.Desk.MailTo(ctx, who)
	if err != nil {
		return nil, err
	}
	a := &notificationsAnswer{notifications{Source: fromReports, MailTo: some(to), Mail: mailings{Succeeded: true, Failed: true}, Webhooks: []string{}}}
	if p != nil {
		a.Body.Source, a.Body.Mail, a.Body.Webhooks = fromSettings, mailingsOf(p), append(a.Body.Webhooks, p.Webhooks...)
	}
	return a, nil
}

// Where what somebody is told comes from.
const (
	fromReports  = "reports"
	fromSettings = "settings"
)

type preferInput struct {
	Body struct {
		Mail     mailings `json:"mail" required:"false" doc:"What is left out is off."`
		Webhooks []string `json:"webhooks" required:"false" maxItems:"9" nullable:"false" doc:"The ids of webhooks to tell of every run."`
	}
}

// prefer keeps what somebody wants to be told, in place of what they wanted.
func (s *Site) prefer(ctx context.Context, who offprint.Identity, in *preferInput) (*notificationsAnswer, error) {
	err := s.Desk.Prefer(ctx, who, &desk.Preferences{Mail: in.Body.Mail.events(), Webhooks: in.Body.Webhooks})
	if err != nil {
		return nil, err
	}
	return s.notifications(ctx, who, nil)
}

func (s *Site) preferNothing(ctx context.Context, who offprint.Identity, _ *nothing) (*nothing, error) {
	return &nothing{}, s.Desk.Prefer(ctx, who, nil)
}

// A notificationsPage is where people choose what they are told.
type notificationsPage struct {
	Saved    bool
	Errors   []string
	Own      bool   // they choose, and not the reports
	MailTo   string // empty: nowhere
	NoMail   string // why
	Mail     []choice
	Webhooks []choice
}

func (s *Site) notificationsPage(v *visit) error {
	p, err := s.Desk.Preferences(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	return v.showNotifications(http.StatusOK, p, &notificationsPage{Saved: v.r.URL.Query().Has("saved")})
}

// preferPage takes what somebody chose; with what cannot be kept, the form
// comes back as it was sent.
func (s *Site) preferPage(v *visit) error {
	var p *desk.Preferences
	if form := v.r.PostForm; form.Get("source") == fromSettings {
		mailed := func(word string) bool { return slices.Contains(form["mail"], word) }
		p = &desk.Preferences{Mail: mailings{mailed("succeeded"), mailed("failed"), mailed("expiring")}.events(), Webhooks: form["webhook"]}
	}
	err := s.Desk.Prefer(v.r.Context(), v.who, p)
	if offprint.CodeOf(err) == offprint.Invalid {
		page := new(notificationsPage)
		for _, f := range shown(err).Errors {
			page.Errors = append(page.Errors, about(f, p.Webhooks))
		}
		return v.showNotifications(http.StatusUnprocessableEntity, p, page)
	}
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.r, v.path("/notifications")+"?saved", http.StatusSeeOther)
	return nil
}

// about is what is wrong with a webhook, and with which: one that cannot be told
// goes by its id.
func about(f offprint.Field, webhooks []string) string {
	for i, id := range webhooks {
		if f.Pointer == fmt.Sprintf("#/webhooks/%d", i) {
			return id + ": " + f.Detail
		}
	}
	return f.Detail
}

func (v *visit) showNotifications(status int, p *desk.Preferences, page *notificationsPage) (err error) {
	ctx := v.r.Context()
	if page.MailTo, page.NoMail, err = v.Desk.MailTo(ctx, v.who); err != nil {
		return err
	}
	contacts, err := v.Desk.Contacts(ctx, v.who)
	if err != nil {
		return err
	}
	page.Own = p != nil
	chosen := cmp.Or(p, &desk.Preferences{Mail: mailings{Succeeded: true, Failed: true}.events()})
	m := mailingsOf(chosen)
	page.Mail = []choice{
		{Value: "succeeded", Label: "When a report is ready", Chosen: m.Succeeded},
		{Value: "failed", Label: "When a report could not be made", Chosen: m.Failed},
		{Value: "expiring", Label: "A day before a file is gone", Chosen: m.Expiring},
	}
	page.Webhooks = webhookChoices(contacts, chosen.Webhooks)
	return v.show(v.w, status, "notifications", "layout", v.frame("Notifications", page))
}

// webhookChoices are those that there are, and those that were chosen and are
// gone: somebody has to be able to leave them out.
func webhookChoices(contacts []offprint.Contact, chosen []string) (all []choice) {
	for _, c := range contacts {
		if id, ok := strings.CutPrefix(c.Address, "webhook:"); ok {
			all = append(all, choice{Value: id, Label: cmp.Or(c.Name, id), Chosen: slices.Contains(chosen, id)})
		}
	}
	for _, id := range chosen {
		if !slices.ContainsFunc(all, func(c choice) bool { return c.Value == id }) {
			all = append(all, choice{Value: id, Label: id, Chosen: true})
		}
	}
	return all
}

// A toldRow is how it stands with telling one address of one event.
type toldRow struct {
	Name     string // of whom
	Tone     string // good, warn, bad, open
	Sentence []piece
	Why      string // it was not delivered
	Again    string // the notice that may be sent again
}

// How soon what a page says of notices will not be true any more.
const (
	tellingNow   = "now"
	tellingLater = "later"
)

// told is who was told of a run, who will be, and how soon that changes.
func (v *visit) told(run *offprint.Run) (rows []toldRow, telling string, err error) {
	if len(run.Notify) == 0 {
		return nil, "", nil
	}
	ctx := v.r.Context()
	contacts, err := v.Desk.Contacts(ctx, v.who)
	if err != nil {
		return nil, "", err
	}
	notices, err := v.Desk.Notices(ctx, v.who, run.ID)
	if err != nil {
		return nil, "", err
	}
	for i := range notices {
		n := &notices[i]
		rows = append(rows, v.toldOf(run, n, nameIn(contacts, n.Address)))
		switch {
		case n.State == "delivered" || n.State == "failed":
		case n.NextAttempt.IsZero():
			telling = tellingNow
		case telling == "":
			telling = tellingLater
		}
	}
	reminder, err := v.Desk.Reminder(ctx, v.who, run.ID)
	if err != nil {
		return nil, "", err
	}
	for _, to := range run.Notify {
		var when []piece
		switch {
		case !run.State.Final():
			when = []piece{text("%s", uponEnd(to.Events))}
		case !reminder.IsZero() && slices.Contains(to.Events, offprint.RunExpiring):
			when = []piece{text("before the file is gone, on "), day(reminder)}
		}
		if when != nil && when[0].Text != "" {
			rows = append(rows, toldRow{Tone: "open", Sentence: append([]piece{text("%s ", willBe(to.Address, nameIn(contacts, to.Address)))}, when...)})
		}
	}
	return rows, telling, nil
}

func nameIn(contacts []offprint.Contact, address string) string {
	for _, c := range contacts {
		if c.Address == address && c.Name != "" {
			return c.Name
		}
	}
	_, name, _ := strings.Cut(address, ":")
	return name
}

func mails(address string) bool { return strings.HasPrefix(address, "mailto:") }

func willBe(address, name string) string {
	if mails(address) {
		return name + " will be mailed"
	}
	return name + " will be told"
}

// uponEnd is of which ends somebody is told: when it is ready, or cannot be made.
func uponEnd(events []offprint.Event) string {
	var when []string
	for _, e := range []struct {
		event offprint.Event
		said  string
	}{{offprint.RunSucceeded, "when it is ready"}, {offprint.RunFailed, "if it cannot be made"}, {offprint.RunCanceled, "if it is canceled"}} {
		if slices.Contains(events, e.event) {
			when = append(when, e.said)
		}
	}
	if len(when) == len(offprint.Ends) {
		return "when it has ended"
	}
	return strings.Join(when, " or ")
}

func (v *visit) toldOf(run *offprint.Run, n *desk.NoticeRecord, name string) toldRow {
	row := toldRow{Name: name, Tone: "open"}
	verb, noun := "Told ", "Word"
	if mails(n.Address) {
		verb, noun = "Mailed to ", "Mail"
	}
	what := ""
	if n.Event == offprint.RunExpiring {
		what = " that the file will be gone"
	}
	switch {
	case n.State == "delivered":
		row.Tone, row.Sentence = "good", []piece{text("%s at ", verb+name), clock(n.Delivered), text("%s", what)}
	case n.State == "failed":
		row.Tone, row.Why = "bad", n.LastAnswer
		row.Sentence = []piece{text("Could not be delivered to %s%s:", name, what)}
	case !n.NextAttempt.IsZero():
		row.Tone, row.Why = "warn", n.LastAnswer
		row.Sentence = []piece{text("Not delivered to %s%s yet, next try at ", name, what), clock(n.NextAttempt), text(":")}
	default:
		row.Sentence = []piece{text("%s to %s%s is on its way", noun, name, what)}
	}
	ended := n.State == "delivered" || n.State == "failed"
	if there := v.urls(run).File != ""; ended && (there || n.Event != offprint.RunExpiring) {
		row.Again = n.ID
	}
	return row
}

func (s *Site) tellAgainPage(v *visit) error {
	id := v.r.PathValue("id")
	if err := s.Desk.ReplayNotice(v.r.Context(), v.who, id, v.r.PathValue("notice")); err != nil {
		return err
	}
	v.see("/runs/" + id)
	return nil
}
