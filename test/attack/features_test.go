package attack

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"math"
	mathbits "math/bits"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/envelope"
)

// An observed is one entry of the pool as anybody can fetch it.
type observed struct {
	id      string
	head    string // its header, with dots for what may differ
	octets  int    // of the whole article
	tag     []byte
	sign    []byte
	body    string // base64, without line ends
	payload []byte
	batch   int // which one of those observed, from the first
	place   int // in it
	number  int
	stats   []float64 // of the payload
}

// fetch reads every entry of the pool over NNTP, a batch being size of them.
func (l *line) fetch(t *testing.T, size int) []observed {
	t.Helper()
	l.say("211", "GROUP restante.pool")
	var out []observed
	for n := 1; ; n++ {
		if got := l.ask("ARTICLE %d", n); !strings.HasPrefix(got, "220") {
			return out
		}
		text, err := l.conn.ReadDotBytes()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, observe(t, string(text), n, size))
	}
}

func observe(t *testing.T, text string, n, size int) observed {
	t.Helper()
	o := observed{number: n, batch: (n - 1) / size, place: (n - 1) % size, octets: len(text)}
	head, body, _ := strings.Cut(text, "\n\n")
	for _, field := range strings.Split(head, "\n") {
		name, value, _ := strings.Cut(field, ": ")
		var err error
		switch name {
		case "Message-ID":
			o.id = value
			o.tag, err = base64.RawURLEncoding.DecodeString(value[1:33])
			value = strings.Repeat(".", 32) + value[33:]
		case "Restante-Signature":
			o.sign, err = base64.RawURLEncoding.DecodeString(value)
			value = strings.Repeat(".", len(value))
		case "Date", "Xref":
			value = "." // Date is that of the batch, Xref says the number
		}
		if err != nil {
			t.Fatal(err)
		}
		o.head += name + ": " + value + "\n"
	}
	o.body = strings.ReplaceAll(body, "\n", "")
	var err error
	if o.payload, err = base64.StdEncoding.DecodeString(o.body); err != nil || len(o.payload) != envelope.PayloadSize {
		t.Fatalf("a body of %d octets, %v", len(o.payload), err)
	}
	o.stats = statistics(o.payload, o.body)
	return o
}

// features is every number that comes to mind about an entry: sizes; the place in
// its batch; each bit of the tag, of the signature and of the key that the payload
// begins with; and statistics of the ciphertext and its base64. Which batch it is
// in says when people wrote, which they do in fits: a flood fills some batches in a
// row, and so mail is more in one half of a history than in the other.
func (o *observed) features(size int) []float64 {
	f := []float64{float64(o.octets), float64(len(o.head)), float64(strings.Count(o.body, "="))}
	for place := range size {
		f = append(f, indicator(o.place == place))
	}
	f = append(f, bits(o.tag)...)
	f = append(f, bits(o.sign)...)
	f = append(f, bits(o.payload[:32])...)
	f = append(f, bits(o.payload[len(o.payload)-16:])...)
	return append(f, o.stats...)
}

func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func bits(octets []byte) []float64 {
	out := make([]float64, 0, 8*len(octets))
	for _, b := range octets {
		for i := range 8 {
			out = append(out, float64(b>>i&1))
		}
	}
	return out
}

// statistics are how often each octet and each character comes, chi-squared, the
// mean, the correlation of neighbours, and what is left when it is compressed, as
// a whole and for its end, where padding would be.
func statistics(payload []byte, text string) []float64 {
	var octets, characters [256]float64
	sum, neighbours := 0.0, 0.0
	for i, b := range payload {
		octets[b]++
		sum += float64(b)
		if i > 0 {
			neighbours += (float64(b) - 127.5) * (float64(payload[i-1]) - 127.5)
		}
	}
	for i := range len(text) {
		characters[text[i]]++
	}
	chi, expected := 0.0, float64(len(payload))/256
	for _, n := range octets {
		chi += (n - expected) * (n - expected) / expected
	}
	out := []float64{chi, sum, neighbours, compressed(payload), compressed(payload[len(payload)-2048:])}
	out = append(out, octets[:]...)
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		out = append(out, characters[c])
	}
	return out
}

func compressed(octets []byte) float64 {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a known one
	}
	_, _ = w.Write(octets)
	_ = w.Close()
	return float64(out.Len())
}

// pairFeatures is what two entries have in common, or not.
func pairFeatures(a, b *observed) []float64 {
	f := []float64{
		distance(a.tag, b.tag), distance(a.sign, b.sign), distance(a.payload[:32], b.payload[:32]), distance(a.payload, b.payload),
		math.Abs(float64(a.place - b.place)), float64(a.place - b.place), math.Abs(float64(a.number - b.number)),
		indicator(a.place == b.place), math.Abs(float64(a.octets - b.octets)), matches(a.payload, b.payload),
	}
	both := append(append([]byte(nil), a.payload...), b.payload...)
	f = append(f, compressed(both)-compressed(a.payload)-compressed(b.payload))
	f = append(f, exclusive(a.tag, b.tag)...)
	return append(f, exclusive(a.payload[:32], b.payload[:32])...)
}

// distance is in how many bits two texts differ.
func distance(a, b []byte) float64 {
	n := 0
	for i := range a {
		n += mathbits.OnesCount8(a[i] ^ b[i])
	}
	return float64(n)
}

func exclusive(a, b []byte) []float64 {
	x := make([]byte, len(a))
	for i := range x {
		x[i] = a[i] ^ b[i]
	}
	return bits(x)
}

// matches counts the octets that are equal at their place.
func matches(a, b []byte) float64 {
	n := 0.0
	for i := range a {
		n += indicator(a[i] == b[i])
	}
	return n
}
