package article

import (
	"strings"
	"testing"
)

// What an article leaves for the next one is bounded, whatever a peer sends.
func TestReset_keepsNoLargeHeader(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		kept   bool
	}{
		"of a few fields":            {"A: b\r\nC: d\r\n", true},
		"of many fields":             {strings.Repeat("A: b\r\n", spareHeader/6+1), false},
		"of one field of many lines": {"A: b\r\n" + strings.Repeat(" c\r\n", spareHeader/4), false},
		"that is refused in the end": {strings.Repeat("A: b\r\n", spareHeader/6+1) + "A\r\n", false},
	} {
		checked, err := Check([]byte(c.header + "\r\nbody\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		a := New()
		_ = a.Read(checked) // one is refused
		a.Reset()
		if len(a.fields) > 0 || cap(a.fields) > 0 != c.kept || a.body.Text != nil {
			t.Errorf("%s: memory of %d fields kept, and a body of %d octets", name, cap(a.fields), len(a.body.Text))
		}
	}
}
