package notify_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/notify"
)

func TestWhatNoStrangerMayCall(t *testing.T) {
	w := webhooks(t)
	for name, host := range strangers {
		t.Run(name, func(t *testing.T) {
			address := "https://" + host + "/hooks"
			if w.Wrong(address) == "" {
				t.Errorf("%s may be a webhook's", address)
			}
			if code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice()); code != 0 || err == nil {
				t.Errorf("it was called: %d, %v", code, err)
			}
		})
	}
}

func TestANameIsNoWayIn(t *testing.T) {
	inside := on(t, "127.0.0.1", true, status(200))
	authority := x509.NewCertPool()
	authority.AddCert(inside.Certificate())
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	check(t, err)
	address := "https://example.com:" + port // a name that the server's certificate has
	for _, host := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "100.64.0.1", "0.0.0.0", "::", "64:ff9b::7f00:1", "2002:7f00:1::1", "fd00:ec2::254", "fe80::1", "224.0.0.1"} {
		t.Run(host, func(t *testing.T) {
			w := webhooks(t)
			w.Trust(authority)
			names := serveNames(t, netip.MustParseAddr(host))
			w.Resolve(names.resolver())
			if wrong := w.Wrong(address); wrong != "" {
				t.Fatalf("its text tells nothing, and yet: %s", wrong)
			}
			code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice())
			var e *offprint.Error
			if code != 0 || !errors.As(err, &e) || e.Detail != unreached {
				t.Errorf("it answered %d, %v", code, err)
			}
			if names.asked.Load() == 0 {
				t.Error("nobody asked for the name")
			}
		})
	}
	t.Run("rebound between two calls", func(t *testing.T) {
		other := on(t, "127.0.0.2", true, status(200))
		w := webhooks(t, "127.0.0.2")
		authority := x509.NewCertPool()
		authority.AddCert(other.Certificate())
		w.Trust(authority)
		names := serveNames(t, netip.MustParseAddr("127.0.0.2"))
		w.Resolve(names.resolver())
		_, port, err := net.SplitHostPort(other.Listener.Addr().String())
		check(t, err)
		address := "https://example.com:" + port
		if code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice()); code != 200 || err != nil {
			t.Fatalf("the right address: %d, %v", code, err)
		}
		// The same port, of an address that may not be called.
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:"+port)
		check(t, err)
		defer l.Close()
		names.answer.Store(new(netip.MustParseAddr("127.0.0.1")))
		if code, err := w.Post(t.Context(), address, false, [][]byte{first}, notice()); code != 0 || err == nil {
			t.Errorf("rebound it answered %d, %v", code, err)
		}
		check(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(50*time.Millisecond)))
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			t.Error("somebody connected to what may not be called")
		}
	})
	t.Run("nor does a redirect", func(t *testing.T) {
		r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", inside.URL)
			w.WriteHeader(308)
		})
		w := webhooks(t, "127.0.0.1")
		w.Trust(authority)
		if code, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice()); code != 308 || err == nil {
			t.Errorf("it answered %d, %v", code, err)
		}
	})
	if len(inside.calls) > 0 {
		t.Error("what is inside was called")
	}
}

type names struct {
	conn   net.PacketConn
	answer atomic.Pointer[netip.Addr]
	asked  atomic.Int64
}

func serveNames(t *testing.T, answer netip.Addr) *names {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	check(t, err)
	n := &names{conn: conn}
	n.answer.Store(&answer)
	var serving sync.WaitGroup
	serving.Go(func() {
		for buf := make([]byte, 1500); ; {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if reply := n.reply(buf[:size]); reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
	return n
}

func (n *names) reply(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	n.asked.Add(1)
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}
	m.Additionals = nil
	q, address := m.Questions[0], *n.answer.Load()
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 0}
	switch {
	case q.Type == dnsmessage.TypeA && address.Is4():
		head.Type = dnsmessage.TypeA
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: address.As4()}}}
	case q.Type == dnsmessage.TypeAAAA && address.Is6():
		head.Type = dnsmessage.TypeAAAA
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}}}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

