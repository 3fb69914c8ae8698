package peer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/control"
)

// RFC 5537, Section 3.7: control messages are filed in groups of their own, or
// are remembered.
func TestControl_filedByItself(t *testing.T) {
	b := newBench(t)
	if err := b.take(b.a, "<1@x>", text("<1@x>", "Control", "cancel <t@x>")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.ByID(t.Context(), "<1@x>"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("a control message is filed where it shouldn't: %v", err)
	}
	if err := b.a.Offer(t.Context(), "<1@x>"); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("it is not remembered: %v", err)
	}
	if err := b.take(b.a, "<1@x>", text("<1@x>", "Control", "cancel <t@x>")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("again: %v", err)
	}
	b.carry("control", pool.PostingDenied)
	b.carry("control.cancel", pool.PostingDenied)
	if got := b.taken("", b.a, "<2@x>", text("<2@x>", "Control", "cancel <t@x>")); got.In("control.cancel") != 1 || len(got.Locations) != 1 {
		t.Errorf("filed at %v", got.Locations)
	}
	// A group's making is relayed though the group is not there (Section 3.6),
	// and not obeyed.
	if got := b.taken("", b.a, "<3@x>", text("<3@x>", "Control", "newgroup misc.new", "Newsgroups", "misc.new", "Approved", "x@y")); got.In("control") != 1 {
		t.Errorf("filed at %v", got.Locations)
	}
	if _, err := b.store.Group(t.Context(), "misc.new"); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("an article made a newsgroup: %v", err)
	}
	b.refused("one for a group the peer may not feed", Unwanted, "<4@x>", text("<4@x>", "Control", "rmgroup secret.y", "Newsgroups", "secret.y"))
	b.refused("a cancel for a group that is not carried", Unwanted, "<4@x>", text("<4@x>", "Control", "cancel <t@x>", "Newsgroups", "misc.y"))
	b.refused("malformed", Control, "<4@x>", text("<4@x>", "Control", "cancel"))
	b.refused("with Supersedes", Control, "<4@x>", text("<4@x>", "Control", "cancel <a@b>", "Supersedes", "<a@b>"))
	b.refused("in a moderated group, RFC 5537, Section 5.3", Unapproved, "<4@x>", text("<4@x>", "Control", "cancel <t@x>", "Newsgroups", "misc.mod"))
}

// RFC 8315, Section 3.5.
func TestCancel_onlyWithTheKey(t *testing.T) {
	b := newBench(t)
	key := [32]byte{7}
	for i, name := range []string{"Control", "Supersedes"} {
		target := fmt.Sprintf("<t%d@x>", i)
		value := target
		if name == "Control" {
			value = "cancel " + target
		}
		b.taken("target", b.a, target, text(target, "Cancel-Lock", control.Lock(key)))
		there := func() bool {
			_, err := b.store.ByID(t.Context(), pool.MessageID(target))
			return err == nil
		}
		for j, keys := range []string{"", control.Key([32]byte{8}), control.Lock(key)} {
			id := fmt.Sprintf("<no%d.%d@x>", i, j)
			changes := []string{name, value}
			if keys != "" {
				changes = append(changes, "Cancel-Key", keys)
			}
			if err := b.take(b.b, id, text(id, changes...)); err != nil || !there() {
				t.Errorf("%s without the key: %v, target there %v", name, err, there())
			}
		}
		id := fmt.Sprintf("<yes%d@x>", i)
		if err := b.take(b.b, id, text(id, name, value, "Cancel-Key", "sha1:x "+control.Key(key))); err != nil || there() {
			t.Errorf("%s with the key: %v, target there %v", name, err, there())
		}
		if err := b.take(b.a, target, text(target)); !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("the target again: %v", err)
		}
		_, err := b.store.ByID(t.Context(), pool.MessageID(id))
		if filed := err == nil; filed != (name == "Supersedes") {
			t.Errorf("%s itself is filed: %v", name, filed)
		}
	}
}

