// Package mailtest gives tests a mail server of their own on this machine, which
// speaks the real protocol and keeps what it is given:
//
//	s := mailtest.Start(t, &mailtest.Server{User: "u", Password: "p"})
//	s.URL()   // where to send mail to
//	s.Wait(1) // what has come
package mailtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// A Server is how a mail server behaves. The zero value offers STARTTLS, asks
// nobody who they are and takes everything.
type Server struct {
	User, Password string // whoever else comes is not let in
	Ways           []string
	Sender         string // the only one that is taken; empty: everybody
	Implicit       bool   // encrypted from the first byte
	Plain          bool   // offers no encryption
	// Answer is what is said to a recipient of the n-th message, from 1; nil
	// takes it. It may take its time.
	Answer func(n int, to string) error
	// Last is what is said once the message is there; nil takes it.
	Last func(n int) error

	t         testing.TB
	address   string
	authority string // its own, a file in PEM
	tls       *tls.Config
	server    *smtp.Server
	listener  net.Listener
	served    chan error

	mu     sync.Mutex
	asked  int // messages that began
	came   []Message
	more   chan struct{} // closed when another message has come
	signed []string      // the ways by which somebody signed in
}

// A Message is one that was taken.
type Message struct {
	From, To    string // of the envelope
	Header      mail.Header
	Subject     string
	Plain, HTML string
	Parts       []string // their media types
	Safe        bool     // it came encrypted
	Raw         string
}

// Start starts a server on a port of this machine; it ends with the test.
func Start(t testing.TB, s *Server) *Server {
	t.Helper()
	s.t, s.more = t, make(chan struct{})
	s.certify()
	s.Up()
	t.Cleanup(s.Down)
	return s
}

// Refusal is what a server says.
func Refusal(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.NoEnhancedCode, Message: text}
}

// URL is where mail is sent to.
func (s *Server) URL(settings ...string) string {
	u := url.URL{Scheme: "smtp", Host: s.address, RawQuery: strings.Join(settings, "&")}
	if s.Implicit {
		u.Scheme = "smtps"
	}
	if s.User != "" {
		u.User = url.UserPassword(s.User, s.Password)
	}
	if !s.Plain {
		u.RawQuery = strings.Trim(u.RawQuery+"&tls_ca="+url.QueryEscape(s.authority), "&")
	}
	return u.String()
}

// Up lets it answer, at the address that it had before.
func (s *Server) Up() {
	s.t.Helper()
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatalf("start a mail server: %v", err)
	}
	s.address = listener.Addr().String()
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{Server: s, conn: c}, nil }))
	s.server.Domain, s.server.AllowInsecureAuth = "mail.example.com", true
	s.server.EnableSMTPUTF8 = true
	s.server.ErrorLog = log.New(io.Discard, "", 0) // of connections that break off
	if s.Implicit {
		listener = tls.NewListener(listener, s.tls)
	} else if !s.Plain {
		s.server.TLSConfig = s.tls
	}
	s.listener, s.served = listener, make(chan error, 1)
	go func(server *smtp.Server, served chan<- error) { served <- server.Serve(listener) }(s.server, s.served)
}

// Down lets it answer nobody.
func (s *Server) Down() {
	if s.server == nil {
		return
	}
	s.listener.Close() // by ourselves, in case that nothing is served yet
	s.server.Close()
	if err := <-s.served; err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		s.t.Errorf("the mail server: %v", err)
	}
	s.server = nil
}

// Came are the messages so far.
func (s *Server) Came() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.came)
}

// Asked is how many messages somebody began to hand over.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Signed are the ways by which somebody signed in.
func (s *Server) Signed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.signed)
}

// Wait waits until so many messages have come, and answers with all of them.
func (s *Server) Wait(n int) []Message {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		came, more := slices.Clone(s.came), s.more
		s.mu.Unlock()
		if len(came) >= n {
			return came
		}
		select {
		case <-more:
		case <-late:
			s.t.Fatalf("%d messages came, want %d", len(came), n)
		}
	}
}

// certify makes the server a certificate, and an authority that it is from.
func (s *Server) certify() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, is, is, &key.PublicKey, key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.authority = filepath.Join(s.t.TempDir(), "authority.pem")
	if err := os.WriteFile(s.authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// A session is one connection.
type session struct {
	*Server
	conn     *smtp.Conn
	known    bool
	from, to string
	n        int
}

func (s *session) AuthMechanisms() []string {
	if s.User == "" {
		return nil
	}
	if s.Ways == nil {
		return []string{sasl.Plain}
	}
	return s.Ways
}

func (s *session) Auth(way string) (sasl.Server, error) {
	check := func(user, password string) error {
		s.mu.Lock()
		s.signed = append(s.signed, way)
		s.mu.Unlock()
		if s.known = user == s.User && password == s.Password; !s.known {
			return Refusal(535, "5.7.8 no such user or password: "+password) // as some do
		}
		return nil
	}
	if way == sasl.Login {
		return &login{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// login is the way that Microsoft's servers ask for.
type login struct {
	check func(user, password string) error
	said  []string
}

func (l *login) Next(response []byte) (challenge []byte, done bool, err error) {
	if response != nil {
		l.said = append(l.said, string(response))
	}
	switch len(l.said) {
	case 0:
		return []byte("Username:"), false, nil
	case 1:
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.said[0], l.said[1])
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.mu.Lock()
	s.asked++
	s.n = s.asked
	s.mu.Unlock()
	if s.User != "" && !s.known {
		return Refusal(530, "5.7.0 Authentication required")
	}
	if o.UTF8 {
		return Refusal(553, "5.6.7 nothing of ours needs SMTPUTF8")
	}
	if s.Sender != "" && s.Sender != from {
		return Refusal(553, "5.7.1 Sender address rejected")
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.Answer == nil {
		return nil
	}
	return s.Answer(s.n, to)
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := read(raw)
	if err != nil {
		s.t.Errorf("a message that cannot be read: %v\n%s", err, raw)
		return Refusal(554, "5.6.0 unreadable")
	}
	if s.Last != nil {
		if err := s.Last(s.n); err != nil {
			return err
		}
	}
	m.From, m.To = s.from, s.to
	_, m.Safe = s.conn.TLSConnectionState()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, m)
	close(s.more)
	s.more = make(chan struct{})
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// read reads a message as a mail program does.
func read(raw []byte) (m Message, err error) {
	m.Raw = string(raw)
	message, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return m, err
	}
	m.Header = message.Header
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return m, err
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return m, fmt.Errorf("it is %s: %w", kind, err)
	}
	for parts := multipart.NewReader(message.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		if err := m.take(part); err != nil {
			return m, err
		}
	}
}

func (m *Message) take(part *multipart.Part) error {
	kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if encoding := part.Header.Get("Content-Transfer-Encoding"); encoding != "quoted-printable" || !strings.EqualFold(params["charset"], "utf-8") {
		return fmt.Errorf("a part is %s in %s", encoding, params["charset"])
	}
	body, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		return err
	}
	m.Parts = append(m.Parts, kind)
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	if kind == "text/html" {
		m.HTML = text
	} else {
		m.Plain = text
	}
	return nil
}
