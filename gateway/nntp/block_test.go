package nntp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

// model reads a block the plain way: all octets up to the first terminating
// line. It is the specification that the reader is held to.
func model(stream string) (text, rest string, malformed, ended bool) {
	end := 0
	switch at := strings.Index(stream, "\r\n.\r\n"); {
	case strings.HasPrefix(stream, ".\r\n"):
		rest = stream[len(".\r\n"):]
	case at >= 0:
		end, rest = at+2, stream[at+len("\r\n.\r\n"):]
	default:
		return "", "", false, false
	}
	for _, line := range strings.SplitAfter(stream[:end], "\r\n") {
		if strings.ContainsAny(strings.TrimSuffix(line, "\r\n"), "\r\n\x00") {
			malformed = true
		}
		text += strings.TrimPrefix(line, ".")
	}
	return text, rest, malformed, true
}

// wireOf is the dot-stuffed form of a text.
func wireOf(text string) string {
	var out bytes.Buffer
	w := NewWriter(&out, new(Buffers))
	w.Text([]byte(text))
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return out.String()
}

func checkBlock(t interface {
	Helper()
	Fatalf(string, ...any)
}, stream string, src io.Reader, wide bool,
) {
	t.Helper()
	text, rest, malformed, ended := model(stream)
	r := NewReader(src, new(Buffers))
	if wide {
		r.Widen()
	}
	block, err := r.ReadBlock(1<<20, 1<<20)
	switch {
	case !ended:
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%q ends nowhere, but err = %v, text = %q", stream, err, block.Text())
		}
		return
	case malformed:
		if !errors.Is(err, ErrBlockMalformed) {
			t.Fatalf("%q: err = %v, want ErrBlockMalformed", stream, err)
		}
	case err != nil || string(block.Text()) != text || block.Len() != len(text):
		t.Fatalf("%q: text = %q (%d), %v, want %q", stream, block.Text(), block.Len(), err, text)
	case block.lines != strings.Count(text, "\n") || block.stuff != strings.Count("\n"+text, "\n."):
		t.Fatalf("%q: %d lines, %d with a dot in front", stream, block.lines, block.stuff)
	case string(block.Wire()) != wireOf(text):
		t.Fatalf("%q: wire = %q, want %q", stream, block.Wire(), wireOf(text))
	}
	left, err := io.ReadAll(io.MultiReader(bytes.NewReader(r.held()), src))
	if err != nil || string(left) != rest {
		t.Fatalf("%q: left over %q, %v, want %q", stream, left, err, rest)
	}
}

func (r *Reader) held() []byte {
	if r.buf == nil {
		return nil
	}
	return r.buf[r.next:r.end]
}

// Every stream of six octets that matter, alone and behind a line, followed by
// a good end and a further command, in one piece and octet by octet.
func TestReadBlock_endsOnlyAtCRLFDotCRLF(t *testing.T) {
	const octets, length = "\r\n.\x00x", 6
	all := 1
	for range length {
		all *= len(octets)
	}
	for i := range all {
		var six [length]byte
		for j, n := 0, i; j < length; j, n = j+1, n/len(octets) {
			six[j] = octets[n%len(octets)]
		}
		for _, before := range []string{"", "x\r\n"} {
			for _, after := range []string{"", "\r\n.\r\nQUIT\r\n"} {
				stream := before + string(six[:]) + after
				checkBlock(t, stream, strings.NewReader(stream), false)
				checkBlock(t, stream, iotest.OneByteReader(strings.NewReader(stream)), false)
			}
		}
	}
}

func TestReadBlock_anyChunking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"\r\n", ".", "x", "\r\n.", "..", "\n", "\r", "\x00", strings.Repeat("long", bufferSize/4)}), 0, 12).Draw(t, "parts")
		stream := strings.Join(parts, "") + "\r\n.\r\nrest"
		sizes := rapid.SliceOfN(rapid.IntRange(1, bufferSize+1), 1, 8).Draw(t, "sizes")
		checkBlock(t, stream, &chunks{src: strings.NewReader(stream), sizes: sizes}, rapid.Bool().Draw(t, "wide"))
	})
}

// chunks reads in pieces of given sizes.
type chunks struct {
	src   io.Reader
	sizes []int
	at    int
}

func (c *chunks) Read(p []byte) (int, error) {
	size := c.sizes[c.at%len(c.sizes)]
	c.at++
	return c.src.Read(p[:min(size, len(p))])
}

