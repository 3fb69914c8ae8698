package session

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// groups returns every group that the client may know of: the store's, and
// those of the mailbox, which are listed before the login too, so that
// newsreaders find them and log in.
func (s *session) groups(ctx context.Context) ([]pool.GroupInfo, error) {
	all, err := s.opts.Store.Groups(ctx)
	if err != nil {
		return nil, err
	}
	private := s.opts.Office.Private()
	if s.mailbox != nil {
		if err := s.refresh(ctx); err != nil {
			return nil, err
		}
		if private, err = s.mailbox.Groups(ctx); err != nil {
			return nil, err
		}
	}
	all = slices.Concat(all, private)
	slices.SortFunc(all, func(a, b pool.GroupInfo) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return all, nil
}

// listGroups answers with a line for each group that the wildmat in args
// chooses, or for all when there is none. line returns nil for a group that is
// left out.
func (s *session) listGroups(ctx context.Context, args []string, line func(pool.GroupInfo) []byte) (response, error) {
	matches := func(string) bool { return true }
	if len(args) > 0 {
		wildmat, err := nntp.ParseWildmat(args[0])
		if err != nil {
			return response{}, err
		}
		matches = wildmat.Match
	}
	groups, err := s.groups(ctx)
	if err != nil {
		return response{}, err
	}
	return listing(nntp.CodeList, "List follows", func(w *nntp.Writer) error {
		for _, info := range groups {
			if !matches(string(info.Name)) {
				continue
			}
			if out := line(info); out != nil {
				w.Line(out)
			}
		}
		return w.Err()
	}), nil
}

// activeLine is a line of LIST ACTIVE and NEWGROUPS (RFC 3977, Section 7.6.3).
func activeLine(info pool.GroupInfo) []byte {
	out := appendMarks(info, nil)
	return append(out, ' ', byte(info.Posting))
}

// appendMarks is how the lines of LIST ACTIVE and LIST COUNTS start: name, high
// and low mark.
func appendMarks(info pool.GroupInfo, dst []byte) []byte {
	low := info.Low
	if info.Count == 0 {
		low = info.High + 1
	}
	dst = append(append(dst, info.Name...), ' ')
	return appendNumber(append(appendNumber(dst, info.High), ' '), low)
}

func (s *session) listActive(ctx context.Context, req request) (response, error) {
	return s.listGroups(ctx, req.args, activeLine)
}

// listCounts is LIST ACTIVE with the number of articles (RFC 6048, Section 2.2).
func (s *session) listCounts(ctx context.Context, req request) (response, error) {
	return s.listGroups(ctx, req.args, func(info pool.GroupInfo) []byte {
		out := append(appendMarks(info, nil), ' ')
		return append(strconv.AppendInt(out, int64(info.Count), 10), ' ', byte(info.Posting))
	})
}

func (s *session) listTimes(ctx context.Context, req request) (response, error) {
	return s.listGroups(ctx, req.args, func(info pool.GroupInfo) []byte {
		if info.Created.IsZero() {
			return nil
		}
		out := append([]byte(info.Name), ' ')
		out = append(strconv.AppendInt(out, info.Created.Unix(), 10), ' ')
		return append(out, s.opts.Name...)
	})
}

func (s *session) listNewsgroups(ctx context.Context, req request) (response, error) {
	return s.listGroups(ctx, req.args, func(info pool.GroupInfo) []byte {
		if info.Description == "" {
			return nil
		}
		return append(append([]byte(info.Name), '\t'), info.Description...)
	})
}

func (s *session) listSubscriptions(_ context.Context, req request) (response, error) {
	matches := func(string) bool { return true }
	if len(req.args) > 0 {
		wildmat, err := nntp.ParseWildmat(req.args[0])
		if err != nil {
			return response{}, err
		}
		matches = wildmat.Match
	}
	return listing(nntp.CodeList, "List follows", func(w *nntp.Writer) error {
		for _, group := range s.lists.Load().Subscriptions {
			if matches(string(group)) {
				w.Line([]byte(group))
			}
		}
		return w.Err()
	}), nil
}

func (s *session) listMOTD(context.Context, request) (response, error) {
	return lines(s.opts.MOTD...), nil
}

// The lines of the following lists are the configuration's.

func (s *session) listModerators(context.Context, request) (response, error) {
	return lines(s.lists.Load().Moderators...), nil
}

func (s *session) listDistributions(context.Context, request) (response, error) {
	return lines(s.opts.Distributions...), nil
}

func (s *session) listDistribPats(context.Context, request) (response, error) {
	return lines(s.opts.DistribPats...), nil
}

// listOverviewFmt says :bytes and :lines only to a client that asked for
// CAPABILITIES: older ones take the fields for missing (RFC 3977, Section 8.4.2
// allows both).
func (s *session) listOverviewFmt(context.Context, request) (response, error) {
	size, count := "Bytes:", "Lines:"
	if s.modern {
		size, count = ":bytes", ":lines"
	}
	return lines("Subject:", "From:", "Date:", "Message-ID:", "References:", size, count, "Xref:full"), nil
}

// listHeaders says that HDR knows every header. Its argument changes nothing
// (RFC 3977, Section 8.6.2).
func (s *session) listHeaders(_ context.Context, req request) (response, error) {
	if len(req.args) > 0 {
		switch strings.ToUpper(req.args[0]) {
		case "MSGID", "RANGE":
		default:
			return response{}, errSyntax
		}
	}
	return lines(":", ":bytes", ":lines"), nil
}

// listNone answers for a list that is known and not kept (RFC 3977, Section
// 7.6.1.2).
func (s *session) listNone(context.Context, request) (response, error) {
	return response{}, errNotKept
}

// lines is a list of fixed lines.
func lines(all ...string) response {
	return listing(nntp.CodeList, "List follows", func(w *nntp.Writer) error {
		for _, line := range all {
			w.Line([]byte(line))
		}
		return w.Err()
	})
}
