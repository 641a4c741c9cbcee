// Package notify tells people of runs: each file of a kind is one
// offprint.Notifier.
package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/offprint/offprint"
)

// MailConfig is how notices go out by mail. URL and From must be set; of the
// rest the zero value is the default.
type MailConfig struct {
	URL       string   // smtp://user:password@host:587?tls=…&tls_ca=…, smtps://host:465
	From      string   // Reports <reports@example.com>
	Allow     []string // who may be told beside whoever asks: *@example.com, ann@example.com
	Templates string   // a folder; what is not in it is ours
	// Links tells whether somebody who did not ask can be given a link to the
	// file; else only whoever asks is told.
	Links bool
	Now   func() time.Time
	Log   *slog.Logger
}

// Mail tells people of runs by mail, at mailto:ann@example.com.
type Mail struct {
	MailConfig
	relay     *relay
	from      *mail.Address
	sender    address
	allowed   allowed
	templates *templates
}

// NewMail makes a Mail, and connects to nothing. The error names every key of
// the configuration that is wrong.
func NewMail(c MailConfig) (*Mail, error) {
	m := &Mail{MailConfig: c, allowed: allowed{domains: make(map[string]bool)}}
	var errs []error
	wrong := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("mail.%s: %w", key, err))
		}
	}
	var err error
	m.relay, err = readRelay(c.URL)
	wrong("url", err)
	wrong("from", m.readFrom())
	for _, pattern := range c.Allow {
		if problem := m.allowed.add(pattern); problem != "" {
			wrong("allow", fmt.Errorf("%q is neither a domain as in *@example.com nor an address as in ann@example.com", pattern))
		}
	}
	m.templates, err = readTemplates(c.Templates)
	wrong("templates", err)
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	m.relay.hello = m.sender.domain // some servers let in only whom they know by it
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.Log == nil {
		m.Log = slog.New(slog.DiscardHandler)
	}
	return m, nil
}

func (m *Mail) readFrom() error {
	var err error
	if m.from, err = mail.ParseAddress(m.From); err != nil {
		return fmt.Errorf("%q is no sender. Write it as Reports <reports@example.com>", m.From)
	}
	var problem string
	if m.sender, problem = readAddress(m.from.Address); problem != "" {
		return fmt.Errorf("%q is no sender that every mail server takes. Write it as Reports <reports@example.com>", m.From)
	}
	m.from.Address = m.sender.String()
	return nil
}

// mailed are the events of which mail tells: whoever cancels knows.
var mailed = []offprint.Event{offprint.RunSucceeded, offprint.RunFailed}

// scheme is what mail addresses begin with.
const scheme = "mailto:"

// Admit admits the asker's own address, as it is known of them, and those that
// are allowed.
func (m *Mail) Admit(_ context.Context, who offprint.Identity, text string) (offprint.Addressee, error) {
	text = strings.TrimPrefix(text, scheme)
	to, problem := readAddress(text)
	if problem != "" && text == who.Email {
		return refused(offprint.Invalid, "You cannot be told by mail", "The mail address that is known of you cannot be written to. Tell whoever runs this server.")
	}
	if problem != "" {
		return refused(offprint.Invalid, "This is no mail address", problem)
	}
	if m.own(who, to) {
		return offprint.Addressee{Address: scheme + who.Email, Events: mailed}, nil
	}
	to, ok := m.allowed.find(to)
	if !ok {
		return refused(offprint.Forbidden, "Mail to this address is not allowed here", "Mail goes to whoever asks, and to addresses that whoever runs this server has allowed. This is neither.")
	}
	if !m.Links {
		return refused(offprint.Forbidden, "Mail to others is not allowed here", "Mail to others holds a link that anyone can follow, and such links are turned off here. Download the file and hand it on yourself.")
	}
	return offprint.Addressee{Address: scheme + to.String(), Events: mailed}, nil
}

func refused(code offprint.Code, title, detail string) (offprint.Addressee, error) {
	err := offprint.Errorf(code, "%s", detail)
	err.Title = title
	return offprint.Addressee{}, err
}

// own tells whether the address is that of whoever asks.
func (m *Mail) own(who offprint.Identity, to address) bool {
	own, problem := readAddress(who.Email)
	return problem == "" && own.is(to)
}

// Notify sends the letter of a notice. Sent again it has the same Message-ID.
func (m *Mail) Notify(ctx context.Context, n offprint.Notice) error {
	to, problem := readAddress(strings.TrimPrefix(n.Address, scheme))
	if problem != "" {
		return offprint.Errorf(offprint.Undeliverable, "%s", problem)
	}
	return m.send(ctx, n.ID, to, write(n, m.own(n.Run.Who, to), m.Now()))
}

// Try sends a letter that says it is a test to any address. Its error is for an
// operator: Invalid, or what the mail server said.
func (m *Mail) Try(ctx context.Context, text, link string) error {
	to, problem := readAddress(text)
	if problem != "" {
		return offprint.Errorf(offprint.Invalid, "%s", problem)
	}
	l := samples()[0]
	l.Title, l.Sentence, l.Facts, l.Notes = "A test of mail", "Mail from here arrives, and looks like this.", nil, nil
	l.Subject, l.Link, l.Why = l.Badge+": "+l.Title, link, []string{"You get this because somebody tried out the mail of this server."}
	err := m.send(ctx, "test_"+strings.ToLower(rand.Text()), to, l)
	var e *offprint.Error
	if !errors.As(err, &e) {
		return err
	}
	said, _, _ := strings.Cut(e.Detail, kept) // which is not so of a test
	if cause := errors.Unwrap(e); cause != nil {
		return fmt.Errorf("%s (%w)", strings.TrimSuffix(said, "."), cause)
	}
	return errors.New(said)
}

func (m *Mail) send(ctx context.Context, id string, to address, l letter) error {
	w, err := m.templates.write(l)
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	message, err := m.message(id, to, w)
	if err != nil {
		return fmt.Errorf("make a message: %w", err)
	}
	err = m.relay.send(ctx, m.sender, to, message)
	if errors.As(err, new(mending)) {
		m.Log.ErrorContext(ctx, "NO MAIL GOES OUT until somebody mends this: see mail in the configuration, and the mail server", "server", m.relay.host, "err", err)
	}
	return err
}

// message is the letter as it goes over the wire.
func (m *Mail) message(id string, to address, w written) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(&mail.Address{Address: to.String()})
	msg.Subject(w.subject)
	msg.SetDateWithValue(m.Now())
	msg.SetMessageIDWithValue(id + "@" + m.sender.domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetBodyString(gomail.TypeTextPlain, w.plain)
	msg.AddAlternativeString(gomail.TypeTextHTML, w.html)
	var b bytes.Buffer
	_, err := msg.WriteTo(&b)
	return b.Bytes(), err
}
