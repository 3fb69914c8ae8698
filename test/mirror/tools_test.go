package mirror

import (
	"strings"
	"testing"
)

// An operator fetches a pool without a feed, by hand, and looks what is lacking.
func TestTools_pullAndVerify(t *testing.T) {
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	holds(t, a, "a.example", 10)
	b.Stop()
	said := b.Run("pull", "--from", a.Address, "--security", "none", "--groups", "restante.*")
	if !strings.Contains(said, "refused 0") || strings.Contains(said, "taken 0,") {
		t.Errorf("pull says: %s", said)
	}
	again := ""
	for range 2 { // one directory more, if the hour has turned
		if again = b.Run("pull", "--from", a.Address, "--security", "none", "--groups", "restante.keys"); strings.Contains(again, "listed 0") {
			break
		}
	}
	if !strings.Contains(again, "listed 0") {
		t.Errorf("pull says again: %s", again)
	}
	b.Restart()
	connect(t, b, link{domain: "a.example", to: a, reads: true})
	follows(t, b, a, "a.example", 10)
	told := ""
	defer func() { t.Logf("verify says at last:\n%s", told) }()
	await(t, "verify says that nothing is missing", func() bool {
		var err error
		told, err = b.TryRun("verify", "--peer", "a.example", "--gateway", "a.example", "--batches", "3")
		return err == nil && strings.Contains(told, "this gateway") && strings.Count(told, "3 of 3") == 2 && strings.Count(told, "0.00 %") == 2
	})
	// A gateway is younger than entries are kept, and nobody mirrors this one.
	told, err := b.TryRun("verify", "--peer", "a.example", "--gateway", "b.example")
	if err == nil || !strings.Contains(told, "100.00 %") || !strings.Contains(told, " 0.00 %") {
		t.Errorf("verify of the own pool: %v\n%s", err, told)
	}
	if told, err := b.TryRun("verify", "--gateway", "b.example"); err != nil {
		t.Errorf("verify of a whole pool: %v\n%s", err, told)
	}
	// A name that is misspelt must not pass for a gateway of which nothing is missing.
	if told, err := b.TryRun("verify", "--gateway", "a.exmaple"); err == nil {
		t.Errorf("verify of a gateway that there is not: %s", told)
	}
}
