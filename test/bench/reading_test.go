package bench

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/restante/restante/gateway/nntp"
)

// depth is how many articles a reader asks for ahead.
const depth = 64

// BenchmarkArticle reads whole articles by their message-ids.
func BenchmarkArticle(b *testing.B) {
	t := open(b)
	held := t.fill(b)
	for _, connections := range []int{1, 4} {
		b.Run(fmt.Sprintf("pipelined/connections=%d", connections), func(b *testing.B) {
			t.articlesAhead(b, held, connections)
		})
	}
	b.Run("single", func(b *testing.B) { t.articlesSingly(b, held) })
}

// scatter is a step through the articles that takes neighbours apart.
const scatter = 7919

func (t *target) articlesAhead(b *testing.B, held []entry, connections int) {
	clients := t.readers(b, connections)
	m := t.start(b)
	together(b, clients, func(c *client, n int) error {
		return c.pipeline(depth, n,
			func(i int) error { return c.w.Command("ARTICLE " + held[i*scatter%len(held)].id) },
			func(int) error { return c.article() })
	})
	m.stop(b.N, "article")
}

func (c *client) article() error {
	if err := c.expect(nntp.CodeArticle); err != nil {
		return err
	}
	_, err := c.block()
	return err
}

func (t *target) articlesSingly(b *testing.B, held []entry) {
	c := t.dialReader(b)
	waits := make([]time.Duration, 0, b.N)
	m := t.start(b)
	for i := range b.N {
		asked := time.Now()
		if err := c.send("ARTICLE " + held[i*scatter%len(held)].id); err != nil {
			b.Fatal(err)
		}
		if err := c.article(); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(asked))
	}
	m.stop(b.N, "article")
	latencies(b, waits)
}

func (t *target) readers(b *testing.B, connections int) []*client {
	b.Helper()
	clients := make([]*client, connections)
	for i := range clients {
		clients[i] = t.dialReader(b)
	}
	return clients
}

// BenchmarkParts reads articles of several sizes, whole and in part, by their
// message-ids.
func BenchmarkParts(b *testing.B) {
	t := open(b)
	t.needFeed(b)
	for _, kib := range []int{2, 22, 1000} {
		ids, err := t.dialPeer(b).feedIn(t.press, newForm(t.press, t.group, kib<<10), min(t.articles, 100<<10/kib))
		if err != nil {
			b.Fatal(err)
		}
		for _, part := range []struct {
			command string
			code    nntp.Code
		}{{"ARTICLE", nntp.CodeArticle}, {"HEAD", nntp.CodeHead}, {"BODY", nntp.CodeBody}} {
			b.Run(fmt.Sprintf("%dKiB/%s", kib, part.command), func(b *testing.B) {
				c := t.dialReader(b)
				m := t.start(b)
				err := c.pipeline(depth, b.N,
					func(i int) error { return c.w.Command(part.command + " " + ids[i*scatter%len(ids)]) },
					func(int) error {
						if err := c.expect(part.code); err != nil {
							return err
						}
						_, err := c.block()
						return err
					})
				if err != nil {
					b.Fatal(err)
				}
				m.stop(b.N, "article")
			})
		}
	}
}

// BenchmarkOver reads the overview of all articles again and again: what a
// newsreader does that opens a large group.
func BenchmarkOver(b *testing.B) {
	t := open(b)
	held := t.fill(b)
	command := "OVER " + held[0].number + "-" + held[len(held)-1].number
	for _, connections := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			clients := t.readers(b, connections)
			m := t.start(b)
			together(b, clients, func(c *client, n int) error {
				for range n {
					if err := c.overview(command, len(held)); err != nil {
						return err
					}
				}
				return nil
			})
			m.stop(b.N*len(held), "line")
		})
	}
}

// overview reads an overview and keeps nothing of it: what the server is to be
// measured by is more than one would keep.
func (c *client) overview(command string, lines int) error {
	if err := c.ask(command, nntp.CodeOverview); err != nil {
		return err
	}
	for got := 0; ; got++ {
		line, err := c.r.ReadLine()
		switch {
		case errors.Is(err, nntp.ErrLineTooLong): // for a command it would be
		case err != nil:
			return err
		case string(line) == "." && got == lines:
			return nil
		case string(line) == ".":
			return fmt.Errorf("overview has %d lines, want %d", got, lines)
		}
	}
}

// BenchmarkGroup selects a group.
func BenchmarkGroup(b *testing.B) {
	t := open(b)
	t.fill(b)
	b.Run("pipelined", func(b *testing.B) {
		c := t.dialReader(b)
		m := t.start(b)
		err := c.pipeline(depth, b.N,
			func(int) error { return c.w.Command("GROUP " + t.group) },
			func(int) error { return c.expect(nntp.CodeGroup) })
		if err != nil {
			b.Fatal(err)
		}
		m.stop(b.N, "command")
	})
}
