package prove

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing/fstest"

	"github.com/offprint/offprint"
)

// reportFiles are reports whose rows the driver can work out by itself.
var reportFiles = fstest.MapFS{
	"short.sql":   report("shop", "", "pg_sleep(:pause)::text"),
	"narrow.sql":  report("narrow", "", "pg_sleep(:pause)::text"),
	"limited.sql": report("shop", "max_rows: 7\n", "pg_sleep(:pause)::text"),
	"divides.sql": report("shop", "", "(:pause / (5 - n))::text"),
}

// report is a query whose rows leave the database one by one.
func report(source, more, last string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(`/*---
title: A report of the proof
source: ` + source + `
parameters:
  rows: {type: int}
  factor: {type: int}
  pause: {type: decimal, default: 0}
formats: [csv]
` + more + `---*/
SELECT n, n * :factor AS product, repeat('x', 9000) AS pad, ` + last + ` AS nothing FROM generate_series(1, :rows) n ORDER BY n`)}
}

// broken fails in Go, each time.
func broken() *offprint.Report {
	return &offprint.Report{
		Name: "broken", Version: "1", Title: offprint.Plain("A report of the proof"),
		Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
			return nil, errors.New("broken on purpose")
		}),
	}
}

// content is the file of a report of so many rows.
func content(rows, factor int) string {
	var b strings.Builder
	b.WriteString("n,product,pad,nothing\r\n")
	pad := strings.Repeat("x", 9000)
	for n := 1; n <= rows; n++ {
		fmt.Fprintf(&b, "%d,%d,%s,\"\"\r\n", n, n*factor, pad)
	}
	return b.String()
}

func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
