package lying

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/restante/restante/test/harness"
)

// A reply is what a server answers to one command.
type reply struct {
	command string
	line    string // the first line, without its end
	block   string // what follows, as on the wire and with its end; "" where nothing does
	silent  bool   // break off here
}

// A lie alters a reply.
type lie func(*reply)

func honest(*reply) {}

// A network is between the program and a server.
type network struct {
	address, to string

	mu    sync.Mutex // guards what follows, and what lie remembers
	lie   lie
	asked []string // every command since tell
}

func newNetwork(t *testing.T, to string) *network {
	t.Helper()
	n := &network{to: to, lie: honest}
	n.address = harness.Listen(t, n.serve)
	return n
}

// tell changes what is told from now on.
func (n *network) tell(l lie) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lie, n.asked = l, nil
}

// count is how many commands came since tell.
func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.asked)
}

// byName returns the articles that were asked for by Message-ID.
func (n *network) byName() (ids []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, command := range n.asked {
		if id, ok := strings.CutPrefix(command, "ARTICLE "); ok && strings.HasPrefix(id, "<") {
			ids = append(ids, id)
		}
	}
	return ids
}

func (n *network) serve(near net.Conn) {
	far, err := net.Dial("tcp", n.to)
	if err != nil {
		_ = near.Close()
		return
	}
	commands := make(chan string, 1024)
	var both sync.WaitGroup
	both.Go(func() {
		defer func() { _ = far.Close() }()
		defer close(commands)
		lines := bufio.NewReader(near)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			commands <- strings.TrimRight(line, "\r\n")
			if _, err := far.Write([]byte(line)); err != nil {
				return
			}
		}
	})
	both.Go(func() {
		defer func() { _ = near.Close() }()
		n.answer(near, bufio.NewReader(far), commands)
	})
	both.Wait()
}

// answer passes replies on, the greeting first.
func (n *network) answer(near net.Conn, far *bufio.Reader, commands <-chan string) {
	for r, more := (reply{command: "greeting"}), true; more; r.command, more = <-commands {
		line, err := far.ReadString('\n')
		if err != nil {
			return
		}
		r.line, r.block = strings.TrimRight(line, "\r\n"), ""
		if hasBlock(r.line) {
			if r.block, err = readBlock(far); err != nil {
				return
			}
		}
		n.mu.Lock()
		n.asked = append(n.asked, r.command)
		n.lie(&r)
		n.mu.Unlock()
		if _, err := fmt.Fprintf(near, "%s\r\n%s", r.line, r.block); err != nil || r.silent {
			return
		}
	}
}

func hasBlock(line string) bool {
	for _, code := range []string{"101", "215", "220", "221", "222", "224", "225", "290", "291", "292"} {
		if strings.HasPrefix(line, code) {
			return true
		}
	}
	return false
}

func readBlock(r *bufio.Reader) (string, error) {
	var out bytes.Buffer
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		out.WriteString(line)
		if line == ".\r\n" {
			return out.String(), nil
		}
	}
}
