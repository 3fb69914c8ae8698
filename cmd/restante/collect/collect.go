// Package collect brings a user's mail to her machine: it follows her gateways'
// directories, has her mailboxes blinded ahead, takes the whole pool from a news
// server, finds and opens what is hers, and notices what a gateway or a server
// conceals or changes.
//
// It refuses to know how servers are reached, and what a message says.
package collect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// A Gateway is one at which the user has mailboxes.
type Gateway struct {
	Domain    string
	Server    remote.Server
	Pinned    *note.Verifier // its key, from a trustworthy source; nil: what is seen first
	Witnesses []*note.Verifier
	Witnessed int // how many of them must have signed its directory
}

// Options are what a run is made of. All must be set.
type Options struct {
	Seed     *identity.Seed
	Mail     *mailbox.Mailbox
	Gateways []Gateway
	Fetch    []remote.Server // where the pool is taken from
	Group    pool.Group      // the pool's
	Late     time.Duration   // how long an entry may be on its way
	Matching bool            // ask for the user's own entries alone, which tells the server whose they are
	Now      func() time.Time

	// Purpose returns a dialer for one purpose.
	Purpose func() remote.Dialer
	// Progress is told how many articles of how many were dealt with.
	Progress func(done, all int)
}

// A Report is what a run did.
type Report struct {
	New     []mailbox.Message // what came
	Taken   int               // articles that were taken from servers
	Octets  int64             // of them
	Waiting int               // messages of which fragments are lacking

	Spoilt  int // entries for this user that do not open
	GivenUp int // messages of which fragments did not come as long as they were kept

	Begins []Moment // where a server that is new to the user has nothing older
	Silent []Moment // gateways of which nothing came since then, and they say nothing else

	// Findings are servers that show a wrong picture of a gateway's pool.
	Findings []*Finding
	// Troubles are gateways and servers with which something is wrong, findings
	// included. Mail of the others came all the same.
	Troubles []error
}

// A Moment is when something began or ended at a server, of a gateway's pool.
type Moment struct {
	Server  string    `json:"server"`
	Gateway string    `json:"gateway"`
	At      time.Time `json:"at"`
}

// The errors of a run, in a [*Trouble].
var (
	ErrAway      = errors.New("can't be reached, or does not answer as it should. Mail that was looked up ahead still comes from other servers; try again later")
	ErrForked    = errors.New("has signed two directories that contradict each other: it shows you other keys than it shows others, or its key was stolen. Nothing more is asked of it. Do not write to it or through it; tell others, and show them the proof (restante fork)")
	ErrOtherKey  = errors.New("answers with a directory that its key did not sign: somebody stands between, or its key is another. Ask its operator for the new key over another channel, and write it to key in restante.toml")
	ErrWitnessed = errors.New("has a directory that too few of your witnesses have signed: it may show others another one. Wait until they have seen it, or ask for fewer (witnessed in restante.toml)")
	ErrProof     = errors.New("blinded with another key than its directory says, which would show who you are: nothing of it was used. Do not use this gateway until its operator can explain it")
	ErrOld       = errors.New("shows an old directory, with keys that it has replaced since: somebody stands between, or it runs on an old copy of its data, or the clock of this machine is wrong. The newest that is known here is gone on with. If the clock is right, ask its operator")
	ErrSlots     = errors.New("says in its directory that one mailbox may have more entries in a batch than the protocol allows, which would keep this machine busy without end: nothing is asked of it or looked for in its pool. Ask its operator to lower pool.slots_per_batch and begin anew, and do not use it until then")
	ErrHistory   = errors.New("has signed two accounts of what it released that contradict each other: it shows you other mail than it shows others, runs on an old copy of its data, or its key was stolen. Ask its operator over another channel, and tell others")
	ErrGone      = errors.New("lacks directories between the one you know and its newest: it can't be followed. If you trust it, write its key to key in restante.toml to begin anew")
)

// A Trouble is what is wrong with a gateway.
type Trouble struct {
	Gateway string
	Err     error
	Cause   error // for errors.Is
}

// Error implements error.
func (t *Trouble) Error() string { return fmt.Sprintf("gateway %s %v", t.Gateway, t.Err) }

// Unwrap returns both errors.
func (t *Trouble) Unwrap() []error { return []error{t.Err, t.Cause} }

// A run is one synchronisation.
type run struct {
	Options
	report Report
	chains map[string]*note.Chain // of the gateways that can be relied on
	gaps   map[string][]byte      // directories of strangers, by gateway, that lack some before them
	boxes  map[uint32]*identity.Mailbox
	match  map[string]*matcher // by gateway
	faults map[string]error    // by server

	findings []*Finding // of the last time that the pool was gone through
	silent   []Moment   // too
}

