package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/mailtest"
	"github.com/offprint/offprint/internal/notify"
)

func TestAServerThatRefuses(t *testing.T) {
	said := func(code int, text string) func(int, string) error {
		return func(int, string) error { return mailtest.Refusal(code, text) }
	}
	for _, tt := range []struct {
		name   string
		server *mailtest.Server
		code   offprint.Code
		says   string
		loud   bool
	}{
		{"no such mailbox", &mailtest.Server{Answer: said(550, "5.1.1 No such user here")}, offprint.Undeliverable, "The mail server refused it: 550 5.1.1 No such user here.", false},
		{"come later", &mailtest.Server{Answer: said(451, "4.7.1 Greylisted, come back in 5 minutes")}, offprint.Unreachable, "The mail server said: 451 4.7.1 Greylisted, come back in 5 minutes. The message is kept", false},
		{"full mailbox", &mailtest.Server{Answer: said(452, "4.2.2 Mailbox full")}, offprint.Unreachable, "452 4.2.2 Mailbox full", false},
		{"looks like spam", &mailtest.Server{Last: func(int) error {
			return mailtest.Refusal(554, "5.7.1 rejected\nfor its\x07 content "+strings.Repeat("very ", 200))
		}}, offprint.Undeliverable, "554 5.7.1 rejected for its content very", false},
		{"not now", &mailtest.Server{Last: func(int) error { return mailtest.Refusal(421, "4.3.2 Shutting down") }}, offprint.Unreachable, "421 4.3.2 Shutting down", false},
		{"who are you", &mailtest.Server{Answer: said(530, "5.7.0 Authentication required")}, offprint.Unreachable, "does not let this server in", true},
		{"not from you", &mailtest.Server{Sender: "sales@example.com"}, offprint.Unreachable, "The mail server said: 553 5.7.1 Sender address rejected. The message is kept and sent again. Whoever runs this server has to mend that.", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mailtest.Start(t, tt.server)
			var log bytes.Buffer
			m := mailer(t, s.URL(), func(c *notify.MailConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			err := m.Notify(t.Context(), orders())
			var e *offprint.Error
			if !errors.As(err, &e) || e.Code != tt.code || !strings.Contains(e.Detail, tt.says) || len(e.Detail) > 450 {
				t.Errorf("%v, want %s that says %q", err, tt.code, tt.says)
			}
			if loud := strings.Contains(log.String(), "NO MAIL GOES OUT"); loud != tt.loud {
				t.Errorf("the log says %q", log.String())
			}
			if came := s.Came(); len(came) > 0 {
				t.Errorf("%d messages came", len(came))
			}
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	m := mailer(t, s.URL())
	s.Down()
	err := m.Notify(t.Context(), orders())
	if offprint.CodeOf(err).Decide() != offprint.Again || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("%v", err)
	}
	s.Up()
	if err := m.Notify(t.Context(), orders()); err != nil {
		t.Errorf("once it is back: %v", err)
	}
}

func TestAServerThatSaysNothing(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	let := make(chan struct{})
	mute := func(s *mailtest.Server) string { return mailtest.Start(t, s).URL() }
	urls := map[string]string{
		"at first": "smtp://" + silent.Addr().String(), "over TLS": "smtps://" + silent.Addr().String(),
		"to the recipient":  mute(&mailtest.Server{Answer: func(int, string) error { <-let; return nil }}),
		"after the message": mute(&mailtest.Server{Last: func(int) error { <-let; return mailtest.Refusal(421, "late") }}),
	}
	defer close(let)
	for name, url := range urls {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		err := mailer(t, url).Notify(ctx, orders())
		cancel()
		if offprint.CodeOf(err) != offprint.Unreachable || !strings.Contains(err.Error(), "did not answer in time") {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}

func TestNothingIsSaidInTheClear(t *testing.T) {
	other := mailtest.Start(t, new(mailtest.Server)) // whose authority knows nobody else
	_, foreign, _ := strings.Cut(other.URL(), "?")
	const secret = "hunter2/?#@%"
	for _, tt := range []struct {
		name     string
		server   *mailtest.Server
		settings string // in place of the server's own
		comes    bool
		safe     bool // encrypted
	}{
		{"STARTTLS", &mailtest.Server{User: "reports", Password: secret}, "", true, true},
		{"from the first byte", &mailtest.Server{User: "reports", Password: secret, Implicit: true}, "", true, true},
		{"no STARTTLS", &mailtest.Server{User: "reports", Password: secret, Plain: true}, "", false, false},
		{"no STARTTLS, and no password", &mailtest.Server{Plain: true}, "", false, false},
		{"no STARTTLS, required", &mailtest.Server{User: "reports", Password: secret, Plain: true}, "tls=required", false, false},
		{"a certificate of somebody else", &mailtest.Server{User: "reports", Password: secret}, foreign, false, false},
		{"a certificate of nobody", &mailtest.Server{User: "reports", Password: secret}, "tls=required", false, false},
		{"a certificate of nobody, from the first byte", &mailtest.Server{User: "reports", Password: secret, Implicit: true}, "tls=required", false, false},
		{"offered, with a certificate of somebody else", &mailtest.Server{User: "reports", Password: secret}, "tls=opportunistic&" + foreign, false, false},
		{"not offered, and the password would be shown", &mailtest.Server{User: "reports", Password: secret, Plain: true}, "tls=opportunistic", false, false},
		{"not offered, and there is no password", &mailtest.Server{Plain: true}, "tls=opportunistic", true, false},
		{"on a network that is trusted", &mailtest.Server{User: "reports", Password: secret, Plain: true}, "tls=none", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mailtest.Start(t, tt.server)
			url := s.URL()
			if tt.settings != "" {
				url, _, _ = strings.Cut(url, "?")
				url += "?" + tt.settings
			}
			var log bytes.Buffer
			err := mailer(t, url, func(c *notify.MailConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }).Notify(t.Context(), orders())
			if tt.comes {
				if err != nil || s.Wait(1)[0].Safe != tt.safe || log.Len() > 0 {
					t.Errorf("%v, encrypted: %v, and the log says %q", err, s.Wait(1)[0].Safe, log.String())
				}
				return
			}
			if offprint.CodeOf(err).Decide() != offprint.Again || s.Asked() > 0 || len(s.Signed()) > 0 {
				t.Errorf("%v; %d messages began", err, s.Asked())
			}
			if !strings.Contains(log.String(), "NO MAIL GOES OUT") || strings.Contains(log.String()+fmt.Sprint(err), "hunter2") {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

func TestSigningIn(t *testing.T) {
	for _, ways := range [][]string{{"PLAIN"}, {"LOGIN"}, {"XOAUTH2", "LOGIN"}} {
		s := mailtest.Start(t, &mailtest.Server{User: "reports", Password: "hunter2", Ways: ways})
		if err := mailer(t, s.URL()).Notify(t.Context(), orders()); err != nil || !slices.Equal(s.Signed(), ways[len(ways)-1:]) {
			t.Errorf("%v: %v by %v", ways, err, s.Signed())
		}
		var log bytes.Buffer
		wrong := strings.Replace(s.URL(), "hunter2", "hunter3", 1)
		err := mailer(t, wrong, func(c *notify.MailConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }).Notify(t.Context(), orders())
		var e *offprint.Error
		if !errors.As(err, &e) || e.Code.Decide() != offprint.Again || !strings.Contains(e.Detail, "does not let this server in") || strings.Contains(e.Detail, "535") {
			t.Errorf("%v, with a wrong password: %v", ways, err)
		}
		if !strings.Contains(log.String(), "NO MAIL GOES OUT") || !strings.Contains(log.String(), "535") {
			t.Errorf("the log says %q", log.String())
		}
		if strings.Contains(log.String()+fmt.Sprint(err), "hunter") {
			t.Errorf("the password is told: %v", err)
		}
	}
	s := mailtest.Start(t, &mailtest.Server{User: "reports", Password: "hunter2", Ways: []string{"XOAUTH2"}})
	if err := mailer(t, s.URL()).Notify(t.Context(), orders()); err == nil || !strings.Contains(err.Error(), "it offers: XOAUTH2") {
		t.Errorf("no way that we know: %v", err)
	}
}

func TestASecondDeliveryIsTheSameMessage(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	m := mailer(t, s.URL())
	for range 2 {
		if err := m.Notify(t.Context(), orders()); err != nil {
			t.Fatal(err)
		}
	}
	other := orders()
	other.ID = "ntc_other"
	if err := m.Notify(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, came := range s.Wait(3) {
		ids = append(ids, came.Header.Get("Message-Id"))
	}
	if ids[0] != ids[1] || ids[1] == ids[2] {
		t.Errorf("the ids are %v", ids)
	}
}
