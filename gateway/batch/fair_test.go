package batch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool/record/recordtest"
)

// A market is a queue that a few mailboxes crowd, one of them more than the others,
// and what must come of it.
type market struct {
	t      *testing.T
	r      *rand.Rand
	power  *recordtest.Power
	shape  Shape
	queue  *Queue
	people []person

	restarted bool
	mail      map[blind.Tag]uint64 // accepted and not yet released: in which batch
	own       map[position]int     // how many of these one of the people has in a batch
	entries   int                  // accepted in all
	dropped   int                  // messages
	told      int                  // of these, in notices that have left
	untold    int                  // and those whose place had a notice from before a restart
}

func (m *market) open() {
	q, err := openQueue(m.power, "/queue", m.shape)
	if err != nil {
		m.t.Fatal(err)
	}
	m.queue = q
}

// deposit deposits a message of n entries, and compares where it goes with what is
// promised.
func (m *market) deposit(who, n int) {
	m.t.Helper()
	first := m.shape.Calendar.Batch(time.Now()) + 1
	free := m.queue.batches[first].taken() < m.shape.Size
	unused := m.queue.Begin()
	_, d, fits := unused.Entries(n, somebody().blinder)
	if unused.Drop(); d > 0 {
		m.t.Errorf("what comes for an unused mailbox is dropped")
	}
	booking := m.queue.Begin()
	defer booking.Drop()
	slots, d, err := booking.Entries(n, m.people[who].blinder)
	if !errors.Is(err, fits) {
		m.t.Errorf("somebody is told %v, and for an unused mailbox %v", err, fits)
	}
	if err != nil || m.r.IntN(10) == 0 {
		return
	}
	slots = slices.Clone(slots)
	payloads := make([][]byte, n)
	payloads[0] = fmt.Append(nil, d)
	if err := booking.Deposit(m.t.Context(), payloads); err != nil {
		m.t.Fatal(err)
	}
	if free && m.own[position{first, who}] == 0 && (d > 0 && n == 1 || d == 0 && slots[0].Batch != first) {
		m.t.Errorf("a first entry does not leave with the next batch, which has room: %d dropped", d)
	}
	if d > 0 {
		m.dropped++
		if slots[0].use == waste {
			m.untold++
		}
		return
	}
	m.entries += n
	for _, s := range slots {
		if _, twice := m.mail[s.Tag]; twice {
			m.t.Error("a slot is given out twice")
		}
		m.mail[s.Tag] = s.Batch
		at := position{s.Batch, who}
		if m.own[at]++; m.own[at] > max(1, min(m.shape.Size/2, m.shape.Slots-1)) {
			m.t.Errorf("one mailbox has %d of %d places", m.own[at], m.shape.Size)
		}
		if taken := m.queue.batches[s.Batch].taken(); m.own[at] > 1 && taken > m.shape.Size/2 {
			m.t.Errorf("a later entry has one of the places for first ones: %d of %d are taken", taken, m.shape.Size)
		}
	}
}

// release takes the next batch out of the queue, as a releaser does.
func (m *market) release() {
	m.t.Helper()
	nextBatch()
	batch := m.shape.Calendar.Batch(time.Now())
	items := m.queue.collect(batch)
	if len(items) > m.shape.Size {
		m.t.Errorf("%d entries for a batch of %d", len(items), m.shape.Size)
	}
	for _, it := range items {
		n := 0
		if _, err := fmt.Sscan(string(it.data), &n); n > 0 && err == nil {
			m.told += n
			continue
		}
		if m.mail[it.tag] != batch {
			m.t.Error("an entry leaves that was not accepted for this batch")
		}
		delete(m.mail, it.tag)
	}
	m.queue.settle(batch)
	if err := m.queue.log.rotate(m.queue.waiting); err != nil {
		m.t.Fatal(err)
	}
}

// Whatever comes for whom, and whenever the gateway is restarted: a first entry
// leaves with the next batch that has a place, one mailbox gets half at most, an
// answer follows from the whole queue alone, what was accepted leaves once, and all
// that was dropped is told, unless an older notice is in its place after a restart.
func TestQueue_isFairWhateverComes(t *testing.T) {
	var accepted, dropped, untold int
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			m := &market{t: t, r: rand.New(rand.NewPCG(seed, 9)), power: recordtest.NewPower("/queue"), mail: map[blind.Tag]uint64{}, own: map[position]int{}}
			m.shape = shape
			m.shape.Size, m.shape.Slots, m.shape.Backlog = 1+m.r.IntN(9), 2+m.r.IntN(6), 1+m.r.IntN(5)
			for range 5 {
				m.people = append(m.people, somebody())
			}
			m.open()
			for range 150 {
				switch m.r.IntN(12) {
				case 0, 1:
					m.release()
				case 2:
					if m.r.IntN(3) > 0 {
						continue
					}
					if err := m.queue.Close(); err != nil {
						t.Fatal(err)
					}
					m.open()
					m.restarted = true
				default:
					m.deposit(m.r.IntN(1+m.r.IntN(len(m.people))), 1+m.r.IntN(1+m.r.IntN(6)))
				}
			}
			accepted += m.entries
			dropped += m.dropped
			untold += m.untold
			for m.queue.Waiting() > 0 {
				m.release()
			}
			if len(m.mail) > 0 {
				t.Errorf("%d entries that were accepted have not left", len(m.mail))
			}
			if m.told != m.dropped-m.untold || m.untold > 0 && !m.restarted {
				t.Errorf("of %d messages that were dropped, notices tell of %d, and %d could not be told", m.dropped, m.told, m.untold)
			}
			_ = m.queue.Close()
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d entries accepted, %d messages dropped, %d of them not told", accepted, dropped, untold)
}
