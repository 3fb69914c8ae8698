package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"filippo.io/age"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

const passphrase = "one that nobody guesses"

// A flicker is a gateway's keys on a file system whose power fails again and again,
// and what somebody who saw their directories knows of them.
type flicker struct {
	t     *testing.T
	r     *rand.Rand
	power *recordtest.Power
	key   *Lock    // of the operator's key file
	by    Wrapping // that the keys get; Plain for either

	ring  *Ring
	epoch int // that the clock has come to

	chain  *note.Chain       // as a client follows it
	texts  map[uint64]string // of directories that were shown, by serial
	dead   map[string]string // what key files held that were destroyed, and what by
	doubt  []uint64          // epochs whose seal keys were being replaced when the power failed
	counts map[string]int    // operations that came to their end
	lost   int
}

func (f *flicker) folder() folder { return folder{files: f.power, dir: "/data/keys"} }

func newFlicker(t *testing.T, seed uint64) *flicker {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f := &flicker{
		t: t, r: rand.New(rand.NewPCG(seed, 7)), power: recordtest.NewPower("/data"),
		key: &Lock{identity, identity.Recipient()}, texts: make(map[uint64]string), dead: make(map[string]string), counts: make(map[string]int),
	}
	f.power.Keep()
	if err := create(f.folder()); err != nil {
		t.Fatal(err)
	}
	return f
}

// failed is what is there once the power has failed, in one way of many.
func (f *flicker) failed() *flicker {
	g := *f
	g.power = f.power.Failed(f.r)
	g.texts, g.dead = maps.Clone(f.texts), maps.Clone(f.dead)
	chain, err := note.StartChain(f.chain.Signed(), f.chain.Gateway())
	if err != nil {
		f.t.Fatal(err)
	}
	g.chain = chain
	return &g
}

// open opens the keys as a new process does.
func (f *flicker) open() error {
	k := f.folder()
	wrapping, err := k.wrapping()
	if err != nil {
		return err
	}
	var lock *Lock
	switch wrapping {
	case UnderPassphrase:
		if lock, err = k.unlock(passphrase); err != nil {
			return err
		}
	case UnderKeyFile:
		lock = f.key
	}
	if f.ring, err = open(k.under(lock), domain, policy); err != nil {
		return err
	}
	_, err = f.ring.Advance(at(f.epoch))
	return err
}

// held is what the key files hold.
func (f *flicker) held() map[string][]byte {
	k, out := f.folder(), make(map[string][]byte)
	names, err := k.keyFiles()
	if err != nil {
		return nil // the power is off
	}
	for _, name := range names {
		if text, err := record.ReadFile(k, k.path(name)); err == nil {
			out[name] = text
		}
	}
	return out
}

// do does one thing. Whatever a key file held before it and no key file does when it
// has come to its end is destroyed.
func (f *flicker) do(what string, thing func() error) error {
	before := f.held()
	if err := thing(); err != nil {
		return err
	}
	after := slices.Collect(maps.Values(f.held()))
	for name, text := range before {
		if !slices.ContainsFunc(after, func(t []byte) bool { return bytes.Equal(t, text) }) {
			f.dead[string(text)] = name + ": " + what
		}
	}
	f.counts[what]++
	f.seen()
	return nil
}

// seen looks at the ring as clients do: its directory follows from the one before, and
// has the keys that the ring has.
func (f *flicker) seen() {
	d := f.ring.Directory()
	text, _, err := note.Open(d.Signed, f.ring.Signer().Verifier())
	if err != nil {
		f.t.Fatalf("the directory is not signed by the ring's key: %v", err)
	}
	if shown, ok := f.texts[d.Serial]; ok && shown != text {
		f.t.Fatalf("directory %d has two texts", d.Serial)
	}
	f.texts[d.Serial] = text
	if f.chain == nil {
		f.chain = follow(f.t, f.ring)
	}
	before := f.chain.Directory()
	if _, err := f.chain.Extend(d.Signed); err != nil {
		f.t.Fatalf("directory %d does not follow from %d: %v", d.Serial, before.Serial, err)
	}
	now := f.chain.Directory()
	for _, k := range now.Seal {
		if key, err := f.ring.Seal(k.Epoch); err != nil || !bytes.Equal(key.Public().Bytes(), k.Key[:]) {
			f.t.Fatalf("epoch %d: the ring has not the seal key that it shows: %v", k.Epoch, err)
		}
	}
	for _, k := range now.Blind {
		if key, err := f.ring.Blind(k.Epoch); err != nil || !bytes.Equal(key.Public(), k.Key[:]) {
			f.t.Fatalf("epoch %d: the ring has not the blinding key that it shows: %v", k.Epoch, err)
		}
	}
	f.kept(before, now)
	oldest, newest := f.ring.Retained()
	if _, err := f.ring.Blind(oldest - 1); !errors.Is(err, ErrGone) {
		f.t.Fatalf("the blinding key of epoch %d is there, and %d is the oldest: %v", oldest-1, oldest, err)
	}
	if f.ring.next != nil && f.ring.next.epoch < oldest {
		f.t.Fatalf("the root of epoch %d is there, and %d is the oldest", f.ring.next.epoch, oldest)
	}
	if newest != uint64(1000+f.epoch) || newest-oldest > policy.Calendar.Retention {
		f.t.Fatalf("epochs %d to %d in epoch %d", oldest, newest, 1000+f.epoch)
	}
}

