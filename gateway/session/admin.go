package session

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/gateway/nntp"
)

// greeting is the first line, and the answer to MODE READER.
func (s *session) greeting() nntp.Reply {
	if s.opts.Posting {
		return nntp.Reply{Code: nntp.CodePostingAllowed, Text: s.opts.Name + " ready, posting allowed"}
	}
	return nntp.Reply{Code: nntp.CodeNoPosting, Text: s.opts.Name + " ready, posting not allowed"}
}

func (s *session) modeReader(context.Context, request) (response, error) {
	return response{Reply: s.greeting()}, nil
}

func (s *session) quit(context.Context, request) (response, error) {
	s.done = true
	return response{Reply: nntp.Reply{Code: nntp.CodeBye, Text: "Goodbye"}}, nil
}

func (s *session) date(context.Context, request) (response, error) {
	return response{Reply: nntp.Reply{Code: nntp.CodeDate, Text: string(nntp.AppendDate(nil, time.Now()))}}, nil
}

// capabilities lists what the session offers as it is now. The keyword asks
// for more than the list; there is none that this server knows (RFC 3977,
// Section 5.2.2).
func (s *session) capabilities(_ context.Context, req request) (response, error) {
	if len(req.args) > 0 && !isKeyword(req.args[0]) {
		return response{}, errSyntax
	}
	s.modern = true
	return listing(nntp.CodeCapabilities, "Capabilities follow", func(w *nntp.Writer) error {
		w.Line([]byte("VERSION 2"))
		w.Line([]byte("IMPLEMENTATION Restante "), []byte(s.opts.Version))
		for _, line := range s.offers() {
			w.Line([]byte(line))
		}
		return w.Err()
	}), nil
}

// offers is the capability lines of the commands whose needs hold.
func (s *session) offers() []string {
	var labels []string
	lines := make(map[string]string)
	add := func(o offer) {
		if o.label == "" || !s.holds(o.needs) {
			return
		}
		if _, known := lines[o.label]; !known {
			labels, lines[o.label] = append(labels, o.label), o.label
		}
		if o.argument != "" {
			lines[o.label] += " " + o.argument
		}
	}
	for _, c := range s.table {
		if s.holds(c.needs) {
			add(offer{c.capability, c.offered})
		}
		for _, o := range c.also {
			add(o)
		}
	}
	for i, label := range labels {
		labels[i] = lines[label]
	}
	return labels
}

func (s *session) holds(all needs) bool {
	return !slices.ContainsFunc(all, func(need func(*session) error) bool { return need(s) != nil })
}

// isKeyword follows RFC 3977, Section 9.8.
func isKeyword(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return len(s) >= 3 && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789.-") == ""
}

func (s *session) help(context.Context, request) (response, error) {
	return listing(nntp.CodeHelp, "Commands follow", func(w *nntp.Writer) error {
		for _, c := range s.table {
			w.Line([]byte("  "), []byte(strings.TrimSpace(c.name+" "+c.syntax)))
		}
		return w.Err()
	}), nil
}

// listing is a response with lines.
func listing(code nntp.Code, text string, body func(w *nntp.Writer) error) response {
	return response{Reply: nntp.Reply{Code: code, Text: text}, body: body}
}
