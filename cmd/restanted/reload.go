package main

import (
	"context"
	"os"

	"github.com/rs/zerolog"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
)

// A reloader takes over a changed configuration when it is told to.
type reloader struct {
	path    string
	conf    config.Config // what the gateway was started with
	log     zerolog.Logger
	signals <-chan os.Signal
}

// watch waits for signals until ctx ends or stop is called, which returns once
// no reload is under way.
func (r *reloader) watch(ctx context.Context, g *gateway.Gateway) (stop func()) {
	if r == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.signals:
				r.reload(ctx, g)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// reload reads the configuration again and lets the gateway take it over. One
// that is wrong changes nothing.
func (r *reloader) reload(ctx context.Context, g *gateway.Gateway) {
	conf, err := load(r.path)
	if err != nil {
		r.log.Error().Err(err).Msg("configuration not reloaded, everything stays as it was")
		return
	}
	for _, key := range config.NeedRestart(r.conf, conf) {
		r.log.Warn().Str("key", key).Msg("this change needs a restart")
	}
	if conf.TLS.On() != r.conf.TLS.On() {
		r.log.Warn().Str("key", "tls").Msg("turning TLS on or off needs a restart")
	}
	s, err := settingsFrom(r.path, conf, r.log)
	if err != nil {
		r.log.Error().Err(err).Msg("configuration not reloaded, everything stays as it was")
		return
	}
	if err := g.Reload(ctx, s); err != nil {
		r.log.Error().Err(err).Msg("part of the configuration could not be taken over and stays as it was")
		return
	}
	r.log.Info().Msg("configuration reloaded")
}
