package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint/internal/s3test"
)

// A depot is a place whose files are on an S3 server of its own, and its
// credentials in a file.
type depot struct {
	*place
	server *s3test.Server
	bucket s3test.Bucket
	keys   string // the file
}

func newDepot(t *testing.T) *depot {
	t.Helper()
	server, err := s3test.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	bucket, err := server.Make()
	if err != nil {
		t.Fatal(err)
	}
	url := database(t)
	d := &depot{newPlace(t, url, url), server, bucket, ""}
	d.keys = filepath.Join(d.dir, "credentials")
	d.know(s3test.Secret)
	d.env = append(d.env, "OFFPRINT_FILES="+bucket.URL("reports"), "AWS_SHARED_CREDENTIALS_FILE="+d.keys)
	return d
}

// know changes the file of credentials.
func (d *depot) know(secret string) {
	d.t.Helper()
	text := "[default]\naws_access_key_id = " + s3test.Key + "\naws_secret_access_key = " + secret + "\n"
	if err := os.WriteFile(d.keys+".new", []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(d.keys+".new", d.keys); err != nil {
		d.t.Fatal(err)
	}
}

// fetched holds a run and its file, as it is downloaded, against what was asked for.
func (p *process) fetched(run shown, rows int) {
	p.t.Helper()
	if run.State != "succeeded" || run.File == nil || run.File.Rows != int64(rows) {
		p.t.Fatalf("ended as %+v, want succeeded with %d rows", run, rows)
	}
	resp, err := http.Get(p.url + "/v1/runs/" + run.ID + "/file")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	sum, lines := sha256.New(), new(lineCounter)
	n, err := io.Copy(io.MultiWriter(sum, lines), resp.Body)
	if err != nil || n != run.File.Bytes || lines.n != rows+1 || hex.EncodeToString(sum.Sum(nil)) != run.File.SHA256 {
		p.t.Errorf("downloaded %d bytes in %d lines, %v; want %+v", n, lines.n, err, run.File)
	}
}

// A lineCounter counts lines.
type lineCounter struct{ n int }

func (c *lineCounter) Write(b []byte) (int, error) {
	c.n += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// program runs offprint to its end.
func (p *place) program(args ...string) (string, error) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestReportsOnPostgresAndS3(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	web := d.start("", "serve", "--web-only")
	a := d.start("", "worker", "--workers", "2")

	// A worker that is killed in mid-upload leaves parts, until they are swept.
	long := web.ask(6000, "0.001")
	web.until(long.ID, 60*time.Second, "uploaded in part", func(r shown) bool { return r.State == "running" && r.Progress.Rows > 2500 })
	d.start("", "worker", "--workers", "2")
	a.signal(syscall.SIGKILL)
	run, _ := web.until(long.ID, 90*time.Second, "ended", ended)
	web.fetched(run, 6000)
	if parts, err := d.bucket.Parts(); err != nil || len(parts) == 0 || run.Attempt != 2 {
		t.Errorf("after attempt %d there are on the server %v, %v; want parts of the first", run.Attempt, parts, err)
	}
	if out, err := d.program("sweep"); err != nil || !strings.Contains(out, "It has no other files") {
		t.Errorf("sweep: %v\n%s", err, out)
	}
	if parts, err := d.bucket.Parts(); err != nil || len(parts) > 0 {
		t.Errorf("swept, and on the server are %v, %v", parts, err)
	}

	// Two workers share what there is to do.
	d.start("", "worker", "--workers", "2")
	var runs []shown
	for range 6 {
		runs = append(runs, web.ask(50, "0.01"))
	}
	for _, r := range runs {
		r, _ = web.until(r.ID, 30*time.Second, "ended", ended)
		web.fetched(r, 50)
	}

	// A ledger of another database does not come near these files.
	other := newPlace(t, database(t), database(t))
	other.env = append(other.env, d.env[len(d.env)-2:]...)
	if out, err := other.program("serve"); err == nil || !strings.Contains(out, "belong to the ledger") {
		t.Errorf("a second ledger: %v\n%s", err, out)
	}
	if out, err := other.program("sweep", "--unknown"); err == nil || !strings.Contains(out, "belong to the ledger") {
		t.Errorf("a sweep of a second ledger: %v\n%s", err, out)
	}
	web.fetched(run, 6000)
}

func TestCredentialsChangeWhileItServes(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	web := d.start("", "serve", "--workers", "1")
	before := web.ask(5, "0")
	before, _ = web.until(before.ID, 20*time.Second, "ended", ended)
	web.fetched(before, 5)

	d.server.Halt(syscall.SIGTERM)
	if err := d.server.RunWith(t.Context(), "another-secret"); err != nil {
		t.Fatal(err)
	}
	run := web.ask(5, "0")
	web.until(run.ID, 20*time.Second, "refused by the store", func(r shown) bool { return r.Error != nil && r.Error.Code == "storage_unavailable" })
	d.know("another-secret")
	run, _ = web.until(run.ID, 30*time.Second, "ended", ended)
	web.fetched(run, 5)
	web.fetched(before, 5)
}

// TestProveAMinuteWithoutTheStore takes the store away while a file is being
// uploaded and others wait.
func TestProveAMinuteWithoutTheStore(t *testing.T) {
	d := newDepot(t)
	web := d.start("", "serve", "--workers", "2")
	long := web.ask(6000, "0.002")
	web.until(long.ID, 60*time.Second, "being uploaded", func(r shown) bool { return r.Progress.Rows > 2500 })
	d.server.Halt(syscall.SIGKILL)
	runs := []shown{long}
	for range 4 {
		runs = append(runs, web.ask(50, "0"))
	}
	time.Sleep(time.Minute)
	for _, run := range runs {
		var now shown
		if web.call("GET", "/v1/runs/"+run.ID, "", &now); ended(now) {
			t.Errorf("without a store it has ended: %+v", now)
		}
	}
	if err := d.server.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i, run := range runs {
		run, _ = web.until(run.ID, 4*time.Minute, "ended", ended)
		web.fetched(run, []int{6000, 50, 50, 50, 50}[i])
		t.Logf("%v after the store was back, attempt %d, %d rows", time.Since(began).Round(time.Second), run.Attempt, run.File.Rows)
	}
}
