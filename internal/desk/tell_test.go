package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/mailtest"
	"github.com/offprint/offprint/internal/notify"
)

const (
	base = "https://reports.example.com/offprint"
	mine = "mailto:ann@example.com"
	bobs = "mailto:bob@partner.example"
)

// eve has a mail address.
var eve = offprint.Identity{User: "eve", Tenant: "acme", Email: "ann@example.com"}

// mailing is a desk that tells by the mail server; its tries follow each other
// at once.
func mailing(t *testing.T, s *mailtest.Server, source offprint.Source, story func(t *testing.T, d *desk.Desk)) {
	t.Helper()
	mailingOf(t, s, catalog{numbers(source)}, story)
}

func mailingOf(t *testing.T, s *mailtest.Server, c offprint.Catalog, story func(t *testing.T, d *desk.Desk)) {
	t.Helper()
	m, err := notify.NewMail(notify.MailConfig{URL: s.URL(), From: "reports@example.com", Allow: []string{"*@partner.example"}, Links: true})
	if err != nil {
		t.Fatal(err)
	}
	config := desk.Config{Catalog: c, Notifiers: map[string]offprint.Notifier{"mailto": m}, Base: base}
	onBothAfter(t, func(int) time.Duration { return 0 }, config, story)
}

// notices waits until the run's notices are as wanted.
func notices(t *testing.T, d *desk.Desk, run string, are func(mine, bobs desk.NoticeRecord) bool) (own, other desk.NoticeRecord) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all, err := d.Notices(t.Context(), eve, run)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range all {
			if n.Address == mine {
				own = n
			} else {
				other = n
			}
		}
		if len(all) == 2 && are(own, other) {
			return own, other
		}
		if time.Now().After(end) {
			t.Fatalf("the notices stay %+v", all)
		}
	}
}

func delivered(mine, bobs desk.NoticeRecord) bool {
	return mine.State == "delivered" && bobs.State == "delivered"
}

// to is the last of the messages to an address.
func to(t *testing.T, came []mailtest.Message, address string) mailtest.Message {
	t.Helper()
	for i := len(came) - 1; i >= 0; i-- {
		if "mailto:"+came[i].To == address {
			return came[i]
		}
	}
	t.Fatalf("none of %d messages is to %s", len(came), address)
	return mailtest.Message{}
}

// leadsTo is the address below the message's button.
func leadsTo(t *testing.T, m mailtest.Message) string {
	t.Helper()
	_, rest, ok := strings.Cut(m.Plain, ":\n"+base)
	address, _, _ := strings.Cut(rest, "\n")
	if !ok || !strings.Contains(m.HTML, `href="`+base+address+`"`) {
		t.Fatalf("it leads nowhere:\n%s", m.Plain)
	}
	return base + address
}

func follow(t *testing.T, d *desk.Desk, address string) (*desk.Handed, error) {
	t.Helper()
	token, ok := strings.CutPrefix(address, base+"/d/")
	if !ok {
		t.Fatalf("%s is no link", address)
	}
	return d.Follow(t.Context(), token, func() (offprint.Identity, error) { return offprint.Identity{}, errors.New("nobody is asked") })
}

func both() desk.Ask { return desk.Ask{Notify: []string{"me", bobs}} }