// Commands and blocks as a peer sends them. The Reader turns wide somewhere on the
// way, and blocks are freed in any order, some only after others were read to
// where they had been.
func TestReader_wide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"", "a\r\n", ".\r\n..\r\n", strings.Repeat("line\r\n", 300), strings.Repeat("long", bufferSize/2) + "\r\n",
		}), 1, 40).Draw(t, "texts")
		var stream strings.Builder
		for _, text := range texts {
			stream.WriteString("TAKETHIS <a@b>\r\n" + wireOf(text) + ".\r\n")
		}
		sizes := rapid.SliceOfN(rapid.IntRange(1, 2*wideSize), 1, 8).Draw(t, "sizes")
		r := NewReader(&chunks{src: strings.NewReader(stream.String()), sizes: sizes}, new(Buffers))
		from := rapid.IntRange(0, len(texts)).Draw(t, "wide from")
		kept := make(map[int]Block)
		for i, want := range texts {
			if i == from {
				r.Widen()
			}
			line, err := r.ReadLine()
			if err != nil || string(line) != "TAKETHIS <a@b>" {
				t.Fatalf("line %d: %q, %v", i, line, err)
			}
			block, err := r.ReadBlock(1<<20, 1<<20)
			if err != nil || string(block.Text()) != want {
				t.Fatalf("block %d: %q, %v, want %q", i, block.Text(), err, want)
			}
			kept[i] = block
			if j := rapid.IntRange(0, i).Draw(t, "freed"); kept[j].wire != nil {
				kept[j].Free()
				delete(kept, j)
			}
			for j, block := range kept {
				if string(block.Text()) != texts[j] {
					t.Fatalf("block %d became %q, not %q", j, block.Text(), texts[j])
				}
			}
		}
	})
}

func TestReadBlock_limits(t *testing.T) {
	const limit, bound = 10, 1 << 17
	for _, tt := range []struct {
		name, stream string
		want         error
	}{
		{"exactly the limit", "12345678\r\n.\r\nrest", nil},
		{"dot-stuffing does not count", "..2345678\r\n.\r\nrest", nil},
		{"a dot that is not stuffed counts once gone", ".12345678\r\n.\r\nrest", nil},
		{"one octet more", "123456789\r\n.\r\nrest", ErrBlockTooLarge},
		{"many buffers more", strings.Repeat("x", 3*bufferSize) + "\r\n.\r\nrest", ErrBlockTooLarge},
		{"too large and malformed", strings.Repeat("x\n", bufferSize) + "\r\n.\r\nrest", ErrBlockTooLarge},
	} {
		r := NewReader(strings.NewReader(tt.stream), new(Buffers))
		if _, err := r.ReadBlock(limit, bound); !errors.Is(err, tt.want) || err == nil != (tt.want == nil) {
			t.Errorf("%s: err = %v, want %v", tt.name, err, tt.want)
		}
		if got := string(r.held()); got != "rest" {
			t.Errorf("%s: left over %d octets, want the rest", tt.name, len(got))
		}
	}
	endless := NewReader(io.MultiReader(strings.NewReader(strings.Repeat("y", 2*bound))), new(Buffers))
	if _, err := endless.ReadBlock(limit, bound); !errors.Is(err, ErrBlockEndless) {
		t.Errorf("endless: err = %v, want ErrBlockEndless", err)
	}
}

func TestBlock_lines(t *testing.T) {
	r := NewReader(strings.NewReader("a\r\n..b\r\n\r\n.c\r\n.\r\n"), new(Buffers))
	block, err := r.ReadBlock(100, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range block.Lines() {
		got = append(got, string(line))
	}
	if want := "a|.b||c"; strings.Join(got, "|") != want {
		t.Errorf("lines = %q, want %q", got, want)
	}
}

func FuzzReadBlock(f *testing.F) {
	f.Add([]byte("a\r\n..\r\n.\r\nQUIT\r\n"), 1)
	f.Add([]byte("a\n.\r\n\r\n.\r\n"), 3)
	f.Fuzz(func(t *testing.T, stream []byte, size int) {
		size = 1 + (size&0x7fffffff)%4096
		checkBlock(t, string(stream), &chunks{src: bytes.NewReader(stream), sizes: []int{size}}, size%2 == 0)
	})
}
