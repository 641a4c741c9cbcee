package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint/server"
)

const sales = `/*---
title: Sales
source: shop
parameters:
  region: {type: text, options: {query: "SELECT code, name FROM regions ORDER BY name"}}
  customer:
    type: int
    optional: true
    many: true
    options:
      query: |
        SELECT DISTINCT c.id, c.name FROM customers c JOIN orders o ON o.customer_id = c.id
        WHERE o.region = :region ORDER BY c.name, c.id
---*/
SELECT o.order_no, c.name FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.region = :region [[ AND o.customer_id IN (:customer) ]] ORDER BY o.id`

// What a query of a file answers is offered, followed, held against what is
// asked for, and read in the file.
func TestOptionsOfAQuery(t *testing.T) {
	config, err := server.Demo(t.Context(), t.TempDir(), 2000)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "sales.sql"), []byte(sales), 0o600); err != nil {
		t.Fatal(err)
	}
	config.Listen, config.Workers, config.Reports, config.ReportFiles = "127.0.0.1:0", 1, dir, nil
	base, stop := started(t, config)
	ask := func(method, path, body string, status int, into any) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Prefer", "wait=20")
		got, text := do(t, req)
		if got != status {
			t.Fatalf("%s %s: %d %s, want %d", method, path, got, text, status)
		}
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	type offer struct {
		Items      []struct{ Value, Label string }
		WaitingFor []string `json:"waiting_for"`
	}
	var regions, nobody, customers offer
	ask("GET", "/v1/reports/sales/parameters/region/options?q=europe", "", 200, &regions)
	if len(regions.Items) != 1 || regions.Items[0].Value != "EU" {
		t.Errorf("regions: %+v", regions)
	}
	ask("GET", "/v1/reports/sales/parameters/customer/options", "", 200, &nobody)
	if len(nobody.Items) != 0 || len(nobody.WaitingFor) != 1 {
		t.Errorf("of no region: %+v", nobody)
	}
	ask("GET", "/v1/reports/sales/parameters/customer/options?q=dvorak&parameters="+url.QueryEscape(`{"region":"EU"}`), "", 200, &customers)
	if len(customers.Items) == 0 || !strings.HasPrefix(customers.Items[0].Label, "Dvořák") {
		t.Fatalf("customers: %+v", customers)
	}
	var run struct{ State string }
	ask("POST", "/v1/runs", `{"report":"sales","format":"csv","parameters":{"region":"EU","customer":[`+customers.Items[0].Value+`]}}`, 200, &run)
	if run.State != "succeeded" {
		t.Errorf("the run: %+v", run)
	}
	var refused struct{ Code string }
	ask("POST", "/v1/runs", `{"report":"sales","parameters":{"region":"EU","customer":[999999]}}`, 422, &refused)
	if refused.Code != "bad_parameter" {
		t.Errorf("no customer of the region: %+v", refused)
	}
	stop()
}
