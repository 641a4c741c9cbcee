package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/pgtest"
)

// A counter answers with numbers, and does at a row what a test wants done.
type counter struct {
	rows int
	at   func(ctx context.Context, row int) error
}

func (c counter) Open(ctx context.Context, _ offprint.Request) (*offprint.Document, error) {
	return offprint.Single(&offprint.Table{
		Name: "numbers", Title: "Numbers", Columns: []offprint.Column{{Name: "n", Title: "N", Kind: offprint.Int}}, RowsEstimated: int64(c.rows),
		Rows: func(yield func(offprint.Row, error) bool) {
			for n := range c.rows {
				if c.at != nil {
					if err := c.at(ctx, n); err != nil {
						yield(nil, err)
						return
					}
				}
				if !yield(offprint.Row{offprint.IntValue(int64(n))}, nil) {
					return
				}
			}
		},
	}), nil
}

// A catalog of reports made in Go.
type catalog []*offprint.Report

func (c catalog) Reports() []*offprint.Report { return c }

func (c catalog) Report(name string) (*offprint.Report, bool) {
	for _, r := range c {
		if r.Name == name {
			return r, true
		}
	}
	return nil, false
}

func (c catalog) Compile(name, version, _ string) (*offprint.Report, error) {
	if r, ok := c.Report(name); ok && r.Version == version {
		return r, nil
	}
	return nil, offprint.ErrUnknownVersion
}

func numbers(source offprint.Source) *offprint.Report {
	return &offprint.Report{Name: "numbers", Version: "1", Source: source, Parameters: []offprint.Parameter{
		{Name: "day", Type: offprint.DateParam, Default: "today"},
	}}
}

var (
	ann = offprint.Identity{User: "ann", Tenant: "acme"}
	ben = offprint.Identity{User: "ben", Tenant: "acme"}
	cat = offprint.Identity{User: "ann", Tenant: "other"}
)

// onBoth runs a story on SQLite and on PostgreSQL, with a checked ledger at
// its end.
func onBoth(t *testing.T, c desk.Config, story func(t *testing.T, d *desk.Desk)) {
	t.Helper()
	onBothAfter(t, nil, c, story)
}

