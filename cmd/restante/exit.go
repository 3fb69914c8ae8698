package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/restante/collect"
	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/cmd/restante/profile"
	"github.com/restante/restante/cmd/restante/route"
	"github.com/restante/restante/gateway/remote"
)

// The exit codes, which stay as they are (docs/restante.md).
const (
	exitOther   = 1 // anything else
	exitNone    = 2 // no such message, contact or profile
	exitAway    = 3 // a server could not be reached; what was to be sent is kept
	exitLying   = 4 // a gateway is not to be trusted
	exitSecret  = 5 // the passphrase is wrong, or the key can't be used
	exitInUse   = 6 // another restante has the mail open
	exitRefused = 7 // the settings refuse a connection, or a server refused what was asked
	exitServer  = 8 // the server that the pool is taken from lags, withholds mail, or changes it
)

// exitCode is what the program ends with after an error. Of several the gravest
// counts.
func exitCode(err error) int {
	for _, c := range []struct {
		code   int
		errors []error
	}{
		{exitLying, []error{collect.ErrForked, collect.ErrOtherKey, collect.ErrWitnessed, collect.ErrProof, collect.ErrGone, collect.ErrOld, collect.ErrSlots, collect.ErrHistory, desk.ErrForked}},
		{exitSecret, []error{profile.ErrPassphrase, profile.ErrReadable, profile.ErrDamaged, mailbox.ErrKey}},
		{exitInUse, []error{mailbox.ErrInUse}},
		{exitNone, []error{mailbox.ErrNone, mailbox.ErrNobody, profile.ErrNone}},
		{exitRefused, []error{route.ErrDirect, desk.ErrRefused, collect.ErrNoGroup}},
		{exitServer, []error{collect.ErrServer}},
		{exitAway, []error{desk.ErrUnposted, collect.ErrAway, collect.ErrFault, remote.ErrDial, remote.ErrLost, remote.ErrTLS}},
	} {
		for _, e := range c.errors {
			if errors.Is(err, e) {
				return c.code
			}
		}
	}
	return exitOther
}

func forkCommand(who *user) *cobra.Command {
	return &cobra.Command{
		Use:   "fork DOMAIN",
		Short: "Print the proof that a gateway contradicts itself",
		Long: `fork prints the two directories by which restante sync found that a gateway shows
different people different keys. Both are signed by the gateway, so anybody can
check them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return who.with(c, func(d *desk.Desk) error {
				book, ok := d.Mail.Book(args[0])
				if !ok || book.ForkA == nil {
					return errors.New("nothing of that kind is known of that gateway")
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s\n%s", book.ForkA, book.ForkB)
				return err
			})
		},
	}
}
