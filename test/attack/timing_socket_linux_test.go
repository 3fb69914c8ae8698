package attack

import (
	"bufio"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
)

// TestTiming_answersTellNothingOfAMailbox times what a correspondent can time: how
// long it is from the last octet of an article to its 240, and from an XPICKUP to
// the end of its answer, over a connection to a gateway on this machine.
func TestTiming_answersTellNothingOfAMailbox(t *testing.T) {
	n := tries(t, 300, 25_000)
	measure := func() times {
		all := times{}
		for done := 0; done < n; done += perQueue {
			t.Run("gateway", func(t *testing.T) { newConversation(t).tryAll(all, min(perQueue, n-done)) })
		}
		return all
	}
	alike := append(pairs(unused, healthy, full, flooded), named("XPICKUP", pairs(missing, waiting))...)
	mustBeAlike(t, measure, alike, [2]string{planted, flooded})
}

// A conversation is a connection to a new gateway, whose next batch is far off.
type conversation struct {
	*target
	keys *keyring.Ring
	conn net.Conn
	from *bufio.Reader
}

// conversed is the shape of its batches.
func conversed() batch.Shape {
	return batch.Shape{
		Calendar: pool.Calendar{EpochLength: 24 * time.Hour, BatchInterval: time.Hour, Retention: 4, TokenLife: 12},
		Size:     1 << 13, Slots: 2, Backlog: 3, Posts: 1 << 20,
	}
}

func newConversation(t *testing.T) *conversation {
	t.Helper()
	c := &conversation{target: newTarget(t, func(s *gateway.Settings) {
		s.Batches = conversed()
	})}
	var err error
	if c.keys, err = keyring.Open(gateway.KeyDir(c.data), domain, c.policy); err != nil {
		t.Fatal(err)
	}
	c.conn = c.dial().raw
	c.from = bufio.NewReader(c.conn)
	if err := c.conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}

// tryAll makes n tries of each case.
func (c *conversation) tryAll(all times, n int) {
	c.t.Helper()
	order := shuffled(n, unused, healthy, full, flooded, planted)
	posts, boxes := prepare(order, conversed(), c)
	for i, state := range order {
		c.say("340", "POST\r\n")
		start := time.Now()
		c.say("240", string(posts[i])+".\r\n")
		if state == planted {
			workOutTags()
		}
		all[state] = append(all[state], float64(time.Since(start)))
	}
	for i, state := range shuffled(n, missing, waiting) {
		box := identity.NewSeed().Mailbox(0)
		if state == waiting {
			box = boxes[i]
		}
		_, seal := c.keys.Mint()
		sealed, err := seal.SealID(box.ID())
		if err != nil {
			c.t.Fatal(err)
		}
		command := "XPICKUP " + base64.RawURLEncoding.EncodeToString(sealed) + "\r\n"
		start := time.Now()
		c.say("292", command)
		c.expect(".")
		all["XPICKUP, "+state] = append(all["XPICKUP, "+state], float64(time.Since(start)))
	}
}

// say sends octets and reads the answer's first line.
func (c *conversation) say(code, octets string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, octets); err != nil {
		c.t.Fatal(err)
	}
	c.expect(code)
}

func (c *conversation) expect(code string) {
	c.t.Helper()
	if line, err := c.from.ReadString('\n'); err != nil || !strings.HasPrefix(line, code) {
		c.t.Fatalf("got %q, %v, want %s", line, err, code)
	}
}

func (c *conversation) letter(box *identity.Mailbox) []byte {
	c.t.Helper()
	return letterOf(c.t, c.keys, box)
}

func (c *conversation) fill(box *identity.Mailbox, messages int) {
	c.t.Helper()
	for range messages {
		c.say("340", "POST\r\n")
		c.say("240", string(c.letter(box))+".\r\n")
	}
}
