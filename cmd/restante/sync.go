package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/restante/restante/cmd/restante/collect"
	"github.com/restante/restante/cmd/restante/desk"
)

// matchingLeak is what asking for one's own entries alone gives away.
const matchingLeak = "--fetch-matching tells the server which entries are one person's, how many you get and when you read them; with your address, whose they are."

func syncCommand(who *user) *cobra.Command {
	var matching, asJSON bool
	c := &cobra.Command{
		Use:   "sync",
		Short: "Post what waits, and bring your mail",
		Long: `sync posts what could not be posted before, follows your gateways' directories,
has your mailboxes blinded for weeks ahead, and takes the whole pool since the last
time from the server of [fetch]. Your entries are found on this machine, so that
no server learns which they are.

` + matchingLeak,
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&matching, "fetch-matching", false, "ask for your own entries alone, which the server sees")
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if matching {
			fmt.Fprintln(c.ErrOrStderr(), matchingLeak)
		}
		return who.with(c, func(d *desk.Desk) error {
			report, err := synchronise(c, d, matching)
			if asJSON {
				return errors.Join(err, printReportJSON(c.OutOrStdout(), report))
			}
			printReport(c.OutOrStdout(), report)
			return err
		})
	}
	return c
}

// synchronise brings the mail up to date, and shows how far it has come. What is
// wrong with gateways is part of the error.
func synchronise(c *cobra.Command, d *desk.Desk, matching bool) (collect.Report, error) {
	var bar *progressbar.ProgressBar
	report, err := d.Sync(c.Context(), matching, func(done, all int) {
		if bar == nil || bar.GetMax() != all {
			bar = progress(c.ErrOrStderr(), int64(all), "taking the pool")
		}
		_ = bar.Set(done)
	})
	return report, errors.Join(append([]error{err}, report.Troubles...)...)
}

func printReport(w io.Writer, r collect.Report) {
	fmt.Fprintf(w, "%d new, %d articles taken, %d octets.\n", len(r.New), r.Taken, r.Octets)
	for _, line := range []struct {
		n    int
		text string
	}{
		{r.Waiting, "%d messages wait for more of their fragments.\n"},
		{r.GivenUp, "%d messages are given up: fragments of them did not come as long as they were kept. Ask their senders to send them again.\n"},
		{r.Spoilt, "%d entries for you do not open: they were damaged before the gateway signed them, or are meant to waste your time.\n"},
	} {
		if line.n > 0 {
			fmt.Fprintf(w, line.text, line.n)
		}
	}
	for _, m := range r.Begins {
		fmt.Fprintf(w, "The server %s has the pool of the gateway %s from %s on: older mail, if there is any, is not there.\n", m.Server, m.Gateway, moment(m.At))
	}
	for _, m := range r.Silent {
		fmt.Fprintf(w, "The server %s has nothing of the gateway %s from %s on, and the gateway shows nothing newer: it was off, or mail is kept from you.\n", m.Server, m.Gateway, moment(m.At))
	}
}

func moment(t time.Time) string { return t.UTC().Format(time.DateTime + " UTC") }

func printReportJSON(w io.Writer, r collect.Report) error {
	numbers := make([]uint32, 0, len(r.New))
	for _, m := range r.New {
		numbers = append(numbers, uint32(m.Number))
	}
	troubles := make([]map[string]string, 0, len(r.Troubles))
	for _, err := range r.Troubles {
		troubles = append(troubles, troubleJSON(err))
	}
	return printJSON(w, map[string]any{
		"new": numbers, "taken": r.Taken, "octets": r.Octets, "waiting": r.Waiting, "spoilt": r.Spoilt, "given_up": r.GivenUp,
		"findings": emptyNotNull(r.Findings), "begins": emptyNotNull(r.Begins), "silent": emptyNotNull(r.Silent), "troubles": troubles,
	})
}

// emptyNotNull keeps programs from having to tell two kinds of nothing apart.
func emptyNotNull[T any](list []T) []T { return append([]T{}, list...) }

// troubleJSON is what is wrong, under a name that stays.
func troubleJSON(err error) map[string]string {
	out := map[string]string{"kind": "other", "text": err.Error()}
	var gateway *collect.Trouble
	var finding *collect.Finding
	var fault *collect.Fault
	if errors.As(err, &gateway) {
		out["gateway"] = gateway.Gateway
	} else if errors.As(err, &finding) {
		out["gateway"], out["server"] = finding.Gateway, finding.Server
	} else if errors.As(err, &fault) {
		out["kind"], out["server"] = "fault", fault.Server
		return out
	}
	for _, k := range []struct {
		err  error
		kind string
	}{
		{collect.ErrServer, "server"},
		{collect.ErrForked, "forked"},
		{collect.ErrHistory, "history"},
		{collect.ErrOtherKey, "other-key"},
		{collect.ErrWitnessed, "witnesses"},
		{collect.ErrProof, "proof"},
		{collect.ErrOld, "old"},
		{collect.ErrSlots, "slots"},
		{collect.ErrGone, "gap"},
		{collect.ErrAway, "away"},
	} {
		if errors.Is(err, k.err) {
			out["kind"] = k.kind
			break
		}
	}
	return out
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func watchCommand(who *user) *cobra.Command {
	var every time.Duration
	var command string
	c := &cobra.Command{
		Use:   "watch",
		Short: "Sync again and again, and tell of new mail",
		Long: `watch syncs at once and then every so often, at times that vary, until it is stopped. For new mail it
runs the command of --exec once, with the number of new messages in RESTANTE_NEW
and nothing else about them; without --exec it prints a line.`,
		Example: "  restante watch --passphrase-file p --exec 'notify-send \"New mail\"'",
		Args:    cobra.NoArgs,
	}
	c.Flags().DurationVar(&every, "every", 5*time.Minute, "how often, on average")
	c.Flags().StringVar(&command, "exec", "", "the `command` to run for new mail, by the shell")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if every <= 0 {
			return errEvery
		}
		return who.with(c, func(d *desk.Desk) error { return watch(c, d, every, command) })
	}
	return c
}

func watch(c *cobra.Command, d *desk.Desk, every time.Duration, command string) error {
	ctx, last := c.Context(), ""
	for ctx.Err() == nil {
		report, err := synchronise(c, d, false)
		if err != nil && ctx.Err() == nil && err.Error() != last { // said once, until it changes
			fmt.Fprintln(c.ErrOrStderr(), "restante:", err)
			last = err.Error()
		} else if err == nil {
			last = ""
		}
		if len(report.New) > 0 {
			if err := tell(ctx, c, len(report.New), command); err != nil {
				fmt.Fprintln(c.ErrOrStderr(), "restante: the command of --exec:", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(every/2 + rand.N(every)): //nolint:gosec // it must not be regular, and need not be secret
		}
	}
	return nil
}

// tell says that there is new mail.
func tell(ctx context.Context, c *cobra.Command, n int, command string) error {
	if command == "" {
		fmt.Fprintf(c.OutOrStdout(), "%d new\n", n)
		return nil
	}
	shell := exec.CommandContext(ctx, shellName, shellFlag, command)
	shell.Env = append(os.Environ(), fmt.Sprintf("RESTANTE_NEW=%d", n))
	shell.Stdout, shell.Stderr = c.OutOrStdout(), c.ErrOrStderr()
	return shell.Run()
}

// progress returns a bar on a terminal, and elsewhere one that nobody sees.
func progress(w io.Writer, total int64, what string) *progressbar.ProgressBar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return progressbar.DefaultSilent(total)
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what), progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
	)
}
