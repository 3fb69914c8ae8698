package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/restante/collect"
	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/cmd/restante/profile"
	"github.com/restante/restante/cmd/restante/route"
	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// desk opens the profile's desk. The mail stays open until it is closed.
func (u *user) desk(c *cobra.Command) (*desk.Desk, config.User, error) {
	p, err := u.profile()
	if err != nil {
		return nil, config.User{}, err
	}
	if !p.Exists() {
		return nil, config.User{}, profile.ErrNone
	}
	settings, err := loadSettings(p)
	if err != nil {
		return nil, settings, err
	}
	options, err := deskOptions(settings)
	if err != nil {
		return nil, settings, err
	}
	if _, options.Seed, err = u.open(c); err != nil {
		return nil, settings, err
	}
	if options.Mail, err = mailbox.Open(p.State(), options.Seed); err != nil {
		return nil, settings, err
	}
	if options.Mail.Damaged {
		fmt.Fprintln(c.ErrOrStderr(), "restante:", mailbox.ErrDamaged)
	}
	return desk.New(options), settings, nil
}

// with runs do at the profile's desk.
func (u *user) with(c *cobra.Command, do func(*desk.Desk) error) error {
	d, _, err := u.desk(c)
	if err != nil {
		return err
	}
	return errors.Join(do(d), d.Mail.Close())
}

func loadSettings(p *profile.Profile) (config.User, error) {
	settings, err := config.LoadUser(p.Config())
	var problems config.Problems
	if errors.As(err, &problems) {
		return settings, fmt.Errorf("%s:\n%w", p.Config(), err)
	}
	return settings, err
}

// deskOptions makes of checked settings what a desk is made of, but for the seed
// and the mail. It reads the files that they name.
func deskOptions(s config.User) (desk.Options, error) {
	o := desk.Options{
		Name: s.Name, Group: pool.Group(s.Fetch.Group), Late: time.Duration(s.Fetch.Late),
		Route: route.Policy{SOCKS5: s.Proxy.SOCKS5, Only: s.Proxy.Only},
	}
	for _, g := range s.Gateways {
		server, err := serverOf(config.UserServer{Address: g.Address, Security: g.Security, Authority: g.Authority})
		if err != nil {
			return o, fmt.Errorf("gateway %s: %w", g.Domain, err)
		}
		gateway := collect.Gateway{Domain: g.Domain, Server: server, Witnessed: g.Witnessed}
		if g.Key != "" {
			if gateway.Pinned, err = note.ParseVerifier(g.Key); err != nil || gateway.Pinned.Name() != g.Domain {
				return o, fmt.Errorf("gateway %s: key is not one of that gateway: copy the line that its restanted keys list prints", g.Domain)
			}
		}
		for _, line := range g.Witnesses {
			witness, err := note.ParseVerifier(line)
			if err != nil {
				return o, fmt.Errorf("gateway %s: one of witnesses is no key: copy the line that its restanted keys list prints", g.Domain)
			}
			gateway.Witnesses = append(gateway.Witnesses, witness)
		}
		o.Gateways = append(o.Gateways, gateway)
		if s.Fetch.Address == "" {
			o.Fetch = append(o.Fetch, server)
		}
	}
	if s.Fetch.Address != "" {
		server, err := serverOf(s.Fetch.Server())
		if err != nil {
			return o, fmt.Errorf("fetch: %w", err)
		}
		o.Fetch = []remote.Server{server}
	}
	o.Submit = o.Gateways[0].Server
	if s.Submit.Address != "" {
		var err error
		if o.Submit, err = serverOf(s.Submit); err != nil {
			return o, fmt.Errorf("submit: %w", err)
		}
	}
	return o, nil
}

func serverOf(s config.UserServer) (remote.Server, error) {
	server := remote.Server{Address: s.Address, User: s.User, Security: map[string]remote.Security{
		"tls": remote.Implicit, "starttls": remote.StartTLS, "none": remote.Plain,
	}[s.Security]}
	if s.Authority != "" {
		text, err := os.ReadFile(s.Authority)
		if err != nil {
			return server, fmt.Errorf("read authority: %w", err)
		}
		trusted := x509.NewCertPool()
		if !trusted.AppendCertsFromPEM(text) {
			return server, errors.New("authority holds no certificate: name a PEM file")
		}
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted}
	}
	if s.Password != "" {
		f, err := os.Open(s.Password)
		if err != nil {
			return server, fmt.Errorf("read password: %w", err)
		}
		defer func() { _ = f.Close() }()
		if server.Password, err = firstLine(f); err != nil {
			return server, err
		}
	}
	return server, nil
}

func setupCommand(who *user) *cobra.Command {
	settings := config.DefaultUser()
	var gateway config.UserGateway
	var socks string
	var only, check bool
	c := &cobra.Command{
		Use:   "setup",
		Short: "Write the profile's settings: your gateway, and how it is reached",
		Long: `setup writes restante.toml into the profile's folder, with a comment for each
setting, where there is none yet. Change it with an editor afterwards.

--check says what is wrong with the one that is there, and changes nothing.`,
		Example: "  restante setup --gateway news.example.org --name Alice\n  restante setup --gateway news.example.org --socks5 127.0.0.1:9050 --proxy-only\n  restante setup --check",
		Args:    cobra.NoArgs,
	}
	f := c.Flags()
	f.StringVar(&settings.Name, "name", settings.Name, "what stands on your cards")
	f.StringVar(&gateway.Domain, "gateway", "", "the `domain` of your gateway")
	f.StringVar(&gateway.Address, "address", "", "its `host:port`; without it the domain's port 563")
	f.StringVar(&gateway.Security, "security", "tls", "how the gateway is spoken to: tls, starttls or none; other servers are over TLS until restante.toml says otherwise")
	f.StringVar(&gateway.Key, "key", "", "its signing `key`, if somebody you trust gave it to you")
	f.StringVar(&settings.Fetch.Address, "fetch", "", "another news server to take the pool from, as `host:port`")
	f.StringVar(&settings.Submit.Address, "submit", "", "another news server to post at, as `host:port`")
	f.StringVar(&socks, "socks5", "", "a SOCKS5 proxy, such as Tor's, as `host:port`")
	_ = c.RegisterFlagCompletionFunc("security", cobra.FixedCompletions([]cobra.Completion{"tls", "starttls", "none"}, cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&only, "proxy-only", false, "refuse every connection that does not go through the proxy")
	f.BoolVar(&check, "check", false, "say what is wrong with the settings that are there")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, err := who.profile()
		if err != nil {
			return err
		}
		if check {
			if settings, err = loadSettings(p); err == nil {
				_, err = deskOptions(settings)
			}
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "%s is fine.\n", p.Config())
			}
			return err
		}
		if err := config.CheckDomain(gateway.Domain); err != nil {
			return fmt.Errorf("--gateway: %w", err)
		}
		if gateway.Address == "" {
			gateway.Address = gateway.Domain + ":563"
		}
		settings.Gateways, settings.Proxy = []config.UserGateway{gateway}, config.UserProxy{SOCKS5: socks, Only: only}
		if err := writeSettings(p, settings); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Your settings are in %s.\nNow run restante sync.\n", p.Config())
		return nil
	}
	return c
}

func writeSettings(p *profile.Profile, settings config.User) error {
	text, err := config.UserTemplate(settings)
	if err != nil {
		return err
	}
	if _, err := config.ParseUser(text); err != nil {
		return err
	}
	if !p.Exists() {
		return profile.ErrNone
	}
	file, err := os.OpenFile(p.Config(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and is not overwritten: change it with an editor", p.Config())
	} else if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}
