package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/certs"
	"github.com/restante/restante/gateway/keyring"
)

const configFlag = "config"

func addConfigFlag(c *cobra.Command) *string {
	path := c.Flags().StringP(configFlag, "c", "restanted.toml", "the configuration `file`")
	_ = c.MarkFlagFilename(configFlag, "toml")
	return path
}

func initCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init --domain NAME",
		Short: "Write a commented configuration and make the gateway's keys",
		Long: `init writes a configuration with every key explained, and makes the gateway's
keys in the data folder beside it, readable by you alone. Neither a file nor a
key that is there already is ever overwritten.`,
		Example: "  restanted init --domain news.example.org --config restanted.toml",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	domain := c.Flags().String("domain", "", "the gateway's `name` in Message-IDs and tokens: a host name that stays yours")
	_ = c.MarkFlagRequired("domain")
	c.RunE = func(c *cobra.Command, _ []string) error {
		data, err := initialise(*path, *domain)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "Wrote %s and the keys in %s.\nKeep a copy of the keys in a safe place: without them no token and no mailbox can be opened.\nNow look through the file, and run: restanted serve --config %s\n",
			*path, gateway.KeyDir(data), *path)
		return nil
	}
	return c
}

// initialise writes the configuration and makes the keys. It returns the data
// folder.
func initialise(path, domain string) (string, error) {
	if err := config.CheckDomain(domain); err != nil {
		return "", fmt.Errorf("--domain: %w", err)
	}
	conf := config.Default(domain)
	text, err := config.Template(conf)
	if err != nil {
		return "", err
	}
	data := filepath.Join(filepath.Dir(path), conf.Data)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s is there already and is not overwritten: remove it first, or name another file with --config", path)
	}
	err = keyring.Create(gateway.KeyDir(data))
	if errors.Is(err, keyring.ErrExists) {
		return "", fmt.Errorf("%s holds a gateway's keys already, which are never overwritten: move the folder away, or write the configuration elsewhere", gateway.KeyDir(data))
	} else if err != nil {
		return "", fmt.Errorf("make the keys: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	_, err = file.Write(text)
	return data, errors.Join(err, file.Close())
}

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "check",
		Short:   "Say what is wrong with a configuration",
		Long:    `check reads a configuration as serve would and says what is wrong with it, with line, column and what to write instead. It changes nothing.`,
		Example: "  restanted check --config restanted.toml",
		Args:    cobra.NoArgs,
	}
	path := addConfigFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		conf, err := load(*path)
		if err != nil {
			return err
		}
		if _, err := settingsFrom(*path, conf, zerolog.Nop()); err != nil {
			return err
		}
		if err := keyring.Check(gateway.KeyDir(conf.Data)); errors.Is(err, keyring.ErrNoKeys) {
			return fmt.Errorf("%s is right, but there are no keys in %s: run restanted init, or bring the keys back", *path, gateway.KeyDir(conf.Data))
		} else if err != nil {
			return err
		}
		if err := checkCertificate(conf); err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s is right\n", *path)
		return nil
	}
	return c
}

// checkCertificate says what newsreaders would not like of the certificate's
// files.
func checkCertificate(conf config.Config) error {
	if conf.TLS.Certificate == "" {
		return nil
	}
	source, err := certs.New(*certificates(conf, zerolog.Nop()))
	if err != nil {
		return err
	}
	if err := source.Check(time.Now()); err != nil {
		return fmt.Errorf("%s: %w", conf.TLS.Certificate, err)
	}
	return nil
}

// load reads a configuration and says whose problems they are.
func load(path string) (config.Config, error) {
	conf, err := config.Load(path)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		return conf, fmt.Errorf("%s:\n%w", path, err)
	case errors.Is(err, fs.ErrNotExist):
		return conf, fmt.Errorf("there is no %s: write one with restanted init, or name it with --config", path)
	}
	return conf, err
}

func passphraseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "passphrase",
		Short: "Print a new passphrase that is good enough to log in with",
		Long: `passphrase prints random words, diceware style. Together with a handle of your
choice they are your whole account: write them down. Nobody can recover or
change them, and nothing of them is stored anywhere.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			words, err := identity.NewPassphrase()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), words)
			return err
		},
	}
}
