package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/desk"
	"github.com/offprint/offprint/internal/format/csv"
	"github.com/offprint/offprint/internal/format/jsonl"
	"github.com/offprint/offprint/internal/identity"
	"github.com/offprint/offprint/internal/ledger"
	"github.com/offprint/offprint/internal/web"
)

// A world is a whole Offprint on a real SQLite ledger, without a process.
type world struct {
	t       *testing.T
	url     string // where it answers
	site    *web.Site
	desk    *desk.Desk
	catalog *catalog
	ledger  *ledger.Ledger
	blobs   *blob.Mem
	log     *safeBuffer
	work    context.CancelFunc
	revoked *sync.Map // API keys
	dir     string    // of the ledger
}

type wish struct {
	keys    map[string]offprint.Identity // API keys; nobody: no sign-in
	base    string
	origins []string
	proxies []netip.Prefix
	workers int // 0: two; -1: none
	ledger  ledger.Options
	hurry   web.Hurry
	revoked *sync.Map
	dev     func() []web.ReportProblem
	desk    func(*desk.Config)
	dir     string // of the ledger, where two worlds are two processes; empty: its own
}

func open(t *testing.T, w wish) *world {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	ctx := context.WithoutCancel(t.Context())
	log := new(safeBuffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if w.dir == "" {
		w.dir = t.TempDir()
	}
	l, err := ledger.Open(ctx, "sqlite:"+filepath.Join(w.dir, "offprint.db"), w.ledger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, l.Close()) })
	c := newCatalog()
	blobs := new(blob.Mem)
	config := desk.Config{Catalog: c, Formats: []offprint.Format{csv.Format, jsonl.Format}, Ledger: l, Blobs: blobs, Drain: time.Second, Now: w.ledger.Now, Log: logger}
	if w.desk != nil {
		w.desk(&config)
	}
	d := desk.New(config)
	w.revoked = new(sync.Map)
	site, server := serve(t, w, d, logger)
	work, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	if w.workers >= 0 {
		working.Go(func() {
			if err := d.Work(work, max(2, w.workers)); err != nil {
				t.Errorf("work: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		c.release()
		site.Close()
		server.Close()
		stop()
		working.Wait()
		d.Close()
	})
	return &world{t, server.URL, site, d, c, l, blobs, log, stop, w.revoked, w.dir}
}

func serve(t *testing.T, w wish, d *desk.Desk, log *slog.Logger) (*web.Site, *httptest.Server) {
	t.Helper()
	who, err := identity.New(identity.Config{Required: w.keys != nil, Keys: func(_ context.Context, hash []byte) (offprint.Identity, error) {
		for key, who := range w.keys {
			if _, revoked := w.revoked.Load(key); !revoked && bytes.Equal(identity.Hash(key), hash) {
				return who, nil
			}
		}
		return offprint.Identity{}, offprint.Errorf(offprint.NotFound, "No such key.")
	}})
	check(t, err)
	config := web.Config{Desk: d, Identity: who, Origins: w.origins, TrustedProxies: w.proxies, Version: "test", Dev: w.dev, Log: log}
	if w.base != "" {
		config.BaseURL, err = url.Parse(w.base)
		check(t, err)
	}
	site, err := web.NewHurried(config, w.hurry)
	check(t, err)
	return site, httptest.NewServer(site)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type safeBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

// A catalog of reports written in Go, for tests.
type catalog struct {
	reports map[string]*offprint.Report
	places  *places
	gate    chan struct{} // slow reports wait here
	once    sync.Once
}

func (c *catalog) release() { c.once.Do(func() { close(c.gate) }) }

func (c *catalog) Reports() []*offprint.Report {
	return slices.Collect(maps.Values(c.reports))
}

func (c *catalog) Report(name string) (*offprint.Report, bool) {
	if name == "panic" {
		panic("a mistake of ours")
	}
	r, ok := c.reports[name]
	return r, ok
}

func (c *catalog) Compile(name, version, _ string) (*offprint.Report, error) {
	if r, ok := c.reports[name]; ok && r.Version == version {
		return r, nil
	}
	return nil, offprint.ErrUnknownVersion
}

func newCatalog() *catalog {
	c := &catalog{places: new(places), gate: make(chan struct{})}
	region := offprint.Parameter{Name: "region", Type: offprint.TextParam, Label: offprint.Plain("Region"), Optional: true, Options: []offprint.Option{
		{Value: "EU", Label: offprint.Plain("Europe")}, {Value: "US", Label: offprint.Plain("America")},
	}}
	period := offprint.Parameter{Name: "period", Type: offprint.PeriodParam, Label: offprint.Plain("Period"), Default: "last_30_days"}
	count := offprint.Parameter{Name: "rows", Type: offprint.IntParam, Label: offprint.Plain("Rows"), Default: "100", Min: "0", Max: "1000000", Help: offprint.Plain("How many orders to make up.")}
	least := offprint.Parameter{Name: "least", Type: offprint.DecimalParam, Label: offprint.Plain("Least amount"), Optional: true}
	c.reports = map[string]*offprint.Report{
		"orders": {
			Name: "orders", Version: "1", Group: "Sales", Title: offprint.Words{"": "Orders", "de": "Bestellungen"},
			Description: offprint.Plain("Every order of a period, one line each."),
			Parameters:  []offprint.Parameter{period, region, count, least}, Source: offprint.SourceFunc(made),
		},
		"slow": {
			Name: "slow", Version: "1", Group: "Sales", Title: offprint.Plain("Slow orders"), Description: offprint.Plain("Takes its time."),
			Parameters: []offprint.Parameter{count}, Source: offprint.SourceFunc(c.slowly),
		},
		"broken": {
			Name: "broken", Version: "1", Group: "Finance", Title: offprint.Plain("Aging"), Description: offprint.Plain("Open items by age."),
			Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
				err := offprint.Errorf(offprint.SourceTimeout, "The shop database did not answer within 30 minutes. Ask for a shorter period, or try again later.")
				err.Title = "The shop database took too long"
				return nil, err.Because(fmt.Errorf("SELECT secret FROM hidden"))
			}),
		},
		"board": {
			Name: "board", Version: "1", Group: "Finance", Title: offprint.Plain("Board pack"), Description: offprint.Plain("For the board only."),
			Allow: offprint.Allow{Roles: []string{"board"}}, Source: offprint.SourceFunc(made),
		},
	}
	c.reports["places"] = c.places.report()
	return c
}

func made(_ context.Context, req offprint.Request) (*offprint.Document, error) {
	return offprint.Single(table(int(req.Params.Int("rows")), func(int) error { return nil })), nil
}

// slowly writes a tenth of its rows at once, and each further tenth when the
// gate lets it.
func (c *catalog) slowly(ctx context.Context, req offprint.Request) (*offprint.Document, error) {
	n := int(req.Params.Int("rows"))
	return offprint.Single(table(n, func(i int) error {
		if i%max(1, n/10) != 0 || i == 0 {
			return nil
		}
		select {
		case <-c.gate:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})), nil
}

func table(n int, before func(i int) error) *offprint.Table {
	columns := []offprint.Column{{Name: "order_no", Title: "Order", Kind: offprint.Text, As: offprint.AsID}, {Name: "amount", Title: "Amount", Kind: offprint.Decimal}}
	return &offprint.Table{Name: "orders", Title: "Orders", Columns: columns, RowsEstimated: int64(n), Rows: func(yield func(offprint.Row, error) bool) {
		row := make(offprint.Row, 2)
		for i := range n {
			if err := before(i); err != nil {
				yield(nil, err)
				return
			}
			row[0], row[1] = offprint.TextValue(fmt.Sprintf("%07d", i)), offprint.DecimalValue(int64(i)*100+99, 2)
			if !yield(row, nil) {
				return
			}
		}
	}}
}

// An answer is a response that has been read.
type answer struct {
	*http.Response
	body []byte
}

// A call is a request: headers are "Name: value".
type call struct {
	key     string
	body    string
	headers []string
}

func (w *world) do(method, path string, c call) answer {
	w.t.Helper()
	res := w.begin(w.t.Context(), method, path, c)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(w.t, err)
	return answer{res, body}
}

func (w *world) begin(ctx context.Context, method, path string, c call) *http.Response {
	w.t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.url + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, strings.NewReader(c.body))
	check(w.t, err)
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	for _, h := range c.headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	res, err := plain.Do(req)
	check(w.t, err)
	return res
}

// plain follows no redirect and keeps no connection, so that nothing is left.
var plain = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s is not JSON: %s", a.Status, a.body)
	}
	return v
}

func (a answer) wants(t *testing.T, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d: %s", a.Request.Method, a.Request.URL.Path, a.Status, status, a.body)
	}
	return a
}

// ask asks for a report and answers with the run's id.
func (w *world) ask(key, body string) string {
	w.t.Helper()
	return w.do("POST", "/v1/runs", call{key: key, body: body}).wants(w.t, 202).json(w.t)["id"].(string)
}

// made asks for a report and waits for its end.
func (w *world) made(key, body string) map[string]any {
	w.t.Helper()
	return w.do("POST", "/v1/runs", call{key: key, body: body, headers: []string{"Prefer: wait=30"}}).wants(w.t, 200).json(w.t)
}

// until reads a run until it is in that state.
func (w *world) until(key, id, state string) map[string]any {
	w.t.Helper()
	etag := ""
	for range 100 {
		a := w.do("GET", "/v1/runs/"+id+"?wait=5", call{key: key, headers: []string{"If-None-Match: " + etag}})
		if a.StatusCode == http.StatusNotModified {
			continue
		}
		run := a.wants(w.t, 200).json(w.t)
		if run["state"] == state {
			return run
		}
		etag = a.Header.Get("ETag")
	}
	w.t.Fatalf("run %s never became %s", id, state)
	return nil
}
