package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/mailtest"
	"github.com/offprint/offprint/internal/pgtest"
	"github.com/offprint/offprint/server"
)

// Somebody asks for a report and is mailed, and so is somebody of another
// company, who downloads it.
func TestMailFromAskingToDownload(t *testing.T) {
	for name, database := range map[string]func() string{
		"sqlite":   func() string { return "" },
		"postgres": func() string { return pgtest.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := mailtest.Start(t, &mailtest.Server{User: "reports", Password: "hunter2"})
			config, err := server.Demo(t.Context(), t.TempDir(), 500)
			if err != nil {
				t.Fatal(err)
			}
			if url := database(); url != "" {
				config.Database = url
			}
			config.Listen, config.Workers, config.Auth.Required = free(t), 2, true
			config.BaseURL = "http://" + config.Listen + "/reports/"
			config.Mail = &server.Mail{URL: s.URL(), From: "Reports <reports@example.com>", Allow: []string{"*@partner.example"}}
			key, err := server.CreateKey(t.Context(), config, "ann's", offprint.Identity{User: "ann", Email: "ann@example.com"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			at, stop := started(t, config)
			defer stop()
			ask := func(method, path, body string) (int, string) {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), method, at+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Prefer", "wait=20")
				req.Header.Set("Authorization", "Bearer "+key)
				return do(t, req)
			}
			status, body := ask("POST", "/v1/runs", `{"report":"orders","format":"csv","locale":"de-DE","time_zone":"Europe/Berlin","parameters":{"period":"2024-01-01..2024-12-31"},"notify":["me","mailto:Bob@Partner.example"]}`)
			var run struct {
				ID   string
				File struct{ Bytes int }
			}
			if err := json.Unmarshal([]byte(body), &run); err != nil || status != http.StatusOK {
				t.Fatalf("%d %s: %v", status, body, err)
			}
			links := make(map[string]string)
			for _, m := range s.Wait(2) {
				if !m.Safe || !strings.HasPrefix(m.Subject, "Fertig: ") || !strings.Contains(m.Plain, "2024-01-01 – 2024-12-31") {
					t.Errorf("%s\n%s", m.Subject, m.Plain)
				}
				_, link, _ := strings.Cut(m.Plain, "Bericht öffnen:\n")
				links[m.To], _, _ = strings.Cut(link, "\n")
			}
			base := "http://" + config.Listen + "/reports"
			if links["ann@example.com"] != base+"/runs/"+run.ID || !strings.HasPrefix(links["Bob@partner.example"], base+"/d/") {
				t.Errorf("they lead to %v", links)
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // what came of it is recorded a moment later
				_, body = ask("GET", "/v1/runs/"+run.ID+"/notices", "")
				if strings.Count(body, `"state":"delivered"`) == 2 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the notices are %s", body)
				}
			}

			req, err := http.NewRequestWithContext(t.Context(), "GET", links["Bob@partner.example"], nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/html")
			if status, page := do(t, req); status != http.StatusOK || !strings.Contains(page, ">Downloads left<") {
				t.Errorf("the link leads to %d %s", status, page)
			}
			res, err := http.PostForm(links["Bob@partner.example"], url.Values{})
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			file, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != http.StatusOK || len(file) != run.File.Bytes {
				t.Errorf("%s with %d bytes, want %d: %v", res.Status, len(file), run.File.Bytes, err)
			}
			if _, body = ask("GET", "/v1/runs/"+run.ID+"/links", ""); !strings.Contains(body, `"address":"mailto:Bob@partner.example"`) || !strings.Contains(body, `"downloads":1`) || !strings.Contains(body, `"max_downloads":20`) {
				t.Errorf("the links are %s", body)
			}
			if status, body = ask("POST", "/v1/runs", `{"report":"orders","notify":["mailto:eve@evil.example"]}`); status != http.StatusForbidden || !strings.Contains(body, `"#/notify/0"`) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

// Without a base_url, mail leads to where the server listens on this machine.
func TestWhereMailLeads(t *testing.T) {
	s := mailtest.Start(t, new(mailtest.Server))
	right := server.Config{Listen: "127.0.0.1:8080", Reports: t.TempDir(), Database: "sqlite:" + filepath.Join(t.TempDir(), "ledger.db"), Mail: &server.Mail{URL: s.URL(), From: "reports@example.com"}}
	for _, tt := range []struct {
		listen, base string
		want         string // empty: it is not known
	}{
		{"127.0.0.1:8080", "", "http://127.0.0.1:8080/"},
		{"[::1]:8080", "", "http://[::1]:8080/"},
		{"", "https://reports.example.com", "https://reports.example.com/"},
		{"", "https://reports.example.com/offprint//", "https://reports.example.com/offprint/"},
		{"0.0.0.0:80", "https://reports.example.com/a%20b", "https://reports.example.com/a%20b/"},
		{"", "", ""},
		{"127.0.0.1:0", "", ""},
		{"0.0.0.0:80", "", ""},
	} {
		c := right
		c.Listen, c.BaseURL, c.Auth.Required = tt.listen, tt.base, true
		before := len(s.Came())
		err := server.TryMail(t.Context(), c, "me@example.com")
		if tt.want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "base_url: mail leads people to pages") {
				t.Errorf("%+v: %v", tt, err)
			}
			if _, err := server.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "base_url: ") {
				t.Errorf("%+v: the server starts: %v", tt, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if m := s.Wait(before + 1)[before]; !strings.Contains(m.Plain, "\n"+tt.want+"\n") {
			t.Errorf("%+v: %s", tt, m.Plain)
		}
	}
}

func TestMailIsReadFromTheFileAndElsewhere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "offprint.yaml")
	if err := os.WriteFile(path, []byte("mail: {url: {env: SMTP_URL}, from: Reports <r@example.com>, allow: [\"*@example.com\"], templates: letters}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := server.ReadConfig(path, []string{"SMTP_URL=smtp://mail.example.com", "OFFPRINT_MAIL__ALLOW=*@a.example, bob@b.example"})
	if err != nil || c.Mail.URL != "smtp://mail.example.com" || c.Mail.From != "Reports <r@example.com>" || strings.Join(c.Mail.Allow, " ") != "*@a.example bob@b.example" || c.Mail.Templates != filepath.Join(dir, "letters") {
		t.Errorf("%+v, %v", c.Mail, err)
	}
	if c, err = server.ReadConfig("", nil); err != nil || c.Mail != nil {
		t.Errorf("nobody asked for mail: %+v, %v", c.Mail, err)
	}
}
