package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/restante/restante/crypto/identity"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"restante": func() {
			if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
				fmt.Fprintln(os.Stderr, "restante:", err)
				os.Exit(exitCode(err))
			}
		},
	})
}

func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){"quickkey": quickKey}})
}

// quickKey makes the key of the default profile in a folder, under the passphrase in
// a file: one whose opening takes no second, for scripts that open it often.
func quickKey(ts *testscript.TestScript, _ bool, args []string) {
	recipient, err := age.NewScryptRecipient(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	recipient.SetWorkFactor(4)
	folder := filepath.Join(ts.MkAbs(args[0]), "default")
	ts.Check(os.MkdirAll(folder, 0o700))
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	ts.Check(err)
	_, err = fmt.Fprintf(w, "restante-seed-v1 %s\n", base64.RawURLEncoding.EncodeToString(identity.NewSeed().Bytes()))
	ts.Check(errors.Join(err, w.Close()))
	ts.Check(os.WriteFile(filepath.Join(folder, "key.age"), sealed.Bytes(), 0o600))
}
