package prove

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/notify"
	"github.com/offprint/offprint/internal/web"
	"github.com/offprint/offprint/server"
	"github.com/offprint/offprint/source"
)

// asProgram is the variable that makes this binary a process of the proof.
const asProgram = "PROVE_AS_PROGRAM"

// A program is what a process of the proof is told. Most are put together from
// the same rooms as the server, with a hook at each commit, a store that fails
// and a notifier that writes down what it sends; a plain one is the server as
// it is.
type program struct {
	Name     string // of this process and no other
	Plain    bool
	Serve    bool
	Slots    int
	Drain    time.Duration
	Lease    time.Duration // 0: the ledger's default, as below
	Reap     time.Duration
	Database string
	Shop     string // the source's address
	Dir      string // what the processes of a world share
	Mail     string // the mail server
	Hook     string // where the webhook is called
	Moody    bool   // its notifier fails now and then
	Fail     []failpoint
}

func (p *program) store() string   { return p.Dir + "/files" }
func (p *program) mode() string    { return p.Dir + "/store-mode" }
func (p *program) notices() string { return p.Dir + "/notices" }
func (p *program) begun() string   { return p.Dir + "/begun" }
func (p *program) hits() string    { return p.Dir + "/hits" }

// runProgram is main of such a process.
func runProgram(text string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var p program
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = p.run(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "ended:", err)
		return 1
	}
	return 0
}

func (p *program) run(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if p.Plain {
		return p.plain(ctx, log)
	}
	h, err := newHooks(p)
	if err != nil {
		return err
	}
	l, err := ledger.Open(ctx, h.database, ledger.Options{
		Exclusive: true, Log: log, Lease: p.Lease, Beat: p.Lease / 3, Reap: p.Reap, Backoff: backoff, Fail: h.at, MaxRuns: map[string]int{"narrow": 2},
	})
	if err != nil {
		return err
	}
	d, err := newDesk(p, l, h, log)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(runtime.NumCPU() + p.Slots)
	if p.Serve {
		if err := serve(ctx, d, log); err != nil {
			return err
		}
	} else {
		fmt.Println("ready")
	}
	return errors.Join(d.Work(ctx, p.Slots), l.Close())
}

// backoff keeps the pauses between tries so short that a proof ends.
func backoff(tries int) time.Duration {
	return min(time.Duration(tries)*500*time.Millisecond, 3*time.Second)
}

func (p *program) plain(ctx context.Context, log *slog.Logger) error {
	c := server.Config{
		Database: p.Database, Files: "dir:" + p.store(), ReportFiles: reportFiles, Workers: p.Slots, Log: log, Drain: p.Drain,
		Sources: map[string]server.SourceConfig{"shop": {URL: p.Shop}, "narrow": {URL: p.Shop, MaxRuns: 2}},
		Limits:  server.Limits{QueuedPerUser: -1},
		Ready:   func(url string) { fmt.Println("ready", url) },
	}
	if p.Serve {
		c.Listen = "127.0.0.1:0"
	}
	s, err := server.New(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(s.Run(ctx), s.Close())
}

// newDesk is the desk of a process, and with nil hooks that of the judge.
func newDesk(p *program, l *ledger.Ledger, h *hooks, log *slog.Logger) (*desk.Desk, error) {
	sources := map[string]*source.Database{}
	for _, name := range []string{"shop", "narrow"} {
		db, err := source.Open(source.Config{Name: name, URL: p.Shop, MaxConnections: 8})
		if err != nil {
			return nil, err
		}
		sources[name] = db
	}
	folder, problems := source.OpenFS("reports", reportFiles, sources, broken())
	if len(problems) > 0 {
		return nil, problems
	}
	dir, err := blob.OpenDir(p.store())
	if err != nil {
		return nil, err
	}
	mail, err := notify.NewMail(notify.MailConfig{URL: p.Mail, From: "reports@prove.example", Allow: []string{"*@prove.example"}, Links: true, Now: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	hooks, err := notify.NewWebhooks(notify.WebhookConfig{})
	if err != nil {
		return nil, err
	}
	return desk.New(desk.Config{
		Catalog: folder, Formats: []offprint.Format{csv.Format}, Ledger: l, Blobs: &store{&blob.Store{Blobs: dir}, h, p.mode()}, MaxAttempts: 3, Drain: p.Drain, Log: log,
		Base:      "https://prove.example",
		Notifiers: map[string]offprint.Notifier{"test": &notifier{h, p}, "mailto": &mailer{mail, p}},
		Webhooks:  desk.WebhookRules{Poster: &poster{hooks, p}, Named: map[string]desk.NamedWebhook{"sink": {URL: p.Hook, Secret: make([]byte, 32)}}},
	}), nil
}

func serve(ctx context.Context, d *desk.Desk, log *slog.Logger) error {
	who, err := identity.New(identity.Config{})
	if err != nil {
		return err
	}
	site, err := web.New(web.Config{Desk: d, Identity: who, Log: log})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http.Server{Handler: site, ReadHeaderTimeout: 10 * time.Second}
	go func() { // until the process ends
		if err := web.Serve(listener); err != nil {
			log.Error("serve", "err", err)
		}
	}()
	fmt.Println("ready http://" + listener.Addr().String())
	return nil
}
