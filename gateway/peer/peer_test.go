package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
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
	return f.Take(b.t.Context(), pool.MessageID(id), []byte(text))()
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

// RFC 5537, Sections 3.6 and 3.7: nothing but Path and Xref is altered.
func TestTake_keepsEveryOctet(t *testing.T) {
	b := newBench(t)
	given := text("<1@x>", "Path", "a.example\r\n\t!.POSTED!x", "X-Eight", "caf\xe9\r\n folded", "Xref", "other misc.test:9", "subject2", "  y  ")
	got := b.taken("", b.a, "<1@x>", given)
	want := strings.Replace(given, "Path: a.example", "Path: gw.example!!a.example", 1)
	want = strings.Replace(want, "Xref: other misc.test:9\r\n", "", 1)
	want = strings.Replace(want, "\r\n\r\n", "\r\nXref: gw.example misc.test:1\r\n\r\n", 1)
	if diff := cmp.Diff(want, string(article.Unstuff(got.Wire[:len(got.Wire)-3]))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// RFC 3977, Section 3.6 allows it, and many a cancel comes so.
func TestTake_anEmptyBody(t *testing.T) {
	b := newBench(t)
	head, _, _ := strings.Cut(text("<1@x>"), "\r\n\r\n")
	got := b.taken("", b.a, "<1@x>", head+"\r\n\r\n")
	if !strings.HasSuffix(string(got.Wire), "\r\nXref: gw.example misc.test:1\r\n\r\n.\r\n") {
		t.Errorf("stored as %q", got.Wire)
	}
	b.refused("no empty line", Malformed, "<2@x>", head+"\r\n")
}

// RFC 5537, Section 3.2.1.
func TestPath_saysWhetherItIsThePeers(t *testing.T) {
	b := newBench(t)
	for i, c := range []struct{ given, want string }{
		{"a.example!x", "gw.example!!a.example!x"},
		{"A.Example!x", "gw.example!!A.Example!x"},
		{"c.example!a.example!x", "gw.example!.MISMATCH.a.example!c.example!a.example!x"},
		{"not-for-mail", "gw.example!.MISMATCH.a.example!not-for-mail"},
		{"a.example!gw.example", "gw.example!!a.example!gw.example"}, // as the tail entry
		{"a.example!.POSTED!gw.example!x", "gw.example!!a.example!.POSTED!gw.example!x"},
	} {
		id := fmt.Sprintf("<%d@x>", i)
		got := b.taken(c.given, b.a, id, text(id, "Path", c.given))
		if path, _ := article.HeaderField(got.Head(), "Path"); path != c.want {
			t.Errorf("%s became %s", c.given, path)
		}
	}
}

// RFC 5537, Section 3.6: our identity in Path, in any case, means we had it.
func TestPath_ourOwnMeansWeHadIt(t *testing.T) {
	b := newBench(t)
	b.refused("ours", Looped, "<1@x>", text("<1@x>", "Path", "a.example!gw.example!x"))
	b.refused("another case", Looped, "<1@x>", text("<1@x>", "Path", "a.example!!GW.example!b!x"))
	b.refused("first", Looped, "<1@x>", text("<1@x>", "Path", "gw.example!x"))
	b.refused("no path", Field, "<1@x>", text("<1@x>", "Path", "a!b!"))
}

// RFC 5536, Section 3.1 and RFC 5537, Section 3.7.
func TestHeader_requiredOnceAndNotEmpty(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"Path", "From", "Newsgroups", "Subject", "Message-ID", "Date"} {
		b.refused(name+" missing", Field, "<1@x>", text("<1@x>", name, "-"))
		b.refused(name+" empty", Field, "<1@x>", text("<1@x>", name, ""))
		b.refused(name+" twice", Field, "<1@x>", text("<1@x>", strings.ToUpper(name[:1])+strings.ToLower(name[1:])+"", "x", strings.ToUpper(name), "x"))
	}
	for _, name := range []string{"References", "Approved", "Injection-Date", "Control"} {
		b.refused(name+" twice", Field, "<1@x>", text("<1@x>", name, "x", strings.ToUpper(name), "x"))
	}
	b.refused("no article", Malformed, "<1@x>", "nonsense\r\n")
	b.refused("bare LF", Malformed, "<1@x>", text("<1@x>")+"x\ny\r\n")
	b.refused("no space behind a colon, RFC 5536, Section 2.2", Malformed, "<1@x>", "X:y\r\n"+text("<1@x>"))
	b.refused("a newsgroup that is none", Malformed, "<1@x>", text("<1@x>", "Newsgroups", "misc.test,a..b"))
}

// RFC 3977, Section 6.3.2 leaves it open, innd takes the header's; an id
// announced to others must be the one that comes.
func TestHeader_messageIDIsTheOneAnnounced(t *testing.T) {
	b := newBench(t)
	b.refused("another", OtherID, "<1@x>", text("<2@x>"))
	b.refused("another case", OtherID, "<1@x>", text("<1@X>"))
	if seen, _ := b.store.Seen(t.Context(), "<2@x>"); seen {
		t.Error("the header's id is remembered")
	}
}

// RFC 5537, Sections 3.3 and 3.6 to 3.7.
func TestDate_withinCutoffAndADay(t *testing.T) {
	b := newBench(t)
	at := func(d time.Duration) string { return article.Date(time.Now().Add(d)) }
	for i, c := range []struct {
		why, date, injected string
		want                Reason // Duplicate stands for taken
	}{
		{"23 hours ahead", at(23 * time.Hour), "", Duplicate},
		{"25 hours ahead", at(25 * time.Hour), "", TooNew},
		{"9 days old", at(-9 * 24 * time.Hour), "", Duplicate},
		{"11 days old", at(-11 * 24 * time.Hour), "", TooOld},
		{"written long ago, injected now", at(-999 * time.Hour), at(0), Duplicate},
		{"injected long ago", at(0), at(-999 * time.Hour), TooOld},
		{"injected tomorrow", at(0), at(25 * time.Hour), TooNew},
		{"no date", "soon", "", Field},
		{"no date, but injected", "soon", at(0), Field},
		{"no date of injection", at(0), "soon", Field},
	} {
		id := fmt.Sprintf("<%d@x>", i)
		changes := []string{"Date", c.date}
		if c.injected != "" {
			changes = append(changes, "Injection-Date", c.injected)
		}
		if c.want == Duplicate {
			b.taken(c.why, b.a, id, text(id, changes...))
		} else {
			b.refused(c.why, c.want, id, text(id, changes...))
		}
	}
}

// RFC 5537, Sections 3.6 and 3.7.
func TestGroups_carriedAndAllowed(t *testing.T) {
	b := newBench(t)
	for i, c := range []struct {
		feed   *Feed
		groups string
		want   []pool.Group
	}{
		{b.a, "misc.test,nowhere.x", []pool.Group{"misc.test"}},
		{b.a, "secret.x,misc.test", []pool.Group{"misc.test"}},
		{b.b, "secret.x, misc.test", []pool.Group{"secret.x", "misc.test"}},
		{b.a, "misc.closed", []pool.Group{"misc.closed"}}, // 'n' is for readers
	} {
		id := fmt.Sprintf("<%d@x>", i)
		var got []pool.Group
		for _, l := range b.taken(c.groups, c.feed, id, text(id, "Newsgroups", c.groups)).Locations {
			got = append(got, l.Group)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.groups, diff)
		}
	}
	b.refused("none carried", Unwanted, "<x@x>", text("<x@x>", "Newsgroups", "nowhere.x"))
	b.refused("none allowed", Unwanted, "<x@x>", text("<x@x>", "Newsgroups", "secret.x"))
	if groups, err := b.store.Groups(t.Context()); err != nil || len(groups) != 6 {
		t.Errorf("an article made a newsgroup: %v, %v", groups, err)
	}
}

