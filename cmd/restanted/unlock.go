package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

// credential is the name under which systemd may hand over the passphrase.
const credential = "restanted-passphrase"

// unlock returns what opens the gateway's keys; nil when they are not wrapped.
func unlock(c *cobra.Command, conf config.Config) (*keyring.Lock, error) {
	dir := gateway.KeyDir(conf.Data)
	wrapping, err := keyring.WrappingOf(dir)
	switch {
	case errors.Is(err, keyring.ErrNoKeys):
		return nil, nil // serve says what to do
	case err != nil:
		return nil, err
	case wrapping == keyring.UnderPassphrase:
		passphrase, err := passphraseOf(c, conf)
		if err != nil {
			return nil, err
		}
		lock, err := keyring.UnlockPassphrase(dir, passphrase)
		if err != nil {
			return nil, fmt.Errorf("open the keys in %s: %w", dir, err)
		}
		return lock, nil
	case wrapping == keyring.UnderKeyFile && conf.Keys.KeyFile == "":
		return nil, fmt.Errorf("the keys in %s are wrapped under a key file: name it in keys.key_file", dir)
	case wrapping == keyring.UnderKeyFile:
		lock, err := keyring.ReadKeyFile(conf.Keys.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", conf.Keys.KeyFile, err)
		}
		return lock, nil
	}
	return nil, nil
}

// passphraseOf returns the passphrase of wrapped keys: from the configured file,
// from systemd, or from the terminal.
func passphraseOf(c *cobra.Command, conf config.Config) (string, error) {
	if conf.Keys.PassphraseFile != "" {
		return readPassphrase(conf.Keys.PassphraseFile)
	}
	if folder := os.Getenv("CREDENTIALS_DIRECTORY"); folder != "" {
		passphrase, err := readPassphrase(filepath.Join(folder, credential))
		if !errors.Is(err, fs.ErrNotExist) {
			return passphrase, err
		}
	}
	return ask(c, "Passphrase of the keys: ")
}

// readPassphrase returns the first line of a file.
func readPassphrase(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	defer clear(text)
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return "", fmt.Errorf("%s: the first line, which should be the passphrase, is empty", path)
	}
	return string(line), nil
}

// ask asks on the terminal for something that is not shown.
func ask(c *cobra.Command, prompt string) (string, error) {
	terminal, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", fmt.Errorf("a passphrase is needed, and there is no terminal to ask on: set keys.passphrase_file, or give systemd the credential %q", credential)
	}
	fmt.Fprint(c.ErrOrStderr(), prompt)
	typed, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(c.ErrOrStderr())
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	defer clear(typed)
	return string(typed), nil
}
