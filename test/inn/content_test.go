package inn

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/test/harness"
)

// newsgroups is what both servers carry, beside groups of their own.
func newsgroups(now time.Time) []Group {
	old := now.AddDate(0, 0, -30)
	return []Group{
		{"diff.closed", "Nobody posts here", 'n', old},
		{"diff.cross", "The other group of a crosspost", 'y', old},
		{"diff.edges", "Its first and its last article are gone", 'y', old},
		{"diff.empty", "It never had an article", 'y', old},
		{"diff.gone", "All its articles are gone", 'y', old},
		{"diff.new", "Made this very day", 'y', now},
		{"diff.nodesc", "", 'y', old},
		{"diff.odd", "Strange headers \u2013 and a strange description", 'y', old},
		{"diff.one", "One article", 'y', old},
		{"diff.peer", "For what peers bring, which nothing here reads", 'y', old},
		{"diff.plain", "Articles, with two missing in the midst", 'y', old},
		{"diff.post", "For posts, which nothing here reads", 'y', old},
	}
}

// gone are the articles that are taken away again, once all are there.
var gone = []string{"<p3@a.example>", "<p4@a.example>", "<e1@a.example>", "<e4@a.example>", "<g1@a.example>", "<g2@a.example>"}

// fillINN feeds the articles to INN as a peer would, and returns them as INN
// has them: with its name in Path, and with Xref.
func fillINN(t *testing.T, s *Server, fill func(string) string) []*article.Article {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "articles.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Parse([]byte(fill(string(text))))
	feed := dial(t, s.Transit)
	for _, f := range archive.Files {
		text := strings.ReplaceAll(string(f.Data), "\n", "\r\n")
		feed.say(t, "TAKETHIS "+f.Name+"\r\n"+string(article.Stuff([]byte(text)))+".", "239")
	}
	var all []*article.Article
	read := dial(t, s.Reader)
	for _, f := range archive.Files {
		read.say(t, "ARTICLE "+f.Name, "220")
		a, err := article.Parse(read.block(t))
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		all = append(all, a)
	}
	for _, id := range gone {
		s.Cancel(id)
	}
	s.Expire()
	return all
}

func dial(t *testing.T, address string) *line {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &line{conn, bufio.NewReader(conn)}
	if a := c.hear(""); a.status[0] != '2' {
		t.Fatalf("greeted with %s", a.status)
	}
	return c
}

// say sends a line and wants a code for it.
func (c *line) say(t *testing.T, text, want string) {
	t.Helper()
	if _, err := fmt.Fprint(c, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	if status, err := c.r.ReadString('\n'); err != nil || !strings.HasPrefix(status, want) {
		t.Fatalf("%.60q: got %q, %v, want %s", text, status, err, want)
	}
}

// block reads the lines of a response.
func (c *line) block(t *testing.T) []byte {
	t.Helper()
	var text []byte
	for {
		got, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if got == ".\r\n" {
			return article.Unstuff(text)
		}
		text = append(text, got...)
	}
}

// startGateway starts a gateway that carries the same groups and holds the same
// articles under the same numbers.
func startGateway(t *testing.T, groups []Group, articles []*article.Article) *harness.Gateway {
	t.Helper()
	g := harness.Start(t, harness.Quiet()...) // no batch comes in the midst of the dialogues
	g.Stop()
	carry(t, g, groups)
	meet(t, g)
	store, err := disk.Open(g.Data, disk.Options{ServerName: Domain})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, store, groups, articles)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	g.Restart()
	return g
}

// carry adds groups to the gateway's configuration.
func carry(t *testing.T, g *harness.Gateway, groups []Group) {
	t.Helper()
	var text strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&text, "\n[[group]]\nname = %q\ndescription = %q\nposting = %q\n",
			group.Name, group.Description, string(group.Posting))
	}
	configure(t, g, text.String())
}

// feeder is where the peer of the gateway talks from. The newsreaders of the
// other dialogues come from the usual address, which is no peer's: the gateway
// listens to both at one port, where INN has two.
const feeder = "127.0.0.2"

// meet makes feeder a peer of the gateway, from which it takes every group.
func meet(t *testing.T, g *harness.Gateway) {
	t.Helper()
	configure(t, g, fmt.Sprintf("\n[[peer]]\nname = \"feed.example\"\naddresses = [%q]\ngroups = \"*\"\n", feeder))
}

// configure adds text to the gateway's configuration.
func configure(t *testing.T, g *harness.Gateway, text string) {
	t.Helper()
	config, err := os.OpenFile(g.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.WriteString(text)
	if err := errors.Join(err, config.Close()); err != nil {
		t.Fatal(err)
	}
}

// keep files the articles in a gateway's store, and drops those that are gone.
func keep(t *testing.T, store *disk.Store, groups []Group, articles []*article.Article) {
	t.Helper()
	for _, g := range groups {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{
			Name: pool.Group(g.Name), Description: g.Description, Posting: pool.Posting(g.Posting), Created: g.Created,
		}); err != nil {
			t.Fatal(err)
		}
	}
	const dropped, kept = 1, 0 // epochs
	for _, a := range articles {
		epoch := uint64(kept)
		if slices.Contains(gone, a.Get("Message-ID")) {
			epoch = dropped
		}
		filed, err := a.File(filedIn(t, a.Get("Xref")), time.Now(), epoch)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), filed); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.DropBefore(t.Context(), dropped+1); err != nil {
		t.Fatal(err)
	}
}

// filedIn reads the groups in which INN filed an article.
func filedIn(t *testing.T, xref string) []pool.Group {
	t.Helper()
	var groups []pool.Group
	for _, location := range strings.Fields(xref)[1:] {
		name, _, _ := strings.Cut(location, ":")
		g, err := pool.ParseGroup(name)
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, g)
	}
	return groups
}

// sizesAreRight checks that the gateway counts the octets of each article as
// they are sent (RFC 3977, Section 8.1): INN is one off where a line was
// dot-stuffed.
func sizesAreRight(t *testing.T, g *harness.Gateway, articles []*article.Article) {
	t.Helper()
	c := dial(t, g.Address)
	for _, a := range articles {
		id := a.Get("Message-ID")
		if slices.Contains(gone, id) {
			continue
		}
		c.say(t, "HDR :bytes "+id, "225")
		if got, want := string(c.block(t)), fmt.Sprintf("0 %d\r\n", len(a.Text())); got != want {
			t.Errorf("the size of %s is said to be %q, want %q", id, got, want)
		}
	}
}