// docs/protocol.md, section 12.
func TestGroups_ownAreNeverFed(t *testing.T) {
	b := newBench(t)
	for _, g := range []string{"restante.pool", "restante.manifest", "restante.keys", "restante.reply", "restante.inbox", "RESTANTE.Sent"} {
		b.refused(g, OwnGroup, "<1@x>", text("<1@x>", "Newsgroups", "misc.test,"+g))
	}
}

// docs/protocol.md, section 12: in no group, by no command, as no control message.
func TestMessageID_ofOurOwnDomainIsNeverFed(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"<m.5@gw.example>", "<k.1.2@GW.Example>", "<AAAA@gw.example>"} {
		b.refused(id, OwnID, id, text(id))
		b.refused(id+" as a cancel", OwnID, id, text(id, "Control", "cancel <1@x>"))
		var refusal *pool.Refusal
		if err := b.a.Offer(t.Context(), pool.MessageID(id)); !errors.As(err, &refusal) || !errors.Is(err, OwnID) {
			t.Errorf("%s offered: %v", id, err)
		}
	}
	for _, id := range []string{"<m.5@x.gw.example>", "<gw.example@x>"} {
		b.taken(id, b.a, id, text(id))
	}
}

// RFC 5537, Section 3.7.
func TestGroups_moderatedNeedApproval(t *testing.T) {
	b := newBench(t)
	b.refused("not approved", Unapproved, "<1@x>", text("<1@x>", "Newsgroups", "misc.test,misc.mod"))
	b.taken("approved", b.a, "<1@x>", text("<1@x>", "Newsgroups", "misc.test,misc.mod", "Approved", "m@example.org"))
}

