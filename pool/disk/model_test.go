package disk

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/memory"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

// A pair is a store on disk and the reference store, to which the same happens.
type pair struct {
	t     *testing.T
	rt    *rapid.T
	dir   string
	files *recordtest.Power
	disk  *Store
	model *memory.Store
	names []string
	epoch uint64
	count int // of names given
}

func (p *pair) open() {
	o := small()
	o.SegmentSize = 2 << 10
	o.Files = p.files
	s, err := Open(p.dir, o)
	if err != nil {
		p.rt.Fatalf("Open: %v", err)
	}
	p.disk = s
}

// both does the same to both stores. What they answer must be the same.
func (p *pair) both(what string, do func(pool.Store) error) {
	on, in := do(p.disk), do(p.model)
	if (on == nil) != (in == nil) || in != nil && !errors.Is(on, in) {
		p.rt.Fatalf("%s: on disk %v, in memory %v", what, on, in)
	}
}

func (p *pair) groups() []pool.Group { return []pool.Group{"a", "b", "c"} }

func (p *pair) append(rt *rapid.T) {
	groups := rapid.SliceOfNDistinct(rapid.SampledFrom(p.groups()), 1, 3, rapid.ID).Draw(rt, "groups")
	p.count++
	name := fmt.Sprint(p.count)
	if len(p.names) > 0 && rapid.IntRange(0, 9).Draw(rt, "again") == 0 {
		name = rapid.SampledFrom(p.names).Draw(rt, "name")
	}
	epoch := uint64(0)
	if rapid.IntRange(0, 3).Draw(rt, "of an epoch") == 0 {
		epoch = p.epoch + rapid.Uint64Range(1, 2).Draw(rt, "epoch")
	}
	at := time.Unix(1e9, 0).Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours")) * time.Hour).Add(time.Duration(p.count))
	filed := true
	p.both("Append", func(s pool.Store) error {
		a := pooltest.Article(p.t, name, groups...)
		a.Epoch, a.Arrived = epoch, at
		_, err := s.Append(p.t.Context(), a)
		filed = err == nil
		return err
	})
	if filed {
		p.names = append(p.names, name)
	}
}

func (p *pair) cancel(rt *rapid.T) {
	if len(p.names) == 0 {
		return
	}
	id := pooltest.ID(rapid.SampledFrom(p.names).Draw(rt, "name"))
	p.both("Cancel", func(s pool.Store) error { return s.Cancel(p.t.Context(), id) })
}

func (p *pair) remember(*rapid.T) {
	p.count++
	name := fmt.Sprint(p.count)
	p.names = append(p.names, name)
	p.both("Remember", func(s pool.Store) error { return s.Remember(p.t.Context(), pooltest.ID(name)) })
}

func drawKeep(rt *rapid.T) map[pool.Group]pool.Keep {
	return rapid.MapOfN(rapid.SampledFrom([]pool.Group{"a", "b", "c"}), rapid.Custom(func(rt *rapid.T) pool.Keep {
		var k pool.Keep
		switch rapid.IntRange(0, 2).Draw(rt, "policy") {
		case 0:
			k.Since = time.Unix(1e9, 0).Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "since")) * time.Hour)
		case 1:
			k.Articles = rapid.IntRange(1, 9).Draw(rt, "articles")
		case 2:
			k.Octets = rapid.Int64Range(1, 5000).Draw(rt, "octets")
		}
		return k
	}), 1, 3).Draw(rt, "keep")
}

func (p *pair) expire(rt *rapid.T) { p.both("expiry", p.drawExpiry(rt)) }

func (p *pair) hide(rt *rapid.T) {
	name := rapid.SampledFrom(p.groups()).Draw(rt, "group")
	p.both("RemoveGroup", func(s pool.Store) error { return s.RemoveGroup(p.t.Context(), name) })
}

func (p *pair) show(*rapid.T) {
	for _, name := range p.groups() {
		info := pool.GroupInfo{Name: name, Posting: pool.PostingAllowed}
		p.both("SetGroup", func(s pool.Store) error { return s.SetGroup(p.t.Context(), info) })
	}
}

func (p *pair) reopen(rt *rapid.T) {
	how := rapid.SampledFrom([]string{"closed", "killed", "power failed", "index deleted"}).Draw(rt, "how")
	if how == "closed" {
		_ = p.disk.Close() // which fails after a crash
	}
	p.end()
	if how == "power failed" {
		seed := rapid.Uint64().Draw(rt, "seed")
		p.files = p.files.Failed(rand.New(rand.NewPCG(seed, 0)))
	} else {
		p.files = p.files.Killed()
	}
	if how == "index deleted" {
		if err := p.files.RemoveAll(filepath.Join(p.dir, indexDir)); err != nil {
			rt.Fatal(err)
		}
	}
	p.open()
}

// end ends the store as it is, be its file system gone.
func (p *pair) end() {
	p.disk.lifeMu.Lock()
	p.disk.closed = true
	p.disk.lifeMu.Unlock()
	p.disk.calls.Wait()
	_ = p.disk.closeFiles()
}

// crash lets the power fail, or a sync, while articles expire. The next expiry
// does what is left to do.
func (p *pair) crash(rt *rapid.T) {
	expire := p.drawExpiry(rt)
	if rapid.Bool().Draw(rt, "a sync") {
		p.files.FailSync(rapid.IntRange(0, 6).Draw(rt, "syncs before"))
	} else {
		p.files.FailAfter(rapid.IntRange(0, 60).Draw(rt, "steps before"))
	}
	_ = expire(p.disk)
	p.reopen(rt)
	p.both("expiry after a crash", expire)
}

// drawExpiry draws one of both ways to expire.
func (p *pair) drawExpiry(rt *rapid.T) func(pool.Store) error {
	if rapid.Bool().Draw(rt, "an epoch") {
		p.epoch += rapid.Uint64Range(0, 2).Draw(rt, "epochs")
		return func(s pool.Store) error { return s.DropBefore(p.t.Context(), p.epoch) }
	}
	keep := drawKeep(rt)
	return func(s pool.Store) error { return s.Expire(p.t.Context(), keep) }
}

// same checks that readers see the same in both, and that no message-id is
// forgotten.
func (p *pair) same(rt *rapid.T) {
	if diff := cmp.Diff(pooltest.Take(p.t, p.model), pooltest.Take(p.t, p.disk)); diff != "" {
		rt.Fatalf("(-memory +disk):\n%s", diff)
	}
	for _, name := range p.names {
		if seen, err := p.disk.Seen(p.t.Context(), pooltest.ID(name)); !seen || err != nil {
			rt.Fatalf("Seen(%s): %v, %v", name, seen, err)
		}
	}
}

func TestStore_isTheModel(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		p := &pair{t: t, rt: rt, dir: top, files: recordtest.NewPower(filepath.Dir(top)), model: memory.New(pooltest.Server)}
		p.open()
		defer func() { p.end() }()
		p.show(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"append": p.append, "append2": p.append, "append3": p.append,
			"cancel": p.cancel, "remember": p.remember,
			"expire": p.expire, "hide": p.hide, "show": p.show,
			"reopen": p.reopen, "crash": p.crash, "": p.same,
		})
	})
}
