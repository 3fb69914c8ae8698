package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
)

// A draft is the flags of what is written.
type draft struct {
	subject string
	attach  []string
	asJSON  bool
}

func (w *draft) flags(c *cobra.Command) {
	c.Flags().StringVar(&w.subject, "subject", "", "the subject")
	c.Flags().StringArrayVar(&w.attach, "attach", nil, "a `file` to send along; may be given several times")
	c.Flags().BoolVar(&w.asJSON, "json", false, "print what became of it as JSON")
}

func sendCommand(who *user) *cobra.Command {
	w := new(draft)
	c := &cobra.Command{
		Use:   "send CONTACT",
		Short: "Write to somebody",
		Long: `send reads the text from standard input and seals it on this machine. To a contact
with a card it is sealed from end to end. CONTACT may also be a reply token, with
its angle brackets: then it is sealed to the gateway of the token, which sees it,
and send says so.

Where the server can't be reached the message is kept, and the next restante sync
posts it; the exit code is 3 then.`,
		Example: "  echo hello | restante send Bob --subject hello\n  restante send Bob --attach photo.jpg < letter.txt",
		Args:    cobra.ExactArgs(1),
	}
	w.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return who.with(c, func(d *desk.Desk) error { return w.send(c, d, desk.Draft{To: args[0], Subject: w.subject}) })
	}
	return c
}

func replyCommand(who *user) *cobra.Command {
	w := new(draft)
	c := &cobra.Command{
		Use:     "reply NUMBER",
		Short:   "Answer a message",
		Long:    `reply reads the text from standard input and sends it to whom the message is from, as send does.`,
		Example: "  echo thanks | restante reply 3",
		Args:    cobra.ExactArgs(1),
	}
	w.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := parseNumber(args[0])
		if err != nil {
			return err
		}
		return who.with(c, func(d *desk.Desk) error {
			answer, err := d.Reply(n)
			if err != nil {
				return err
			}
			if w.subject != "" {
				answer.Subject = w.subject
			}
			return w.send(c, d, answer)
		})
	}
	return c
}

// maxText bounds the text of a message, in octets.
const maxText = 8 << 20

// errText is a text that is not read to its end.
var errText = fmt.Errorf("the text is longer than %d MiB: send it as a file with --attach", maxText>>20)

// readText reads what the user writes.
func readText(c *cobra.Command) (string, error) {
	in := c.InOrStdin()
	if f, ok := in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintln(c.ErrOrStderr(), "Write your text; end it with Ctrl-D on a line of its own (Windows: Ctrl-Z and Enter).")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxText+1))
	if err != nil {
		return "", fmt.Errorf("read the text: %w", err)
	}
	if len(text) > maxText {
		return "", errText
	}
	return string(text), nil
}

func (w *draft) send(c *cobra.Command, d *desk.Desk, message desk.Draft) error {
	text, err := readText(c)
	if err != nil {
		return err
	}
	message.Text = text
	for _, path := range w.attach {
		octets, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("--attach: %w", err)
		}
		message.Attachments = append(message.Attachments, letter.Attachment{Name: filepath.Base(path), Octets: octets})
	}
	m, err := d.Send(c.Context(), message)
	if err != nil && !errors.Is(err, desk.ErrUnposted) {
		return err
	}
	if w.asJSON {
		head := headJSON(&m)
		head["posted"] = err == nil
		return errors.Join(err, printJSON(c.OutOrStdout(), head))
	}
	fmt.Fprintf(c.OutOrStdout(), "%d to %s, sealed %s.\n", m.Number, letter.Printable(m.Contact), sealingText(m.Sealing))
	if m.Sealing == mailbox.ByGateway {
		fmt.Fprintln(c.ErrOrStderr(), "There is no card of the recipient's: ask for one, and nobody between you can read along.")
	}
	return err
}
