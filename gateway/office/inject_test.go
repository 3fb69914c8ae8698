package office

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
)

func post(header string) string {
	return "Newsgroups: misc.test\nFrom: x@home.example\nSubject: x\n" + header + "\nbody\n"
}

// RFC 5537, Sections 3.4.1 and 3.5, item 2.
func TestInject_whatAProtoArticleMustNotHave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, c := range []struct {
			header string
			cause  error
		}{
			{"Injection-Info: x.example\n", ErrInjected},
			{"Xref: x.example misc.test:1\n", ErrInjected},
			{"Path: x.example!.POSTED!not-for-mail\n", ErrInjected},
			{"Path: x.example!.posted.192.0.2.1!not-for-mail\n", ErrInjected},
			{"Message-ID: nonsense\n", pool.ErrMessageID},
			{"Date: soon\n", ErrDate},
			{"SUBJECT: y\n", ErrRepeated},
			{"Date: Fri, 01 Mar 2024 12:00:00 +0000\nDate: Fri, 01 Mar 2024 12:00:00 +0000\n", ErrRepeated},
			{"Control: newgroup misc.x\n", ErrControl},
			{"Control: cancel\n", ErrControl},
			{"Control: cancel <a@b>\nSupersedes: <a@b>\n", ErrControl},
		} {
			b.refused(nil, post(c.header), c.cause)
		}
	})
}

// RFC 5537, Section 3.4.1: Message-ID, Date and Path may be absent, and RFC
// 5537, Section 3.5, items 5 and 8 to 11, says what is added. A Date far off is
// replaced, not refused.
func TestInject_addsTheSameToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, header := range []string{
			"",
			"Message-ID: <a@pc.example>\nDate: Fri, 01 Mar 2024 12:00:00 -0600\nPath: pc.example!x\n",
			"Date: Fri, 01 Mar 2094 12:00:00 -0600\nInjection-Date: Fri, 01 Mar 2024 12:00:00 -0600\n",
		} {
			id := b.submit(nil, post(header))
			b.turn(1)
			s, err := b.store.ByID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			field := func(name string) string {
				value, _ := article.HeaderField(s.Head(), name)
				return value
			}
			now := article.Date(time.Now())
			for name, want := range map[string]string{
				"Path": domain + "!.POSTED!not-for-mail", "Injection-Info": domain, "Injection-Date": now, "Date": now, "Cancel-Lock": "", "Approved": "",
			} {
				if got := field(name); got != want {
					t.Errorf("%q: %s is %q, want %q", header, name, got, want)
				}
			}
		}
	})
}

// A private message is not injected anywhere.
func TestInject_nothingInPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		b.submit(b.login("bob", bobPass), reply(to, "hello"))
		b.turn(1)
		for _, name := range []string{"Injection-Info", "Injection-Date", "Cancel-Lock"} {
			if b.folder(b.login("alice", alicePass), Inbox)[0].Has(name) {
				t.Errorf("the message has %s", name)
			}
		}
	})
}

func (b *bench) there(id pool.MessageID) bool {
	b.t.Helper()
	_, err := b.store.ByID(b.t.Context(), id)
	if err != nil && !errors.Is(err, pool.ErrNotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

// RFC 8315, Sections 3.1 and 3.3: the gateway locks for those whom it knows by
// their login, and brings the key when they cancel.
func TestCancel_byItsAuthorOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		alice, bob := b.login("alice", alicePass), b.login("bob", bobPass)
		first, second := b.submit(alice, post("")), b.submit(alice, post("Cancel-Lock: sha256:hers\n"))
		nobodys := b.submit(nil, post(""))
		b.turn(1)
		s, err := b.store.ByID(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		lock, _ := article.HeaderField(s.Head(), "Cancel-Lock")
		if want := control.Lock(alice.box.CancelKey(string(first))); lock != want {
			t.Errorf("the lock is %q, want %q", lock, want)
		}
		cancel := func(id pool.MessageID) string {
			return post("Control: cancel " + string(id) + "\n")
		}
		b.refused(nil, cancel(first), ErrCancelLogin)
		b.refused(bob, cancel(first), ErrNotAuthor)
		b.refused(alice, cancel(nobodys), ErrNotAuthor)
		b.refused(bob, post("Supersedes: "+string(second)+"\nCancel-Key: sha256:x\n"), ErrNotAuthor)

		again := b.login("alice", alicePass) // nothing was kept of the first login
		b.submit(again, cancel(first))
		if !b.there(first) {
			t.Error("the cancel did not wait for its batch")
		}
		next := b.submit(again, post("Supersedes: "+string(second)+"\n"))
		b.turn(1)
		if b.there(first) || b.there(second) || !b.there(next) || !b.there(nobodys) {
			t.Errorf("there: %v %v %v %v", b.there(first), b.there(second), b.there(next), b.there(nobodys))
		}
	})
}

