package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offprint/offprint"
	"github.com/offprint/offprint/internal/blob"
)

func TestAStoreBelongsToOneLedger(t *testing.T) {
	stores(t, func(t *testing.T, s *blob.Store) {
		ctx := t.Context()
		if err := s.Owned(ctx, "one"); err == nil {
			t.Error("an empty store is taken for a ledger's own")
		}
		for range 2 {
			if err := s.Claim(ctx, "one"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Owned(ctx, "one"); err != nil {
			t.Error(err)
		}
		for _, refuse := range []func(context.Context, string) error{s.Claim, s.Owned} {
			if err := refuse(ctx, "another"); err == nil || !strings.Contains(err.Error(), "delete ledger/one from the store") {
				t.Errorf("another ledger: %v", err)
			}
		}
		if got := keys(t, s, ""); got != "" {
			t.Errorf("listed among the files: %s", got)
		}
	})
}

func TestOfLedgersThatComeAtOnceNotTwoClaimTheStore(t *testing.T) {
	stores(t, func(t *testing.T, s *blob.Store) {
		var mu sync.Mutex
		var won []string
		var all sync.WaitGroup
		for _, ledger := range []string{"one", "two", "three"} {
			all.Go(func() {
				if err := s.Claim(t.Context(), ledger); err == nil {
					mu.Lock()
					won = append(won, ledger)
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(won) > 1 {
			t.Errorf("it belongs to %v", won)
		}
	})
}

func TestAStoreIsTried(t *testing.T) {
	stores(t, func(t *testing.T, s *blob.Store) {
		if err := s.Try(t.Context()); err != nil {
			t.Error(err)
		}
		if got := keys(t, s, ""); got != "" {
			t.Errorf("left behind: %s", got)
		}
	})
}

// TestChunks writes files about the size of what is sent at once.
func TestChunks(t *testing.T) {
	const chunk = 16 << 20
	stores(t, func(t *testing.T, s *blob.Store) {
		for _, size := range []int64{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2*chunk + 5} {
			sum := sha256.New()
			err := s.Put(t.Context(), "run_a/1/large.bin", func(w io.Writer) error {
				_, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(rand.NewChaCha8([32]byte{}), size)) // no two chunks are the same
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Open(t.Context(), "run_a/1/large.bin", 0)
			if err != nil {
				t.Fatal(err)
			}
			back := sha256.New()
			n, err := io.Copy(back, r)
			if errors.Join(err, r.Close()) != nil || n != size || !bytes.Equal(back.Sum(nil), sum.Sum(nil)) {
				t.Errorf("of %d bytes %d came back, %v", size, n, err)
			}
			if got := listed(t, s); len(got) != 1 || got[0].Bytes != size || got[0].Partial {
				t.Errorf("%d bytes are listed as %+v", size, got)
			}
		}
	})
}

func TestALargeUploadThatFailsLeavesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(stop context.CancelCauseFunc) error
	}{
		{"canceled", func(stop context.CancelCauseFunc) error { stop(errMidway); return nil }},
		{"broken off by the source", func(context.CancelCauseFunc) error { return errMidway }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stores(t, func(t *testing.T, s *blob.Store) {
				ctx, stop := context.WithCancelCause(t.Context())
				defer stop(nil)
				const key = "run_a/1/large.bin"
				err := s.Put(ctx, key, func(w io.Writer) error {
					if _, err := io.Copy(w, io.LimitReader(zeros{}, 40<<20)); err != nil {
						return err
					}
					if got := listed(t, s); len(got) != 1 || !got[0].Partial || got[0].Key != key {
						t.Errorf("in the middle it is listed as %+v", got)
					}
					if err := tt.fail(stop); err != nil {
						return err
					}
					_, err := w.Write(make([]byte, 20<<20))
					return err
				})
				if !errors.Is(err, errMidway) {
					t.Errorf("put: %v", err)
				}
				if _, err := s.Open(t.Context(), key, 0); offprint.CodeOf(err) != offprint.NotFound {
					t.Errorf("open: %v, want not_found", err)
				}
				if err := s.Delete(t.Context(), key); err != nil { // as the sweep does
					t.Fatal(err)
				}
				if got := listed(t, s); len(got) != 0 {
					t.Errorf("left behind: %+v", got)
				}
			})
		})
	}
}

var errMidway = errors.New("midway")

func listed(t *testing.T, s *blob.Store) (all []offprint.Blob) {
	t.Helper()
	for b, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func TestWhatIsNoAddressIsSaid(t *testing.T) {
	for address, want := range map[string]string{
		"ftp://somewhere":               "is no store",
		"":                              "is no store",
		"s3://":                         "the name of a bucket",
		"s3://key:secret@bucket/x":      "the name of a bucket",
		"s3://bucket:9000/x":            "the name of a bucket",
		"s3://bucket/../x":              "cannot stand before a file's name",
		"azure://account":               "the names of an account and a container",
		"azure://account/c/x?region=eu": "region is no setting",
		"s3://bucket/x?endpont=https://a.example":                     "endpont is no setting",
		"s3://bucket/x?endpoint=a.example":                            "endpoint is the address of a server",
		"s3://bucket/x?endpoint=https://k:s@a.com":                    "endpoint is the address of a server",
		"s3://bucket/x?endpoint=https://a.com/bucket":                 "endpoint has a path",
		"s3://bucket/x?endpoint=https://a.com&endpoint=https://b.com": "endpoint is said twice",
		"s3://bucket/x?region=eu;sse=AES256":                          "cannot be read",
		"s3://bucket/team#1?endpoint=https://a.com":                   "there is a #",
		"s3://bucket/x?sse=rot13":                                     "sse is one of AES256, aws:kms",
		"s3://bucket/x?path_style=maybe":                              "path_style is one of true, false",
	} {
		if _, err := blob.Parse(address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want that %s", address, err, want)
		} else if strings.Contains(strings.TrimPrefix(err.Error(), `"`+address), "secret") {
			t.Errorf("%s: tells the secret: %v", address, err)
		}
	}
}

// TestAStoreThatKnowsNoPartsResumesNothing: the whole of a file would be taken
// for what is left of it.
func TestAStoreThatKnowsNoPartsResumesNothing(t *testing.T) {
	for name, address := range map[string]func(t *testing.T) string{
		"s3": func(t *testing.T) string {
			bucket := s3(t)
			return bucket.At(between(t, bucket.Server(), wholeOnly, nil), "x")
		},
		"azure": func(t *testing.T) string {
			c := azure(t)
			return c.At("http://"+between(t, c.Server, wholeOnly, nil), "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, address(t))
			if err := s.Put(t.Context(), "run_a/1/orders.csv", writing("one,two")); err != nil {
				t.Fatal(err)
			}
			if got := read(t, s, "run_a/1/orders.csv", 0); got != "one,two" {
				t.Errorf("from the beginning it is %q", got)
			}
			r, err := s.Open(t.Context(), "run_a/1/orders.csv", 4)
			if offprint.CodeOf(err) != offprint.StorageUnavailable {
				t.Errorf("from byte 4 on: %v", err)
			}
			if r != nil {
				t.Error("there is something to read")
				r.Close()
			}
		})
	}
}

// wholeOnly answers whoever asks for a part with all of it.
func wholeOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || r.Header.Get("Range") == "" && r.Header.Get("X-Ms-Range") == "" {
		return true
	}
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	if _, err := io.WriteString(w, "one,two"); err != nil {
		panic(err)
	}
	return false
}
