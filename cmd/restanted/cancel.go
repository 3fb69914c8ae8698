package main

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/pool"
)

func cancelCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel MESSAGE-ID...",
		Short: "Withdraw articles from a stopped gateway",
		Long: `cancel withdraws articles for ever, by your word alone: nobody can read them any
more, their numbers are not used again, and peers that bring them are told that
they were here. The gateway must be stopped. Write each Message-ID with its angle
brackets, in quotes. Copies that other servers have stay there.

One that is not here at all is an error, after the others are withdrawn. It tells
them by their place on the command line, since a Message-ID belongs in no log.`,
		Example: "  restanted cancel --config restanted.toml '<spam.4711@example.org>'",
		Args:    cobra.MinimumNArgs(1),
	}
	path := addConfigFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		ids := make([]pool.MessageID, len(args))
		for i, arg := range args {
			if ids[i], err = pool.ParseMessageID(arg); err != nil {
				return fmt.Errorf("argument %d is not a Message-ID: write it whole, with its angle brackets and in quotes", i+1)
			}
		}
		conf, err := load(*path)
		if err != nil {
			return err
		}
		s, err := settings(conf, zerolog.New(c.ErrOrStderr()).Level(zerolog.WarnLevel))
		if err != nil {
			return err
		}
		store, err := gateway.OpenToCancel(s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		var failed []error
		for i, id := range ids {
			switch err := store.Cancel(c.Context(), id); {
			case errors.Is(err, pool.ErrNotFound):
				failed = append(failed, fmt.Errorf("argument %d: no such article was ever here; a post that waits for its batch comes with it", i+1))
			case err != nil:
				failed = append(failed, fmt.Errorf("argument %d: %w", i+1, err))
			}
		}
		fmt.Fprintf(c.OutOrStdout(), "withdrawn %d\n", len(ids)-len(failed))
		return errors.Join(failed...)
	}
	return c
}