// An article and its cancel may leave in one batch, in any order of posting.
func TestCancel_inTheSameBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: "control.cancel", Posting: pool.PostingDenied}); err != nil {
			t.Fatal(err)
		}
		alice := b.login("alice", alicePass)
		var ids []pool.MessageID
		var cancels []pool.MessageID
		for range 5 {
			id := b.submit(alice, post(""))
			ids = append(ids, id)
			cancels = append(cancels, b.submit(alice, post("Control: cancel "+string(id)+"\n")))
		}
		b.turn(2) // eight entries a batch: receipts may go on
		for i := range ids {
			if b.there(ids[i]) || !b.there(cancels[i]) {
				t.Errorf("%d: article there %v, cancel there %v", i, b.there(ids[i]), b.there(cancels[i]))
			}
		}
		s, err := b.store.ByID(t.Context(), cancels[0])
		if err != nil || s.In("control.cancel") == 0 || len(s.Locations) != 1 {
			t.Errorf("the cancel is filed at %v, %v", s.Locations, err)
		}
	})
}

// Nothing private can be withdrawn: not by its sender, and no entry of the pool
// has a lock.
func TestCancel_nothingPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		bob := b.login("bob", bobPass)
		b.turn(1)
		b.refused(bob, "Newsgroups: restante.reply\nSubject: x\nReferences: "+string(to)+"\nControl: cancel "+string(to)+"\n\nx\n", ErrTakeBack)
		b.refused(bob, "Newsgroups: restante.inbox\nSubject: x\nReferences: "+string(to)+"\nSupersedes: "+string(to)+"\n\nx\n", ErrTakeBack)
		err := b.store.Scan(t.Context(), poolGroup, pool.All, func(n pool.Number, _ []byte) bool {
			s, err := b.store.ByNumber(t.Context(), poolGroup, n)
			if err != nil {
				t.Fatal(err)
			}
			if _, locked := article.HeaderField(s.Head(), "Cancel-Lock"); locked {
				t.Error("an entry has a lock")
			}
			b.refused(bob, post("Control: cancel "+string(s.ID)+"\n"), ErrNotAuthor)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// RFC 5537, Sections 3.5, item 7, and 3.5.1.
func TestModerate_postsGoToTheModeratorFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, g := range []pool.Group{"misc.mod", "misc.mail"} {
			if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingModerated}); err != nil {
				t.Fatal(err)
			}
		}
		token := b.card("moderator", alicePass)
		b.SetModerators(map[pool.Group]string{"misc.mod": string(token), "misc.mail": "mod@mail.example"})
		b.turn(1)
		bob := b.login("bob", bobPass)
		wish := "Newsgroups: misc.test,misc.mod,misc.mail\nFrom: x@home.example\nSubject: please\n"
		id := b.submit(bob, wish+"\n.the words\n")
		b.turn(1)
		if b.there(id) {
			t.Fatal("it was published unseen")
		}
		moderator := b.login("moderator", alicePass)
		inbox := b.folder(moderator, Inbox)
		if len(inbox) != 1 || string(inbox[0].Body()) != ".the words\r\n" || inbox[0].Get("Message-ID") != string(id) ||
			inbox[0].Get("Restante-Newsgroups") != "misc.test,misc.mod,misc.mail" || inbox[0].Has("Injection-Date") {
			t.Fatalf("the moderator got %d messages", len(inbox))
		}
		if len(b.folder(bob, Sent)) != 1 {
			t.Error("the sender has no receipt")
		}

		approve := "Newsgroups: misc.test,misc.mod\nFrom: x@home.example\nSubject: please\nApproved: me@work.example\nMessage-ID: " + string(id) + "\n\n.the words\n"
		b.refused(nil, approve, ErrApproved)
		b.refused(bob, approve, ErrApproved)
		if got := b.submit(moderator, approve); got != id {
			t.Errorf("approved under another Message-ID")
		}
		b.turn(1)
		s, err := b.store.ByID(t.Context(), id)
		if err != nil || s.In("misc.mod") == 0 || s.In("misc.test") == 0 {
			t.Fatalf("the approved article: %v", err)
		}
		if approved, _ := article.HeaderField(s.Head(), "Approved"); approved != "moderator@"+domain {
			t.Errorf("Approved: %s", approved)
		}
		b.submit(nil, reply(id, "to the author")) // not to the moderator
		b.turn(1)
		if len(b.folder(bob, Inbox)) != 1 || len(b.folder(moderator, Inbox)) != 1 {
			t.Error("a reply did not reach the author alone")
		}
		if _, err := b.Submit(t.Context(), crlf(approve+"and more\n"), moderator); !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("approved again: %v", err)
		}
		b.refused(moderator, "Newsgroups: misc.mod,misc.mail\nSubject: x\nApproved: x@y\n\nx\n", ErrApproved)
	})
}

func TestModerate_moderatorOutOfReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: "misc.mod", Posting: pool.PostingModerated}); err != nil {
			t.Fatal(err)
		}
		unapproved := "Newsgroups: misc.mod\nSubject: x\n\nx\n"
		for _, c := range []struct{ moderator, say string }{
			{"mod@mail.example", "mod@mail.example"}, {"", "operator"}, {"<forged@" + domain + ">", "operator"}, {"<token@other.example>", "operator"},
		} {
			b.SetModerators(map[pool.Group]string{"misc.mod": c.moderator})
			if got := b.refused(nil, unapproved, ErrModerator); !strings.Contains(got, c.say) || !strings.Contains(got, "moderat") {
				t.Errorf("with %q: %q", c.moderator, got)
			}
		}
	})
}