// onBothAfter is onBoth with a pause of one's own after a try that failed.
func onBothAfter(t *testing.T, backoff func(int) time.Duration, c desk.Config, story func(t *testing.T, d *desk.Desk)) {
	t.Helper()
	for name, url := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "ledger.db") },
		"postgres": func(t *testing.T) string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			at := url(t) // before the goroutines are counted: it may start a server for all tests
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			l, err := ledger.Open(t.Context(), at, ledger.Options{Exclusive: true, Lease: time.Second, Beat: 200 * time.Millisecond, Reap: 100 * time.Millisecond, Backoff: backoff})
			if err != nil {
				t.Fatal(err)
			}
			c.Ledger, c.Formats = l, []offprint.Format{csv.Format}
			if c.Blobs == nil {
				c.Blobs = new(blob.Mem)
			}
			d := desk.New(c)
			ctx, stop := context.WithCancel(t.Context())
			worked := make(chan error, 1)
			go func() { worked <- d.Work(ctx, 2) }()
			story(t, d)
			stop()
			if err := <-worked; err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("work: %v", err)
			}
			d.Close()
			if err := l.Check(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("the ledger is not in order: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func submit(t *testing.T, d *desk.Desk, who offprint.Identity, ask desk.Ask) offprint.Run {
	t.Helper()
	if ask.Report == "" {
		ask.Report = "numbers"
	}
	run, _, err := d.Submit(t.Context(), who, ask)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// until waits for the run to be as wanted.
func until(t *testing.T, d *desk.Desk, who offprint.Identity, id string, is func(offprint.Run) bool) offprint.Run {
	t.Helper()
	w := d.Watch(id)
	defer w.Close()
	deadline := time.After(15 * time.Second)
	for {
		run, err := d.Get(t.Context(), who, id)
		if err != nil {
			t.Fatal(err)
		}
		if is(run) {
			return run
		}
		select {
		case <-w.C:
			w.Take()
		case <-deadline:
			t.Fatalf("the run stays %+v", run)
		}
	}
}

func final(r offprint.Run) bool { return r.State.Final() }

func content(t *testing.T, d *desk.Desk, who offprint.Identity, id string) string {
	t.Helper()
	f, err := d.Fetch(t.Context(), who, id)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestARunEndsAsItsSourceDoes(t *testing.T) {
	boom := errors.New("a bug")
	lost := offprint.Errorf(offprint.BadQuery, "The query names a table that does not exist.")
	fail := func(err error) func(context.Context, int) error {
		return func(_ context.Context, row int) error {
			if row == 2 {
				return err
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name    string
		source  counter
		config  desk.Config
		state   offprint.State
		outcome offprint.Outcome
		code    offprint.Code
		want    string
	}{
		{"rows: the whole file", counter{rows: 3}, desk.Config{}, offprint.Succeeded, offprint.Complete, "", "N\r\n0\r\n1\r\n2\r\n"},
		{"no rows: said so", counter{}, desk.Config{}, offprint.Succeeded, offprint.Empty, "", "N\r\n"},
		{"more rows than may be: cut, and said so", counter{rows: 3}, desk.Config{MaxRows: 2}, offprint.Succeeded, offprint.Truncated, "", "N\r\n0\r\n1\r\n"},
		{"as many rows as may be: complete", counter{rows: 2}, desk.Config{MaxRows: 2}, offprint.Succeeded, offprint.Complete, "", "N\r\n0\r\n1\r\n"},
		{"too many bytes: no file", counter{rows: 1000000}, desk.Config{MaxBytes: 1 << 20}, offprint.Failed, "", offprint.TooLarge, ""},
		{"the source breaks midway: no file", counter{rows: 3, at: fail(lost)}, desk.Config{}, offprint.Failed, "", offprint.BadQuery, ""},
		{"a bug, once: tried again", counter{rows: 3, at: fail(boom)}, desk.Config{MaxAttempts: 1}, offprint.Failed, "", offprint.Internal, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Catalog = catalog{numbers(tt.source)}
			onBoth(t, tt.config, func(t *testing.T, d *desk.Desk) {
				run := submit(t, d, ann, desk.Ask{Format: "csv"})
				run = until(t, d, ann, run.ID, final)
				if run.State != tt.state || run.Outcome != tt.outcome {
					t.Fatalf("ended %s %s: %v", run.State, run.Outcome, run.Problem)
				}
				if tt.code != "" {
					if run.Problem == nil || run.Problem.Code != tt.code || run.File != nil {
						t.Errorf("problem %v, file %v; want %s and none", run.Problem, run.File, tt.code)
					}
					if strings.Contains(run.Problem.Detail, "bug") {
						t.Errorf("a stranger is told of our bug: %s", run.Problem.Detail)
					}
					return
				}
				if got := content(t, d, ann, run.ID); got != tt.want {
					t.Errorf("file %q, want %q", got, tt.want)
				}
				if (tt.outcome == offprint.Truncated) != (len(run.Warnings) > 0) {
					t.Errorf("warnings: %v", run.Warnings)
				}
			})
		})
	}
}

func TestWhatIsNotTheirsDoesNotExist(t *testing.T) {
	sales := numbers(counter{rows: 1})
	sales.Name, sales.Allow = "sales", offprint.Allow{Roles: []string{"sales"}}
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{rows: 1}), sales}}, func(t *testing.T, d *desk.Desk) {
		run := submit(t, d, ann, desk.Ask{})
		until(t, d, ann, run.ID, final)
		pass, err := d.Pass(t.Context(), ann, run.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, stranger := range []offprint.Identity{ben, cat, {}} {
			do := map[string]func() error{
				"get":      func() error { _, err := d.Get(t.Context(), stranger, run.ID); return err },
				"cancel":   func() error { _, err := d.Cancel(t.Context(), stranger, run.ID); return err },
				"fetch":    func() error { _, err := d.Fetch(t.Context(), stranger, run.ID); return err },
				"pass":     func() error { _, err := d.Pass(t.Context(), stranger, run.ID); return err },
				"amend":    func() error { _, err := d.Amend(t.Context(), stranger, run.ID, desk.Amendment{}); return err },
				"rerun":    func() error { _, _, err := d.Rerun(t.Context(), stranger, run.ID, desk.Ask{}); return err },
				"delete":   func() error { return d.DeleteFile(t.Context(), stranger, run.ID) },
				"erase":    func() error { return d.Erase(t.Context(), stranger, run.ID) },
				"notices":  func() error { _, err := d.Notices(t.Context(), stranger, run.ID); return err },
				"download": func() error { _, err := d.Downloads(t.Context(), stranger, run.ID); return err },
				"report":   func() error { _, err := d.Report(stranger, "sales"); return err },
				"submit":   func() error { _, _, err := d.Submit(t.Context(), stranger, desk.Ask{Report: "sales"}); return err },
			}
			for what, f := range do {
				if err := f(); offprint.CodeOf(err) != offprint.NotFound {
					t.Errorf("%s/%s could %s: %v", stranger.Tenant, stranger.User, what, err)
				}
			}
			if runs, _, err := d.List(t.Context(), stranger, desk.Filter{}); err != nil && stranger.User != "" || len(runs) > 0 {
				t.Errorf("%s lists %v, %v", stranger.User, runs, err)
			}
		}
		if who, err := d.Redeem(t.Context(), run.ID, pass); err != nil || who.User != "ann" || who.Tenant != "acme" {
			t.Errorf("redeemed as %+v, %v", who, err)
		}
		for _, forged := range []string{"", "x.y", pass + "A", "A" + pass} {
			if _, err := d.Redeem(t.Context(), run.ID, forged); offprint.CodeOf(err) != offprint.Unauthenticated {
				t.Errorf("the pass %q was taken: %v", forged, err)
			}
		}
		if _, err := d.Redeem(t.Context(), "run_other", pass); offprint.CodeOf(err) != offprint.Unauthenticated {
			t.Errorf("a pass for one run opened another: %v", err)
		}
	})
}

func TestTheSameAskingTwiceIsOneRun(t *testing.T) {
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{rows: 1})}}, func(t *testing.T, d *desk.Desk) {
		ask := desk.Ask{Report: "numbers", Idempotency: desk.Idempotency{Key: "k1", Route: "POST /v1/runs", Fingerprint: "f1"}}
		first := submit(t, d, ann, ask)
		again, replayed, err := d.Submit(t.Context(), ann, ask)
		if err != nil || !replayed || again.ID != first.ID {
			t.Errorf("asked again: %s, replayed %v, %v; want %s", again.ID, replayed, err, first.ID)
		}
		ask.Fingerprint = "f2"
		if _, _, err := d.Submit(t.Context(), ann, ask); offprint.CodeOf(err) != offprint.KeyReused {
			t.Errorf("another body: %v, want key_reused", err)
		}
		if other := submit(t, d, ben, ask); other.ID == first.ID {
			t.Error("two people's keys are one")
		}
		ask.Report, ask.Fingerprint = "gone", "f1"
		if again, _, err := d.Submit(t.Context(), ann, ask); err != nil || again.ID != first.ID {
			t.Errorf("what was accepted once stays accepted, also when the report is gone: %v", err)
		}
	})
}

