package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatAServiceNeedsIsReadFromTheFileAndElsewhere(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("erp.key", "0123456789abcdef0123456789abcdef\n")
	path := write("right.yaml", "sources:\n  erp:\n    url: https://erp.example.com\n    secret: {file: erp.key}\n    headers: {X-Api-Key: {env: ERP_KEY}, X-Client: reports}\n    allow_private: true\n")
	c, err := ReadConfig(path, []string{"ERP_KEY=k", "OFFPRINT_SOURCES__ERP__URL=https://other.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	erp := c.Sources["erp"].source("erp")
	if erp.URL != "https://other.example.com" || erp.Secret != "0123456789abcdef0123456789abcdef" || !erp.AllowPrivate ||
		len(erp.Headers) != 2 || erp.Headers["X-Api-Key"] != "k" || erp.Headers["X-Client"] != "reports" {
		t.Errorf("%+v", erp)
	}
	path = write("wrong.yaml", "sources:\n  erp:\n    secret: {file: nowhere.key}\n    headers: {X-Api-Key: {env: NOWHERE}}\n    allow_private: maybe\n    header: {}\n")
	_, err = ReadConfig(path, nil)
	for _, want := range []string{"3:14: secret: the file ", "4:27: X-Api-Key: the variable NOWHERE is not set.", "5:20: allow_private is true or false.", "6:5: source erp has no key header. Did you mean headers?"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
