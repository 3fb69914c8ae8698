package main

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// A log gets a line every five seconds, and none of work that is short.
func TestLines_everyFewSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		show := lines(&out, "checking", true)
		for done := range int64(12) {
			show(done<<20, 20<<20)
			time.Sleep(time.Second)
		}
		const want = "checking: 25 %, 5 of 20 MiB\nchecking: 50 %, 10 of 20 MiB\n"
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}

// Articles are counted, and where nobody knows how many there are no share is made up.
func TestLines_countsAndUnknownTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		for _, octets := range []bool{false, true} {
			for _, total := range []int64{0, -1, 4_000_000} {
				show := lines(&out, "importing", octets)
				time.Sleep(every)
				show(3_000_000, total)
			}
		}
		const want = "importing: 3000000\nimporting: 75 %, 3000000 of 4000000\nimporting: 2 MiB\nimporting: 75 %, 2 of 3 MiB\n"
		if out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	})
}
