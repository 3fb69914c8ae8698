package office

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
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
