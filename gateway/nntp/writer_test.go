package nntp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/restante/restante/pool"
)

// writes keeps each write apart.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

// A status line leaves in one write even where it would straddle the end of a
// full buffer.
func TestWriter_statusLineIsNeverCut(t *testing.T) {
	status := string(Reply{CodeOverview, "Overview follows"}.Append(nil))
	for fill := bufferSize - len(status) - 2; fill <= bufferSize; fill++ {
		var out writes
		w := NewWriter(&out, new(Buffers))
		w.Wire(bytes.Repeat([]byte("x"), fill))
		w.Reply(Reply{CodeOverview, "Overview follows"})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out[len(out)-1], status) {
			t.Fatalf("behind %d octets the status line was cut: last write %q", fill, out[len(out)-1])
		}
	}
}

func TestReply_alwaysOneLineWithText(t *testing.T) {
	for _, tt := range []struct {
		in   Reply
		want string
	}{
		{Reply{CodeStat, "1 <a@b>"}, "223 1 <a@b>\r\n"},
		{Reply{CodePasswordRequired, ""}, "381 OK\r\n"},
		{Reply{CodePostingRejected, ""}, "441 Refused\r\n"},
		{Reply{CodePostingRejected, "a\r\n205 b\x00"}, "441 a  205 b \r\n"},
		{Reply{CodeHelp, strings.Repeat("x", 600)}, "100 " + strings.Repeat("x", 506) + "\r\n"},
	} {
		if got := string(tt.in.Append(nil)); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestWriter_lines(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, new(Buffers))
	w.Line([]byte(".a"), []byte(".b"))
	w.Line(nil, []byte("."))
	w.Line([]byte("a\r\n.\r\nb\x00c"))
	w.Line()
	w.Text([]byte(".x\r\ny\r\n"))
	w.Wire([]byte("..z\r\n"))
	w.End()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "..a.b\r\n..\r\na  .  b c\r\n\r\n..x\r\ny\r\n..z\r\n.\r\n"; out.String() != want {
		t.Errorf("wrote %q, want %q", out.String(), want)
	}
	if w.buf != nil {
		t.Error("a buffer is held after Flush")
	}
}

func TestWriter_command(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, new(Buffers))
	for line, want := range map[string]error{
		"a\r\nb":                       ErrLineMalformed,
		"a\x00":                        ErrLineMalformed,
		strings.Repeat("x", MaxLine-1): ErrLineTooLong,
	} {
		if err := w.Command(line); !errors.Is(err, want) {
			t.Errorf("Command(%.9q) = %v, want %v", line, err, want)
		}
	}
	if err := w.Command("DATE"); err != nil {
		t.Error(err)
	}
	if err := w.Flush(); err != nil || out.String() != "DATE\r\n" {
		t.Errorf("wrote %q, %v", out.String(), err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriter_firstErrorStays(t *testing.T) {
	w := NewWriter(failing{}, new(Buffers))
	for range 3 {
		w.Wire(make([]byte, bufferSize))
	}
	if !errors.Is(w.Err(), io.ErrClosedPipe) || !errors.Is(w.Flush(), io.ErrClosedPipe) {
		t.Errorf("err = %v, want the destination's", w.Err())
	}
}

// A taker is a destination that takes from a reader by itself.
type taker struct {
	bytes.Buffer
	before int // octets that came before
}

func (t *taker) ReadFrom(r io.Reader) (int64, error) {
	t.before = t.Len()
	return t.Buffer.ReadFrom(r)
}

// What is read in comes in its place, through the buffer or past it.
func TestWriter_readFrom(t *testing.T) {
	for _, size := range []int{0, 1, bufferSize - 20, bufferSize, bufferSize + 1, 5 * bufferSize} {
		octets := strings.Repeat("0123456789", size/10+1)[:size]
		want := "222 1 <a@b>\r\n" + octets + ".\r\n"
		through := func(dst io.Writer) {
			w := NewWriter(dst, new(Buffers))
			w.Reply(Reply{CodeBody, "1 <a@b>"})
			n, err := w.ReadFrom(iotest.HalfReader(strings.NewReader(octets)))
			w.End()
			if err := errors.Join(err, w.Flush()); err != nil || n != int64(size) {
				t.Errorf("%d octets: %d, %v", size, n, err)
			}
		}
		var plain writes
		through(&plain)
		if strings.Join(plain, "") != want {
			t.Errorf("%d octets come otherwise through the buffer", size)
		}
		var past taker
		through(&past)
		if past.String() != want || past.before != len("222 1 <a@b>\r\n") {
			t.Errorf("%d octets come otherwise past the buffer", size)
		}
	}
}

// What fails to be read is no failure of the destination.
func TestWriter_readFromFails(t *testing.T) {
	w := NewWriter(new(writes), new(Buffers))
	if _, err := w.ReadFrom(iotest.ErrReader(io.ErrNoProgress)); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("err = %v, want the reader's", err)
	}
	if err := w.Flush(); err != nil {
		t.Errorf("Flush: %v", err)
	}
	w = NewWriter(failing{}, new(Buffers))
	if _, err := w.ReadFrom(strings.NewReader(strings.Repeat("x", 2*bufferSize))); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("err = %v, want the destination's", err)
	}
}

// What is larger than the buffer leaves in one write, behind what was gathered.
func TestWriter_largeIsNotCopied(t *testing.T) {
	var out writes
	w := NewWriter(&out, new(Buffers))
	w.Wire([]byte("a"))
	if n, err := w.Write(bytes.Repeat([]byte("b"), 4*bufferSize)); n != 4*bufferSize || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	w.End()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "a" + strings.Repeat("b", 4*bufferSize) + ".\r\n"
	if strings.Join(out, "") != want || len(out) != 3 {
		t.Errorf("%d writes, want one buffer full, the rest and the end", len(out))
	}
}

// What stands behind the Message-ID is anybody's, and a reply that says that nothing is
// there names none.
func TestReply_namesAnArticle(t *testing.T) {
	for _, tt := range []struct {
		in   Reply
		want pool.MessageID
	}{
		{Reply{CodeStat, "7 <a@b>"}, "<a@b>"},
		{Reply{CodeArticle, "0 <a@b> article follows"}, "<a@b>"},
		{Reply{CodeStat, "7"}, ""},
		{Reply{CodeStat, "7 a@b"}, ""},
		{Reply{CodeGroup, "7 <a@b>"}, ""},
		{Reply{CodeNoSuchNumber, "7 <a@b>"}, ""},
	} {
		if got, ok := tt.in.Article(); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%v: %q, %v; want %q", tt.in, got, ok, tt.want)
		}
	}
}
