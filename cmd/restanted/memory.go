package main

import (
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// What the store's index gets when the configuration leaves it open, in octets:
// this share of the memory that the process may use, within these bounds. The
// upper one is enough for some 16 million articles, and the file system's cache has
// the rest.
const (
	indexShare     = 1.0 / 32
	indexMemoryMin = 32 << 20
	indexMemoryMax = 128 << 20
)

// indexMemory returns how much memory the index may use, in octets.
func indexMemory(set int) int {
	if set > 0 {
		return set
	}
	return shareOf(usableMemory())
}

// shareOf returns the index's share of so many octets of memory.
func shareOf(usable uint64) int {
	return int(min(max(float64(usable)*indexShare, indexMemoryMin), indexMemoryMax))
}

// usableMemory returns how many octets of memory the process may use: what the
// machine has, or less where its control group or GOMEMLIMIT says so. It is 0 when
// none of them tells.
func usableMemory() uint64 {
	usable := uint64(debug.SetMemoryLimit(-1)) // changes nothing
	for _, limit := range []func() (uint64, error){memlimit.FromSystem, memlimit.FromCgroup} {
		if n, err := limit(); err == nil && n > 0 {
			usable = min(usable, n)
		}
	}
	if usable == math.MaxInt64 {
		return 0
	}
	return usable
}
