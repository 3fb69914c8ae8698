package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/matching"
	"github.com/sethvargo/go-diceware/diceware"
)

// MinBits is the strength asked of a passphrase where nothing else is
// configured, in bits of estimated entropy.
const MinBits = 70

const (
	// judged is how many characters of a passphrase count: the estimator's
	// time grows with the square of the length.
	judged = 64
	// leetSymbols are the characters that the estimator reads as letters too.
	leetSymbols = "4@8({[<3691!|70$5+%2"
	// maxLeet is how many different ones it may meet: it tries every
	// combination of readings, of which there are tens of thousands with all.
	maxLeet = 4
	// words of the EFF's long list, 12.9 bits each, make 77.5 bits.
	words = 6
)

// ErrWeakPassphrase is returned for a passphrase that could be guessed.
var ErrWeakPassphrase = errors.New("passphrase is too easy to guess")

// Judge returns ErrWeakPassphrase when the estimated entropy of the passphrase
// is under minBits, for someone who knows the handle. Only the first 64
// characters count. Time is bounded whatever the input.
func Judge(handle, passphrase string, minBits float64) error {
	if bits(handle, passphrase) < minBits {
		return ErrWeakPassphrase
	}
	return nil
}

// bits estimates a passphrase's entropy.
func bits(handle, passphrase string) float64 {
	s := plain(passphrase)
	known := []string{plain(handle)}
	if leetIn(s) <= maxLeet {
		return zxcvbn.PasswordStrength(s, known).Entropy
	}
	return min(
		zxcvbn.PasswordStrength(s, known, matching.FilterL33tMatcher).Entropy,
		zxcvbn.PasswordStrength(unleet(s), known, matching.FilterL33tMatcher).Entropy,
	)
}

// plain returns the first judged characters of s, those beyond ASCII replaced
// by ones of ASCII: a letter by a letter of its case, alphabets in order. The
// estimator counts octets, and would take a short word in Cyrillic for a long
// and strong one.
func plain(s string) string {
	out := make([]byte, 0, judged)
	for _, r := range s {
		if len(out) == judged {
			break
		}
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case unicode.IsUpper(r):
			out = append(out, byte('A'+r%26))
		case unicode.IsLetter(r):
			out = append(out, byte('a'+r%26))
		case unicode.IsDigit(r):
			out = append(out, byte('0'+r%10))
		default:
			out = append(out, '~')
		}
	}
	return string(out)
}

// leetIn counts the different leet symbols in s.
func leetIn(s string) int {
	n := 0
	for _, symbol := range leetSymbols {
		if strings.ContainsRune(s, symbol) {
			n++
		}
	}
	return n
}

// unleet reads every leet symbol as the letter that it most often stands for.
func unleet(s string) string {
	return strings.NewReplacer(
		"4", "a", "@", "a", "8", "b", "(", "c", "{", "c", "[", "c", "<", "c", "3", "e",
		"6", "g", "9", "g", "1", "i", "!", "i", "|", "i", "7", "t", "+", "t", "0", "o",
		"$", "s", "5", "s", "%", "x", "2", "z",
	).Replace(s)
}

// NewPassphrase returns a random passphrase of at least 77 bits that Judge
// accepts at MinBits, be the handle even a character or a word of it. It is
// lower-case words between hyphens: AUTHINFO PASS takes no spaces (RFC 4643,
// Section 2.3.1).
func NewPassphrase() (string, error) {
	for {
		list, err := diceware.Generate(words)
		if err != nil {
			return "", fmt.Errorf("passphrase: %w", err)
		}
		if slices.ContainsFunc(list, hyphenated) {
			continue // it could be read as two words, and so as another's phrase
		}
		if phrase := strings.Join(list, "-"); acceptable(phrase, list) {
			return phrase, nil
		}
	}
}

func hyphenated(word string) bool { return strings.Contains(word, "-") }

// acceptable says whether Judge accepts the phrase with a handle that has
// nothing to do with it, and with those that help a guesser most: one of its
// characters, the hyphen above all, or one of its words, hyphens included.
func acceptable(phrase string, list []string) bool {
	handles := append(strings.Split(phrase, ""), "")
	for _, word := range list {
		handles = append(handles, word, "-"+word, word+"-", "-"+word+"-")
	}
	slices.Sort(handles)
	return !slices.ContainsFunc(slices.Compact(handles), func(handle string) bool {
		return Judge(handle, phrase, MinBits) != nil
	})
}
