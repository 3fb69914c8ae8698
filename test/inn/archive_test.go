package inn

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/test/harness"
)

// TestImport_takesOverAServer moves the spool of an INN to a gateway: the same
// groups, numbers, water marks and octets.
func TestImport_takesOverAServer(t *testing.T) {
	s, groups := filledINN(t)
	before := shelves(t, s.Reader, groups)

	g := harness.Start(t)
	g.Stop()
	spool := []string{
		"import", "tradspool", filepath.Join(s.folder, "spool", "articles"),
		"--active", filepath.Join(s.folder, "db", "active"), "--newsgroups", filepath.Join(s.folder, "db", "newsgroups"),
	}
	configure(t, g, g.Run(append(spool, "--print-groups")...)+"\n")
	counts := g.Run(spool...)
	if !regexp.MustCompile(`^read (\d+), filed (\d+), duplicate 0, refused 0$`).MatchString(counts) {
		t.Errorf("import says %q", counts)
	}
	g.Restart()
	// Of a group that has nothing left nnrpd makes marks up; the active file has
	// the right one.
	gone := before["move.gone"]
	gone.active = "move.gone 2 3 y"
	before["move.gone"] = gone
	compareShelves(t, before, shelves(t, g.Address, groups))
}

// TestExport_isReadByINN moves all of it back, to another INN, as a batch.
func TestExport_isReadByINN(t *testing.T) {
	g, groups := filledGateway(t)
	g.Stop()
	batch := filepath.Join(t.TempDir(), "batch")
	g.Run("export", "rnews", "--groups", "move.*", batch)
	g.Restart()

	to := Start(t, groups, Login{"peter", "swordfish"})
	in, err := os.Open(batch)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	host, port, _ := strings.Cut(to.Transit, ":")
	rnews := to.command(t.Context(), "rnews", "-v", "-N", "-S", host, "-P", port)
	rnews.Stdin = in
	if out, err := rnews.CombinedOutput(); err != nil {
		t.Fatalf("rnews: %v\n%s", err, out)
	}
	compareTexts(t, shelves(t, g.Address, groups), shelves(t, to.Reader, groups))
}

// TestExport_isReadByPython has Python's mailbox module read an mbox.
func TestExport_isReadByPython(t *testing.T) {
	g, groups := filledGateway(t)
	g.Stop()
	mbox := filepath.Join(t.TempDir(), "mbox")
	g.Run("export", "mbox", "--groups", "move.*", mbox)
	g.Restart()

	const script = `
import mailbox, re, sys
for m in mailbox.mbox(sys.argv[1], create=False):
    body = re.sub(rb'^>(>*From )', rb'\1', m.as_bytes(), flags=re.M).split(b'\n\n', 1)[1]
    sys.stdout.buffer.write(m['Message-ID'].encode() + b' ' + body.hex().encode() + b'\n')
`
	out, err := exec.CommandContext(t.Context(), harness.Need(t, "python3"), "-c", script, mbox).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		id, body, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[id] = body
	}
	want := make(map[string]string)
	for _, shelf := range shelves(t, g.Address, groups) {
		for _, text := range shelf.articles {
			a, err := article.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			want[a.Get("Message-ID")] = fmt.Sprintf("%x", bytes.ReplaceAll(a.Body(), []byte("\r\n"), []byte("\n")))
		}
	}
	if len(want) == 0 {
		t.Fatal("there are no articles")
	}
	for id, body := range want {
		if got[id] != body {
			t.Errorf("the body of %s is\n%s, want\n%s", id, got[id], body)
		}
	}
	if len(got) != len(want) {
		t.Errorf("Python finds %d articles, want %d", len(got), len(want))
	}
}

// filledINN starts an INN with articles, some of which are gone again, and with
// a group whose articles are all gone.
func filledINN(t *testing.T) (*Server, []Group) {
	t.Helper()
	groups := []Group{
		{Name: "move.a", Description: "Where it is at", Posting: 'y'},
		{Name: "move.b", Description: `With "quotes"`, Posting: 'y'},
		{Name: "move.b.below", Description: "", Posting: 'y'},
		{Name: "move.empty", Description: "Never had one", Posting: 'n'},
		{Name: "move.gone", Description: "Had some", Posting: 'y'},
	}
	s := Start(t, groups, Login{"peter", "swordfish"})
	feed := dial(t, s.Transit)
	for i, m := range moved() {
		feed.say(t, fmt.Sprintf("TAKETHIS <m%d@a.example>\r\n%s.", i, article.Stuff([]byte(m))), "239")
	}
	feed.say(t, "QUIT", "205")
	for _, i := range []int{0, 3, 6, 7} {
		s.Cancel(fmt.Sprintf("<m%d@a.example>", i))
	}
	s.Expire()
	return s, groups
}

