package pool_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/restante/restante/pool"
)

func TestParseGroup_components(t *testing.T) {
	for _, name := range []string{"misc.test", "a", "comp.lang.c++", "alt.2600", "de.comp_x-y", "fr.été.naïf", "dk.Æøå", strings.Repeat("a", 200)} {
		if g, err := pool.ParseGroup(name); err != nil || string(g) != name {
			t.Errorf("%q: %q, %v", name, g, err)
		}
	}
	for _, name := range []string{
		"", ".", ".a", "a.", "a..b", "a b", "a\tb", "a,b", "a*", "a!b", "a/b", "a\x00", "a\x7f", "a\xff", "é.\xc3", strings.Repeat("a", 201),
	} {
		if g, err := pool.ParseGroup(name); !errors.Is(err, pool.ErrGroupName) {
			t.Errorf("%q: %q, %v", name, g, err)
		}
	}
}
