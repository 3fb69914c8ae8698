package office

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
)

// BenchmarkMailbox_firstLook is what a login costs beyond its passphrase at the
// default settings: every slot of every batch of five epochs, in a store on
// disk.
func BenchmarkMailbox_firstLook(b *testing.B) {
	calendar := pool.Calendar{EpochLength: 168 * time.Hour, BatchInterval: 5 * time.Minute, Retention: 4, TokenLife: 12}
	shape := batch.Shape{Calendar: calendar, Size: 8, Slots: 8, Backlog: 288, Posts: 1 << 20}
	policy := keyring.Policy{Calendar: calendar, BatchSize: shape.Size, SlotsPerBatch: shape.Slots, Jump: 9}
	dir := b.TempDir()
	if err := keyring.Create(dir + "/keys"); err != nil {
		b.Fatal(err)
	}
	keys, err := keyring.Open(dir+"/keys", domain, policy)
	if err != nil {
		b.Fatal(err)
	}
	for _, then := range []time.Time{time.Now().Add(-5 * calendar.EpochLength), time.Now()} {
		if _, err := keys.Advance(then); err != nil {
			b.Fatal(err)
		}
	}
	queue, err := batch.OpenQueue(dir+"/queue", shape)
	if err != nil {
		b.Fatal(err)
	}
	defer queue.Close()
	store, err := disk.Open(dir+"/data", disk.Options{ServerName: domain, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	o := New(Options{Domain: domain, Group: poolGroup, Calendar: calendar, Slots: shape.Slots, Keys: keys, Queue: queue, Store: store})
	box := identity.NewSeed().Mailbox(0)
	for b.Loop() {
		if err := newMailbox(o, box).Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
