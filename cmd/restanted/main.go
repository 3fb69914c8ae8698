// Restanted is a Restante gateway: a news server that holds private replies in
// a public pool until their owners come for them.
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
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "restanted:", err)
		os.Exit(1)
	}
}

// run is the whole program. It returns nil when it did what args asked for, a
// clean stop by ctx included.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := program()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return manual.Execute(ctx, root)
}

// program is all commands.
func program() *cobra.Command {
	root := &cobra.Command{
		Use:   "restanted",
		Short: "A news server that holds private replies until their owners come for them",
		Long: `restanted is a Restante gateway. People post and read with any newsreader. Who
logs in can be answered in private: the reply goes into a public pool of sealed
entries, under a name that only its owner's next login leads to.

Start with "restanted demo", which needs nothing set up.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(demoCommand(), initCommand(), checkCommand(), serveCommand(), passphraseCommand(), cancelCommand(), exportCommand(), importCommand(), keysCommand(), statusCommand())
	root.AddCommand(fsckCommand(), pullCommand(), verifyCommand(), gatewaysCommand(), manual.Command("8", "Restante"))
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
