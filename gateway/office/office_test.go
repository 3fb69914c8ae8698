package office

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

func TestSubmit_replyFindsItsOwnerAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		time.Sleep(17 * time.Second)
		b.submit(nil, reply(to, "The violin is under the stair."))
		alice, other := b.login("alice", alicePass), b.login("alice", bobPass)
		if n := len(b.folder(alice, Inbox)); n != 0 {
			t.Errorf("%d messages before the batch left", n)
		}
		b.turn(1)
		inbox := b.folder(alice, Inbox)
		if date := inbox[0].Get("Date"); !strings.Contains(date, ":00 +0000") {
			t.Errorf("the date is %s: the second of writing is nobody's business", date)
		}
		if len(inbox) != 1 || string(inbox[0].Body()) != "The violin is under the stair.\r\n" {
			t.Fatalf("the inbox holds %d messages", len(inbox))
		}
		for name, want := range map[string]string{
			"From": "Anonymous <nobody@" + domain + ">", "Subject": "Re: card", "References": string(to),
			"Newsgroups": "restante.inbox", "Followup-To": "restante.reply",
		} {
			if got := inbox[0].Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if len(b.folder(other, Inbox)) != 0 || len(b.folder(b.login("Alice", alicePass), Inbox)) != 0 {
			t.Error("another mailbox holds it too")
		}
	})
}

func TestSubmit_conversationGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		last := b.card("alice", alicePass)
		alice, bob := b.login("alice", alicePass), b.login("bob", bobPass)
		for i := range 6 {
			from, to := bob, alice
			if i%2 == 1 {
				from, to = alice, bob
			}
			b.submit(from, reply(last, fmt.Sprintf("message %d", i)))
			b.turn(1)
			inbox := b.folder(to, Inbox)
			newest := inbox[len(inbox)-1]
			if !strings.Contains(string(newest.Body()), fmt.Sprintf("message %d", i)) {
				t.Fatalf("message %d did not come", i)
			}
			last = pool.MessageID(newest.Get("Message-ID"))
		}
		if s := len(b.folder(alice, Sent)); s != 4 {
			t.Errorf("alice has %d receipts, want those of her card and three messages", s)
		}
	})
}

func TestSubmit_longMessageComesWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		line := ".starts with a dot, and is seventy-odd octets long so that it looks like a line\n"
		body := strings.Repeat(line, (1<<20)/len(line)+200)
		b.submit(nil, reply(to, body))
		alice := b.login("alice", alicePass)
		for i := range 20 {
			b.turn(1)
			inbox := b.folder(alice, Inbox)
			if len(inbox) == 0 {
				continue
			}
			if i < 16 { // 65 fragments and a receipt
				t.Errorf("more than four fragments came in a batch of eight")
			}
			if want := crlf(body + "\n"); !bytes.Equal(inbox[0].Body(), want) {
				t.Errorf("%d octets came of %d", len(inbox[0].Body()), len(want))
			}
			return
		}
		t.Error("it never came")
	})
}

func TestSubmit_numbersAreThePoolsAndStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		seen := map[pool.Number]string{}
		for i := range 4 {
			b.submit(nil, reply(to, fmt.Sprint("message ", i)))
			b.turn(2)
			m := b.login("alice", alicePass) // a fresh login each time
			err := m.Scan(t.Context(), Inbox, pool.All, func(n pool.Number, line []byte) bool {
				id := strings.Split(string(line), "\t")[3]
				if before, ok := seen[n]; ok && before != id {
					t.Errorf("number %d is another message in a later login", n)
				}
				seen[n] = id
				if entry, err := b.store.ByNumber(t.Context(), poolGroup, n); err != nil || entry == nil {
					t.Errorf("the pool has no number %d", n)
				}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) != 4 {
			t.Errorf("%d numbers for four messages", len(seen))
		}
	})
}