// Run brings everything up to date. It returns an error where this machine fails, or
// ctx ends; what the report says holds then too.
func Run(ctx context.Context, o Options) (Report, error) {
	r := &run{Options: o, chains: make(map[string]*note.Chain), boxes: make(map[uint32]*identity.Mailbox), faults: make(map[string]error)}
	for i := range r.Gateways {
		r.trouble(r.Gateways[i].Domain, r.keys(ctx, &r.Gateways[i]))
	}
	if err := r.each(ctx, r.published); err != nil {
		return r.finish(), err
	}
	for i := range r.Gateways {
		g := &r.Gateways[i]
		err := r.reliable(g)
		if err == nil && r.chains[g.Domain] != nil {
			err = r.lookUp(ctx, g)
		}
		r.trouble(g.Domain, err)
	}
	for range maxAgain {
		before := r.Mail.Boxes()
		r.match = make(map[string]*matcher)
		r.findings, r.silent = nil, nil
		if err := r.each(ctx, r.take); err != nil {
			return r.finish(), err
		}
		if covered(before) >= covered(r.Mail.Boxes()) {
			break
		}
		// Mail came to a mailbox that nobody knew was in use, as after a key was
		// made anew of its words: there may be more behind it.
		if err := r.again(ctx); err != nil {
			return r.finish(), err
		}
	}
	err := r.giveUp()
	return r.finish(), err
}

// giveUp drops the fragments of messages that no server keeps the others of any
// more.
func (r *run) giveUp() error {
	for _, p := range r.Mail.Unfinished() {
		m := r.match[p.Gateway]
		if m == nil {
			continue
		}
		if p.Epoch+1 >= m.calendar.OldestRetained(m.calendar.Epoch(r.Now())) {
			continue // a mirror may keep one for a little longer
		}
		if err := r.Mail.Put(mailbox.Event{Drop: p.Handle[:]}); err != nil {
			return err
		}
		r.report.GivenUp++
	}
	return nil
}

// each does something with every server that the pool is taken from. One that can't
// be used does not keep the others from being used, but is not tried again.
func (r *run) each(ctx context.Context, do func(context.Context, remote.Server) error) error {
	for _, server := range r.Fetch {
		if r.faults[server.Address] != nil {
			continue
		}
		err := do(ctx, server)
		switch {
		case err == nil:
		case ctx.Err() == nil && theirs(err):
			r.faults[server.Address] = &Fault{server.Address, err}
		default:
			return err
		}
	}
	return nil
}

// maxAgain bounds how often the pool is gone through in one run.
const maxAgain = 50

// again looks further mailboxes up, and begins the pool anew.
func (r *run) again(ctx context.Context) error {
	for i := range r.Gateways {
		if g := &r.Gateways[i]; r.chains[g.Domain] != nil {
			if err := r.lookUp(ctx, g); err != nil {
				r.trouble(g.Domain, err)
			}
		}
	}
	for _, server := range r.Fetch {
		cursor := &mailbox.Cursor{Server: server.Address, Group: r.Group, Next: 1, Unjudged: r.today()}
		if err := r.Mail.Put(mailbox.Event{Cursor: cursor}); err != nil {
			return err
		}
	}
	return nil
}

// today is the batches up to which entries may have been read, by gateway.
func (r *run) today() map[string]uint64 {
	out := make(map[string]uint64)
	for domain, m := range r.match {
		if m != nil {
			out[domain] = m.calendar.Batch(r.Now())
		}
	}
	return out
}

func (r *run) trouble(domain string, err error) {
	if err == nil {
		return
	}
	var t *Trouble
	if !errors.As(err, &t) {
		t = &Trouble{domain, ErrAway, err}
	}
	if slices.ContainsFunc(r.report.Troubles, func(said error) bool { return said.Error() == t.Error() }) {
		return // the pool is gone through again and again
	}
	r.report.Troubles = append(r.report.Troubles, t)
}

func (r *run) finish() Report {
	r.report.Waiting = r.Mail.Waiting()
	r.report.Findings, r.report.Silent = r.findings, r.silent
	for _, address := range slices.Sorted(maps.Keys(r.faults)) {
		r.report.Troubles = append(r.report.Troubles, r.faults[address])
	}
	for _, f := range r.findings {
		r.report.Troubles = append(r.report.Troubles, f)
	}
	return r.report
}

// connect opens a connection for one purpose of its own.
func (r *run) connect(ctx context.Context, server remote.Server) (*remote.Conn, func(), error) {
	server.Dialer = r.Purpose()
	conn, err := server.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() {
		if stop() {
			_ = conn.Quit() // politeness alone
		}
	}, nil
}

// box is a mailbox of the user's.
func (r *run) box(n uint32) *identity.Mailbox {
	if r.boxes[n] == nil {
		r.boxes[n] = r.Seed.Mailbox(n)
	}
	return r.boxes[n]
}

// calendar is a directory's.
func calendar(d *note.Directory) pool.Calendar {
	return pool.Calendar{
		EpochLength: d.EpochLength, BatchInterval: d.BatchInterval,
		Retention: d.PoolRetention, TokenLife: d.TokenLife,
	}
}
