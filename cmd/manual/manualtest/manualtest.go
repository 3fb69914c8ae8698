// Package manualtest checks that a program's manual pages are complete, for the
// tests of either program.
package manualtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Complete writes the pages of a program, and checks that each of its commands has
// one in that section, with what the command is for and every flag.
func Complete(t *testing.T, root *cobra.Command, section string) {
	t.Helper()
	folder := t.TempDir()
	root.SetArgs([]string{"man", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c != root {
			return
		}
		text, err := os.ReadFile(filepath.Join(folder, strings.ReplaceAll(c.CommandPath(), " ", "-")+"."+section))
		if err != nil {
			t.Error(err)
			return
		}
		if c.Short == "" || !strings.Contains(string(text), c.Short) {
			t.Errorf("%s: what it is for is not on its page", c.CommandPath())
		}
		flag := func(f *pflag.Flag) {
			if f.Usage == "" || !f.Hidden && !strings.Contains(string(text), "--"+f.Name) {
				t.Errorf("%s: --%s is not on its page, or says nothing", c.CommandPath(), f.Name)
			}
		}
		c.LocalFlags().VisitAll(flag)
		c.InheritedFlags().VisitAll(flag)
		for _, below := range c.Commands() {
			visit(below)
		}
	}
	visit(root)
}
