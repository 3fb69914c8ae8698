package main

import (
	"runtime/debug"
	"testing"
)

func TestIndexMemory_goesByTheMachine(t *testing.T) {
	for _, c := range []struct {
		why    string
		usable uint64
		want   int
	}{
		{"nobody can tell", 0, 32 << 20},
		{"a small machine", 512 << 20, 32 << 20},
		{"a share", 2 << 30, 64 << 20},
		{"a large machine", 1 << 40, 128 << 20},
	} {
		if got := shareOf(c.usable); got != c.want {
			t.Errorf("%s: %d MiB, want %d", c.why, got>>20, c.want>>20)
		}
	}
	if got := indexMemory(9 << 20); got != 9<<20 {
		t.Errorf("%d octets, want those of the configuration", got)
	}
}

func TestUsableMemory_heedsGoMemLimit(t *testing.T) {
	before := debug.SetMemoryLimit(48 << 20)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	if got := usableMemory(); got != 48<<20 {
		t.Errorf("%d octets, want the limit", got)
	}
}