// RFC 5537, Section 3.3.
func TestTake_onlyOnce(t *testing.T) {
	b := newBench(t)
	b.taken("", b.a, "<1@x>", text("<1@x>"))
	if err := b.take(b.b, "<1@x>", text("<1@x>")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("again: %v", err)
	}
	if err := b.a.Offer(t.Context(), "<1@x>"); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("offered: %v", err)
	}
	if c := b.Counts(); c.Accepted != 1 || c.Rejected["duplicate"] != 1 || c.Offered != 3 || c.Refused != 1 {
		t.Errorf("counted %+v", c)
	}
}

// RFC 4644, Section 2.4.2 and RFC 3977, Section 6.3.2.2.
func TestOffer_oneFeedAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		offer := func(f *Feed, want error) {
			t.Helper()
			if err := f.Offer(t.Context(), "<1@x>"); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		offer(b.a, nil)
		offer(b.a, nil)
		offer(b.b, ErrInFlight)
		time.Sleep(patience + time.Second) // a never sent it
		offer(b.b, nil)
		offer(b.a, ErrInFlight)
		b.b.Refuse("<1@x>", nntp.ErrBlockTooLarge)
		offer(b.a, nil)
		b.a.Close()
		offer(b.b, nil)
		wait := b.a.Take(t.Context(), "<2@x>", []byte(text("<2@x>"))) // without an offer
		if err := b.b.Offer(t.Context(), "<2@x>"); !errors.Is(err, ErrInFlight) && !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("while it is filed: %v", err)
		}
		b.a.Close()
		if err := wait(); err != nil {
			t.Error(err)
		}
		if n := len(b.flight.under); n != 1 {
			t.Errorf("%d articles under way, want the one that b offered", n)
		}
		if c := b.Counts(); c.Deferred < 2 || c.Rejected["too_large"] != 1 {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestFlight_isBounded(t *testing.T) {
	f, now := newFlight(), time.Now()
	a, b := new(Feed), &Feed{peer: new(Peer)}
	for i := range maxFlight + 10 {
		if !f.expect(pool.MessageID(fmt.Sprint(i)), a, now) {
			t.Fatal("refused")
		}
	}
	if len(f.under) != maxFlight || !f.expect("beyond", b, now) {
		t.Errorf("%d are under way", len(f.under))
	}
	if !f.expect("0", b, now.Add(patience)) || len(f.under) != 1 || len(f.line) != 1 || len(f.feeds) != 1 {
		t.Errorf("afterwards %d, %d, %d", len(f.under), len(f.line), len(f.feeds))
	}
}

// RFC 5537, Section 3.7: control messages are filed in groups of their own, or
// are remembered.
func TestControl_filedByItself(t *testing.T) {
	b := newBench(t)
	if err := b.take(b.a, "<1@x>", text("<1@x>", "Control", "cancel <t@x>")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.ByID(t.Context(), "<1@x>"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("a control message is filed where it shouldn't: %v", err)
	}
	if err := b.a.Offer(t.Context(), "<1@x>"); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("it is not remembered: %v", err)
	}
	if err := b.take(b.a, "<1@x>", text("<1@x>", "Control", "cancel <t@x>")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("again: %v", err)
	}
	b.carry("control", pool.PostingDenied)
	b.carry("control.cancel", pool.PostingDenied)
	if got := b.taken("", b.a, "<2@x>", text("<2@x>", "Control", "cancel <t@x>")); got.In("control.cancel") != 1 || len(got.Locations) != 1 {
		t.Errorf("filed at %v", got.Locations)
	}
	// A group's making is relayed though the group is not there (Section 3.6),
	// and not obeyed.
	if got := b.taken("", b.a, "<3@x>", text("<3@x>", "Control", "newgroup misc.new", "Newsgroups", "misc.new", "Approved", "x@y")); got.In("control") != 1 {
		t.Errorf("filed at %v", got.Locations)
	}
	if _, err := b.store.Group(t.Context(), "misc.new"); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("an article made a newsgroup: %v", err)
	}
	b.refused("one for a group the peer may not feed", Unwanted, "<4@x>", text("<4@x>", "Control", "rmgroup secret.y", "Newsgroups", "secret.y"))
	b.refused("a cancel for a group that is not carried", Unwanted, "<4@x>", text("<4@x>", "Control", "cancel <t@x>", "Newsgroups", "misc.y"))
	b.refused("malformed", Control, "<4@x>", text("<4@x>", "Control", "cancel"))
	b.refused("with Supersedes", Control, "<4@x>", text("<4@x>", "Control", "cancel <a@b>", "Supersedes", "<a@b>"))
	b.refused("in a moderated group, RFC 5537, Section 5.3", Unapproved, "<4@x>", text("<4@x>", "Control", "cancel <t@x>", "Newsgroups", "misc.mod"))
}

