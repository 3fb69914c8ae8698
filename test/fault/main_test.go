package fault

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	os.Exit(harness.Main(m))
}

// count returns how often something is tried: few times, or with
// RESTANTE_FAULTS=full in the environment all the times of
// docs/reliability.md. RESTANTE_FAULTS may also be a number.
func count(t testing.TB, few, full int) int {
	t.Helper()
	switch v := os.Getenv("RESTANTE_FAULTS"); v {
	case "":
		return few
	case "full":
		return full
	default:
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatalf("RESTANTE_FAULTS is %q, want full or a number", v)
		}
		return n
	}
}

// seedOf returns where this run's chances start, and says so. RESTANTE_SEED
// repeats them, as far as goroutines let it.
func seedOf(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if v := os.Getenv("RESTANTE_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatalf("RESTANTE_SEED: %v", err)
		}
	}
	t.Logf("seed %d", seed)
	return seed
}

// stride returns the step between the octets that are tried: some step, or 1 in
// full counts.
func stride(t testing.TB, few int) int {
	if count(t, 0, 1) > 0 {
		return 1
	}
	return few
}
