package peer

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A conn is a connection that only says where it comes from.
type conn struct {
	net.Conn
	from string
}

func (c conn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

// A bench is a desk with two peers, and the store behind it.
type bench struct {
	t     *testing.T
	store *memory.Store
	*Desk
	a, b *Feed
}

func wildmat(t testing.TB, s string) nntp.Wildmat {
	t.Helper()
	w, err := nntp.ParseWildmat(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, store: memory.New("gw.example")}
	for name, posting := range map[pool.Group]pool.Posting{
		"misc.test": pool.PostingAllowed, "misc.mod": pool.PostingModerated, "misc.closed": pool.PostingDenied, "secret.x": pool.PostingAllowed,
		"restante.pool": pool.PostingDenied, "restante.reply": pool.PostingAllowed,
	} {
		b.carry(name, posting)
	}
	b.Desk = New(b.options())
	b.a, b.b = b.Feed(conn{from: "192.0.2.1:1"}), b.Feed(conn{from: "[2001:db8::7]:2"})
	if b.a == nil || b.b == nil {
		t.Fatal("the peers are not known")
	}
	return b
}

func (b *bench) options() Options {
	peers := []Peer{
		{Name: "a", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Groups: wildmat(b.t, "*,!secret.*"), Path: "a.example"},
		{Name: "b", Addresses: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}, Groups: wildmat(b.t, "*"), Path: "b.example"},
	}
	return Options{
		Domain: "gw.example", Peers: peers, Store: b.store, Cutoff: 240 * time.Hour,
		Own: []pool.Group{"restante.pool", "restante.manifest", "restante.keys", "restante.reply", "restante.inbox", "restante.sent"},
	}
}

func (b *bench) carry(name pool.Group, posting pool.Posting) {
	b.t.Helper()
	if err := b.store.SetGroup(b.t.Context(), pool.GroupInfo{Name: name, Posting: posting}); err != nil {
		b.t.Fatal(err)
	}
}

// text is an article, some of its header fields changed or, with "-", left out,
// and new ones added behind.
func text(id string, changes ...string) string {
	order := []string{"Path", "From", "Newsgroups", "Subject", "Message-ID", "Date"}
	fields := map[string]string{
		"Path": "a.example!not-for-mail", "From": "J\xf6rg <j@example.org>", "Newsgroups": "misc.test",
		"Subject": "x", "Message-ID": id, "Date": article.Date(time.Now()),
	}
	for i := 0; i < len(changes); i += 2 {
		if _, ok := fields[changes[i]]; !ok {
			order = append(order, changes[i])
		}
		fields[changes[i]] = changes[i+1]
	}
	var out strings.Builder
	for _, name := range order {
		if fields[name] != "-" {
			out.WriteString(name + ": " + fields[name] + "\r\n")
		}
	}
	return out.String() + "\r\n.a line with a dot\r\n.\r\nbody \x80\r\n"
}

func (b *bench) take(f *Feed, id, text string) error {
	b.t.Helper()
	return f.Take(b.t.Context(), pool.MessageID(id), []byte(text)).Wait()
}

// refused feeds what must be refused for good, and for that reason.
func (b *bench) refused(why string, want Reason, id, text string) {
	b.t.Helper()
	before := b.Counts().Rejected[want.String()]
	err := b.take(b.a, id, text)
	var refusal *pool.Refusal
	if !errors.As(err, &refusal) {
		b.t.Errorf("%s: %v, want a refusal for %v", why, err, want)
		return
	}
	if got, final := reasonOf(err); !final || got != want || refusal.Sentence == "" || strings.ContainsAny(refusal.Sentence, "\r\n") {
		b.t.Errorf("%s: %v (%q), want %v", why, got, refusal.Sentence, want)
	}
	if after := b.Counts().Rejected[want.String()]; after != before+1 {
		b.t.Errorf("%s: counted %d times", why, after-before)
	}
	if seen, _ := b.store.Seen(b.t.Context(), pool.MessageID(id)); seen {
		b.t.Errorf("%s: a refused article is remembered, which keeps a good copy out", why)
	}
}