// RFC 8315, Section 3.5.
func TestCancel_onlyWithTheKey(t *testing.T) {
	b := newBench(t)
	key := [32]byte{7}
	for i, name := range []string{"Control", "Supersedes"} {
		target := fmt.Sprintf("<t%d@x>", i)
		value := target
		if name == "Control" {
			value = "cancel " + target
		}
		b.taken("target", b.a, target, text(target, "Cancel-Lock", control.Lock(key)))
		there := func() bool {
			_, err := b.store.ByID(t.Context(), pool.MessageID(target))
			return err == nil
		}
		for j, keys := range []string{"", control.Key([32]byte{8}), control.Lock(key)} {
			id := fmt.Sprintf("<no%d.%d@x>", i, j)
			changes := []string{name, value}
			if keys != "" {
				changes = append(changes, "Cancel-Key", keys)
			}
			if err := b.take(b.b, id, text(id, changes...)); err != nil || !there() {
				t.Errorf("%s without the key: %v, target there %v", name, err, there())
			}
		}
		id := fmt.Sprintf("<yes%d@x>", i)
		if err := b.take(b.b, id, text(id, name, value, "Cancel-Key", "sha1:x "+control.Key(key))); err != nil || there() {
			t.Errorf("%s with the key: %v, target there %v", name, err, there())
		}
		if err := b.take(b.a, target, text(target)); !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("the target again: %v", err)
		}
		_, err := b.store.ByID(t.Context(), pool.MessageID(id))
		if filed := err == nil; filed != (name == "Supersedes") {
			t.Errorf("%s itself is filed: %v", name, filed)
		}
	}
}

