package archive

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/restante/restante/pool"
)

// An Active is a newsgroup of another server.
type Active struct {
	Name    pool.Group
	High    pool.Number // the highest number that was ever given
	Empty   bool        // whether it has no article any more
	Posting pool.Posting
}

// maxActiveLine bounds a line of active and newsgroups, in octets.
const maxActiveLine = 4096

// ReadActive reads INN's active file: on each line name, high mark, low mark,
// flag. Left out are INN's own newsgroups (control, junk, to and those below
// them), aliases, and those of a name that none may have here; the latter are
// counted.
func ReadActive(r io.Reader) (groups []Active, unusable int, err error) {
	in := newLines(r, maxActiveLine)
	for number := 1; ; number++ {
		line, cut, err := in.next()
		if errors.Is(err, io.EOF) {
			return groups, unusable, nil
		} else if err != nil {
			return nil, 0, err
		}
		f := strings.Fields(string(line))
		if len(f) == 0 {
			continue
		}
		var high, low uint64
		err = errors.New("too few fields")
		if len(f) == 4 {
			var err2 error
			high, err = strconv.ParseUint(f[1], 10, 64)
			low, err2 = strconv.ParseUint(f[2], 10, 64)
			err = errors.Join(err, err2)
		}
		if err != nil || cut || high > uint64(pool.MaxNumber) {
			return nil, 0, fmt.Errorf("line %d of the active file is not of the form: name high low flag", number)
		}
		if inns(f[0]) || f[3][0] == '=' || f[3] == "j" {
			continue
		}
		name, err := pool.ParseGroup(f[0])
		if err != nil {
			unusable++
			continue
		}
		groups = append(groups, Active{Name: name, High: pool.Number(high), Empty: low > high, Posting: posting(f[3])})
	}
}

// inns says whether INN has a newsgroup for itself.
func inns(name string) bool {
	top, _, below := strings.Cut(name, ".")
	return top == "control" || top == "to" || name == "junk" && !below
}

func posting(flag string) pool.Posting {
	switch flag {
	case "y":
		return pool.PostingAllowed
	case "m":
		return pool.PostingModerated
	}
	return pool.PostingDenied
}

// ReadNewsgroups reads INN's newsgroups file: on each line a name, white space,
// a description.
func ReadNewsgroups(r io.Reader) (map[pool.Group]string, error) {
	out := make(map[pool.Group]string)
	in := newLines(r, maxActiveLine)
	for {
		line, _, err := in.next()
		if errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		text := strings.ToValidUTF8(string(line), "\ufffd")
		at := strings.IndexAny(text, " \t")
		if at < 0 {
			continue
		}
		if name, err := pool.ParseGroup(text[:at]); err == nil {
			out[name] = strings.TrimSpace(strings.Map(printable, text[at:]))
		}
	}
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
