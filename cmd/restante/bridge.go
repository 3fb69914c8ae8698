package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/restante/bridge"
	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

func bridgeCommand(who *user) *cobra.Command {
	var matching bool
	var every time.Duration
	var listen string
	c := &cobra.Command{
		Use:   "bridge",
		Short: "Serve your own newsreader on this machine",
		Long: `bridge is a news server for the newsreader that you are used to, on this machine
alone. restante.inbox and restante.sent are your mail, opened on this machine. What
you post to restante.reply, or follow up to a message or a card, is sealed here
before it leaves; the answer says whether from end to end, or to the gateway, which
can read it. In restante.inbox the header Restante-Sealed says it of each message.
All other groups are those of the server of [bridge] in restante.toml, from which
you read and to which you post them openly, though without your name and machine.

Mail is brought up to date every so often, at times that vary. Without a network
your mail is there, and what you post waits, sealed, until there is one.

Whoever uses this machine can reach the bridge while it runs, and read your mail:
do not run it where others have accounts.`,
		Example: "  restante bridge\n  restante bridge --every 30m --passphrase-file p",
		Args:    cobra.NoArgs,
	}
	c.Flags().BoolVar(&matching, "fetch-matching", false, "ask for your own entries alone, which the server sees")
	c.Flags().DurationVar(&every, "every", 5*time.Minute, "how often mail is brought up to date, on average")
	c.Flags().StringVar(&listen, "listen", "", "the `host:port` of this machine, in place of the one of [bridge]")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if every <= 0 {
			return errEvery
		}
		if matching {
			fmt.Fprintln(c.ErrOrStderr(), matchingLeak)
		}
		d, settings, err := who.desk(c)
		if err != nil {
			return err
		}
		if listen != "" {
			settings.Bridge.Listen = listen
		}
		err = serveBridge(c, d, settings, matching, every)
		return errors.Join(err, d.Mail.Close())
	}
	return c
}

// errEvery is a time that never comes, or always.
var errEvery = errors.New("--every is how long to wait: write a time like 5m")

func serveBridge(c *cobra.Command, d *desk.Desk, s config.User, matching bool, every time.Duration) error {
	news, err := newsServer(d, s)
	if err != nil {
		return err
	}
	news.Dialer = d.Route.Purpose()
	var domains []string
	for _, g := range s.Gateways {
		domains = append(domains, g.Domain)
	}
	b := bridge.New(bridge.Options{
		Listen: s.Bridge.Listen, Mail: mailbox.Reader{Mailbox: d.Mail}, Desk: &bridgeDesk{Desk: d, matching: matching, told: c.ErrOrStderr()},
		News: news, Domains: domains, Every: every, Version: version(),
	})
	return b.Run(c.Context(), func(at net.Addr) {
		fmt.Fprintf(c.OutOrStdout(), "Your newsreader's server is %s, without TLS and without a login. Ctrl-C ends it.\n", at)
	})
}

// newsServer is the server of public groups: that of [bridge], or the one that the
// pool is taken from.
func newsServer(d *desk.Desk, s config.User) (remote.Server, error) {
	if s.Bridge.Address == "" {
		return d.Fetch[0], nil
	}
	server, err := serverOf(s.Bridge.Server())
	if err != nil {
		return server, fmt.Errorf("bridge: %w", err)
	}
	return server, nil
}

// A bridgeDesk is the desk as the bridge uses it.
type bridgeDesk struct {
	*desk.Desk
	matching bool
	told     io.Writer // what the user is to know
	last     string    // that she was told
}

var _ bridge.Desk = (*bridgeDesk)(nil)

// Seal implements [bridge.Desk].
func (b *bridgeDesk) Seal(l bridge.Letter) (bridge.Sealed, error) {
	to, err := b.recipient(l)
	if err != nil {
		return bridge.Sealed{}, asRefusal(err)
	}
	content := letter.Read(l.Article)
	if content.Incomplete {
		return bridge.Sealed{}, asRefusal(letter.ErrIncomplete)
	}
	m, err := b.Prepare(desk.Draft{
		To: to, Answers: l.Answers, Subject: content.Subject, Text: content.Text, Attachments: content.Attachments,
	})
	if err != nil {
		return bridge.Sealed{}, asRefusal(err)
	}
	return bridge.Sealed{ID: m.ID, EndToEnd: m.Sealing == mailbox.EndToEnd}, nil
}

// recipient is whom a letter goes to: a contact's name, or a token.
func (b *bridgeDesk) recipient(l bridge.Letter) (string, error) {
	switch {
	case l.Card != nil:
		return b.contact(l.Card)
	case l.Answers != "":
		return b.To(l.Answers)
	}
	return l.To, nil
}

// contact makes a contact of a card, under a name that nobody has.
func (b *bridgeDesk) contact(card *contact.Card) (string, error) {
	name := ""
	for n := 2; ; n++ {
		c, err := b.Add(card, name)
		if !errors.Is(err, desk.ErrTaken) {
			return c.Name, err
		}
		name = fmt.Sprintf("%s %d", card.Name, n)
	}
}

// asRefusal makes of what the user can mend a sentence that her newsreader shows.
func asRefusal(err error) error {
	for _, known := range []error{
		desk.ErrNoKeys, desk.ErrForked, desk.ErrNoToken, mailbox.ErrNobody, letter.ErrEmpty, letter.ErrText, letter.ErrIncomplete, envelope.ErrTooLong, contact.ErrTooLong,
	} {
		if errors.Is(err, known) {
			return &pool.Refusal{Sentence: known.Error(), Cause: err}
		}
	}
	return err
}

// Sync implements [bridge.Desk]. What is wrong is said once, until it changes.
func (b *bridgeDesk) Sync(ctx context.Context) error {
	report, err := b.Desk.Sync(ctx, b.matching, nil)
	err = errors.Join(append([]error{err}, report.Troubles...)...)
	switch {
	case err == nil:
		b.last = ""
	case ctx.Err() == nil && err.Error() != b.last:
		fmt.Fprintln(b.told, "restante:", err)
		b.last = err.Error()
	}
	return err
}
