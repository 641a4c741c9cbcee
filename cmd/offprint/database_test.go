package main

import (
	"testing"

	"github.com/offprint/offprint/internal/pgtest"
)

// database is a fresh one on a server that tests share.
func database(t *testing.T) string { return pgtest.URL(t) }

// ownServer is one of the test's own, to halt and run again.
func ownServer(t *testing.T) *pgtest.Server {
	t.Helper()
	s, err := pgtest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}
