package server_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/server"
)

// TestAWebhookThatTheOperatorNamed is configured in a file and the environment,
// and told of a run.
func TestAWebhookThatTheOperatorNamed(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	type call struct {
		http.Header
		body []byte
	}
	calls := make(chan call, 10)
	crm := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		calls <- call{r.Header, body}
	}))
	defer crm.Close()
	path := filepath.Join(t.TempDir(), "offprint.yaml")
	text := "base_url: http://localhost:8080/reports\nwebhooks:\n  only_named: true\n  per_user: 3\n  allow_private: [hooks.corp.example, 10.2.0.0/16]\n  named:\n    crm: {url: https://nowhere.example, secret: {env: CRM_SECRET}, events: [run.succeeded]}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := server.ReadConfig(path, []string{"CRM_SECRET=" + secret, "OFFPRINT_WEBHOOKS__NAMED__CRM__URL=" + crm.URL})
	if err != nil {
		t.Fatal(err)
	}
	if w := config.Webhooks; !w.OnlyNamed || w.PerUser != 3 || len(w.AllowPrivate) != 2 {
		t.Errorf("webhooks: %+v", w)
	}
	config.Database, config.Files = "sqlite:"+filepath.Join(t.TempDir(), "ledger.db"), "dir:"+t.TempDir()
	config.Listen, config.ReportFiles = "127.0.0.1:0", os.DirFS(t.TempDir())
	rows := &offprint.Table{Name: "n", Title: "N", Columns: []offprint.Column{{Name: "n", Title: "N"}}, Rows: offprint.Rows()}
	config.InGo = []*offprint.Report{{Name: "orders", Version: "1", Source: offprint.SourceFunc(func(context.Context, offprint.Request) (*offprint.Document, error) {
		return offprint.Single(rows), nil
	})}}
	url, stop := started(t, config)
	defer stop()
	ask := func(body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/runs", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		return do(t, req)
	}
	if status, body := ask(`{"report":"orders","notify":["webhook:crm"]}`); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, body)
	}
	select {
	case c := <-calls:
		reference, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := reference.Verify(c.body, c.Header); err != nil || !strings.Contains(string(c.body), `"url":"http://localhost:8080/reports/v1/runs/run_`) {
			t.Errorf("told %s, %v", c.body, err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody called")
	}
	if status, body := ask(`{"report":"orders","notify":["webhook:erp"]}`); status != http.StatusUnprocessableEntity || !strings.Contains(body, "#/notify/0") {
		t.Errorf("%d %s", status, body)
	}
}

func TestWrongWebhooksAreNamed(t *testing.T) {
	config := server.Config{ReportFiles: os.DirFS(t.TempDir()), Webhooks: server.Webhooks{
		AllowPrivate: []string{"https://hooks.corp.example"},
		Named: map[string]server.NamedWebhook{
			"wh_crm": {URL: "https://crm.example.com", Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
			"erp":    {URL: "erp.example.com/token-1", Secret: "hush", Events: []string{"run.started"}},
		},
	}}
	s, err := server.New(t.Context(), config)
	if err == nil {
		s.Close()
		t.Fatal("it starts")
	}
	for _, want := range []string{
		`webhooks: allow_private: "https://hooks.corp.example" is neither a host nor a network`, `webhooks: "wh_crm" is no name.`, "webhooks: erp: the url cannot be read.",
		"webhooks: erp: a webhook's secret is whsec_ and the base64", "webhooks: erp: there is no event run.started.",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	for _, secret := range []string{"hush", "token-1"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("it tells a secret: %v", err)
		}
	}
}