// Everything of the sender that real newsreaders send along.
const tracedHeader = `Path: pc-of-robert!tin
From: Robert Zimmermann <robert@work.example>
Reply-To: robert-private@home.example
Sender: robert@workstation-17
Organization: Work Ltd, Minneapolis
Date: Thu, 02 Jan 2020 03:04:05 -0600
Message-ID: <slrn123.zimmermann@workstation-17.work.example>
User-Agent: tin/2.6.2-20221225 ("Pittyvaich") (Linux/6.1.0 (x86_64))
X-Newsreader: Forte Agent
X-Face: zimmermann-face
Content-Language: en-US-zimmermann
NNTP-Posting-Host: 192.0.2.77
X-Trace: zimmermann-trace
Injection-Date: Thu, 02 Jan 2020 03:04:05 -0600
Cancel-Lock: sha256:zimmermann-lock
Distribution: zimmermann-world
Archive: zimmermann-no
Approved: zimmermann@work.example
Expires: Thu, 02 Jan 2030 03:04:05 -0600
Lines: 1717
Cc: zimmermann-cc@home.example
`

func TestSubmit_removesTheSendersTraces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		bob := b.login("bob", bobPass)
		keep := "Subject: hello\nKeywords: kept words\nSummary: kept summary\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n"
		b.submit(nil, tracedHeader+"Newsgroups: misc.test\n"+keep+"\nbody\n")
		b.submit(nil, tracedHeader+"Newsgroups: restante.reply\nReferences: "+string(to)+"\n"+keep+"\nbody\n")
		public := b.submit(bob, tracedHeader+"Newsgroups: misc.test\n"+keep+"\nbody\n")
		b.turn(1)
		texts := []string{}
		for n := pool.Number(1); n <= 2; n++ {
			s, err := b.store.ByNumber(t.Context(), "misc.test", n)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(s.Wire))
		}
		texts = append(texts, string(b.folder(b.login("alice", alicePass), Inbox)[0].Text()))
		receipt := b.folder(bob, Sent)[0]
		if receipt.Get("Message-ID") != string(public) {
			t.Error("the receipt names another message")
		}
		texts = append(texts, string(receipt.Text()))
		for i, text := range texts {
			for _, trace := range []string{"zimmermann", "Zimmermann", "robert", "Robert", "workstation", "work.example", "home.example", "Minneapolis", "tin/2.6", "Pittyvaich", "Forte Agent", "02 Jan 2020", "02 Jan 2030", "-0600", "192.0.2", "Lines: 17"} {
				if strings.Contains(text, trace) {
					t.Errorf("article %d still has %q in it:\n%s", i, trace, text)
				}
			}
			for _, kept := range []string{"kept words", "kept summary", "charset=utf-8", "8bit", "Subject: hello", "body"} {
				if !strings.Contains(text, kept) {
					t.Errorf("article %d has lost %q", i, kept)
				}
			}
		}
	})
}

func TestSubmit_publicPostsSayOnlyTheirBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var ids []pool.MessageID
		for range 3 {
			time.Sleep(7 * time.Second)
			ids = append(ids, b.submit(nil, "Newsgroups: misc.test\nSubject: x\n\nx\n"))
		}
		if _, err := b.store.ByID(t.Context(), ids[0]); !errors.Is(err, pool.ErrNotFound) {
			t.Error("a public post did not wait for the batch")
		}
		b.turn(1)
		released := article.Date(time.Now())
		for _, id := range ids {
			s, err := b.store.ByID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if date, _ := article.HeaderField(s.Head(), "Date"); date != released {
				t.Errorf("Date is %s, the batch left %s", date, released)
			}
		}
	})
}

func TestSubmit_nymsAreChosenByAddressAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const nobody = "Anonymous <nobody@gw.example>"
		for from, want := range map[string]string{
			"alice <alice@gw.example>":              "alice <alice@gw.example>",
			"Alice Liddell <Alice-L2@GW.example>":   "alice-l2 <alice-l2@gw.example>",
			"alice@home.example":                    nobody,
			"Alice":                                 nobody,
			"":                                      nobody,
			"pool@gw.example":                       nobody,
			"postmaster@gw.example":                 nobody,
			"a.liddell@gw.example":                  nobody,
			"\"a b\"@gw.example":                    nobody,
			"a@sub.gw.example":                      nobody,
			strings.Repeat("a", 33) + "@gw.example": nobody,
		} {
			if got := b.from(from); got != want {
				t.Errorf("From %q became %q, want %q", from, got, want)
			}
		}
	})
}

func TestSubmit_badInputGetsASentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		flipped := []byte(to)
		flipped[80] ^= 1 // within the ciphertext, still base64url
		for flipped[80] == '`' || flipped[80] == '@' || flipped[80] == '[' || flipped[80] == '/' || flipped[80] == ':' || flipped[80] == '{' || flipped[80] == ',' || flipped[80] == '^' {
			flipped[80] = 'A'
		}
		const plain = "Subject: x\n\nx\n"
		tests := []struct {
			name, text string
			cause      error
		}{
			{"no newsgroup", plain, article.ErrNoGroups},
			{"unknown newsgroup", "Newsgroups: no.such\n" + plain, ErrUnknown},
			{"malformed newsgroup", "Newsgroups: a..b\n" + plain, pool.ErrGroupName},
			{"the pool itself", "Newsgroups: restante.pool\n" + plain, ErrClosedGroup},
			{"the sent folder", "Newsgroups: restante.sent\n" + plain, ErrSent},
			{"newsgroups twice", "Newsgroups: misc.test\nNewsgroups: restante.reply\nReferences: " + string(to) + "\n" + plain, ErrRepeated},
			{"references twice", "Newsgroups: restante.reply\nReferences: <a@x.example>\nreferences: " + string(to) + "\n" + plain, ErrRepeated},
			{"no subject", "Newsgroups: misc.test\nFrom: x\n\nx\n", ErrNoSubject},
			{"no body", "Newsgroups: misc.test\nSubject: x\n\n", ErrEmpty},
			{"no header at all", "hello\n", article.ErrNoBody},
			{"private and public", "Newsgroups: restante.reply,misc.test\nReferences: " + string(to) + "\n" + plain, ErrMixed},
			{"private in capitals and public", "Newsgroups: Restante.Reply,misc.test\nReferences: " + string(to) + "\n" + plain, ErrMixed},
			{"no token", "Newsgroups: restante.reply\n" + plain, ErrNobody},
			{"token in the body only", "Newsgroups: restante.reply\nSubject: x\n\n" + string(to) + "\n", ErrNobody},
			{"answers no token", "Newsgroups: restante.reply\nReferences: " + string(to) + " <other@x.example>\n" + plain, ErrNotToken},
			{"answers no token, but one in To", "Newsgroups: restante.reply\nReferences: <other@x.example>\nTo: " + string(to) + "\n" + plain, ErrNotToken},
			{"token, then something that is no message-id", "Newsgroups: restante.reply\nReferences: " + string(to) + " <b\xe9d@x.example>\n" + plain, ErrNotToken},
			{"token, then one cut off", "Newsgroups: restante.reply\nReferences: " + string(to) + " <cut-off@x.exam\n" + plain, ErrNotToken},
			{"token, then one too long", "Newsgroups: restante.reply\nReferences: " + string(to) + " <" + strings.Repeat("x", 249) + "@x.example>\n" + plain, ErrNotToken},
			{"cut token", "Newsgroups: restante.reply\nReferences: <" + string(to[9:]) + "\n" + plain, ErrNotToken},
			{"forged token", "Newsgroups: restante.reply\nReferences: " + string(flipped) + "\n" + plain, ErrForged},
			{"token of another gateway", "Newsgroups: restante.reply\nReferences: " + strings.Replace(string(to), domain, "other.example", 1) + "\n" + plain, ErrForeign},
			{"too large", "Newsgroups: misc.test\nSubject: x\n\n" + strings.Repeat("x\n", maxSize) + "\n", ErrTooLarge},
			{"header too large", "Newsgroups: misc.test\nSubject: x\nSummary: x" + strings.Repeat("\n word", 3000) + "\n\nx\n", ErrTooLarge},
		}
		for _, tt := range tests {
			sentence := b.refused(nil, tt.text, tt.cause)
			if len(sentence) < 20 || len(sentence) > 200 || strings.Contains(sentence, string(to[1:40])) {
				t.Errorf("%s: the sentence is %q", tt.name, sentence)
			}
		}
		if n := b.Queue.Waiting(); n != 2 { // the card and its receipt
			t.Errorf("%d deposits wait: something refused was kept", n)
		}
		b.submit(nil, reply(to, "and it can still be answered"))
	})
}

