package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/pull"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

func verifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Compare what servers hold of the gateways' pools with what these have signed",
		Long: `verify looks at every batch of this gateway and of every other known one that should
be here: the manifest says what was in it. It asks the running gateway of the
configuration, and with --peer another server, for each manifest and each entry, and
says how many are held, missing, and bad: of another body, form or signature. What is
missing at a peer is what that peer drops. A running gateway fetches by itself what it
lacks.

Of a gateway that has a [[gateway]] table and of which nothing can be taken yet, it says
what to do.

The exit status is 0 where nothing is missing or bad, and 1 otherwise.`,
		Example: "  restanted verify\n  restanted verify --peer news.example.net --gateway a.example.org",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	peers := c.Flags().StringArray("peer", nil, "the `name` of a peer with a [peer.read] table to look at too; may be given again")
	only := c.Flags().StringArray("gateway", nil, "only this gateway's pool, by `domain`; may be given again")
	batches := c.Flags().Uint64("batches", 0, "only the newest so `many` batches; 0 for all that are retained")
	asJSON := c.Flags().Bool("json", false, "print JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, err := load(*path)
		if err != nil {
			return err
		}
		v := verifying{c: c, conf: conf, peers: *peers, only: *only, batches: *batches}
		tallies, err := v.run(c.Context())
		if err != nil {
			return err
		}
		err = report(c, tallies, *asJSON)
		if err == nil && v.unheard > 0 {
			err = errLacking
		}
		return err
	}
	return c
}

// verifying is one run of verify.
type verifying struct {
	c       *cobra.Command
	conf    config.Config
	peers   []string
	only    []string
	batches uint64

	unheard int // gateways that should be here
}

// A line is what verify found of one gateway on one server.
type line struct {
	Server string `json:"server"`
	mirror.Tally
	FirstBatch uint64  `json:"first_batch"`
	LastBatch  uint64  `json:"last_batch"`
	DropRate   float64 `json:"drop_rate_percent"`
}