// kept checks that nothing in force was lost between two directories.
func (f *flicker) kept(before, now *note.Directory) {
	seals := make(map[uint64][32]byte)
	for _, k := range now.Seal {
		seals[k.Epoch] = k.Key
	}
	honoured := policy.Calendar.OldestHonoured(uint64(1000 + f.epoch))
	for _, k := range before.Seal {
		if key, ok := seals[k.Epoch]; k.Epoch >= honoured && (!ok || key != k.Key && !slices.Contains(f.doubt, k.Epoch)) {
			f.t.Fatalf("the seal key of epoch %d is lost: there is one: %v", k.Epoch, ok)
		}
	}
	f.doubt = nil
	blinds := make(map[uint64]bool)
	for _, k := range now.Blind {
		blinds[k.Epoch] = true
	}
	retained := policy.Calendar.OldestRetained(uint64(1000 + f.epoch))
	for _, k := range before.Blind {
		if k.Epoch >= retained && !blinds[k.Epoch] {
			f.t.Fatalf("the blinding key of epoch %d is lost", k.Epoch)
		}
	}
}

// rotateSeals replaces seal keys. Where it does not come to its end nobody knows which
// were.
func (f *flicker) rotateSeals() error {
	minted := f.ring.minted()
	f.doubt = minted[:]
	return f.ring.RotateSeals()
}

func (f *flicker) rotateSign() error { return f.ring.RotateSigner(policy.Calendar.Batch(at(f.epoch))) }

func (f *flicker) rotateRoot() error {
	if err := f.ring.RotateRoot(); !errors.Is(err, ErrRotating) {
		return err
	}
	return nil
}

// wrap wraps the keys or unwraps them, whichever they are not, and opens them again.
func (f *flicker) wrap() error {
	k := f.folder()
	wrapping, err := k.wrapping()
	if wrapping != Plain { // then keys are plain again that were before they were wrapped
		maps.DeleteFunc(f.dead, func(text, _ string) bool { return !isWrapped([]byte(text)) })
	}
	switch {
	case err != nil:
	case wrapping == UnderPassphrase:
		var lock *Lock
		if lock, err = k.unlock(passphrase); err == nil {
			err = k.under(lock).unwrap()
		}
	case wrapping == UnderKeyFile:
		err = k.under(f.key).unwrap()
	case f.by == UnderKeyFile || f.by == Plain && f.r.IntN(2) == 0:
		err = k.under(f.key).rewrap(true)
	default:
		var lock *Lock
		if lock, err = k.newPassphrase(passphrase, 1); err == nil {
			err = k.under(lock).rewrap(true)
		}
	}
	if err != nil {
		return err
	}
	return f.open()
}

func (f *flicker) advance() error {
	f.epoch++
	if f.r.IntN(4) == 0 {
		f.epoch += f.r.IntN(4) // the gateway was off
	}
	_, err := f.ring.Advance(at(f.epoch))
	for tries := f.r.IntN(3); err != nil && tries > 0; tries-- { // as a running gateway does
		_, err = f.ring.Advance(at(f.epoch))
	}
	return err
}

// live does one thing after the other until the power fails or a sync does.
func (f *flicker) live() {
	err := f.do("opened", f.open)
	for range 6 {
		if err != nil {
			break
		}
		switch f.r.IntN(8) {
		case 0:
			err = f.do("seal keys replaced", f.rotateSeals)
		case 1:
			err = f.do("root replaced", f.rotateRoot)
		case 2:
			err = f.do("signing key replaced", f.rotateSign)
		case 3:
			err = f.do("wrapped or unwrapped", f.wrap)
		default:
			err = f.do("advanced", f.advance)
		}
	}
	if err != nil && !f.power.Off() && !strings.Contains(err.Error(), syscall.EIO.Error()) {
		f.t.Fatalf("without a fault: %v", err)
	}
}

