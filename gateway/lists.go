package gateway

import (
	"fmt"
	"strings"

	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// lists is the lists that follow the groups.
func (s *Settings) lists() session.Lists {
	return session.Lists{Subscriptions: s.subscriptions(), Moderators: s.moderators()}
}

// subscriptions is what a new reader is told to subscribe to: the groups that
// people talk in, and the two of her own.
func (s *Settings) subscriptions() []pool.Group {
	names := make([]pool.Group, len(s.Groups))
	for i, info := range s.Groups {
		names[i] = info.Name
	}
	return append(names, office.Inbox, office.Sent)
}

// moderators is the lines of LIST MODERATORS (RFC 6048, Section 2.4).
func (s *Settings) moderators() []string {
	var lines []string
	for _, g := range s.Groups {
		if address := s.Moderators[g.Name]; g.Posting == pool.PostingModerated && address != "" {
			address = strings.ReplaceAll(strings.Trim(address, "<>"), "%", "%%")
			lines = append(lines, string(g.Name)+":"+address)
		}
	}
	return lines
}

// distributions is the lines of LIST DISTRIBUTIONS (RFC 6048, Section 2.3).
func (s *Settings) distributions() []string {
	var lines []string
	for _, d := range s.Distributions {
		lines = append(lines, d.Name+"\t"+d.Description)
	}
	return lines
}

// distribPats is the lines of LIST DISTRIB.PATS (RFC 3977, Section 7.6.5).
func (s *Settings) distribPats() []string {
	var lines []string
	for _, d := range s.Distributions {
		if d.Groups != "" {
			lines = append(lines, fmt.Sprintf("%d:%s:%s", d.Weight, d.Groups, d.Name))
		}
	}
	return lines
}