func TestAddresses(t *testing.T) {
	w := webhooks(t, "hooks.corp.example", "10.2.0.0/16", "fd00::7")
	for address, wrong := range map[string]string{
		"https://app.example.com":                     "",
		"https://app.example.com/hooks?a=b%20c":       "",
		"https://app.example.com:8443/":               "",
		"https://93.184.216.34/":                      "",
		"HTTPS://app.example.com":                     "",
		"http://hooks.corp.example":                   "",
		"https://HOOKS.corp.example.:8443/x":          "",
		"http://10.2.3.4/":                            "",
		"http://[fd00::7]/":                           "",
		"http://app.example.com":                      "It begins with https://.",
		"http://10.3.0.1":                             "It begins with https://.",
		"https://10.3.0.1":                            "It has to be on the public internet; whoever runs this server can allow others.",
		"https://x.hooks.corp.example.local":          "It has to be on the public internet; whoever runs this server can allow others.",
		"ftp://hooks.corp.example":                    "It begins with https://.",
		"file:///etc/passwd":                          "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://ann@app.example.com":                 "Leave the user and the password out: messages are signed.",
		"https://ann:pw@app.example.com":              "Leave the user and the password out: messages are signed.",
		"https://app.example.com#top":                 "Leave out the # and what follows.",
		"https://app.example.com#":                    "Leave out the # and what follows.",
		"https://app.example.com:0":                   "The port is a number up to 65535.",
		"https://app.example.com:99999":               "The port is a number up to 65535.",
		"https://app.example.com/" + long:             "An address has at most 2048 bytes.",
		"":                                            "Send an address in ASCII, as in https://app.example.com/hooks.",
		"app.example.com":                             "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https:app.example.com":                       "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://":                                    "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://:443":                                "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://bücher.example":                      "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com/a b":                 "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com/\r\nX-Injected: yes": "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com\\@10.0.0.1":          "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://app.example.com:443:80":              "Send an address in ASCII, as in https://app.example.com/hooks.",
		"https://[::1":                                "Send an address in ASCII, as in https://app.example.com/hooks.",
	} {
		if got := w.Wrong(address); got != wrong {
			t.Errorf("%.60q: %q, want %q", address, got, wrong)
		}
	}
	for _, entry := range []string{"", "https://hooks.corp.example", "hooks.corp.example:80", "*.corp.example", "10.2.0.0/99", "fe80::1%eth0"} {
		if _, err := notify.NewWebhooks(notify.WebhookConfig{Allow: []string{entry}}); err == nil {
			t.Errorf("%q can be allowed", entry)
		}
	}
}

func TestWhatTheOperatorAllows(t *testing.T) {
	r := receive(t, status(200))
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	check(t, err)
	named := "http://localhost:" + port
	for _, tt := range []struct {
		address  string
		allow    []string
		anywhere bool
		want     int
	}{
		{r.URL, nil, false, 0},
		{r.URL, []string{"127.0.0.0/8"}, false, 200},
		{r.URL, []string{"127.0.0.1"}, false, 200},
		{r.URL, []string{"::ffff:127.0.0.1"}, false, 200},
		{r.URL, []string{"127.0.0.2"}, false, 0},
		{r.URL, []string{"localhost"}, false, 0},
		{named, []string{"localhost"}, false, 200},
		{named, []string{"LocalHost."}, false, 200},
		{named, []string{"127.0.0.1"}, false, 0}, // without TLS the name is needed
		{r.URL, nil, true, 200},
		{named, nil, true, 200},
	} {
		w := webhooks(t, tt.allow...)
		if code, err := w.Post(t.Context(), tt.address, tt.anywhere, [][]byte{first}, notice()); code != tt.want || (err == nil) != (tt.want == 200) {
			t.Errorf("%s with %v: %d, %v", tt.address, tt.allow, code, err)
		}
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	r := on(t, "127.0.0.1", true, status(200))
	w := webhooks(t, "127.0.0.1", "localhost")
	_, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice())
	var e *offprint.Error
	if !errors.As(err, &e) || e.Detail != "Its certificate could not be verified." || len(r.calls) > 0 {
		t.Errorf("%v", err)
	}
	authority := x509.NewCertPool()
	authority.AddCert(r.Certificate())
	w.Trust(authority)
	if code, err := w.Post(t.Context(), r.URL, false, [][]byte{first}, notice()); code != 200 || err != nil {
		t.Errorf("trusted: %d, %v", code, err)
	}
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	check(t, err)
	_, err = w.Post(t.Context(), "https://localhost:"+port, false, [][]byte{first}, notice())
	if !errors.As(err, &e) || e.Detail != "Its certificate could not be verified." {
		t.Errorf("by another name: %v", err)
	}
}

func TestNoErrorTellsTheAddress(t *testing.T) {
	w := webhooks(t, "127.0.0.1")
	r := receive(t, status(500))
	r.Close()
	for _, address := range []string{r.URL + "/token-1", "https://no-such-name.example/token-1", "https://10.0.0.1/token-1", "https://\x7f/token-1"} {
		for _, anywhere := range []bool{false, true} {
			if address == "https://10.0.0.1/token-1" && anywhere {
				continue
			}
			w.Patience(2 * time.Second)
			_, err := w.Post(t.Context(), address, anywhere, [][]byte{first}, notice())
			if err == nil || strings.Contains(err.Error(), "token-1") {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, host := range strangers {
		f.Add("https://" + host + "/")
	}
	f.Add("https://app.example.com:8443/hooks?a=b")
	f.Add("https://app.example.com\\@10.0.0.1/")
	w, err := notify.NewWebhooks(notify.WebhookConfig{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if w.Wrong(address) != "" {
			return
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
		if err != nil {
			t.Fatalf("%q cannot be called: %v", address, err)
		}
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || req.URL.Hostname() != u.Hostname() {
			t.Errorf("%q: %+v, %v", address, u, err)
		}
	})
}
