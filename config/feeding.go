package config

import (
	"encoding/hex"
	"fmt"
	"net/mail"
	"net/netip"
	"regexp"
	"strings"

	"github.com/restante/restante/pool"
)

// posting checks who may post to a group, and who moderates it.
func (c *checker) posting(key string, g Group) {
	switch g.Posting {
	case "y", "n":
		if g.Moderator != "" {
			c.say(key+".moderator", `only a group with posting = "m" has a moderator: write that, or remove this line`)
		}
	case "m":
		if !isModerator(g.Moderator) {
			c.say(key+".moderator", `write the moderator's token in angle brackets, like "<...@news.example.org>", or a mail address`)
		}
	default:
		c.say(key+".posting", `unknown: write "y" (anyone may post), "n" (nobody) or "m" (what its moderator approves)`)
	}
}

func isModerator(s string) bool {
	if strings.HasPrefix(s, "<") {
		_, err := pool.ParseMessageID(s)
		return err == nil && strings.Contains(s, "@")
	}
	address, err := mail.ParseAddress(s)
	return err == nil && address.Name == "" && address.Address == s && len(s) <= 250
}

// distributions checks the distributions (RFC 5536, Section 3.2.4).
func (c *checker) distributions(all []Distribution) {
	name := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+_-]*$`)
	seen := make(map[string]bool)
	for i, d := range all {
		key := fmt.Sprintf("distribution.%d", i)
		folded := strings.ToLower(d.Name)
		switch {
		case !name.MatchString(d.Name) || folded == "all":
			c.say(key, `has no usable name: write one of letters, digits, '+', '-' and '_', like name = "de"`)
		case seen[folded]:
			c.say(key+".name", "written twice: remove one of the two [[distribution]] tables")
		}
		seen[folded] = true
		if d.Description == "" || strings.ContainsAny(d.Description, "\r\n\x00") || strings.TrimSpace(d.Description) != d.Description {
			c.say(key+".description", "write one line that says what the distribution is")
		}
		if d.Weight < 0 {
			c.say(key+".weight", "%d is negative: write 0 or more", d.Weight)
		}
		if d.Groups != "" && !isWildmat(d.Groups) {
			c.say(key+".groups", `not a wildmat: write patterns like "de.*,!de.test" (no colon in them)`)
		}
	}
}

// isWildmat follows RFC 3977, Section 4.1.
func isWildmat(s string) bool {
	for pattern := range strings.SplitSeq(s, ",") {
		pattern = strings.TrimPrefix(pattern, "!")
		if pattern == "" || strings.ContainsAny(pattern, "!\\[]: \t\r\n\x00") {
			return false
		}
	}
	return true
}

// ParsePrefix reads a network, or one address as a network of its own.
func ParsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("not an address or network: %q", s)
	}
	return a.Unmap().Prefix(a.Unmap().BitLen())
}

// ParseFingerprint reads "sha256:" and 64 hexadecimal digits, with colons
// between them or not.
func ParseFingerprint(s string) ([32]byte, error) {
	digits, ok := strings.CutPrefix(strings.ToLower(s), "sha256:")
	octets, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	if !ok || err != nil || len(octets) != 32 {
		return [32]byte{}, fmt.Errorf("not a fingerprint: %q", s)
	}
	return [32]byte(octets), nil
}
