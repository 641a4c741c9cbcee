package source

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/internet"
)

// A service answers rows over HTTP: NDJSON, a JSON array of objects, or CSV.
type service struct {
	name    string
	base    *url.URL
	signer  *signer // nil: requests do not say who asks
	headers http.Header
	zone    *time.Location // of times that come without one
	slots   chan struct{}
	done    sync.Once
	dialer  *net.Dialer
	client  *http.Client
}

// TLS as strict as browsers are.
func (h *service) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: h.base.Hostname()}
}

const dialTimeout = 10 * time.Second

func openService(c Config, zone *time.Location) (*service, error) {
	base, err := url.Parse(c.URL)
	switch {
	case err != nil || base.Hostname() == "": // the error would quote the URL
		return nil, c.wrong("the URL cannot be read. Write https://erp.example.com/api.")
	case base.User != nil:
		return nil, c.wrong("the URL holds a user. Write headers: {Authorization: {env: NAME}} instead.")
	case base.RawQuery != "" || base.ForceQuery || strings.Contains(c.URL, "#"):
		return nil, c.wrong("the URL goes on after its path. What is asked for stands in the report; a key belongs under headers.")
	case climbs(base.EscapedPath()):
		return nil, c.wrong("the URL holds . or .. between slashes. Write the path out.")
	case c.Secret != "" && len(c.Secret) < shortestSecret:
		return nil, c.wrong("a secret has 32 bytes at least. Make one with: openssl rand -base64 48.")
	}
	h := &service{name: c.Name, base: base, zone: zone, slots: make(chan struct{}, c.MaxConnections)}
	if c.Secret != "" {
		h.signer = &signer{secret: []byte(c.Secret), audience: c.Name}
	}
	if h.headers, err = c.headers(); err != nil {
		return nil, err
	}
	h.dialer = &net.Dialer{Timeout: dialTimeout}
	if !c.AllowPrivate {
		h.dialer.Control = internet.Only
	}
	h.client = &http.Client{
		Transport: &http.Transport{ // without Proxy: what the environment says is for others
			DialContext: h.dialer.DialContext, TLSClientConfig: h.tls(), TLSHandshakeTimeout: dialTimeout,
			DisableCompression: true, MaxIdleConnsPerHost: c.MaxConnections, IdleConnTimeout: 90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h, nil
}

// ours are the headers that we write ourselves.
var ours = []string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// headers are those of the configuration. The error shows no value.
func (c Config) headers() (http.Header, error) {
	all := http.Header{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		key, value := http.CanonicalHeaderKey(name), c.Headers[name]
		switch {
		case name == "" || span(name, func(b byte) bool { return digit(b) || b < 0x80 && letter(b) || b == '-' }) < len(name):
			return nil, c.wrong("headers: a name has letters, digits and - only.")
		case slices.Contains(ours, key):
			return nil, c.wrong("headers: " + key + " is ours to write. Take it out.")
		case key == "Authorization" && c.Secret != "":
			return nil, c.wrong("headers: with a secret, Authorization says who asks. Leave one of the two out.")
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return nil, c.wrong("headers: the value of " + key + " has more than one line.")
		}
		all.Set(key, value)
	}
	return all, nil
}

// noService holds that what only a service needs is not configured elsewhere,
// where it would be without effect.
func (c Config) noService() error {
	if c.Secret != "" || len(c.Headers) > 0 || c.AllowPrivate {
		return c.wrong("secret, headers and allow_private are for a source whose URL begins with https:// or http://. Take them out.")
	}
	return nil
}

func (h *service) dialect() dialect {
	d := httpRequest
	d.signed = h.signer != nil
	return d
}

// close waits for the runs that still read.
func (h *service) close() {
	h.done.Do(func() {
		for range cap(h.slots) {
			h.slots <- struct{}{}
		}
		h.client.CloseIdleConnections()
	})
}

// There is no SQL: see curl.
func (h *service) literal(any, piece) string      { return "" }
func (h *service) prologue(*time.Location) string { return "" }

// A serviceReading is what one run asks, a request for each part. They see no
// common moment: HTTP knows none.
type serviceReading struct {
	*service
	ctx    context.Context
	cancel context.CancelFunc
	req    offprint.Request
	at     time.Time
	close  func() // of the answer that is read
}

func (h *service) begin(ctx context.Context, o opening) (snapshot, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	return &serviceReading{service: h, ctx: ctx, cancel: cancel, req: o.req, at: time.Now().UTC()}, nil
}

func (r *serviceReading) asOf() time.Time { return r.at }

// stop closes the connection, which tells the service.
func (r *serviceReading) stop() { r.cancel() }

func (r *serviceReading) end(bool) {
	r.finish()
	r.cancel()
	<-r.slots
}

func (r *serviceReading) finish() {
	if r.close != nil {
		r.close()
		r.close = nil
	}
}

// estimate is none: a service tells how much it has only by sending it.
func (r *serviceReading) estimate(st *statement) (rows int64, known bool, err error) {
	_, err = st.call()
	return 0, false, err
}

// describe does not ask for the report: that may cost the service hours. It
// looks whether somebody is there. Which columns there are, only rows tell.
func (r *serviceReading) describe(st *statement) ([]offprint.Column, error) {
	if _, err := st.call(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, dialTimeout)
	defer cancel()
	dial := r.dialer.DialContext
	if r.base.Scheme == "https" {
		dial = (&tls.Dialer{NetDialer: r.dialer, Config: r.tls()}).DialContext
	}
	port := r.base.Port()
	if port == "" {
		port = r.base.Scheme
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(r.base.Hostname(), port))
	if errors.Is(err, internet.ErrPrivate) {
		return nil, unreached(err)
	}
	if err != nil {
		return nil, &serviceError{code: offprint.SourceUnavailable, text: "The service cannot be reached: " + err.Error() + "."}
	}
	return nil, conn.Close()
}

func (h *service) fault(err error, _ string) fault {
	var told *serviceError
	if errors.As(err, &told) {
		return fault{code: told.code, text: told.text}
	}
	return fault{}
}
