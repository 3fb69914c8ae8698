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

// A processes is a server under measurement: the numbers of its processes, to
// which their children and theirs belong, as some servers fork for each reader.
type processes []int

// tick is the unit of CPU time in /proc, the same on every Linux system.
const tick = time.Second / 100

// cpu returns the CPU time that the processes took, those that ended included.
func (p processes) cpu() (time.Duration, error) {
	total := time.Duration(0)
	err := p.each(func(pid int) error {
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
func (p processes) memory() (int64, error) {
	total := int64(0)
	err := p.each(func(pid int) error {
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

// each calls visit for the processes and for all below them.
func (p processes) each(visit func(pid int) error) error {
	for _, pid := range p {
		if err := visit(pid); err != nil {
			return err
		}
	}
	for _, pid := range p.below() {
		err := visit(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended meanwhile
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// below returns the processes' children, theirs, and so on.
func (p processes) below() processes {
	var all processes
	for _, pid := range p {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is a good one
		for _, task := range tasks {
			text, err := os.ReadFile(task)
			if err != nil {
				continue // a thread that ended
			}
			for _, number := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(number); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	if len(all) > 0 {
		all = append(all, all.below()...)
	}
	return all
}

// ownCPU returns the CPU time that this process took.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
