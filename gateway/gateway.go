// Package gateway assembles a Restante gateway from the rooms beneath it: the
// store, the keys, the queue of batches, the post office and the sessions. It
// listens, keeps the rhythm of the batches, and stops cleanly. What it needs
// comes as [Settings]; it reads no configuration file.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/certs"
	"github.com/restante/restante/gateway/feed"
	"github.com/restante/restante/gateway/intake"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/entry"
)

// keysGroup is the group in which the gateway publishes its directory.
const keysGroup pool.Group = "restante.keys"

// Settings is everything a gateway is made from.
type Settings struct {
	Domain string
	Data   string // folder of the store, the queue and the keys

	PoolGroup pool.Group
	Batches   batch.Shape
	Groups    []pool.GroupInfo // public groups; Name, Description and Posting are used

	Moderators    map[pool.Group]string // where unapproved posts to moderated groups go: a token or a mail address
	Distributions []Distribution

	Peers []peer.Peer // who may feed
	Feeds []feed.Peer // who is fed

	Readings []Reading      // who is read from
	Known    []mirror.Known // what was decided about other gateways
	Learn    bool           // whether others are learnt from what peers bring
	Bounds   mirror.Bounds  // how much of these
	Repair   time.Duration  // how often what is lacking of their pools is fetched
	Cutoff   time.Duration  // what peers bring is refused when it is older

	MayLogin   func(net.Conn) bool // whether a passphrase may cross that connection
	MinBits    float64             // weakest passphrase taken
	Logins     int                 // passphrases checked at a time
	Pickups    int                 // pickups by command worked on at a time; 0 stands for 1
	LoginWait  time.Duration       // how long a login or a pickup may wait for its turn; 0: as long as Limits.Command
	MaxArticle int                 // octets

	DiskReserve uint64 // octets of the disk that stay free
	IndexMemory int    // octets of memory for the store's index; 0: the store's default

	Keep map[pool.Group]Keep // of the public groups; all is kept of those that are not in it

	KeyLock   *keyring.Lock // what opens the keys; nil when they are not wrapped
	ClockJump uint64        // epochs that the clock may be ahead before everything is held; 0 stands for 2

	TLS       *certs.Options // nil: no TLS
	Admission Admission      // who may connect
	Limits    session.Limits // what a session may ask for

	Version string
	Logger  zerolog.Logger
}

// A Distribution is a value of the Distribution header field that newsreaders are
// told of.
type Distribution struct {
	Name        string
	Description string
	Groups      string // wildmat of the groups that it is suggested for; "" for none
	Weight      int    // the heaviest suggestion is taken
}

// A Gateway is an opened gateway. [Gateway.Run] runs it.
type Gateway struct {
	store    pool.Store
	makeRoom func(context.Context) error // makes room ahead in the store until the context ends
	keys     *keyring.Ring
	queue    *batch.Queue
	releaser *batch.Releaser
	office   *office.Office
	sessions *session.Server
	peers    *peer.Desk
	feeds    *feed.Feeds
	mirror   *mirroring
	intake   *intake.Desk

	peerNames atomic.Pointer[[]string] // in the order of the configuration

	keep        atomic.Pointer[map[pool.Group]Keep]
	keepChanged chan struct{} // keep was changed

	held atomic.Bool // the clock has jumped ahead
	lost atomic.Bool // the disk was lost, and what has left here is not known yet

	refusedPosts atomic.Int64  // since the last round, for a fault of ours
	refusedAt    atomic.Int64  // when the latest of them was, in seconds since 1970
	certs        *certs.Source // nil without TLS
	conns        *conns

	watch     net.Listener       // of the operator's view; nil for none
	version   string             // told to the operator
	health    func() disk.Health // of the store
	queueSize int                // entries that the queue can hold

	data     string // folder
	domain   string
	calendar pool.Calendar
	log      zerolog.Logger
}

// KeyDir is where the keys lie in a data folder.
func KeyDir(data string) string { return filepath.Join(data, "keys") }