// RFC 5537, Sections 3.6, item 5, and 5.3: a cancel may come first.
func TestCancel_aheadOfItsArticle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		key := [32]byte{7}
		cancel := func(id, target string, k [32]byte) {
			if err := b.take(b.a, id, text(id, "Control", "cancel "+target, "Cancel-Key", control.Key(k))); err != nil {
				t.Fatal(err)
			}
		}
		cancel("<c1@x>", "<t1@x>", [32]byte{8}) // a forged one hinders nothing
		cancel("<c2@x>", "<t1@x>", key)
		b.refused("cancelled", Withdrawn, "<t1@x>", text("<t1@x>", "Cancel-Lock", control.Lock(key)))
		cancel("<c3@x>", "<t2@x>", [32]byte{8})
		b.taken("forged", b.a, "<t2@x>", text("<t2@x>", "Cancel-Lock", control.Lock(key)))
		b.taken("without a lock", b.a, "<t1@x>", text("<t1@x>"))
		cancel("<c4@x>", "<t3@x>", key)
		time.Sleep(12 * 24 * time.Hour)
		b.taken("long after", b.a, "<t3@x>", text("<t3@x>", "Cancel-Lock", control.Lock(key)))
	})
}

func TestEarly_isBounded(t *testing.T) {
	e, now := newEarly(time.Hour), time.Now()
	for i := range maxEarly + 5 {
		e.add(control.Request{Target: pool.MessageID(fmt.Sprint(i)), Keys: "sha256:x"}, now)
	}
	e.add(control.Request{Target: "long", Keys: strings.Repeat("x", maxEarlyKeys+1)}, now)
	if len(e.line) != maxEarly || e.line[len(e.line)-1].request.Target != pool.MessageID(fmt.Sprint(maxEarly+4)) {
		t.Errorf("%d are remembered", len(e.line))
	}
}

// A cancel in the same stream as its article, neither on the disk yet.
func TestCancel_rightBehindItsArticle(t *testing.T) {
	b := newBench(t)
	key := [32]byte{7}
	target := b.a.Take(t.Context(), "<t@x>", []byte(text("<t@x>", "Cancel-Lock", control.Lock(key))))
	cancel := b.a.Take(t.Context(), "<c@x>", []byte(text("<c@x>", "Control", "cancel <t@x>", "Cancel-Key", control.Key(key))))
	if err := errors.Join(target(), cancel()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.ByID(t.Context(), "<t@x>"); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("the target: %v", err)
	}
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

// failing is a store that fails for a while.
type failing struct {
	*memory.Store
	err error
}

func (f *failing) Begin(context.Context, *pool.Article) func() ([]pool.Location, error) {
	return func() ([]pool.Location, error) { return nil, f.err }
}

func TestTake_temporaryFailuresStayTemporary(t *testing.T) {
	b := newBench(t)
	o := b.options()
	for _, want := range []error{pool.ErrDiskFull, pool.ErrReadOnly, errors.New("x")} {
		o.Store = &failing{b.store, want}
		d := New(o)
		f := d.Feed(conn{from: "192.0.2.1:1"})
		err := f.Take(t.Context(), "<1@x>", []byte(text("<1@x>")))()
		var refusal *pool.Refusal
		if !errors.Is(err, want) || errors.As(err, &refusal) || d.Counts().Deferred != 1 {
			t.Errorf("%v became %v, counted %+v", want, err, d.Counts())
		}
		if len(d.flight.under) != 0 {
			t.Error("it is still under way")
		}
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(text("<1@x>")))
	f.Add([]byte(text("<1@x>", "Control", "cancel <a@b>", "Cancel-Key", "sha256:(x)y")))
	f.Add([]byte(text("<1@x>", "Newsgroups", "misc.test,,", "Path", "!!.x!")))
	f.Fuzz(func(t *testing.T, octets []byte) {
		b := newBench(t)
		err := b.a.Take(t.Context(), "<1@x>", octets)()
		if _, final := reasonOf(err); err != nil && !final {
			t.Errorf("an article's fault is taken for ours: %v", err)
		}
		if stored, missing := b.store.ByID(t.Context(), "<1@x>"); missing == nil {
			if _, err := article.Parse(article.Unstuff(stored.Wire[:len(stored.Wire)-3])); err != nil {
				t.Errorf("what is stored is no article: %v", err)
			}
		}
	})
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
