package office

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// away is another gateway that the office knows.
type away struct{ key token.SealPublic }

func (a away) Seal(string, time.Time) (uint64, token.SealPublic, error) { return 7, a.key, nil }

// A long message to another gateway waits for the batch as a whole, with its receipt,
// or not at all: who is told that there was no room sends it again.
func TestSubmit_aLongMessageAwayIsKeptWholeOrNotAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key, err := token.NewSealKey()
		if err != nil {
			t.Fatal(err)
		}
		b.Away = away{key.Public()}
		if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: entry.Submit, Posting: pool.PostingAllowed, Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
		to := pool.MessageID(cardFor(t, key.Public(), "other.example", 7).Token)
		long := strings.Repeat("It was a long way, and there was no end to it.\n", 40_000)
		fragments := len(long)/16_312 + 1
		bob := b.login("bob", bobPass)
		b.submit(bob, reply(to, long))
		if n := b.Queue.Waiting(); n < fragments+2 { // which is more than one; the receipt has two or more
			t.Fatalf("%d articles and entries wait, of %d fragments and a receipt", n, fragments)
		}
		before := b.Queue.Waiting()
		b.refused(bob, reply(to, "once more\n"+long), batch.ErrBacklog)
		if n := b.Queue.Waiting(); n != before {
			t.Errorf("%d parts wait of a message that was refused", n-before)
		}
		b.turn(1)
		group, err := b.store.Group(t.Context(), entry.Submit)
		if err != nil || int(group.High) < fragments {
			t.Errorf("%d of %d fragments left: %v", group.High, fragments, err)
		}
	})
}
