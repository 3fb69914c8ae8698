// Restante is the user's own tool: it holds her seed on her own machine, so that
// no gateway learns which entries of the pool are hers, and none reads what she
// and others who use it write to each other.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/manual"
	"github.com/restante/restante/cmd/restante/profile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "restante:", err)
		os.Exit(exitCode(err))
	}
}

// run is the whole program. It returns nil when it did what args asked for.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := program() //nolint:contextcheck // cobra's command carries it
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return manual.Execute(ctx, root)
}

// program is all commands.
func program() *cobra.Command {
	root := &cobra.Command{
		Use:   "restante",
		Short: "Private mail over Usenet, with the keys on your own machine",
		Long: `restante holds your key on your own machine. What you and other users of it write
to each other is sealed from end to end: no gateway can read it, and none learns
which entries of the public pool are yours.

Start with "restante init".`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	who := new(user)
	flags := root.PersistentFlags()
	flags.StringVar(&who.home, "home", profile.Home(), "the `folder` of all profiles")
	flags.StringVar(&who.name, "profile", "default", "which of your profiles, by `name`")
	flags.StringVar(&who.passphraseFile, "passphrase-file", "", "a `file` whose first line is the passphrase, in place of asking for it; - is standard input")
	_ = root.MarkPersistentFlagDirname("home")
	root.AddCommand(initCommand(who), whoamiCommand(who), backupCommand(who), exportCommand(who), importCommand(who))
	_ = root.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names, err := profile.All(who.home)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	root.AddCommand(setupCommand(who), syncCommand(who), watchCommand(who), inboxCommand(who), readCommand(who),
		sendCommand(who), replyCommand(who), cardCommand(who), addCommand(who), contactsCommand(who), forkCommand(who), bridgeCommand(who))
	root.AddCommand(manual.Command("1", "Restante"))
	manual.Explain(root)
	return root
}

// version is the version that the program was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
