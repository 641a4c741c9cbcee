package mariatest_test

import (
	"os"
	"path"
	"strings"
	"syscall"
	"testing"

	"github.com/offprint/offprint/internal/mariatest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	mariatest.Stop()
	os.Exit(code)
}

func TestDatabasesAreApartAndOutliveACrash(t *testing.T) {
	exec := func(url, sql string) error {
		address, socket, _ := strings.Cut(url, "?socket=")
		db, err := mariatest.Open(socket, path.Base(address))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.ExecContext(t.Context(), sql)
		return err
	}
	server, err := mariatest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if err := exec(server.URL("mysql"), "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	server.Halt(syscall.SIGKILL)
	if err := server.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := exec(server.URL("mysql"), "SELECT n FROM kept"); err != nil {
		t.Errorf("after a crash: %v", err)
	}
	for _, zone := range mariatest.Zones {
		if err := exec(server.URL("mysql"), "SET time_zone = '"+zone+"'"); err != nil {
			t.Error(err)
		}
	}

	if err := exec(mariatest.URL(t), "CREATE TABLE mine (n int)"); err != nil {
		t.Fatal(err)
	}
	if err := exec(mariatest.URL(t), "SELECT n FROM mine"); err == nil {
		t.Error("a second database shows the first one's table")
	}
}
