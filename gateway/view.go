package gateway

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/restante/restante/gateway/admin"
	"github.com/restante/restante/gateway/feed"
	"github.com/restante/restante/gateway/peer"
)

// Watch has [Gateway.Run] serve the operator's view on a listener too: what
// needs doing, and figures. Package admin says what must not be among them.
func (g *Gateway) Watch(listener net.Listener) { g.watch = listener }

// view serves the operator's view until ctx ends.
func (g *Gateway) view(ctx context.Context) error {
	desk, err := admin.New(admin.Options{Version: g.version, Conditions: g.conditions(), Figures: g.figures()})
	if err != nil {
		return errors.Join(err, g.watch.Close())
	}
	return desk.Serve(ctx, g.watch)
}

const (
	// soon is how long before its end a certificate is complained about: an
	// authority is asked for a new one a month ahead.
	soon = 14 * 24 * time.Hour

	// lately is how long a refusal for a fault of ours is complained about.
	lately = 15 * time.Minute

	// nearlyFull is the share of the queue, in tenths, beyond which it is
	// complained about.
	nearlyFull = 9
)

// conditions is all that may need the operator, a line each.
func (g *Gateway) conditions() []admin.Condition {
	return append([]admin.Condition{
		when("store_read_only", "A write failed, so that the store takes no more. Look for disk errors in the system's log, then restart the gateway.",
			func(time.Time) bool { return g.health().ReadOnly }),
		when("disk_reserve", "The disk is full, or full down to limits.disk_reserve, so that nothing is taken. Make room, or give it a larger disk: it goes on by itself then.",
			func(time.Time) bool { return g.health().DiskFull }),
		when("index_doubted", "The store's index is damaged. Restart the gateway: the index is built anew then.",
			func(time.Time) bool { return g.health().IndexDoubted }),
		when("bad_records", "Articles are damaged on the disk. Check the disk, then stop the gateway and run restanted fsck --repair: it says which numbers are lost.",
			func(time.Time) bool { h := g.health(); return h.Gaps > 0 || h.CorruptReads > 0 }),
		when("history_damaged", "Some Message-IDs of articles that are gone can't be read, so that these may come again. Check the disk, then stop the gateway and run restanted fsck --repair.",
			func(time.Time) bool { return g.health().HistoryDamaged > 0 }),
		when("quarantine", "Articles were lost: data/quarantine has damaged octets that a repair took out of the store, or lists of the numbers. Bring the articles back from a copy, then delete that folder.",
			func(time.Time) bool { return g.health().Quarantined > 0 }),
		when("queue_damaged", "Accepted deposits could not be read when the gateway started. Check the disk: they are lost unless a copy has them.",
			func(time.Time) bool { return g.queue.Damaged() > 0 }),
		when("queue_full", "The queue is nearly full, and deposits will be refused. If this stays, raise pool.batch_size.",
			func(time.Time) bool { return g.queue.Waiting()*10 >= g.queueSize*nearlyFull }),
		when("posts_refused", "Posts were refused because nothing can be stored. Look for what else is wrong here, and for the disk.",
			func(now time.Time) bool { return now.Unix()-g.refusedAt.Load() < int64(lately.Seconds()) }),
		when("batches_overdue", "Batches are not released in time. Look into the gateway's log for the reason.",
			func(now time.Time) bool { return g.overdue(now) > 0 }),
		when("disk_lost", "The disk was lost, though the keys were not. The servers in [peer.read] tables are asked what has left here before, and until one answers nothing is taken or released. If none of them will, take these tables out and reload: it goes on then without what they have.",
			func(time.Time) bool { return g.lost.Load() }),
		when("clock_ahead", "The clock has jumped far ahead, so that nothing is taken or released and no key destroyed. Set it right; see docs/operating.md if it is right.",
			func(time.Time) bool { return g.Held() }),
		when("clock_back", "The clock is behind the last batch that was released. Set it right: nothing is released until then.",
			func(now time.Time) bool { return g.queue.Released() > g.calendar.Batch(now) }),
		when("gateway_forked", "Another gateway has signed two directories that contradict each other: it may show its users different keys. Nothing more of it is taken, and nothing sealed to it. restanted gateways says which, and how to go on with it; tell people.",
			func(time.Time) bool { return g.mirror.policy.Book.Convicted() > 0 }),
		when("gateway_unsigned", "Directories come of another gateway that the key in its [[gateway]] table has not signed, so nothing of it is taken: it has replaced that key, or somebody writes in its name. restanted gateways says which is unheard of; ask its operator for the key of now, write it there, and reload.",
			func(time.Time) bool { return g.mirror.policy.Book.Unsigned() > 0 }),
		{
			Name: "feed_down", Sentence: "A peer could not be fed when it was last tried. See which in restanted status, and what the log says; it is tried again.",
			Holds: func(ctx context.Context, _ time.Time) bool {
				return slices.ContainsFunc(g.feeds.Status(ctx), func(s feed.Status) bool { return s.Failure != "" })
			},
		},
	}, g.certificateConditions()...)
}

