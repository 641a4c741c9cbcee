package pdf

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offprint/offprint"
)

// The hole is white space to whoever reads the file, and takes no disk.
func TestProveAFileOfFiveGigabytesIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.pdf")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	made, err := Format.New(out, offprint.Head{Title: "Large"})
	if err != nil {
		t.Fatal(err)
	}
	w := made.(*writer)
	if err := w.file.out.Flush(); err != nil {
		t.Fatal(err)
	}
	const hole = 5 << 30
	if _, err := out.Seek(hole, io.SeekCurrent); err != nil {
		t.Fatal(err)
	}
	w.file.at += hole
	if _, err := w.Close(offprint.DocEnd{}); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"qpdf", "--check", path}, {"pdftotext", "-raw", path, "-"}} {
		text, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s\n(install poppler-utils and qpdf)", command[0], err, text)
		}
		if command[0] == "pdftotext" && !strings.Contains(string(text), "Page 1 of 1") {
			t.Errorf("the text is %q", text)
		}
	}
}
