package collect

import (
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool"
)

// mailboxesOf makes a matcher of so many mailboxes.
func mailboxesOf(n int) *matcher {
	m := &matcher{
		domain: domain, slots: 8, batches: make(map[uint64]*tagSet),
		calendar: pool.Calendar{EpochLength: 7 * 24 * time.Hour, BatchInterval: 5 * time.Minute, Retention: 4},
	}
	one := new(epoch)
	for range n {
		b := blind.RandomBlinded()
		one.blinded, one.taggers = append(one.blinded, b), append(one.taggers, b.Tagger())
	}
	m.epochs = map[uint64]*epoch{0: one, 1: one, 2: one, 3: one, 4: one}
	return m
}

func TestTags_findEveryMailboxAndNobodyElse(t *testing.T) {
	for _, n := range []int{0, 1, 9, 200} {
		m := mailboxesOf(n)
		for _, batch := range []uint64{0, 1, 2016, 3000} {
			for box, b := range m.epochs[0].blinded {
				for slot := range uint16(8) {
					if got, ok := m.tags(batch).find(b.Tag(batch, slot)); !ok || got != uint32(box) {
						t.Fatalf("of %d: mailbox %d slot %d is %d, %v", n, box, slot, got, ok)
					}
				}
				if _, ok := m.tags(batch).find(b.Tag(batch, 8)); ok {
					t.Fatal("a slot that there is not")
				}
				if _, ok := m.tags(batch).find(b.Tag(batch+1, 0)); ok {
					t.Fatal("of another batch")
				}
			}
			for range 1000 {
				if _, ok := m.tags(batch).find(blind.RandomTag()); ok {
					t.Fatal("nobody's")
				}
			}
		}
	}
}

// Sets are used again: what was in them must not be found any more, nor what is in
// them be forgotten while it is looked for.
func TestTags_areOfTheirBatchAfterManyOthers(t *testing.T) {
	m := mailboxesOf(9)
	b := m.epochs[0].blinded[8]
	for batch := range uint64(5 * maxBatches) {
		for back := range min(batch+1, 3) {
			if box, ok := m.tags(batch - back).find(b.Tag(batch-back, 7)); !ok || box != 8 {
				t.Fatalf("batch %d after %d: %d, %v", batch-back, batch, box, ok)
			}
		}
		if len(m.batches) > maxBatches {
			t.Fatalf("%d batches are held", len(m.batches))
		}
	}
}
