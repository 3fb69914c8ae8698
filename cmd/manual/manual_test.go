package manual

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestCommand_writesAPageForEachCommand(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip("nobody's home")
	}
	root := &cobra.Command{Use: "tool", Short: "does it all"}
	root.PersistentFlags().String("where", filepath.Join(home, "things"), "a folder")
	below := &cobra.Command{Use: "make THING", Short: "make a thing", Long: "make makes a thing.", Run: func(*cobra.Command, []string) {}}
	below.Flags().Bool("quick", false, "do not wait")
	root.AddCommand(below, Command("1", "Tools"))
	folder := filepath.Join(t.TempDir(), "new", "man1")
	root.SetArgs([]string{"man", folder})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "tool-make.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{".TH \"TOOL-MAKE\" \"1\"", "make makes a thing", "--quick", "--where", "~" + string(filepath.Separator) + "things"} {
		if !strings.Contains(string(page), words) {
			t.Errorf("%q is not on the page:\n%s", words, page)
		}
	}
	if strings.Contains(string(page), home) {
		t.Error("the page names a folder of this machine")
	}
}

func TestExplain_saysHowItIsWritten(t *testing.T) {
	root := &cobra.Command{Use: "tool", Short: "does it all", SilenceErrors: true, SilenceUsage: true}
	below := &cobra.Command{Use: "make THING", Args: cobra.ExactArgs(1), RunE: func(*cobra.Command, []string) error { return nil }}
	below.Flags().Bool("quick", false, "do not wait")
	none := &cobra.Command{Use: "all", Args: cobra.NoArgs, RunE: below.RunE}
	root.AddCommand(below, none)
	Explain(root)
	for words, want := range map[string]string{
		"make":            "write it as: tool make THING [flags]; tool make --help says more",
		"make a secret":   "write it as: tool make THING [flags]; tool make --help says more",
		"all of a secret": "write it as: tool all [flags]; tool all --help says more",
		"make a":          "<nil>",
	} {
		root.SetArgs(strings.Fields(words))
		if got := fmt.Sprint(root.Execute()); got != want {
			t.Errorf("%s: %s, want %s", words, got, want)
		}
	}
}

func TestExecute_aWordThatIsNoCommandIsAnError(t *testing.T) {
	for words, want := range map[string]string{
		"":               "<nil>",
		"group":          "<nil>",
		"group --help":   "<nil>",
		"group make":     "<nil>",
		"group a secret": "there is no such command; tool group --help lists those that there are",
	} {
		root := &cobra.Command{Use: "tool", Short: "does it all", SilenceErrors: true, SilenceUsage: true}
		group := &cobra.Command{Use: "group", Short: "does some of it"}
		group.AddCommand(&cobra.Command{Use: "make", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }})
		root.AddCommand(group)
		root.SetOut(io.Discard)
		root.SetArgs(strings.Fields(words))
		if got := fmt.Sprint(Execute(t.Context(), root)); got != want {
			t.Errorf("%q: %s, want %s", words, got, want)
		}
	}
}
