package mirror

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/test/harness"
)

// A reader is a plain client.
type reader struct {
	t    testing.TB
	conn net.Conn
	r    *nntp.Reader
	w    *nntp.Writer
}

func newReader(t testing.TB, address string) *reader {
	t.Helper()
	conn, err := dial(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	buffers := new(nntp.Buffers)
	r := &reader{t, conn, nntp.NewReader(conn, buffers), nntp.NewWriter(conn, buffers)}
	r.reply()
	return r
}

func dial(address string) (net.Conn, error) { return net.Dial("tcp", address) }

// reply reads a reply, and gives the server time for it and a block after it.
func (r *reader) reply() nntp.Reply {
	r.t.Helper()
	if err := r.conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		r.t.Fatal(err)
	}
	reply, err := r.r.ReadReply()
	if err != nil {
		r.t.Fatal(err)
	}
	return reply
}

func (r *reader) ask(command string) nntp.Reply {
	r.t.Helper()
	if err := r.w.Command(command); err != nil {
		r.t.Fatal(err)
	}
	if err := r.w.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return r.reply()
}

// article takes an article by its Message-ID.
func (r *reader) article(id string) []byte {
	r.t.Helper()
	if reply := r.ask("ARTICLE " + id); reply.Code != nntp.CodeArticle {
		r.t.Fatalf("ARTICLE: %d", reply.Code)
	}
	block, err := r.r.ReadBlock(1<<20, 2<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	return block.Text()
}

// bodiesIn is what a gateway holds of another's articles in a group.
func bodiesIn(t *testing.T, g *harness.Gateway, group, of string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	r := g.Dial()
	defer r.Close()
	for id, body := range r.Bodies(group) {
		if strings.HasSuffix(id, "@"+of+">") {
			out[id] = body
		}
	}
	return out
}

// patience is how long gateways may take for what they are to do by themselves.
const patience = 3 * time.Minute

// await waits for what the gateways do by themselves.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