// outage lets the power fail, or the process be killed, once or in a row.
func (f *flicker) outage() {
	f.power.FailAfter(f.r.IntN([]int{20, 150, 600}[f.r.IntN(3)]))
	if f.r.IntN(4) == 0 {
		f.power.FailSync(f.r.IntN(20))
	}
	f.live()
	if f.r.IntN(4) == 0 {
		f.power = f.power.Killed()
	} else {
		f.power = f.power.Failed(f.r)
		f.lost += f.power.Lost()
	}
	f.undone()
}

// undone looks for what was destroyed.
func (f *flicker) undone() {
	for text, what := range f.dead {
		if f.power.Holds([]byte(text)) {
			f.t.Fatalf("what was destroyed is on the disk: %s", what)
		}
	}
}

// The power fails, or the process dies, at any step of all that is ever done to keys:
// they open again with all that are in force, what was destroyed is on no sector of the
// disk, and no number is given to two directories.
func TestRing_powerFails(t *testing.T) {
	const outages = 8
	lives := 25
	if os.Getenv("RESTANTE_FAULTS") == "full" { // as in test/fault
		lives = 1500
	}
	counts, lost, dead := make(map[string]int), 0, 0
	add := func(f *flicker) {
		lost, dead = lost+f.lost, dead+len(f.dead)
		for what, n := range f.counts {
			counts[what] += n
		}
	}
	for seed := range uint64(lives) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			f := newFlicker(t, seed)
			for range outages {
				f.outage()
			}
			if err := f.do("opened", f.open); err != nil {
				t.Fatalf("in the end: %v", err)
			}
			if err := f.do("advanced", f.advance); err != nil {
				t.Fatalf("in the end: %v", err)
			}
			add(f)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d outages: %v, %d unsynced changes lost, %d keys destroyed, 0 of them left", lives*outages, counts, lost, dead)
}

// The process dies at each step of each thing that is done to keys, the next one opens
// them, and then the power fails: what that one saw lasts.
func TestRing_diesAtEachStepAndThePowerFails(t *testing.T) {
	ways, deaths := 2, 0
	if os.Getenv("RESTANTE_FAULTS") == "full" {
		ways = 40
	}
	under := func(by Wrapping) func(*flicker) error {
		return func(f *flicker) error { f.by = by; return f.wrap() }
	}
	sleep := func(f *flicker) error { f.epoch += 5; return f.advance() }
	for what, c := range map[string]struct{ before, thing func(*flicker) error }{
		"an epoch begins":                {(*flicker).advance, (*flicker).advance},
		"some epochs were slept through": {(*flicker).advance, sleep},
		"seal keys are replaced":         {(*flicker).advance, (*flicker).rotateSeals},
		"the root is replaced":           {(*flicker).advance, (*flicker).rotateRoot},
		"the signing key is replaced":    {(*flicker).advance, (*flicker).rotateSign},
		"another root takes its place":   {(*flicker).rotateRoot, sleep},
		"wrapped under a key file":       {(*flicker).advance, under(UnderKeyFile)},
		"unwrapped with a key file":      {under(UnderKeyFile), (*flicker).wrap},
		"wrapped under a passphrase":     {(*flicker).advance, under(UnderPassphrase)},
		"unwrapped with a passphrase":    {under(UnderPassphrase), (*flicker).wrap},
	} {
		for step := 0; ; step++ {
			f := newFlicker(t, uint64(step))
			if err := errors.Join(f.do("opened", f.open), f.do("before", func() error { return c.before(f) })); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			f.power.FailAfter(step)
			err := f.do(what, func() error { return c.thing(f) })
			if err == nil {
				break
			}
			if !f.power.Off() {
				t.Fatalf("%s, step %d: without a fault: %v", what, step, err)
			}
			deaths++
			f.power = f.power.Killed()
			if err := f.do("opened", f.open); err != nil {
				t.Fatalf("%s, step %d: after the death of the process: %v", what, step, err)
			}
			for range ways {
				g := f.failed()
				if err := g.do("opened", g.open); err != nil {
					t.Fatalf("%s, step %d: after the power failed: %v", what, step, err)
				}
				g.undone()
			}
		}
	}
	t.Logf("%d deaths, %d failings of the power after each", deaths, ways)
}