// moved is the articles that are moved.
func moved() []string {
	var out []string
	for i, c := range []struct{ groups, body string }{
		{"move.a", "gone\r\n"},
		{"move.a", "plain\r\n"},
		{"move.b,move.a", "crosspost\r\n"},
		{"move.b", "gone\r\n"},
		{"move.b.below,move.a,move.b", ".\r\n..\r\n.a\r\n\r\n"},
		{"move.b", "From here\r\n\r\nFrom there\r\n>From nowhere\r\n>>From all\r\nFrom\r\n"},
		{"move.gone", "gone\r\n"},
		{"move.gone", "gone\r\n"},
		{"move.a", "octets \x80\xff\xfe\t\r\n\r\n\r\n\r\n"},
		{"move.a,move.elsewhere,move.b.below", strings.Repeat("long lines ", 500) + "\r\n"},
		{"move.b", "#! rnews 5\r\nabc\r\n"},
	} {
		out = append(out, fmt.Sprintf("Path: a.example!not-for-mail\r\nFrom: \"caf\xc3\xa9\" <j@a.example>\r\nNewsgroups: %s\r\nSubject: article %d,\r\n\tfolded\r\n"+
			"Date: %s\r\nMessage-ID: <m%d@a.example>\r\nX-Eight: \xe9\xff\r\n\r\n%s", c.groups, i, article.Date(time.Now()), i, c.body))
	}
	return out
}

// filledGateway starts a gateway that took over the INN of filledINN.
func filledGateway(t *testing.T) (*harness.Gateway, []Group) {
	t.Helper()
	s, groups := filledINN(t)
	g := harness.Start(t)
	g.Stop()
	carry(t, g, groups)
	g.Run("import", "tradspool", filepath.Join(s.folder, "spool", "articles"), "--active", filepath.Join(s.folder, "db", "active"))
	g.Restart()
	return g, groups
}

// A shelf is what a server shows of a group.
type shelf struct {
	active   string // its line in LIST ACTIVE
	numbers  string
	articles [][]byte
}

// shelves reads all articles of the groups.
func shelves(t *testing.T, address string, groups []Group) map[string]shelf {
	t.Helper()
	out := make(map[string]shelf)
	c := dial(t, address)
	c.say(t, "MODE READER", "200")
	for _, g := range groups {
		var s shelf
		c.say(t, "LIST ACTIVE "+g.Name, "215")
		s.active = string(c.block(t))
		c.say(t, "LISTGROUP "+g.Name, "211")
		s.numbers = string(c.block(t))
		for n := range strings.FieldsSeq(s.numbers) {
			c.say(t, "ARTICLE "+n, "220")
			s.articles = append(s.articles, c.block(t))
		}
		out[g.Name] = s
	}
	return out
}

// compareShelves checks that two servers show the same.
func compareShelves(t *testing.T, want, got map[string]shelf) {
	t.Helper()
	for name, w := range want {
		g := got[name]
		if w.numbers != g.numbers {
			t.Errorf("%s: numbers %q, want %q", name, g.numbers, w.numbers)
			continue
		}
		if marks(w.active) != marks(g.active) {
			t.Errorf("%s: LIST ACTIVE %q, want %q", name, g.active, w.active)
		}
		for i := range w.articles {
			if text := xrefLast(t, w.articles[i]); string(g.articles[i]) != text {
				t.Errorf("%s, article %d is\n%q, want\n%q", name, i, g.articles[i], text)
			}
		}
	}
}

// marks is the numbers and the flag in a line of LIST ACTIVE.
func marks(line string) string {
	var name, flag string
	var high, low int
	_, _ = fmt.Sscanf(line, "%s %d %d %s", &name, &high, &low, &flag)
	return fmt.Sprint(name, high, low, flag)
}

// xrefLast moves Xref to the end of a header, where the gateway has it.
func xrefLast(t *testing.T, text []byte) string {
	t.Helper()
	a, err := article.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	xref := a.Get("Xref")
	a.Del("Xref")
	if err := a.Add("Xref", xref); err != nil {
		t.Fatal(err)
	}
	return string(a.Text())
}

// compareTexts checks that a server has the same articles in the same order,
// under whatever numbers, and with its own name added to Path.
func compareTexts(t *testing.T, want, got map[string]shelf) {
	t.Helper()
	plain := func(text []byte) string {
		a, err := article.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		a.Del("Xref")
		a.Del("Path")
		return string(a.Text())
	}
	for name, w := range want {
		g := got[name]
		if len(g.articles) != len(w.articles) {
			t.Errorf("%s: %d articles, want %d", name, len(g.articles), len(w.articles))
			continue
		}
		for i := range w.articles {
			if plain(g.articles[i]) != plain(w.articles[i]) {
				t.Errorf("%s, article %d is\n%q, want\n%q", name, i, g.articles[i], w.articles[i])
			}
		}
	}
}
