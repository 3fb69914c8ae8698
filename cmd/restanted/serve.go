package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a gateway",
		Long: `serve runs the gateway of a configuration until it is told to stop (Ctrl-C or
SIGTERM). It logs to standard error, one line of JSON an event, and never a
name, an address or a Message-ID.`,
		Example: "  restanted serve --config restanted.toml",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	level := c.Flags().String("log-level", "info", "least `level` logged: debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		log, err := logger(c.ErrOrStderr(), *level)
		if err != nil {
			return err
		}
		conf, err := load(*path)
		if err != nil {
			return err
		}
		return serve(c.Context(), conf.Listen.NNTP, settings(conf, log), func(net.Addr) {})
	}
	return c
}

func logger(w io.Writer, level string) (zerolog.Logger, error) {
	l, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		return zerolog.Nop(), errors.New("--log-level: write debug, info, warn or error")
	}
	return zerolog.New(w).Level(l).With().Timestamp().Logger(), nil
}

// serve runs a gateway on address until ctx ends. It calls ready once
// connections are taken.
func serve(ctx context.Context, address string, s gateway.Settings, ready func(net.Addr)) (err error) {
	g, err := gateway.Open(ctx, s)
	if errors.Is(err, keyring.ErrNoKeys) {
		return fmt.Errorf("there are no keys in %s: run restanted init, or bring the keys back", gateway.KeyDir(s.Data))
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.Logger.Info().Dur("batch_interval", s.Batches.Calendar.BatchInterval).Int("batch_size", s.Batches.Size).Msg("gateway serves")
	started := time.Now()
	ready(listener.Addr())
	err = g.Run(ctx, listener)
	s.Logger.Info().Dur("up", time.Since(started)).Msg("gateway stopped")
	return err
}
