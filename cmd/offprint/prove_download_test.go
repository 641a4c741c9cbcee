package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// big is a gigabyte in few rows.
const big = `/*---
title: Big
source: shop
formats: [csv]
---*/
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 122500) SELECT i, replace(hex(zeroblob(4096)), '00', 'ab') AS pad FROM n`

// Fifty people download a gigabyte each at the same time, half of them by a
// link, and none of it is held.
func TestProveDownloadsCostNoMemory(t *testing.T) {
	dir := t.TempDir()
	shop := filepath.Join(dir, "shop.db")
	if err := os.WriteFile(shop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newPlace(t, "sqlite:"+filepath.Join(dir, "ledger.db"), "sqlite:"+shop)
	if err := os.WriteFile(filepath.Join(p.dir, "reports", "big.sql"), []byte(big), 0o644); err != nil {
		t.Fatal(err)
	}
	maker := p.start("", "serve")
	var run shown
	if code := maker.call("POST", "/v1/runs", `{"report":"big"}`, &run); code != http.StatusAccepted {
		t.Fatalf("POST /v1/runs: %d", code)
	}
	run, _ = maker.until(run.ID, 5*time.Minute, "made", ended)
	if run.State != "succeeded" || run.File.Bytes < 1e9 {
		t.Fatalf("made %+v", run)
	}
	maker.kill() // with what making it took

	server := p.start("", "serve")
	server.call("GET", "/v1/runs/"+run.ID, "", nil)
	idle := memory(t, server, "VmRSS")
	const people = 50
	var all sync.WaitGroup
	began := time.Now()
	for i := range people {
		url := server.url + "/v1/runs/" + run.ID + "/file"
		if i%2 == 0 {
			url = server.byLink(run.ID)
		}
		all.Go(func() {
			resp, err := http.Get(url)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n != run.File.Bytes || resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d of %d bytes, %v", resp.Status, n, run.File.Bytes, err)
			}
		})
	}
	all.Wait()
	took, peak := time.Since(began), memory(t, server, "VmHWM")
	t.Logf("%d downloads of %.2f GB at once: %.0f MB idle, %+.0f MB at most; %v, %.0f MB/s", people, float64(run.File.Bytes)/1e9, idle, peak-idle, took.Round(time.Second), float64(people*run.File.Bytes)/1e6/took.Seconds())
	if peak-idle > 64 {
		t.Errorf("%.0f MB above idle, want 64 at most", peak-idle)
	}
}

// byLink is where somebody fetches the run's file who has clicked a link to it.
func (p *process) byLink(run string) string {
	p.t.Helper()
	var link struct{ URL string }
	if code := p.call("POST", "/v1/runs/"+run+"/links", `{"audience":"anyone","max_downloads":1}`, &link); code != http.StatusCreated {
		p.t.Fatalf("POST links: %d", code)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Post(link.URL, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		p.t.Fatalf("a click: %s", resp.Status)
	}
	return p.url + resp.Header.Get("Location")
}

// memory is a line of a process' status, in megabytes.
func memory(t *testing.T, p *process, name string) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), name+":")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatalf("%s of %s: %v", name, text, err)
	}
	return kb / 1024
}
