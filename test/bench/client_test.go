package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/gateway/nntp"
)

// patience is how long one connection may take for all that is measured on it.
const patience = 10 * time.Minute

// A client is one connection to a server.
type client struct {
	conn net.Conn
	r    *nntp.Reader
	w    *nntp.Writer
	bulk *bufio.Writer // for many articles; nil until there are any
}

// bulkSize is how many octets of articles go out in one call.
const bulkSize = 64 << 10

// connect opens a connection and reads the greeting.
func connect(address string, segment int, buffers *nntp.Buffers) (*client, error) {
	dialer := net.Dialer{Control: segments(segment)}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, r: nntp.NewReader(conn, buffers), w: nntp.NewWriter(conn, buffers)}
	err = conn.SetDeadline(time.Now().Add(patience))
	if err == nil {
		err = c.expect(nntp.CodePostingAllowed, nntp.CodeNoPosting)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// ethernet is the largest TCP segment over Ethernet, in octets.
const ethernet = 1460

// segments makes a connection's segments no larger than so many octets, unless
// that is 0. The loopback interface's are 64 KiB, and a server that leaves TCP
// to gather its small writes would wait for an acknowledgement after nearly each
// of them (RFC 9293, Section 3.7.4), as it does on no real network.
func segments(most int) func(network, address string, raw syscall.RawConn) error {
	if most == 0 {
		return nil
	}
	return func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, most)
		})
		return errors.Join(err, failed)
	}
}

// dialReader opens a connection that reads the benchmarks' group. Its end is
// that of b.
func (t *target) dialReader(b *testing.B) *client {
	b.Helper()
	c := t.dial(b, t.reader)
	if err := c.openGroup(t.group); err != nil {
		b.Fatal(err)
	}
	return c
}

func (c *client) openGroup(group string) error {
	// A server for both hands a connection over to its reader's side here.
	if err := c.ask("MODE READER", nntp.CodePostingAllowed, nntp.CodeNoPosting); err != nil {
		return err
	}
	return c.ask("GROUP "+group, nntp.CodeGroup)
}

// dialPeer opens a connection that feeds articles.
func (t *target) dialPeer(b *testing.B) *client {
	b.Helper()
	c := t.dial(b, t.feed)
	if err := c.ask("MODE STREAM", nntp.CodeStreaming); err != nil {
		b.Fatal(err)
	}
	return c
}

func (t *target) dial(b *testing.B, address string) *client {
	b.Helper()
	c, err := connect(address, t.segment, &t.buffers)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.conn.Close() })
	return c
}

// An unexpectedReply is a reply with another code than was awaited.
type unexpectedReply struct{ nntp.Reply }

func (e unexpectedReply) Error() string { return fmt.Sprintf("server said %d %s", e.Code, e.Text) }

// expect reads a reply with one of codes.
func (c *client) expect(codes ...nntp.Code) error {
	_, err := c.reply(codes...)
	return err
}

func (c *client) reply(codes ...nntp.Code) (nntp.Reply, error) {
	got, err := c.r.ReadReply()
	if err != nil {
		return got, err
	}
	for _, code := range codes {
		if got.Code == code {
			return got, nil
		}
	}
	return got, unexpectedReply{got}
}

// ask sends one command and reads its reply.
func (c *client) ask(line string, codes ...nntp.Code) error {
	if err := c.send(line); err != nil {
		return err
	}
	return c.expect(codes...)
}

func (c *client) send(line string) error {
	if err := c.w.Command(line); err != nil {
		return err
	}
	return c.w.Flush()
}

// largest is more than any block that a benchmark asks for has, in octets.
const largest = 1 << 30

// block reads the lines after a reply.
func (c *client) block() (nntp.Block, error) { return c.r.ReadBlock(largest, largest) }

// pipeline sends n commands, of which at most depth are not answered yet, while
// it receives the answers. send writes the i-th command and does not flush;
// receive reads its answer.
func (c *client) pipeline(depth, n int, send, receive func(i int) error) error {
	group, ctx := errgroup.WithContext(context.Background())
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() }) // the other side must not wait for ever
	window := make(chan struct{}, depth)
	group.Go(func() error {
		for i := range n {
			if err := c.claim(ctx, window); err != nil {
				return err
			}
			if err := send(i); err != nil {
				return err
			}
		}
		return c.flush()
	})
	group.Go(func() error {
		answered := 0
		for i := range n {
			if err := receive(i); err != nil {
				return err
			}
			answered++
			// What came together makes room together. To wait for more would slow
			// down servers whose small segments wait for our next one (RFC 9293,
			// Section 3.7.4).
			if !c.r.HasLine() {
				for ; answered > 0; answered-- {
					<-window
				}
			}
		}
		stop()
		return nil
	})
	return group.Wait()
}

// flush sends all that was written.
func (c *client) flush() error {
	if err := c.w.Flush(); err != nil || c.bulk == nil {
		return err
	}
	return c.bulk.Flush()
}

// claim takes a place in the window. Before it waits for one, everything is
// sent.
func (c *client) claim(ctx context.Context, window chan struct{}) error {
	select {
	case window <- struct{}{}:
		return nil
	default:
	}
	if err := c.flush(); err != nil {
		return err
	}
	select {
	case window <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// share is the part of n that the i-th of several connections does.
func share(n, i, of int) int { return n*(i+1)/of - n*i/of }

// together runs work for each client at the same time.
func together(b *testing.B, clients []*client, work func(c *client, n int) error) {
	b.Helper()
	var group errgroup.Group
	for i, c := range clients {
		n := share(b.N, i, len(clients))
		group.Go(func() error { return work(c, n) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}
