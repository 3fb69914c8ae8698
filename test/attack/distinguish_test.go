package attack

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

const (
	batchSize = 8
	watched   = 632 // batches, so that the pool holds a little over 5,000 entries
	people    = 12

	crowded    = 6  // batches that may be booked, so that a mailbox is soon full
	flood      = 30 // messages that fill one
	everyFlood = 25 // batches
)

// A history is a pool that was filled by the real code, and the secret of it:
// whose each entry is.
type history struct {
	entries []observed
	owner   map[string]int  // by Message-ID; cover has none
	notices map[string]bool // by Message-ID, of those owned
}

// recorded lets a gateway run for batches, half of what it releases being mail:
// messages of all sizes, in fragments where they are long, receipts, and notices to
// somebody who is flooded now and then. Which batches are full and which are empty
// follows from a coin.
func recorded(t *testing.T, batches int) history {
	t.Helper()
	var h history
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t, func(s *gateway.Settings) { s.Batches.Backlog = crowded })
		first := g.policy.Calendar.Batch(time.Now()) + 1
		ring, err := keyring.Open(gateway.KeyDir(g.data), domain, g.policy)
		if err != nil {
			t.Fatal(err)
		}
		alice := g.dial()
		alice.login("alice", alicePassphrase)
		boxes := []*identity.Mailbox{identity.FromPassphrase(domain, "alice", alicePassphrase).Mailbox(0)}
		for len(boxes) < people {
			boxes = append(boxes, identity.NewSeed().Mailbox(0))
		}
		nobody := g.dial()
		for b := range batches {
			for range rand.IntN(5) {
				from := nobody
				if rand.IntN(4) == 0 {
					from = alice // who gets a receipt
				}
				from.offer(letterTo(g.token(boxes[rand.IntN(people)])))
			}
			if b%everyFlood == 0 {
				for range flood {
					nobody.offer("Newsgroups: restante.reply\nSubject: s\nReferences: " + g.token(boxes[people-1]) + "\n\nx\n")
				}
			}
			g.nextBatch()
		}
		h.entries = nobody.fetch(t, batchSize)[:batches*batchSize]
		last := g.policy.Calendar.Batch(time.Now())
		h.owner, h.notices = map[string]int{}, map[string]bool{}
		for i, box := range boxes {
			for b := first; b <= last; b++ {
				secret := blinded(t, ring, box, g.policy.Calendar.EpochOf(b))
				for s := range uint16(g.policy.SlotsPerBatch) {
					id := secret.Tag(b, s).MessageID(domain)
					h.owner[id] = i
					h.notices[id] = int(s) == g.policy.SlotsPerBatch-1
				}
			}
		}
	})
	return h
}

// offer posts an article, unless too much waits already.
func (l *line) offer(text string) {
	l.t.Helper()
	l.say("340", "POST")
	got := l.ask("%s.", strings.ReplaceAll(text, "\n", "\r\n"))
	if !strings.HasPrefix(got, "240") && !strings.Contains(got, "Too much mail is waiting") {
		l.t.Fatalf("got %q", got)
	}
}

// token makes a reply token of a mailbox, as its owner can from the directory.
func (g *target) token(box *identity.Mailbox) string {
	g.t.Helper()
	directory := g.directory()
	epoch := g.policy.Calendar.Epoch(time.Now())
	for _, k := range directory.Seal {
		if k.Epoch != epoch {
			continue
		}
		seal, err := token.ParseSealPublic(k.Key[:])
		if err != nil {
			g.t.Fatal(err)
		}
		made, err := token.Mint(seal, domain, epoch, box)
		if err != nil {
			g.t.Fatal(err)
		}
		return made.MessageID(domain)
	}
	g.t.Fatal("no seal key of this epoch is published")
	return ""
}

