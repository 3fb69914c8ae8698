package session

import (
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"testing"
)

// Whatever a client sends, the session ends once the client does, and each of
// its writes starts with a status line.
func FuzzSession(f *testing.F) {
	for _, seed := range []string{
		"CAPABILITIES\r\nMODE READER\r\nGROUP misc.test\r\nXOVER 1-\r\nQUIT\r\n",
		"AUTHINFO USER a\r\nAUTHINFO PASS b\r\nGROUP restante.inbox\r\nARTICLE\r\nNEXT\r\nLAST\r\n",
		"STARTTLS\r\nCOMPRESS DEFLATE\r\nAUTHINFO SASL PLAIN\r\nAGEAYg==\r\nAUTHINFO SASL PLAIN =\r\nGROUP restante.sent\r\n",
		"POST\r\nSubject: x\r\n\r\n.\n.\r\n.\r\nDATE\r\n",
		"LIST ACTIVE *,!m*\r\nNEWNEWS * 700101 000000 GMT\r\nHDR :bytes <1@x>\r\nXPAT subject 1- *[a-z]\r\n",
		"LISTGROUP misc.test 4294967295-\r\nSTAT 18446744073709551616\r\n\x00\r\n",
		"MODE STREAM\r\nCHECK <a@x>\r\nTAKETHIS <a@x>\r\nx\r\n.\r\nTAKETHIS <no@x>\r\n.\r\nIHAVE <b@x>\r\nx\r\n.\r\n",
		"XKEYS\r\nXBLIND 7 " + element + "," + element + "\r\nXBLIND 18446744073709551616 A,\r\nXPICKUP " + element + "\r\nXPICKUP =\r\n",
		"TAKETHIS\r\n..\r\n.\r\nTAKETHIS <full@x>\r\nx\r\n.\r\nDATE\r\n",
	} {
		f.Add([]byte(seed))
	}
	opts := newOptions(f)
	opts.Feeds, opts.Pickup = fakeFeeds{feed: newFeed()}, new(fakePickup)
	status := regexp.MustCompile(`^[1-5]\d\d .+\r\n`)
	f.Fuzz(func(t *testing.T, stream []byte) {
		ours, theirs := net.Pipe()
		rec := &recorder{Conn: theirs}
		read := make(chan struct{})
		go func() {
			defer close(read)
			// It ends when the server closes the pipe.
			_, _ = io.Copy(io.Discard, ours)
		}()
		served := make(chan error, 1)
		go func() { served <- New(opts).Serve(t.Context(), rec) }()
		// An error is that the session ended first.
		_, _ = io.Copy(ours, bytes.NewReader(append(stream, "\r\n.\r\nQUIT\r\n.\r\nQUIT\r\n"...)))
		if err := <-served; err != nil && !errors.Is(err, ErrPutOff) && !errors.Is(err, ErrFlood) {
			t.Errorf("Serve: %v", err)
		}
		<-read
		for _, w := range rec.writes {
			if len(w) < 16<<10 && !status.MatchString(w) {
				t.Errorf("a write starts with %.20q", w)
			}
		}
	})
}
