package disk

import (
	"encoding/binary"
	"runtime"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// How much may be staged, in keys and in octets, before whoever stages more puts
// it into the database first: some 1,400 articles.
const (
	stagedKeys   = 4096
	stagedOctets = 1 << 20
)

// A staging is keys and values on their way into the index's database. They are
// found like others from the moment they are staged, but an article need not wait
// for the database, which takes longer than a sync. Whoever walks over keys puts
// what is staged among them there first. What is staged when the process ends is
// found in the segments, behind the checkpoints.
type staging struct {
	turn sync.Mutex    // held while anything is written to the database
	wake chan struct{} // something was staged; for whoever puts it there

	mu    sync.RWMutex // guards what follows
	young *staged      // added to
	old   *staged      // being written; nil when nothing is
	spare *staged      // empty, to be used again
	lost  error        // why some is not in the database and never will be
}

// A staged is what goes into the database in one go.
type staged struct {
	batch leveldb.Batch
	ends  []int                  // how many keys there were each time some had been staged
	spans map[stagedKey]span     // of keys that are looked up one by one
	least map[uint32]pool.Number // the lowest number staged in each group
}

// A stagedKey is a key with zeros behind it: that of a message-id, or of a row,
// which ends before. Longer ones that are staged, those of arrivals, nobody looks up.
type stagedKey [1 + len(hash{})]byte

// A span is where in a batch a value lies.
type span struct{ from, to uint32 }

func newStaging() *staging {
	return &staging{wake: make(chan struct{}, 1), young: newStaged()}
}

func newStaged() *staged {
	return &staged{spans: make(map[stagedKey]span), least: make(map[uint32]pool.Number)}
}

// Put adds a key and its value, which are copied.
func (y *staged) Put(key, value []byte) {
	y.batch.Put(key, value)
	if len(key) > len(stagedKey{}) {
		return
	}
	end := uint32(len(y.batch.Dump())) // the value is what was added last
	y.spans[paddedKey(key)] = span{end - uint32(len(value)), end}
	if key[0] != 'n' {
		return
	}
	least, ok := y.least[groupOf(key)]
	if n := numberOf(key); !ok || n < least {
		y.least[groupOf(key)] = n
	}
}

// Delete is there for [leveldb.BatchReplay]: what is staged is added to alone.
func (y *staged) Delete([]byte) { panic("a key was to be deleted that may be staged") }

func paddedKey(key []byte) stagedKey {
	var padded stagedKey
	copy(padded[:], key)
	return padded
}

// get returns a copy of the value of a key.
func (y *staged) get(key []byte) ([]byte, bool) {
	at, ok := y.spans[paddedKey(key)]
	if !ok {
		return nil, false
	}
	return append([]byte{}, y.batch.Dump()[at.from:at.to]...), true
}

// among says whether there may be keys from one up to but without another.
func (y *staged) among(from, to []byte) bool {
	const row = 1 + 4 + 4
	if y.batch.Len() == 0 {
		return false
	}
	if from[0] != 'n' || len(from) != row || len(to) != row || groupOf(from) != groupOf(to) {
		return true
	}
	least, ok := y.least[groupOf(from)]
	return ok && least < pool.Number(binary.BigEndian.Uint32(to[5:]))
}

func (y *staged) clear() {
	y.batch.Reset()
	y.ends = y.ends[:0]
	clear(y.spans)
	clear(y.least)
}

// each calls visit for what is on its way, the younger first, until it returns
// true, and says whether it did.
func (g *staging) each(visit func(*staged) bool) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return visit(g.young) || g.old != nil && visit(g.old)
}

// get returns a copy of the value of a key that is on its way.
func (g *staging) get(key []byte) (value []byte, ok bool) {
	g.each(func(y *staged) bool {
		value, ok = y.get(key)
		return ok
	})
	return value, ok
}

// among says whether keys from one up to but without another may be on their way.
func (g *staging) among(from, to []byte) bool {
	return g.each(func(y *staged) bool { return y.among(from, to) })
}

// full says whether what is staged should go to the database before there is more.
func (g *staging) full() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.young.batch.Len() >= stagedKeys || len(g.young.batch.Dump()) >= stagedOctets
}

// stage adds a batch of keys that are new, and empties it. All of it is found at
// once. It is refused once some was lost: a later checkpoint would hide that.
func (x *index) stage(b *leveldb.Batch) error {
	defer b.Reset()
	if x.staging.full() {
		if err := x.settle(); err != nil {
			return err
		}
	}
	g := x.staging
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil {
		return g.lost
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
	if err := b.Replay(g.young); err != nil {
		return err
	}
	g.young.ends = append(g.young.ends, g.young.batch.Len())
	return nil
}

// settle puts into the database what was staged before the call.
func (x *index) settle() error {
	x.staging.turn.Lock()
	defer x.staging.turn.Unlock()
	return x.settleStaged()
}

// settleStaged is settle for who has the turn.
func (x *index) settleStaged() error {
	g := x.staging
	y, err := g.take()
	if err != nil || y == nil {
		return err
	}
	p := &portions{x: x, ends: y.ends}
	if err = y.batch.Replay(p); err == nil {
		err = p.err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil { // it can still be looked up, but there will be nothing behind it
		g.lost = err
		return err
	}
	g.old.clear()
	g.old, g.spare = nil, g.old
	return nil
}

// take returns what is staged, or nil when nothing is.
func (g *staging) take() (*staged, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil || g.young.batch.Len() == 0 {
		return nil, g.lost
	}
	g.old, g.young, g.spare = g.young, g.spare, nil
	if g.young == nil {
		g.young = newStaged()
	}
	return g.old, nil
}

// portionKeys is about how many keys are written to the database at once: half a
// millisecond's work.
const portionKeys = 256

// portions writes what was staged to the database in portions that end where
// something staged at once does, with its checkpoint. Between them it gives way:
// whoever comes back from a sync would otherwise wait for all of it where there are
// few processors, and with it all that the next sync is for.
type portions struct {
	x    *index
	ends []int
	packing
	keys int
	err  error
}

// Put implements [leveldb.BatchReplay].
func (p *portions) Put(key, value []byte) {
	p.packing.Put(key, value)
	p.keys++
	if p.keys < p.ends[0] {
		return
	}
	p.ends = p.ends[1:]
	if p.err != nil || len(p.ends) > 0 && p.len() < portionKeys {
		return
	}
	p.err = p.x.put(&p.packing, false)
	runtime.Gosched()
}

// Delete implements [leveldb.BatchReplay].
func (p *portions) Delete([]byte) { panic("a key was to be deleted that was staged") }