func TestSubmit_tokenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		time.Sleep(3 * time.Hour)
		b.turn(0)
		b.submit(nil, reply(to, "within the token's life"))
		time.Sleep(time.Hour)
		b.turn(0)
		b.refused(nil, reply(to, "after it"), ErrExpired)
	})
}

func TestSubmit_destinationInItsOtherPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := string(b.card("alice", alicePass))
		address := strings.Trim(to, "<>")
		folded := to[:100] + "\n " + to[100:]
		for i, header := range []string{
			"Newsgroups: restante.inbox\nReferences: <first@x.example>\n\t" + to,
			"Newsgroups: restante.reply\nReferences: <first@x.example> " + folded,
			"Newsgroups: restante.reply\nIn-Reply-To: " + to,
			"Newsgroups: restante.reply\nTo: " + address,
			"Newsgroups: restante.reply\nTo: " + to,
			"Newsgroups: restante.reply\nTo: \"A friend\" " + to,
			"Newsgroups: restante.inbox,restante.reply\nTo: " + address,
		} {
			b.submit(nil, fmt.Sprintf("%s\nSubject: =?UTF-8?Q?caf=C3=A9?= caf\xe9 café\n\nnumber %d\n", header, i))
		}
		b.turn(2)
		inbox := b.folder(b.login("alice", alicePass), Inbox)
		if len(inbox) != 7 {
			t.Errorf("%d of 7 came", len(inbox))
		}
		for _, a := range inbox {
			if got := a.Get("Subject"); got != "=?UTF-8?Q?caf=C3=A9?= caf\xe9 café" {
				t.Errorf("subject came as %q", got)
			}
		}
	})
}

func TestSubmit_cardsAreAnsweredInPrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		card := b.card("alice", alicePass)
		open := b.submit(nil, "Newsgroups: misc.test\nSubject: x\nFollowup-To: poster\n\nx\n")
		elsewhere := b.submit(nil, "Newsgroups: misc.test\nSubject: x\nFollowup-To: misc.test, poster\n\nx\n")
		b.turn(1)
		for id, want := range map[pool.MessageID]string{card: "restante.reply", open: "", elsewhere: "misc.test"} {
			s, err := b.store.ByID(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := article.HeaderField(s.Head(), "Followup-To"); got != want {
				t.Errorf("Followup-To is %q, want %q", got, want)
			}
		}
	})
}

func TestSubmit_tokensOfOneMailboxAreUnlinkable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := b.card("alice", alicePass), b.card("alice", alicePass)
		same := 0
		for i := 2; i < 150; i++ {
			if one[i] == two[i] {
				same++
			}
		}
		if same > 15 { // 148 random characters of 64 agree in 2.3 places
			t.Errorf("the tokens agree in %d of 148 characters", same)
		}
	})
}

