package pgtest_test

import (
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/offprint/offprint/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestDatabasesAreApartAndOutliveACrash(t *testing.T) {
	server, err := pgtest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	exec := func(url, sql string) error {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), sql)
		return err
	}
	if err := exec(server.URL("postgres"), "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	server.Halt(syscall.SIGQUIT)
	if err := server.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := exec(server.URL("postgres"), "SELECT n FROM kept"); err != nil {
		t.Errorf("after a crash: %v", err)
	}

	if err := exec(pgtest.URL(t), "CREATE TABLE mine (n int)"); err != nil {
		t.Fatal(err)
	}
	if err := exec(pgtest.URL(t), "SELECT n FROM mine"); err == nil {
		t.Error("a second database shows the first one's table")
	}
}
