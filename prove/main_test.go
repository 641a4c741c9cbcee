package prove

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// TestMain lets this binary be the processes that the proof starts.
func TestMain(m *testing.M) {
	if text := os.Getenv(asProgram); text != "" {
		os.Exit(runProgram(text))
	}
	os.Exit(m.Run())
}

// chance are the driver's choices; the same PROVE_SEED makes the same ones.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(number("PROVE_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("PROVE_SEED=%d repeats the choices of this proof", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// number is a size from the environment.
func number(name string, otherwise int) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil {
		return otherwise
	}
	return n
}

// part is a length of time between two others.
func part(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// branch are choices of their own, for whoever chooses beside others.
func branch(r *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(r.Uint64(), r.Uint64())) }
