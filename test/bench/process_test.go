package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process is a server under measurement, with its children and theirs: some
// servers fork for each reader.
type process int

// tick is the unit of CPU time in /proc, the same on every Linux system.
const tick = time.Second / 100

// cpu returns the CPU time that the processes took, those that ended included.
func (p process) cpu() (time.Duration, error) {
	total := time.Duration(0)
	err := p.each(func(pid process) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return err
		}
		// The name, in brackets, may hold anything. utime, stime, cutime and
		// cstime are the 14th to 17th field, the first behind it is the 3rd.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		for _, field := range fields[14-3 : 18-3] {
			ticks, err := strconv.ParseInt(string(field), 10, 64)
			if err != nil {
				return err
			}
			total += time.Duration(ticks) * tick
		}
		return nil
	})
	return total, err
}

// memory returns the octets that the processes have in memory. What several of
// them share is divided among them.
func (p process) memory() (int64, error) {
	total := int64(0)
	err := p.each(func(pid process) error {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(text), "\nPss:")
		var kibibytes int64
		if _, err := fmt.Sscan(rest, &kibibytes); err != nil {
			return err
		}
		total += kibibytes << 10
		return nil
	})
	return total, err
}

// each calls visit for the process and for all below it. A child that ends
// meanwhile is left out.
func (p process) each(visit func(process) error) error {
	if err := visit(p); err != nil {
		return err
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		children, err := os.ReadFile(task)
		if err != nil {
			continue // a thread that ended
		}
		for _, child := range strings.Fields(string(children)) {
			pid, err := strconv.Atoi(child)
			if err != nil {
				return err
			}
			if err := process(pid).each(visit); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
	}
	return nil
}

// ownCPU returns the CPU time that this process took.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
