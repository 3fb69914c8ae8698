package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

// options are those of a store in which everything happens early.
func options(r *rand.Rand) disk.Options {
	return disk.Options{
		ServerName:  pooltest.Server,
		SegmentSize: []int64{1, 8 << 10, 1 << 20}[r.IntN(3)],
		IndexMemory: []int{32 << 10, 1 << 20}[r.IntN(2)],
	}
}

// A powered is a store in a file system whose power fails again and again.
type powered struct {
	t      testing.TB
	r      *rand.Rand
	dir    string
	files  *recordtest.Power
	ledger *ledger

	stores, rounds, works, repairs, opening, killed, lost, filed int
}

// outage works in the store until the power fails or, at times, the process is
// killed, be it while the store is opened. It returns which promises were found
// broken.
func (p *powered) outage() []string {
	p.rounds++
	p.files.FailAfter(p.r.IntN([]int{40, 400}[p.r.IntN(2)]))
	if p.r.IntN(4) == 0 {
		p.files.FailSync(p.r.IntN(60))
	}
	wrong, errs := p.work(20)
	for _, err := range errs {
		if !p.files.Off() && !strings.Contains(err.Error(), syscall.EIO.Error()) { // the index wraps nothing
			return append(wrong, err.Error())
		}
	}
	if p.r.IntN(4) == 0 {
		p.killed++
		p.files = p.files.Killed()
	} else {
		p.files = p.files.Failed(p.r)
		p.lost += p.files.Lost()
	}
	return wrong
}

// work opens the store, checks it, and works in it.
func (p *powered) work(rounds int) (wrong []string, errs []error) {
	p.works++
	o := options(p.r)
	o.Files = p.files
	if p.works > 1 {
		wrong = p.alarms()
	}
	if p.works > 1 && p.r.IntN(8) == 0 {
		p.repairs++
		check := disk.FsckOptions{Repair: p.r.IntN(2) == 0, Files: p.files}
		if _, err := disk.Fsck(p.t.Context(), p.dir, check); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, []error{fmt.Errorf("fsck: %w", err)}
		}
	}
	s, err := disk.Open(p.dir, o)
	if err != nil {
		p.opening++
		return nil, []error{fmt.Errorf("open: %w", err)}
	}
	defer func() { _ = s.Close() }() // as far as that can be done
	if h := s.Health(); h.Gaps > 0 || h.Quarantined > 0 {
		wrong = append(wrong, fmt.Sprintf("the store says that %d places are damaged, and %d lists tell of what is lost", h.Gaps, h.Quarantined))
	}
	if broken := p.ledger.check(p.t, s); !p.files.Off() {
		wrong = append(wrong, broken...)
	} else { // in the middle of it
		return nil, []error{recordtest.ErrPower}
	}
	w := work{
		store: s, life: fmt.Sprint(p.works), rounds: rounds, say: p.ledger.note,
		seed: p.r.Uint64(), epoch: p.ledger.newest(),
	}
	return wrong, w.run(p.t.Context())
}

// alarms checks the store that an outage left, on a copy of its own, and returns what is called
// damage although nothing is but what nobody was told of.
func (p *powered) alarms() (wrong []string) {
	files := p.files.Copy()
	report, err := disk.Fsck(p.t.Context(), p.dir, disk.FsckOptions{Files: files})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return []string{fmt.Sprintf("fsck: %v", err)}
	}
	for _, problem := range report.Problems {
		if !strings.HasPrefix(problem, "The index ") {
			wrong = append(wrong, "fsck: "+problem)
		}
	}
	return wrong
}

// lives is how many times an outage follows another one in one store.
const lives = 8

// outages lets the power fail so many times, and returns the broken promises
// and the figures.
func outages(t *testing.T, rounds int, seed uint64, lie bool) (broken int, total powered) {
	for life := 0; total.rounds < rounds; life++ {
		r := rand.New(rand.NewPCG(seed, uint64(life)))
		dir := filepath.Join(t.TempDir(), "store")
		p := &powered{t: t, r: r, dir: dir, files: recordtest.NewPower(filepath.Dir(dir)), ledger: newLedger()}
		if err := os.MkdirAll(dir, 0o700); err != nil { // for the lock, which is a real one
			t.Fatal(err)
		}
		if lie {
			p.files.Lie()
		}
		wrong := p.life()
		if len(wrong) > 0 {
			broken++
			if !lie {
				t.Errorf("seed %d, life %d, outage %d: %q", seed, life, p.rounds, wrong)
			}
		}
		total.stores++
		total.rounds += p.rounds
		total.repairs += p.repairs
		total.opening += p.opening
		total.killed += p.killed
		total.lost += p.lost
		total.filed += p.ledger.filed()
	}
	return broken, total
}

// life is outages in a row, and an end in peace.
func (p *powered) life() []string {
	for range lives {
		if wrong := p.outage(); len(wrong) > 0 {
			return wrong
		}
	}
	wrong, errs := p.work(2)
	for _, err := range errs {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

func TestPower_fails(t *testing.T) {
	seed := seedOf(t)
	broken, p := outages(t, count(t, 200, 1000), seed, false)
	t.Logf("%d outages of %d stores, %d of them mere kills and %d while the store was opened, %d after a check or repair: %d articles acknowledged, %d unsynced changes lost, %d promises broken",
		p.rounds, p.stores, p.killed, p.opening, p.repairs, p.filed, p.lost, broken)
}

// Without syncs the same outages must lose something, or the test above shows
// nothing.
func TestPower_failsAndSyncsLie(t *testing.T) {
	broken, p := outages(t, count(t, 80, 1000), seedOf(t), true)
	t.Logf("%d outages without syncs: %d of %d stores lost something", p.rounds, broken, p.stores)
	if broken*4 < p.stores { // each does so in nine cases of ten
		t.Errorf("%d stores lost something, want many of %d", broken, p.stores)
	}
}
