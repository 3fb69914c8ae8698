package main

import (
	"net"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"restanted": main})
}

func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			_, port, err := net.SplitHostPort(harness.FreeAddress(t))
			e.Setenv("PORT", port)
			return err
		},
	})
}
