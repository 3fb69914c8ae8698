package envelope

import (
	"errors"
	"testing"
)

// Split itself would need a gigabyte for this.
func TestFragmentCount_endsWhereTwoOctetsEnd(t *testing.T) {
	for _, c := range []struct {
		size, want int
		err        error
	}{
		{0, 1, nil},
		{1, 1, nil},
		{MaxContent, 1, nil},
		{MaxContent + 1, 2, nil},
		{MaxMessage, 65535, nil},
		{MaxMessage + 1, 0, ErrTooLong},
	} {
		got, err := fragmentCount(c.size)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d octets: %d fragments, %v", c.size, got, err)
		}
	}
}
