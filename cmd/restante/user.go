package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/restante/restante/cmd/restante/profile"
	"github.com/restante/restante/crypto/identity"
)

// A user is who the command line says that it is for.
type user struct {
	home, name     string
	passphraseFile string
}

func (u *user) profile() (*profile.Profile, error) {
	p, err := profile.At(u.home, u.name)
	if err != nil {
		return nil, fmt.Errorf("--profile: %w", err)
	}
	return p, nil
}

// open returns the profile and its seed, for whoever knows the passphrase.
func (u *user) open(c *cobra.Command) (*profile.Profile, *identity.Seed, error) {
	p, err := u.profile()
	if err != nil {
		return nil, nil, err
	}
	if !p.Exists() {
		return nil, nil, profile.ErrNone
	}
	passphrase, err := u.passphrase(c, "Passphrase: ")
	if err != nil {
		return nil, nil, err
	}
	seed, err := p.Open(passphrase)
	return p, seed, err
}

var (
	errNotATerminal = errors.New("there is no terminal to ask for the passphrase on: name a file with --passphrase-file")
	errEmpty        = errors.New("the passphrase is empty")
	errDiffers      = errors.New("the two passphrases differ: nothing was made")
)

// passphrase reads the passphrase from its file, or asks for it.
func (u *user) passphrase(c *cobra.Command, prompt string) (string, error) {
	line, err := u.ask(c, prompt)
	if err == nil && line == "" {
		err = errEmpty
	}
	return line, err
}

func (u *user) ask(c *cobra.Command, prompt string) (string, error) {
	switch u.passphraseFile {
	case "":
	case "-":
		return firstLine(c.InOrStdin())
	default:
		f, err := os.Open(u.passphraseFile)
		if err != nil {
			return "", fmt.Errorf("--passphrase-file: %w", err)
		}
		defer func() { _ = f.Close() }()
		return firstLine(f)
	}
	terminal, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", errNotATerminal
	}
	fmt.Fprint(c.ErrOrStderr(), prompt)
	line, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(c.ErrOrStderr())
	return string(line), err
}

// firstLine reads no further than the line's end, so that what follows on the
// same input is left.
func firstLine(r io.Reader) (string, error) {
	var line strings.Builder
	for octet := make([]byte, 1); line.Len() < bufio.MaxScanTokenSize; {
		n, err := r.Read(octet)
		if n == 1 && octet[0] != '\n' {
			line.WriteByte(octet[0])
			continue
		}
		if n == 1 || errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the passphrase: %w", err)
		}
	}
	return strings.TrimSuffix(line.String(), "\r"), nil
}

// newPassphrase asks for a passphrase that is to be, twice on a terminal, and
// judges it.
func (u *user) newPassphrase(c *cobra.Command) (string, error) {
	passphrase, err := u.passphrase(c, "A passphrase for the key file: ")
	if err != nil {
		return "", err
	}
	if u.passphraseFile == "" {
		again, err := u.passphrase(c, "The same once more: ")
		if err != nil {
			return "", err
		}
		if again != passphrase {
			return "", errDiffers
		}
	}
	if err := identity.Judge("", passphrase, fileBits); err != nil {
		return "", fmt.Errorf("%w: take more words, or the ones that restanted passphrase prints", err)
	}
	return passphrase, nil
}

// fileBits is the weakest passphrase taken for a key file. It may be weaker than
// a login's: who wants to guess it needs the file first, and pays scrypt's
// second for each guess.
const fileBits = 45
