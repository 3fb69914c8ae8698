package session

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// open finds a group and where its articles are. A group of a mailbox is
// looked up there, once it is open.
func (s *session) open(ctx context.Context, name string) (pool.Reader, pool.GroupInfo, error) {
	group, err := pool.ParseGroup(name)
	if err != nil {
		return nil, pool.GroupInfo{}, err
	}
	reader := s.opts.Store
	if s.isPrivate(group) {
		if s.mailbox == nil {
			return nil, pool.GroupInfo{}, errLoginFirst
		}
		if err := s.refresh(ctx); err != nil {
			return nil, pool.GroupInfo{}, err
		}
		reader = s.mailbox
	}
	info, err := reader.Group(ctx, group)
	return reader, info, err
}

func (s *session) isPrivate(group pool.Group) bool {
	for _, info := range s.opts.Office.Private() {
		if info.Name == group {
			return true
		}
	}
	return false
}

// choose selects a group, and the first article in it (RFC 3977, Section
// 6.1.1.2). When it fails nothing has changed.
func (s *session) choose(ctx context.Context, name string) (pool.GroupInfo, error) {
	reader, info, err := s.open(ctx, name)
	if err != nil {
		return pool.GroupInfo{}, err
	}
	return info, s.enter(ctx, reader, info)
}

// enter selects an opened group.
func (s *session) enter(ctx context.Context, reader pool.Reader, info pool.GroupInfo) error {
	first, err := firstIn(ctx, reader, info.Name, pool.All)
	if err != nil {
		return err
	}
	s.reader, s.group, s.current = reader, info.Name, first.number
	return nil
}

// A row is an article's number and message-id.
type row struct {
	number pool.Number // 0 when there is none
	id     string
}

// firstIn returns the first article of a range, and lastIn the last.
func firstIn(ctx context.Context, reader pool.Reader, group pool.Group, r pool.Range) (row, error) {
	var found row
	err := reader.Scan(ctx, group, r, func(n pool.Number, overview []byte) bool {
		found = row{n, string(overviewField(overview, overviewID))}
		return false
	})
	return found, err
}

func lastIn(ctx context.Context, reader pool.Reader, group pool.Group, r pool.Range) (row, error) {
	var found row
	err := reader.Scan(ctx, group, r, func(n pool.Number, overview []byte) bool {
		found = row{n, string(overviewField(overview, overviewID))}
		return true
	})
	return found, err
}

// A target is what the last argument of a command names: one article by its
// message-id, or numbers in the selected group.
type target struct {
	id      pool.MessageID // "" when it is numbers
	numbers pool.Range
	missing error // what it means that no such article is there
}

// parseTarget reads an argument that is a message-id, a range, or not there at
// all, which stands for the current article.
func (s *session) parseTarget(args []string) (target, error) {
	if len(args) == 0 {
		return s.currentTarget()
	}
	if strings.HasPrefix(args[0], "<") {
		id, err := pool.ParseMessageID(args[0])
		return target{id: id, missing: pool.ErrNotFound}, err
	}
	r, err := nntp.ParseRange(args[0])
	if err != nil {
		return target{}, err
	}
	return target{numbers: clamp(r), missing: errNoNumber}, groupSelected(s)
}

func (s *session) currentTarget() (target, error) {
	if err := groupSelected(s); err != nil {
		return target{}, err
	}
	if s.current == 0 {
		return target{}, errNoCurrent
	}
	return target{numbers: pool.Range{From: s.current, To: s.current}, missing: errNoCurrent}, nil
}

// single is parseTarget for a command that takes no range.
func (s *session) single(args []string) (target, error) {
	if len(args) > 0 && strings.Contains(args[0], "-") && !strings.HasPrefix(args[0], "<") {
		return target{}, nntp.ErrRange
	}
	return s.parseTarget(args)
}

// clamp makes a range of what a client said, which may be larger than any
// article's number: then it is that of 0, which is none either.
func clamp(r nntp.Range) pool.Range {
	if r.First > uint64(pool.MaxNumber) {
		return pool.Range{}
	}
	return pool.Range{From: pool.Number(r.First), To: pool.Number(min(r.Last, uint64(pool.MaxNumber)))}
}

// borrow finds the article that a target names.
func (s *session) borrow(ctx context.Context, t target) (pool.Loan, error) {
	if t.id != "" {
		return within(s, func(r pool.Reader) (pool.Loan, error) { return pool.LendByID(ctx, r, t.id) })
	}
	loan, err := pool.LendByNumber(ctx, s.reader, s.group, t.numbers.From)
	if errors.Is(err, pool.ErrNotFound) {
		err = t.missing
	}
	return loan, err
}

// byID reads an article by its message-id.
func (s *session) byID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	return within(s, func(r pool.Reader) (*pool.Stored, error) { return r.ByID(ctx, id) })
}

// within finds an article by its message-id, in the selected group's home first.
// What is in a mailbox is found in its own session only.
func within[T any](s *session, find func(pool.Reader) (T, error)) (T, error) {
	first, second := s.opts.Store, pool.Reader(s.mailbox)
	if s.mailbox == nil {
		return find(first)
	}
	if s.reader == second {
		first, second = second, first
	}
	found, err := find(first)
	if errors.Is(err, pool.ErrNotFound) {
		return find(second)
	}
	return found, err
}

// appendNumber appends an article number in digits.
func appendNumber(dst []byte, n pool.Number) []byte { return strconv.AppendUint(dst, uint64(n), 10) }

// numberSize is room for any article number.
const numberSize = len("4294967295")
