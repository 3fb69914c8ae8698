package inn

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// An answer is what a server said to one step, without what may differ between
// any two servers.
type answer struct {
	status string   // the code, and of the text what the RFC lays down
	lines  []string // of a multi-line response
	multi  bool
}

// What stands in place of a status when there is none.
const (
	hungUp = "(closed)"
	silent = "(silence)"
)

// silence is how long a server may say nothing. Both answer within milliseconds,
// but for logins: our passphrases are slow to check by design, several at once
// the more, and on a machine that runs other tests it takes its time.
const silence = 90 * time.Second

// A line is a connection to a server under comparison.
type line struct {
	net.Conn
	r *bufio.Reader
}

// talk holds a dialogue with the server at address, from the IP address from if
// that is not empty. There is an answer for the greeting, and one for each step
// and for each block that was asked for, until the server hung up.
func talk(from, address string, d dialogue) ([]answer, error) {
	var dialer net.Dialer
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	c := &line{conn, bufio.NewReader(conn)}
	answers := []answer{c.hear("")}
	for at := 0; at < len(d.steps); {
		end := at + 1
		for d.steps[end-1].joined && end < len(d.steps) {
			end++
		}
		heard := c.exchange(d.steps[at:end])
		answers = append(answers, heard...)
		if last := answers[len(answers)-1].status; last == hungUp || last == silent {
			break
		}
		at = end
	}
	return answers, nil
}

// exchange sends steps together and hears what is said to them.
func (c *line) exchange(steps []step) []answer {
	var out strings.Builder
	for _, s := range steps {
		out.WriteString(s.command + "\r\n")
		if s.blockAtOnce() {
			out.WriteString(s.blockText())
		}
	}
	// What a server says before it closes is read even where it stopped reading.
	_, _ = io.WriteString(c, out.String())
	var answers []answer
	for _, s := range steps {
		a := c.hear(s.command)
		answers = append(answers, a)
		if a.status == hungUp || a.status == silent {
			break
		}
		if a.status[0] == '3' && s.block != nil && !s.blockAtOnce() {
			_, _ = io.WriteString(c, s.blockText())
			answers = append(answers, c.hear(s.command))
		}
	}
	return answers
}

// hear reads the response to a command.
func (c *line) hear(command string) answer {
	_ = c.SetReadDeadline(time.Now().Add(silence))
	status, err := c.r.ReadString('\n')
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer{status: silent}
	case err != nil:
		return answer{status: hungUp}
	}
	a := answer{multi: isMulti(command, status)}
	for a.multi {
		text, err := c.r.ReadString('\n')
		text = strings.TrimSuffix(text, "\r\n")
		if err != nil || text == "." {
			if err != nil {
				a.lines = append(a.lines, hungUp)
			}
			break
		}
		a.lines = append(a.lines, text)
	}
	a.status = meaning(status)
	a.lines = normal(command, a.lines)
	return a
}

// isMulti says whether lines follow a status line (RFC 3977, Appendix C).
func isMulti(command, status string) bool {
	switch code, _, _ := strings.Cut(status, " "); strings.TrimSpace(code) {
	case "100", "101", "215", "220", "221", "222", "224", "225", "230", "231":
		return true
	case "211":
		return verb(command) == "LISTGROUP"
	}
	return false
}

// meaning is the part of a status line that the RFC gives a meaning: the code
// and, with some codes, the first words.
func meaning(status string) string {
	words := strings.Fields(status)
	if len(words) == 0 {
		return "(empty line)"
	}
	keep := 1
	switch words[0] {
	case "111":
		if len(words) > 1 && len(words[1]) == len("20060102150405") && strings.Trim(words[1], "0123456789") == "" {
			return "111 yyyymmddhhmmss"
		}
	case "211":
		keep = 5
	case "220", "221", "222", "223":
		keep = 3
		if len(words) > 1 && strings.Trim(words[1], "0123456789") != "" {
			keep = 1 // XHDR and XPAT
		}
	case "238", "239", "431", "438", "439":
		keep = 2
	}
	return strings.Join(words[:min(keep, len(words))], " ")
}

// ownGroup says whether a line of a list is of a group that only one of the
// servers has.
func ownGroup(text string) bool {
	name, _, _ := strings.Cut(text, " ")
	name, _, _ = strings.Cut(name, "\t")
	first, _, _ := strings.Cut(name, ".")
	return first == "restante" || first == "control" || first == "junk"
}

// normal takes out of the lines of a response what may differ: whose server it
// is, when a group was made, how many leading zeros a number has (RFC 3977,
// Section 9.8), and the order of lists that have none.
func normal(command string, lines []string) []string {
	words := strings.Fields(strings.ToUpper(command))
	if len(words) == 0 || lines == nil {
		return lines
	}
	variant := "ACTIVE"
	if len(words) > 1 {
		variant = words[1]
	}
	switch {
	case words[0] == "HELP":
		return nil // any text
	case words[0] == "CAPABILITIES":
		return capabilities(lines)
	case words[0] == "NEWGROUPS", words[0] == "LIST" && (variant == "ACTIVE" || variant == "COUNTS"):
		for i := range lines {
			lines[i] = plainNumbers(lines[i])
		}
	case words[0] == "LIST" && variant == "ACTIVE.TIMES":
		for i := range lines {
			if fields := strings.Fields(lines[i]); len(fields) == 3 {
				lines[i] = fields[0] + " seconds creator"
			}
		}
	case words[0] == "NEWNEWS":
		// The gateway's own directory is an article too, and so are posts.
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.HasSuffix(s, "@"+Domain+">") })
	case words[0] == "LIST" && variant == "NEWSGROUPS":
	case words[0] == "LIST" && variant == "SUBSCRIPTIONS":
		return slices.DeleteFunc(lines, ownGroup) // in order (RFC 6048, Section 2.6)
	default:
		return lines
	}
	lines = slices.DeleteFunc(lines, ownGroup)
	slices.Sort(lines)
	return lines
}

// plainNumbers takes the leading zeros from numbers.
func plainNumbers(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if i > 0 && strings.Trim(w, "0123456789") == "" {
			words[i] = strings.TrimLeft(w[:len(w)-1], "0") + w[len(w)-1:]
		}
	}
	return strings.Join(words, " ")
}

// capabilities sorts the labels and their arguments, whose order means nothing
// (RFC 3977, Section 5.2.2), and leaves out which software it is, and which
// mechanisms of SASL the machine happens to know.
func capabilities(lines []string) []string {
	for i, text := range lines {
		words := strings.Fields(text)
		if len(words) > 0 && (words[0] == "IMPLEMENTATION" || words[0] == "SASL") {
			words = words[:1]
		}
		if len(words) > 1 {
			slices.Sort(words[1:])
		}
		lines[i] = strings.Join(words, " ")
	}
	if len(lines) > 1 {
		slices.Sort(lines[1:]) // VERSION comes first (Section 3.3.2)
	}
	return lines
}
