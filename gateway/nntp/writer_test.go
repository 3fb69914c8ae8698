package nntp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
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
