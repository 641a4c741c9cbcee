package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/offprint/offprint/server"
)

// What is saved is served, and what is wrong in it is shown, to whoever writes
// reports.
func TestReportsReloadForWhoWritesThem(t *testing.T) {
	config, err := server.Demo(t.Context(), t.TempDir(), 10)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	save := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "count.sql"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config.Listen, config.Reports, config.ReportFiles, config.Dev = "127.0.0.1:0", dir, nil, true
	url, stop := started(t, config)
	shows := func(path string, want ...string) {
		t.Helper()
		body := ""
		for range 600 {
			req, err := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/html")
			_, body = do(t, req)
			missing := false
			for _, text := range want {
				missing = missing || !strings.Contains(body, text)
			}
			if !missing {
				return
			}
			time.Sleep(25 * time.Millisecond)
		}
		t.Fatalf("%s never had %q: %s", path, want, body)
	}
	save("/*---\ntitel: Count\nsource: shop\n---*/\nSELECT 1 AS n")
	shows("/", "count.sql:2:1", "Did you mean title?", "<mark>titel:</mark> Count")
	shows("/reports/count", "cannot be asked for yet")
	save("/*---\ntitle: Count\nsource: shop\n---*/\nSELECT 1 AS n")
	shows("/reports/count", "Generate report")
	save("/*---\ntitle: Count\nsource: shop\n---*/\nSELECT :nothing AS n")
	shows("/reports/count", "Generate report", "as it was before", "count.sql:5:8")
	stop()
}
