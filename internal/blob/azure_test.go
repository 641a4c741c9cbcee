package blob_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/offprint/offprint/internal/azuretest"
	"github.com/offprint/offprint/internal/blob"
)

func TestALostReplyToACommitCostsNothing(t *testing.T) {
	c := azure(t)
	var lost atomic.Int64
	address := between(t, c.Server, nil, func(r *http.Response) error {
		if r.Request.URL.Query().Get("comp") == "blocklist" && lost.Add(1) == 1 {
			return errors.New("lost")
		}
		return nil
	})
	s := open(t, c.At("http://"+address, ""))
	err := s.Put(t.Context(), "run_a/1/large.bin", func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 20<<20))
		return err
	})
	if err != nil || lost.Load() < 2 {
		t.Errorf("put: %v; asked %d times to commit", err, lost.Load())
	}
	if got := listed(t, s); len(got) != 1 || got[0].Bytes != 20<<20 || got[0].Partial {
		t.Errorf("there is %+v", got)
	}
}

func TestAzureIsOpenedByAConnectionString(t *testing.T) {
	c := azure(t)
	t.Setenv("AZURE_STORAGE_KEY", "")
	t.Setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName="+azuretest.Account+";AccountKey="+azuretest.Key+";BlobEndpoint="+c.Server+"/"+azuretest.Account+";")
	if err := blob.Try(t.Context(), "azure://"+azuretest.Account+"/"+c.Name+"/x"); err != nil {
		t.Error(err)
	}
	err := blob.Try(t.Context(), "azure://another/"+c.Name)
	if err == nil || !strings.Contains(err.Error(), "not of the account another") || strings.Contains(err.Error(), azuretest.Key) {
		t.Errorf("of another account: %v", err)
	}
}

func TestWhatAzureRefusesIsNamed(t *testing.T) {
	c := azure(t)
	for code, want := range map[string]string{
		"AuthorizationPermissionMismatch": "does not let Offprint write a file; it needs the role Storage Blob Data Contributor",
		"AuthenticationFailed":            "does not accept the credentials",
		"ContainerNotFound":               "the store does not exist",
	} {
		address := between(t, c.Server, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("x-ms-error-code", code)
			w.WriteHeader(http.StatusForbidden)
			return false
		}, nil)
		err := blob.Try(t.Context(), c.At("http://"+address, ""))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), address) {
			t.Errorf("%s: it says %v, want %s", code, err, want)
		}
	}
}

// A signed address is a secret.
func TestASignatureIsNotTold(t *testing.T) {
	t.Setenv("AZURE_STORAGE_SAS_TOKEN", "?sv=2024-08-04&sig=very-secret")
	err := blob.Try(t.Context(), "azure://tests/files?endpoint=http://127.0.0.1:1/tests")
	if err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("it says %v", err)
	}
}

// Azure itself knows no blob where nothing was committed, and deletes none;
// azurite does, so what stands between says no until there is one.
func TestBlocksThatWereNotCommittedAreWrittenOver(t *testing.T) {
	c := azure(t)
	var written, denied atomic.Bool
	address := between(t, c.Server, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && !r.URL.Query().Has("comp") {
			written.Store(true)
		}
		if r.Method != http.MethodDelete || written.Load() {
			return true
		}
		denied.Store(true)
		w.Header().Set("x-ms-error-code", "BlobNotFound")
		w.WriteHeader(http.StatusNotFound)
		return false
	}, nil)
	s := open(t, c.At("http://"+address, ""))
	const key = "run_a/1/large.bin"
	err := s.Put(t.Context(), key, func(w io.Writer) error {
		_, err := io.Copy(w, io.LimitReader(zeros{}, 20<<20))
		return errors.Join(err, errMidway)
	})
	if !errors.Is(err, errMidway) {
		t.Fatal(err)
	}
	if got := listed(t, s); len(got) != 1 || !got[0].Partial {
		t.Errorf("listed as %+v", got)
	}
	for range 2 { // what is missing is no error
		if err := s.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(t, s); len(got) != 0 || !denied.Load() {
		t.Errorf("left behind: %+v", got)
	}
}