// RFC 5537, Sections 3.6, item 5, and 5.3: a cancel may come first.
func TestCancel_aheadOfItsArticle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key := [32]byte{7}
		cancel := func(id, target string, k [32]byte) {
			if err := b.take(b.a, id, text(id, "Control", "cancel "+target, "Cancel-Key", control.Key(k))); err != nil {
				t.Fatal(err)
			}
		}
		cancel("<c1@x>", "<t1@x>", [32]byte{8}) // a forged one hinders nothing
		cancel("<c2@x>", "<t1@x>", key)
		b.refused("cancelled", Withdrawn, "<t1@x>", text("<t1@x>", "Cancel-Lock", control.Lock(key)))
		cancel("<c3@x>", "<t2@x>", [32]byte{8})
		b.taken("forged", b.a, "<t2@x>", text("<t2@x>", "Cancel-Lock", control.Lock(key)))
		b.taken("without a lock", b.a, "<t1@x>", text("<t1@x>"))
		cancel("<c4@x>", "<t3@x>", key)
		time.Sleep(12 * 24 * time.Hour)
		b.taken("long after", b.a, "<t3@x>", text("<t3@x>", "Cancel-Lock", control.Lock(key)))
	})
}

func TestEarly_isBounded(t *testing.T) {
	e, now := newEarly(time.Hour), time.Now()
	for i := range maxEarly + 5 {
		e.add("a", control.Request{Target: pool.MessageID(fmt.Sprint(i)), Keys: "sha256:x"}, now)
	}
	e.add("a", control.Request{Target: "long", Keys: strings.Repeat("x", maxEarlyKeys+1)}, now)
	if len(e.line) != maxEarly || e.line[len(e.line)-1].request.Target != pool.MessageID(fmt.Sprint(maxEarly+4)) {
		t.Errorf("%d are remembered", len(e.line))
	}
}

// Whoever sends cancels without end, of articles that never come, uses up its own
// peer's part of what is remembered.
func TestEarly_aFloodPushesOutTheFloodersOwn(t *testing.T) {
	e, now := newEarly(time.Hour), time.Now()
	const honest = maxEarly / 4
	of := func(peer string, i int) control.Request {
		return control.Request{Target: pool.MessageID(fmt.Sprint(peer, i)), Keys: control.Key([32]byte{1})}
	}
	for i := range 3 * maxEarly {
		if i < honest {
			e.add("b", of("b", i), now)
			e.add("c", of("c", i), now)
		}
		e.add("a", of("a", i), now)
	}
	lock := control.Lock([32]byte{1})
	for i := range honest {
		for _, peer := range []string{"b", "c"} {
			if !e.withdrew(of(peer, i).Target, lock, now) {
				t.Fatalf("cancel %d of peer %s is forgotten", i, peer)
			}
		}
	}
	if last := of("a", 3*maxEarly-1); len(e.line) != maxEarly || !e.withdrew(last.Target, lock, now) {
		t.Errorf("%d are remembered, or the last is not", len(e.line))
	}
	later := now.Add(2 * (time.Hour + tolerance))
	e.add("b", of("b", honest), later)
	if len(e.line) != 1 || len(e.of) != 1 {
		t.Errorf("%d of %d peers are remembered for ever", len(e.line), len(e.of))
	}
}

// A cancel in the same stream as its article, neither on the disk yet.
func TestCancel_rightBehindItsArticle(t *testing.T) {
	b := newBench(t)
	key := [32]byte{7}
	target := b.a.Take(t.Context(), "<t@x>", []byte(text("<t@x>", "Cancel-Lock", control.Lock(key))))
	cancel := b.a.Take(t.Context(), "<c@x>", []byte(text("<c@x>", "Control", "cancel <t@x>", "Cancel-Key", control.Key(key))))
	if err := errors.Join(target.Wait(), cancel.Wait()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.ByID(t.Context(), "<t@x>"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("the target: %v", err)
	}
}
