package inflate

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// commands is what a client says, each piece flushed.
var commands = []string{"GROUP misc.test\r\n", "GROUP misc.test\r\n", "DATE\r\n"}

// A stepper hands out one piece at a time, and fails the test when it is asked
// for more than was sent.
type stepper struct {
	pieces [][]byte
	sent   int // pieces that may be read
	next   int
}

var errNothing = errors.New("nothing was sent yet")

func (s *stepper) Read(p []byte) (int, error) {
	if s.next == s.sent {
		return 0, errNothing
	}
	n := copy(p, s.pieces[s.next])
	if s.pieces[s.next] = s.pieces[s.next][n:]; len(s.pieces[s.next]) == 0 {
		s.next++
	}
	return n, nil
}

// Each command arrives whole with the octets that its flush sent, whichever of
// zlib's flushes it was (RFC 8054, Sections 2.2.2 and 4). The streams were made
// by zlib.
func TestReader_handsOutAllThatWasFlushed(t *testing.T) {
	for name, pieces := range zlibStreams() {
		t.Run(name, func(t *testing.T) {
			src := &stepper{}
			for _, piece := range pieces {
				octets, err := hex.DecodeString(piece)
				if err != nil {
					t.Fatal(err)
				}
				src.pieces = append(src.pieces, octets)
			}
			r := NewReader(src)
			for i, want := range commands {
				src.sent = i + 1
				got := make([]byte, len(want))
				if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
					t.Fatalf("command %d: %q, %v", i, got[:n], err)
				}
				if n, err := r.Read(got); n != 0 || !errors.Is(err, errNothing) {
					t.Fatalf("behind command %d: %d octets, %v", i, n, err)
				}
			}
		})
	}
}

// However text is compressed, flushed and cut, it comes out as it went in.
func TestReader_isTheOppositeOfCompressing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.SampledFrom([]int{flate.HuffmanOnly, flate.DefaultCompression, 0, 1, 2, 6, 9}).Draw(t, "level")
		var packed, plain bytes.Buffer
		w, err := flate.NewWriter(&packed, level)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 6).Draw(t, "pieces") {
			piece := []byte(rapid.StringMatching(`(DATE |[a-z]+|..){0,200}`).Draw(t, "piece"))
			piece = bytes.Repeat(piece, rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "times"))
			plain.Write(piece)
			if _, err := w.Write(piece); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "flush") && w.Flush() != nil {
				t.Fatal("flush failed")
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		src := io.Reader(&packed)
		if rapid.Bool().Draw(t, "octet by octet") {
			src = iotest.OneByteReader(src)
		}
		got, err := io.ReadAll(NewReader(src))
		if err != nil || !bytes.Equal(got, plain.Bytes()) {
			t.Fatalf("%d octets came out of %d, %v", len(got), plain.Len(), err)
		}
	})
}

func TestReader_corrupt(t *testing.T) {
	for name, stream := range map[string]string{
		"a block of the third kind":            "\x07",
		"a stored block whose lengths differ":  "\x01\x05\x00\x00\x00hello",
		"a distance beyond the start":          "\x03\x02\x00",
		"literals beyond those there are":      "\xfd\xff\xff\xff\xff",
		"commands that nobody compressed":      "GROUP misc.test\r\n",
		"code lengths that fit no code at all": "\x05\xe0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		r := NewReader(strings.NewReader(stream))
		if got, err := io.ReadAll(r); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, read again: %d, %v", name, n, err)
		}
	}
}

func TestReader_endsWithItsSource(t *testing.T) {
	if _, err := io.ReadAll(NewReader(strings.NewReader("\x4b"))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a stream cut short: %v", err)
	}
	src := errors.New("broken")
	r := NewReader(iotest.ErrReader(src))
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, src) {
		t.Errorf("a broken source: %v", err)
	}
}

// The window grows with the stream and never beyond what a distance can reach.
func TestReader_memory(t *testing.T) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil || w.Close() != nil {
		t.Fatal("compressing failed")
	}
	r := NewReader(&packed)
	if n, err := io.CopyN(io.Discard, r, 100); n != 100 || err != nil || len(r.window) != firstWindow {
		t.Errorf("after 100 octets the window has %d: %v", len(r.window), err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil || len(r.window) != windowSize {
		t.Errorf("after 1 MiB the window has %d: %v", len(r.window), err)
	}
}

// No stream makes the reader panic or go on for ever, and where compress/flate
// reads one to its end, so does this.
func FuzzReader(f *testing.F) {
	f.Add([]byte("\x03\x00"))
	f.Add([]byte("\x01\x05\x00\xfa\xffhello"))
	for _, pieces := range zlibStreams() {
		octets, err := hex.DecodeString(strings.Join(pieces, ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(octets)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		const most = 1 << 20
		got, err := io.ReadAll(io.LimitReader(NewReader(bytes.NewReader(stream)), most))
		want, theirs := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(stream)), most))
		if theirs == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%d octets, %v; compress/flate has %d", len(got), err, len(want))
		}
		if err == nil && theirs != nil {
			t.Errorf("read to the end what compress/flate takes for %v", theirs)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(strings.Repeat("The violin is under the third stair, said Alice.\r\n", 100) + strings.Repeat("0123456789abcdef", 64))
	if _, err := w.Write(text); err != nil || w.Close() != nil {
		b.Fatal("compressing failed")
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := io.Copy(io.Discard, NewReader(bytes.NewReader(packed.Bytes()))); err != nil {
			b.Fatal(err)
		}
	}
}
