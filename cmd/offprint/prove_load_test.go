package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// endless keeps a worker at a real report for longer than any proof: a query,
// ten columns, a workbook.
const endless = `/*---
title: Endless
source: shop
formats: [xlsx]
columns: {amount: {as: money, total: sum}, no: {as: id}}
---*/
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000)
SELECT i, 'A-' || i AS no, 'Customer ' || (i % 997) AS customer, i % 7 AS quantity, i * 1.25 AS price, i * 8.75 AS amount,
	'2026-01-01' AS day, i % 3 = 0 AS paid, 'EU' AS region, 'some words of comment' AS comment FROM n`

const hello = `/*---
title: Hello
source: shop
parameters: {rows: {type: int, default: 100}}
formats: [csv]
---*/
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) SELECT i, 'Customer ' || i AS customer FROM n`

// newBusyPlace has sign-in, so that a crowd are many people, and all four
// workers at an endless report.
func newBusyPlace(t *testing.T, database, shop string) (*place, *process) {
	t.Helper()
	p := newPlace(t, database, shop)
	for name, text := range map[string]string{"endless": endless, "hello": hello} {
		if err := os.WriteFile(filepath.Join(p.dir, "reports", name+".sql"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.env = append(p.env, "OFFPRINT_AUTH__JWT__SECRET="+crowdSecret, "OFFPRINT_AUTH__JWT__CLAIMS__USER=sub", "OFFPRINT_BASE_URL=https://reports.example.com")
	return p, p.start("", "serve")
}

const crowdSecret = "a secret of more than thirty-two bytes"

// tokenOf is a JWT of HS256 (RFC 7515).
func tokenOf(user string) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(map[string]any{"sub": user, "exp": time.Now().Add(time.Hour).Unix()})
	mac := hmac.New(sha256.New, []byte(crowdSecret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// A person has a connection open, as a browser does. What their own machine
// has to do is kept small: it is this one.
type person struct {
	conn  net.Conn
	in    *bufio.Reader
	token string
	host  string
}

func newPerson(t *testing.T, server *process, name string) *person {
	t.Helper()
	u, err := url.Parse(server.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &person{conn: conn, in: bufio.NewReader(conn), token: tokenOf(name), host: u.Host}
}

// send asks and answers with the status and the body.
func (p *person) send(method, path, body string) (int, []byte, error) {
	resp, err := p.open(method, path, body)
	if err != nil {
		return 0, nil, err
	}
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

func (p *person) open(method, path, body string) (*http.Response, error) {
	_, err := fmt.Fprintf(p.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, p.host, p.token, len(body), body)
	if err != nil {
		return nil, err
	}
	return http.ReadResponse(p.in, &http.Request{Method: method})
}

const askHello = `{"report":"hello"}`

// burst is how long it takes until all of them have their 202.
func burst(t *testing.T, crowd []*person) time.Duration {
	t.Helper()
	var all sync.WaitGroup
	start := make(chan struct{})
	for _, p := range crowd {
		all.Go(func() {
			<-start
			if code, body, err := p.send("POST", "/v1/runs", askHello); err != nil || code != http.StatusAccepted {
				t.Errorf("%d, %v: %s", code, err, body)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // the bursts are apart, and everybody stands ready
	began := time.Now()
	close(start)
	all.Wait()
	return time.Since(began)
}

// A hundred, or a thousand people who ask in the same moment are answered at
// once, while all workers are busy.
func TestProveACrowdIsAnsweredAtOnce(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			ledger, factor := "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), 1.0
			if database == "postgres" {
				ledger, factor = ownServer(t).URL("postgres"), 2
			}
			_, server := newBusyPlace(t, ledger, emptyShop(t))
			keepBusy(t, server)
			crowd := make([]*person, 1000)
			for i := range crowd {
				crowd[i] = newPerson(t, server, fmt.Sprint("user", i))
			}
			reads := readMeanwhile(t, server)
			proveBursts(t, crowd, 100, 40, time.Duration(factor*40)*time.Millisecond)
			proveBursts(t, crowd, 1000, 10, time.Duration(factor*250)*time.Millisecond)
			rate := sustained(t, crowd[:100], 5*time.Second)
			t.Logf("sustained: %.0f accepted/s", rate)
			if want := 3000 / factor; rate < want {
				t.Errorf("%.0f accepted a second, want %.0f", rate, want)
			}
			took := reads()
			t.Logf("a run read meanwhile, %d times: p50 %v, p99 %v", len(took), quantile(took, 0.5), quantile(took, 0.99))
			if p50 := quantile(took, 0.5); p50 > time.Duration(factor*2)*time.Millisecond {
				t.Errorf("a run read meanwhile takes %v", p50)
			}
		})
	}
}

// emptyShop is a SQLite database, for reports that make their rows themselves.
func emptyShop(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE empty (n INTEGER)`); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

func keepBusy(t *testing.T, server *process) {
	t.Helper()
	boss := newPerson(t, server, "boss")
	for range 4 {
		if code, body, err := boss.send("POST", "/v1/runs", `{"report":"endless"}`); err != nil || code != http.StatusAccepted {
			t.Fatalf("%d, %v: %s", code, err, body)
		}
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, body, err := boss.send("GET", "/v1/runs?state=running", "")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(body), `"phase":"writing"`); n == 4 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not all workers are busy: %s", body)
		}
	}
}

// proveBursts prints the times of bursts, each by other people.
func proveBursts(t *testing.T, crowd []*person, size, bursts int, most time.Duration) {
	t.Helper()
	burst(t, crowd[:size]) // the first prepares statements
	var took []time.Duration
	late := 0
	for i := range bursts {
		from := i * size % len(crowd)
		d := burst(t, crowd[from:from+size])
		took = append(took, d)
		if d > most*5/2 {
			late++
		}
	}
	t.Logf("bursts of %d, %d times: median %v, p95 %v, worst %v; %d took more than %v", size, bursts, quantile(took, 0.5), quantile(took, 0.95), quantile(took, 1), late, most*5/2)
	if median := quantile(took, 0.5); median > most {
		t.Errorf("a burst of %d is answered in %v, want %v", size, median, most)
	}
	if late > bursts/20 {
		t.Errorf("%d of %d bursts of %d took more than %v", late, bursts, size, most*5/2)
	}
}

// sustained is how many a second are accepted of people who never rest.
func sustained(t *testing.T, crowd []*person, d time.Duration) float64 {
	t.Helper()
	var all sync.WaitGroup
	var accepted atomic.Int64
	end := time.Now().Add(d)
	for i, p := range crowd {
		all.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				p.token = tokenOf(fmt.Sprint("restless", i, "-", n/50)) // nobody has more than 100 waiting
				code, body, err := p.send("POST", "/v1/runs", askHello)
				if err != nil || code != http.StatusAccepted {
					t.Errorf("%d, %v: %s", code, err, body)
					return
				}
				accepted.Add(1)
			}
		})
	}
	all.Wait()
	return float64(accepted.Load()) / d.Seconds()
}

// readMeanwhile reads a run of its own again and again until it is asked for
// the times that took.
func readMeanwhile(t *testing.T, server *process) (took func() []time.Duration) {
	t.Helper()
	reader := newPerson(t, server, "reader")
	_, body, err := reader.send("POST", "/v1/runs", askHello)
	if err != nil {
		t.Fatal(err)
	}
	var run shown
	if err := json.Unmarshal(body, &run); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	stop, done := make(chan struct{}), make(chan []time.Duration, 1)
	go func() {
		var times []time.Duration
		defer func() { done <- times }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			began := time.Now()
			if code, body, err := reader.send("GET", "/v1/runs/"+run.ID, ""); err != nil || code != http.StatusOK {
				t.Errorf("%d, %v: %s", code, err, body)
				return
			}
			times = append(times, time.Since(began))
		}
	}()
	return func() []time.Duration { close(stop); return <-done }
}

func quantile(took []time.Duration, q float64) time.Duration {
	if len(took) == 0 {
		return math.MaxInt64
	}
	sorted := slices.Sorted(slices.Values(took))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(10 * time.Microsecond)
}

// A thousand people ask at once, look on live, and download what they asked for.
func TestProveACrowdGetsItsFiles(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			ledger := "sqlite:" + filepath.Join(t.TempDir(), "ledger.db")
			if database == "postgres" {
				ledger = ownServer(t).URL("postgres")
			}
			_, server := newBusyPlace(t, ledger, emptyShop(t))
			for _, size := range []int{100, 1000} {
				crowd := make([]*person, size)
				for i := range crowd {
					crowd[i] = newPerson(t, server, fmt.Sprint("user", i))
				}
				began := time.Now()
				var all sync.WaitGroup
				for i, p := range crowd {
					all.Go(func() {
						if err := p.getFile(fmt.Sprintf(`{"report":"hello","parameters":{"rows":%d}}`, 1000+i), 1000+i); err != nil {
							t.Errorf("user %d: %v", i, err)
						}
					})
				}
				all.Wait()
				t.Logf("%d people asked, looked on and had their files after %v", size, time.Since(began).Round(time.Millisecond))
			}
		})
	}
}

// getFile asks for a report, listens until it is ready, reads it once more, and
// downloads it.
func (p *person) getFile(ask string, rows int) error {
	code, body, err := p.send("POST", "/v1/runs", ask)
	if err != nil || code != http.StatusAccepted {
		return fmt.Errorf("ask: %d, %w: %s", code, err, body)
	}
	var run shown
	if err := json.Unmarshal(body, &run); err != nil {
		return err
	}
	events, err := p.open("GET", "/v1/runs/"+run.ID+"/events", "")
	if err != nil || events.StatusCode != http.StatusOK {
		return fmt.Errorf("listen: %w", err)
	}
	heard, err := io.ReadAll(events.Body) // until the run has ended
	if err != nil || !strings.Contains(string(heard), `"state":"succeeded"`) {
		return fmt.Errorf("listen: %w: %s", err, heard)
	}
	code, body, err = p.send("GET", "/v1/runs/"+run.ID, "")
	if err != nil || code != http.StatusOK {
		return fmt.Errorf("read: %d, %w: %s", code, err, body)
	}
	code, body, err = p.send("GET", "/v1/runs/"+run.ID+"/file", "")
	if err != nil || code != http.StatusOK || strings.Count(string(body), "\n") != rows+1 {
		return fmt.Errorf("download: %d, %w: %d lines, want %d", code, err, strings.Count(string(body), "\n"), rows+1)
	}
	return nil
}
