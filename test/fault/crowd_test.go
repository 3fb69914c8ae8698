package fault

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// crowd opens the store and has many file articles at the same time until the power fails.
// It returns which promises were found broken.
func (p *powered) crowd() (wrong []string) {
	o := options(p.r)
	o.Files = p.files
	s, err := disk.Open(p.dir, o)
	if err != nil {
		return []string{fmt.Sprintf("open: %v", err)}
	}
	defer func() { _ = s.Close() }() // as far as that can be done
	if n := s.Health().Gaps; n > 0 {
		wrong = append(wrong, fmt.Sprintf("the store says that %d places are damaged", n))
	}
	wrong = append(wrong, p.ledger.check(p.t, s)...)
	for _, g := range groups() {
		if err := s.SetGroup(p.t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed}); err != nil {
			return append(wrong, fmt.Sprintf("set a group: %v", err))
		}
	}
	p.works++
	p.files.FailAfter(1 + p.r.IntN(30))
	var all sync.WaitGroup
	for i := range 12 {
		epoch := p.r.Uint64N(3)
		all.Go(func() { p.fileSome(s, fmt.Sprintf("%d-%d", p.works, i), epoch) })
	}
	all.Wait()
	return wrong
}

// fileSome files articles, all before the first is known to be there.
func (p *powered) fileSome(s *disk.Store, name string, epoch uint64) {
	names := make([]string, 8)
	begun := make([]pool.Begun, len(names))
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", name, i)
		begun[i] = s.Begin(p.t.Context(), makeArticle(names[i], epoch))
	}
	for i, b := range begun {
		if at, err := b.Wait(); err == nil {
			p.ledger.note(fmt.Sprintf("%s %s %d %s", filed, names[i], epoch, formatLocations(at)))
		}
	}
}

// A verdict is what the marks in a segment say.
type verdict struct {
	path   string
	synced [][2]int64 // where the records stand that they vouch for
	taken  int        // stretches that the power took although others behind them are there
}

// verdicts scans all segments.
func (p *powered) verdicts() (all []verdict) {
	for _, epoch := range []string{"0", "1", "2"} {
		dir := filepath.Join(p.dir, "segments", epoch)
		names, err := p.files.ReadDir(dir)
		if err != nil {
			continue // there is no such epoch yet
		}
		for _, name := range names {
			v := verdict{path: filepath.Join(dir, name.Name())}
			f, size, err := p.files.OpenFile(v.path, os.O_RDONLY)
			if err != nil {
				p.t.Fatal(err)
			}
			r, err := record.NewReader(f)
			if err != nil {
				continue // a new file
			}
			res, err := r.Scan(size, 0, func(at int64, payload []byte) error {
				v.synced = append(v.synced, [2]int64{at, at + record.Overhead + int64(len(payload))})
				return nil
			})
			if err != nil {
				p.t.Fatal(err)
			}
			v.synced = slices.DeleteFunc(v.synced, func(at [2]int64) bool { return at[1] > res.Synced })
			v.taken = len(res.Unsynced)
			all = append(all, v)
		}
	}
	return all
}

// flip breaks an octet of a record that a mark vouches for, and returns whether there is one, and whether a check
// calls it damage.
func (p *powered) flip() (flipped, called bool) {
	for _, v := range p.verdicts() {
		if len(v.synced) == 0 {
			continue
		}
		files := p.files.Copy()
		f, _, err := files.OpenFile(v.path, os.O_RDWR)
		octet := make([]byte, 1)
		one := v.synced[p.r.IntN(len(v.synced))]
		at := one[0] + p.r.Int64N(one[1]-one[0])
		if err == nil {
			_, err = f.ReadAt(octet, at)
		}
		octet[0] ^= 1 << p.r.IntN(8)
		if err == nil {
			_, err = f.WriteAt(octet, at)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		return true, len((&powered{t: p.t, dir: p.dir, files: files}).alarms()) > 0
	}
	return false, false
}

// A crowded is a store that many file into, and the figures of many of them.
type crowded struct {
	*powered
	taken, flips int
}

// life is outages in a row. It returns what was called damage or is lost, and nothing once
// everything is as it should.
func (c *crowded) life() (wrong []string) {
	for range 4 {
		wrong = c.crowd()
		c.rounds++
		c.files = c.files.Failed(c.r)
		c.lost += c.files.Lost()
		for _, v := range c.verdicts() {
			c.taken += v.taken
		}
		wrong = append(wrong, c.alarms()...)
		if flipped, called := c.flip(); flipped {
			c.flips++
			if !called {
				wrong = append(wrong, "an octet that was synced is wrong, and not called damage")
			}
		}
		if c.r.IntN(4) == 0 { // nothing but the segments knows
			if err := c.files.RemoveAll(filepath.Join(c.dir, "index")); err != nil {
				c.t.Fatal(err)
			}
			wrong = append(wrong, c.alarms()...)
		}
		if len(wrong) > 0 {
			return wrong
		}
	}
	return c.crowd()
}

// Many file at once, and the power fails. What was written and not synced may be there without
// what stood before it: that is no damage, since nobody heard that it was accepted. What was
// synced is damage if it is wrong.
func TestPower_failsInACrowd(t *testing.T) {
	seed, outages, stores := seedOf(t), count(t, 100, 3000), uint64(0)
	total := crowded{powered: &powered{}}
	for ; total.rounds < outages; stores++ {
		dir := filepath.Join(t.TempDir(), "store")
		if err := os.MkdirAll(dir, 0o700); err != nil { // for the lock, which is a real one
			t.Fatal(err)
		}
		c := crowded{powered: &powered{
			t: t, r: rand.New(rand.NewPCG(seed, stores)), dir: dir,
			files: recordtest.NewPower(filepath.Dir(dir)), ledger: newLedger(),
		}}
		if wrong := c.life(); len(wrong) > 0 {
			t.Errorf("seed %d, store %d, outage %d: %q", seed, stores, c.rounds, wrong)
		}
		total.rounds += c.rounds
		total.lost += c.lost
		total.taken += c.taken
		total.flips += c.flips
		total.filed += c.ledger.filed()
	}
	if total.taken == 0 && total.rounds >= 1000 { // it comes about by chance
		t.Error("nothing was torn in front of what is there")
	}
	t.Logf("%d outages of %d stores: %d articles acknowledged, %d unsynced changes lost, %d stretches torn before others, 0 taken for damage; %d synced octets flipped, all called damage",
		total.rounds, stores, total.filed, total.lost, total.taken, total.flips)
}
