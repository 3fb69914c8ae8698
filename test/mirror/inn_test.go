package mirror

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/test/harness"
	"github.com/restante/restante/test/inn"
)

// shared is the groups that news servers carry for gateways.
func shared() []string {
	return []string{"restante.keys", "restante.manifest", "restante.pool", "restante.submit", "restante.cards"}
}

// between starts INN between two gateways: what either feeds it, it feeds the other.
func between(t *testing.T, a, b *harness.Gateway) *inn.Server {
	t.Helper()
	var groups []inn.Group
	for _, name := range shared() {
		groups = append(groups, inn.Group{Name: name, Posting: 'y', Created: time.Now()})
	}
	s := inn.StartFeeding(t, groups, inn.Login{Name: "nobody", Password: "secret"},
		inn.Downstream{Name: "a.example", Address: a.Address}, inn.Downstream{Name: "b.example", Address: b.Address})
	for _, g := range []*harness.Gateway{a, b} {
		connect(t, g, link{domain: inn.Domain, feeds: true, address: s.Transit, feed: "groups = \"restante.*\"\n"})
	}
	return s
}

// Everything of a gateway floods through INN, in both ways: the pool, what was
// signed, and what was sealed.
func TestINN_betweenTwoGateways(t *testing.T) {
	a, b := gateway(t, "a.example"), gateway(t, "b.example")
	s := between(t, a, b)
	alice, bob := a.Dial(), b.Dial()
	alice.Login("alice", harness.Passphrase(t))
	bob.Login("bob", harness.Passphrase(t))

	alice.Post("Newsgroups: restante.cards\nFrom: x@y.example\nSubject: card of Alice\n\nWrite to me.\n")
	card, _ := bob.Await("restante.cards", "Write to me.")
	follows(t, b, a, "a.example", 8)
	bob.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + card.Get("Message-ID") + "\n\nThrough INN.\n")
	letter, _ := alice.Await("restante.inbox", "Through INN.")
	follows(t, a, b, "b.example", 8)
	alice.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + letter.Get("Message-ID") + "\n\nAnd back. " + strings.Repeat("It was a long way. ", 3000) + "\n")
	bob.Await("restante.inbox", "And back.")

	sameFromINN(t, a, b, "a.example", s)
	sameFromINN(t, b, a, "b.example", s)
}

// sameFromINN takes what a gateway has released and the other one has got from INN's
// nnrpd, as any client would, and compares it octet for octet. Every entry must
// verify.
func sameFromINN(t *testing.T, g, other *harness.Gateway, domain string, s *inn.Server) {
	t.Helper()
	own, theirs := newReader(t, g.Address), newReader(t, s.Reader)
	var key *note.Verifier
	entries := 0
	for _, group := range shared()[:3] {
		ids := slices.Sorted(maps.Keys(bodiesIn(t, other, group, domain)))
		for _, id := range ids[:min(len(ids), 50)] { // nnrpd takes 46 ms for each over loopback
			want, got := own.article(id), theirs.article(id)
			if !bytes.Equal(withoutTrace(want), withoutTrace(got)) {
				t.Fatalf("INN's copy of an article in %s differs", group)
			}
			a, err := article.Parse(got)
			if err != nil {
				t.Fatal(err)
			}
			switch group {
			case "restante.keys":
				_, _, signed, err := entry.ParseNote(a, "restante.keys")
				if err != nil {
					t.Fatal(err)
				}
				d, err := note.PeekDirectory(signed)
				if err != nil {
					t.Fatal(err)
				}
				if d.Domain != domain { // it witnesses another's
					continue
				}
				if key, err = note.NewVerifier(domain, d.Sign[:]); err != nil {
					t.Fatal(err)
				}
			case "restante.pool":
				e, signature, err := entry.Parse(a, "restante.pool")
				if err == nil {
					err = e.Verify(signature, key)
				}
				if err != nil {
					t.Fatalf("an entry from INN does not verify: %v", err)
				}
				entries++
			}
		}
	}
	if entries < 4 {
		t.Errorf("only %d entries", entries)
	}
}

// withoutTrace takes out of an article what each server writes itself.
func withoutTrace(text []byte) []byte {
	var out []byte
	head, body, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	for line := range bytes.SplitAfterSeq(head, []byte("\r\n")) {
		if !bytes.HasPrefix(line, []byte("Path: ")) && !bytes.HasPrefix(line, []byte("Xref: ")) {
			out = append(out, line...)
		}
	}
	return append(append(out, "\r\n\r\n"...), body...)
}
