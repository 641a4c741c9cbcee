package demo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/offprint/offprint/internal/demo"
)

func TestTheShopIsAlwaysTheSame(t *testing.T) {
	var made [2][]byte
	for i := range made {
		path, err := demo.OpenShop(t.Context(), t.TempDir(), 500)
		if err != nil {
			t.Fatal(err)
		}
		if made[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		again, err := demo.OpenShop(t.Context(), filepath.Dir(path), 500)
		if err != nil || again != path {
			t.Errorf("opened again: %s, %v; want %s", again, err, path)
		}
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("two shops differ")
	}
}
