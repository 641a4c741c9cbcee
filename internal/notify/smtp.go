package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/offprint/offprint"
)

// A relay is the mail server that takes our mail.
type relay struct {
	host, port     string
	user, password string
	safety         safety
	tls            *tls.Config
	hello          string // who we say we are
}

// safety is how a relay is spoken to.
type safety string

const (
	implicit      safety = "implicit"      // smtps: encrypted from the first byte
	required      safety = "required"      // STARTTLS, or nothing is said
	opportunistic safety = "opportunistic" // STARTTLS where it is offered
	none          safety = "none"          // in the clear: for a network that is trusted
)

// What is wrong with the address of a relay never quotes it: it may hold a
// password.
const (
	urlCure = "Write it as smtp://user:password@mail.example.com:587; in a password / ? # @ % are written as %2F %3F %23 %40 %25"
	tlsCure = "tls is required (as when nothing is said), opportunistic (encrypted where the server offers it) or none (on a network that you trust); smtps:// is always encrypted"
)

// readRelay reads smtp://user:password@host:587 and smtps://host:465.
func readRelay(text string) (*relay, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return nil, errors.New("this is no address of a mail server. " + urlCure)
	}
	r := &relay{host: u.Hostname(), user: u.User.Username(), safety: required}
	r.port = cmp.Or(u.Port(), map[string]string{"smtp": "587", "smtps": "465"}[u.Scheme])
	r.password, _ = u.User.Password()
	if (r.user == "") != (r.password == "") {
		return nil, errors.New("it needs both a user and a password, or neither. " + urlCure)
	}
	if u.Scheme == "smtps" {
		r.safety = implicit
	}
	r.tls = &tls.Config{ServerName: r.host, MinVersion: tls.VersionTLS12}
	settings, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("what follows ? cannot be read. " + urlCure)
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := r.set(name, settings.Get(name)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// set is one of the settings behind the ? of an address.
func (r *relay) set(name, value string) error {
	switch name {
	case "tls":
		wanted := safety(value)
		if wanted != required && wanted != opportunistic && wanted != none || r.safety == implicit && wanted != required {
			return errors.New(tlsCure)
		}
		if r.safety != implicit {
			r.safety = wanted
		}
		return nil
	case "tls_ca":
		return r.trust(value)
	}
	return errors.New("what follows ? is no setting; there are tls and tls_ca. " + urlCure)
}

// trust believes the authorities in a file, and no others.
func (r *relay) trust(file string) error {
	certificates, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("tls_ca: %w", err)
	}
	r.tls.RootCAs = x509.NewCertPool()
	if !r.tls.RootCAs.AppendCertsFromPEM(certificates) {
		return errors.New("tls_ca holds no certificate. It is a file in PEM, which begins with -----BEGIN CERTIFICATE-----")
	}
	return nil
}

// send hands one message over. What the server refuses for good is
// Undeliverable; all else is Unreachable, and passes with time or once somebody
// has seen to it.
func (r *relay) send(ctx context.Context, from, to address, message []byte) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return r.unreachable(ctx, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	client, err := r.begin(conn)
	if err == nil {
		err = client.Mail("<" + from.String() + ">")
	}
	if err != nil { // so far it is about us, whoever is written to
		return r.unreachable(ctx, err)
	}
	if err := hand(client, to, message); err != nil {
		return r.refused(ctx, err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err == nil {
		client.Quit() // it has the message, whatever it says now
	}
	return nil
}

func (r *relay) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(r.host, r.port))
	if err != nil || r.safety != implicit {
		return conn, err
	}
	safe := tls.Client(conn, r.tls)
	if err := safe.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(notSafe{err}, conn.Close())
	}
	return safe, nil
}

// begin says hello, makes the connection safe and signs in.
func (r *relay) begin(conn net.Conn) (*smtp.Client, error) {
	client, err := smtp.NewClient(conn, r.host)
	if err != nil {
		return nil, err
	}
	client.SkipSMTPUTF8(true) // nothing of ours needs it, and a server further on might not know it
	if err := client.Hello(r.hello); err != nil {
		return nil, err
	}
	safe := r.safety == implicit
	if offered, _ := client.Extension("STARTTLS"); r.safety == required || r.safety == opportunistic && offered {
		if !offered {
			return nil, notSafe{errors.New("the mail server offers no STARTTLS")}
		}
		if err := client.StartTLS(r.tls); err != nil {
			return nil, notSafe{err}
		}
		safe = true
	}
	return client, r.signIn(client, safe)
}

