package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint/internal/pgtest"
)

// BenchmarkAccept is how fast askings are stored: bursts of 100 that wait for
// each other, and 100 askers who never rest.
func BenchmarkAccept(b *testing.B) {
	for _, name := range []string{"sqlite", "postgres"} {
		url := "sqlite:" + filepath.Join(b.TempDir(), "ledger.db")
		if name == "postgres" {
			url = pgtest.URL(b)
		}
		l, err := Open(b.Context(), url, Options{Queued: 1 << 30})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/burst", func(b *testing.B) {
			var took []time.Duration
			for i := range b.N {
				start := time.Now()
				acceptTogether(b, l, 100, 1, fmt.Sprint(b.N, i))
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "ms/p95")
		})
		b.Run(name+"/sustained", func(b *testing.B) {
			start := time.Now()
			acceptTogether(b, l, 100, b.N/100+1, fmt.Sprint(b.N))
			b.ReportMetric(float64((b.N/100+1)*100)/time.Since(start).Seconds(), "accepted/s")
		})
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNextPlace is how long a place of a source is empty between the end
// of one run and the start of the next.
func BenchmarkNextPlace(b *testing.B) {
	for _, name := range []string{"sqlite", "postgres"} {
		url := "sqlite:" + filepath.Join(b.TempDir(), "ledger.db")
		if name == "postgres" {
			url = pgtest.URL(b)
		}
		b.Run(name, func(b *testing.B) {
			l, err := Open(b.Context(), url, Options{MaxRuns: map[string]int{"shop": 1}})
			if err != nil {
				b.Fatal(err)
			}
			var empty []time.Duration
			var ended time.Time
			made := make(chan struct{}, b.N)
			ctx, cancel := context.WithCancel(b.Context())
			worked := make(chan error, 1)
			acceptTogether(b, l, b.N, 1, fmt.Sprint(b.N))
			go func() {
				worked <- l.Work(ctx, Workers{Slots: 4, Make: func(_ context.Context, j *Job) (Made, error) { // one at a time
					if !ended.IsZero() {
						empty = append(empty, time.Since(ended))
					}
					time.Sleep(20 * time.Millisecond)
					ended = time.Now()
					made <- struct{}{}
					return csvOf(j), nil
				}})
			}()
			for range b.N {
				<-made
			}
			cancel()
			if err := errors.Join(<-worked, l.Close()); err != nil {
				b.Fatal(err)
			}
			if slices.Sort(empty); len(empty) > 0 {
				b.ReportMetric(float64(empty[len(empty)/2].Microseconds())/1000, "ms/median")
				b.ReportMetric(float64(empty[len(empty)*95/100].Microseconds())/1000, "ms/p95")
			}
		})
	}
}

func acceptTogether(b *testing.B, l *Ledger, askers, each int, key string) {
	var all sync.WaitGroup
	for i := range askers {
		all.Go(func() {
			for n := range each {
				a := keyed(fmt.Sprint(key, " ", i, " ", n), "")
				a.Run.Who.User = fmt.Sprint("user", i)
				if _, err := l.Accept(b.Context(), a); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}
