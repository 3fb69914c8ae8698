package envelope

import (
	"errors"
	"math"
)

// MaxMessage is the most content that Split takes, in octets: fragments are
// counted in two octets.
const MaxMessage = math.MaxUint16 * MaxContent

var (
	// ErrTooLong is returned for content beyond MaxMessage.
	ErrTooLong = errors.New("content is too long")
	// ErrJoin is returned for fragments that are not all of one message, each
	// once.
	ErrJoin = errors.New("fragments are not one message")
)

// Split cuts content into fragments under one fresh random handle: one at
// least, be the content empty. The fragments share content's memory. It
// returns ErrTooLong beyond MaxMessage, and ErrFragment for an unknown kind.
func Split(kind Kind, content []byte) ([]Fragment, error) {
	return SplitAs(kind, newHandle(), content)
}

// SplitAs is [Split] under a handle of the caller's, which must be random to
// everybody else: for a message that may have to be sealed a second time and
// must not be taken for another one.
func SplitAs(kind Kind, handle [handleSize]byte, content []byte) ([]Fragment, error) {
	if kind > KindNotice {
		return nil, ErrFragment
	}
	count, err := fragmentCount(len(content))
	if err != nil {
		return nil, err
	}
	out := make([]Fragment, count)
	for i := range out {
		n := min(len(content), MaxContent)
		out[i] = Fragment{
			Kind:    kind,
			Index:   uint16(i),
			Count:   uint16(count),
			Handle:  handle,
			Content: content[:n:n],
		}
		content = content[n:]
	}
	return out, nil
}

// fragmentCount returns how many fragments content of a size takes.
func fragmentCount(size int) (int, error) {
	if size > MaxMessage {
		return 0, ErrTooLong
	}
	return max(1, (size+MaxContent-1)/MaxContent), nil
}

// Join puts a message's fragments together again, whatever their order. It
// returns ErrJoin unless they are of one handle, kind and count, and each is
// there once.
func Join(fragments []Fragment) ([]byte, error) {
	if len(fragments) == 0 || len(fragments) != int(fragments[0].Count) {
		return nil, ErrJoin
	}
	first, size := &fragments[0], 0
	inOrder := make([]*Fragment, len(fragments))
	for i := range fragments {
		f := &fragments[i]
		if f.Handle != first.Handle || f.Kind != first.Kind || f.Count != first.Count {
			return nil, ErrJoin
		}
		if f.Index >= f.Count || inOrder[f.Index] != nil {
			return nil, ErrJoin
		}
		inOrder[f.Index] = f
		size += len(f.Content)
	}
	content := make([]byte, 0, size)
	for _, f := range inOrder {
		content = append(content, f.Content...)
	}
	return content, nil
}
