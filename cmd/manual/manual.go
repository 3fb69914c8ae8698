// Package manual makes the manual pages of a program from its commands, and says how one
// is written that was written otherwise: what they say of themselves is the only source,
// for --help, completion, errors and the pages alike.
//
// It refuses to know which program it is.
package manual

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// Command returns the command man, which writes the pages of all commands of its
// root into a folder, those of a section of the manual.
func Command(section, title string) *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write the manual pages into a folder",
		Long: `man writes one manual page for each command into a folder, and makes the folder
where there is none. They say what --help says. SOURCE_DATE_EPOCH sets their date.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder of the pages: %w", err)
			}
			root := c.Root()
			lasting(root)
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: section, Manual: title, Source: root.Name()}, args[0]); err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			return nil
		},
	}
}

// Explain has a command, and all below it, say how it is written to who wrote it with
// too few words or too many. What was written is not repeated: errors get into logs.
func Explain(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, words []string) error {
			if check(c, words) != nil {
				return fmt.Errorf("write it as: %s; %s --help says more", c.UseLine(), c.CommandPath())
			}
			return nil
		}
	}
	for _, below := range c.Commands() {
		Explain(below)
	}
}

// Execute runs the program that a command is the root of. A word where a command is
// wanted, and is none, is an error: of itself cobra prints the help then, and says that
// all went well.
func Execute(ctx context.Context, root *cobra.Command) error {
	c, err := root.ExecuteContextC(ctx)
	if err == nil && !c.Runnable() && len(c.Flags().Args()) > 0 {
		return fmt.Errorf("there is no such command; %s --help lists those that there are", c.CommandPath())
	}
	return err
}

// lasting takes out of a command and those below it what holds on this machine
// alone.
func lasting(c *cobra.Command) {
	c.DisableAutoGenTag = true
	home, err := os.UserHomeDir()
	each := func(f *pflag.Flag) {
		if err == nil && home != "" {
			f.DefValue = strings.Replace(f.DefValue, home, "~", 1)
		}
	}
	c.LocalFlags().VisitAll(each)
	c.PersistentFlags().VisitAll(each)
	for _, below := range c.Commands() {
		lasting(below)
	}
}
