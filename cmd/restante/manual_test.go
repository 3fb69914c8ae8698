package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command has a page, with all that it says of itself and every flag; and
// says enough for one.
func TestManual_isComplete(t *testing.T) {
	folder := t.TempDir()
	root := program()
	root.SetArgs([]string{"man", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c != root {
			return
		}
		pages++
		text, err := os.ReadFile(filepath.Join(folder, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1"))
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
	if pages < 15 {
		t.Errorf("%d pages", pages)
	}
}
