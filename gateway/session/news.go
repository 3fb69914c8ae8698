package session

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// moment reads the arguments "date time [GMT]" (RFC 3977, Section 7.3.2).
// Without GMT they are in the server's local time.
func moment(args []string) (time.Time, error) {
	zone := time.Local
	if len(args) == 3 {
		if !strings.EqualFold(args[2], "GMT") {
			return time.Time{}, errSyntax
		}
		zone = time.UTC
	}
	return nntp.ParseTime(args[0], args[1], zone, time.Now())
}

func (s *session) newGroups(ctx context.Context, req request) (response, error) {
	since, err := moment(req.args)
	if err != nil {
		return response{}, err
	}
	groups, err := s.groups(ctx)
	if err != nil {
		return response{}, err
	}
	return listing(nntp.CodeNewGroups, "New newsgroups follow", func(w *nntp.Writer) error {
		for _, info := range groups {
			if !info.Created.IsZero() && !info.Created.Before(since) {
				w.Line(activeLine(info))
			}
		}
		return w.Err()
	}), nil
}

func knowsArrivals(s *session) error {
	if _, ok := s.opts.Store.(Arrivals); !ok {
		return errNoArrivals
	}
	return nil
}

// newNews goes by the arrival of articles here, never by their Date (RFC 3977,
// Section 7.4).
func (s *session) newNews(ctx context.Context, req request) (response, error) {
	arrivals, _ := s.opts.Store.(Arrivals) // as knowsArrivals saw
	wildmat, err := nntp.ParseWildmat(req.args[0])
	if err != nil {
		return response{}, err
	}
	since, err := moment(req.args[1:])
	if err != nil {
		return response{}, err
	}
	if s.mailbox != nil {
		if err := s.refresh(ctx); err != nil {
			return response{}, err
		}
	}
	if err := s.affordableSince(ctx, arrivals, since); err != nil {
		return response{}, err
	}
	return listing(nntp.CodeNewNews, "New articles follow", func(w *nntp.Writer) error {
		inGroups := func(l pool.Location) bool { return wildmat.Match(string(l.Group)) }
		err := arrivals.Since(ctx, since, func(id pool.MessageID, at []pool.Location) bool {
			if slices.ContainsFunc(at, inGroups) {
				w.Line([]byte(id))
			}
			return w.Err() == nil
		})
		if err == nil && s.mailbox != nil {
			err = s.newInMailbox(ctx, w, wildmat, since)
		}
		return firstError(w.Err(), err)
	}), nil
}

// newInMailbox writes the message-ids of what is new in the mailbox's groups.
// A mailbox is small enough to have its articles looked at one by one.
func (s *session) newInMailbox(ctx context.Context, w *nntp.Writer, wildmat nntp.Wildmat, since time.Time) error {
	groups, err := s.mailbox.Groups(ctx)
	if err != nil {
		return err
	}
	for _, info := range groups {
		if !wildmat.Match(string(info.Name)) {
			continue
		}
		var numbers []pool.Number
		if err := s.mailbox.Scan(ctx, info.Name, pool.All, func(n pool.Number, _ []byte) bool {
			numbers = append(numbers, n)
			return true
		}); err != nil {
			return err
		}
		for _, n := range numbers {
			stored, err := s.mailbox.ByNumber(ctx, info.Name, n)
			if errors.Is(err, pool.ErrNotFound) {
				continue // gone since
			}
			if err != nil {
				return err
			}
			if !stored.Arrived.Before(since) {
				w.Line([]byte(stored.ID))
			}
		}
	}
	return w.Err()
}
