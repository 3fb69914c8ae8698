package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/restante/restante/cmd/restante/profile"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
)

func initCommand(who *user) *cobra.Command {
	c := &cobra.Command{
		Use:   "init",
		Short: "Make your key",
		Long: `init makes a new key, seals it under a passphrase of yours, and keeps it in a file
that only you can read. Nothing is sent anywhere. Then write down the words that
restante backup prints: without the file or the words your mail can be opened by
nobody.

With --words it makes the key of 24 words that were written down, read from
standard input.`,
		Example: "  restante init\n  restante init --profile work\n  restante init --words < words.txt",
		Args:    cobra.NoArgs,
	}
	words := c.Flags().Bool("words", false, "read the 24 words of a key from standard input")
	c.RunE = func(c *cobra.Command, _ []string) error {
		p, err := who.profile()
		if err != nil {
			return err
		}
		if p.Exists() {
			return profile.ErrExists
		}
		passphrase, err := who.newPassphrase(c)
		if err != nil {
			return err
		}
		seed := identity.NewSeed()
		if *words {
			if seed, err = readWords(c); err != nil {
				return err
			}
		}
		if err := p.Create(seed, passphrase); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Your key is in %s.\nNow run restante backup, and write its words down.\n", p.Key())
		return nil
	}
	return c
}

func readWords(c *cobra.Command) (*identity.Seed, error) {
	text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 4096))
	if err != nil {
		return nil, fmt.Errorf("read the words: %w", err)
	}
	return profile.FromWords(string(text))
}

func whoamiCommand(who *user) *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Say which profile this is, and the fingerprint of its public card",
		Long: `whoami prints the profile's name, where it lies, and the fingerprint of the key on
the card that you give to everybody. Read it to somebody over the telephone, and
she can tell that the card she has is yours.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p, seed, err := who.open(c)
			if err != nil {
				return err
			}
			others, err := profile.All(who.home)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "profile      %s\nkey          %s\nfingerprint  %s\nprofiles     %s\n",
				p.Name, p.Key(), contact.Fingerprint(identity.NewE2EPublic(seed.E2EKey(publicMailbox))), strings.Join(others, " "))
			return nil
		},
	}
}

// publicMailbox is the number of the mailbox on the card that is for everybody.
// Each correspondent whom one writes to first has one of her own.
const publicMailbox = 0

func backupCommand(who *user) *cobra.Command {
	return &cobra.Command{
		Use:   "backup",
		Short: "Print the 24 words that your key can be made of again",
		Long: `backup prints your key as 24 words. Write them on paper and keep it where you keep
what is dear to you. Whoever has the words reads your mail. restante init --words
makes the key of them again.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, seed, err := who.open(c)
			if err != nil {
				return err
			}
			words, err := profile.Words(seed)
			if err != nil {
				return err
			}
			for list := strings.Fields(words); len(list) > 0; list = list[6:] {
				fmt.Fprintln(c.OutOrStdout(), strings.Join(list[:6], " "))
			}
			return nil
		},
	}
}

func exportCommand(who *user) *cobra.Command {
	return &cobra.Command{
		Use:   "export FILE",
		Short: "Copy the key file, sealed under its passphrase, to take it to another machine",
		Long: `export copies the key file as it is: sealed under your passphrase, in the format of
age (age-encryption.org). FILE must not be there yet; - is standard output.`,
		Example: "  restante export key.age",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := who.profile()
			if err != nil {
				return err
			}
			sealed, err := p.Export()
			if err != nil {
				return err
			}
			if args[0] == "-" {
				_, err = c.OutOrStdout().Write(sealed)
				return err
			}
			file, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s is there already and is not overwritten: name another file", args[0])
			} else if err != nil {
				return err
			}
			_, err = file.Write(sealed)
			return errors.Join(err, file.Sync(), file.Close())
		},
	}
}

func importCommand(who *user) *cobra.Command {
	return &cobra.Command{
		Use:     "import FILE",
		Short:   "Make a profile of a key file that restante export wrote",
		Long:    `import makes the profile of a key file from another machine. The passphrase stays the same. - is standard input.`,
		Example: "  restante import key.age --profile work",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := who.profile()
			if err != nil {
				return err
			}
			if p.Exists() {
				return profile.ErrExists
			}
			sealed, err := readFile(c, args[0])
			if err != nil {
				return err
			}
			passphrase, err := who.passphrase(c, "The passphrase of that key: ")
			if err != nil {
				return err
			}
			if err := p.Import(sealed, passphrase); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Your key is in %s.\n", p.Key())
			return nil
		},
	}
}

func readFile(c *cobra.Command, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(c.InOrStdin(), 1<<20))
	}
	return os.ReadFile(name)
}
