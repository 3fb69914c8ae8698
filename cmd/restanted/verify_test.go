package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/mirror"
)

// Where there is nothing to compare, verify says why, and what to do.
func TestVerify_saysWhyNothingIsThere(t *testing.T) {
	signer, err := note.NewSigner("a.example", note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := new(cobra.Command)
	c.SetOut(&bytes.Buffer{})
	c.SetErr(&said)
	v := verifying{c: c}
	v.listen([]mirror.Unheard{{Domain: "a.example", Key: signer.Verifier()}, {Domain: "b.example"}})
	for _, want := range []string{"(?m)^a.example: .*ask its operator for the key of now", "(?m)^b.example: .*no directory of it has come yet"} {
		if !regexp.MustCompile(want).Match(said.Bytes()) {
			t.Errorf("it does not say %q: %s", want, &said)
		}
	}
	if v.unheard != 2 {
		t.Errorf("%d count as lacking", v.unheard)
	}
	v = verifying{c: c, only: []string{"c.example"}}
	if v.listen([]mirror.Unheard{{Domain: "a.example"}}); v.unheard != 0 {
		t.Error("one that was not asked for counts as lacking")
	}

	said.Reset()
	young := line{Server: self, Tally: mirror.Tally{Gateway: "young.example", Batches: 3}}
	well := line{Server: self, Tally: mirror.Tally{Gateway: "well.example", Batches: 3, Manifests: 3}}
	if err := report(c, []line{young, well}, false); !errors.Is(err, errLacking) {
		t.Errorf("nothing of one gateway is there: %v", err)
	}
	if got := said.String(); !strings.Contains(got, "young.example: no manifest of it is to be found") || strings.Contains(got, "well") {
		t.Errorf("it says %q", got)
	}
}
