package nntp

import "sync"

// Sizes of the pooled buffers, in octets.
const (
	bufferSize = 16 << 10 // room for many pipelined commands and for most articles' heads
	wideSize   = 64 << 10 // room for many articles, of a peer that feeds
	spareSize  = 16 << 10 // the most that a block's memory may have to be used again
)

// Buffers lends buffers to the readers and writers of a server's connections,
// so that a connection that waits for its client holds none. Its zero value is
// ready for use, from many goroutines at the same time.
type Buffers struct{ usual, wide, spares sync.Pool }

type (
	buffer     [bufferSize]byte
	wideBuffer [wideSize]byte
)

// take lends a buffer of one of the two sizes.
func (b *Buffers) take(size int) []byte {
	if size == wideSize {
		if lent, ok := b.wide.Get().(*wideBuffer); ok {
			return lent[:]
		}
		return new(wideBuffer)[:]
	}
	if lent, ok := b.usual.Get().(*buffer); ok {
		return lent[:]
	}
	return new(buffer)[:]
}

func (b *Buffers) give(lent []byte) {
	if len(lent) == wideSize {
		b.wide.Put((*wideBuffer)(lent))
	} else {
		b.usual.Put((*buffer)(lent))
	}
}

// A spare is the memory of a block that may be freed.
type spare struct {
	buffers *Buffers
	octets  []byte
}

func (b *Buffers) spare() *spare {
	if s, ok := b.spares.Get().(*spare); ok {
		return s
	}
	return &spare{buffers: b}
}

func (s *spare) free() {
	if cap(s.octets) <= spareSize {
		s.buffers.spares.Put(s)
	}
}
