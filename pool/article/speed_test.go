package article

import "testing"

func BenchmarkParseDate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseDate("Sun, 22 Nov 2026 14:35:29 +0000"); err != nil {
			b.Fatal(err)
		}
	}
}
