package notify

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/internet"
)

// WebhookConfig is how webhooks are called.
type WebhookConfig struct {
	// Base is where people find this server, maybe with a path; empty: messages
	// do not say where their run is.
	Base string
	// Allow are hosts and networks that may be called, also without TLS, though
	// they are not the public internet's: hooks.corp.example, 10.2.0.0/16.
	Allow   []string
	Version string // of the program
	Now     func() time.Time
}

// Webhooks calls webhooks as Standard Webhooks (standardwebhooks.com) has it:
// a small signed message, again after ever longer pauses. It is safe for use by
// many goroutines.
type Webhooks struct {
	base     string
	agent    string
	now      func() time.Time
	hosts    []string
	networks []netip.Prefix
	patience time.Duration // for one call
	dialer   net.Dialer
	tls      *tls.Config
	guarded  *http.Client // calls the public internet and the networks
	open     *http.Client // calls whatever it is told to
}

// NewWebhooks is an error where an entry of Allow is neither a host nor a
// network.
func NewWebhooks(c WebhookConfig) (*Webhooks, error) {
	w := &Webhooks{
		base: strings.TrimRight(c.Base, "/"), agent: "Offprint/" + cmp.Or(c.Version, "dev"), now: c.Now, patience: 15 * time.Second,
		tls: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if w.now == nil {
		w.now = time.Now
	}
	for _, entry := range c.Allow {
		if err := w.allow(entry); err != nil {
			return nil, err
		}
	}
	w.open = w.client(nil)
	w.guarded = w.client(internet.Or(w.networks))
	return w, nil
}

func (w *Webhooks) allow(entry string) error {
	if network, err := netip.ParsePrefix(entry); err == nil {
		w.networks = append(w.networks, network)
		return nil
	}
	if address, err := netip.ParseAddr(entry); err == nil && address.Zone() == "" {
		w.networks = append(w.networks, netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()))
		return nil
	}
	if entry == "" || strings.ContainsAny(entry, "/:*@ ") {
		return fmt.Errorf("%q is neither a host nor a network as in 10.2.0.0/16", entry)
	}
	w.hosts = append(w.hosts, plainHost(entry))
	return nil
}

// plainHost is a host as it is compared.
func plainHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// client keeps no connection: each call is dialed, and what is dialed checked.
func (w *Webhooks) client(control func(network, address string, conn syscall.RawConn) error) *http.Client {
	return &http.Client{
		Transport: &http.Transport{ // without Proxy: what the environment says is for others
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				dialer := w.dialer
				dialer.Control = control
				return dialer.DialContext(ctx, network, address)
			},
			TLSClientConfig: w.tls, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// longestURL is as much as a webhook's address may have.
const longestURL = 2048

// Wrong is why an address cannot be one of a webhook, in a sentence for whoever
// wrote it, as far as its text tells; empty: it can.
func (w *Webhooks) Wrong(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "Send an address in ASCII, as in https://app.example.com/hooks."
	}
	allowed := w.allows(u.Hostname())
	port, err := strconv.Atoi(cmp.Or(u.Port(), "443"))
	switch {
	case len(address) > longestURL:
		return fmt.Sprintf("An address has at most %d bytes.", longestURL)
	case u.User != nil:
		return "Leave the user and the password out: messages are signed."
	case strings.Contains(address, "#"):
		return "Leave out the # and what follows."
	case u.Scheme != "https" && (u.Scheme != "http" || !allowed):
		return "It begins with https://."
	case err != nil || port < 1 || port > 65535:
		return "The port is a number up to 65535."
	case !allowed && !internet.Host(u.Hostname()):
		return "It has to be on the public internet; whoever runs this server can allow others."
	}
	return ""
}

// allows tells whether the operator lets this very host be called.
func (w *Webhooks) allows(host string) bool {
	if slices.Contains(w.hosts, plainHost(host)) {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Zone() == "" && internet.Within(w.networks, address)
}

// Post sends a notice to a webhook's address, signed with each of the secrets,
// and answers with the status of the answer, 0 for none. anywhere is of those
// whom the operator named: they may be wherever they are. An error is for the
// webhook's owner, who learns of nothing behind a firewall from it; it is a
// [offprint.Later] while the notice is to be tried again.
func (w *Webhooks) Post(ctx context.Context, address string, anywhere bool, secrets [][]byte, n offprint.Notice) (status int, err error) {
	if wrong := w.Wrong(address); wrong != "" && !anywhere {
		return 0, offprint.Errorf(offprint.Undeliverable, "Nothing was sent: its address may not be called any more. %s", wrong)
	}
	body, err := w.message(n)
	if err != nil {
		return 0, fmt.Errorf("write a message: %w", err)
	}
	calling, cancel := context.WithTimeout(ctx, w.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(calling, http.MethodPost, address, strings.NewReader(string(body)))
	if err != nil {
		return 0, errors.New("make the request: the address cannot be read") // its own error has the address, which may hold a secret
	}
	at := strconv.FormatInt(w.now().Unix(), 10)
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {w.agent},
		"Webhook-Id": {n.ID}, "Webhook-Timestamp": {at}, "Webhook-Signature": {signatures(secrets, n.ID, at, body)},
	}
	client := w.guarded
	if anywhere || slices.Contains(w.hosts, plainHost(req.URL.Hostname())) {
		client = w.open
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, w.unanswered(ctx, calling, n, err)
	}
	defer res.Body.Close()
	return res.StatusCode, w.answered(res, n)
}

// signatures are one by each secret, as Standard Webhooks has them.
func signatures(secrets [][]byte, id, at string, body []byte) string {
	var all []string
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + at + ".")) // a hash takes everything
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// unanswered is what a call came to that got no answer. That an address is
// refused here, unknown or closed is all one to strangers.
func (w *Webhooks) unanswered(ctx, calling context.Context, n offprint.Notice, err error) error {
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err // without the address, which may hold a secret
	}
	if ctx.Err() != nil { // this process goes down
		return &offprint.Later{Err: offprint.Errorf(offprint.Undeliverable, "This server stopped while it was sent.").Because(err), In: pauses[0]}
	}
	said := offprint.Errorf(offprint.Undeliverable, "It could not be reached. Addresses that are not on the public internet are called only where whoever runs this server allows them.")
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(calling.Err(), context.DeadlineExceeded):
		said = offprint.Errorf(offprint.Undeliverable, "It did not answer within %.0f seconds.", w.patience.Seconds())
	case errors.As(err, &untrusted):
		said = offprint.Errorf(offprint.Undeliverable, "Its certificate could not be verified.")
	}
	return again(n, said.Because(err), 0)
}

