package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/offprint/offprint/internal/mariatest"
	"github.com/offprint/offprint/internal/pgtest"
)

// TestMain lets this binary be the program itself for the processes that tests
// start.
func TestMain(m *testing.M) {
	if os.Getenv("OFFPRINT_TEST_AS_PROGRAM") != "" {
		os.Unsetenv("OFFPRINT_TEST_AS_PROGRAM")
		main()
		return
	}
	testscript.Main(withDatabase{m}, map[string]func(){"offprint": main})
}

// withDatabase stops the private databases after the tests.
type withDatabase struct{ m *testing.M }

func (w withDatabase) Run() int {
	defer pgtest.Stop()
	defer mariatest.Stop()
	return w.m.Run()
}

func TestProgram(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", env.WorkDir+"/cache")
			return nil
		},
	})
}
