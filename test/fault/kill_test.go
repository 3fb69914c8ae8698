package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante/restante/pool/disk"
)

// childVar tells the child of TestKill the folder, its life, its seed, the
// first epoch, and whether it repairs the store first.
const childVar = "RESTANTE_FAULT_CHILD"

// runChild is the child: it opens the store and works in it, says what was
// acknowledged, and ends when it is killed.
func runChild() bool {
	args := strings.Split(os.Getenv(childVar), "|")
	if len(args) != 5 {
		return false
	}
	seed, _ := strconv.ParseUint(args[2], 10, 64)
	epoch, _ := strconv.ParseUint(args[3], 10, 64)
	var mu sync.Mutex
	say := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(os.Stdout, line+"\n")
	}
	var err error
	if args[4] == fmt.Sprint(true) {
		_, err = disk.Fsck(context.Background(), args[0], disk.FsckOptions{Repair: true})
	}
	var s *disk.Store
	if err == nil {
		s, err = disk.Open(args[0], options(rand.New(rand.NewPCG(seed, 0))))
	}
	if err == nil {
		say(opened)
		w := work{store: s, life: args[1], say: say, seed: seed, epoch: epoch}
		err = errors.Join(w.run(context.Background())...)
	}
	say(fmt.Sprint(failed, " ", err))
	return true
}

const (
	killsInARow = 50                    // in one folder
	looks       = 5                     // kills between two looks at what is there
	killWithin  = 50 * time.Millisecond // of the start, or of the store's being open
	lanes       = 4                     // folders at a time: most of it is waiting for the disk
)

// A killer kills children that work in one folder after each other.
type killer struct {
	t      *testing.T
	r      *rand.Rand
	dir    string
	ledger *ledger
	bare   bool // the index was taken away since the last look

	kills, repairing, opening, dropping, expiring, cancelling int
}

// TestKill_atRandom kills processes at any moment, while they open the store,
// drop epochs or withdraw articles, too.
func TestKill_atRandom(t *testing.T) {
	kills, seed := count(t, 300, 10_000), seedOf(t)
	rows := (kills + killsInARow - 1) / killsInARow
	var total [lanes]killer
	var articles [lanes]int
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for row := lane; row < rows && !t.Failed(); row += lanes {
				r := rand.New(rand.NewPCG(seed, uint64(row)))
				k := killer{t: t, r: r, dir: filepath.Join(t.TempDir(), "store"), ledger: newLedger()}
				k.row(min(killsInARow, kills-row*killsInARow))
				sum := &total[lane]
				sum.kills += k.kills
				sum.repairing += k.repairing
				sum.opening += k.opening
				sum.dropping += k.dropping
				sum.expiring += k.expiring
				sum.cancelling += k.cancelling
				articles[lane] += k.ledger.filed()
				_ = os.RemoveAll(filepath.Dir(k.dir)) // thousands would pile up
			}
		})
	}
	wg.Wait()
	var all killer
	filed := 0
	for lane := range lanes {
		all.kills += total[lane].kills
		all.repairing += total[lane].repairing
		all.opening += total[lane].opening
		all.dropping += total[lane].dropping
		all.expiring += total[lane].expiring
		all.cancelling += total[lane].cancelling
		filed += articles[lane]
	}
	t.Logf("%d kills, %d of them before the store was open, %d of these with a repair, %d while epochs were dropped, %d while numbers expired, %d while articles were withdrawn: %d articles acknowledged, 0 lost, 0 partial, no number twice",
		all.kills, all.opening, all.repairing, all.dropping, all.expiring, all.cancelling, filed)
}

func (k *killer) row(kills int) {
	for i := range kills {
		if err := k.kill(); err != nil {
			k.t.Errorf("kill %d: %v", i, err)
			return
		}
		if i%looks == looks-1 || i == kills-1 {
			k.look(i)
		}
		if k.t.Failed() {
			return
		}
	}
}

// look compares what is there with what was acknowledged.
func (k *killer) look(i int) {
	if k.kills > k.opening { // else there may be no store yet
		report, err := disk.Fsck(k.t.Context(), k.dir, disk.FsckOptions{Repair: k.bare})
		if err != nil || !k.bare && !report.Clean() {
			k.t.Errorf("kill %d: fsck: %v, %+v", i, err, report)
			return
		}
	}
	k.bare = false
	if k.r.IntN(8) == 0 {
		_ = os.RemoveAll(filepath.Join(k.dir, "index")) // it must come back the same
	}
	s, err := disk.Open(k.dir, options(k.r))
	if err != nil {
		k.t.Errorf("kill %d: open: %v", i, err)
		return
	}
	if n := s.Health().Quarantined; n > 0 {
		k.t.Errorf("kill %d: %d lists tell of what is lost", i, n)
	}
	wrong := k.ledger.check(k.t, s)
	if h := s.Health(); h.Gaps > 0 || h.CorruptReads > 0 {
		wrong = append(wrong, fmt.Sprintf("%d gaps, %d damaged", h.Gaps, h.CorruptReads))
	}
	if err := s.Close(); err != nil {
		wrong = append(wrong, err.Error())
	}
	if len(wrong) > 0 {
		k.t.Errorf("kill %d: %q", i, wrong)
	}
}

// kill lets a child work for a while, kills it, and notes all that it said.
func (k *killer) kill() error {
	repair := k.kills > k.opening && k.r.IntN(8) == 0 // the store was open once
	if repair && k.r.IntN(2) == 0 {
		k.bare = true
		_ = os.RemoveAll(filepath.Join(k.dir, "index")) // it has something to repair
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%d|%d|%d|%t", childVar, k.dir, k.kills, k.r.Uint64(), k.ledger.newest(), repair))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	k.kills++
	end := time.AfterFunc(time.Duration(k.r.Int64N(int64(killWithin))), func() { _ = cmd.Process.Kill() })
	defer end.Stop()
	afterOpening := func() {}
	if k.r.IntN(2) == 0 { // the whole time is for working
		end.Reset(time.Minute)
		afterOpening = func() { end.Reset(time.Duration(k.r.Int64N(int64(killWithin)))) }
	}
	h, err := k.listen(out, afterOpening)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !h.open {
		k.opening++
		if repair {
			k.repairing++
		}
	}
	if h.drop {
		k.dropping++
	}
	if h.expire {
		k.expiring++
	}
	if h.withdrawals > 0 {
		k.cancelling++
	}
	return err
}

// A heard is what a child was at when it was last heard of.
type heard struct {
	open        bool // the store was
	drop        bool // an epoch was being dropped
	expire      bool // numbers were being expired
	withdrawals int  // how many articles were being withdrawn
}

// listen notes what a child says until it is dead.
func (k *killer) listen(out io.Reader, afterOpening func()) (h heard, err error) {
	lines := bufio.NewReader(out)
	for {
		line, readErr := lines.ReadString('\n')
		if readErr != nil {
			return h, err // a line without its end was not said
		}
		switch line[:1] {
		case opened:
			h.open = true
			afterOpening()
			continue
		case failed:
			err = fmt.Errorf("the child says %q", line)
			continue
		case dropping, dropped:
			h.drop = line[:1] == dropping
		case expiring, expired:
			h.expire = line[:1] == expiring
		case cancelling:
			h.withdrawals++
		case cancelled:
			h.withdrawals--
		}
		k.ledger.note(line)
	}
}