func (v *verifying) run(ctx context.Context) ([]line, error) {
	servers, err := v.servers()
	if err != nil {
		return nil, err
	}
	s, err := settings(v.conf, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	policy, err := s.Policy()
	if err != nil {
		return nil, err
	}
	domains := policy.Book.Gateways()
	if policy.Own, err = v.own(); err != nil {
		return nil, err
	} else if policy.Own != nil {
		domains = slices.Insert(domains, 0, v.conf.Domain)
	}
	if len(domains) == 0 {
		return nil, errors.New("this gateway has published no keys yet, and no other one is known: start it first")
	}
	unheard := v.listen(policy.Book.Unheard())
	for _, domain := range v.only {
		if !slices.Contains(domains, domain) && !slices.Contains(unheard, domain) {
			return nil, fmt.Errorf("--gateway %s: no such gateway is known here; restanted gateways lists them", domain)
		}
	}
	out := []line{}
	for _, domain := range domains {
		if len(v.only) > 0 && !slices.Contains(v.only, domain) {
			continue
		}
		lines, err := v.gateway(ctx, &mirror.Verifier{Policy: policy}, domain, servers)
		if err != nil {
			return nil, err
		}
		out = append(out, lines...)
	}
	return out, nil
}

// listen says of which gateways nothing is here yet though they are named, and returns
// their domains.
func (v *verifying) listen(unheard []mirror.Unheard) (domains []string) {
	for _, u := range unheard {
		domains = append(domains, u.Domain)
		if len(v.only) > 0 && !slices.Contains(v.only, u.Domain) {
			continue
		}
		v.unheard++
		why := "no directory of it has come yet: see to it that a peer brings restante.keys, or can be read from"
		if u.Key != nil {
			why = "no directory has come that the key in its [[gateway]] table has signed. If it has replaced that key since, ask its operator for the key of now, write it there, and reload"
		}
		fmt.Fprintf(v.c.ErrOrStderr(), "%s: nothing of it can be taken yet: %s.\n", u.Domain, why)
	}
	return domains
}

// own is this gateway, as far as what it has signed goes; nil where that is nothing yet.
func (v *verifying) own() (*mirror.Own, error) {
	l, err := keyring.List(gateway.KeyDir(v.conf.Data), v.conf.Domain)
	if err != nil || l.Signed == nil {
		return nil, err
	}
	keys, err := l.Directory.Keys()
	if err != nil {
		return nil, err
	}
	return &mirror.Own{
		Keys:     func() *note.Keys { return keys },
		Released: func() uint64 { return math.MaxUint64 }, // all that should have left
	}, nil
}

// gateway compares one gateway's pool on all servers.
func (v *verifying) gateway(ctx context.Context, check *mirror.Verifier, domain string, servers []verified) (out []line, err error) {
	first, last, err := check.Span(domain, time.Now())
	if err != nil {
		return nil, nil //nolint:nilerr // nothing should be here yet, or nothing is taken of it
	}
	if v.batches > 0 && last-first+1 > v.batches {
		first = last - v.batches + 1
	}
	var sources []mirror.Source
	for _, s := range servers {
		sources = append(sources, s)
	}
	show, end := progress(v.c.ErrOrStderr(), "verifying "+domain, false)
	tallies, err := check.Verify(ctx, domain, first, last, sources, func(done int) { show(int64(done), int64(last-first+1)) })
	end()
	if err != nil {
		return nil, err
	}
	for i, t := range tallies {
		out = append(out, line{Server: servers[i].name, Tally: t, FirstBatch: t.First, LastBatch: t.Last, DropRate: t.DropRate()})
	}
	return out, nil
}

// A verified is a server that is looked at.
type verified struct {
	name string
	*pull.Puller
}

// Articles says of which server an error is.
func (s verified) Articles(ctx context.Context, ids []pool.MessageID) ([][]byte, error) {
	texts, err := s.Puller.Articles(ctx, ids)
	if errors.Is(err, remote.ErrDial) && s.name == self {
		return nil, errors.New("this gateway does not answer: start it with restanted serve, and run verify beside it")
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return texts, nil
}

// self is the name that is printed for the gateway of the configuration.
const self = "this gateway"

// servers is the gateway itself, and the peers asked for.
func (v *verifying) servers() ([]verified, error) {
	own := &pull.Puller{Server: remote.Server{Address: v.conf.Listen.NNTP}, Most: v.conf.Limits.ArticleSize}
	out := []verified{{self, own}}
	for _, name := range v.peers {
		at := slices.IndexFunc(v.conf.Peers, func(p config.Peer) bool { return p.Name == name && p.Read != nil })
		if at < 0 {
			return nil, fmt.Errorf("--peer %s: there is no [[peer]] of that name with a [peer.read] table", name)
		}
		r := v.conf.Peers[at].Read
		s, _, wrong := server(r.Address, r.Security, r.Authority, r.User, r.Password)
		if err := wrong.err(); err != nil {
			return nil, err
		}
		out = append(out, verified{name, &pull.Puller{Server: s, Most: v.conf.Limits.ArticleSize}})
	}
	return out, nil
}

var errLacking = errors.New("something is missing or bad")

// report prints what was found.
func report(c *cobra.Command, lines []line, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		if err := e.Encode(lines); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "gateway\tserver\tbatches\tmanifests\tentries\theld\tmissing\tbad\tdropped")
		for _, l := range lines {
			fmt.Fprintf(w, "%s\t%s\t%d-%d\t%d of %d\t%d\t%d\t%d\t%d\t%.2f %%\n", l.Gateway, l.Server, l.FirstBatch, l.LastBatch,
				l.Manifests, l.Batches, l.Entries, l.Held, l.Missing, l.Bad, l.DropRate)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	seen := make(map[string]int) // manifests, by gateway
	for _, l := range lines {
		seen[l.Gateway] += l.Manifests
	}
	for _, domain := range slices.Sorted(maps.Keys(seen)) {
		if seen[domain] == 0 {
			fmt.Fprintf(c.ErrOrStderr(), "%s: no manifest of it is to be found: it has released nothing yet, or all of it is lost.\n", domain)
		}
	}
	for _, l := range lines {
		if l.Missing > 0 || l.Bad > 0 || l.Manifests < l.Batches {
			return errLacking
		}
	}
	return nil
}
