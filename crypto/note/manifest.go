package note

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

const headManifest = "restante manifest v1"

// tagSize is the length of an entry's tag in octets, of which base64url makes
// 32 characters.
const tagSize = 24

// A Manifest lists what one batch released (docs/protocol.md, section 7).
type Manifest struct {
	Domain   string
	Batch    uint64
	Previous [sha256.Size]byte // Hash of the previous manifest's text; zero for the first, written "-"
	Entries  []ManifestEntry   // in any order; ParseManifest gives them sorted by tag
}

// A ManifestEntry is one entry of a batch.
type ManifestEntry struct {
	Tag     string            // 32 base64url characters
	Payload [sha256.Size]byte // SHA-256 of the payload's octets
}

// Text returns the manifest's text, its entries sorted by tag. It doesn't check
// them: what ParseManifest would refuse comes out as it went in.
func (m *Manifest) Text() string {
	entries := slices.SortedFunc(slices.Values(m.Entries), func(a, b ManifestEntry) int {
		return strings.Compare(a.Tag, b.Tag)
	})
	var out strings.Builder
	out.WriteString(headManifest + "\ndomain " + m.Domain)
	out.WriteString("\nbatch " + strconv.FormatUint(m.Batch, 10))
	out.WriteString("\nprevious " + encodeHash(m.Previous))
	out.WriteString("\nentries " + strconv.Itoa(len(entries)) + "\n")
	for _, e := range entries {
		out.WriteString(e.Tag + " " + base64.RawURLEncoding.EncodeToString(e.Payload[:]) + "\n")
	}
	return out.String()
}

// ParseManifest reads a manifest's text, which Text gives back octet for octet.
// It returns ErrMalformed for anything else: a tag twice, tags out of order, a
// number with a leading zero, a second encoding of the same octets.
func ParseManifest(text string) (*Manifest, error) {
	r := newReader(text)
	r.literal(headManifest)
	m := &Manifest{
		Domain:   r.domain("domain"),
		Batch:    r.number("batch"),
		Previous: r.hash("previous"),
	}
	count := r.number("entries")
	if r.failed || count != uint64(len(r.lines)) {
		return nil, ErrMalformed
	}
	last := ""
	for range count {
		tag, payload, _ := strings.Cut(r.next(), " ")
		_, ok := decode(tag, tagSize)
		r.check(ok && tag > last)
		m.Entries = append(m.Entries, ManifestEntry{Tag: tag, Payload: r.octets(payload)})
		last = tag
	}
	if !r.end() {
		return nil, ErrMalformed
	}
	return m, nil
}
