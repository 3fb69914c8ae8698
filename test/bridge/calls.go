package bridge

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// SpeakToTheirOwn fails the test unless each of two users spoke to her own gateway
// and one other server, and the two have none in common.
func (w *World) SpeakToTheirOwn(t *testing.T, alice, bob *harness.User) {
	t.Helper()
	for u, want := range map[*harness.User][]string{
		alice: {w.A.Address, w.INN.Reader},
		bob:   {w.B.Address, w.Mirror.Address},
	} {
		servers := make(map[string]bool)
		for _, c := range w.Calls(u) {
			servers[c.Server] = true
		}
		if got := slices.Sorted(maps.Keys(servers)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("a user spoke to %q, want %q", got, want)
		}
	}
}

// byName is a command that names one article, other than a directory.
var byName = regexp.MustCompile(`^(ARTICLE|HEAD|BODY|STAT|HDR|XHDR|OVER|XOVER) .*<[^kw]`)

// TakeAllAlike fails the test if somebody asked the server that she takes the pool
// from for an article by its name, and so for one that is hers.
func (w *World) TakeAllAlike(t *testing.T, users ...*harness.User) {
	t.Helper()
	taken := 0
	for _, u := range users {
		for _, c := range w.Calls(u) {
			if c.Server != w.INN.Reader && c.Server != w.Mirror.Address {
				continue
			}
			for _, line := range c.Lines() {
				if byName.MatchString(line) {
					t.Errorf("a user's program asked for one article: %s", line)
				}
				if strings.HasPrefix(line, "ARTICLE ") {
					taken++
				}
			}
		}
	}
	if taken == 0 {
		t.Error("nobody has taken anything")
	}
}

// PostApart fails the test unless each message had a connection of its own to the
// server that it was posted at, by credentials that stand nowhere else, and nothing
// was asked over it.
func (w *World) PostApart(t *testing.T, messages int, users ...*harness.User) {
	t.Helper()
	seen := make(map[string]int)
	var posting []Call
	for _, u := range users {
		for _, c := range w.Calls(u) {
			seen[c.Credentials]++
			if bytes.Contains(c.Said, []byte("Newsgroups: restante.submit\r\n")) {
				posting = append(posting, c)
			}
		}
	}
	if len(posting) != messages {
		t.Errorf("%d messages were posted over %d connections", messages, len(posting))
	}
	for _, c := range posting {
		if seen[c.Credentials] != 1 {
			t.Errorf("a message was posted with credentials that %d connections have", seen[c.Credentials])
		}
		if bytes.Contains(c.Said, []byte("\r\nGROUP ")) || bytes.Contains(c.Said, []byte("\r\nARTICLE ")) {
			t.Error("something was read over the connection that a message was posted over")
		}
	}
}

// AskGatewaysForBlindingAlone fails the test if a user asked her gateway for anything
// but its directory and blinding, or two connections to it can be told to be one
// person's by what a proxy such as Tor goes by.
func (w *World) AskGatewaysForBlindingAlone(t *testing.T, users ...*harness.User) {
	t.Helper()
	asked := make(map[string]int)
	seen := make(map[string]string) // where credentials were used
	for _, u := range users {
		for _, c := range w.Calls(u) {
			if before, ok := seen[c.Credentials]; ok && (before != c.Server || c.Server == w.A.Address || c.Server == w.B.Address) {
				t.Errorf("two connections have the same credentials")
			}
			seen[c.Credentials] = c.Server
			if c.Server != w.A.Address && c.Server != w.B.Address {
				continue
			}
			for _, line := range c.Lines() {
				verb, _, _ := strings.Cut(line, " ")
				asked[verb]++
			}
		}
	}
	t.Logf("the gateways were asked by their users: %v", asked)
	for _, need := range []string{"XKEYS", "XBLIND"} {
		if asked[need] == 0 {
			t.Errorf("nobody ever asked for %s", need)
		}
		delete(asked, need)
	}
	delete(asked, "QUIT")
	if len(asked) > 0 {
		t.Errorf("the gateways were asked for more than keys and blinding: %v", asked)
	}
}