func TestCancelStopsTheSourceAndLeavesNoFile(t *testing.T) {
	begun, stopped := make(chan struct{}, 2), make(chan error, 2)
	source := counter{rows: 1, at: func(ctx context.Context, _ int) error {
		begun <- struct{}{}
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return ctx.Err()
	}}
	onBoth(t, desk.Config{Catalog: catalog{numbers(source)}}, func(t *testing.T, d *desk.Desk) {
		run := submit(t, d, ann, desk.Ask{})
		<-begun
		for range 2 { // again, and it is the same
			got, err := d.Cancel(t.Context(), ann, run.ID)
			if err != nil || got.State != offprint.Canceled {
				t.Fatalf("cancel: %s, %v", got.State, err)
			}
		}
		select {
		case <-stopped:
		case <-time.After(2 * time.Second):
			t.Fatal("the source goes on")
		}
		if _, err := d.Fetch(t.Context(), ann, run.ID); offprint.CodeOf(err) != offprint.NoFile {
			t.Errorf("fetch: %v, want no_file", err)
		}
	})
}

func TestADownStoreIsTriedAgainAndCountsAsNoFailure(t *testing.T) {
	blobs := &flaky{}
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{rows: 1})}, Blobs: blobs}, func(t *testing.T, d *desk.Desk) {
		blobs.down.Store(true)
		run := submit(t, d, ann, desk.Ask{})
		run = until(t, d, ann, run.ID, func(r offprint.Run) bool { return !r.NextAttempt.IsZero() })
		if run.State != offprint.Queued || run.Problem == nil || run.Problem.Code != offprint.StorageUnavailable || run.RetryUntil.IsZero() {
			t.Errorf("with the store down it is %+v", run)
		}
		blobs.down.Store(false)
		run = until(t, d, ann, run.ID, final)
		if run.State != offprint.Succeeded || run.Failures != 0 || run.Attempt() < 2 {
			t.Errorf("with the store back it ended %s after attempt %d, %d failures: %v", run.State, run.Attempt(), run.Failures, run.Problem)
		}
	})
}

type flaky struct {
	blob.Mem
	down atomic.Bool
}

func (f *flaky) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	if f.down.Load() {
		return offprint.Errorf(offprint.StorageUnavailable, "The store did not answer.")
	}
	return f.Mem.Put(ctx, key, write)
}