// KeyPolicy is what a gateway's directory publishes beside its keys.
func (s *Settings) KeyPolicy() keyring.Policy {
	return keyring.Policy{Calendar: s.Batches.Calendar, BatchSize: s.Batches.Size, SlotsPerBatch: s.Batches.Slots, Jump: s.ClockJump}
}

// Open opens the data folder of a gateway whose keys were made by
// [keyring.Create], and assembles its parts. Nothing runs yet.
func Open(ctx context.Context, s Settings) (_ *Gateway, err error) {
	g := &Gateway{
		data: s.Data, domain: s.Domain, calendar: s.Batches.Calendar,
		conns: newConns(s.Admission), log: s.Logger, keepChanged: make(chan struct{}, 1),
		version: s.Version, queueSize: s.Batches.Backlog * s.Batches.Size,
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.Close())
		}
	}()
	if err := keyring.Check(KeyDir(s.Data)); err != nil {
		return nil, fmt.Errorf("open the keys: %w", err)
	}
	// The store first: it has the lock on the folder, the keys in it included.
	store, err := disk.Open(s.Data, disk.Options{ServerName: s.Domain, Reserve: s.DiskReserve, Remember: remembered(s.Cutoff), IndexMemory: s.IndexMemory, Logger: s.Logger}) //nolint:contextcheck // it waits for the lock ten seconds at most
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	g.store, g.health, g.makeRoom = store, store.Health, store.Run
	if g.keys, err = keyring.OpenLocked(KeyDir(s.Data), s.Domain, s.KeyPolicy(), s.KeyLock); err != nil {
		return nil, fmt.Errorf("open the keys: %w", err)
	}
	if err := g.lookForLoss(ctx, s.Data); err != nil {
		return nil, err
	}
	if g.queue, err = batch.OpenQueue(filepath.Join(s.Data, "queue"), s.Batches); err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	if err := g.setGroups(ctx, s); err != nil {
		return nil, err
	}
	g.setKeep(s)
	if err := g.adopt(ctx); err != nil {
		return nil, err
	}
	g.releaser = &batch.Releaser{
		Queue: g.queue, Store: g.store, Signer: g.keys.Signer(),
		Domain: s.Domain, Group: s.PoolGroup, Log: s.Logger, Pace: min(releasePace, s.Batches.Calendar.BatchInterval/10),
	}
	policy, err := s.Policy()
	if err != nil {
		return nil, err
	}
	policy.Cosigned = g.cosigned
	policy.Own = &mirror.Own{Keys: g.keys.Signers, Directory: func() []byte { return g.keys.Directory().Signed }, Released: g.queue.Released, Store: g.store}
	g.peers = peer.New(peer.Options{
		Domain: s.Domain, Peers: s.Peers, Store: g.store, Cutoff: s.Cutoff, Certificate: session.CertificateHash,
		Own: []pool.Group{office.Reply, office.Inbox, office.Sent}, Gateways: policy,
	})
	g.mirror = newMirroring(policy, g.store, g.peers, g.keys.Signer(), s)
	if info, err := g.store.Group(ctx, s.PoolGroup); err == nil { // it was just set up
		g.mirror.filed = info.High
	}
	if err := g.begin(time.Now()); err != nil {
		return nil, err
	}
	g.office = g.newOffice(s, away{policy.Book})
	if g.intake, err = intake.Open(intake.Options{
		Domain: s.Domain, Dir: filepath.Join(s.Data, "submissions"), Keys: g.keys, Store: g.store,
		Office: sealedIn{&g.lost, g.office}, Most: s.MaxArticle, Log: s.Logger,
	}); err != nil {
		return nil, err
	}
	g.namePeers(s)
	g.feeds = feed.New(filepath.Join(s.Data, "feeds"), g.store, s.Feeds, s.Logger)
	options := session.Options{
		Store: g.store, Office: front{g.noteFault, g.keys, &g.lost, g.office}, Pickup: window{g.keys, g.office},
		Name: s.Domain, Version: s.Version,
		Posting: true, MayLogin: s.MayLogin, Lists: s.lists(),
		MaxArticle: s.MaxArticle, Limits: s.Limits,
		Distributions: s.distributions(), DistribPats: s.distribPats(),
		Feeds:  feeds{g.peers},
		Logger: s.Logger,
	}
	if s.TLS != nil {
		if g.certs, err = certs.New(*s.TLS); err != nil {
			return nil, err
		}
		g.doubt()
		options.TLS, options.TLSReady = g.certs.Config(), g.certs.Ready
	}
	g.sessions = session.New(options)
	return g, nil
}

