package article

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is read the short way must be what the long way makes of it, and whatever
// is written as nearly everybody does must go the short way.
func TestParseDate_short(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-24*60+1, 24*60-1).Draw(t, "minutes")*60)
		moment := time.Unix(rapid.Int64Range(-60_000_000_000, 250_000_000_000).Draw(t, "seconds"), 0)
		text := moment.In(zone).Format(dateLayout)
		if got, ok := plainDate(text); !ok || !got.Equal(moment) {
			t.Fatalf("%s was read as %v, %v", text, got, ok)
		}
		octets := []byte(text)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(octets)-1).Draw(t, "at")
			octets[at] = rapid.SampledFrom([]byte("0123456789 -+:,SunFebj\x00\xff")).Draw(t, "octet")
		}
		got, ok := plainDate(string(octets))
		if want, err := time.Parse(dateLayout, string(octets)); ok && (err != nil || !got.Equal(want)) {
			t.Fatalf("%q was read as %v, and is %v, %v", octets, got, want, err)
		}
	})
}
