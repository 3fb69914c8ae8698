package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress returns a bar on a terminal, and elsewhere one that nobody sees.
// total is how much there is to do, -1 where that is not known.
func progress(w io.Writer, total int64, what string, octets bool) *progressbar.ProgressBar {
	if !onTerminal(w) {
		return progressbar.DefaultSilent(total)
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(octets),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// every is how often a line says how far work is that shows no bar.
const every = 5 * time.Second

// lines returns what says, a line at a time and every few seconds, how much of
// something is done.
func lines(w io.Writer, what string) func(done, total int64) {
	last := time.Now()
	return func(done, total int64) {
		if now := time.Now(); now.Sub(last) >= every && total > 0 {
			last = now
			fmt.Fprintf(w, "%s: %d %%, %d of %d MiB\n", what, done*100/total, done>>20, total>>20)
		}
	}
}
