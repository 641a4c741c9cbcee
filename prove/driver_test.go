package prove

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/offprint/offprint"
)

// An asked is a run that the driver asked for, and what must become of it.
type asked struct {
	id       string
	report   string
	rows     int
	factor   int
	pause    float64
	notify   []string
	canceled bool // was asked to be

	state   offprint.State
	outcome offprint.Outcome
	code    offprint.Code // of a failure
	content string        // of the file
}

// addresses are those that may be told of a run.
var addresses = []string{"test:ann", "test:bob", "mailto:cat@prove.example", "webhook:sink"}

// wish chooses the next run to ask for.
func wish(r *rand.Rand) *asked {
	a := &asked{report: "short", rows: 1 + r.IntN(12), factor: r.IntN(1000), state: offprint.Succeeded, outcome: offprint.Complete}
	switch n := r.IntN(100); {
	case n < 42:
	case n < 47:
		a.rows, a.outcome = 0, offprint.Empty
	case n < 62: // long
		a.rows, a.pause = 10+r.IntN(30), 0.05
	case n < 74:
		a.report, a.pause = "narrow", 0.02
	case n < 80:
		a.report, a.rows, a.outcome = "limited", 8+r.IntN(10), offprint.Truncated
	case n < 88:
		a.report, a.rows, a.state, a.outcome, a.code = "divides", 5+r.IntN(5), offprint.Failed, "", offprint.BadQuery
	case n < 91:
		a.report, a.state, a.outcome, a.code = "broken", offprint.Failed, "", offprint.Internal
	default:
		a.rows, a.pause, a.canceled = 10+r.IntN(60), 0.05, true
	}
	if a.state == offprint.Succeeded {
		a.content = content(min(a.rows, a.most()), a.factor)
	}
	for _, address := range addresses {
		if r.IntN(3) == 0 {
			a.notify = append(a.notify, address)
		}
	}
	return a
}

// due are the addresses that are told once it has come to that end. Nobody is
// mailed that they canceled.
func (a *asked) due(end offprint.State) (due []string) {
	for _, address := range a.notify {
		if end != offprint.Canceled || !strings.HasPrefix(address, "mailto:") {
			due = append(due, address)
		}
	}
	return due
}

func (a *asked) most() int {
	if a.report == "limited" {
		return 7
	}
	return a.rows
}

// A driver asks for runs, each under a key of its own, so that it may ask
// again for as long as it has no answer.
type driver struct {
	w      *world
	client http.Client
	every  time.Duration // one asking
	full   func() bool   // there are enough runs that have not ended; nil: never

	mu      sync.Mutex
	all     []*asked
	repeats int // askings that were sent again
	refused []string
}

func newDriver(w *world) *driver {
	return &driver{w: w, client: http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
}

// ask asks for so many runs, eight at a time, or until it is over, and waits
// until all are accepted and those that are to be canceled are.
func (d *driver) ask(ctx context.Context, r *rand.Rand, n int, over <-chan struct{}) {
	type order struct {
		*asked
		chance *rand.Rand
	}
	orders := make(chan order)
	var askers sync.WaitGroup
	for range 8 {
		askers.Go(func() {
			for o := range orders {
				if d.accepted(ctx, o.chance, o.asked) && o.canceled {
					askers.Go(func() { d.cancel(ctx, o.chance, o.asked) })
				}
			}
		})
	}
	for n > 0 {
		select {
		case <-over:
			n = 0
		case <-time.After(d.every):
			if d.full == nil || !d.full() {
				orders <- order{wish(r), branch(r)}
				n--
			}
		}
	}
	close(orders)
	askers.Wait()
}

// accepted asks until there is an answer.
func (d *driver) accepted(ctx context.Context, r *rand.Rand, a *asked) bool {
	body := map[string]any{"report": a.report, "notify": a.notify}
	if a.report != "broken" {
		body["parameters"] = map[string]any{"rows": a.rows, "factor": a.factor, "pause": fmt.Sprint(a.pause)}
	}
	key := fmt.Sprintf("key-%016x", r.Uint64())
	for tries := 0; ctx.Err() == nil; tries++ {
		var run struct{ ID string }
		code, err := d.call(ctx, r, "/v1/runs", key, body, &run)
		d.mu.Lock()
		if tries == 1 {
			d.repeats++
		}
		switch {
		case err == nil && code < 300:
			a.id = run.ID
			d.all = append(d.all, a)
			d.mu.Unlock()
			return true
		case err == nil && code < 500:
			d.refused = append(d.refused, fmt.Sprintf("%d to %v", code, body))
			d.mu.Unlock()
			return false
		}
		d.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
	return false
}

func (d *driver) cancel(ctx context.Context, r *rand.Rand, a *asked) {
	time.Sleep(part(r, 0, 2500*time.Millisecond))
	for ctx.Err() == nil {
		code, err := d.call(ctx, r, "/v1/runs/"+a.id+"/cancel", "", nil, nil)
		if err == nil && code < 500 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// call posts to one of the servers.
func (d *driver) call(ctx context.Context, r *rand.Rand, path, key string, body, into any) (code int, err error) {
	urls := d.w.urls()
	if len(urls) == 0 {
		return 0, errEnded
	}
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, urls[r.IntN(len(urls))]+path, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if into != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(answer, into)
	}
	return resp.StatusCode, err
}
