package desk_test

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/pgtest"
)

// TestARestoredLedgerGoesOnBesideNewerFiles copies a ledger that is in use, in
// the way of docs/operations.md, lets more happen, and goes on with the copy.
func TestARestoredLedgerGoesOnBesideNewerFiles(t *testing.T) {
	for name, on := range map[string]struct {
		fresh func(t *testing.T) (url string)
		copy  func(t *testing.T, url string) (copied string)
	}{
		"sqlite":   {func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "offprint.db") }, copySQLite},
		"postgres": {func(t *testing.T) string { return pgtest.URL(t) }, copyPostgres},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := blob.OpenDir(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			o := &premises{store: store, let: make(chan struct{}), post: &post{let: make(chan struct{}), told: map[string][]string{}}}
			url := on.fresh(t)
			d, stop := o.open(t, url)
			made := func(d *desk.Desk, ask desk.Ask) offprint.Run {
				return until(t, d, ann, submit(t, d, ann, ask).ID, final)
			}
			ready, deleted := made(d, desk.Ask{Notify: []string{"post:early"}}), made(d, desk.Ask{})
			o.post.until(t, "early", 1)
			five := []string{"post:1", "post:2", "post:3", "post:4", "post:5"} // of which four are on their way at a time
			made(d, desk.Ask{Notify: five})
			expired := made(d, desk.Ask{Retention: time.Millisecond})
			if err := d.Sweep(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			running, queued := submit(t, d, ann, desk.Ask{Report: "slow"}), submit(t, d, ann, desk.Ask{Report: "slow"})
			until(t, d, ann, running.ID, func(r offprint.Run) bool { return r.State == offprint.Running })
			copied := on.copy(t, url)

			// What the copy knows nothing of.
			close(o.let)
			close(o.post.let)
			for _, run := range []offprint.Run{running, queued} {
				until(t, d, ann, run.ID, final)
			}
			newer := made(d, desk.Ask{})
			if err := d.DeleteFile(t.Context(), ann, deleted.ID); err != nil {
				t.Fatal(err)
			}
			for _, address := range five {
				o.post.until(t, strings.TrimPrefix(address, "post:"), 1)
			}
			stop()

			d, stop = o.open(t, copied)
			defer stop()
			if r := until(t, d, ann, running.ID, final); r.State != offprint.Succeeded || r.Losses != 1 || content(t, d, ann, r.ID) != "N\r\n0\r\n1\r\n2\r\n" {
				t.Errorf("what was running: %+v", r)
			}
			if r := until(t, d, ann, queued.ID, final); r.State != offprint.Succeeded || r.Attempt() != 1 || content(t, d, ann, r.ID) != "N\r\n0\r\n1\r\n2\r\n" {
				t.Errorf("what was queued: %+v", r)
			}
			if got := content(t, d, ann, ready.ID); got != "N\r\n0\r\n1\r\n2\r\n" {
				t.Errorf("what was ready: %q", got)
			}
			if _, err := d.Fetch(t.Context(), ann, expired.ID); offprint.CodeOf(err) != offprint.Expired {
				t.Errorf("what had expired: %v", err)
			}
			o.knowsNothingOf(t, d, newer)
			o.knowsOf(t, d, deleted)
			for _, address := range five { // once by each ledger, and the same notice
				o.post.until(t, strings.TrimPrefix(address, "post:"), 2)
			}
			o.post.until(t, "early", 1)
		})
	}
}

// copySQLite is what the guide has one do.
func copySQLite(t *testing.T, url string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	command(t, "sqlite3", strings.TrimPrefix(url, "sqlite:"), "VACUUM INTO '"+copied+"'")
	return "sqlite:" + copied
}

func copyPostgres(t *testing.T, url string) string {
	t.Helper()
	dump, copied := filepath.Join(t.TempDir(), "ledger.dump"), pgtest.URL(t)
	command(t, "pg_dump", "--format=custom", "--schema=offprint", "--file="+dump, url)
	command(t, "pg_restore", "--exit-on-error", "--no-owner", "--dbname="+copied, dump)
	return copied
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Premises have one store for all desks that are opened there, and a slow report that waits to be let.
type premises struct {
	store *blob.Dir
	let   chan struct{}
	post  *post
}

func (o *premises) open(t *testing.T, url string) (d *desk.Desk, stop func()) {
	t.Helper()
	l, err := ledger.Open(t.Context(), url, ledger.Options{Exclusive: true, Lease: time.Second, Beat: 200 * time.Millisecond, Reap: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	slow := numbers(counter{rows: 3, at: func(ctx context.Context, _ int) error {
		select {
		case <-o.let:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}})
	slow.Name = "slow"
	d = desk.New(desk.Config{
		Catalog: catalog{numbers(counter{rows: 3}), slow}, Formats: []offprint.Format{csv.Format}, Ledger: l, Blobs: o.store,
		Notifiers: map[string]offprint.Notifier{"post": o.post},
	})
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() { worked <- d.Work(ctx, 1) }()
	return d, func() {
		cancel()
		if err := <-worked; err != nil {
			t.Errorf("work: %v", err)
		}
		d.Close()
		if err := l.Check(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("the ledger is not in order: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// knowsNothingOf is of a run whose file alone is left: a sweep tells of it, and
// lets it be.
func (o *premises) knowsNothingOf(t *testing.T, d *desk.Desk, run offprint.Run) {
	t.Helper()
	if _, err := d.Get(t.Context(), ann, run.ID); offprint.CodeOf(err) != offprint.NotFound {
		t.Errorf("a run that came after the copy: %v", err)
	}
	var log bytes.Buffer
	c := d.Config
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	sweeper := desk.New(c)
	defer sweeper.Close()
	if err := sweeper.Sweep(t.Context(), true); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "files of no run that the ledger knows; they are left alone, see offprint sweep\" files=1") {
		t.Errorf("the sweep says %q", log.String())
	}
	r, err := o.store.Open(t.Context(), run.File.Key, 0)
	if err != nil {
		t.Fatalf("the file of a run that the ledger does not know: %v", err)
	}
	r.Close()
}

// knowsOf is of a run whose file was deleted: the web says that it is gone.
func (o *premises) knowsOf(t *testing.T, d *desk.Desk, run offprint.Run) {
	t.Helper()
	f, err := d.Fetch(t.Context(), ann, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Open(t.Context(), 0); offprint.CodeOf(err) != offprint.NotFound {
		t.Errorf("a file that was deleted after the copy: %v", err)
	}
}

// A post delivers what is early at once, and all else once it is let.
type post struct {
	let chan struct{}

	mu   sync.Mutex
	told map[string][]string // the notices' ids by where they went
}

func (p *post) Admit(_ context.Context, _ offprint.Identity, address string) (offprint.Addressee, error) {
	return offprint.Addressee{Address: address, Events: offprint.Ends}, nil
}

func (p *post) Notify(ctx context.Context, n offprint.Notice) error {
	to := strings.TrimPrefix(n.Address, "post:")
	if to != "early" {
		select {
		case <-p.let:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told[to] = append(p.told[to], n.ID)
	return nil
}

// until waits until so many notices went there, all under one id.
func (p *post) until(t *testing.T, to string, times int) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		p.mu.Lock()
		ids := p.told[to]
		p.mu.Unlock()
		switch {
		case len(ids) > times || len(ids) == 2 && ids[0] != ids[1]:
			t.Fatalf("%s was told by %v, want %d times", to, ids, times)
		case len(ids) == times:
			return
		case time.Now().After(end):
			t.Fatalf("%s is told %d times, want %d", to, len(ids), times)
		}
	}
}
