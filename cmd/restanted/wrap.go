package main

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

func wrapCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "wrap",
		Short: "Encrypt the key files, under a passphrase or a key file",
		Long: `wrap puts an encrypted file (of age's format) in the place of each key file, and
overwrites the plain ones. From then on the gateway starts only with the
passphrase, or with the key file that keys.key_file names. Keys that come later
are wrapped the same way.

Where keys.key_file is set, they are wrapped under that. Otherwise it takes a new
passphrase, from keys.passphrase_file or from the terminal. A passphrase or key
file that is lost is lost with all keys: keep a copy elsewhere.`,
		Example: "  restanted keys wrap",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, l, err := listing(*path)
		if err != nil {
			return err
		}
		if l.Wrapping != keyring.Plain {
			return fmt.Errorf("%w: to wrap them under something else, unwrap them first", keyring.ErrWrapped)
		}
		dir := gateway.KeyDir(conf.Data)
		passphrase := ""
		if conf.Keys.KeyFile == "" {
			if passphrase, err = newPassphrase(c, conf); err != nil {
				return err
			}
		}
		s, err := settings(conf, zerolog.Nop())
		if err != nil {
			return err
		}
		err = gateway.Alone(s, func() error {
			lock, err := newLock(conf, dir, passphrase)
			if err != nil {
				return err
			}
			return keyring.Wrap(dir, lock)
		})
		if err == nil {
			fmt.Fprintf(c.OutOrStdout(), "The keys in %s are wrapped. Older copies of them are not: destroy those.\n", dir)
		}
		return err
	}
	return c
}

func newLock(conf config.Config, dir, passphrase string) (*keyring.Lock, error) {
	if conf.Keys.KeyFile == "" {
		return keyring.NewPassphrase(dir, passphrase)
	}
	lock, err := keyring.ReadKeyFile(conf.Keys.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", conf.Keys.KeyFile, err)
	}
	return lock, nil
}

// leastBits is the weakest passphrase that keys are wrapped under, as zxcvbn
// estimates it. Whoever has the files guesses without anybody noticing.
const leastBits = 70

// newPassphrase takes a passphrase that is not in use yet.
func newPassphrase(c *cobra.Command, conf config.Config) (string, error) {
	passphrase, err := typedOrRead(c, conf)
	if err != nil {
		return "", err
	}
	if err := identity.Judge("restanted", passphrase, leastBits); err != nil {
		return "", fmt.Errorf(`%w: "restanted passphrase" makes a good one`, err)
	}
	return passphrase, nil
}

// typedOrRead takes a passphrase from the configured file, or has it typed twice.
func typedOrRead(c *cobra.Command, conf config.Config) (string, error) {
	if conf.Keys.PassphraseFile != "" {
		return readPassphrase(conf.Keys.PassphraseFile)
	}
	passphrase, err := ask(c, "New passphrase: ")
	if err != nil {
		return "", err
	}
	again, err := ask(c, "The same again: ")
	if err == nil && again != passphrase {
		err = errors.New("the two passphrases differ: try again")
	}
	return passphrase, err
}

func unwrapCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "unwrap",
		Short:   "Put the key files in the clear again",
		Long:    `unwrap undoes wrap: afterwards whoever reads the key folder has the keys.`,
		Example: "  restanted keys unwrap",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, l, err := listing(*path)
		if err != nil {
			return err
		}
		if l.Wrapping == keyring.Plain {
			return keyring.ErrPlain
		}
		lock, err := unlock(c, conf)
		if err != nil {
			return err
		}
		dir := gateway.KeyDir(conf.Data)
		s, err := settings(conf, zerolog.Nop())
		if err != nil {
			return err
		}
		err = gateway.Alone(s, func() error { return keyring.Unwrap(dir, lock) })
		if err == nil {
			fmt.Fprintf(c.OutOrStdout(), "The keys in %s are in the clear.\n", dir)
		}
		return err
	}
	return c
}
