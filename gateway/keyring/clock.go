package keyring

import (
	"fmt"
	"time"
)

// usualJump is how many epochs the clock may be ahead, where the policy says
// nothing. Two of them cost no token of the last ten weeks and half of the mail
// that waits, at the default settings. Three are a clock gone wrong, or a gateway
// that was off for weeks and has its operator there to say so.
const usualJump = 2

// A clock knows what epoch it should be: from what earlier processes have seen,
// from the time it was first told, and from what has passed since by the
// machine's own count, which nobody sets. So a clock that is set ahead little by
// little gets no further than one that is set ahead at once.
type clock struct {
	least uint64    // the newest epoch seen by an earlier process
	told  time.Time // zero before the first time
	begun time.Time // when that was
}

// see takes the first time that it is told for granted.
func (c *clock) see(now time.Time) {
	if c.told.IsZero() {
		c.told, c.begun = now, time.Now()
	}
}

// Clock returns [ErrClock] when now is further ahead than the policy allows.
func (r *Ring) Clock(now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jumped(now)
}

func (r *Ring) jumped(now time.Time) error {
	if r.rootEpoch == notBegun {
		return nil // nothing to compare with, and nothing to lose
	}
	calendar, jump, expected := r.policy.Calendar, r.policy.Jump, r.clock.least
	if jump == 0 {
		jump = usualJump
	}
	if !r.clock.told.IsZero() {
		passed := time.Since(r.clock.begun)
		expected = max(calendar.Epoch(r.clock.told.Add(passed)), r.clock.least+uint64(passed/calendar.EpochLength))
	}
	if epoch := calendar.Epoch(now); epoch > expected+jump {
		return fmt.Errorf("%w: it is %d epochs further than it should be", ErrClock, epoch-expected)
	}
	return nil
}
