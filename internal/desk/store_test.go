package desk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/pgtest"
	"github.com/offprint/offprint/internal/s3test"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	s3test.Stop()
	os.Exit(code)
}

// on opens the store at an address.
func on(t *testing.T, bucket s3test.Bucket) *blob.Store {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", s3test.Key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", s3test.Secret)
	open, err := blob.Parse(bucket.URL("files"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// large is a source of 20 rows of 1 MiB before halfway, and as many after it.
func large(halfway func(context.Context) error) offprint.SourceFunc {
	return func(ctx context.Context, _ offprint.Request) (*offprint.Document, error) {
		row := offprint.Row{offprint.TextValue(strings.Repeat("x", 1<<20))}
		return offprint.Single(&offprint.Table{
			Name: "large", Title: "Large", Columns: []offprint.Column{{Name: "x", Title: "X", Kind: offprint.Text}},
			Rows: func(yield func(offprint.Row, error) bool) {
				for n := range 40 {
					if n == 20 {
						if err := halfway(ctx); err != nil {
							yield(nil, err)
							return
						}
					}
					if !yield(row, nil) {
						return
					}
				}
			},
		}), nil
	}
}

// An upload that has been going on for a day is swept again and again, and
// nobody minds; what is left of dead epochs goes meanwhile.
func TestALiveUploadSurvivesTheSweep(t *testing.T) {
	bucket := s3test.Make(t)
	s := on(t, bucket)
	l, err := ledger.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	later := func() time.Time { return time.Now().Add(25 * time.Hour) }
	var d *desk.Desk
	var inside error
	source := large(func(ctx context.Context) error {
		inside = func() error {
			var dead string
			for b, err := range s.List(ctx, "") {
				if err != nil || !b.Partial {
					return fmt.Errorf("in the middle there is %+v, %w", b, err)
				}
				dead = strings.Split(b.Key, "/")[0] + "/0/large.csv"
			}
			return errors.Join(leave(s, dead), sweepTwice(ctx, d), empty(ctx, s, strings.Split(dead, "/")[0]+"/0/"))
		}()
		return inside
	})
	report := &offprint.Report{Name: "large", Version: "1", Source: source}
	d = desk.New(desk.Config{Catalog: catalog{report}, Ledger: l, Formats: []offprint.Format{csv.Format}, Blobs: s, Now: later, Retention: 100 * time.Hour})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Work(ctx, 1) }()
	run := until(t, d, ann, submit(t, d, ann, desk.Ask{Report: "large"}).ID, final)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if run.State != offprint.Succeeded || run.File.Bytes < 40<<20 || inside != nil {
		t.Fatalf("ended as %s, %+v: %v", run.State, run.Problem, inside)
	}
	if err := errors.Join(sweepTwice(t.Context(), d)); err != nil {
		t.Error(err)
	}
	for b, err := range s.List(t.Context(), "") {
		if err != nil || b.Partial || b.Key != run.File.Key || b.Bytes != run.File.Bytes {
			t.Errorf("in the end there is %+v, %v", b, err)
		}
	}
	if parts, err := bucket.Parts(); err != nil || len(parts) > 0 {
		t.Errorf("on the server are left %v, %v", parts, err)
	}
}

func sweepTwice(ctx context.Context, d *desk.Desk) error {
	return errors.Join(d.Sweep(ctx, true), d.Sweep(ctx, true))
}

func empty(ctx context.Context, s *blob.Store, prefix string) error {
	for b, err := range s.List(ctx, prefix) {
		return fmt.Errorf("still there: %+v, %w", b, err)
	}
	return nil
}

// leave leaves a whole file as of a dead epoch.
func leave(s *blob.Store, key string) error {
	return s.Put(context.Background(), key, func(w io.Writer) error {
		_, err := io.WriteString(w, "of a zombie")
		return err
	})
}

// A zombie uploads on while the sweep goes over it, and comes back after it.
func TestAZombiesUploadIsSweptAgainAndAgain(t *testing.T) {
	bucket := s3test.Make(t)
	s := on(t, bucket)
	d := openDesk(t, s)
	run := submit(t, d, ann, desk.Ask{})
	key := run.ID + "/0/large.csv" // an epoch before its first
	err := s.Put(t.Context(), key, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 20<<20)); err != nil {
			return err
		}
		if parts, err := bucket.Parts(); err != nil || len(parts) == 0 {
			t.Errorf("there is nothing to sweep: %v, %v", parts, err)
		}
		if err := d.Sweep(t.Context(), true); err != nil {
			t.Error(err)
		}
		if parts, err := bucket.Parts(); err != nil || len(parts) > 0 {
			t.Errorf("swept, and there are parts: %v, %v", parts, err)
		}
		return nil
	})
	if offprint.CodeOf(err) != offprint.StorageUnavailable {
		t.Errorf("the zombie ends with %v", err)
	}
	for range 2 {
		if err := leave(s, key); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Sweep(t.Context(), true), empty(t.Context(), s, "")); err != nil {
			t.Error(err)
		}
	}
}

func TestUnknownFilesGoOnlyWhenSomebodySaysSo(t *testing.T) {
	s := on(t, s3test.Make(t))
	d := openDesk(t, s)
	if err := s.Claim(t.Context(), "ours"); err != nil {
		t.Fatal(err)
	}
	const unknown, foreign = "run_unknown/1/orders.csv", "photos/1/cat.jpg"
	for _, key := range []string{unknown, foreign} {
		if err := leave(s, key); err != nil {
			t.Fatal(err)
		}
	}
	scan := func(all bool) (told string) {
		t.Helper()
		err := d.Scan(t.Context(), all, func(b offprint.Blob) error { told += b.Key + " "; return nil })
		if err != nil {
			t.Error(err)
		}
		return told
	}
	if err := d.Sweep(t.Context(), true); err != nil {
		t.Error(err)
	}
	for _, all := range []bool{false, true} {
		if got, want := scan(all), foreign+" "+unknown+" "; got != want {
			t.Errorf("told of %s, want %s", got, want)
		}
	}
	if got := scan(false); got != foreign+" " {
		t.Errorf("in the end there is %s", got)
	}
	if err := s.Owned(t.Context(), "ours"); err != nil {
		t.Errorf("the mark is swept away: %v", err)
	}
}
