package session

import (
	"errors"
	"net"
	"testing"

	"github.com/restante/restante/pool"
)

// RFC 4643, Section 2.3.
func TestAuthinfo_answers(t *testing.T) {
	play(t, []dialogue{
		{"PASS first", []string{"> AUTHINFO PASS x", "~482 "}},
		{"in order, then never again", []string{
			"> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> AUTHINFO USER a", "~502 ", "> AUTHINFO PASS b", "~502 ",
		}},
		{"before and after MODE READER", []string{
			"> AUTHINFO USER a", "~381 ", "> MODE READER", "~200 ", "> AUTHINFO PASS b", "~281 ", "> MODE READER", "~200 ",
		}},
		{"AUTHINFO is announced before the login only, SASL always (RFC 4643, Section 2.2)", []string{
			"> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "SASL PLAIN", "POST", "OVER MSGID",
			"HDR", "~LIST ", "NEWNEWS", ".",
		}},
		{"unknown variants", []string{"> AUTHINFO GENERIC x", "~501 ", "> AUTHINFO", "~501 ", "> AUTHINFO USER", "~501 ", "> AUTHINFO USER a b", "~501 "}},
	}, nil)
}

func TestAuthinfo_passphraseIsTheRestOfTheLine(t *testing.T) {
	opts := newOptions(t)
	office := newOffice(t)
	opts.Office = office
	c := dial(t, opts)
	c.talk("> authinfo user alice", "~381 ", "> authinfo pass  Five  words with\tspaces ", "~281 ")
	if office.handle != "alice" || office.passphrase != "Five  words with\tspaces " {
		t.Errorf("the office got %q and %q", office.handle, office.passphrase)
	}
}

func TestAuthinfo_refusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"weak passphrase", &pool.Refusal{Sentence: "Use a longer passphrase"}, "481 Use a longer passphrase"},
		{"busy", ErrBusy, "~403 Too many logins"},
		{"a fault of ours", errors.New("secret detail"), "~403 Something failed"},
		{"a fault that would mean something elsewhere", pool.ErrNoGroup, "~403 Something failed"},
		{"nor 480, RFC 4643, Section 2.3.1", errLoginFirst, "~403 Something failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := newOptions(t)
			office := newOffice(t)
			office.loginErr = tt.err
			opts.Office = office
			c := dial(t, opts)
			c.talk("> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", tt.want, "> AUTHINFO PASS b", "~482 ", "> GROUP restante.inbox", "~480 ")
		})
	}
}

func TestAuthinfo_inTheClear(t *testing.T) {
	play(t, []dialogue{{"483, and not announced", []string{
		"> AUTHINFO USER a", "~483 ", "> AUTHINFO PASS a", "~483 ",
		"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".",
		"> GROUP restante.inbox", "~480 ",
	}}}, func(o *Options) { o.MayLogin = func(net.Conn) bool { return false } })
}

func TestMailbox_isOpenInItsSessionOnly(t *testing.T) {
	play(t, []dialogue{
		{"before the login: listed, 480, and its message-ids unknown", []string{
			"> LIST ACTIVE restante.*", "~215 ", "restante.inbox 0 1 y", "restante.sent 0 1 n", ".",
			"> GROUP restante.inbox", "~480 ", "> LISTGROUP restante.sent", "~480 ", "> STAT <i@x>", "~430 ",
		}},
		{"after it", []string{
			"> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ",
			"> LIST ACTIVE restante.*", "~215 ", "restante.inbox 1 1 y", "restante.sent 0 1 y", ".",
			"> STAT <i@x>", "223 0 <i@x>", "> GROUP restante.inbox", "211 1 1 1 restante.inbox", "> BODY", "222 1 <i@x>", "body of i", "..dot", ".",
			"> STAT <1@x>", "223 0 <1@x>", "> OVER 1-", "~224 ", "~1\tabout i\t", ".", "> STAT <no@x>", "~430 ",
			"> GROUP misc.test", "~211 ", "> STAT", "~223 1 <1@x>",
		}},
	}, nil)
}

func TestMailbox_refreshedWhenSelectedOrListed(t *testing.T) {
	opts := newOptions(t)
	office := newOffice(t)
	opts.Office = office
	c := dial(t, opts)
	c.talk("> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ")
	for i, lines := range [][]string{
		{"> GROUP restante.sent", "~211 "},
		{"> LISTGROUP restante.sent", "~211 ", "."},
		{"> LIST ACTIVE none", "~215 ", "."},
		{"> NEWNEWS none 20240101 000000", "~230 ", "."},
	} {
		c.talk(lines...)
		if office.box.refreshed != i+1 {
			t.Errorf("after %q refreshed %d times, want %d", lines[0], office.box.refreshed, i+1)
		}
	}
	c.talk("> GROUP misc.test", "~211 ")
	if office.box.refreshed != 4 {
		t.Error("a public group refreshed the mailbox")
	}
	office.box.err = pool.ErrNotFound
	c.talk("> GROUP restante.inbox", "~403 ", "> STAT", "~223 1 ")
}
