package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/pool/disk"
)

// What ends a check that found something.
var (
	errProblems = errors.New("the store has problems, see above")
	errRepaired = errors.New("the store had problems, see above what became of them: run it again to see that none is left")
)

func fsckCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "fsck",
		Short: "Verify every article on disk, and repair what can be repaired",
		Long: `fsck verifies the store of a gateway that is stopped: every record's check sum and
form, that the newsgroups' marks, the index and the history agree with them. It
changes nothing, unless --repair is given, and may be run on a disk mounted
read-only. Interrupted with Ctrl-C, it goes on the next time with the file that it
was at, unless the gateway ran meanwhile.

With --repair damaged octets are moved to data/quarantine and the rest of their
file stays readable, and the index is built anew. Numbers of articles that are
lost are not given again, and what was withdrawn stays withdrawn as long as the
old index knows it. A repair that is cut short leaves nothing worse; run it again,
and what it had found is told again. Nothing is repaired on a disk that does not
give what it holds: copy the data folder to another one first.

The exit status is 0 when everything is right and 1 when problems were found, be
they repaired; run it again to see that none is left. No output names an article.`,
		Example: "  restanted fsck --config restanted.toml\n  restanted fsck --repair",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	repair := c.Flags().Bool("repair", false, "repair what can be repaired")
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, err := load(*path)
		if err != nil {
			return err
		}
		return fsck(c.Context(), conf.Data, *repair, c.OutOrStdout(), c.ErrOrStderr())
	}
	return c
}

func fsck(ctx context.Context, data string, repair bool, stdout, stderr io.Writer) error {
	show, end := progress(stderr, "checking", true)
	report, err := disk.Fsck(ctx, data, disk.FsckOptions{Repair: repair, Progress: show})
	end()
	if report == nil {
		report = new(disk.FsckReport)
	}
	canceled := errors.Is(err, context.Canceled)
	switch {
	case errors.Is(err, disk.ErrInUse):
		return gateway.ErrRuns
	case canceled && !report.Repairing:
		return errors.New("interrupted: run it again and it goes on where it was")
	}
	tell(stdout, report, err == nil)
	switch {
	case canceled:
		return errors.New("interrupted amid the repair, which makes nothing worse: run it again with --repair")
	case err != nil:
		return err
	case report.Repaired:
		return errRepaired
	case !report.Clean():
		return errProblems
	}
	return nil
}

// tell prints what was found, and for a run that came to its end how much was checked.
func tell(w io.Writer, report *disk.FsckReport, ended bool) {
	for _, line := range slices.Concat(report.Notes, report.Problems, report.Repairs) {
		fmt.Fprintln(w, line)
	}
	if !ended {
		return
	}
	fmt.Fprintf(w, "Checked %d segments with %d articles and %d withdrawals, %d octets: %d problems.\n",
		report.Segments, report.Articles, report.Withdrawals, report.Octets, len(report.Problems))
	if report.Resumed > 0 {
		fmt.Fprintf(w, "%d of these segments were checked by a run that was interrupted.\n", report.Resumed)
	}
}