// signIn signs in, where there is a user, by a way that shows the password to
// nobody else.
func (r *relay) signIn(client *smtp.Client, safe bool) error {
	if r.user == "" {
		return nil
	}
	shown := safe || r.safety == none
	_, offered := client.Extension("AUTH")
	for _, way := range []struct {
		name string
		may  bool
		auth smtp.Auth
	}{
		{"PLAIN", shown, smtp.PlainAuth("", r.user, r.password, r.host, shown)},
		{"LOGIN", shown, smtp.LoginAuth(r.user, r.password, r.host, shown)},
		{"SCRAM-SHA-256", true, smtp.ScramSHA256Auth(r.user, r.password)},
		{"CRAM-MD5", true, smtp.CRAMMD5Auth(r.user, r.password)},
	} {
		if !way.may || !slices.Contains(strings.Fields(strings.ToUpper(offered)), way.name) {
			continue
		}
		if err := client.Auth(way.auth); err != nil {
			return notIn{err}
		}
		return nil
	}
	return notIn{fmt.Errorf("the mail server offers no way to sign in that is safe here; it offers: %s", offered)}
}

// hand hands the message over to a server that has let us in.
func hand(client *smtp.Client, to address, message []byte) error {
	if err := client.Rcpt("<" + to.String() + ">"); err != nil {
		return err
	}
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	return w.Close()
}

// notSafe is why there is no encryption, and notIn why we may not sign in.
type (
	notSafe struct{ error }
	notIn   struct{ error }
)

func (n notSafe) Unwrap() error { return n.error }
func (n notIn) Unwrap() error   { return n.error }

// mending is an error that lasts until an operator has seen to it.
type mending struct{ error }

func (m mending) Unwrap() error { return m.error }

// signInFirst are the codes by which a server wants to know us, or says that it
// does not.
var signInFirst = []int{530, 534, 535, 538}

// kept is what becomes of a message that was not taken now.
const kept = " The message is kept and sent again."

// unreachable is an error between us and the server.
func (r *relay) unreachable(ctx context.Context, err error) error {
	const mend = kept + " Whoever runs this server has to mend that."
	cause := errors.New(r.hidden(err.Error()))
	told := func(detail string) error { return offprint.Errorf(offprint.Unreachable, "%s", detail).Because(cause) }
	var said *textproto.Error
	switch heard := errors.As(err, &said); {
	case ctx.Err() != nil:
		return told("The mail server did not answer in time." + kept)
	case heard && said.Code < 500:
		return told("The mail server said: " + r.answer(said) + "." + kept)
	case errors.As(err, new(notIn)) && !cut(err), heard && slices.Contains(signInFirst, said.Code):
		return mending{told("The mail server does not let this server in." + mend)}
	case errors.As(err, new(notSafe)) && !cut(err):
		return mending{told("There is no safe connection to the mail server." + mend)}
	case heard:
		return mending{told("The mail server said: " + r.answer(said) + "." + mend)}
	}
	return told("The mail server cannot be reached." + kept)
}

// cut tells whether a connection broke off, which says nothing of why.
func cut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, new(net.Error))
}

// refused is an error about whom we write to, or about the message.
func (r *relay) refused(ctx context.Context, err error) error {
	var said *textproto.Error
	if ctx.Err() != nil || !errors.As(err, &said) || said.Code < 500 || slices.Contains(signInFirst, said.Code) {
		return r.unreachable(ctx, err)
	}
	return offprint.Errorf(offprint.Undeliverable, "The mail server refused it: %s.", r.answer(said))
}

// answer is what the server said, on one line and not too long.
func (r *relay) answer(said *textproto.Error) string {
	return strings.TrimRight(clipped(r.hidden(fmt.Sprintf("%d %s", said.Code, said.Msg)), 300), ". ")
}

// hidden is a text without what we told the server in confidence.
func (r *relay) hidden(text string) string {
	if r.password == "" {
		return text
	}
	return strings.ReplaceAll(text, r.password, "…")
}