func TestReceipt_holdsWhatFits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		bob := b.login("bob", bobPass)
		for _, body := range []string{"short", strings.Repeat("a line of a long letter\n", 4000), strings.Repeat("one endless line ", 4000)} {
			b.submit(bob, reply(to, body))
			b.turn(1)
		}
		sent := b.folder(bob, Sent)
		if len(sent) != 3 {
			t.Fatalf("%d receipts, want 3", len(sent))
		}
		for _, r := range sent {
			if r.Get(destinationField) != string(to) || !strings.HasPrefix(r.Get(digestField), "sha-256=") || r.Get(sizeField) == "" {
				t.Errorf("a receipt lacks its fields:\n%s", r.Header())
			}
		}
		if string(sent[0].Body()) != "short\r\n" {
			t.Errorf("the short one reads %q", sent[0].Body())
		}
		if got := string(sent[1].Body()); !strings.Contains(got, "a line of a long letter\r\n[Restante: this receipt keeps the first ") || len(got) < 14000 {
			t.Errorf("the long one ends with %q", got[len(got)-100:])
		}
		if got := string(sent[2].Body()); !strings.HasPrefix(got, "[Restante: this receipt keeps the first 0 of ") {
			t.Errorf("the endless one reads %q", got)
		}
	})
}

func TestMailbox_lettersGoWithTheirEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		b.submit(nil, reply(to, "soon gone"))
		b.turn(1)
		alice := b.login("alice", alicePass)
		if len(b.folder(alice, Inbox)) != 1 {
			t.Fatal("it never came")
		}
		var number pool.Number
		if err := alice.Scan(t.Context(), Inbox, pool.All, func(n pool.Number, _ []byte) bool { number = n; return true }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		b.turn(0)
		if _, err := alice.ByNumber(t.Context(), Inbox, number); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("an expired letter in an old login: %v", err)
		}
		if n := len(b.folder(b.login("alice", alicePass), Inbox)); n != 0 {
			t.Errorf("a new login finds %d expired letters", n)
		}
	})
}

func TestLogin_weakPassphraseIsToldHowToDoBetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for _, weak := range []string{"", "secret", "alice", "password123456", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "correcthorse"} {
			_, err := b.Login(t.Context(), "alice", weak)
			var refusal *pool.Refusal
			if !errors.As(err, &refusal) || !errors.Is(err, identity.ErrWeakPassphrase) || !strings.Contains(refusal.Sentence, "restanted passphrase") {
				t.Errorf("%q: got %v", weak, err)
			}
		}
		made, err := identity.NewPassphrase()
		if err != nil {
			t.Fatal(err)
		}
		b.login("alice", made)
	})
}

func TestSubmit_fullQueueIsToldAndKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		bob := b.login("bob", bobPass)
		for range 100 {
			to, before := b.stranger(), b.Queue.Waiting()
			_, err := b.Submit(t.Context(), crlf(reply(to, strings.Repeat("0123456789abcde\n", 1<<16))), bob)
			if errors.Is(err, batch.ErrBacklog) {
				if after := b.Queue.Waiting(); after != before {
					t.Errorf("%d deposits wait, and %d did before", after, before)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("the queue takes a hundred times a hundred batches")
	})
}

func TestSubmit_sentAgainIsNotTakenTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass)
		letter := "Message-ID: <mine@home.example>\n" + reply(to, "once")
		first := b.submit(nil, letter)
		before := b.Queue.Waiting()
		if again := b.submit(nil, letter); again != first || b.Queue.Waiting() != before {
			t.Errorf("sent again it was taken again: %d deposits wait, want %d", b.Queue.Waiting(), before)
		}
		b.submit(nil, letter+"and more\n")                                    // another body
		b.submit(b.login("bob", bobPass), letter)                             // another sender
		b.submit(nil, reply(to, "once"))                                      // without a message-id
		b.submit(nil, "Message-ID: <other@home.example>\n"+reply(to, "once")) // another one
		if got, want := b.Queue.Waiting()-before, 5; got != want {
			t.Errorf("%d more deposits, want %d", got, want)
		}
		time.Sleep(2 * time.Hour)
		b.turn(0)
		b.submit(nil, letter)
		if got := b.Queue.Waiting(); got != 1 {
			t.Errorf("%d deposits wait after two hours, want one", got)
		}
	})
}
