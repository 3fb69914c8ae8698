package bench

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/test/harness"
	"github.com/restante/restante/test/inn"
)

func TestMain(m *testing.M) {
	if outside() || os.Getenv("NEWS_BENCH_SERVER") != "" {
		os.Exit(m.Run())
	}
	os.Exit(harness.Main(m))
}

// outside says whether the server measured is one that runs already.
func outside() bool {
	return os.Getenv("NEWS_BENCH_READER") != "" || os.Getenv("NEWS_BENCH_FEED") != ""
}

// A target is the server that is measured.
type target struct {
	reader, feed string    // addresses
	processes    processes // none where they are not known
	group        string
	articles     int // how many are read
	idle         int // connections
	segment      int // octets
	press        *press
	buffers      nntp.Buffers
}

// open finds the server that the environment names, or starts one.
func open(b *testing.B) *target {
	b.Helper()
	t := &target{group: "misc.test", press: newPress()}
	if group := os.Getenv("NEWS_BENCH_GROUP"); group != "" {
		t.group = group
	}
	t.articles = number(b, "NEWS_BENCH_ARTICLES", 10_000)
	t.idle = number(b, "NEWS_BENCH_IDLE", 10_000)
	if text := os.Getenv("NEWS_BENCH_SEGMENT"); text == "0" {
		t.segment = 0
	} else {
		t.segment = number(b, "NEWS_BENCH_SEGMENT", ethernet)
	}
	switch server := os.Getenv("NEWS_BENCH_SERVER"); {
	case outside():
		t.find(b)
	case server == "inn":
		t.startINN(b, inn.StartBuffered)
	case server == "cnfs":
		t.startINN(b, inn.StartCyclic)
	case server == "":
		t.startGateway(b)
	default:
		b.Fatal("NEWS_BENCH_SERVER may be inn or cnfs")
	}
	return t
}

// find takes a server that runs already.
func (t *target) find(b *testing.B) {
	b.Helper()
	reader, feed := os.Getenv("NEWS_BENCH_READER"), os.Getenv("NEWS_BENCH_FEED")
	t.reader, t.feed = cmp.Or(reader, feed), cmp.Or(feed, reader)
	for pid := range strings.FieldsFuncSeq(os.Getenv("NEWS_BENCH_PID"), func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(pid)
		if err != nil {
			b.Fatal("NEWS_BENCH_PID is not a list of numbers")
		}
		t.processes = append(t.processes, n)
	}
}

func (t *target) startGateway(b *testing.B) {
	b.Helper()
	g := harness.Start(b,
		harness.Setting{Key: "connections", Value: strconv.Itoa(t.idle + 100)},
		harness.Setting{Key: "[[peer]]", Value: "name = \"bench.example\"\naddresses = [\"127.0.0.1\"]"},
	)
	t.reader, t.feed, t.processes = g.Address, g.Address, processes{g.PID()}
}

// mostForks is how many idle readers a server gets that has a process for each.
const mostForks = 200

func (t *target) startINN(b *testing.B, start func(testing.TB, []inn.Group, inn.Login) *inn.Server) {
	b.Helper()
	s := start(b, []inn.Group{{Name: t.group, Posting: 'y', Created: time.Now()}}, inn.Login{Name: "nobody", Password: "secret"})
	t.reader, t.feed, t.processes = s.Reader, s.Transit, s.PIDs
	t.idle = min(t.idle, mostForks)
}

func number(b *testing.B, variable string, otherwise int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s is not a number above 0", variable)
	}
	return n
}

// needFeed skips the benchmark where the server takes no feed from here.
func (t *target) needFeed(b *testing.B) {
	b.Helper()
	if !t.streams(b) {
		b.Skip("there is no address that takes articles by TAKETHIS from here")
	}
}

// streams says whether the server takes articles as peers send them (RFC 4644,
// Section 2.1).
func (t *target) streams(b *testing.B) bool {
	b.Helper()
	c := t.dial(b, t.feed)
	if err := c.ask("CAPABILITIES", nntp.CodeCapabilities); err != nil {
		b.Fatal(err)
	}
	capabilities, err := c.block()
	if err != nil {
		b.Fatal(err)
	}
	for line := range capabilities.Lines() {
		if string(line) == "STREAMING" {
			return true
		}
	}
	return false
}

// An entry is an article of the benchmarks' group.
type entry struct{ number, id string }

// fill returns as many articles as are read, the oldest of the group, and feeds
// what the group has less of them. The oldest stay the same when the benchmarks
// run again and leave more behind.
func (t *target) fill(b *testing.B) []entry {
	b.Helper()
	held := t.list(b)
	if missing := t.articles - len(held); missing > 0 {
		if !t.streams(b) {
			b.Skipf("%s holds %d articles, not %d, and takes none by TAKETHIS from here", t.group, len(held), t.articles)
		}
		c := t.dialPeer(b)
		if err := c.takeThis(t.press, newForm(t.press, t.group, 2<<10), missing); err != nil {
			b.Fatal(err)
		}
		held = t.list(b)
	}
	if len(held) < t.articles {
		b.Fatalf("%s holds %d articles, and was fed %d", t.group, len(held), t.articles)
	}
	return held[:t.articles]
}

// entryOf reads an overview line (RFC 3977, Section 8.3.2).
func entryOf(line []byte) entry {
	fields := bytes.SplitN(line, []byte("\t"), 6)
	if len(fields) < 6 {
		return entry{}
	}
	return entry{number: string(fields[0]), id: string(fields[4])}
}

// list returns the articles of the group, in order.
func (t *target) list(b *testing.B) []entry {
	b.Helper()
	c := t.dialReader(b)
	err := c.ask(fmt.Sprintf("XOVER 1-%d", pool.MaxNumber), nntp.CodeOverview)
	var none unexpectedReply
	if errors.As(err, &none) && (none.Code == nntp.CodeNoCurrent || none.Code == nntp.CodeNoSuchNumber) {
		return nil
	}
	if err != nil {
		b.Fatal(err)
	}
	block, err := c.block()
	if err != nil {
		b.Fatal(err)
	}
	var held []entry
	for line := range block.Lines() {
		held = append(held, entryOf(line))
	}
	return held
}
