package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

const (
	demoDomain   = "gw.example"
	demoInterval = 2 * time.Second
	demoBatch    = 8 // entries in a batch

	// demoEpoch holds about as many batches as a real gateway's week: a login
	// looks through all of them.
	demoEpoch = time.Hour
)

func demoCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "demo",
		Short: "Play the whole story on this machine, with nothing to set up",
		Long: `demo starts a gateway on this machine with fresh keys, an empty folder of its own
and a batch every two seconds. Two people with ordinary newsreaders then write to
each other in private, over real connections, and each step is told. Afterwards
it keeps serving, so that you can log in with your own newsreader, until Ctrl-C.
Nothing is left on the disk.`,
		Args: cobra.NoArgs,
	}
	once := c.Flags().Bool("once", false, "stop after the story; the exit status says whether every step worked")
	address := c.Flags().String("listen", "127.0.0.1:1119", "`host:port` to serve on; port 0 takes a free one")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *once && !c.Flags().Changed("listen") {
			*address = "127.0.0.1:0"
		}
		return demo(c.Context(), c.OutOrStdout(), *address, *once)
	}
	return c
}

// demo serves a throw-away gateway and plays the story against it.
func demo(ctx context.Context, out io.Writer, address string, once bool) (err error) {
	folder, err := os.MkdirTemp("", "restante-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := demoSettings(folder)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan net.Addr, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- serve(ctx, addresses{plain: address}, s, nil, func(a net.Addr) { ready <- a }) }()
	select {
	case at := <-ready:
		err = play(ctx, out, at, folder, once)
	case err := <-stopped:
		return fmt.Errorf("%w (choose another address with --listen, like --listen 127.0.0.1:0)", err)
	}
	if once || err != nil {
		cancel()
	}
	return errors.Join(err, <-stopped)
}

// demoSettings makes keys in folder, and a gateway's settings to go with them.
func demoSettings(folder string) (gateway.Settings, error) {
	conf := config.Default(demoDomain)
	conf.Data = filepath.Join(folder, "data")
	conf.Pool.EpochLength = config.Duration(demoEpoch)
	conf.Pool.BatchInterval = config.Duration(demoInterval)
	conf.Pool.BatchSize = demoBatch
	conf.Limits.DiskReserve = 0
	conf.Groups = []config.Group{
		{Name: "restante.cards", Description: "Contact cards: follow up to write to their owner", Posting: "y"},
		{Name: "misc.test", Description: "Try things out", Posting: "y"},
	}
	s, err := settings(conf, zerolog.Nop())
	if err != nil {
		return gateway.Settings{}, err
	}
	return s, keyring.Create(gateway.KeyDir(s.Data))
}

// play tells the story and, unless it is all that was asked for, says how to
// go on with a newsreader.
func play(ctx context.Context, out io.Writer, at net.Addr, folder string, once bool) error {
	t := &teller{out: out, address: at.String(), folder: folder}
	err := t.story(ctx)
	if stopped := ctx.Err() != nil; stopped && !once {
		return nil // by the person watching
	}
	if err != nil {
		return fmt.Errorf("the story stopped at %q: %w", t.step, err)
	}
	if once {
		return nil
	}
	passphrase, err := identity.NewPassphrase()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(t.address)
	if err != nil {
		return err
	}
	t.say(`
Your turn. The gateway goes on until you press Ctrl-C. In your newsreader:

    server      %[1]s
    port        %[2]s        (no TLS; it is this machine only)
    user name   you
    password    %[3]s

For example:  tin -g %[1]s -p %[2]s -r -A        or        slrn -h %[1]s -p %[2]s
Read restante.cards, follow up to a card, post one of your own, and look into
restante.inbox and restante.sent. A new user name and passphrase ("restanted
passphrase" prints one) make a new mailbox at once: there is nothing to sign up for.
`, host, port, passphrase)
	return nil
}
