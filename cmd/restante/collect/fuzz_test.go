package collect

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool/entry"
)

func FuzzParseMarks(f *testing.F) {
	for _, s := range []string{"3 1 3 restante.pool", "0 0 0 g", "0 5 4 g", "1 2147483647 2147483647 g", "1 0 1", "x", "4294967296 1 2 g", "1 1 2147483648 g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		low, high, err := parseMarks(text)
		if err == nil && high != 0 && (low < 1 || low > high) || err != nil && (low != 0 || high != 0) {
			t.Errorf("%q: %d to %d, %v", text, low, high, err)
		}
	})
}

func FuzzNoteOf(f *testing.F) {
	signer, err := note.NewSigner(domain, make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	m := note.Manifest{Domain: domain, Batch: 7}
	signed, err := note.Sign(m.Text(), signer)
	if err != nil {
		f.Fatal(err)
	}
	a, err := entry.Note(domain, manifestGroup, entry.ManifestID(domain, 7), entry.ManifestSubject(7), time.Unix(2100, 0), signed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Text())
	f.Add([]byte("Path: x\r\nMessage-ID: <m.7@" + domain + ">\r\n\r\n"))
	f.Add([]byte("\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		named, got, err := noteOf(text, manifestGroup)
		if err != nil {
			return
		}
		if named == "" || bytes.Contains(got, []byte("\r\n")) {
			t.Errorf("%q: %q, %q", text, named, got)
		}
		if _, _, err := note.OpenManifest(got, signer.Verifier()); err == nil && !bytes.Equal(got, signed) {
			t.Errorf("another note of the gateway's: %q", got)
		}
	})
}

// Whatever a server answers, a run ends, keeps no mail that nobody wrote, and the mail
// file is whole afterwards.
func FuzzRun_server(f *testing.F) {
	f.Add("200 hello\r\n201 reader\r\n411 no\r\n", false)
	f.Add("200 hello\r\n200 r\r\n211 0 0 0 g\r\n205 bye\r\n", false)
	f.Add("200 hello\r\n200 r\r\n211 2 1 2 g\r\n220 1 <a@b>\r\nSubject: x\r\n\r\nbody\r\n.\r\n423 no\r\n205 bye\r\n", true)
	f.Add("200 hello\r\n200 r\r\n211 9 1 2147483647 g\r\n423\r\n", false)
	f.Add("200 hello\r\n290 keys\r\nrestante directory v1\r\n.\r\n", true)
	f.Add("502 go away\r\n", false)
	f.Add("200 hello\r\n200 r\r\n211 3 1 3 g\r\n224 o\r\n1\tx\ty\tDate\t<a@"+domain+">\r\n.\r\n", true)
	seed := identity.NewSeed()
	f.Fuzz(func(t *testing.T, answers string, matching bool) {
		mail, err := mailbox.Open(t.TempDir(), seed)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = mail.Close() }()
		server := remote.Server{Address: "server:119", Timeout: time.Second}
		report, err := Run(t.Context(), Options{
			Seed: seed, Mail: mail, Group: "restante.pool", Late: time.Minute, Matching: matching, Now: time.Now,
			Gateways: []Gateway{{Domain: domain, Server: server}}, Fetch: []remote.Server{server},
			Purpose:  func() remote.Dialer { return says(answers) },
			Progress: func(int, int) {},
		})
		if err != nil {
			t.Errorf("the server's fault is taken for this machine's: %v", err)
		}
		if len(report.New) > 0 || len(mail.Messages("")) > 0 || mail.Damaged {
			t.Errorf("mail out of nothing: %+v", report)
		}
		for _, trouble := range report.Troubles {
			if strings.Contains(trouble.Error(), "\r") {
				t.Errorf("what a server said is repeated: %q", trouble)
			}
		}
	})
}

// says dials a server that says the same to everybody.
type says string

// DialContext implements [remote.Dialer].
func (s says) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return &canned{Reader: strings.NewReader(string(s))}, ctx.Err()
}

// A canned connection has its answers, and hears nothing.
type canned struct{ io.Reader }

func (*canned) Write(b []byte) (int, error)      { return len(b), nil }
func (*canned) Close() error                     { return nil }
func (*canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*canned) SetDeadline(time.Time) error      { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }
