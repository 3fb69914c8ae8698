package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
)

func importSpool() *cobra.Command {
	c := &cobra.Command{
		Use:   "tradspool FOLDER --active FILE",
		Short: "Bring in the spool of an INN server, with its article numbers",
		Long: `tradspool reads the articles of INN's traditional spool and keeps their numbers
and the newsgroups' water marks, so that newsreaders go on where they stopped.
FOLDER is what INN calls patharticles. Stop innd first, or read a copy.

The newsgroups of the active file must all be in restanted.toml, or be left out
with --groups. --print-groups prints the tables of those that are missing:

  restanted import tradspool /var/spool/news/articles \
      --active /var/lib/news/active --newsgroups /var/lib/news/newsgroups \
      --print-groups >> restanted.toml

A newsgroup that has articles here already keeps them; articles whose numbers are
not above its high water mark are refused (number_taken). INN's own newsgroups
(control, junk, to) and aliases are left out.`,
		Example: "  restanted import tradspool /var/spool/news/articles --active /var/lib/news/active",
		Args:    cobra.ExactArgs(1),
	}
	path := addConfigFlag(c)
	groups := addGroupsFlag(c)
	active := c.Flags().String("active", "", "INN's active `file`")
	_ = c.MarkFlagRequired("active")
	newsgroups := c.Flags().String("newsgroups", "", "INN's newsgroups `file`, for the descriptions that --print-groups prints")
	printed := c.Flags().Bool("print-groups", false, "print what is missing in restanted.toml, and do nothing else")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, wanted, err := loadWanted(c, *path, *groups)
		if err != nil {
			return err
		}
		carried, unusable, err := readActive(*active, wanted)
		if err != nil {
			return err
		}
		if unusable > 0 {
			fmt.Fprintf(c.ErrOrStderr(), "%d newsgroups of the active file have names that none may have here; they are left out\n", unusable)
		}
		missing := missingGroups(s.Groups, carried)
		switch {
		case *printed:
			return printGroups(c.OutOrStdout(), missing, *newsgroups)
		case len(missing) > 0:
			return refuseMissing(missing)
		}
		return spool(c, s, args[0], carried)
	}
	return c
}

// spool imports the spool's newsgroups, all of which are configured.
func spool(c *cobra.Command, s gateway.Settings, folder string, groups []archive.Active) (err error) {
	names := make([]pool.Group, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	src, err := archive.OpenSpool(folder, names, s.MaxArticle)
	if err != nil {
		return err
	}
	// Marks that were raised never come down: the articles could not follow any more.
	full := func(g archive.Active) bool { return !g.Empty }
	if src.Left() == 0 && slices.ContainsFunc(groups, full) {
		return fmt.Errorf("nothing was imported: there are no articles in %s, and the active file says that there are some; name the folder that INN calls patharticles, with tradspool in it", folder)
	}
	store, err := gateway.OpenToImport(c.Context(), s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	in := importing{store: store, wanted: func(pool.Group) bool { return true }}
	show, end := progress(c.ErrOrStderr(), "importing", false)
	err = in.from(c.Context(), shown{src, src.Left(), show})
	end()
	if err == nil { // else the marks would be in the way of what is still to come
		err = store.Raise(context.WithoutCancel(c.Context()), groups)
	}
	return in.end(c, err)
}

// shown is a spool that shows how much of it is done.
type shown struct {
	*archive.Spool
	total int
	show  func(done, total int64)
}

// Next implements [archive.Source].
func (s shown) Next() (archive.Item, error) {
	s.show(int64(s.total-s.Left()), int64(s.total))
	return s.Spool.Next()
}

func readActive(name string, wanted func(pool.Group) bool) (groups []archive.Active, unusable int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	all, unusable, err := archive.ReadActive(f)
	for _, g := range all {
		if wanted(g.Name) {
			groups = append(groups, g)
		}
	}
	return groups, unusable, err
}

// missingGroups returns the newsgroups that the configuration lacks.
func missingGroups(configured []pool.GroupInfo, groups []archive.Active) []archive.Active {
	return slices.DeleteFunc(slices.Clone(groups), func(g archive.Active) bool {
		return slices.ContainsFunc(configured, func(c pool.GroupInfo) bool { return c.Name == g.Name })
	})
}

func refuseMissing(missing []archive.Active) error {
	const most = 20
	var names []string
	for _, g := range missing[:min(len(missing), most)] {
		names = append(names, string(g.Name))
	}
	list := strings.Join(names, ", ")
	if more := len(missing) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("nothing was imported, as these newsgroups are not in the configuration: %s\nAdd them (the same command with --print-groups prints what to write), or leave them out with --groups", list)
}

// printGroups prints the tables that restanted.toml lacks.
func printGroups(w io.Writer, missing []archive.Active, newsgroups string) error {
	descriptions := make(map[pool.Group]string)
	if newsgroups != "" {
		f, err := os.Open(newsgroups)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written
		if descriptions, err = archive.ReadNewsgroups(f); err != nil {
			return err
		}
	}
	for _, g := range missing {
		text, err := config.GroupTable(config.Group{Name: string(g.Name), Description: descriptions[g.Name], Posting: string(g.Posting)})
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}
