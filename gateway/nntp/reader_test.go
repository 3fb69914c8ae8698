package nntp

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine_limitsAndEnds(t *testing.T) {
	full := strings.Repeat("x", MaxLine-2)
	for _, tt := range []struct {
		name, stream, want string
		err                error
	}{
		{"a command", "DATE\r\n", "DATE", nil},
		{"an empty line", "\r\n", "", nil},
		{"512 octets with CRLF", full + "\r\n", full, nil},
		{"513 octets", full + "x\r\n", "", ErrLineTooLong},
		{"far too long", strings.Repeat("x", 3*bufferSize+7) + "\r\n", "", ErrLineTooLong},
		{"too long with CRs all over", strings.Repeat("\r", 2*bufferSize) + "\r\n", "", ErrLineTooLong},
		{"LF alone ends nothing", "DATE\nQUIT\r\n", "", ErrLineMalformed},
		{"CR alone", "DA\rTE\r\n", "", ErrLineMalformed},
		{"CR before CRLF", "DATE\r\r\n", "", ErrLineMalformed},
		{"NUL", "DA\x00TE\r\n", "", ErrLineMalformed},
		{"the end within a line", "DATE", "", io.ErrUnexpectedEOF},
		{"half an end", "DATE\r", "", io.ErrUnexpectedEOF},
		{"the end", "", "", io.EOF},
	} {
		for how, src := range map[string]io.Reader{
			"at once":        strings.NewReader(tt.stream + after(tt.err)),
			"octet by octet": iotest.OneByteReader(strings.NewReader(tt.stream + after(tt.err))),
		} {
			r := NewReader(src, new(Buffers))
			line, err := r.ReadLine()
			if string(line) != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("%s, %s: %q, %v; want %q, %v", tt.name, how, line, err, tt.want, tt.err)
				continue
			}
			if after(tt.err) == "" {
				continue
			}
			if line, err := r.ReadLine(); string(line) != "NEXT" || err != nil {
				t.Errorf("%s, %s: then %q, %v; want the next command", tt.name, how, line, err)
			}
		}
	}
}

// after is the command behind a line that was read to its end.
func after(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	return "NEXT\r\n"
}

// watcher notes whether its reader holds a buffer while it waits.
type watcher struct {
	src     io.Reader
	r       *Reader
	waits   []bool
	largest int
}

func (w *watcher) Read(p []byte) (int, error) {
	w.waits = append(w.waits, w.r.buf != nil)
	w.largest = max(w.largest, len(p))
	return w.src.Read(p)
}

func TestReader_holdsNoBufferWhileItWaits(t *testing.T) {
	w := &watcher{src: &chunks{src: strings.NewReader("DATE\r\nHELP\r\n"), sizes: []int{6}}}
	w.r = NewReader(w, new(Buffers))
	for _, want := range []string{"DATE", "HELP"} {
		line, err := w.r.ReadLine()
		if err != nil || string(line) != want {
			t.Fatalf("line = %q, %v, want %q", line, err, want)
		}
	}
	if _, err := w.r.ReadLine(); !errors.Is(err, io.EOF) {
		t.Fatalf("err = %v, want io.EOF", err)
	}
	if w.r.buf != nil {
		t.Error("a buffer is held after the end")
	}
	if w.waits[0] {
		t.Error("a buffer was held before the first octet came")
	}
	if !w.waits[1] {
		t.Error("no buffer was taken once the first octet came")
	}
}

func TestReader_wideHoldsItsBufferUntilTheSourceFails(t *testing.T) {
	w := &watcher{src: &chunks{src: iotest.TimeoutReader(strings.NewReader("DATE\r\nHELP\r\n")), sizes: []int{6}}}
	w.r = NewReader(w, new(Buffers))
	w.r.Widen()
	if line, err := w.r.ReadLine(); err != nil || string(line) != "DATE" {
		t.Fatalf("line = %q, %v", line, err)
	}
	if w.r.buf == nil || w.largest != wideSize {
		t.Errorf("the source was asked for %d octets, and then the buffer is %d", w.largest, len(w.r.buf))
	}
	if _, err := w.r.ReadLine(); !errors.Is(err, iotest.ErrTimeout) || w.r.buf != nil {
		t.Errorf("after the time was over: %v, and a buffer of %d", err, len(w.r.buf))
	}
	if line, err := w.r.ReadLine(); err != nil || string(line) != "HELP" {
		t.Errorf("line = %q, %v", line, err)
	}
}

func TestReader_hasLine(t *testing.T) {
	r := NewReader(&chunks{src: strings.NewReader("A\r\nB\r\nC\r\n"), sizes: []int{1, 6, 9}}, new(Buffers))
	for i, want := range []bool{true, false, false} {
		if _, err := r.ReadLine(); err != nil {
			t.Fatal(err)
		}
		if got := r.HasLine(); got != want {
			t.Errorf("after line %d HasLine = %t, want %t", i, got, want)
		}
	}
}

func TestReadReply_clientSide(t *testing.T) {
	r := NewReader(strings.NewReader("200 hello there\r\n205\r\nhello\r\n99 x\r\n2000 x\r\n"), new(Buffers))
	for _, want := range []Reply{{200, "hello there"}, {205, ""}} {
		if got, err := r.ReadReply(); err != nil || got != want {
			t.Errorf("reply = %v, %v, want %v", got, err, want)
		}
	}
	for range 3 {
		if got, err := r.ReadReply(); !errors.Is(err, ErrReply) {
			t.Errorf("reply = %v, %v, want ErrReply", got, err)
		}
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add("DATE\r\nQUIT\r\n", 3)
	f.Add("a\nb\r\r\n\x00\r\n", 1)
	f.Add(strings.Repeat("x", 600)+"\r\n", 512)
	f.Fuzz(func(t *testing.T, stream string, size int) {
		size = 1 + (size&0x7fffffff)%4096
		r := NewReader(&chunks{src: strings.NewReader(stream), sizes: []int{size}}, new(Buffers))
		rest := stream
		for {
			want, tail, whole := strings.Cut(rest, "\r\n")
			line, err := r.ReadLine()
			switch {
			case !whole:
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("no line left, but %q, %v", line, err)
				}
				return
			case len(want)+2 > MaxLine:
				if !errors.Is(err, ErrLineTooLong) {
					t.Fatalf("err = %v, want ErrLineTooLong", err)
				}
			case strings.ContainsAny(want, "\r\n\x00"):
				if !errors.Is(err, ErrLineMalformed) {
					t.Fatalf("err = %v, want ErrLineMalformed", err)
				}
			case err != nil || string(line) != want:
				t.Fatalf("line = %q, %v, want %q", line, err, want)
			}
			rest = tail
		}
	})
}
