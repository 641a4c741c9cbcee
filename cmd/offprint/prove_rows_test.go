package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint/internal/pgtest"
)

// many are rows that PostgreSQL makes as they are read.
const many = `/*---
parameters: {rows: {type: int}}
columns: {price: {as: money}, amount: {as: money}}
about: off
---*/
SELECT g AS id, DATE '2026-01-01' + g % 365 AS day, TIMESTAMP '2026-01-01' + g % 86400 * INTERVAL '1 second' AS at, 'Customer ' || g % 5000 AS customer,
	'North' AS region, 'SKU-' || g % 9973 AS sku, g % 20 AS quantity, (g % 50000 / 100.0)::numeric(12, 2) AS price,
	(g % 1000000 / 100.0)::numeric(12, 2) AS amount, g % 3 > 0 AS paid
FROM (SELECT generate_series(1, :rows) AS g) AS numbered`

func withMany(t *testing.T) (dir, config string) {
	t.Helper()
	dir = t.TempDir()
	config = filepath.Join(dir, "offprint.yaml")
	err := os.Mkdir(filepath.Join(dir, "reports"), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "reports", "many.sql"), []byte(many), 0o600)
	}
	if err == nil {
		err = os.WriteFile(config, []byte("sources:\n  shop: {url: \""+pgtest.URL(t)+"\"}\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, config
}

// Ten million rows cost no more memory than a million, and all of them are
// there.
func TestProveTenMillionRows(t *testing.T) {
	dir, config := withMany(t)
	file := func(format string) string { return filepath.Join(dir, "many."+format) }
	make := func(format, rows string) float64 {
		return peakOf(t, "run", "many", "--config", config, "-p", "rows="+rows, "-o", file(format))
	}
	idle := peakOf(t, "check", "--offline", "--config", config)
	for _, format := range []string{"csv", "xlsx"} {
		one, ten := make(format, "1000000"), make(format, "10000000")
		t.Logf("%-5s idle %.0f MB; 1,000,000 rows %+.0f MB; 10,000,000 rows %+.0f MB", format, idle, one-idle, ten-idle)
		if ten-idle > 64 || ten > 1.2*one {
			t.Errorf("%s: %.0f MB above idle, want 64 at most; %.2f times as much as a million rows, want 1.2 at most", format, ten-idle, ten/one)
		}
	}
	if n := linesOf(t, file("csv")); n != 10_000_001 {
		t.Errorf("the CSV has %d lines", n)
	}
	if sheets := rowsOfSheets(t, file("xlsx")); sheets != 10 {
		t.Errorf("the workbook has %d sheets", sheets)
	}
}

// rowsOfSheets counts the sheets of a workbook whose rows must begin with 1,
// 2, 3 and so on to ten million.
func rowsOfSheets(t *testing.T, path string) (sheets int) {
	t.Helper()
	book, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	last := 0
	for {
		sheet, err := book.Open(fmt.Sprintf("xl/worksheets/sheet%d.xml", sheets+1))
		if err != nil {
			break
		}
		sheets++
		rows := bufio.NewScanner(sheet)
		rows.Split(toRowEnd)
		for rows.Scan() {
			row := rows.Text()
			if strings.Contains(row, `<row r="1">`) || !strings.Contains(row, "<row") {
				continue
			}
			_, id, _ := strings.Cut(row, "<v>")
			id, _, _ = strings.Cut(id, "</v>")
			if last++; id != strconv.Itoa(last) {
				t.Fatalf("sheet %d has row %s where %d belongs", sheets, id, last)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if last != 10_000_000 {
		t.Errorf("the workbook has %d rows", last)
	}
	return sheets
}

func toRowEnd(data []byte, atEOF bool) (advance int, token []byte, err error) {
	end := []byte("</row>")
	if i := bytes.Index(data, end); i >= 0 {
		return i + len(end), data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// The first byte leaves before most people look up.
func TestProveTheFirstByteLeavesAtOnce(t *testing.T) {
	_, config := withMany(t)
	for _, format := range []string{"csv", "xlsx"} {
		var took []time.Duration
		for range 5 {
			took = append(took, firstByte(t, "run", "many", "--config", config, "-p", "rows=1000000", "--format", format, "-o", "-"))
		}
		slices.Sort(took)
		t.Logf("%-5s %v, the median of %v", format, took[2], took)
		if took[2] > 100*time.Millisecond {
			t.Errorf("%s: the first byte came after %v, want 100 ms at most", format, took[2])
		}
	}
}

// firstByte runs the program and tells how long its first byte took, from its
// start.
func firstByte(t *testing.T, args ...string) time.Duration {
	t.Helper()
	cmd := program(args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadFull(out, make([]byte, 1))
	took := time.Since(began)
	if _, errRest := io.Copy(io.Discard, out); err != nil || errRest != nil {
		t.Fatal(err, errRest)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return took
}
