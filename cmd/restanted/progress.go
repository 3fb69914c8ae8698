package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress returns what shows how much of something is done: a bar on a terminal, and
// elsewhere a line now and then. total may change, and is -1 where it is not known. end
// is called once, when nothing more is to be shown.
func progress(w io.Writer, what string, octets bool) (show func(done, total int64), end func()) {
	if !onTerminal(w) {
		return lines(w, what, octets), func() {}
	}
	var bar *progressbar.ProgressBar
	show = func(done, total int64) {
		if bar == nil {
			bar = progressbar.NewOptions64(total,
				progressbar.OptionSetWriter(w),
				progressbar.OptionSetDescription(what),
				progressbar.OptionShowBytes(octets),
				progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(),
			)
		} else if total > 0 && bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		_ = bar.Set64(done) // a bar that can't be drawn
	}
	return show, func() {
		if bar != nil {
			_ = bar.Finish()
		}
	}
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// every is how often a line says how far work is that shows no bar.
const every = 5 * time.Second

// lines returns what says, a line at a time and every few seconds, how much of
// something is done.
func lines(w io.Writer, what string, octets bool) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		now := time.Now()
		if now.Sub(last) < every || total == 0 {
			return
		}
		last = now
		share, unit := int64(0), ""
		if total > 0 {
			share = done * 100 / total
		}
		if octets {
			done, total, unit = done>>20, total>>20, " MiB"
		}
		if total > 0 {
			fmt.Fprintf(w, "%s: %d %%, %d of %d%s\n", what, share, done, total, unit)
		} else {
			fmt.Fprintf(w, "%s: %d%s\n", what, done, unit)
		}
	}
}

// A watched is a reader that shows how much was read of it.
type watched struct {
	io.Reader
	done, total int64
	show        func(done, total int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.done += int64(n)
	w.show(w.done, w.total)
	return n, err
}
