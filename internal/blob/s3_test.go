package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
	"github.com/offprint/offprint/internal/s3test"
)

// between is an address before the server; after looks at what it answered,
// and before at what it is asked.
func between(t *testing.T, server string, before func(http.ResponseWriter, *http.Request) bool, after func(*http.Response) error) string {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // which is signed
		ModifyResponse: after,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if before == nil || before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func isComplete(r *http.Request) bool { return r.Method == "POST" && r.URL.Query().Has("uploadId") }

// Some servers know an upload after it was completed, and some do not.
func TestALostReplyToTheLastStepCostsNothing(t *testing.T) {
	for _, forgets := range []bool{false, true} {
		t.Run(fmt.Sprintf("by a server that forgets: %t", forgets), func(t *testing.T) { testLostReply(t, forgets) })
	}
}

func testLostReply(t *testing.T, forgets bool) {
	bucket := s3(t)
	var asked atomic.Int64
	address := between(t, bucket.Server(), func(w http.ResponseWriter, r *http.Request) bool {
		if isComplete(r) && asked.Add(1) > 1 && forgets {
			deny(w, http.StatusNotFound, "NoSuchUpload")
			return false
		}
		return true
	}, func(r *http.Response) error {
		if isComplete(r.Request) && asked.Load() == 1 {
			return errors.New("lost")
		}
		return nil
	})
	s := open(t, bucket.At(address, ""))
	err := s.Put(t.Context(), "run_a/1/large.bin", func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 20<<20))
		return err
	})
	if err != nil {
		t.Errorf("put: %v", err)
	}
	if asked.Load() < 2 {
		t.Errorf("asked %d times to complete the upload, so no reply was lost", asked.Load())
	}
	if got := listed(t, s); len(got) != 1 || got[0].Bytes != 20<<20 || got[0].Partial {
		t.Errorf("there is %+v", got)
	}
}

// What another upload of the same name left does not pass for this one's.
func TestAnUploadThatWasRefusedAtTheEndFails(t *testing.T) {
	bucket := s3(t)
	address := between(t, bucket.Server(), func(w http.ResponseWriter, r *http.Request) bool {
		if isComplete(r) {
			deny(w, http.StatusNotFound, "NoSuchUpload")
			return false
		}
		return true
	}, nil)
	const key = "run_a/1/large.bin"
	if err := open(t, bucket.URL("")).Put(t.Context(), key, writing("of before")); err != nil {
		t.Fatal(err)
	}
	err := open(t, bucket.At(address, "")).Put(t.Context(), key, func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 20<<20))
		return err
	})
	if offprint.CodeOf(err) != offprint.StorageUnavailable {
		t.Errorf("put: %v", err)
	}
	if parts, err := bucket.Parts(); err != nil || len(parts) != 0 {
		t.Errorf("left on the server: %v, %v", parts, err)
	}
}

func deny(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>It was refused</Message></Error>", code)
}

func TestAMissingRightIsNamed(t *testing.T) {
	for _, tt := range []struct {
		what         string
		is           func(*http.Request) bool
		status       int
		code, expect string
	}{
		{"write", func(r *http.Request) bool { return r.Method == "PUT" }, 403, "AccessDenied", "does not let Offprint write a file; it needs s3:PutObject"},
		{"read", func(r *http.Request) bool { return r.Method == "GET" && strings.Contains(r.URL.Path, "trial") }, 403, "AccessDenied", "does not let Offprint read a file; it needs s3:GetObject"},
		{"list", func(r *http.Request) bool { return r.URL.Query().Has("list-type") }, 403, "AccessDenied", "does not let Offprint list files; it needs s3:ListBucket"},
		{"list uploads", func(r *http.Request) bool { return r.URL.Query().Has("uploads") }, 403, "AccessDenied", "s3:ListBucketMultipartUploads"},
		{"delete", func(r *http.Request) bool { return r.Method == "DELETE" }, 403, "AccessDenied", "does not let Offprint delete a file; it needs s3:DeleteObject"},
		{"know us", func(r *http.Request) bool { return true }, 403, "InvalidAccessKeyId", "does not accept the credentials"},
		{"be there", func(r *http.Request) bool { return true }, 404, "NoSuchBucket", "the store does not exist"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			bucket := s3(t)
			address := between(t, bucket.Server(), func(w http.ResponseWriter, r *http.Request) bool {
				if tt.is(r) {
					deny(w, tt.status, tt.code)
				}
				return !tt.is(r)
			}, nil)
			err := blob.Try(t.Context(), bucket.At(address, "x"))
			if err == nil || !strings.Contains(err.Error(), tt.expect) || strings.Contains(err.Error(), "Tell whoever runs Offprint") {
				t.Errorf("it says %v, want %s", err, tt.expect)
			}
			if err != nil && strings.Contains(err.Error(), s3test.Secret) {
				t.Errorf("it tells the secret: %v", err)
			}
		})
	}
}

