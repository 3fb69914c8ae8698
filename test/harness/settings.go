package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/pool"
)

// Domain is the name of the gateways under test.
const Domain = "gw.example"

// A Setting is a line of the configuration that a test wants otherwise. Value
// is written as TOML has it, with the quotes of a string. A Key such as
// "[[peer]]" is a table that is added, and Value its lines.
type Setting struct{ Key, Value string }

// groups is what is added to the groups that a new gateway starts with.
const groups = `
[[group]]
name        = "misc.test"
description = "Try things out"
`

// initialise lets the gateway write its configuration and make its keys in
// folder, as its operator would, and changes some lines. It returns the path of
// the configuration.
func initialise(t testing.TB, folder string, settings []Setting) string {
	t.Helper()
	path := filepath.Join(folder, "restanted.toml")
	run(t, "init", "--domain", Domain, "--config", path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, groups...), 0o600); err != nil {
		t.Fatal(err)
	}
	change(t, path, append([]Setting{
		{"epoch_length", strconv.Quote(epochLength(time.Now()).String())}, {"batch_interval", `"1s"`},
	}, settings...)...)
	return path
}

// epochLength is near an hour, and such that no epoch ends in the next minutes: a
// test that is about something else must not depend on when it runs.
func epochLength(now time.Time) time.Duration {
	const test = 20 * time.Minute
	length := time.Hour
	for time.Duration(now.Unix())*time.Second%length > length-test {
		length += test
	}
	return length
}

// change rewrites lines of a configuration.
func change(t testing.TB, path string, settings ...Setting) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings {
		if strings.HasPrefix(s.Key, "[[") {
			text = fmt.Appendf(text, "\n%s\n%s\n", s.Key, s.Value)
			continue
		}
		line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(s.Key) + ` *=.*$`)
		if n := len(line.FindAll(text, -1)); n != 1 {
			t.Fatalf("the configuration has %d lines for %s, want 1", n, s.Key)
		}
		text = line.ReplaceAllLiteral(text, fmt.Appendf(nil, "%s = %s", s.Key, s.Value))
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs the gateway's program for a task that ends by itself and returns
// what it printed.
func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), Program(t), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("restanted %s: %v\n%s", args[0], err, out)
	}
	return string(bytes.TrimSpace(out))
}

// Quiet returns settings with which no batch leaves and no epoch ends while a test
// goes on: of some long intervals between batches it takes one that does not end
// within the next hour.
func Quiet() []Setting {
	const ahead = 100 // batches in an epoch
	now := time.Now()
	for interval := 24 * time.Hour; ; interval += time.Hour {
		calendar := pool.Calendar{BatchInterval: interval, EpochLength: ahead * interval}
		if calendar.Start(calendar.Batch(now)+1).Sub(now) > time.Hour {
			return []Setting{
				{"batch_interval", fmt.Sprintf("%q", interval)},
				{"epoch_length", fmt.Sprintf("%q", ahead*interval)},
				{"backlog", strconv.Itoa(ahead)},
			}
		}
	}
}

// Passphrase returns a new passphrase that the gateway itself made up.
func Passphrase(t testing.TB) string {
	t.Helper()
	return run(t, "passphrase")
}

// TryRun is [Gateway.Run] for a task that may fail.
func (g *Gateway) TryRun(args ...string) (string, error) {
	g.t.Helper()
	out, err := exec.CommandContext(g.t.Context(), Program(g.t), append(args, "--config", g.Config)...).CombinedOutput()
	return string(bytes.TrimSpace(out)), err
}

// Run runs a task of the gateway's program for this gateway, which must not run
// unless the task allows it, and returns what it printed.
func (g *Gateway) Run(args ...string) string {
	g.t.Helper()
	return run(g.t, append(args, "--config", g.Config)...)
}
