package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/restante/restante/gateway/nntp"
)

// window is how many commands a feeder keeps unanswered.
const window = 64

// BenchmarkTakeThis sends new articles (RFC 4644, Section 2.5).
func BenchmarkTakeThis(b *testing.B) {
	t := open(b)
	t.needFeed(b)
	t.fill(b) // a server's first articles cost it more than all later ones
	for _, size := range []int{2, 16} {
		for _, connections := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("%dKiB/connections=%d", size, connections), func(b *testing.B) {
				t.takeThis(b, size<<10, connections)
			})
		}
	}
}

func (t *target) takeThis(b *testing.B, size, connections int) {
	clients := make([]*client, connections)
	for i := range clients {
		clients[i] = t.dialPeer(b)
	}
	b.SetBytes(int64(size))
	m := t.start(b)
	together(b, clients, func(c *client, n int) error {
		return c.takeThis(t.press, newForm(t.press, t.group, size), n)
	})
	m.stop(b.N, "article")
}

// feedIn is takeThis for who wants to read the articles afterwards.
func (c *client) feedIn(p *press, f *form, n int) (ids []string, err error) {
	made := p.made.Load()
	err = c.takeThis(p, f, n)
	for i := range n {
		ids = append(ids, p.name(made+uint64(i)+1))
	}
	return ids, err
}

// takeThis feeds n new articles, all of which must be taken.
func (c *client) takeThis(p *press, f *form, n int) error {
	c.bulk = bufio.NewWriterSize(c.conn, bulkSize)
	c.r.Widen()                       // this process shares the processors with the server
	sent := make(chan string, window) // in order, for the answers
	return c.pipeline(window, n,
		func(int) error {
			id := p.id()
			sent <- id
			for _, part := range [...]string{"TAKETHIS ", id, "\r\n"} {
				_, _ = c.bulk.WriteString(part) // the next call has the error too
			}
			_, _ = c.bulk.Write(f.print(id))
			_, err := c.bulk.WriteString(".\r\n")
			return err
		},
		func(int) error { return c.expectFor(<-sent, nntp.CodeStreamTaken) })
}

// BenchmarkCheck offers articles, one command each (RFC 4644, Section 2.4). It
// comes last: a server remembers for a while what was offered and not sent.
func BenchmarkCheck(b *testing.B) {
	t := open(b)
	t.needFeed(b)
	known := t.fill(b)
	b.Run("known", func(b *testing.B) {
		t.check(b, nntp.CodeStreamUnwanted, func(i int) string { return known[i%len(known)].id })
	})
	b.Run("unknown", func(b *testing.B) {
		t.check(b, nntp.CodeStreamSend, func(int) string { return t.press.id() })
	})
}

func (t *target) check(b *testing.B, want nntp.Code, id func(i int) string) {
	c := t.dialPeer(b)
	asked := make(chan string, window) // in order, for the answers
	m := t.start(b)
	err := c.pipeline(window, b.N,
		func(i int) error {
			next := id(i)
			asked <- next
			return c.w.Command("CHECK " + next)
		},
		func(int) error { return c.expectFor(<-asked, want) })
	if err != nil {
		b.Fatal(err)
	}
	m.stop(b.N, "check")
}

// expectFor reads a reply that must repeat the message-id of its command (RFC
// 4644, Sections 2.4.2 and 2.5.2).
func (c *client) expectFor(id string, want nntp.Code) error {
	line, err := c.r.ReadLine()
	if err != nil {
		return err
	}
	var room [nntp.MaxLine]byte
	if begin := append(append(strconv.AppendInt(room[:0], int64(want), 10), ' '), id...); bytes.HasPrefix(line, begin) {
		return nil
	}
	reply, err := nntp.ParseReply(line)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: the code or the message-id is another", unexpectedReply{reply})
}