// certificateConditions is what may be wrong with the certificate.
func (g *Gateway) certificateConditions() []admin.Condition {
	if g.certs == nil {
		return nil
	}
	return []admin.Condition{
		when("certificate_missing", "No certificate came from the authority yet, so that there is no TLS. Look into the gateway's log for the reason.",
			func(time.Time) bool { return !g.certs.Ready() }),
		when("certificate_refused", "Newsreaders refuse the certificate: it has expired, or is for another name. Get another one, and send SIGHUP.",
			func(now time.Time) bool { return g.certs.Check(now) != nil }),
		when("certificate_expiring", "The certificate expires in less than two weeks. Get another one, and send SIGHUP; with tls.acme look into the log.",
			func(now time.Time) bool { end := g.certs.Expires(); return !end.IsZero() && end.Before(now.Add(soon)) }),
	}
}

func when(name, sentence string, holds func(time.Time) bool) admin.Condition {
	return admin.Condition{
		Name: name, Sentence: sentence,
		Holds: func(_ context.Context, now time.Time) bool { return holds(now) },
	}
}

// overdue returns how many batches should have left before the one that is due
// now.
func (g *Gateway) overdue(now time.Time) int64 {
	first, last := g.releaser.Due(now)
	return max(int64(last)-int64(first), 0)
}

// freeStep is in which steps the free space is told, in octets.
const freeStep = 256 << 20

// figures is all numbers shown, a line each.
func (g *Gateway) figures() []admin.Figure {
	return append(g.peerFigures(), []admin.Figure{
		gauge("store_free_bytes", "Octets that the store may still write, in steps of 256 MiB", func() float64 { return float64(g.health().Free / freeStep * freeStep) }),
		gauge("store_groups", "Newsgroups", func() float64 { return float64(g.health().Groups) }),
		gauge("store_damaged_stretches", "Damaged stretches in the store's files", func() float64 { return float64(g.health().Gaps) }),
		gauge("store_damaged_history_files", "History files that can't be read in full", func() float64 { return float64(g.health().HistoryDamaged) }),
		gauge("store_quarantined_stretches", "Damaged stretches that a repair took out, and lists of what is lost", func() float64 { return float64(g.health().Quarantined) }),
		gauge("store_quarantined_bytes", "Octets of these", func() float64 { return float64(g.health().Quarantine) }),
		counter("store_corrupt_reads_total", "Reads that met damage", func() float64 { return float64(g.health().CorruptReads) }),
		gauge("batches_overdue", "Batches that should have left", func() float64 { return float64(g.overdue(time.Now())) }),
		gauge("epoch", "The newest epoch that entries are blinded for", func() float64 { _, newest := g.keys.Retained(); return float64(newest) }),
		gauge("directory_serial", "Serial number of the published directory", func() float64 { return float64(g.keys.Directory().Serial) }),
		gauge("certificate_expires_seconds", "When the certificate expires, in seconds since 1970; 0 without one", g.certificateEnd),
		gauge("connections_tenths", "Connections, in tenths of the limit, rounded down", g.conns.tenths),
		counter("connections_turned_away_total", "Connections above a limit", func() float64 { return float64(g.conns.turned.Load()) }),
		counter("transit_offered_total", "Articles that peers offered", func() float64 { return float64(g.peers.Counts().Offered) }),
		counter("transit_refused_total", "Of these, seen before", func() float64 { return float64(g.peers.Counts().Refused) }),
		counter("transit_accepted_total", "Articles that peers brought and that were filed", func() float64 { return float64(g.peers.Counts().Accepted) }),
		counter("transit_deferred_total", "Offers and articles put off for later", func() float64 { return float64(g.peers.Counts().Deferred) }),
		{
			Name: "transit_rejected_total", Help: "Articles that peers brought and that were not taken", Counter: true,
			Label: "reason", Values: peer.Reasons(),
			Read: func(_ context.Context, reason string) float64 {
				return float64(g.peers.Counts().Rejected[reason])
			},
		},
		{Name: "feeds", Help: "Servers that are fed", Read: g.fed(func(feed.Status) int { return 1 })},
		{Name: "feeds_connected", Help: "Servers that are fed and connected", Read: g.fed(func(s feed.Status) int { return min(s.Up, 1) })},
		gauge("gateways_forked", "Other gateways that have contradicted themselves, and are not pardoned", func() float64 { return float64(g.mirror.policy.Book.Convicted()) }),
		gauge("gateways_known", "Other gateways that are known", func() float64 { return float64(len(g.mirror.policy.Book.Gateways())) }),
		{Name: "feeds_waiting", Help: "Articles that servers have still to be offered, at most", Read: g.fed(func(s feed.Status) int { return s.Waiting })},
	}...)
}

