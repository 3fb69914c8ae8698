package session

import (
	"encoding/base64"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/restante/restante/pool"
)

// plainMessage is a client's message (RFC 4616, Section 2) in base64.
func plainMessage(identity, handle, passphrase string) string {
	return base64.StdEncoding.EncodeToString([]byte(identity + "\x00" + handle + "\x00" + passphrase))
}

// RFC 4643, Section 2.4.
func TestSASL_answers(t *testing.T) {
	good := plainMessage("", "alice", "five words")
	play(t, []dialogue{
		{"initial response", []string{"> AUTHINFO SASL PLAIN " + good, "~281 ", "> GROUP restante.inbox", "~211 "}},
		{"continuation, mechanism in any case", []string{"> authinfo sasl Plain", "383 =", "> " + good, "~281 ", "> GROUP restante.inbox", "~211 "}},
		{"as oneself", []string{"> AUTHINFO SASL PLAIN " + plainMessage("alice", "alice", "x"), "~281 "}},
		{"as somebody else", []string{"> AUTHINFO SASL PLAIN " + plainMessage("bob", "alice", "x"), "~481 ", "> DATE", "~111 "}},
		{"after a login: 502", []string{
			"> AUTHINFO SASL PLAIN " + good, "~281 ", "> AUTHINFO SASL PLAIN " + good, "~502 ", "> AUTHINFO SASL X", "~502 ", "> AUTHINFO USER a", "~502 ",
		}},
		{"given up", []string{"> AUTHINFO SASL PLAIN", "383 =", "> *", "~481 ", "> DATE", "~111 "}},
		{"not base64: 504", []string{
			"> AUTHINFO SASL PLAIN abcd=efg", "~504 ", "> AUTHINFO SASL PLAIN =AAA", "~504 ", "> AUTHINFO SASL PLAIN AAB=", "~504 ",
			"> AUTHINFO SASL PLAIN", "383 =", "> abc", "~504 ", "> AUTHINFO SASL PLAIN", "383 =", "> ", "~504 ", "> DATE", "~111 ",
		}},
		{"messages that are none: 482", []string{
			"> AUTHINFO SASL PLAIN =", "~482 ", "> AUTHINFO SASL PLAIN", "383 =", "> =", "~482 ",
			"> AUTHINFO SASL PLAIN " + base64.StdEncoding.EncodeToString([]byte("a\x00b")), "~482 ",
			"> AUTHINFO SASL PLAIN " + base64.StdEncoding.EncodeToString([]byte("a\x00b\x00c\x00d")), "~482 ",
		}},
		{"names that can't be prepared: 481", []string{
			"> AUTHINFO SASL PLAIN " + plainMessage("", "", "x"), "~481 ", "> AUTHINFO SASL PLAIN " + plainMessage("", "a", ""), "~481 ",
			"> AUTHINFO SASL PLAIN " + plainMessage("", "\xff", "x"), "~481 ",
		}},
		{"other mechanisms: 503", []string{"> AUTHINFO SASL DIGEST-MD5", "~503 ", "> AUTHINFO SASL X-1_a =", "~503 "}},
		{"syntax: 501", []string{
			"> AUTHINFO SASL", "~501 ", "> AUTHINFO SASL PLAIN a b", "~501 ", "> AUTHINFO SASL PLAIN! a", "~501 ", "> AUTHINFO SASL " + strings.Repeat("X", 21), "~501 ",
		}},
		{"ends what AUTHINFO USER began", []string{"> AUTHINFO USER a", "~381 ", "> AUTHINFO SASL PLAIN", "383 =", "> *", "~481 ", "> AUTHINFO PASS b", "~482 "}},
	}, nil)
}

func TestSASL_keepsEveryOctetOfThePassphrase(t *testing.T) {
	opts := newOptions(t)
	office := newOffice(t)
	opts.Office = office
	dial(t, opts).talk("> AUTHINFO SASL PLAIN "+plainMessage("", "al ice", " two  spaces\tand a tab "), "~281 ")
	if office.handle != "al ice" || office.passphrase != " two  spaces\tand a tab " {
		t.Errorf("the office got %q and %q", office.handle, office.passphrase)
	}
}

// RFC 4616, Section 2 wants 255 octets of each part taken, which makes the
// command longer than others may be (RFC 4643, Section 2.4.1).
func TestSASL_longLines(t *testing.T) {
	long := strings.Repeat("x", 255)
	message := plainMessage(long, long, long)
	play(t, []dialogue{
		{"initial response", []string{"> AUTHINFO SASL PLAIN " + message, "~281 "}},
		{"continuation", []string{"> AUTHINFO SASL PLAIN", "383 =", "> " + message, "~281 "}},
		{"too long even so", []string{
			"> AUTHINFO SASL PLAIN " + strings.Repeat("A", 2100), "~501 ", "> AUTHINFO SASL PLAIN", "383 =", "> " + strings.Repeat("A", 2100), "~501 ", "> DATE", "~111 ",
		}},
		{"no other command", []string{
			"> AUTHINFO USER " + strings.Repeat("x", 1000), "~501 Line ", "> AUTHINFO PASS " + strings.Repeat("x", 1000), "~501 Line ",
			"> XYZZY " + strings.Repeat("x", 1000), "~501 Line ", "> DATE " + strings.Repeat("x", 1000), "~501 Line ",
		}},
	}, nil)
}

// RFC 4643, Section 2.4.2: 483 for a mechanism that needs privacy, 503 for one
// that is not there at all; neither is announced.
func TestSASL_inTheClear(t *testing.T) {
	play(t, []dialogue{{"483", []string{
		"> AUTHINFO SASL PLAIN", "~483 ", "> AUTHINFO SASL PLAIN " + plainMessage("", "a", "b"), "~483 ", "> AUTHINFO SASL EXTERNAL", "~503 ",
	}}}, func(o *Options) { o.MayLogin = func(net.Conn) bool { return false } })
}

func TestSASL_refusals(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"weak passphrase": {&pool.Refusal{Sentence: "Use a longer passphrase"}, "481 Use a longer passphrase"},
		"busy":            {ErrBusy, "~403 Too many logins"},
		"a fault of ours": {errors.New("secret detail"), "~403 Something failed"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := newOptions(t)
			office := newOffice(t)
			office.loginErr = tt.err
			opts.Office = office
			dial(t, opts).talk("> AUTHINFO SASL PLAIN "+plainMessage("", "a", "b"), tt.want, "> GROUP restante.inbox", "~480 ", "> AUTHINFO SASL PLAIN", "383 =")
		})
	}
}

func TestSASL_clientGoesInMidExchange(t *testing.T) {
	c := dial(t, newOptions(t))
	c.talk("> AUTHINFO SASL PLAIN", "383 =")
	if err := c.conn.Close(); err != nil {
		t.Fatal(err)
	}
	c.outcome(nil)
}
