package prove

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/mailtest"
	"github.com/offprint/offprint/internal/notify"
)

// A post is where mail and webhooks arrive: it never fails, and counts what came
// under each id.
type post struct {
	mail *mailtest.Server
	hook *httptest.Server

	mu     sync.Mutex
	called map[string]int // by webhook-id
}

func newPost(t *testing.T) *post {
	p := &post{mail: mailtest.Start(t, &mailtest.Server{Plain: true}), called: make(map[string]int)}
	p.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.called[r.Header.Get("webhook-id")]++
	}))
	t.Cleanup(p.hook.Close)
	return p
}

// arrived counts what came, by the id of its notice.
func (p *post) arrived() map[string]int {
	all := make(map[string]int)
	for _, m := range p.mail.Came() {
		id, _, _ := strings.Cut(strings.Trim(m.Header.Get("Message-ID"), "<>"), "@")
		all[id]++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, n := range p.called {
		all[id] += n
	}
	return all
}

// begin writes down who is about to deliver a notice.
func (p *program) begin(n offprint.Notice) error {
	return appendLine(p.begun(), delivery{p.Name, n.ID, n.Run.ID, string(n.Event), n.Address, time.Now()}, true)
}

// A mailer is what sends mail in earnest, and writes down when it begins.
type mailer struct {
	*notify.Mail
	p *program
}

func (m *mailer) Notify(ctx context.Context, n offprint.Notice) error {
	if err := m.p.begin(n); err != nil {
		return err
	}
	return m.Mail.Notify(ctx, n)
}

// A poster is the same for webhooks.
type poster struct {
	*notify.Webhooks
	p *program
}

func (h *poster) Post(ctx context.Context, address string, anywhere bool, secrets [][]byte, n offprint.Notice) (int, error) {
	if err := h.p.begin(n); err != nil {
		return 0, err
	}
	return h.Webhooks.Post(ctx, address, anywhere, secrets, n)
}