// peerFigures is the ledgers of peers, of what they bring and of what they are
// fed. A peer is told by its place in the configuration, since its name may be a
// host's; one that a reload adds is shown after the next start.
func (g *Gateway) peerFigures() []admin.Figure {
	places := make([]string, len(*g.peerNames.Load()))
	for i := range places {
		places[i] = "peer_" + strconv.Itoa(i+1)
	}
	name := func(place string) string {
		i, names := slices.Index(places, place), *g.peerNames.Load()
		if i < 0 || i >= len(names) {
			return ""
		}
		return names[i]
	}
	var out []admin.Figure
	total := func(what string) (suffix string, counter bool) {
		if what == "deferred" { // what is put off may come
			return "", false
		}
		return "_total", true
	}
	brought := func(what, help string, read func(peer.Counts) uint64) {
		suffix, counter := total(what)
		out = append(out, admin.Figure{
			Name: "brought_" + what + suffix, Help: help, Counter: counter, Label: "peer", Values: places,
			Read: func(_ context.Context, place string) float64 { return float64(read(g.peers.CountsOf(name(place)))) },
		})
	}
	fed := func(what, help string, read func(feed.Counts) uint64) {
		suffix, counter := total(what)
		out = append(out, admin.Figure{
			Name: "fed_" + what + suffix, Help: help, Counter: counter, Label: "peer", Values: places,
			Read: func(ctx context.Context, place string) float64 {
				return float64(read(g.feeds.StatusOf(ctx, name(place)).Counts))
			},
		})
	}
	brought("offered", "Articles that a peer offered: those refused, accepted, rejected, deferred and lost", func(c peer.Counts) uint64 { return c.Offered })
	brought("refused", "Of these, not asked for: seen before, or never taken", func(c peer.Counts) uint64 { return c.Refused })
	brought("accepted", "Of these, filed", func(c peer.Counts) uint64 { return c.Accepted })
	brought("rejected", "Of these, sent and not taken", func(c peer.Counts) uint64 { return c.RejectedInAll() })
	brought("deferred", "Of these, put off, or asked for and not come yet", func(c peer.Counts) uint64 { return c.Deferred })
	brought("lost", "Of these, asked for and never sent", func(c peer.Counts) uint64 { return c.Lost })
	fed("offered", "Articles that a peer was to have: those accepted, refused, rejected, deferred and lost", func(c feed.Counts) uint64 { return c.Offered })
	fed("accepted", "Of these, sent and taken", func(c feed.Counts) uint64 { return c.Accepted })
	fed("refused", "Of these, had before", func(c feed.Counts) uint64 { return c.Refused })
	fed("rejected", "Of these, sent and not taken", func(c feed.Counts) uint64 { return c.Rejected })
	fed("deferred", "Of these, on their way or put off", func(c feed.Counts) uint64 { return c.Deferred })
	fed("lost", "Of these, expired or damaged before they were sent", func(c feed.Counts) uint64 { return c.Lost })
	return out
}

func gauge(name, help string, read func() float64) admin.Figure {
	return admin.Figure{Name: name, Help: help, Read: func(context.Context, string) float64 { return read() }}
}

func counter(name, help string, read func() float64) admin.Figure {
	f := gauge(name, help, read)
	f.Counter = true
	return f
}

// fed adds up something of all servers that are fed.
func (g *Gateway) fed(what func(feed.Status) int) func(context.Context, string) float64 {
	return func(ctx context.Context, _ string) float64 {
		sum := 0
		for _, s := range g.feeds.Status(ctx) {
			sum += what(s)
		}
		return float64(sum)
	}
}

func (g *Gateway) certificateEnd() float64 {
	if g.certs == nil || g.certs.Expires().IsZero() {
		return 0
	}
	return float64(g.certs.Expires().Unix())
}
