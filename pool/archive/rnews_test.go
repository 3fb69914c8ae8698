package archive_test

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRnews_readsCompressedBatches(t *testing.T) {
	f := forms()[1]
	texts := []string{lined("one"), lined("two", "", ".")}
	for _, name := range []string{"#! cunbatch\n", "#! gunbatch\n", "#! zunbatch\n"} {
		packed := bytes.NewBufferString(name)
		z := gzip.NewWriter(packed)
		if _, err := z.Write(pack(t, f, texts)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		got, _, err := all(f.read(packed, limit))
		if diff := cmp.Diff(texts, got); diff != "" || err != nil {
			t.Errorf("%s%v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestMbox_takesWhatOthersWrite(t *testing.T) {
	const text = "\nFrom someone@example.org Thu Nov  5 09:08:07 2026\r\nA: b\r\n\r\nText\r\nFrom here on\r\n\r\nFrom nobody\r\nC: d\r\n\r\nno empty line at the end"
	got, times, err := all(forms()[0].read(bytes.NewBufferString(text), limit))
	want := []string{"A: b\r\n\r\nText\r\nFrom here on\r\n", "C: d\r\n\r\nno empty line at the end\r\n"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v (-want +got):\n%s", err, diff)
	}
	if !times[0].Equal(start()) || !times[1].IsZero() {
		t.Errorf("arrived at %v", times)
	}
}
