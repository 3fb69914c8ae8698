package office

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
)

// One login more than may be checked at a time waits for its turn, but not for
// ever.
func TestLogin_waitsForItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.Logins, b.LoginWait, b.logins = 1, 20*time.Second, make(chan struct{}, 1)
		b.logins <- struct{}{}
		start := time.Now()
		if _, err := b.Login(t.Context(), "alice", alicePass); !errors.Is(err, ErrBusy) {
			t.Errorf("a login without a turn: %v", err)
		}
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("it waited %v, want 20s", waited)
		}
		time.AfterFunc(19*time.Second, func() { <-b.logins })
		if _, err := b.Login(t.Context(), "alice", alicePass); err != nil {
			t.Errorf("a login whose turn came: %v", err)
		}
	})
}

// A pickup that waits for its turn has cost nothing yet: else whoever floods the
// gateway with sealed IDs would get a public-key operation or three for each, and
// learn from the time whether one opened.
func TestFind_takesItsTurnBeforeAnyKeyIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		used := 0
		b.Keys = countingKeys{b.keys, &used}
		b.LoginWait = 20 * time.Second
		_, seal := b.keys.Mint()
		sealed, err := seal.SealID(identity.NewSeed().Mailbox(0).ID())
		if err != nil {
			t.Fatal(err)
		}
		find := func(sealed []byte) error { return b.Find(t.Context(), sealed, func(pool.Number, pool.MessageID) {}) }
		b.pickups <- struct{}{}
		for name, text := range map[string][]byte{"good": sealed, "forged": append([]byte{sealed[0] ^ 1}, sealed[1:]...)} {
			if err := find(text); !errors.Is(err, ErrBusy) || used != 0 {
				t.Errorf("a %s one without a turn: %v, after %d keys", name, err, used)
			}
		}
		<-b.pickups
		if err := find(sealed); err != nil || used == 0 {
			t.Errorf("one whose turn came: %v, after %d keys", err, used)
		}
	})
}

// countingKeys counts how often a private key is asked for.
type countingKeys struct {
	Keys
	used *int
}

func (k countingKeys) Seal(epoch uint64) (*token.SealKey, error) {
	*k.used++
	return k.Keys.Seal(epoch)
}

func (k countingKeys) Blind(epoch uint64) (*blind.Key, error) {
	*k.used++
	return k.Keys.Blind(epoch)
}
