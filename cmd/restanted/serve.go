package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a gateway",
		Long: `serve runs the gateway of a configuration until it is told to stop (Ctrl-C or
SIGTERM). Where the keys are wrapped under a passphrase it takes that from
keys.passphrase_file, from the systemd credential "restanted-passphrase", or asks
for it on the terminal. On SIGHUP it reads the configuration and the certificate again; what
needs a restart instead is said in the log. It logs to standard error, one line
of JSON an event, and never a name, an address or a Message-ID.`,
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
		s, err := settingsFrom(*path, conf, log)
		if err != nil {
			return err
		}
		lock, err := unlock(c, conf)
		if err != nil {
			return err
		}
		if lock == nil && conf.Keys.PassphraseFile+conf.Keys.KeyFile != "" {
			log.Warn().Msg("the configuration names what opens the keys, and they are not wrapped: see restanted keys wrap")
		}
		s.KeyLock = lock
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
		again := &reloader{path: *path, conf: conf, log: log, signals: hup}
		spareProcessor()
		return serve(c.Context(), addressesOf(conf), s, again, func(net.Addr) {})
	}
	return c
}

// spareProcessor lets the runtime run one goroutine more at a time than there are
// processors. It takes one that waits for a sync for running until it looks again,
// which is half of all where there are two. GOMAXPROCS in the environment goes before.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

func logger(w io.Writer, level string) (zerolog.Logger, error) {
	l, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		return zerolog.Nop(), errors.New("--log-level: write debug, info, warn or error")
	}
	return zerolog.New(w).Level(l).With().Timestamp().Logger(), nil
}

// addresses is where a gateway listens.
type addresses struct {
	plain  string
	secure []string // with TLS from the first octet on
	admin  string   // the operator's view; "" for none
}

func addressesOf(c config.Config) addresses {
	a := addresses{plain: c.Listen.NNTP, admin: c.Admin.Listen}
	if c.Listen.NNTPS != "" {
		a.secure = append(a.secure, c.Listen.NNTPS)
	}
	if c.TLS.ACME && c.TLS.ACMEListen != c.Listen.NNTPS {
		a.secure = append(a.secure, c.TLS.ACMEListen)
	}
	return a
}

// listeners is all that a gateway listens on.
type listeners struct {
	plain  net.Listener
	secure []net.Listener
	admin  net.Listener // nil for none
}

// listen opens every address, or none.
func (a addresses) listen(ctx context.Context) (listeners, error) {
	all := append([]string{a.plain}, a.secure...)
	if a.admin != "" {
		all = append(all, a.admin)
	}
	var listen net.ListenConfig
	var open []net.Listener
	for _, address := range all {
		l, err := listen.Listen(ctx, "tcp", address)
		if err != nil {
			for _, l := range open {
				err = errors.Join(err, l.Close())
			}
			return listeners{}, fmt.Errorf("listen: %w", err)
		}
		open = append(open, l)
	}
	out := listeners{plain: open[0], secure: open[1 : 1+len(a.secure)]}
	if a.admin != "" {
		out.admin = open[len(open)-1]
	}
	return out, nil
}

// serve runs a gateway until ctx ends. It calls ready with the plain listener's
// address once connections are taken. again may be nil.
func serve(ctx context.Context, at addresses, s gateway.Settings, again *reloader, ready func(net.Addr)) (err error) {
	g, err := gateway.Open(ctx, s)
	if errors.Is(err, keyring.ErrNoKeys) {
		return fmt.Errorf("there are no keys in %s: run restanted init, or bring the keys back", gateway.KeyDir(s.Data))
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	on, err := at.listen(ctx)
	if err != nil {
		return err
	}
	g.Watch(on.admin)
	defer again.watch(ctx, g)()
	s.Logger.Info().Dur("batch_interval", s.Batches.Calendar.BatchInterval).Int("batch_size", s.Batches.Size).Msg("gateway serves")
	started := time.Now()
	ready(on.plain.Addr())
	err = g.Run(ctx, on.plain, on.secure...)
	s.Logger.Info().Dur("up", time.Since(started)).Msg("gateway stopped")
	return err
}
