package record_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A record is checked whole, with whatever buffer, as Read does.
func TestReader_check(t *testing.T) {
	payload := strings.Repeat("0123456789", 50)
	_, octets, at := written(t, "before", payload, "behind")
	for _, room := range []int{record.Overhead + 1, 64, record.Overhead + len(payload) - 1, record.Overhead + len(payload), 4096} {
		check := func(octets []byte) (first string, err error) {
			r, err := record.NewReader(bytes.NewReader(octets))
			if err != nil {
				t.Fatal(err)
			}
			err = r.Check(make([]byte, room), at[1], len(payload), func(b []byte) error {
				first = string(b)
				return nil
			})
			return first, err
		}
		want := payload[:min(len(payload), room-record.Overhead)]
		if first, err := check(octets); err != nil || first != want {
			t.Errorf("a buffer of %d: %q, %v; want %q", room, first, err, want)
		}
		for i := at[1]; i < at[2]; i++ {
			damaged := slices.Clone(octets)
			damaged[i] ^= 1 << (i % 8)
			if _, err := check(damaged); !errors.Is(err, pool.ErrCorrupt) {
				t.Errorf("a buffer of %d, octet %d flipped: %v, want ErrCorrupt", room, i-at[1], err)
			}
		}
		if _, err := check(octets[:at[2]-1]); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("a buffer of %d, cut short: %v, want ErrCorrupt", room, err)
		}
	}
}

func TestReader_places(t *testing.T) {
	_, octets, at := written(t, "first", "second")
	r, err := record.NewReader(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why  string
		at   int64
		size int
		room int
	}{
		{"another size", at[0], 4, 100},
		{"no record", at[0] + 1, 5, 100},
		{"in the file's header", 0, 5, 100},
		{"nothing", at[0], 0, 100},
		{"less than nothing", at[0], -1, 100},
		{"more than fits", at[0], 5, record.Overhead},
		{"behind the end", at[2], 5, 100},
	} {
		if _, err := r.ReadInto(make([]byte, c.room), c.at, c.size); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("%s: ReadInto: %v, want ErrCorrupt", c.why, err)
		}
		if err := r.Check(make([]byte, c.room), c.at, c.size, func([]byte) error { return nil }); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("%s: Check: %v, want ErrCorrupt", c.why, err)
		}
	}
	if err := r.Check(make([]byte, 100), at[1], len("second"), func([]byte) error { return io.ErrNoProgress }); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("begin's error: %v", err)
	}
	buf := make([]byte, 100)
	if got, err := r.ReadInto(buf, at[1], len("second")); err != nil || string(got) != "second" || &got[0] != &buf[record.Overhead] {
		t.Errorf("ReadInto: %q, %v; want it in the buffer", got, err)
	}
}
