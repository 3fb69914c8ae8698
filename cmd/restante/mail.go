package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

func inboxCommand(who *user) *cobra.Command {
	var sent, asJSON, unread bool
	c := &cobra.Command{
		Use:   "inbox",
		Short: "List your mail",
		Long:  `inbox lists what came; it asks no server. A star marks what you have not read.`,
		Args:  cobra.NoArgs,
	}
	c.Flags().BoolVar(&sent, "sent", false, "list what you sent")
	c.Flags().BoolVar(&unread, "unread", false, "leave out what you have read")
	c.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each")
	c.RunE = func(c *cobra.Command, _ []string) error {
		group := mailbox.Inbox
		if sent {
			group = mailbox.Sent
		}
		return who.with(c, func(d *desk.Desk) error {
			for _, m := range d.Mail.Messages(group) {
				if unread && m.Read {
					continue
				}
				if err := printLine(c.OutOrStdout(), &m, asJSON); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c
}

func printLine(w io.Writer, m *mailbox.Message, asJSON bool) error {
	if asJSON {
		return printJSON(w, headJSON(m))
	}
	star, contact := " ", m.Contact
	if !m.Read && m.Group == mailbox.Inbox {
		star = "*"
	}
	if contact == "" {
		contact = "-"
	}
	fmt.Fprintf(w, "%5d%s %s  %-10s  %-20s  %s\n", m.Number, star, m.Date.Format(time.DateOnly), m.Sealing,
		letter.Printable(contact), letter.Printable(m.Subject))
	return nil
}

func headJSON(m *mailbox.Message) map[string]any {
	return map[string]any{
		"number": m.Number, "group": m.Group, "sealed": m.Sealing, "contact": m.Contact, "subject": m.Subject,
		"date": m.Date, "read": m.Read, "id": m.ID, "gateway": m.Gateway,
	}
}

func readCommand(who *user) *cobra.Command {
	var asJSON, raw bool
	var save string
	c := &cobra.Command{
		Use:   "read NUMBER",
		Short: "Show a message",
		Long: `read prints a message, and between whom it was sealed. Attachments are named;
--save writes them into a folder, and never over a file that is there. Where parts
are malformed it says that there is more, and --raw shows all of it.`,
		Example: "  restante read 3\n  restante read 3 --save .",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, attachments in base64")
	c.Flags().BoolVar(&raw, "raw", false, "print the article as it came")
	c.Flags().StringVar(&save, "save", "", "a `folder` to write the attachments into")
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := parseNumber(args[0])
		if err != nil {
			return err
		}
		return who.with(c, func(d *desk.Desk) error {
			m, err := d.Mail.Message(n)
			if err != nil {
				return err
			}
			text, err := d.Mail.Article(n)
			if err != nil {
				return err
			}
			if err := show(c.OutOrStdout(), &m, text, asJSON, raw, save); err != nil || m.Read {
				return err
			}
			return d.Mail.Put(mailbox.Event{Read: &n})
		})
	}
	return c
}

// errNumber is an argument that is no message's number.
var errNumber = errors.New("not the number of a message: restante inbox lists them")

func parseNumber(text string) (pool.Number, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return 0, errNumber
	}
	return pool.Number(n), nil
}

func show(w io.Writer, m *mailbox.Message, text []byte, asJSON, raw bool, save string) error {
	if raw {
		_, err := w.Write(text)
		return err
	}
	a, err := article.Parse(text)
	if err != nil {
		return err
	}
	content := letter.Read(a)
	if save != "" {
		if err := saveAll(save, content.Attachments); err != nil {
			return err
		}
	}
	if asJSON {
		return showJSON(w, m, content)
	}
	fmt.Fprintf(w, "Sealed:  %s\n", sealingText(m.Sealing))
	if m.Group == mailbox.Sent {
		fmt.Fprintf(w, "To:      %s\n", letter.Printable(m.Contact))
	} else {
		fmt.Fprintf(w, "From:    %s\nContact: %s\n", content.From, letter.Printable(m.Contact))
	}
	fmt.Fprintf(w, "Date:    %s\nSubject: %s\n", m.Date.Format(time.RFC1123), content.Subject)
	for _, file := range content.Attachments {
		fmt.Fprintf(w, "File:    %s (%d octets)\n", file.Name, len(file.Octets))
	}
	fmt.Fprintf(w, "\n%s\n", letter.Printable(content.Text))
	if content.Incomplete {
		fmt.Fprintf(w, "[There is more in this message that restante can't take apart: restante read --raw %d shows all of it as it came.]\n", m.Number)
	}
	return nil
}

func showJSON(w io.Writer, m *mailbox.Message, content letter.Content) error {
	out := headJSON(m)
	files := []map[string]any{}
	for _, file := range content.Attachments {
		files = append(files, map[string]any{"name": file.Name, "octets": file.Octets})
	}
	out["from"], out["text"], out["attachments"], out["incomplete"] = content.From, content.Text, files, content.Incomplete
	return printJSON(w, out)
}

// sealingText says between whom a message was sealed.
func sealingText(s mailbox.Sealing) string {
	if s == mailbox.EndToEnd {
		return "end-to-end: nobody but the two of you can read it"
	}
	return "by the gateway, which has seen it"
}

// saveAll writes attachments into a folder, under names that are free there.
func saveAll(folder string, files []letter.Attachment) error {
	for _, file := range files {
		f, err := create(filepath.Join(folder, letter.BaseName(file.Name)))
		if err != nil {
			return err
		}
		_, err = f.Write(file.Octets)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// create makes a file of that name, or of the name with a number where there is
// one.
func create(path string) (*os.File, error) {
	ext := filepath.Ext(path)
	for n := 1; ; n++ {
		name := path
		if n > 1 {
			name = fmt.Sprintf("%s-%d%s", path[:len(path)-len(ext)], n, ext)
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}
