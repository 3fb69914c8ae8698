package session

import (
	"context"
	"time"
)

// A clock ends the work on a command that takes too long. It costs no context
// for each command: one serves until it was ended.
type clock struct {
	limit  time.Duration
	timer  *time.Timer
	runs   bool            // timer does
	work   context.Context // that of the command under way
	cancel context.CancelFunc
}

// start returns the context of a command, whose time begins with resume, and must
// be stopped by pause once the command begins to answer.
func (c *clock) start(ctx context.Context, limit time.Duration) context.Context {
	c.limit = limit
	if c.work == nil || c.work.Err() != nil {
		c.work, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
		c.timer = time.AfterFunc(limit, c.cancel)
		c.timer.Stop()
		c.runs = false
	}
	return c.work
}

// pause lets time pass that is not the server's: it waits for the client.
func (c *clock) pause() {
	if c.runs {
		c.timer.Stop()
		c.runs = false
	}
}

// resume begins, or goes on with a fresh limit.
func (c *clock) resume() {
	c.timer.Reset(c.limit)
	c.runs = true
}

// end lets go of what the clock holds, as long as no command is under way.
func (c *clock) end() {
	if c.timer != nil {
		c.timer.Stop()
		c.cancel()
		*c = clock{}
	}
}
