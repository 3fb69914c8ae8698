package nntp

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// An endless source sends the same octets again and again.
type endless struct {
	all []byte
	at  int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.all[e.at:])
	e.at = (e.at + n) % len(e.all)
	return n, nil
}

func BenchmarkReader_block(b *testing.B) {
	const line = "Some seventy octets a line is what people write, and some words more.\r\n"
	for name, text := range map[string]string{
		"2KiB":   strings.Repeat(line, 2<<10/len(line)),
		"16KiB":  strings.Repeat(line, 16<<10/len(line)),
		"1MiB":   strings.Repeat(line, 1<<20/len(line)),
		"dotted": strings.Repeat("..\r\n", 512),
	} {
		b.Run(name, func(b *testing.B) {
			r := NewReader(&endless{all: []byte(text + ".\r\n")}, new(Buffers))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadBlock(2<<20, 2<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReader_line(b *testing.B) {
	line := []byte("CHECK <0123456789abcdef.000000000001@bench.example>\r\n")
	r := NewReader(&endless{all: bytes.Repeat(line, 100)}, new(Buffers))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ReadLine(); err != nil {
			b.Fatal(err)
		}
		r.HasLine()
	}
}

func BenchmarkWriter_overviewLine(b *testing.B) {
	w := NewWriter(io.Discard, new(Buffers))
	number := []byte("123456\t")
	overview := []byte("An article of 2048 octets\tSome Body <somebody@bench.example>\tSun, 22 Nov 2026 14:35:29 +0000\t" +
		"<0123456789abcdef.000000000001@bench.example>\t<first@bench.example> <second@bench.example>\t2100\t25\t" +
		"Xref: gw.example misc.test:123456")
	b.SetBytes(int64(len(number) + len(overview)))
	b.ReportAllocs()
	for b.Loop() {
		w.Line(number, overview)
	}
}
