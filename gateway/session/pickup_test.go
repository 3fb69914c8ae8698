package session

import (
	"context"
	"encoding/base64"
	"net"
	"strings"
	"testing"

	"github.com/restante/restante/pool"
)

// element is 32 octets in base64url.
const element = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

// fakePickup gives back what it is given, and remembers it.
type fakePickup struct {
	err      error
	epoch    uint64
	elements [][]byte
	sealed   []byte
}

func (p *fakePickup) Directory() []byte { return []byte("restante\n.dot\n\n— gw.example AAAA\n") }

func (p *fakePickup) Evaluate(_ context.Context, epoch uint64, elements [][]byte) ([][]byte, []byte, error) {
	p.epoch, p.elements = epoch, elements
	return elements, []byte("proof"), p.err
}

func (p *fakePickup) Find(_ context.Context, sealed []byte, yield func(pool.Number, pool.MessageID)) error {
	p.sealed = sealed
	if p.err == nil {
		yield(3, "<a@x>")
		yield(7, "<b@x>")
	}
	return p.err
}

func TestPickup_dialogues(t *testing.T) {
	nine := strings.Repeat(","+element, 9)[1:]
	play(t, []dialogue{
		{"the directory, dot-stuffed", []string{"> XKEYS", "290 Directory follows", "restante", "..dot", "", "— gw.example AAAA", "."}},
		{"one element", []string{"> XBLIND 7 " + element, "~291 ", element, "cHJvb2Y", "."}},
		{"nine elements", append([]string{"> xblind 7 " + nine, "~291 "}, append(strings.Split(nine, ","), "cHJvb2Y", ".")...)},
		{"ten are too many", []string{"> XBLIND 7 " + nine + "," + element, "~501 "}},
		{"an empty element", []string{"> XBLIND 7 " + element + ",", "~291 ", element, "", "cHJvb2Y", "."}}, // for the Pickup to refuse
		{"no elements", []string{"> XBLIND 7", "~501 "}},
		{"white space between them", []string{"> XBLIND 7 " + element + ", " + element, "~501 "}},
		{"no epoch", []string{"> XBLIND x " + element, "~501 ", "> XBLIND -1 " + element, "~501 ", "> XBLIND 18446744073709551616 " + element, "~501 "}},
		{"not base64url", []string{"> XBLIND 7 " + element + "=", "~501 ", "> XBLIND 7 +" + element[1:], "~501 ", "> XPICKUP A", "~501 "}},
		{"a second encoding of the same octets", []string{"> XBLIND 7 " + element[:42] + "B", "~501 "}},
		{"entries", []string{"> XPICKUP " + element, "292 Entries follow", "3 <a@x>", "7 <b@x>", "."}},
		{"XPICKUP without anything", []string{"> XPICKUP", "~501 "}},
		{"XKEYS with an argument", []string{"> XKEYS x", "~501 "}},
	}, func(o *Options) { o.Pickup = new(fakePickup) })
}

func TestPickup_refusals(t *testing.T) {
	for _, c := range []struct {
		err     error
		command string
		want    string
	}{
		{ErrEpoch, "XBLIND 7 " + element, "~490 "},
		{ErrElement, "XBLIND 7 " + element, "~501 "},
		{ErrBusy, "XBLIND 7 " + element, "~403 "},
		{ErrSealed, "XPICKUP " + element, "~491 "},
		{ErrBusy, "XPICKUP " + element, "~403 "},
	} {
		opts := newOptions(t)
		opts.Pickup = &fakePickup{err: c.err}
		dial(t, opts).talk("> "+c.command, c.want)
	}
}

func TestPickup_takesWhatWasSent(t *testing.T) {
	opts, p := newOptions(t), new(fakePickup)
	opts.Pickup = p
	dial(t, opts).talk("> XBLIND 18446744073709551615 "+element, "~291 ", element, "cHJvb2Y", ".", "> XPICKUP "+element, "~292 ")
	if p.epoch != 1<<64-1 || len(p.elements) != 1 || base64.RawURLEncoding.EncodeToString(p.elements[0]) != element || string(p.sealed) != string(p.elements[0]) {
		t.Errorf("the pickup was given %d, %x and %x", p.epoch, p.elements, p.sealed)
	}
}

// capabilityLine returns the line of CAPABILITIES that starts with a word.
func capabilityLine(c *client, word string) (found string) {
	c.send("CAPABILITIES\r\n")
	for line := c.line(); line != "."; line = c.line() {
		if strings.HasPrefix(line, word) {
			found = line
		}
	}
	return found
}

func TestPickup_isOfferedWhereItCanBeUsed(t *testing.T) {
	opts := newOptions(t)
	if got := capabilityLine(dial(t, opts), "X-RESTANTE"); got != "" {
		t.Errorf("without a Pickup there is %q", got)
	}
	dial(t, opts).talk("> XKEYS", "~503 ", "> XBLIND 7 "+element, "~503 ", "> XPICKUP "+element, "~503 ")
	opts.Pickup = new(fakePickup)
	if got := capabilityLine(dial(t, opts), "X-RESTANTE"); got != "X-RESTANTE PICKUP BLIND KEYS" {
		t.Errorf("offered is %q", got)
	}
	opts.MayLogin = func(net.Conn) bool { return false }
	c := dial(t, opts)
	if got := capabilityLine(c, "X-RESTANTE"); got != "X-RESTANTE BLIND KEYS" {
		t.Errorf("where a sealed ID would be seen, offered is %q", got)
	}
	c.talk("> XPICKUP "+element, "~483 ", "> XBLIND 7 "+element, "~291 ", element, "cHJvb2Y", ".")
}
