package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/contact"
)

func cardCommand(who *user) *cobra.Command {
	var post, asJSON bool
	c := &cobra.Command{
		Use:   "card",
		Short: "Print your contact card, for others to write to you",
		Long: `card prints a card with a fresh reply token. Whoever has it can write to you, and
seal from end to end; it says nothing about you but the name on it. Cards of one
mailbox show that they have one owner, by their key.

--post posts it to restante.cards as well, where everybody can read it.`,
		Args: cobra.NoArgs,
	}
	c.Flags().BoolVar(&post, "post", false, "post it to restante.cards too")
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return who.with(c, func(d *desk.Desk) error {
			card, err := d.Card()
			if err != nil {
				return err
			}
			if post {
				if err := d.PostCard(c.Context(), card); err != nil {
					return err
				}
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), map[string]string{
					"name": card.Name, "token": card.Token, "fingerprint": card.Fingerprint(), "card": card.Text(),
				})
			}
			_, err = io.WriteString(c.OutOrStdout(), card.Text())
			return err
		})
	}
	return c
}

func addCommand(who *user) *cobra.Command {
	var as string
	c := &cobra.Command{
		Use:   "add [FILE]",
		Short: "Make a contact of a card",
		Long: `add reads a card from a file or from standard input, whatever stands around it, and
makes a contact of it. A newer card of somebody you have takes the place of the
old one. The name on a card is not checked by anybody: compare the fingerprint with
its owner over another channel.`,
		Example: "  restante add < card.txt\n  restante add card.txt --as Bob",
		Args:    cobra.MaximumNArgs(1),
	}
	c.Flags().StringVar(&as, "as", "", "what you call the contact")
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := readFile(c, firstOr(args, "-"))
		if err != nil {
			return err
		}
		card, err := contact.ParseCard(string(text))
		if err != nil {
			return err
		}
		return who.with(c, func(d *desk.Desk) error {
			added, err := d.Add(card, as)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s  %s\n", letter.Printable(added.Name), card.Fingerprint())
			return nil
		})
	}
	return c
}

func firstOr(args []string, otherwise string) string {
	if len(args) > 0 {
		return args[0]
	}
	return otherwise
}

func contactsCommand(who *user) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "contacts",
		Aliases: []string{"cards"},
		Short:   "List whom you can write to",
		Args:    cobra.NoArgs,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return who.with(c, func(d *desk.Desk) error {
			for _, one := range d.Mail.Contacts() {
				if err := printContact(c.OutOrStdout(), one, asJSON); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c
}

func printContact(w io.Writer, c mailbox.Contact, asJSON bool) error {
	sealing, print := string(mailbox.ByGateway), ""
	if card, err := contact.ParseCard(c.Card); err == nil {
		sealing, print = string(mailbox.EndToEnd), card.Fingerprint()
	}
	if asJSON {
		return printJSON(w, map[string]string{"name": c.Name, "sealed": sealing, "fingerprint": print, "token": c.Token})
	}
	fmt.Fprintln(w, strings.TrimSpace(fmt.Sprintf("%-24s %-10s  %s", letter.Printable(c.Name), sealing, print)))
	return nil
}
