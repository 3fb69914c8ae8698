package disk

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// rememberEnv makes a child of this test's process remember that many message-ids.
const rememberEnv = "RESTANTE_DISK_REMEMBER"

// runRemember is that child. It says how much memory they took at most: a process
// of its own has nothing else that grows.
func runRemember() bool {
	text, ok := os.LookupEnv(rememberEnv)
	if !ok {
		return false
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		fmt.Println(err)
		return true
	}
	f := newFingerprints()
	r := rand.New(rand.NewPCG(1, 2))
	f.add(hash{}, leadGone)
	before, err := highWater()
	for range n {
		var h hash
		binary.BigEndian.PutUint64(h[:], r.Uint64())
		binary.BigEndian.PutUint64(h[8:], r.Uint64())
		f.add(h, lead(r.Uint64N(1<<leadBits-1)+1))
	}
	after, err2 := highWater()
	fmt.Println(f.len()-1, after-before, err, err2)
	return true
}

// highWater returns the most resident memory that the process ever had, in octets.
func highWater() (int64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int64
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}

// remember returns how many octets of memory n message-ids took at most.
func remember(t testing.TB, n int) int64 {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("/proc says how much memory there was")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), rememberEnv+"="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got int
	var octets int64
	if _, err := fmt.Sscanf(string(out), "%d %d <nil> <nil>", &got, &octets); err != nil || got < n-1 {
		t.Fatalf("the child said %q, %v", out, err)
	}
	return octets
}

// A remembered message-id takes 16 octets at most, also while the tables grow.
func TestFingerprints_memory(t *testing.T) {
	const n = 2_000_000
	if octets := remember(t, n); octets > 16*n {
		t.Errorf("%d message-ids took %.1f octets each, want 16 at most", n, float64(octets)/n)
	}
}

// Ten million message-ids, with what their tables took while they grew.
func BenchmarkFingerprints_tenMillion(b *testing.B) {
	const n = 10_000_000
	for b.Loop() {
		octets := remember(b, n)
		b.ReportMetric(float64(octets)/n, "octets/id")
		b.ReportMetric(float64(octets)/1e6, "MB")
		if octets > 160_000_000 {
			b.Errorf("%d octets, want 160 million at most", octets)
		}
	}
}
