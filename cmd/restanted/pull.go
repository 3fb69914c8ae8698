package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
)

// serverFlags is a server on the command line.
type serverFlags struct{ from, security, authority, user, password string }

func (f *serverFlags) add(c *cobra.Command, name, what string) {
	c.Flags().StringVar(&f.from, name, "", what)
	c.Flags().StringVar(&f.security, "security", "tls", "`how` it is reached: tls (from the first octet on), starttls, or none")
	c.Flags().StringVar(&f.authority, "authority", "", "PEM `file` of the authorities that its certificate may be from, in place of the system's")
	c.Flags().StringVar(&f.user, "user", "", "`name` to log in with")
	c.Flags().StringVar(&f.password, "password", "", "`file` whose first line is the password")
}

// peer is the server as the configuration would have it.
func (f *serverFlags) peer(name string) (config.Peer, error) {
	address := f.from
	if _, _, err := net.SplitHostPort(address); err != nil {
		port := "563"
		if f.security != "tls" {
			port = "119"
		}
		address = net.JoinHostPort(address, port)
	}
	switch f.security {
	case "tls", "starttls", "none":
	default:
		return config.Peer{}, errors.New("--security: write tls, starttls or none")
	}
	if (f.user == "") != (f.password == "") {
		return config.Peer{}, errors.New("--user and --password go together: the password is the first line of a file")
	}
	return config.Peer{Name: name, Groups: "*", Path: name, Read: &config.Read{
		Address: address, Security: f.security, Authority: f.authority, User: f.user, Password: f.password,
	}}, nil
}

func pullCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "pull --from HOST[:PORT]",
		Short: "Fetch what is new on a news server that feeds nobody",
		Long: `pull reads what is new on another news server, as a newsreader would, and files it
in the store of a gateway that is stopped. Each article is checked as if a peer had
brought it: of other gateways' pools only what they signed is taken, as [mirror] and
[[gateway]] in the configuration say. Only newsgroups that are carried here are
looked at.

It remembers how far it has come: after an interruption, and the next time, the same
command goes on there. At the end it says how many articles the server listed, how
many of them were here before, were taken, were refused, and were gone.

A running gateway does the same by itself for a peer with a [peer.read] table.`,
		Example: "  restanted pull --from news.example.net --groups 'restante.*' --since 30d",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	var server serverFlags
	server.add(c, "from", "the `server`: a host name, with a port where it is not 563, or 119 without TLS")
	_ = c.MarkFlagRequired("from")
	groups := c.Flags().String("groups", "*", "`wildmat` of the newsgroups to look at")
	var since config.Duration
	c.Flags().Func("since", "leave what is dated longer ago than this `time`, like 30d or 12h; 0 for everything, as without it", func(text string) error {
		if err := since.UnmarshalText([]byte(text)); err != nil || since >= 0 {
			return err
		}
		return errors.New("write how long ago, without a minus sign")
	})
	newNews := c.Flags().Bool("newnews", false, "ask by NEWNEWS, where the server has no overview")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		wildmat, err := nntp.ParseWildmat(*groups)
		if err != nil {
			return errors.New("--groups: not a wildmat; write patterns with commas between them, like 'restante.*'")
		}
		p, err := server.peer(server.from)
		if err != nil {
			return err
		}
		p.Read.NewNews = *newNews
		conf, err := load(*path)
		if err != nil {
			return err
		}
		s, err := settings(conf, zerolog.New(c.ErrOrStderr()).Level(zerolog.WarnLevel))
		if err != nil {
			return err
		}
		everything, _ := nntp.ParseWildmat("*")
		r, wrong := reading(p, peer.Peer{Name: p.Name, Path: p.Path, Groups: everything})
		if err := wrong.err(); err != nil {
			return err
		}
		r.Pull, r.Since = wildmat, time.Duration(since)
		return pullInto(c, s, r)
	}
	return c
}

func pullInto(c *cobra.Command, s gateway.Settings, r gateway.Reading) (err error) {
	store, err := gateway.OpenToImport(c.Context(), s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	show, end := progress(c.ErrOrStderr(), "pulling", false)
	started := time.Now()
	counts, err := store.Pull(c.Context(), s, r, func(done, all int) { show(int64(done), int64(all)) })
	end()
	fmt.Fprintf(c.OutOrStdout(), "listed %d, here before %d, taken %d, refused %d, gone %d, put off %d: %d octets in %v\n",
		counts.Listed, counts.Had, counts.Taken, counts.Refused, counts.Missing, counts.Deferred, counts.Octets, time.Since(started).Round(time.Millisecond))
	if err != nil {
		return fmt.Errorf("broken off, the same command goes on there: %w", err)
	}
	if counts.Deferred > 0 {
		return errors.New("some articles could not be taken just now: look for the reason in restanted check and the disk, and run the same command again")
	}
	return nil
}
