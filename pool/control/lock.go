package control

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
)

// Lock returns the Cancel-Lock header field of an article whose key is K (RFC
// 8315, Section 2.1).
func Lock(k [sha256.Size]byte) string {
	sum := sha256.Sum256([]byte(base64.StdEncoding.EncodeToString(k[:])))
	return "sha256:" + base64.StdEncoding.EncodeToString(sum[:])
}

// Key returns the Cancel-Key header field that opens [Lock] (RFC 8315, Section
// 2.2).
func Key(k [sha256.Size]byte) string { return "sha256:" + base64.StdEncoding.EncodeToString(k[:]) }

// Opens says whether one of the keys of a Cancel-Key header field fits one of
// the locks of a Cancel-Lock header field (RFC 8315, Section 3.5). It knows the
// schemes sha256 and sha512. Others are skipped, sha1 among them: the newsreaders
// that still made such locks are older than any article kept here.
func Opens(keys, locks string) bool {
	known := make(map[element]bool)
	for _, lock := range elements(locks) {
		known[lock] = true
	}
	for _, key := range elements(keys) {
		var sum string
		switch key.scheme {
		case "sha256":
			s := sha256.Sum256([]byte(key.value))
			sum = base64.StdEncoding.EncodeToString(s[:])
		case "sha512":
			s := sha512.Sum512([]byte(key.value))
			sum = base64.StdEncoding.EncodeToString(s[:])
		default:
			continue
		}
		if known[element{key.scheme, sum}] {
			return true
		}
	}
	return false
}

// An element is one lock or key.
type element struct{ scheme, value string }

// elements reads a list of locks or keys. Comments are passed over, and what is
// neither lock nor key.
func elements(list string) []element {
	var out []element
	for _, word := range strings.Fields(withoutComments(list)) {
		if scheme, value, ok := strings.Cut(word, ":"); ok && value != "" {
			out = append(out, element{strings.ToLower(scheme), value})
		}
	}
	return out
}

// withoutComments puts a space in the place of each comment (RFC 5322, Section
// 3.2.2). One that does not end goes to the end.
func withoutComments(s string) string {
	if !strings.Contains(s, "(") {
		return s
	}
	var out strings.Builder
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
			out.WriteByte(' ')
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}