// Whoever is told can have the file at that moment: the asker by the run's page,
// anybody else by a link of their own.
func TestWhoIsToldCanHaveTheFile(t *testing.T) {
	type fetched struct {
		d   *desk.Desk
		err chan error
	}
	asked := make(chan fetched, 1)
	s := mailtest.Start(t, &mailtest.Server{Answer: func(_ int, _ string) error { // before a word of the message
		now := <-asked
		runs, _, err := now.d.List(context.Background(), eve, desk.Filter{})
		if err == nil {
			_, err = now.d.Fetch(context.Background(), eve, runs[0].ID)
		}
		now.err <- err
		asked <- now
		return nil
	}})
	mailing(t, s, counter{rows: 3}, func(t *testing.T, d *desk.Desk) {
		could := fetched{d, make(chan error, 2)}
		asked <- could
		before := len(s.Came())
		run := submit(t, d, eve, both())
		for range 2 {
			if err := <-could.err; err != nil {
				t.Errorf("told before the file is there: %v", err)
			}
		}
		notices(t, d, run.ID, delivered)
		<-asked
		came := s.Wait(before + 2)[before:]
		own, other := to(t, came, mine), to(t, came, bobs)
		if got, want := leadsTo(t, own), base+"/runs/"+run.ID; got != want {
			t.Errorf("mine leads to %s, want %s", got, want)
		}
		day := offprint.ShowParam(offprint.Day{Year: run.Created.Year(), Month: run.Created.Month(), Day: run.Created.Day()}, time.UTC, "en")
		if !strings.Contains(own.Plain, "\nDay: "+day+"\nRows: 3\n") || own.Subject != "Ready: Numbers (3 rows)" {
			t.Errorf("it says %s\n%s", own.Subject, own.Plain)
		}

		h, err := follow(t, d, leadsTo(t, other))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Take(t.Context(), h); err != nil {
			t.Errorf("a download by the link: %v", err)
		}
		_, links, err := d.LinksOf(t.Context(), eve, run.ID)
		if err != nil || len(links) != 1 {
			t.Fatalf("%+v, %v", links, err)
		}
		l := links[0]
		if l.Label != "bob@partner.example" || l.Address != bobs || l.Audience != desk.Anyone || l.Most != 20 || l.Uses != 1 || l.Maker != "eve" || !l.Expires.Equal(h.Run.File.Expires) {
			t.Errorf("the link is %+v", l)
		}
		if err := d.Revoke(t.Context(), eve, run.ID, l.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := follow(t, d, leadsTo(t, other)); offprint.CodeOf(err) != offprint.Expired {
			t.Errorf("taken back: %v", err)
		}
	})
}

func TestMailWaitsForItsServer(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	s.Down()
	mailing(t, s, counter{rows: 3}, func(t *testing.T, d *desk.Desk) {
		before := len(s.Came())
		run := submit(t, d, eve, both())
		own, other := notices(t, d, run.ID, func(mine, bobs desk.NoticeRecord) bool { return mine.Attempts >= 2 && bobs.Attempts >= 2 })
		for _, n := range []desk.NoticeRecord{own, other} {
			if n.LastAnswer != "The mail server cannot be reached. The message is kept and sent again." && n.LastAnswer != "" { // on its way again
				t.Errorf("%s: %q", n.Address, n.LastAnswer)
			}
		}
		s.Up()
		defer s.Down()
		notices(t, d, run.ID, delivered)
		if came := s.Came()[before:]; len(came) != 2 {
			t.Errorf("%d messages came, want 2", len(came))
		}
		if _, links, err := d.LinksOf(t.Context(), eve, run.ID); err != nil || len(links) != 1 {
			t.Errorf("every try made a link: %+v, %v", links, err)
		}
	})
}

func TestWhatAMailServerSaysDecides(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	s.Answer = func(n int, to string) error {
		switch {
		case to == "bob@partner.example":
			return mailtest.Refusal(550, "5.1.1 No such user here")
		case n <= 4:
			return mailtest.Refusal(451, "4.7.1 Greylisted")
		}
		return nil
	}
	mailing(t, s, counter{rows: 3}, func(t *testing.T, d *desk.Desk) {
		run := submit(t, d, eve, both())
		own, other := notices(t, d, run.ID, func(mine, bobs desk.NoticeRecord) bool { return mine.State == "delivered" && bobs.State == "failed" })
		if other.Attempts != 1 || other.LastAnswer != "The mail server refused it: 550 5.1.1 No such user here." {
			t.Errorf("final: %+v", other)
		}
		if own.LastAnswer != "" || own.Delivered.IsZero() {
			t.Errorf("in the end: %+v", own)
		}
	})
	if s.Asked() < 6 { // of both databases
		t.Errorf("only %d tries", s.Asked())
	}
}

func TestANoticeSentAgainIsTheSame(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	mailing(t, s, counter{rows: 3}, func(t *testing.T, d *desk.Desk) {
		before := len(s.Came())
		run := submit(t, d, eve, both())
		own, other := notices(t, d, run.ID, delivered)
		again := func(n desk.NoticeRecord) {
			t.Helper()
			if err := d.ReplayNotice(t.Context(), eve, run.ID, n.ID); err != nil {
				t.Fatal(err)
			}
		}
		again(other)
		came := s.Wait(before + 3)[before:]
		notices(t, d, run.ID, delivered)
		first, second := to(t, came[:2], bobs), to(t, came[2:], bobs)
		if first.Header.Get("Message-Id") != second.Header.Get("Message-Id") || leadsTo(t, first) != leadsTo(t, second) {
			t.Errorf("%s and %s are another message, or another link: %s and %s", first.Header.Get("Message-Id"), second.Header.Get("Message-Id"), leadsTo(t, first), leadsTo(t, second))
		}

		_, links, err := d.LinksOf(t.Context(), eve, run.ID)
		if err != nil || len(links) != 1 {
			t.Fatalf("%+v, %v", links, err)
		}
		if err := d.Revoke(t.Context(), eve, run.ID, links[0].ID); err != nil {
			t.Fatal(err)
		}
		again(other)
		_, now := notices(t, d, run.ID, func(_, bobs desk.NoticeRecord) bool { return bobs.State == "failed" })
		if !strings.HasPrefix(now.LastAnswer, "The link that was made for it works no more.") {
			t.Errorf("after it was taken back: %q", now.LastAnswer)
		}

		if err := d.DeleteFile(t.Context(), eve, run.ID); err != nil {
			t.Fatal(err)
		}
		again(own)
		if late := s.Wait(before + 4)[before+3]; late.Subject != "Expired: Numbers" || leadsTo(t, late) != base+"/runs/"+run.ID {
			t.Errorf("of a file that is gone it says %s\n%s", late.Subject, late.Plain)
		}
		notices(t, d, run.ID, func(mine, _ desk.NoticeRecord) bool { return mine.State == "delivered" })
		again(other)
		notices(t, d, run.ID, func(_, bobs desk.NoticeRecord) bool {
			return bobs.State == "failed" && strings.HasPrefix(bobs.LastAnswer, "The file is gone")
		})
	})
}

func TestNobodyElseIsLedToARunThatFailed(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	bad := offprint.Errorf(offprint.BadQuery, "The query names a table that does not exist.")
	mailing(t, s, counter{rows: 3, at: func(context.Context, int) error { return bad }}, func(t *testing.T, d *desk.Desk) {
		before := len(s.Came())
		run := submit(t, d, eve, both())
		notices(t, d, run.ID, delivered)
		came := s.Wait(before + 2)[before:]
		own, other := to(t, came, mine), to(t, came, bobs)
		if own.Subject != "Could not be made: Numbers" || leadsTo(t, own) != base+"/runs/"+run.ID || !strings.Contains(own.Plain, "\nThe report’s query is not right\n\nThe query names a table that does not exist.\n") {
			t.Errorf("mine: %s\n%s", own.Subject, own.Plain)
		}
		if strings.Contains(other.Raw, "https") {
			t.Errorf("somebody else's: %s", other.Plain)
		}
		if _, links, err := d.LinksOf(t.Context(), eve, run.ID); err != nil || len(links) != 0 {
			t.Errorf("%+v, %v", links, err)
		}
	})
}

// A shelf has one edition of the reports, and remembers another.
type shelf struct {
	now    atomic.Pointer[catalog]
	before catalog
}

func (s *shelf) Reports() []*offprint.Report                 { return *s.now.Load() }
func (s *shelf) Report(name string) (*offprint.Report, bool) { return s.now.Load().Report(name) }

func (s *shelf) Compile(name, version, text string) (*offprint.Report, error) {
	if r, err := s.now.Load().Compile(name, version, text); err == nil {
		return r, nil
	}
	return s.before.Compile(name, version, text)
}

// What no message may say was settled when the run was accepted.
func TestALetterIsOfTheDefinitionThatWasAccepted(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	s.Down()
	edition := func(version string, sensitive bool) catalog {
		r := numbers(counter{rows: 3})
		r.Version = version
		r.Parameters = append(r.Parameters, offprint.Parameter{Name: "iban", Type: offprint.TextParam, Sensitive: sensitive, Label: offprint.Plain("Account " + version)})
		return catalog{r}
	}
	first, second := edition("1", true), edition("2", false)
	reports := &shelf{before: first}
	reports.now.Store(&first)
	mailingOf(t, s, reports, func(t *testing.T, d *desk.Desk) {
		reports.now.Store(&first)
		before := len(s.Came())
		ask := desk.Ask{Notify: []string{"me", bobs}, Parameters: offprint.Sent{"iban": json.RawMessage(`"DE02120300000000202051"`)}}
		run := submit(t, d, eve, ask)
		notices(t, d, run.ID, func(mine, bobs desk.NoticeRecord) bool { return mine.Attempts > 0 && bobs.Attempts > 0 })
		reports.now.Store(&second)
		s.Up()
		defer s.Down()
		notices(t, d, run.ID, delivered)
		for _, m := range s.Wait(before + 2)[before:] {
			if strings.Contains(m.Plain+m.HTML, "DE0212") || strings.Contains(m.Plain, "Account") || !strings.Contains(m.Plain, "\nDay: ") {
				t.Errorf("it says\n%s", m.Plain)
			}
		}
		before = len(s.Came())
		run = submit(t, d, eve, ask)
		notices(t, d, run.ID, delivered)
		if m := s.Wait(before + 1)[before]; !strings.Contains(m.Plain, "\nAccount 2: DE02120300000000202051\n") {
			t.Errorf("today's definition says\n%s", m.Plain)
		}
	})
}

// Of a run that was canceled, whoever canceled it knows.
func TestNobodyIsMailedOfACancel(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	stand := counter{rows: 1, at: func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }}
	mailing(t, s, stand, func(t *testing.T, d *desk.Desk) {
		run := submit(t, d, eve, both())
		if _, err := d.Cancel(t.Context(), eve, run.ID); err != nil {
			t.Fatal(err)
		}
		if all, err := d.Notices(t.Context(), eve, run.ID); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}
