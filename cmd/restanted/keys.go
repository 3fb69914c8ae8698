package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

func keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "keys",
		Short: "List, replace, wrap and publish the gateway's keys",
		Long: `keys works on the keys in the data folder. The gateway makes and destroys keys by
itself, and needs none of this from week to week. "list" and "export-directory"
can be used while it runs; for the others, stop it first.`,
	}
	c.AddCommand(listKeysCommand(), exportDirectoryCommand(), rotateCommand(), acceptClockCommand(), wrapCommand(), unwrapCommand())
	return c
}

func listKeysCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "list",
		Short:   "Say which keys there are and how long they live",
		Long:    `list shows no secret: what it prints is in the directory that the gateway publishes. It needs no passphrase.`,
		Example: "  restanted keys list --config restanted.toml",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, l, err := listing(*path)
		if err != nil {
			return err
		}
		if l.Directory == nil {
			fmt.Fprintf(c.OutOrStdout(), "wrapped      %s\nThe gateway has not run yet: the keys of its epochs are made when it starts.\n", wrappingWord(l.Wrapping))
			return nil
		}
		return printKeys(c.OutOrStdout(), conf, l)
	}
	return c
}

// listing loads a configuration and looks at its keys.
func listing(path string) (config.Config, *keyring.Listing, error) {
	conf, err := load(path)
	if err != nil {
		return conf, nil, err
	}
	l, err := keyring.List(gateway.KeyDir(conf.Data), conf.Domain)
	if errors.Is(err, keyring.ErrNoKeys) {
		err = fmt.Errorf("there are no keys in %s: run restanted init, or bring the keys back", gateway.KeyDir(conf.Data))
	}
	return conf, l, err
}

func wrappingWord(w keyring.Wrapping) string {
	switch w {
	case keyring.UnderPassphrase:
		return "under a passphrase"
	case keyring.UnderKeyFile:
		return "under a key file"
	}
	return "no: whoever reads the folder has the keys"
}

func printKeys(out io.Writer, conf config.Config, l *keyring.Listing) error {
	d := l.Directory
	verifier, err := note.NewVerifier(d.Domain, d.Sign[:])
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "signing key\t%s\n", verifier.Line())
	for _, k := range d.Replaced {
		replaced, err := note.NewVerifier(d.Domain, k.Key[:])
		if err != nil {
			return err
		}
		last := time.Unix(0, 0).UTC().Add(time.Duration(k.Last) * d.BatchInterval)
		fmt.Fprintf(w, "replaced key\t%s, good up to the batch of %s\n", replaced.Line(), last.Format(listTime))
	}
	fmt.Fprintf(w, "directory\t%d, made in epoch %d\n", d.Serial, d.Epoch())
	fmt.Fprintf(w, "wrapped\t%s\n", wrappingWord(l.Wrapping))
	if l.Rotating {
		fmt.Fprintln(w, "root\tanother one waits for its epoch")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	seals, blinds := make(map[uint64]bool), make(map[uint64]bool)
	oldest, newest := d.Epoch(), d.Epoch()
	for _, k := range d.Seal {
		seals[k.Epoch], oldest, newest = true, min(oldest, k.Epoch), max(newest, k.Epoch)
	}
	for _, k := range d.Blind {
		blinds[k.Epoch], oldest, newest = true, min(oldest, k.Epoch), max(newest, k.Epoch)
	}
	fmt.Fprintln(w, "\nepoch\tbegins (UTC)\tseal key destroyed\tblinding key destroyed")
	for e := oldest; e <= newest; e++ {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\n", e, begins(d, e), until(d, seals[e], e, d.TokenLife, "not there"), until(d, blinds[e], e, uint64(conf.Pool.Retention), "gone"))
	}
	return w.Flush()
}

const listTime = "2006-01-02 15:04:05"

// begins is when an epoch begins.
func begins(d *note.Directory, epoch uint64) string {
	return time.Unix(0, 0).UTC().Add(time.Duration(epoch) * d.EpochLength).Format(listTime)
}

// until is when a key of an epoch that lives so many more is destroyed.
func until(d *note.Directory, there bool, epoch, life uint64, absent string) string {
	if !there {
		return absent
	}
	return begins(d, epoch+life+1)
}

func exportDirectoryCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "export-directory",
		Short:   "Print the signed directory of the public keys",
		Long:    `export-directory prints what XKEYS answers and restante.keys holds: a signed note, for mirrors, witnesses and clients.`,
		Example: "  restanted keys export-directory > directory",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, l, err := listing(*path)
		if err != nil {
			return err
		}
		if l.Signed == nil {
			return errors.New("there is no directory yet: the gateway makes it when it first starts")
		}
		_, err = c.OutOrStdout().Write(l.Signed)
		return err
	}
	return c
}

func rotateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate (--seal | --root | --sign)...",
		Short: "Replace keys before their time, after they may have been seen",
		Long: `rotate is for the day on which somebody else may have had the keys. Everything
else is replaced by itself, epoch by epoch.

  --seal  new seal keys for this epoch and the next. Tokens made in this epoch die
          at once: nobody can answer them any more. Those of earlier epochs live on.
  --root  a new root from the epoch after the next on: who has the old one can't
          find mail that comes then. Clients have their IDs blinded anew.
  --sign  a new signing key. The old one signs the directory that names it, so
          that clients and witnesses follow. What it signed of batches up to now
          stays good; of later ones nobody takes anything under it.

The next start publishes a directory that says so. Stop the gateway first.`,
		Example: "  restanted keys rotate --seal --root --sign",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	seal := c.Flags().Bool("seal", false, "replace this epoch's and the next one's seal keys")
	root := c.Flags().Bool("root", false, "replace the root that blinding keys follow from")
	sign := c.Flags().Bool("sign", false, "replace the signing key")
	c.MarkFlagsOneRequired("seal", "root", "sign")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withKeys(c, *path, func(s gateway.Settings, r *keyring.Ring) error {
			now := time.Now()
			if _, err := r.Advance(now); err != nil {
				return err
			}
			for _, part := range []struct {
				wanted bool
				rotate func() error
				said   string
			}{
				{*seal, r.RotateSeals, "Seal keys replaced. Tokens made in this epoch are dead."},
				{*root, r.RotateRoot, "New root made. It is in force from the epoch after the next on."},
				{*sign, func() error { return gateway.RotateSigner(s, r, now) }, "Signing key replaced. Publish the new one where you published the old one."},
			} {
				if !part.wanted {
					continue
				}
				if err := part.rotate(); err != nil {
					return err
				}
				fmt.Fprintln(c.OutOrStdout(), part.said)
			}
			fmt.Fprintf(c.OutOrStdout(), "Directory %d says so, and is published at the next start.\n", r.Directory().Serial)
			return nil
		})
	}
	return c
}

func acceptClockCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "accept-clock",
		Short: "Say that the clock is right, after weeks in which the gateway did not run",
		Long: `accept-clock lets the keys follow a clock that is further ahead than
keys.clock_jump allows. Keys that have had their time by that clock are destroyed,
and nothing brings them back. Without --yes it only says what the clock says.`,
		Example: "  restanted keys accept-clock --yes",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	yes := c.Flags().Bool("yes", false, "the time is right: go on")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return withKeys(c, *path, func(_ gateway.Settings, r *keyring.Ring) error {
			now := time.Now().UTC()
			err := r.Clock(now)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), "The clock has not jumped ahead: there is nothing to accept.")
				return nil
			}
			if !*yes {
				fmt.Fprintf(c.OutOrStdout(), "This machine's clock says %s UTC: %v.\nIf that time is right, run this again with --yes.\n", now.Format("2006-01-02 15:04"), err)
				return nil
			}
			if _, err := r.Accept(now); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "Accepted. Keys that had their time are destroyed; start the gateway.")
			return nil
		})
	}
	return c
}

// withKeys opens the keys of a gateway that does not run.
func withKeys(c *cobra.Command, path string, f func(gateway.Settings, *keyring.Ring) error) error {
	conf, err := load(path)
	if err != nil {
		return err
	}
	lock, err := unlock(c, conf)
	if err != nil {
		return err
	}
	s, err := settings(conf, zerolog.Nop())
	if err != nil {
		return err
	}
	s.KeyLock = lock
	if err = gateway.WithKeys(c.Context(), s, func(r *keyring.Ring) error { return f(s, r) }); errors.Is(err, keyring.ErrClock) {
		return fmt.Errorf("%w: set it right, or see restanted keys accept-clock", err)
	}
	return err
}
