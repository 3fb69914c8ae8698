package pickup_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/pickup"
)

// A canned gateway has its answers, and hears nothing.
type canned struct{ io.Reader }

func (canned) Write(b []byte) (int, error) { return len(b), nil }

// Whatever a gateway answers, the client ends, believes no blinding without a proof,
// and gives nothing that is not of the form that it promises.
func FuzzClient_answers(f *testing.F) {
	for _, s := range []string{
		"200 hello\r\n290 keys\r\nrestante directory v1\r\n.\r\n291 e\r\n" + strings.Repeat("AAAA\r\n", 10) + ".\r\n292 found\r\n7 <a@b>\r\n.\r\n",
		"200 hello\r\n290 keys\r\n..dot\r\n.\r\n480 no\r\n292 found\r\n.\r\n",
		"201\r\n290\r\n.\r\n291 e\r\n.\r\n292 x\r\n0 <a@b>\r\n.\r\n",
		"400 busy\r\n", "", "200", "200 hello\n290 k\n.\n",
		"200 hello\r\n290 keys\r\n.\r\n291 e\r\n" + strings.Repeat(strings.Repeat("A", 43)+"\r\n", 9) + strings.Repeat("A", 86) + "\r\n.\r\n",
	} {
		f.Add(s)
	}
	key, err := blind.NewRoot().Key("gw.example")
	if err != nil {
		f.Fatal(err)
	}
	blinder, err := blind.NewClient(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	sealTo, err := token.NewSealKey()
	if err != nil {
		f.Fatal(err)
	}
	id := identity.NewSeed().Mailbox(0).ID()
	f.Fuzz(func(t *testing.T, answers string) {
		c := pickup.New(canned{strings.NewReader(answers)})
		if c.Hello() != nil {
			return
		}
		if signed, err := c.Directory(); err == nil && (len(signed) > len(answers) || bytes.Contains(signed, []byte("\r\n"))) {
			t.Errorf("a directory of its own making: %q", signed)
		}
		if blinded, err := c.Blind(blinder, 1, []identity.ID{id}); err == nil {
			t.Errorf("a blinding that nobody proved: %v", blinded)
		}
		found, err := c.Find(sealTo.Public(), id)
		for _, e := range found {
			if err != nil || e.Number == 0 || !strings.HasPrefix(string(e.ID), "<") {
				t.Errorf("%+v, %v", e, err)
			}
		}
	})
}
