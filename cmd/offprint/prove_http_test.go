package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A million rows of a service cost no more memory than ten thousand.
func TestProveRowsOfAServiceStream(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(manyRows))
	defer server.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("offprint.yaml", "sources:\n  erp: {url: \""+server.URL+"/api\", allow_private: true}\nlimits: {rows: 2000000}\n")
	write("reports/aging.sql", "/*---\nparameters: {rows: {type: int}, kind: {type: text}}\ncolumns: {at: {as: datetime}, amount: {as: money, total: sum}, id: {as: id}}\n---*/\nGET /aging/:kind?rows=:rows")
	idle := peakOf(t, "check", "--offline", "--config", config)
	for _, kind := range []string{"ndjson", "json", "csv"} {
		peak := func(rows string) float64 {
			return peakOf(t, "run", "aging", "--config", config, "-p", "rows="+rows, "-p", "kind="+kind, "--format", "csv", "-o", filepath.Join(dir, "out.csv"))
		}
		small := peak("10000")
		began := time.Now()
		large := peak("1000000")
		took := time.Since(began)
		lines := linesOf(t, filepath.Join(dir, "out.csv"))
		t.Logf("%-6s idle %.0f MB; 10,000 rows %+.0f MB; 1,000,000 rows %+.0f MB, %.0f rows a second", kind, idle, small-idle, large-idle, 1e6/took.Seconds())
		if large-idle > 64 || lines < 1000001 {
			t.Errorf("%s: %.0f MB above idle, want 64 at most; %d lines", kind, large-idle, lines)
		}
	}
}

// linesOf counts them without the file in memory: a child's peak begins with
// what its parent has.
func linesOf(t *testing.T, path string) (n int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		n++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// manyRows answers /api/aging/KIND?rows=N.
func manyRows(w http.ResponseWriter, r *http.Request) {
	var n int
	fmt.Sscan(r.URL.Query().Get("rows"), &n)
	out := bufio.NewWriterSize(w, 64<<10)
	object := `{"id":"%07d","name":"Müller \"& Söhne\" %d","region":"EU","amount":%d.50,"at":"2026-01-31T10:00:00Z","paid":true,"note":null}`
	begin, between, end, row, kind := "", "", "", object+"\n", "application/x-ndjson"
	switch filepath.Base(r.URL.Path) {
	case "json":
		begin, between, end, row, kind = "[", ",", "]", object, "application/json"
	case "csv":
		begin, row, kind = "id,name,region,amount,at,paid,note\r\n", `%07d,"Müller ""& Söhne"" %d",EU,%d.50,2026-01-31T10:00:00Z,true,`+"\r\n", "text/csv"
	}
	w.Header().Set("Content-Type", kind)
	fmt.Fprint(out, begin)
	for i := range n {
		if i > 0 {
			fmt.Fprint(out, between)
		}
		fmt.Fprintf(out, row, i, i, i)
	}
	fmt.Fprint(out, end)
	out.Flush()
}