// directory is what the gateway publishes now.
func (g *target) directory() *note.Directory {
	g.t.Helper()
	ring, err := keyring.Open(gateway.KeyDir(g.data), domain, g.policy)
	if err != nil {
		g.t.Fatal(err)
	}
	d, _, _, err := note.OpenDirectory(ring.Directory().Signed, ring.Signer().Verifier())
	if err != nil {
		g.t.Fatal(err)
	}
	return d
}

// letterTo is a message of any size, from a word to four entries.
func letterTo(token string) string {
	body := "x"
	switch rand.IntN(3) {
	case 1:
		body = strings.Repeat("A line of text that says nothing at all.\n", 1+rand.IntN(300))
	case 2:
		body = strings.Repeat("zzzzzzzzzzzzzzzzzzzzzzzz\n", rand.IntN(2500))
	}
	return fmt.Sprintf("Newsgroups: restante.reply\nSubject: s\nReferences: %s\n\n%s\n", token, body)
}

func (h history) samples(change func(o *observed, real bool)) []sample {
	var out []sample
	for i := range h.entries {
		o := h.entries[i]
		_, real := h.owner[o.id]
		if change != nil {
			o.payload = append([]byte(nil), o.payload...)
			o.tag = append([]byte(nil), o.tag...)
			change(&o, real)
		}
		out = append(out, sample{o.features(batchSize), real})
	}
	return out
}

// TestDistinguisher_coverLooksLikeMail lets a classifier learn on one half of
// five thousand entries of which it is told what they are, and guess the other
// half. Each control makes cover a little different, in a way that a slip in the
// code could, and the same classifier must see it.
func TestDistinguisher_coverLooksLikeMail(t *testing.T) {
	var v verdict
	var h history
	for range 3 { // see verdict.tells
		h = recorded(t, watched)
		if v = judge(h.samples(nil)); !v.tells() {
			break
		}
	}
	real, notices, heads := 0, 0, map[string]int{}
	for _, o := range h.entries {
		heads[o.head]++
		if _, ok := h.owner[o.id]; ok {
			real++
		}
		if h.notices[o.id] {
			notices++
		}
	}
	t.Logf("%d entries, %d of them mail, among it %d notices, %d form of header; AUC %.4f, interval %.4f to %.4f; widest single feature |z| %.2f (number %d)",
		len(h.entries), real, notices, len(heads), v.auc, v.low, v.high, v.widest, v.feature)
	if share := float64(real) / float64(len(h.entries)); share < 0.35 || share > 0.65 {
		t.Errorf("%.2f of the entries are mail: the classes are too unequal", share)
	}
	if notices < 10 {
		t.Errorf("only %d notices came", notices)
	}
	if len(heads) != 1 {
		t.Errorf("%d forms of header: %v", len(heads), heads)
	}
	if v.tells() {
		t.Error("mail and cover can be told apart, three times in a row")
	}
	for flaw, change := range map[string]func(o *observed, real bool){
		"cover stands in the first places of its batch": func(o *observed, real bool) {
			if !real {
				o.place = rand.IntN(batchSize/2 + 2)
			}
		},
		"a bit of cover's tag is mostly zero": func(o *observed, real bool) {
			if !real && rand.IntN(4) > 0 {
				o.tag[5] &^= 8
			}
		},
		"cover's key is no point of the curve half of the time": func(o *observed, real bool) {
			o.payload[31] &^= 128 // as X25519 gives it
			if !real {
				o.payload[31] |= byte(rand.IntN(2)) << 7
			}
		},
		"cover ends with 96 zeros": func(o *observed, real bool) {
			if !real {
				clear(o.payload[len(o.payload)-112 : len(o.payload)-16])
				o.stats = statistics(o.payload, o.body)
			}
		},
		"cover is a base64 line longer": func(o *observed, real bool) {
			if !real {
				o.octets += 78
			}
		},
	} {
		c := judge(h.samples(change))
		t.Logf("control, %s: AUC %.3f, interval %.3f to %.3f, widest |z| %.1f", flaw, c.auc, c.low, c.high, c.widest)
		if !c.tells() {
			t.Errorf("the classifier does not see that %s", flaw)
		}
	}
}
