package desk_test

import (
	"context"
	"io"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
)

// A making that stands still is given up and done again, whether or not it
// hears of it, and the words say who stood still.
func TestAMakingThatStandsStillIsGivenUp(t *testing.T) {
	const stall = 500 * time.Millisecond
	s := &standing{deaf: map[string]bool{}}
	tests := []struct {
		report string // and the place where it stands still
		deaf   bool   // its context's end changes nothing
		code   offprint.Code
		title  string
	}{
		{"rows", false, offprint.SourceUnavailable, "The rows database stopped answering"},
		{"rows-deaf", true, offprint.SourceUnavailable, "The rows-deaf database stopped answering"},
		{"first-row-deaf", true, offprint.SourceUnavailable, "The first-row-deaf database did not answer"},
		{"store-before", true, offprint.StorageUnavailable, "The file store stopped answering"},
		{"store-writes", true, offprint.StorageUnavailable, "The file store stopped answering"},
		{"store-after", true, offprint.StorageUnavailable, "The file store stopped answering"},
	}
	var reports catalog
	for _, tt := range tests {
		s.deaf[tt.report] = tt.deaf
		report := numbers(counter{rows: 20000, at: func(ctx context.Context, row int) error {
			if strings.HasPrefix(tt.report, "first-row") && row == 0 || strings.HasPrefix(tt.report, "rows") && row == 10000 {
				return s.stand(ctx, tt.report)
			}
			return nil
		}})
		report.Name, report.Reads = tt.report, tt.report
		reports = append(reports, report)
	}
	onBoth(t, desk.Config{Catalog: reports, Blobs: s, Stall: stall, FirstRow: 2 * stall}, func(t *testing.T, d *desk.Desk) {
		s.again()
		defer close(s.let) // those who are deaf go home
		ids := map[string]string{}
		for _, tt := range tests {
			ids[tt.report] = submit(t, d, ann, desk.Ask{Report: tt.report}).ID
		}
		for _, tt := range tests {
			run := until(t, d, ann, ids[tt.report], func(r offprint.Run) bool { return r.Problem != nil || r.State.Final() })
			if run.State != offprint.Queued || run.Problem == nil || run.Problem.Code != tt.code || run.Problem.Title != tt.title || run.Failures+run.Losses > 0 {
				t.Errorf("%s: it is %s with %v, %d failures, %d losses", tt.report, run.State, run.Problem, run.Failures, run.Losses)
			}
			if run.Problem != nil && !strings.Contains(run.Problem.Detail, "Your request is kept") {
				t.Errorf("%s: the asker reads %q", tt.report, run.Problem.Detail)
			}
		}
		for _, tt := range tests {
			run := until(t, d, ann, ids[tt.report], final)
			if run.State != offprint.Succeeded || run.File.Rows != 20000 || run.Attempt() != 2 {
				t.Errorf("%s: in the end it is %s after attempt %d: %v", tt.report, run.State, run.Attempt(), run.Problem)
			}
		}
	})
}

// Slow is not still: rows that come one by one, each in time, are waited for,
// and so is a first row that is late.
func TestASlowSourceIsNotGivenUp(t *testing.T) {
	const stall = 400 * time.Millisecond
	source := counter{rows: 200, at: func(_ context.Context, row int) error {
		switch {
		case row == 0:
			time.Sleep(2 * stall) // the first row has a time-out of its own
		case row >= 190: // after fast ones, of which not every one is told
			time.Sleep(stall / 4)
		}
		return nil
	}}
	onBoth(t, desk.Config{Catalog: catalog{numbers(source)}, Stall: stall}, func(t *testing.T, d *desk.Desk) {
		run := submit(t, d, ann, desk.Ask{})
		run = until(t, d, ann, run.ID, func(r offprint.Run) bool { return r.Problem != nil || r.State.Final() })
		if run.State != offprint.Succeeded || run.Attempt() != 1 {
			t.Errorf("it is %s after attempt %d: %v", run.State, run.Attempt(), run.Problem)
		}
	})
}

// standing is a store that stands still, and lets others stand still, once for
// each report.
type standing struct {
	blob.Mem
	deaf map[string]bool

	mu    sync.Mutex
	let   chan struct{}
	stood map[string]bool
}

func (s *standing) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.let, s.stood = make(chan struct{}), map[string]bool{}
}

func (s *standing) stand(ctx context.Context, report string) error {
	s.mu.Lock()
	stood, let := s.stood[report], s.let
	s.stood[report] = true
	s.mu.Unlock()
	switch {
	case stood:
		return nil
	case s.deaf[report]:
		<-let
		return nil
	}
	<-ctx.Done()
	return ctx.Err() // and not its cause, of which whoever writes a source may know nothing
}

func (s *standing) Put(ctx context.Context, key string, write func(io.Writer) error) error {
	report := strings.TrimSuffix(path.Base(key), ".csv")
	at := func(place string) error {
		if place != report {
			return nil
		}
		return s.stand(ctx, report)
	}
	if err := at("store-before"); err != nil {
		return err
	}
	err := s.Mem.Put(ctx, key, func(out io.Writer) error {
		return write(writerFunc(func(b []byte) (int, error) {
			if err := at("store-writes"); err != nil {
				return 0, err
			}
			return out.Write(b)
		}))
	})
	if err != nil {
		return err
	}
	return at("store-after")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
