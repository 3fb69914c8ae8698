package peer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

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

// A contact card may be called by its own token, and so come from elsewhere under our
// domain; nothing else may that is called by a token.
func TestMessageID_ofOurOwnDomainIsThatOfACard(t *testing.T) {
	b := newBench(t)
	b.carry("restante.cards", pool.PostingAllowed)
	card := newCard(t, "gw.example")
	block := strings.ReplaceAll(card.Text(), "\n", "\r\n")
	b.refused("no card", OwnID, card.Token, text(card.Token, "Newsgroups", "restante.cards"))
	b.refused("elsewhere", OwnID, card.Token, text(card.Token)+block)
	b.refused("another's card", OwnID, card.Token, text(card.Token, "Newsgroups", "restante.cards")+strings.ReplaceAll(newCard(t, "gw.example").Text(), "\n", "\r\n"))
	if err := b.a.Offer(t.Context(), pool.MessageID(card.Token)); err != nil {
		t.Errorf("offered: %v", err)
	}
	b.taken("a card", b.a, card.Token, text(card.Token, "Newsgroups", "restante.cards")+block)
	if err := b.a.Offer(t.Context(), pool.MessageID(card.Token)); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("offered again: %v", err)
	}
}

// newCard makes a card of somebody at a gateway.
func newCard(t *testing.T, domain string) *contact.Card {
	t.Helper()
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	seed := identity.NewSeed()
	minted, err := token.Mint(key.Public(), domain, 1, seed.Mailbox(1))
	if err != nil {
		t.Fatal(err)
	}
	card, err := contact.NewCard("Alice", minted.MessageID(domain), identity.NewE2EPublic(seed.E2EKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// RFC 5537, Section 3.7.
func TestGroups_moderatedNeedApproval(t *testing.T) {
	b := newBench(t)
	b.refused("not approved", Unapproved, "<1@x>", text("<1@x>", "Newsgroups", "misc.test,misc.mod"))
	b.taken("approved", b.a, "<1@x>", text("<1@x>", "Newsgroups", "misc.test,misc.mod", "Approved", "m@example.org"))
}

// What comes back of our own must be the gateway's; nothing else does.
func TestMessageID_ofOurOwnDomainComesBackOnlyAsTheGatewaysOwn(t *testing.T) {
	b := newBench(t)
	back := b.Back((*b.peers.Load())[0])
	defer back.Close()
	if err := b.take(back, "<AAAA@gw.example>", text("<AAAA@gw.example>")); !errors.Is(err, OwnID) {
		t.Errorf("where no gateways are known: %v", err)
	}
	o := b.options()
	o.Gateways = &mirror.Policy{Book: new(mirror.Book)}
	b.Desk = New(o)
	back = b.Back(o.Peers[0])
	defer back.Close()
	if err := b.take(back, "<AAAA@gw.example>", text("<AAAA@gw.example>")); !errors.Is(err, Form) {
		t.Errorf("a post: %v", err)
	}
	b.taken("another's", back, "<1@x>", text("<1@x>"))
}
