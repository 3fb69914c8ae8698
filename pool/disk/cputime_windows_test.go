package disk

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is the CPU time that this process took.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	process, err := syscall.GetCurrentProcess()
	var began, ended, kernel, user syscall.Filetime
	if err == nil {
		err = syscall.GetProcessTimes(process, &began, &ended, &kernel, &user)
	}
	if err != nil {
		b.Fatal(err)
	}
	ticks := func(t syscall.Filetime) int64 { return int64(t.HighDateTime)<<32 | int64(t.LowDateTime) }
	return time.Duration(100 * (ticks(kernel) + ticks(user)))
}
