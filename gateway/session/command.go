package session

import (
	"context"
	"strings"

	"github.com/restante/restante/gateway/nntp"
)

// A command is a row of the one table of commands.
type command struct {
	name   string // in capitals; two words where the first has variants
	syntax string // of the arguments, as HELP shows it
	run    func(s *session, ctx context.Context, req request) (response, error)

	min, max int                    // how many arguments it takes; a max of -1 is any number
	needs    []func(*session) error // what must hold first; each says what is missing
	bare     bool                   // the variant that is meant by the first word alone
	block    bool                   // a block follows the line at once, also where the command fails
	streams  bool                   // its reply may come later, while the commands behind it go on

	rfc        string     // where it is specified: in an RFC, or in docs/protocol.md
	capability capability // what CAPABILITIES says of it, while its needs hold
	offered    needs      // what must hold beside them for it to be said
	also       []offer    // what CAPABILITIES says beside it

	longest int // octets of its line with CRLF; 0 stands for nntp.MaxLine
}

// A capability is a label of CAPABILITIES with the argument that the command
// adds to it (RFC 3977, Section 5.2). The zero value adds nothing.
type capability struct{ label, argument string }

// An offer is a capability and what must hold for it to be said.
type offer struct {
	capability
	needs needs
}

// A request is one command line, taken apart.
type request struct {
	args []string
	tail string // all behind the command's name and white space, as it came
}

// unlimited is the max of a command that takes any number of arguments.
const unlimited = -1

// index makes the maps that commands are found by.
func (srv *Server) index() {
	srv.commands = make(map[string]*command, len(srv.table))
	srv.variants = make(map[string]string)
	for i := range srv.table {
		c := &srv.table[i]
		srv.commands[c.name] = c
		if first, second, ok := strings.Cut(c.name, " "); ok {
			if c.bare {
				srv.variants[first] = second
			} else if _, known := srv.variants[first]; !known {
				srv.variants[first] = ""
			}
		}
	}
}

// find takes a line apart and finds its command, which it also returns with
// errSyntax. Keywords are read without regard to case (RFC 3977, Section 3.1).
func (srv *Server) find(line string) (*command, request, error) {
	c, req, err := srv.lookUp(line)
	longest := nntp.MaxLine
	if c != nil {
		longest = max(longest, c.longest)
	}
	if len(line)+len("\r\n") > longest {
		return nil, request{}, nntp.ErrLineTooLong
	}
	return c, req, err
}

func (srv *Server) lookUp(line string) (*command, request, error) {
	word, tail := cutWord(line)
	name := strings.ToUpper(word)
	if bare, ok := srv.variants[name]; ok {
		variant := bare
		if word, rest := cutWord(tail); word != "" {
			variant, tail = strings.ToUpper(word), rest
		}
		if srv.commands[name+" "+variant] == nil {
			return nil, request{}, errVariant
		}
		name += " " + variant
	}
	c := srv.commands[name]
	if c == nil {
		return nil, request{}, errUnknown
	}
	req := request{args: words(tail), tail: tail}
	if len(req.args) < c.min || c.max != unlimited && len(req.args) > c.max {
		return c, request{}, errSyntax
	}
	return c, req, nil
}

// cutWord returns the first word of s, and what follows it and the white
// space behind it (RFC 3977, Section 3.1).
func cutWord(s string) (word, rest string) {
	s = trimSpace(s)
	for i := range len(s) {
		if isSpace(s[i]) {
			return s[:i], trimSpace(s[i:])
		}
	}
	return s, ""
}

// trimSpace takes the white space in front of s away.
func trimSpace(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// words returns the words of s.
func words(s string) (all []string) {
	for word, rest := cutWord(s); word != ""; word, rest = cutWord(rest) {
		all = append(all, word)
	}
	return all
}

// groupSelected is needed by what goes on from the selected group.
func groupSelected(s *session) error {
	if s.group == "" {
		return errNoGroup
	}
	return nil
}

// loggedOut is needed by what may be done once only (RFC 4643, Section 2.2).
func loggedOut(s *session) error {
	if s.loggedIn() {
		return errLoggedIn
	}
	return nil
}

// mayLogin is needed where a passphrase crosses the connection.
func mayLogin(s *session) error {
	if s.private() || s.opts.MayLogin != nil && s.opts.MayLogin(s.conn) {
		return nil
	}
	return errInsecure
}

func mayPost(s *session) error {
	if !s.opts.Posting {
		return errPosting
	}
	return nil
}

func mayFeed(s *session) error {
	if s.feed() == nil {
		return errNotPeer
	}
	return nil
}

func keepsModerators(s *session) error    { return keeps(s.lists.Load().Moderators) }
func keepsDistributions(s *session) error { return keeps(s.opts.Distributions) }
func keepsDistribPats(s *session) error   { return keeps(s.opts.DistribPats) }

func keeps(list []string) error {
	if len(list) == 0 {
		return errNotKept
	}
	return nil
}

func keepsMOTD(s *session) error {
	if len(s.opts.MOTD) == 0 {
		return errNotKept
	}
	return nil
}

func keepsSubscriptions(s *session) error {
	if len(s.lists.Load().Subscriptions) == 0 {
		return errNotKept
	}
	return nil
}
