package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"path"
	"strings"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/notify"
)

// Mail is how people are told of their runs by mail.
type Mail struct {
	URL       string   // smtp://user:password@mail.example.com:587, smtps://…:465
	From      string   // Reports <reports@example.com>
	Allow     []string // who may be told beside whoever asks: *@example.com, ann@example.com
	Templates string   // a folder of templates that replace ours; empty: none
}

// mail is what sends mail, or nil where none is configured.
func (c *Config) mail() (*notify.Mail, error) {
	if c.Mail == nil {
		return nil, nil
	}
	m, err := notify.NewMail(notify.MailConfig{
		URL: c.Mail.URL, From: c.Mail.From, Allow: c.Mail.Allow, Templates: c.Mail.Templates,
		Links: desk.Audience(cmp.Or(c.Links, string(desk.Anyone))) == desk.Anyone, Now: c.Now, Log: c.Log,
	})
	if c.base() == "" {
		err = errors.Join(err, errors.New("base_url: mail leads people to pages, and nothing says what their browsers call this server. Write it as https://reports.example.com"))
	}
	return m, err
}

// notifiers are who tells of runs, by the scheme of the addresses that they
// tell.
func (c *Config) notifiers() (map[string]offprint.Notifier, error) {
	notifiers := make(map[string]offprint.Notifier)
	m, err := c.mail()
	if m != nil {
		notifiers["mailto"] = m
	}
	return notifiers, err
}

// schemes are those of addresses that somebody delivers to.
func (c *Config) schemes() (schemes []string) {
	if c.Mail != nil {
		schemes = append(schemes, "mailto")
	}
	if !c.Webhooks.OnlyNamed || len(c.Webhooks.Named) > 0 {
		schemes = append(schemes, "webhook")
	}
	return schemes
}

// base is what the addresses of pages begin with, as people find them: the
// base_url or, on this machine, where it listens. Empty: it is not known.
func (c *Config) base() string {
	if c.BaseURL == "" {
		if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "0" || !loopback(c.Listen) {
			return ""
		}
		return "http://" + c.Listen
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return "" // which check has told
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(path.Clean("/"+u.EscapedPath()), "/")
}

// TryMail sends a letter that says it is a test. An error says why the mail
// server did not take it.
func TryMail(ctx context.Context, c Config, to string) error {
	c = c.withDefaults()
	c.Log = slog.New(slog.DiscardHandler) // the error says it all
	m, err := c.mail()
	if err != nil {
		return err
	}
	if m == nil {
		return errors.New("nothing is configured. Write url and from under mail")
	}
	return m.Try(ctx, to, c.base()+"/")
}