func TestWithoutCredentialsNothingIsSent(t *testing.T) {
	bucket := s3(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1") // the machine has none to give
	address := between(t, bucket.Server(), func(w http.ResponseWriter, r *http.Request) bool {
		t.Errorf("asked: %s %s", r.Method, r.URL)
		return true
	}, nil)
	if err := blob.Try(t.Context(), bucket.At(address, "")); err == nil || !strings.Contains(err.Error(), "there are none, neither in AWS_ACCESS_KEY_ID") {
		t.Errorf("it says %v", err)
	}
}

func TestWhoAskedForAReportIsToldOfNoAddress(t *testing.T) {
	s3(t)
	s := open(t, "s3://bucket/x?region=us-east-1&endpoint=http://127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Open(ctx, "run_a/1/a.csv", 0)
	var e *offprint.Error
	if !errors.As(err, &e) || e.Code != offprint.StorageUnavailable || strings.Contains(e.Title+e.Detail, "127.0.0.1") {
		t.Errorf("open: %v", err)
	}
}

func TestEncryptionIsAskedFor(t *testing.T) {
	bucket := s3(t)
	for query, want := range map[string]string{"&sse=AES256": "AES256 ", "&sse=aws:kms&kms_key=alias/reports": "aws:kms alias/reports"} {
		var got atomic.Pointer[[]string]
		got.Store(new([]string))
		address := between(t, bucket.Server(), func(w http.ResponseWriter, r *http.Request) bool {
			h := r.Header
			if s := h.Get("X-Amz-Server-Side-Encryption"); s != "" {
				all := append(*got.Load(), r.Method+" "+s+" "+h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"))
				got.Store(&all)
			}
			return true
		}, nil)
		s := open(t, bucket.At(address, "")+query)
		for _, size := range []int64{5, 17 << 20} {
			_ = s.Put(t.Context(), "run_a/1/a.bin", func(w io.Writer) error { // the server here may not know how to
				_, err := io.Copy(w, io.LimitReader(zeros{}, size))
				return err
			})
		}
		if all := strings.Join(*got.Load(), ", "); all != "PUT "+want+", POST "+want {
			t.Errorf("%s: asked for %s", query, all)
		}
	}
}

// TestCredentialsInAFileAreReadAgain changes the server's secret and the file
// while a store is open.
func TestCredentialsInAFileAreReadAgain(t *testing.T) {
	server, err := s3test.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	bucket, err := server.Make()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credentials")
	known := func(secret string) {
		t.Helper()
		text := "[default]\naws_access_key_id = " + s3test.Key + "\naws_secret_access_key = " + secret + "\n"
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	known(s3test.Secret)
	s := open(t, bucket.URL(""))
	if err := s.Put(t.Context(), "run_a/1/a.csv", writing("before")); err != nil {
		t.Fatal(err)
	}
	server.Halt(syscall.SIGTERM)
	if err := server.RunWith(t.Context(), "another-secret"); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "run_a/2/a.csv", writing("x")); offprint.CodeOf(err) != offprint.StorageUnavailable {
		t.Errorf("with the old secret: %v", err)
	}
	known("another-secret")
	if err := s.Put(t.Context(), "run_a/2/a.csv", writing("after")); err != nil {
		t.Error(err)
	}
	if got := read(t, s, "run_a/1/a.csv", 0) + read(t, s, "run_a/2/a.csv", 0); got != "beforeafter" {
		t.Errorf("read %q", got)
	}
}

// A process that is killed in the middle of an upload leaves nothing that is
// visible, and parts that the sweep finds and deletes.
func TestAKilledUploadIsFoundAndDeleted(t *testing.T) {
	if address := os.Getenv("OFFPRINT_TEST_UPLOADS_TO"); address != "" {
		err := open(t, address).Put(t.Context(), "run_a/1/large.bin", func(w io.Writer) error {
			if _, err := io.Copy(w, io.LimitReader(zeros{}, 40<<20)); err != nil {
				return err
			}
			fmt.Println("uploading")
			select {} // until it is killed
		})
		t.Fatal(err)
	}
	for name, address := range addresses {
		t.Run(name, func(t *testing.T) {
			address := address(t)
			s := open(t, address)
			cmd := exec.Command(os.Args[0], "-test.run=^TestAKilledUploadIsFoundAndDeleted$")
			cmd.Env = append(os.Environ(), "OFFPRINT_TEST_UPLOADS_TO="+address)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			first, err := io.ReadAll(io.LimitReader(out, int64(len("uploading"))))
			if err := errors.Join(err, cmd.Process.Kill()); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			if !bytes.Equal(first, []byte("uploading")) {
				t.Fatalf("it said %q", first)
			}
			if _, err := s.Open(t.Context(), "run_a/1/large.bin", 0); offprint.CodeOf(err) != offprint.NotFound {
				t.Errorf("open: %v, want not_found", err)
			}
			got := listed(t, s)
			if len(got) != 1 || !got[0].Partial {
				t.Fatalf("listed as %+v", got)
			}
			if err := s.Delete(t.Context(), got[0].Key); err != nil {
				t.Fatal(err)
			}
			if got := listed(t, s); len(got) != 0 {
				t.Errorf("left behind: %+v", got)
			}
		})
	}
}

// TestAnAddressIsGoodForOneFileAndItsTime holds that whoever has the address
// gets the file under its name, whole or in part, and nobody a changed one.
func TestAnAddressIsGoodForOneFileAndItsTime(t *testing.T) {
	s := open(t, s3(t).URL("signed"))
	if err := s.Put(t.Context(), "run_a/1/orders.csv", writing("one,two")); err != nil {
		t.Fatal(err)
	}
	address, err := s.Signer().Sign(t.Context(), "run_a/1/orders.csv", "Zürich.csv", "text/csv", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	get := func(address, span string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Range", span)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	resp := get(address, "bytes=4-")
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusPartialContent || string(body) != "two" {
		t.Errorf("%d, %q, %v", resp.StatusCode, body, err)
	}
	if got := resp.Header.Get("Content-Disposition"); got != offprint.Attachment("Zürich.csv") {
		t.Errorf("it is %q", got)
	}
	if resp := get(strings.Replace(address, "run_a", "run_b", 1), ""); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another file by this address: %d", resp.StatusCode)
	}
}
