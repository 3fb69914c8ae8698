package archive_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool/archive"
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

// byBzip2 is a batch of one article, which is a line "one", as bzip2 packs it.
const byBzip2 = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x70\xea\xd9\x95\x00\x00\x02\xd9\x80\x00\x10\x68\x00\x04\x00\x02\x01\x98\x80\x20\x00\x31\x00\xd3\x4d\x04\x06\x43\x41\x28\xd9\xbc\x6d\x40\x77\x78\xbb\x92\x29\xc2\x84\x83\x87\x56\xcc\xa8"

func TestRnews_readsABatchThatBzip2Packed(t *testing.T) {
	got, _, err := all(forms()[1].read(strings.NewReader("#! bunbatch\n"+byBzip2), limit))
	if diff := cmp.Diff([]string{"one\r\n"}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestUnpacked_isWhatWasPacked(t *testing.T) {
	const text = "#! rnews 4\none\n"
	var byGzip bytes.Buffer
	z := gzip.NewWriter(&byGzip)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for packed, want := range map[string]string{byGzip.String(): text, byBzip2: text, text: text, "B": "B", "": ""} {
		r, err := archive.Unpacked(strings.NewReader(packed))
		if err != nil {
			t.Fatalf("%q: %v", packed, err)
		}
		if got, err := io.ReadAll(r); string(got) != want || err != nil {
			t.Errorf("%q: %q, %v", packed, got, err)
		}
	}
	for _, cut := range []string{byGzip.String()[:5], byGzip.String()[:byGzip.Len()-9], byBzip2[:20]} {
		r, err := archive.Unpacked(strings.NewReader(cut))
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v, want an end that was not expected", cut, err)
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
