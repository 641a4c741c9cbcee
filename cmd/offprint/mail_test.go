package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint/internal/mailtest"
)

func TestCheckTriesTheMailServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "reports"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := mailtest.Start(t, &mailtest.Server{User: "reports", Password: "hunter2", Answer: func(_ int, to string) error {
		if to == "nobody@example.com" {
			return mailtest.Refusal(550, "5.1.1 No such user here")
		}
		return nil
	}})
	check := func(url string, args ...string) (string, int) {
		cmd := exec.Command(os.Args[0], append([]string{"check", "--config", "offprint.yaml"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "OFFPRINT_TEST_AS_PROGRAM=1", "SMTP_URL="+url)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	config := "reports: reports\nmail: {url: {env: SMTP_URL}, from: \"Reports <reports@example.com>\", allow: [\"*@example.com\"]}\n"
	if err := os.WriteFile(filepath.Join(dir, "offprint.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(s.URL(), "hunter2", "hunter3", 1)
	for _, tt := range []struct {
		url  string
		args []string
		code int
		says string
	}{
		{s.URL(), []string{"--mail", "me@elsewhere.example"}, done, "The mail server took a message to me@elsewhere.example.\nno reports, no problems.\n"},
		{s.URL(), []string{"--mail", "me@elsewhere.example", "--format", "json"}, done, ""},
		{s.URL(), []string{"--mail", "nobody@example.com"}, failed, "mail: The mail server refused it: 550 5.1.1 No such user here.\nno reports, 1 problem.\n"},
		{wrong, []string{"--mail", "me@example.com"}, failed, "mail: The mail server does not let this server in (535 "},
		{wrong, []string{"--mail", "me@example.com", "--format", "json"}, failed, `{"file":"mail","severity":"error","text":"The mail server does not let this server in (535 `},
		{"smtp://127.0.0.1:1", []string{"--mail", "me@example.com"}, failed, "mail: The mail server cannot be reached (dial tcp 127.0.0.1:1: "},
		{wrong, nil, done, "no reports, no problems.\n"},
		{"smtp://u:hunter2/@mail.example.com", []string{"--mail", "me@example.com"}, failed, "configuration: mail.url: this is no address of a mail server."},
		{"smtp://u:hunter2/@mail.example.com", []string{"--offline"}, failed, "configuration: mail.url: this is no address of a mail server."},
		{s.URL(), []string{"--mail", "me"}, usage, "offprint: wrong usage: --mail: Write one address and nothing else"},
		{s.URL(), []string{"--mail", "me@example.com", "--offline"}, usage, "offprint: wrong usage: --offline asks nobody"},
	} {
		out, code := check(tt.url, tt.args...)
		if code != tt.code || !strings.HasPrefix(out, tt.says) || tt.says == "" && out != "" || strings.Contains(out, "hunter") {
			t.Errorf("%v ends with %d, want %d, and says\n%s", tt.args, code, tt.code, out)
		}
	}
	if m := s.Wait(2)[0]; m.To != "me@elsewhere.example" || m.Subject != "Ready: A test of mail" || !m.Safe {
		t.Errorf("to %s came %s", m.To, m.Subject)
	}
	if n := len(s.Came()); n != 2 {
		t.Errorf("%d messages came", n)
	}
}
