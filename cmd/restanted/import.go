package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
)

func importCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Bring in articles of an archive or of another server",
		Long: `import files the articles of an archive in the store of a gateway that is
stopped. Each one is checked as if a peer had brought it, but for its age; where
the archive has the time of its arrival, that is kept. Newsgroups must be in the
configuration, and those that the gateway fills itself take nothing. Control
messages and Supersedes are filed and not obeyed.

At the end it says how many articles were read, filed, seen before, and refused
for which reason. What it calls filed is safe on the disk. After an interruption
run the same command again: what is there already counts as duplicate.`,
	}
	c.AddCommand(
		importForm("mbox", `mbox reads mboxes of the form called mboxrd, which "restanted export mbox" writes.`,
			func(r io.Reader, maximum int) archive.Source { return archive.NewMbox(r, maximum) }),
		importForm("rnews", `rnews reads rnews batches, compressed ones too. They do not say when an article
arrived.`,
			func(r io.Reader, maximum int) archive.Source { return archive.NewRnews(r, maximum) }),
		importSpool(),
	)
	return c
}

func importForm(name, long string, open func(io.Reader, int) archive.Source) *cobra.Command {
	c := &cobra.Command{
		Use:     name + " FILE...",
		Short:   "Bring in articles of the form " + name,
		Long:    long + "\n\nA FILE may be packed by gzip or bzip2. \"-\" stands for standard input.",
		Example: "  restanted import " + name + " articles." + name,
		Args:    cobra.MinimumNArgs(1),
	}
	path := addConfigFlag(c)
	groups := addGroupsFlag(c)
	numbers := c.Flags().Bool("keep-numbers", false, "keep the numbers in Xref where this gateway wrote it; articles whose numbers are taken are refused")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		s, wanted, err := loadWanted(c, *path, *groups)
		if err != nil {
			return err
		}
		store, err := gateway.OpenToImport(c.Context(), s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		in := importing{store: store, wanted: wanted, keep: *numbers}
		for _, name := range args {
			if err = in.file(c, name, func(r io.Reader) archive.Source { return open(r, s.MaxArticle) }); err != nil {
				break
			}
		}
		return in.end(c, err)
	}
	return c
}

// importing is one import, with what it has counted so far.
type importing struct {
	store  *gateway.Stopped
	wanted func(pool.Group) bool
	keep   bool

	archive.Counts
}

// file imports one file.
func (i *importing) file(c *cobra.Command, name string, open func(io.Reader) archive.Source) error {
	in, size := c.InOrStdin(), int64(-1)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		in = f
	}
	if closer, ok := in.(io.Closer); ok { // a pipe that says nothing must not hold up the end
		defer context.AfterFunc(c.Context(), func() { _ = closer.Close() })()
	}
	show, end := progress(c.ErrOrStderr(), "importing", true)
	text, err := archive.Unpacked(&watched{Reader: in, total: size, show: show})
	if err == nil {
		err = i.from(c.Context(), open(text))
	}
	end()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (i *importing) from(ctx context.Context, src archive.Source) error {
	counts, err := i.store.Import(ctx, src, i.wanted, i.keep)
	i.Read += counts.Read
	i.Filed += counts.Filed
	i.Duplicate += counts.Duplicate
	i.Lost += counts.Lost
	if i.Refused == nil {
		i.Refused = make(map[string]int)
	}
	for reason, n := range counts.Refused {
		i.Refused[reason] += n
	}
	return err
}

// end says what became of the articles.
func (i *importing) end(c *cobra.Command, err error) error {
	all := 0
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(i.Refused)) {
		all += i.Refused[reason]
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, i.Refused[reason]))
	}
	line := fmt.Sprintf("read %d, filed %d, duplicate %d, refused %d", i.Read, i.Filed, i.Duplicate, all)
	if len(reasons) > 0 {
		line += " (" + strings.Join(reasons, ", ") + ")"
	}
	if i.Lost > 0 {
		line += fmt.Sprintf("; %d places in further newsgroups lost, being out of order there", i.Lost)
	}
	fmt.Fprintln(c.OutOrStdout(), line)
	switch {
	case c.Context().Err() != nil:
		return errors.New("interrupted: run the same command again to go on")
	case err != nil:
		return fmt.Errorf("not everything was read: %w", err)
	}
	return nil
}