func TestFilesExpireAndTheSweepClearsOnlyTheDead(t *testing.T) {
	var skew atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
	for name := range map[string]bool{"sqlite": true, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			skew.Store(0)
			url := "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")
			if name == "postgres" {
				url = pgtest.URL(t)
			}
			l, err := ledger.Open(t.Context(), url, ledger.Options{Exclusive: true, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			blobs := new(blob.Mem)
			d := desk.New(desk.Config{Catalog: catalog{numbers(counter{rows: 1})}, Formats: []offprint.Format{csv.Format}, Ledger: l, Blobs: blobs, Now: now, Retention: time.Hour})
			ctx, stop := context.WithCancel(t.Context())
			worked := make(chan error, 1)
			go func() { worked <- d.Work(ctx, 1) }()
			run := submit(t, d, ann, desk.Ask{})
			run = until(t, d, ann, run.ID, final)
			put := func(key string) {
				if err := blobs.Put(t.Context(), key, func(io.Writer) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			put(run.ID + "/0/left.csv")    // of an epoch that has passed
			put(run.ID + "/99/late.csv")   // of one that never was here: of the ledger that this one was restored from
			put("run_unknown/1/other.csv") // of a run that nobody knows
			sweep := func() string {
				if err := d.Sweep(t.Context(), true); err != nil {
					t.Fatal(err)
				}
				var keys []string
				for b := range blobs.List(t.Context(), "") {
					keys = append(keys, strings.Replace(b.Key, run.ID, "run", 1))
				}
				return strings.Join(keys, " ")
			}
			key := strings.Replace(run.File.Key, run.ID, "run", 1)
			if got := sweep(); !strings.Contains(got, key) || !strings.Contains(got, "run_unknown") || !strings.Contains(got, "/99/") || strings.Contains(got, "/0/") {
				t.Errorf("after the first sweep: %s", got)
			}
			skew.Store(int64(61 * time.Minute))
			if got := sweep(); !strings.Contains(got, key) {
				t.Errorf("the blob went with its expiry; downloads that are open need an hour: %s", got)
			}
			if _, err := d.Fetch(t.Context(), ann, run.ID); offprint.CodeOf(err) != offprint.Expired {
				t.Errorf("fetch after expiry: %v", err)
			}
			skew.Store(int64(3 * time.Hour))
			if got := sweep(); strings.Contains(got, key) {
				t.Errorf("two hours after its expiry the blob is still there: %s", got)
			}
			run, err = d.Get(t.Context(), ann, run.ID)
			if err != nil || run.File.State != offprint.Deleted {
				t.Errorf("file %+v, %v; want deleted", run.File, err)
			}
			if err := d.Erase(t.Context(), ann, run.ID); err != nil {
				t.Error(err)
			}
			if _, err := d.Get(t.Context(), ann, run.ID); offprint.CodeOf(err) != offprint.NotFound {
				t.Errorf("erased, and still there: %v", err)
			}
			stop()
			<-worked
			if err := l.Check(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRerunTakesTheResolvedParameters(t *testing.T) {
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{rows: 1})}}, func(t *testing.T, d *desk.Desk) {
		first := submit(t, d, ann, desk.Ask{Parameters: offprint.Sent{"day": json.RawMessage(`"yesterday"`)}, TimeZone: "Asia/Tokyo", Title: "Mine"})
		again, _, err := d.Rerun(t.Context(), ann, first.ID, desk.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprint(again.Params, again.Zone, again.Title), fmt.Sprint(first.Params, first.Zone, first.Title); got != want || again.ID == first.ID {
			t.Errorf("made again with %s, want %s", got, want)
		}
	})
}

func TestEverythingWrongWithAnAskingIsNamed(t *testing.T) {
	onBoth(t, desk.Config{Catalog: catalog{numbers(counter{})}}, func(t *testing.T, d *desk.Desk) {
		_, _, err := d.Submit(t.Context(), ann, desk.Ask{
			Report: "numbers", Format: "docx", TimeZone: "Mars/Olympus", Locale: "en_GB!", Title: "two\nlines", Retention: -1,
			Metadata: map[string]string{"": "x"}, Parameters: offprint.Sent{"day": json.RawMessage(`"soon"`)},
		})
		var e *offprint.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		var got []string
		for _, f := range e.Fields {
			got = append(got, f.Pointer)
		}
		if want := "#/format #/time_zone #/locale #/metadata #/title #/retention #/parameters/day"; strings.Join(got, " ") != want {
			t.Errorf("named: %v, want %s", got, want)
		}
		_, _, err = d.Submit(t.Context(), ann, desk.Ask{Report: "numbers", Notify: []string{"mailto:a@b.example"}})
		if offprint.CodeOf(err) != offprint.NotConfigured {
			t.Errorf("an address that nothing delivers to: %v", err)
		}
	})
}