// answered is what an answer means.
func (w *Webhooks) answered(res *http.Response, n offprint.Notice) error {
	switch status := res.StatusCode; {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusGone:
		return offprint.Errorf(offprint.Undeliverable, "It answered 410, which says that it is gone for good.")
	case status >= 300 && status < 400:
		return again(n, offprint.Errorf(offprint.Undeliverable, "It answered %d. Redirects are not followed: change its address to where it is.", status), 0)
	}
	said := offprint.Errorf(offprint.Undeliverable, "It answered %d.%s", res.StatusCode, piece(res))
	if res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusServiceUnavailable {
		return again(n, said, w.retryAfter(res.Header.Get("Retry-After")))
	}
	return again(n, said, 0)
}

// pauses are those between two tries, each up to a tenth longer, so that what
// failed together does not come back together. They end after three days.
var pauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// longestPause is what a webhook may ask for at most.
const longestPause = 24 * time.Hour

// again is an error after which the notice is tried again, but for a ping: who
// tries an address wants to know now.
func again(n offprint.Notice, err error, least time.Duration) error {
	try := max(n.Try, 1)
	if n.Event == offprint.Ping || try > len(pauses) {
		return err
	}
	pause := pauses[try-1]
	return &offprint.Later{Err: err, In: max(pause+rand.N(pause/10), min(least, longestPause))}
}

// retryAfter reads the header (RFC 9110, 10.2.3): seconds, or a date.
func (w *Webhooks) retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return at.Sub(w.now())
}

// What of an answer is read, in bytes, and shown, in characters.
const (
	largestPiece = 2 << 10
	longestPiece = 200
)

// piece is the beginning of an answer that is for people or programs, on one
// line; a page for browsers tells little.
func piece(res *http.Response) string {
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || media != "text/plain" && !strings.HasSuffix(media, "json") {
		return ""
	}
	read, _ := io.ReadAll(io.LimitReader(res.Body, largestPiece)) // what came before an error is as good
	text := strings.ToValidUTF8(string(read), "\uFFFD")
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	runes := []rune(strings.Join(words, " "))
	if len(runes) == 0 {
		return ""
	}
	if len(runes) > longestPiece {
		runes = append(runes[:longestPiece:longestPiece], '…')
	}
	return " It said: " + string(runes)
}
