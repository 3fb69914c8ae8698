package mailbox

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// What is kept once a full disk has room again is there: how far a server was read
// is noted with it, and nobody brings it a second time.
func TestMailbox_keepsWhatComesAfterAFullDisk(t *testing.T) {
	seed, path := identity.NewSeed(), filepath.Join(t.TempDir(), mailFile)
	for _, keep := range []int{0, 17} {
		faults := new(recordtest.Faults)
		m, err := open(faults, path, seed, compactFrom)
		if err != nil {
			t.Fatal(err)
		}
		before := len(m.Messages(""))
		faults.Set(recordtest.Fault{Op: recordtest.WriteAt, Err: syscall.ENOSPC, Keep: keep, Once: true})
		if err := m.Put(message("<lost@x>", Inbox)); !errors.Is(err, pool.ErrDiskFull) {
			t.Fatalf("a full disk: %v", err)
		}
		if err := m.Put(message("<1@x>", Inbox), message("<2@x>", Inbox)); err != nil {
			t.Fatal(err)
		}
		for _, kept := range m.Messages("") {
			if _, err := m.Article(kept.Number); err != nil {
				t.Errorf("number %d: %v", kept.Number, err)
			}
		}
		if err := m.log.Close(); err != nil {
			t.Fatal(err)
		}
		if m, err = open(record.OS{}, path, seed, compactFrom); err != nil {
			t.Fatal(err)
		}
		if got := len(m.Messages("")); got != before+2 || m.Damaged {
			t.Errorf("%d messages are there, of %d; damaged: %v", got, before+2, m.Damaged)
		}
		if err := m.log.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
