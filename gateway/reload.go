package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/restante/restante/gateway/certs"
)

// Reload takes over what may change while the gateway runs: the certificate's
// files, Groups with their Moderators and what is kept of them, Admission, Limits,
// Peers, Feeds and what concerns other gateways. Sessions and listeners stay. What
// fails leaves its part as it was, and does not keep the rest from changing. It must
// not be called twice at a time.
func (g *Gateway) Reload(ctx context.Context, s Settings) error {
	var errs []error
	if g.certs != nil && s.TLS != nil && s.TLS.ACME == nil {
		errs = append(errs, g.certs.Reload(s.TLS.Certificate, s.TLS.Key))
		g.doubt()
	}
	errs = append(errs, g.setGroups(ctx, s))
	g.setKeep(s)
	g.office.SetModerators(s.Moderators)
	g.sessions.SetLists(s.lists())
	g.conns.set(s.Admission)
	g.sessions.SetLimits(s.Limits)
	g.peers.SetPeers(s.Peers)
	g.namePeers(s)
	g.feeds.Set(s.Feeds)
	g.mirror.set(s)
	return errors.Join(errs...)
}

// doubt says in the log what newsreaders will not like of the certificate.
func (g *Gateway) doubt() {
	if err := g.certs.Check(time.Now()); errors.Is(err, certs.ErrExpired) || errors.Is(err, certs.ErrOtherName) {
		g.log.Warn().Err(err).Msg("newsreaders will refuse the certificate")
	}
}

// namePeers notes the peers' names, by which the operator's view finds them.
func (g *Gateway) namePeers(s Settings) {
	names := make([]string, len(s.Peers))
	for i, p := range s.Peers {
		names[i] = p.Name
	}
	g.peerNames.Store(&names)
}
