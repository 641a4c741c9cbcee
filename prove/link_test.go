package prove

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// A link is a connection of two parts that can be broken.
type link struct {
	to string

	mu    sync.Mutex
	proxy *toxiproxy.Proxy
}

func newLink(to string) (*link, error) {
	l := &link{to: to}
	return l, l.open("127.0.0.1:0")
}

// open opens a proxy of its own each time, so that nothing that was done to
// the last one is left.
func (l *link) open(listen string) error {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l.proxy = toxiproxy.NewProxy(server, "link", listen, l.to)
	return l.proxy.Start()
}

// linkTo is a link to a database, and the database's address over it.
func linkTo(database string) (*link, string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return nil, "", err
	}
	l, err := newLink(u.Host)
	if err != nil {
		return nil, "", err
	}
	u.Host = l.proxy.Listen
	return l, u.String(), nil
}

// mend breaks all connections and takes new ones at once.
func (l *link) mend() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proxy.Stop()
	return l.open(l.proxy.Listen)
}

// down breaks all connections and takes none, until mend.
func (l *link) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proxy.Stop()
}

// loseAnswers keeps back what is answered from now on, and soon breaks the
// connections: what was asked meanwhile has been done.
func (l *link) loseAnswers() error {
	if err := l.poison(deaf); err != nil {
		return err
	}
	time.AfterFunc(200*time.Millisecond, func() {
		if err := l.mend(); err != nil {
			panic(err) // nothing could be proved any more
		}
	})
	return nil
}

// What can be wrong with a link; a half-open one is deaf and mute, and nobody
// is told.
const (
	deaf = `{"name":"deaf","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`
	mute = `{"name":"mute","type":"timeout","stream":"upstream","attributes":{"timeout":0}}`
	late = `{"name":"late","type":"latency","stream":"downstream","attributes":{"latency":400,"jitter":300}}`
	thin = `{"name":"thin","type":"bandwidth","stream":"downstream","attributes":{"rate":60}}`
)

// poison makes the link bad, until mend.
func (l *link) poison(toxics ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, toxic := range toxics {
		_, err := l.proxy.Toxics.AddToxicJson(bytes.NewBufferString(toxic))
		if err != nil && !errors.Is(err, toxiproxy.ErrToxicAlreadyExists) {
			return err
		}
	}
	return nil
}

// bridge lets a Unix socket be reached by TCP, until ctx ends.
func bridge(ctx context.Context, socket string) (address string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(ctx, conn, socket)
		}
	}()
	return listener.Addr().String(), nil
}

func pass(ctx context.Context, conn net.Conn, socket string) {
	defer conn.Close()
	to, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return
	}
	defer to.Close()
	defer context.AfterFunc(ctx, func() { conn.Close(); to.Close() })()
	ended := make(chan error, 2)
	for _, way := range [][2]net.Conn{{conn, to}, {to, conn}} {
		go func() {
			_, err := io.Copy(way[0], way[1])
			ended <- err
		}()
	}
	<-ended // either end ends both
}

// address is a database's over TCP.
func address(host, database string) string {
	return fmt.Sprintf("postgres://test@%s/%s?sslmode=disable", host, database)
}