func (b *bench) taken(why string, f *Feed, id, text string) *pool.Stored {
	b.t.Helper()
	if err := b.take(f, id, text); err != nil {
		b.t.Fatalf("%s: %v", why, err)
	}
	stored, err := b.store.ByID(b.t.Context(), pool.MessageID(id))
	if err != nil {
		b.t.Fatalf("%s: %v", why, err)
	}
	return stored
}

// Marks are all needed where several are given.
func TestFeed_marksOfAPeer(t *testing.T) {
	b := newBench(t)
	digest := [32]byte{1}
	shown := map[string][32]byte{"198.51.100.1:1": digest, "192.0.2.9:1": {2}, "203.0.113.1:1": digest}
	o := b.options()
	o.Peers = []Peer{
		{Name: "nobody", Groups: wildmat(t, "*")},
		{Name: "both", Certificate: &digest, Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		{Name: "certificate", Certificate: &digest},
		{Name: "address", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	o.Certificate = func(c net.Conn) ([32]byte, bool) {
		d, ok := shown[c.RemoteAddr().String()]
		return d, ok
	}
	ours, theirs := net.Pipe()
	defer func() { _ = errors.Join(ours.Close(), theirs.Close()) }()
	for _, c := range []struct {
		conn net.Conn
		want string
	}{
		{conn{from: "198.51.100.1:1"}, "both"},
		{conn{from: "198.51.100.2:1"}, ""},
		{conn{from: "203.0.113.1:1"}, "certificate"},
		{conn{from: "192.0.2.9:1"}, "address"},
		{conn{from: "[::ffff:192.0.2.9]:5"}, "address"},
		{conn{from: "192.0.3.9:1"}, ""},
		{ours, ""},
	} {
		got := ""
		if f := New(o).Feed(c.conn); f != nil {
			got = f.peer.Name
		}
		if got != c.want {
			t.Errorf("%v is %q, want %q", c.conn.RemoteAddr(), got, c.want)
		}
	}
	o.Certificate = nil
	if New(o).Feed(conn{from: "203.0.113.1:1"}) != nil {
		t.Error("a certificate that nobody can look at is taken for shown")
	}
}

// What is asked for and does not come is lost once the connection ends, and
// nothing counts twice.
func TestLedger_balancesForEachPeer(t *testing.T) {
	b := newBench(t)
	balanced := func(name string, want Counts) {
		t.Helper()
		c := b.CountsOf(name)
		sum := c.Refused + c.Accepted + c.Deferred + c.Lost
		for _, n := range c.Rejected {
			sum += n
		}
		if c.Offered != sum {
			t.Errorf("%s: offered %d, and %d became of it: %+v", name, c.Offered, sum, c)
		}
		c.Rejected = nil
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	offer := func(f *Feed, id pool.MessageID) { _ = f.Offer(t.Context(), id) }
	a, other := b.a.peer.Name, b.b.peer.Name
	offer(b.a, "<1@x>")
	offer(b.a, "<1@x>")
	offer(b.a, "<2@x>")
	offer(b.b, "<2@x>") // in flight: deferred
	balanced(a, Counts{Offered: 2, Deferred: 2})
	b.taken("", b.a, "<1@x>", text("<1@x>"))
	offer(b.b, "<1@x>") // refused
	b.taken("", b.b, "<3@x>", text("<3@x>"))
	_ = b.take(b.b, "<4@x>", "garbage\r\n") // rejected
	balanced(a, Counts{Offered: 2, Accepted: 1, Deferred: 1})
	b.a.Close()
	balanced(a, Counts{Offered: 2, Accepted: 1, Lost: 1})
	balanced(other, Counts{Offered: 4, Refused: 1, Accepted: 1, Deferred: 1})
	if c := b.Counts(); c.Offered != 6 || c.Accepted != 2 {
		t.Errorf("together %+v", c)
	}
}