func (g *Gateway) newOffice(s Settings, away office.Away) *office.Office {
	return office.New(office.Options{
		Domain: s.Domain, Group: s.PoolGroup, Calendar: s.Batches.Calendar, Slots: s.Batches.Slots,
		Keys: g.keys, Queue: g.queue, Store: g.store,
		MaxArticle: s.MaxArticle, MinBits: s.MinBits, Logins: s.Logins, LoginWait: s.LoginWait, Pickups: s.Pickups,
		Moderators: s.Moderators, Away: away,
	})
}

// setGroups makes the gateway's own groups and those of the settings, and hides
// those that the settings name no more.
func (g *Gateway) setGroups(ctx context.Context, s Settings) error {
	groups := append([]pool.GroupInfo{
		{Name: s.PoolGroup, Description: "The public message pool: sealed entries of one size", Posting: pool.PostingDenied},
		{Name: batch.Manifest, Description: "What each batch released, signed", Posting: pool.PostingDenied},
		{Name: keysGroup, Description: "The gateway's public keys, signed", Posting: pool.PostingDenied},
		{Name: office.Reply, Description: "Always empty: a followup here goes to the author's private inbox", Posting: pool.PostingAllowed},
		{Name: entry.Submit, Description: "Sealed submissions to any gateway", Posting: pool.PostingAllowed},
	}, s.Groups...)
	if err := g.samePool(ctx, s.PoolGroup); err != nil {
		return err
	}
	wanted := make(map[pool.Group]bool)
	for _, info := range groups {
		wanted[info.Name] = true
		info.Created = time.Now()
		if err := g.store.SetGroup(ctx, info); err != nil {
			return fmt.Errorf("set up the newsgroups: %w", err)
		}
	}
	held, err := g.store.Groups(ctx)
	if err != nil {
		return fmt.Errorf("set up the newsgroups: %w", err)
	}
	for _, info := range held {
		if wanted[info.Name] {
			continue
		}
		if err := g.store.RemoveGroup(ctx, info.Name); err != nil {
			return fmt.Errorf("set up the newsgroups: %w", err)
		}
	}
	return nil
}

// ErrPoolGroup is a data folder whose entries lie in another group than the one
// configured.
var ErrPoolGroup = errors.New("the pool's group is not the one that the entries are in: put pool.group back")

// samePool checks that batches released before are in the pool's group. In
// another group retained mail would be found by nobody.
func (g *Gateway) samePool(ctx context.Context, name pool.Group) error {
	manifest, err := g.store.Group(ctx, batch.Manifest)
	if errors.Is(err, pool.ErrNoGroup) || err == nil && manifest.High == 0 {
		return nil // nothing was ever released
	} else if err != nil {
		return err
	}
	if _, err := g.store.Group(ctx, name); errors.Is(err, pool.ErrNoGroup) {
		return ErrPoolGroup
	}
	return err
}

// Close closes what Open opened.
func (g *Gateway) Close() error {
	var errs []error
	if g.intake != nil {
		errs = append(errs, g.intake.Close())
	}
	if g.queue != nil {
		errs = append(errs, g.queue.Close())
	}
	if g.store != nil {
		errs = append(errs, g.store.Close())
	}
	return errors.Join(errs...)
}
