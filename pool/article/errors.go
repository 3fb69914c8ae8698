package article

import (
	"errors"

	"github.com/restante/restante/pool"
)

// The causes of a [pool.Refusal] made here. Test for them with errors.Is.
var (
	ErrNoHeader     = errors.New("no header")
	ErrBareLine     = errors.New("NUL, bare CR or bare LF")
	ErrHeaderSyntax = errors.New("not a header field")
	ErrLongLine     = errors.New("header line too long")
	ErrNoBody       = errors.New("no body")
	ErrNoGroups     = errors.New("no newsgroups")
)

func refuse(cause error, sentence string) error {
	return &pool.Refusal{Sentence: sentence, Cause: cause}
}

func refuseBareLine() error {
	return refuse(ErrBareLine, "The article has a NUL, a bare CR or a bare LF in it; end every line with CRLF and send again")
}

func refuseHeader() error {
	return refuse(ErrHeaderSyntax, "A header line is not of the form Name: value; mend it and send again")
}

func refuseLongLine() error {
	return refuse(ErrLongLine, "A header line is longer than 998 octets; fold it and send again")
}

func refuseNoBody() error {
	return refuse(ErrNoBody, "The article has no body: write something and send again")
}
