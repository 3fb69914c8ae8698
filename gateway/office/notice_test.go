package office

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/restante/restante/pool"
)

// flood fills a mailbox of the bench's whole backlog, and sends more messages on
// top. It returns how many messages were sent.
func (b *bench) flood(to string, more int) (sent int) {
	b.t.Helper()
	letter := "Newsgroups: restante.reply\nSubject: x\nReferences: " + to + "\n\n"
	for range 5 { // 69 entries each, and there are 400 slots
		b.submit(nil, letter+strings.Repeat("0123456789abcde\n", 1<<16))
	}
	for i := range 55 + more {
		b.submit(nil, letter+fmt.Sprint("message ", i, "\n"))
	}
	return 5 + 55 + more
}

func TestSubmit_whatIsDroppedIsToldToItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		to := b.card("alice", alicePass) // whose receipt has one of the slots
		sent := b.flood(string(to), 29)  // 400 slots less one hold five long messages and 54 short ones
		for range 3 {                    // others are not concerned
			other := b.stranger()
			before := b.Queue.Waiting()
			if b.submit(nil, reply(other, "hello")); b.Queue.Waiting() != before+1 {
				t.Error("somebody else's mail was dropped")
			}
		}
		b.turn(102)
		messages, told := 0, ""
		for _, a := range b.folder(b.login("alice", alicePass), Inbox) {
			number, ok := strings.CutPrefix(a.Get("Subject"), "Messages dropped: ")
			if !ok {
				messages++
				continue
			}
			told += number + " "
			if !strings.Contains(string(a.Body()), "dropped since the last notice left: "+number+".") || a.Get("From") != "Restante <pool@"+domain+">" {
				t.Errorf("the notice reads: %s\r\n%s", a.Header(), a.Body())
			}
		}
		if want := "30 "; told != want || messages != sent-30 {
			t.Errorf("%d of %d messages came, and notices say %q, want %q", messages, sent, told, want)
		}
	})
}

// What a sender sees of a submission is the same for a mailbox that is full and
// one that nothing waits for.
func TestSubmit_aFullMailboxIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		full, unused := b.stranger(), b.stranger()
		b.flood(string(full), 1)
		bob := b.login("bob", bobPass)
		for _, body := range []string{"short", strings.Repeat("0123456789abcde\n", 1<<13)} {
			for range 2 { // sent again under one Message-ID, it is not taken twice
				for _, from := range []*Mailbox{nil, bob} {
					var ids []string
					for _, to := range []pool.MessageID{full, unused} {
						ids = append(ids, string(b.submit(from, "Message-ID: <"+body[:5]+"@x>\n"+reply(to, body))))
					}
					if len(ids[0]) != len(ids[1]) {
						t.Errorf("a full mailbox is answered %q, an unused one %q", ids[0], ids[1])
					}
				}
			}
		}
		b.turn(10)
		receipts := b.folder(bob, Sent)
		if len(receipts) != 4 {
			t.Fatalf("%d receipts", len(receipts))
		}
		sizes := map[string]int{}
		for _, r := range receipts {
			r.Del("Xref") // with its number
			sizes[fmt.Sprint(r.Get(sizeField), len(r.Header()), len(r.Body()))]++
		}
		if len(sizes) != 2 {
			t.Errorf("receipts differ: %v", sizes)
		}
	})
}
