package notify_test

import (
	"errors"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/mailtest"
	"github.com/offprint/offprint/internal/notify"
)

var now = time.Date(2026, time.November, 23, 13, 5, 0, 0, time.UTC)

var ann = offprint.Identity{User: "ann", Email: "ann@example.com"}

// mailer sends to the server, as whoever it knows.
func mailer(t *testing.T, url string, change ...func(*notify.MailConfig)) *notify.Mail {
	t.Helper()
	c := notify.MailConfig{URL: url, From: "Reports <reports@example.com>", Allow: []string{"*@partner.example", "bob@example.com"}, Links: true, Now: func() time.Time { return now }}
	for _, f := range change {
		f(&c)
	}
	m, err := notify.NewMail(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func day(y int, m time.Month, d int) offprint.Day { return offprint.Day{Year: y, Month: m, Day: d} }

// orders is word of a run of orders that has succeeded.
func orders() offprint.Notice {
	report := &offprint.Report{Name: "orders", Title: offprint.Plain("Orders"), Parameters: []offprint.Parameter{
		{Name: "period", Type: offprint.PeriodParam, Label: offprint.Words{"": "Period", "de": "Zeitraum"}},
		{Name: "region", Type: offprint.TextParam, Label: offprint.Plain("Region"), Options: []offprint.Option{{Value: "EU", Label: offprint.Words{"": "Europe", "de": "Europa"}}}},
		{Name: "iban", Type: offprint.TextParam, Sensitive: true},
		{Name: "least", Type: offprint.IntParam, Optional: true},
	}}
	run := &offprint.Run{
		ID: "run_0193f6a0c0de7000800000000000c0de", Report: "orders", Title: "Orders", Format: "xlsx", Zone: "Europe/Berlin", Locale: "en", Who: ann,
		Params: offprint.Params{"period": offprint.Period{From: day(2026, time.October, 25), To: day(2026, time.November, 23)}, "region": "EU", "iban": "DE02120300000000202051"},
		State:  offprint.Succeeded, Outcome: offprint.Complete, Created: now, Finished: now, AsOf: now.Add(-2 * time.Minute),
		File: &offprint.File{Name: "orders-DE02120300000000202051.xlsx", Rows: 1204310, Bytes: 48_170_000, State: offprint.Available, Expires: now.Add(7 * 24 * time.Hour)},
	}
	return offprint.Notice{
		ID: "ntc_0193f6a0c0de7000800000000000beef", Event: offprint.RunSucceeded, Address: "mailto:ann@example.com", Run: run, Report: report,
		Link: "https://reports.example.com/offprint/runs/" + run.ID,
	}
}

// failed is word of a run of orders that has failed.
func failed(p *offprint.Error) offprint.Notice {
	n := orders()
	n.Event, n.Run.State, n.Run.Outcome, n.Run.File, n.Run.Problem = offprint.RunFailed, offprint.Failed, "", nil, p
	return n
}

func tooLong() *offprint.Error {
	p := offprint.Errorf(offprint.SourceTimeout, "It did not answer within 30 minutes. Your request is kept. Ask for a shorter period.").Because(errors.New("SELECT secret"))
	p.Title, p.TraceID = "The shop database took too long", "4bf92f3577b34da6a3ce929d0e0e4736"
	return p
}

// sent sends one notice and answers with what came.
func sent(t *testing.T, n offprint.Notice) mailtest.Message {
	t.Helper()
	s := mailtest.Start(t, new(mailtest.Server))
	if err := mailer(t, s.URL()).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return s.Wait(1)[0]
}

// A database quotes what it does not take: the run's page says that, and no
// letter.
func TestAFailureQuotesNothingSensitive(t *testing.T) {
	p := offprint.Errorf(offprint.BadQuery, `PostgreSQL says: invalid input syntax for type integer: "DE02120300000000202051".`)
	p.Fields = []offprint.Field{{Pointer: "#/parameters/iban", Detail: "DE02120300000000202051 is none."}, {Pointer: "#/parameters/region", Detail: "Choose another."}}
	m := sent(t, failed(p))
	if strings.Contains(m.Plain+m.HTML, "DE0212") || strings.Contains(m.Plain, "PostgreSQL says") || !strings.Contains(m.Plain, "Region: Choose another.") {
		t.Errorf("it says\n%s", m.Plain)
	}
}

func TestALetterAsItArrives(t *testing.T) {
	m := sent(t, orders())
	if m.From != "reports@example.com" || m.To != "ann@example.com" || !m.Safe {
		t.Errorf("from %s to %s, encrypted: %v", m.From, m.To, m.Safe)
	}
	if want := "Ready: Orders, 25 Oct – 23 Nov (1,204,310 rows)"; m.Subject != want {
		t.Errorf("the subject is %q, want %q", m.Subject, want)
	}
	if !slices.Equal(m.Parts, []string{"text/plain", "text/html"}) {
		t.Errorf("the parts are %v, the best last", m.Parts)
	}
	for name, want := range map[string]string{
		"From": `"Reports" <reports@example.com>`, "To": "<ann@example.com>", "Date": "Mon, 23 Nov 2026 13:05:00 +0000",
		"Message-Id": "<ntc_0193f6a0c0de7000800000000000beef@example.com>", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
		"User-Agent": "", "X-Mailer": "", "Bcc": "", "Reply-To": "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	want := `Ready: Orders

1,204,310 rows · 48.2 MB · kept until 30 Nov

Period: 25 Oct – 23 Nov 2026
Region: Europe
Rows: 1,204,310
Size: 48.2 MB
Data as of: 23 Nov 2026, 14:03 CET
Kept until: 30 Nov 2026, 14:05 CET

Open the report:
https://reports.example.com/offprint/runs/run_0193f6a0c0de7000800000000000c0de

You get this because you asked for this report.
`
	if m.Plain != want {
		t.Errorf("the plain text is\n%s\nwant\n%s", m.Plain, want)
	}
	for line := range strings.Lines(m.Plain) {
		if line = strings.TrimSuffix(strings.TrimSpace(line), ":"); line != "" && !strings.Contains(m.HTML, line) {
			label, text, _ := strings.Cut(line, ": ")
			if !strings.Contains(m.HTML, ">"+label+"<") || !strings.Contains(m.HTML, "<bdi>"+text+"</bdi>") {
				t.Errorf("the HTML has no %q", line)
			}
		}
	}
	for _, remote := range []string{"src=", "@import", "url(", "<link", "<form", "<script", "javascript:"} {
		if strings.Contains(m.HTML, remote) {
			t.Errorf("the HTML fetches or runs something: %s", remote)
		}
	}
}

func TestWhatALetterSays(t *testing.T) {
	with := func(n offprint.Notice, change func(r *offprint.Run)) offprint.Notice { change(n.Run); return n }
	lost := offprint.Errorf(offprint.WorkerLost, "Three workers were lost over it.")
	bad := offprint.Errorf(offprint.BadParameter, "Nothing was made. Mend the parameters named below and ask again.")
	bad.Fields = []offprint.Field{{Pointer: "#/parameters/region", Detail: "Choose one of the options."}, {Pointer: "#/parameters/else", Detail: "There is none."}}
	expiring := orders()
	expiring.Event = offprint.RunExpiring
	stranger := func(n offprint.Notice) offprint.Notice { n.Address = "mailto:bob@partner.example"; return n }
	unseen := stranger(failed(tooLong()))
	unseen.Link = ""
	unknown := orders()
	unknown.Report = nil
	for _, tt := range []struct {
		name    string
		notice  offprint.Notice
		subject string
		has     []string
		hasNot  []string
	}{
		{
			"cut short", with(orders(), func(r *offprint.Run) {
				r.Outcome, r.File.Rows = offprint.Truncated, 1_000_000
				r.Warnings = []offprint.Warning{{Code: "truncated", Detail: "Only the first 1000000 rows"}, {Code: "digits_lost", Detail: "Some digits were lost."}}
			}),
			"Ready, cut short: Orders, 25 Oct – 23 Nov (1,000,000 rows)",
			[]string{"Ready, cut short: Orders\n", "\nOnly the first 1,000,000 rows: the report’s limit\n", "Worth knowing:\n- Some digits were lost.\n"},
			[]string{"1000000"},
		},
		{
			"no rows", with(orders(), func(r *offprint.Run) { r.Outcome, r.File.Rows = offprint.Empty, 0 }),
			"Ready, no rows: Orders, 25 Oct – 23 Nov",
			[]string{"\nNothing matched these parameters\n", "Rows: 0\n"},
			nil,
		},
		{
			"one row", with(orders(), func(r *offprint.Run) { r.File.Rows, r.File.Bytes = 1, 4_200 }),
			"Ready: Orders, 25 Oct – 23 Nov (1 row)",
			[]string{"\n1 row · 5 KB · kept until 30 Nov\n"},
			nil,
		},
		{
			"failed", failed(tooLong()), "Could not be made: Orders",
			[]string{
				"\nThe shop database took too long\n", "\nIt did not answer within 30 minutes. Your request is kept. Ask for a shorter period.\n",
				"Region: Europe", "Change it or make it again:\nhttps://", "Trace 4bf92f3577b34da6a3ce929d0e0e4736\n",
			},
			[]string{"SELECT", "Rows:"},
		},
		{
			"failed, to somebody else", unseen, "Could not be made: Orders",
			[]string{"\nThe shop database took too long\n", "ann@example.com asked for this report and wanted you to know.\n"},
			[]string{"https://", "make it again", "Change it", "The link"},
		},
		{
			"failed without words of its own", failed(lost), "Could not be made: Orders",
			[]string{"\nThe workers that made it were lost\n", "\nThree workers were lost over it.\n"},
			nil,
		},
		{
			"failed for its parameters", failed(bad), "Could not be made: Orders",
			[]string{"\nSome parameters are not right\n", "\nRegion: Choose one of the options.\n", "\nelse: There is none.\n"},
			nil,
		},
		{
			"a code of the future", failed(offprint.Errorf("tired", "It rests.")), "Could not be made: Orders",
			[]string{"\nSomething went wrong here\n", "\nIt rests.\n"},
			nil,
		},
		{
			"soon gone", expiring, "Kept until 30 Nov: Orders, 25 Oct – 23 Nov",
			[]string{"\nAfter that its file is deleted. Keep it longer, or download it before then.\n", "Kept until: 30 Nov 2026, 14:05 CET\n", "Keep it longer or download it:\nhttps://"},
			nil,
		},
		{
			"gone while it was on its way", with(orders(), func(r *offprint.Run) { r.File.Expires = now }),
			"Expired: Orders, 25 Oct – 23 Nov",
			[]string{"\nIts file is no longer here. Make it again.\n", "Make it again:\nhttps://"},
			[]string{"Ready"},
		},
		{
			"kept for ever", with(orders(), func(r *offprint.Run) { r.File.Expires = time.Time{} }),
			"Ready: Orders, 25 Oct – 23 Nov (1,204,310 rows)",
			[]string{"\n1,204,310 rows · 48.2 MB\n"},
			[]string{"ept until"},
		},
		{
			"to somebody else", stranger(orders()), "Ready: Orders, 25 Oct – 23 Nov (1,204,310 rows)",
			[]string{"ann@example.com asked for this report and wanted you to know.\nThe link is for you: whoever has it can download the file.\n"},
			[]string{"You get this"},
		},
		{
			"a definition that is not known here", unknown, "Ready: Orders (1,204,310 rows)", []string{"Rows: 1,204,310"}, []string{"EU", "Region"},
		},
		{
			"years", with(orders(), func(r *offprint.Run) {
				r.Params["period"] = offprint.Period{From: day(2025, time.December, 30), To: day(2026, time.January, 2)}
				r.File.Expires = now.AddDate(1, 0, 0)
			}),
			"Ready: Orders, 30 Dec 2025 – 2 Jan 2026 (1,204,310 rows)",
			[]string{"kept until 23 Nov 2027\n"},
			nil,
		},
		{
			"German", with(orders(), func(r *offprint.Run) { r.Locale = "de-DE" }),
			"Fertig: Orders, 2026-10-25 – 2026-11-23 (1.204.310 Zeilen)",
			[]string{"\n1.204.310 Zeilen · 48,2 MB · aufbewahrt bis 2026-11-30\n", "Zeitraum: 2026-10-25", "Region: Europa\n", "Größe: 48,2 MB\n", "Bericht öffnen:\nhttps://"},
			[]string{"Rows", "You"},
		},
		{
			"German, failed", with(failed(tooLong()), func(r *offprint.Run) { r.Locale = "de" }),
			"Konnte nicht erstellt werden: Orders",
			[]string{"\nDie Datenquelle hat zu lange gebraucht\n", "\nIhre Anfrage ist aufgehoben: ", "\nIt did not answer within 30 minutes."},
			[]string{"The shop database"},
		},
		{
			"French", with(orders(), func(r *offprint.Run) { r.Locale = "fr" }),
			"Prêt: Orders, 2026-10-25 – 2026-11-23 (1\u202f204\u202f310 lignes)",
			[]string{"48,2 Mo"},
			nil,
		},
		{
			"a language that it does not speak", with(orders(), func(r *offprint.Run) { r.Locale, r.Zone = "ar-EG", "Africa/Cairo" }),
			"Ready: Orders, 2026-10-25 – 2026-11-23 (1,204,310 rows)",
			[]string{"Kept until: 2026-11-30, 15:05 EET"},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := sent(t, tt.notice)
			if m.Subject != tt.subject {
				t.Errorf("the subject is %q, want %q", m.Subject, tt.subject)
			}
			for _, want := range tt.has {
				if !strings.Contains(m.Plain, want) {
					t.Errorf("it has no %q:\n%s", want, m.Plain)
				}
			}
			for _, text := range tt.hasNot {
				if strings.Contains(m.Plain, text) || strings.Contains(m.HTML, ">"+text) {
					t.Errorf("it has %q:\n%s", text, m.Plain)
				}
			}
		})
	}
}

func TestNothingIsSmuggledIntoALetter(t *testing.T) {
	n := orders()
	n.Run.Title = "Orders\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>\u202e " + strings.Repeat("very ", 40) + "long"
	n.Run.Who.User, n.Run.Who.Email = "<b>eve</b>\n", "" // who is somebody else to the address
	n.Run.Params["region"] = "EU\n\nOpen the report:\nhttps://evil.example/ <img src=x onerror=alert(1)>" + strings.Repeat("…", 5000)
	n.Run.Warnings = []offprint.Warning{{Code: "x", Detail: "<i>\nslanted</i>"}}
	m := sent(t, n)
	if !strings.HasPrefix(m.Subject, "Ready: Orders Bcc: eve@evil.example <script>alert(1)</script> very ") || !strings.HasSuffix(m.Subject, "…, 25 Oct – 23 Nov (1,204,310 rows)") {
		t.Errorf("the subject is %q", m.Subject)
	}
	if m.Header.Get("Bcc") != "" || len(m.Subject) > 250 {
		t.Errorf("the head is %v", m.Header)
	}
	head, _, _ := strings.Cut(m.Raw, "\r\n\r\n")
	for line := range strings.Lines(head) {
		if len(line) > 80 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
	for _, tag := range []string{"<script", "<img", "<b>", "<i>", "\u202e"} {
		if strings.Contains(m.HTML, tag) {
			t.Errorf("the HTML has %s", tag)
		}
	}
	for _, want := range []string{"\nRegion: EU Open the report: https://evil.example/ <img", "\n<b>eve</b> asked for this report", "\n- <i> slanted</i>\n"} {
		if !strings.Contains(m.Plain, want) {
			t.Errorf("the plain text has no %q:\n%s", want, m.Plain)
		}
	}
	if strings.Contains(m.Plain+m.HTML+m.Raw, "DE0212") {
		t.Error("it says what no message may say")
	}
	if len(m.Raw) > 100_000 {
		t.Errorf("it has %d bytes; some programs show no more than 102 KB", len(m.Raw))
	}
}

func TestEveryScriptArrives(t *testing.T) {
	for _, title := range []string{"تقرير المبيعات الشهري", "売上レポート（月次）", "Umsätze & Erlöse", "Отчёт по продажам", "דוח מכירות", "📈 " + strings.Repeat("売上", 40)} {
		s := mailtest.Start(t, new(mailtest.Server))
		m := mailer(t, s.URL(), func(c *notify.MailConfig) { c.From = "Berichte – 報告 <reports@bücher.example>" })
		n := orders()
		n.Run.Title = title
		if err := m.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		got := s.Wait(1)[0]
		if want := "Ready: " + title + ", 25 Oct – 23 Nov (1,204,310 rows)"; got.Subject != want {
			t.Errorf("the subject is %q, want %q", got.Subject, want)
		}
		if from, err := got.Header.AddressList("From"); err != nil || from[0].Name != "Berichte – 報告" || from[0].Address != "reports@xn--bcher-kva.example" {
			t.Errorf("it is from %v, %v", from, err)
		}
		if !strings.Contains(got.Header.Get("Message-Id"), "@xn--bcher-kva.example>") || got.From != "reports@xn--bcher-kva.example" {
			t.Errorf("the id is %s, and it is from %s", got.Header.Get("Message-Id"), got.From)
		}
		head, _, _ := strings.Cut(got.Raw, "\r\n\r\n")
		if i := strings.IndexFunc(head, func(r rune) bool { return r > 0x7e }); i >= 0 {
			t.Errorf("the head has other letters than ASCII: %q", head[i:])
		}
	}
}

func TestWhoMayBeTold(t *testing.T) {
	both := []offprint.Event{offprint.RunSucceeded, offprint.RunFailed}
	strange := offprint.Identity{User: "x", Email: "Ann <ann@example.com>"}
	idn := offprint.Identity{User: "x", Email: "ann@Bücher.example"}
	for _, tt := range []struct {
		who     offprint.Identity
		address string
		want    string // the address that is told; empty: refused
		code    offprint.Code
		says    string
	}{
		{ann, "ann@example.com", "ann@example.com", "", ""},
		{ann, "Ann@EXAMPLE.com", "ann@example.com", "", ""},
		{idn, "ann@xn--bcher-kva.example", "ann@Bücher.example", "", ""},
		{idn, "ann@bücher.example", "ann@Bücher.example", "", ""},
		{ann, "carl@Partner.Example", "carl@partner.example", "", ""},
		{ann, "o'neil+x.y_z-1@partner.example", "o'neil+x.y_z-1@partner.example", "", ""},
		{ann, "BOB@example.com", "bob@example.com", "", ""},
		{ann, "carl@sub.partner.example", "", offprint.Forbidden, "This is neither."},
		{ann, "carl@notpartner.example", "", offprint.Forbidden, "This is neither."},
		{ann, "carl@example.com", "", offprint.Forbidden, "This is neither."},
		{offprint.Identity{User: "x"}, "ann@example.com", "", offprint.Forbidden, "This is neither."},
		{strange, "Ann <ann@example.com>", "", offprint.Invalid, "Tell whoever runs this server."},
		{ann, "ann", "", offprint.Invalid, "Write one address"},
		{ann, "", "", offprint.Invalid, "Write one address"},
		{ann, "Carl <carl@partner.example>", "", offprint.Invalid, "no domain"},
		{ann, "<carl@partner.example>", "", offprint.Invalid, "no domain"},
		{ann, "carl@partner.example,dora@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, "carl@partner.example, dora@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, "carl@partner.example\r\nBcc: eve@evil.example", "", offprint.Invalid, "Write one address"},
		{ann, "carl\r\n@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, " carl@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, "carl@partner.example ", "", offprint.Invalid, "no domain"},
		{ann, "carl(comment)@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, `"carl <x"@partner.example`, "", offprint.Invalid, "Write one address"},
		{ann, "carl@partner.example?bcc=eve@evil.example", "", offprint.Invalid, "Write one address"},
		{ann, "eve%evil.example@partner.example", "", offprint.Invalid, "plain letters"},
		{ann, "evil.example!eve@partner.example", "", offprint.Invalid, "plain letters"},
		{ann, "jörg@partner.example", "", offprint.Invalid, "plain letters"},
		{ann, "carl@[127.0.0.1]", "", offprint.Invalid, "no domain"},
		{ann, "carl@partner..example", "", offprint.Invalid, "no domain"},
		{ann, "carl@partner.example.", "", offprint.Invalid, "no domain"},
		{ann, "carl@", "", offprint.Invalid, "no domain"},
		{ann, "@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, strings.Repeat("c", 65) + "@partner.example", "", offprint.Invalid, "Write one address"},
		{ann, "carl@" + strings.Repeat("p", 64) + ".example", "", offprint.Invalid, "no domain"},
	} {
		m := mailer(t, "smtp://mail.example.com")
		to, err := m.Admit(t.Context(), tt.who, "mailto:"+tt.address)
		if tt.want != "" {
			if err != nil || to.Address != "mailto:"+tt.want || !slices.Equal(to.Events, both) {
				t.Errorf("%s of %q: %+v, %v", tt.address, tt.who.Email, to, err)
			}
			continue
		}
		var e *offprint.Error
		if !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(e.Detail, tt.says) || e.Title == "" {
			t.Errorf("%q: %+v, %v, want %s that says %q", tt.address, to, err, tt.code, tt.says)
		}
	}
}

func TestOthersAreToldOnlyWhereLinksAreForAnyone(t *testing.T) {
	m := mailer(t, "smtp://mail.example.com", func(c *notify.MailConfig) { c.Links = false })
	if _, err := m.Admit(t.Context(), ann, "mailto:ann@example.com"); err != nil {
		t.Errorf("my own: %v", err)
	}
	_, err := m.Admit(t.Context(), ann, "mailto:carl@partner.example")
	if offprint.CodeOf(err) != offprint.Forbidden || !strings.Contains(err.Error(), "such links are turned off here") {
		t.Errorf("somebody else's: %v", err)
	}
}

// A server that says nothing, at each of its turns, is left when the try is over.
func TestATest(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	m := mailer(t, s.URL())
	if err := m.Try(t.Context(), "operator@elsewhere.example", "https://reports.example.com/"); err != nil {
		t.Fatal(err)
	}
	got := s.Wait(1)[0]
	if got.To != "operator@elsewhere.example" || got.Subject != "Ready: A test of mail" || !strings.Contains(got.Plain, "Open the report:\nhttps://reports.example.com/\n") || strings.Contains(got.Plain, "Orders") {
		t.Errorf("%s: %s\n%s", got.To, got.Subject, got.Plain)
	}
	if err := m.Try(t.Context(), "nobody", ""); offprint.CodeOf(err) != offprint.Invalid {
		t.Errorf("to nobody: %v", err)
	}
}

func TestAWrongConfigurationNamesItsKeyAndHidesThePassword(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	right := notify.MailConfig{URL: "smtp://mail.example.com", From: "reports@example.com"}
	for _, tt := range []struct {
		change func(*notify.MailConfig)
		want   string
	}{
		{func(c *notify.MailConfig) { c.URL = "" }, "mail.url: this is no address"},
		{func(c *notify.MailConfig) { c.URL = "http://u:hunter2@mail.example.com" }, "mail.url: this is no address"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2/@mail.example.com" }, "mail.url: this is no address"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2%@mail.example.com" }, "mail.url: this is no address"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2?x@mail.example.com" }, "mail.url: "},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2@mail.example.com/x" }, "mail.url: this is no address"},
		{func(c *notify.MailConfig) { c.URL = "smtp://hunter2@mail.example.com" }, "mail.url: it needs both a user and a password"},
		{func(c *notify.MailConfig) { c.URL = "smtp://:hunter2@mail.example.com" }, "mail.url: it needs both a user and a password"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2@mail.example.com?tls=maybe" }, "mail.url: tls is required"},
		{func(c *notify.MailConfig) { c.URL = "smtps://u:hunter2@mail.example.com?tls=none" }, "mail.url: tls is required"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2@mail.example.com?ssl=1" }, "mail.url: what follows ? is no setting"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2@mail.example.com?%zz" }, "mail.url: what follows ? cannot be read"},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2@mail.example.com?tls_ca=nowhere.pem" }, "mail.url: tls_ca: "},
		{func(c *notify.MailConfig) { c.URL = "smtp://u:hunter2@mail.example.com?tls_ca=" + empty }, "mail.url: tls_ca holds no certificate"},
		{func(c *notify.MailConfig) { c.From = "" }, `mail.from: "" is no sender`},
		{func(c *notify.MailConfig) { c.From = "Reports" }, `mail.from: "Reports" is no sender`},
		{func(c *notify.MailConfig) { c.From = "jörg@example.com" }, `mail.from: "jörg@example.com" is no sender that every mail server takes`},
		{func(c *notify.MailConfig) { c.Allow = []string{"*@example.com", "*"} }, `mail.allow: "*" is neither`},
		{func(c *notify.MailConfig) { c.Allow = []string{"*@*.example.com"} }, `mail.allow: "*@*.example.com" is neither`},
		{func(c *notify.MailConfig) { c.Allow = []string{"example.com"} }, `mail.allow: "example.com" is neither`},
		{func(c *notify.MailConfig) { c.Templates = "nowhere" }, "mail.templates: open nowhere"},
	} {
		c := right
		tt.change(&c)
		_, err := notify.NewMail(c)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	_, err := notify.NewMail(notify.MailConfig{Allow: []string{"*"}, Templates: "nowhere"})
	if err == nil || strings.Count(err.Error(), "mail.") < 4 {
		t.Errorf("of four mistakes it says %v", err)
	}
}

func TestTemplatesOfOnesOwn(t *testing.T) {
	folder := func(files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	s := mailtest.Start(t, new(mailtest.Server))
	dir := folder(map[string]string{
		"subject.txt": "[ACME] {{.Title}}\n{{with .Facts}}{{len .}} facts{{end}}", "letter.html": `<h1>{{.Title}}</h1>{{range .Facts}}<p>{{.Label}}: {{.Text}}{{end}}<a href="{{.Link}}">{{.Button}}</a>`,
		"README.md": "How our mail looks", "logo.svg": "<svg/>",
	})
	n := orders()
	n.Run.Title = "Orders <&>"
	if err := mailer(t, s.URL(), func(c *notify.MailConfig) { c.Templates = dir }).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	m := s.Wait(1)[0]
	if m.Subject != "[ACME] Orders <&> 6 facts" || !strings.HasPrefix(m.HTML, "<h1>Orders &lt;&amp;&gt;</h1><p>Period: ") || !strings.HasPrefix(m.Plain, "Ready: Orders <&>\n") {
		t.Errorf("%s\n%s\n%s", m.Subject, m.HTML, m.Plain)
	}
	for _, tt := range []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"letter.html": "<p>\n{{.Titel}}</p>"}, "letter.html:2:2: "},
		{map[string]string{"letter.txt": "{{.Title}}\n{{if .Own}}\n{{.Link}}"}, "letter.txt:3: unexpected EOF"},
		{map[string]string{"letter.txt": "{{.Link}}\n\n{{if eq .Event \"run.failed\"}}{{index .Detail 9}}{{end}}"}, "letter.txt:3:"},
		{map[string]string{"letter.txt": "Look at the page."}, "letter.txt does not say where the report is; write {{.Link}}"},
		{map[string]string{"letter.html": "<p>Look at the page."}, "letter.html does not say where the report is"},
		{map[string]string{"subject.txt": " \n"}, "subject.txt says nothing"},
		{map[string]string{"leter.html": "{{.Link}}"}, "there is a file leter.html, of which no letter is made; those are subject.txt, letter.txt, letter.html"},
		{map[string]string{"letter.html": `<script>var x = {{.Title}}</script><a href={{if .Own}}"{{end}}{{.Link}}>`}, "letter.html:1"},
	} {
		_, err := notify.NewMail(notify.MailConfig{URL: "smtp://mail.example.com", From: "reports@example.com", Templates: folder(tt.files)})
		if err == nil || !strings.HasPrefix(err.Error(), "mail.templates: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{"ann@example.com", "a.b+c@Bücher.example", "x@y@z", "\"a b\"@c.d", "a\r\nb@c.d", "a%b@c.d", "=?utf-8?q?a?=@b.c", "ａ@ｂ.ｃ", "a@b。c"} {
		f.Add(seed)
	}
	m, err := notify.NewMail(notify.MailConfig{URL: "smtp://mail.example.com", From: "reports@example.com", Allow: []string{"*@example.com"}, Links: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		to, err := m.Admit(t.Context(), offprint.Identity{User: "x"}, "mailto:"+text)
		if err != nil {
			return
		}
		address := strings.TrimPrefix(to.Address, "mailto:")
		read, err := mail.ParseAddress("<" + address + ">")
		if err != nil || read.Address != address || read.Name != "" || !strings.HasSuffix(address, "@example.com") || strings.Count(address, "@") != 1 {
			t.Fatalf("%q is told as %q: %v, %v", text, address, read, err)
		}
		if strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > 0x7e || strings.ContainsRune(`<>()[],;:\"%!`, r) }) {
			t.Fatalf("%q is told as %q", text, address)
		}
		if again, err := m.Admit(t.Context(), offprint.Identity{User: "x"}, to.Address); err != nil || again.Address != to.Address {
			t.Fatalf("%q is told as %q, and that as %q: %v", text, to.Address, again.Address, err)
		}
		own, err := m.Admit(t.Context(), offprint.Identity{User: "x", Email: text}, to.Address)
		if err != nil || own.Address != "mailto:"+text {
			t.Fatalf("%q is not its own: %+v, %v", text, own, err)
		}
	})
}
