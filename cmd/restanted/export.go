package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
	"github.com/restante/restante/pool/record"
)

// A writer is a form in which articles are written.
type writer interface {
	archive.Sink
	Flush() error
}

func exportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "export",
		Short: "Write articles into an archive that other programs read",
		Long: `export writes the articles of a gateway that is stopped, in the order in which
they arrived, each once. What comes out is what any newsreader could have read
there without a login, octet for octet, and nothing else: no waiting posts and no
waiting mail, no keys, no withdrawn articles, no newsgroups that are not in the
configuration. Entries of the pool come out as they lie there, sealed.`,
	}
	c.AddCommand(
		exportForm("mbox", `mbox writes an mbox, in the form called mboxrd: a line that begins with "From "
is quoted with ">", and one that begins with ">From " gets one ">" more.`,
			func(w io.Writer) writer { return archive.NewMboxWriter(w) }),
		exportForm("rnews", `rnews writes a batch that rnews of INN and C News reads. The times of arrival
are not in it.`, func(w io.Writer) writer { return archive.NewRnewsWriter(w) }),
	)
	return c
}

func exportForm(name, long string, open func(io.Writer) writer) *cobra.Command {
	c := &cobra.Command{
		Use:   name + " FILE",
		Short: "Write an archive of the form " + name,
		Long: long + `

FILE is made, and never overwritten; "-" stands for standard output. At the end
it says on standard error how many articles were written. One that does not become
complete is removed again.`,
		Example: "  restanted export " + name + " --groups 'misc.*,!misc.test' articles." + name,
		Args:    cobra.ExactArgs(1),
	}
	path := addConfigFlag(c)
	groups := addGroupsFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		s, wanted, err := loadWanted(c, *path, *groups)
		if err != nil {
			return err
		}
		store, err := gateway.OpenToExport(s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		out, end, err := create(args[0], c.OutOrStdout())
		if err != nil {
			return err
		}
		return end(export(c.Context(), store, open(out), wanted, c.ErrOrStderr()))
	}
	return c
}

// export writes the archive and says what became of it.
func export(ctx context.Context, store *gateway.Stopped, to writer, wanted func(pool.Group) bool, stderr io.Writer) error {
	counts, err := exportTo(ctx, store, to, wanted, stderr)
	fmt.Fprintf(stderr, "written %d, damaged %d\n", counts.Written, counts.Damaged)
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted: the archive is not complete")
	} else if err != nil {
		return fmt.Errorf("the archive is not complete: %w", err)
	}
	return nil
}

func exportTo(ctx context.Context, store *gateway.Stopped, to writer, wanted func(pool.Group) bool, stderr io.Writer) (archive.Exported, error) {
	held, err := store.Groups(ctx)
	if err != nil {
		return archive.Exported{}, err
	}
	done, total := int64(0), int64(0)
	for _, g := range held {
		if wanted(g.Name) {
			total += int64(g.Count)
		}
	}
	show, end := progress(stderr, "exporting", false)
	defer end()
	counts, err := store.Export(ctx, to, wanted, func(places int) {
		done += int64(places)
		show(done, total)
	})
	if err == nil {
		err = to.Flush()
	}
	return counts, err
}

// create makes a file. end is given what became of writing it, and returns that once the
// file is on the disk, name and all. What is not complete it removes: nobody is to take
// it for the archive, and it can't be gone on with.
func create(name string, stdout io.Writer) (out io.Writer, end func(error) error, err error) {
	if name == "-" {
		return stdout, func(err error) error { return err }, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil, fmt.Errorf("%s is there already and is not overwritten: remove it first, or name another file", name)
	} else if err != nil {
		return nil, nil, err
	}
	return f, func(err error) error {
		if err == nil {
			err = errors.Join(f.Sync(), record.OS{}.SyncDir(filepath.Dir(name)))
		}
		err = errors.Join(err, f.Close())
		if err != nil {
			return errors.Join(err, os.Remove(name))
		}
		return nil
	}, nil
}

func addGroupsFlag(c *cobra.Command) *string {
	return c.Flags().String("groups", "*", "only newsgroups that match this `wildmat`, like 'misc.*,!misc.test'")
}

// loadWanted reads the configuration, and says which newsgroups a wildmat
// means.
func loadWanted(c *cobra.Command, path, groups string) (s gateway.Settings, wanted func(pool.Group) bool, err error) {
	pattern, err := nntp.ParseWildmat(groups)
	if err != nil {
		return s, nil, errors.New("--groups: not a wildmat; write patterns with commas between them, like 'misc.*,!misc.test'")
	}
	conf, err := load(path)
	if err != nil {
		return s, nil, err
	}
	s, err = settings(conf, zerolog.New(c.ErrOrStderr()).Level(zerolog.WarnLevel))
	return s, func(g pool.Group) bool { return pattern.Match(string(g)) }, err
}
