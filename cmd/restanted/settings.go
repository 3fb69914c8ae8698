package main

import (
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
)

// settings makes of a checked configuration what a gateway is made from.
func settings(c config.Config, log zerolog.Logger) gateway.Settings {
	groups := make([]pool.GroupInfo, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = pool.GroupInfo{
			Name:        pool.Group(g.Name),
			Description: g.Description,
			Posting:     pool.Posting(g.Posting[0]),
		}
	}
	return gateway.Settings{
		Domain:    c.Domain,
		Data:      c.Data,
		PoolGroup: pool.Group(c.Pool.Group),
		Batches: batch.Shape{
			Calendar: pool.Calendar{
				EpochLength:   time.Duration(c.Pool.EpochLength),
				BatchInterval: time.Duration(c.Pool.BatchInterval),
				Retention:     uint64(c.Pool.Retention),
				TokenLife:     uint64(c.Pool.TokenLife),
			},
			Size:    c.Pool.BatchSize,
			Slots:   c.Pool.SlotsPerBatch,
			Backlog: c.Limits.Backlog,
			Posts:   c.Limits.Posts,
			Reserve: uint64(c.Limits.DiskReserve),
		},
		Groups:      groups,
		MayLogin:    mayLogin(c.Login.Plaintext),
		MinBits:     c.Login.MinBits,
		Logins:      c.Limits.Logins,
		MaxArticle:  c.Limits.ArticleSize,
		DiskReserve: uint64(c.Limits.DiskReserve),
		Connections: c.Limits.Connections,
		Idle:        time.Duration(c.Limits.Idle),
		Version:     version(),
		Logger:      log,
	}
}

// mayLogin says over which connections without TLS a passphrase may come. What
// comes from this machine may be a proxy's: that is then the proxy's to guard.
func mayLogin(policy string) func(net.Conn) bool {
	return func(conn net.Conn) bool {
		if policy != "loopback" {
			return policy == "always"
		}
		remote, ok := conn.RemoteAddr().(*net.TCPAddr)
		return ok && remote.IP.IsLoopback()
	}
}
