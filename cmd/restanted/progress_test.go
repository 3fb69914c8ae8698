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
		show := lines(&out, "checking")
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
