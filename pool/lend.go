package pool

import (
	"context"
	"io"
	"time"
)

// A Lender is a Reader that lends articles: for whoever sends them on, and need
// not have them in memory of its own.
type Lender interface {
	// LendByNumber is [Reader.ByNumber] for a loan.
	LendByNumber(ctx context.Context, name Group, n Number) (Loan, error)

	// LendByID is [Reader.ByID] for a loan.
	LendByID(ctx context.Context, id MessageID) (Loan, error)
}

// A Loan is an article at rest, all of which was checked before it was lent: no
// octet of one that is damaged is ever written. It is for one goroutine.
type Loan interface {
	// ID returns the article's message-id.
	ID() MessageID

	// Summary returns what is known of the article, as it stands now.
	Summary() Summary

	// WritePart writes a part of the article to w in wire form, without a
	// terminator. The octets are the article's, whatever was withdrawn, expired
	// or dropped since it was lent, and also once the store is closed. A w that
	// is an io.ReaderFrom may be given a file to take them from. It returns w's
	// error, and one where octets can't be read any more: then a part of them may
	// have been written, and must not be ended as if it was all.
	WritePart(w io.Writer, part Part) error

	// Return gives the article back. It is called once, after everything else.
	Return()
}

// A Summary is what is known of an article besides its octets, as [Stored] has it.
type Summary struct {
	Arrived   time.Time
	Size      int // octets of the wire form
	Locations []Location
}

// Summary returns what is known of an article.
func (a *Stored) Summary() Summary { return Summary{a.Arrived, len(a.Wire), a.Locations} }

// A Part is what a reader wants of an article.
type Part int

// The parts of an article.
const (
	Whole    Part = iota // header, empty line, body
	HeadPart             // header lines, without the empty line
	BodyPart             // what is behind the empty line
)

// Bounds returns where a part begins and ends in an article that has so many
// octets, and so many of header lines, as [Stored] counts them.
func (p Part) Bounds(size, headSize int) (from, to int) {
	switch p {
	case HeadPart:
		return 0, headSize
	case BodyPart:
		return headSize + len("\r\n"), size - len(".\r\n")
	}
	return 0, size - len(".\r\n")
}

// LendByNumber has r lend an article, or reads it where r is no [Lender].
func LendByNumber(ctx context.Context, r Reader, name Group, n Number) (Loan, error) {
	if l, ok := r.(Lender); ok {
		return l.LendByNumber(ctx, name, n)
	}
	return Hold(r.ByNumber(ctx, name, n))
}

// LendByID has r lend an article, or reads it where r is no [Lender].
func LendByID(ctx context.Context, r Reader, id MessageID) (Loan, error) {
	if l, ok := r.(Lender); ok {
		return l.LendByID(ctx, id)
	}
	return Hold(r.ByID(ctx, id))
}

// Hold makes a loan of an article that was read, unless reading it failed.
func Hold(a *Stored, err error) (Loan, error) {
	if err != nil {
		return nil, err
	}
	return held{a}, nil
}

// A held is an article in memory.
type held struct{ article *Stored }

func (h held) ID() MessageID { return h.article.ID }

func (h held) Summary() Summary { return h.article.Summary() }

func (h held) WritePart(w io.Writer, part Part) error {
	from, to := part.Bounds(len(h.article.Wire), h.article.HeadSize)
	_, err := w.Write(h.article.Wire[from:to])
	return err
}

func (h held) Return() {}
