package identity

import (
	"fmt"
	"io"
)

const redacted = "[secret]"

// Secret is for embedding in a type: its values then show themselves as
// "[secret]" wherever one slips into a log line, an error, or JSON. It also takes away
// ==, which would not compare in constant time.
type Secret struct {
	_ [0]func()
}

// String returns "[secret]".
func (Secret) String() string { return redacted }

// GoString returns "[secret]".
func (Secret) GoString() string { return redacted }

// Format writes "[secret]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[secret]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[secret]" in quotes.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
