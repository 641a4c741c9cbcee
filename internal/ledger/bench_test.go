package ledger

import (
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
