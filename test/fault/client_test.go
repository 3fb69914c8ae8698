package fault

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// group is where articles of the gateway's tests go.
const group = "misc.test"

// patience is how long one answer, or what must come by itself, may take.
const patience = 2 * time.Minute

// peer is the setting that lets this machine feed articles.
func peer() harness.Setting {
	return harness.Setting{Key: "[[peer]]", Value: "name = \"peer.example\"\naddresses = [\"127.0.0.1\"]"}
}

// A client is one connection to the gateway.
type client struct {
	conn net.Conn
	r    *bufio.Reader
}

func dial(g *harness.Gateway) (*client, error) {
	conn, err := net.DialTimeout("tcp", g.Address, patience)
	if err != nil {
		return nil, err
	}
	c := &client{conn, bufio.NewReader(conn)}
	if err := conn.SetDeadline(time.Now().Add(10 * patience)); err != nil {
		return nil, err
	}
	_, err = c.reply()
	return c, err
}

// reply reads one line.
func (c *client) reply() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

func (c *client) ask(line string) (string, error) {
	if _, err := io.WriteString(c.conn, line+"\r\n"); err != nil {
		return "", err
	}
	return c.reply()
}

// block reads lines up to a dot.
func (c *client) block() (string, error) {
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return b.String(), err
		}
		b.WriteString(line)
	}
}

// The ways in which an article is sent.
const (
	takeThis = "TAKETHIS"
	ihave    = "IHAVE"
	post     = "POST"
)

// wireID is the message-id of an article.
func wireID(name string) string { return "<" + name + "@peer.example>" }

// body is an article's body; its octets and size follow from the name.
func body(name string) string {
	a := makeArticle(name, 0)
	return string(a.Body)
}

func wireText(name string) string {
	return "Path: peer.example!not-for-mail\r\nFrom: a@example.org\r\nNewsgroups: " + group + "\r\nSubject: " + name +
		"\r\nDate: " + time.Now().UTC().Format(time.RFC1123Z) + "\r\nMessage-ID: " + wireID(name) + "\r\n\r\n" + body(name)
}

// send sends an article in one of the ways, and returns the answer.
func (c *client) send(how, name string) (string, error) {
	if how == takeThis {
		return c.ask("TAKETHIS " + wireID(name) + "\r\n" + wireText(name) + ".")
	}
	line := how
	if how == ihave {
		line += " " + wireID(name)
	}
	if said, err := c.ask(line); err != nil || said[0] != '3' {
		return said, err
	}
	return c.ask(wireText(name) + ".")
}

// A letter is an article that was taken. The gateway gives posts an id of its
// own.
type letter struct{ name, id string }

// A diary is what the gateway has taken.
type diary struct {
	mu      sync.Mutex // guards what follows
	taken   []letter
	numbers map[string]string // whose number that is, as OVER has it
}

// taken says whether an answer means that the article was taken.
func taken(said string) bool {
	return strings.HasPrefix(said, "239 ") || strings.HasPrefix(said, "235 ") || strings.HasPrefix(said, "240 ")
}

// note notes an article that was taken with that answer.
func (d *diary) note(how, name, said string) {
	l := letter{name, wireID(name)}
	if how == post {
		_, id, _ := strings.Cut(said, "<")
		l.id = "<" + id
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = append(d.taken, l)
}

func (d *diary) letters() []letter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.taken)
}

// check checks that every article that was taken is there, with the octets it
// had, under one number which nobody else has or had.
func (d *diary) check(t testing.TB, g *harness.Gateway) {
	t.Helper()
	c, err := dial(g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.conn.Close() }()
	for _, l := range d.letters() {
		if err := c.awaitArticle(l); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
	}
	if d.numbers == nil {
		d.numbers = make(map[string]string)
	}
	if _, err := c.ask("GROUP " + group); err != nil {
		t.Fatal(err)
	}
	said, err := c.ask("OVER 1-")
	if err != nil || !strings.HasPrefix(said, "224") {
		t.Fatalf("OVER: %q, %v", said, err)
	}
	lines, err := c.block()
	if err != nil {
		t.Fatal(err)
	}
	places := make(map[string]string)
	for line := range strings.Lines(lines) {
		f := strings.Split(line, "\t")
		if other, known := d.numbers[f[0]]; known && other != f[1] {
			t.Errorf("number %s was %s's and is %s's", f[0], other, f[1])
		}
		if other, twice := places[f[1]]; twice {
			t.Errorf("%s has the numbers %s and %s", f[1], other, f[0])
		}
		d.numbers[f[0]], places[f[1]] = f[1], f[0]
	}
	for number, name := range d.numbers {
		if places[name] != number {
			t.Errorf("%s had the number %s and has %q", name, number, places[name])
		}
	}
}

// awaitArticle waits until the article is there, since a post leaves with its
// batch, and compares its octets.
func (c *client) awaitArticle(l letter) error {
	late := time.Now().Add(patience)
	for {
		said, err := c.ask("ARTICLE " + l.id)
		if err != nil {
			return err
		}
		if strings.HasPrefix(said, "220") {
			break
		}
		if !strings.HasPrefix(said, "430") || time.Now().After(late) {
			return fmt.Errorf("is lost: %s", said)
		}
		time.Sleep(50 * time.Millisecond) // the gateway's own clock decides
	}
	text, err := c.block()
	if err != nil {
		return err
	}
	head, got, _ := strings.Cut(text, "\r\n\r\n")
	if got != body(l.name) || !strings.Contains(head, "Subject: "+l.name+"\r\n") || !strings.Contains(head, "Message-ID: "+l.id) {
		return fmt.Errorf("has wrong octets")
	}
	return nil
}

// feeders are how many connections of each way feed at once.
const feeders = 2

// feed sends articles over some connections, until each has met an error or is
// told to stop.
func (d *diary) feed(g *harness.Gateway, life int, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, how := range []string{takeThis, ihave, post} {
		for i := range feeders {
			wg.Go(func() {
				c, err := dial(g)
				if err != nil {
					return
				}
				defer func() { _ = c.conn.Close() }()
				for n := 0; ; n++ {
					select {
					case <-stop:
						return
					default:
					}
					name := fmt.Sprintf("%s-%d-%d-%d", strings.ToLower(how), life, i, n)
					said, err := c.send(how, name)
					if err != nil {
						return
					}
					if taken(said) {
						d.note(how, name, said)
					}
				}
			})
		}
	}
	return &wg
}
