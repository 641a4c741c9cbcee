package celltest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// settings are those of the profile: what the file says of its formulas is not
// believed, they are all calculated anew.
const settings = `<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop></item>
</oor:items>
`

// Convert has LibreOffice open a file and save it as another: as xlsx, or as
// the name of a filter has it. Further arguments stand before that. It runs in
// a profile of the test's own, so that nobody's settings matter and several
// may run at a time.
func Convert(t testing.TB, name string, data []byte, to string, more ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	in, profile := filepath.Join(dir, name), filepath.Join(dir, "profile")
	write := func(path, content string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(in, string(data))
	write(filepath.Join(profile, "user", "registrymodifications.xcu"), settings)
	args := append([]string{"-env:UserInstallation=file://" + profile, "--headless"}, more...)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "soffice", append(args, "--convert-to", to, "--outdir", filepath.Join(dir, "out"), in)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it starts others, which end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("LibreOffice (Debian: libreoffice-calc) does not open %s: %v\n%s", name, err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "out", "*"))
	if err != nil || len(files) != 1 { // it ends well, too, when it could make nothing of the file
		t.Fatalf("LibreOffice made %v of %s: %v\n%s", files, name, err, out)
	}
	made, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return made
}
