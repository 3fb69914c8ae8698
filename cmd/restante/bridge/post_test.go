package bridge

import (
	"strings"
	"testing"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/pool"
)

func newCard(t testing.TB, name, token string) *contact.Card {
	t.Helper()
	card, err := contact.NewCard(name, token, identity.NewE2EPublic(identity.NewSeed().E2EKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func lines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }

func TestPost_privateIsSealedForWhomItAnswers(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	token, other, listed := newToken(t), newToken(t), newToken(t)
	file(t, b.Store, cards, "<random@behind.example>", "", strings.ReplaceAll(newCard(t, "Carol", listed).Text(), "\n", "\r\n"))
	file(t, b.Store, "misc.test", "<elsewhere@behind.example>", "", strings.ReplaceAll(newCard(t, "Carol", listed).Text(), "\n", "\r\n"))
	d := new(desk)
	c := dial(t, start(t, Options{Desk: d, News: serve(t, b)}))
	for why, tt := range map[string]struct {
		header  []string
		body    string
		answers pool.MessageID
		to      string
		card    string // whose; "" none
	}{
		"a token":                        {header: []string{"References: <a@x> " + token}, answers: pool.MessageID(token)},
		"in the inbox":                   {header: []string{"References: <mail@x>"}, answers: "<mail@x>"},
		"a token with its card quoted":   {header: []string{"References: " + token}, body: "> " + strings.ReplaceAll(newCard(t, "Bob", token).Text(), "\n", "\n> "), answers: pool.MessageID(token), card: "Bob"},
		"somebody else's card is quoted": {header: []string{"References: " + token}, body: newCard(t, "Mallory", other).Text(), answers: pool.MessageID(token)},
		"a post to the group of cards":   {header: []string{"References: <random@behind.example>"}, answers: "<random@behind.example>", card: "Carol"},
		"a card in another group":        {header: []string{"References: <elsewhere@behind.example>"}, answers: "<elsewhere@behind.example>"},
		"nothing, to a token":            {header: []string{"To: " + strings.Trim(token, "<>")}, to: token},
		"nothing, to a contact":          {header: []string{"To: bob"}, to: "bob"},
	} {
		group := "Newsgroups: restante.reply"
		if why == "in the inbox" {
			group = "Newsgroups: restante.inbox"
		}
		d.letters = nil
		got := c.post(append(append([]string{group, "Subject: hello", "From: Me <me@my.machine>"}, tt.header...), append([]string{""}, lines("hi\n"+tt.body)...)...)...)
		want := "240 Article sealed to the gateway, which can read it, <sealed@gw.example>"
		if tt.card != "" {
			want = "240 Article sealed end-to-end <sealed@gw.example>"
		}
		if got != want {
			t.Errorf("%s: %s", why, got)
		}
		if len(d.letters) != 1 {
			t.Fatalf("%s: %d letters", why, len(d.letters))
		}
		l := d.letters[0]
		if l.Answers != tt.answers || l.To != tt.to || (l.Card != nil) != (tt.card != "") || l.Card != nil && l.Card.Name != tt.card {
			t.Errorf("%s: answers %q, to %q, card %v", why, l.Answers, l.To, l.Card != nil)
		}
	}
	if len(b.posted) > 0 {
		t.Errorf("the server behind saw %q", b.posted)
	}
}

// The card of what the newsreader has shown is not asked for once more: who writes
// to whom would be told by it.
func TestPost_asksForNoCardThatWasShown(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	token := newToken(t)
	file(t, b.Store, cards, token, "", strings.ReplaceAll(newCard(t, "Carol", token).Text(), "\n", "\r\n"))
	d := new(desk)
	c := dial(t, start(t, Options{Desk: d, News: serve(t, b)}))
	c.say("GROUP restante.cards")
	c.say("ARTICLE 1")
	got := c.post("Newsgroups: restante.reply", "Subject: hello", "References: "+token, "", "hi")
	if got != "240 Article sealed end-to-end <sealed@gw.example>" || len(b.asked) > 0 {
		t.Errorf("%s, the server was asked for %q", got, b.asked)
	}
}

func TestPost_refuses(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	d := new(desk)
	c := dial(t, start(t, Options{Desk: d, News: serve(t, b)}))
	token := newToken(t)
	for want, post := range map[string][]string{
		"441 This message is for nobody":                 {"Newsgroups: restante.reply", "Subject: x", "", "x"},
		"441 What this message answers can't be made":    {"Newsgroups: restante.reply", "Subject: x", "References: " + token + " <half", "", "x"},
		"441 A private message can't be public too":      {"Newsgroups: restante.reply,misc.test", "Subject: x", "References: " + token, "", "x"},
		"441 Nothing can be posted to restante.sent":     {"Newsgroups: restante.sent", "Subject: x", "", "x"},
		"441 The article has no subject":                 {"Newsgroups: restante.reply", "References: " + token, "", "x"},
		"441 The article is empty":                       {"Newsgroups: misc.test", "Subject: x", "", " "},
		"441 A header field stands there twice":          {"Newsgroups: misc.test", "Subject: x", "Subject: y", "", "x"},
		"441 A private message can't take another one b": {"Newsgroups: Restante.Reply", "Subject: x", "Control: cancel <a@x>", "References: " + token, "", "x"},
		"441 The bridge can't take an article back":      {"Newsgroups: misc.test", "Subject: x", "Control: cancel <a@x>", "", "x"},
	} {
		if got := c.post(post...); !strings.HasPrefix(got, want) {
			t.Errorf("%s: want %s", got, want)
		}
	}
	d.err = &pool.Refusal{Sentence: "That gateway contradicts itself"}
	if got := c.post("Newsgroups: restante.reply", "Subject: x", "References: "+token, "", "x"); got != "441 That gateway contradicts itself" {
		t.Error(got)
	}
	b.reject = &pool.Refusal{Sentence: "No such\tgroup here"}
	if got := c.post("Newsgroups: misc.test", "Subject: x", "", "x"); got != "441 The news server says: No such?group here" {
		t.Error(got)
	}
	if len(b.posted) > 0 {
		t.Errorf("the server behind saw %q", b.posted)
	}
}

func TestPost_publicLosesItsTraces(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	c := dial(t, start(t, Options{Desk: new(desk), News: serve(t, b), Domains: []string{"gw.example"}}))
	card := newCard(t, "Me", newToken(t))
	traces := []string{
		"From: Me Myself <me@my.machine>", "Message-ID: <secret@my.machine>", "Date: Fri, 01 Mar 2024 12:00:07 +0530", "User-Agent: mine", "X-Trace: mine",
		"Organization: mine", "Path: my.machine!me", "Sender: me@my.machine", "Cancel-Lock: sha256:mine", "Reply-To: me@my.machine", "Subject: x",
		"Content-Language: mine", "Disposition-Notification-To: me@my.machine",
	}
	if got := c.post(append(traces, "Newsgroups: misc.test", "References: <a@x>", "Followup-To: misc.test", "", "body", "..dot")...); got != "240 Article passed on <given@behind.example>" {
		t.Fatal(got)
	}
	got := b.posted[0]
	for _, trace := range []string{"my.machine", "mine", "Myself", "12:00:07", "+0530"} {
		if strings.Contains(got, trace) {
			t.Errorf("%q is in %q", trace, got)
		}
	}
	for _, kept := range []string{"From: Anonymous <nobody@restante.invalid>\r\n", "References: <a@x>\r\n", "Followup-To: misc.test\r\n", "\r\n\r\nbody\r\n.dot\r\n"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is not in %q", kept, got)
		}
	}
	c.post(append([]string{"From: Zoe <zoe@GW.example>", "Newsgroups: restante.cards", "Subject: my card", ""}, lines(card.Text())...)...)
	for _, kept := range []string{"From: zoe <zoe@gw.example>\r\n", "Message-ID: " + card.Token + "\r\n"} {
		if !strings.Contains(b.posted[1], kept) {
			t.Errorf("%q is not in %q", kept, b.posted[1])
		}
	}
	if strings.Contains(b.posted[1], "Followup-To") {
		t.Error("the post leads to a group that the server does not carry")
	}
	if err := b.SetGroup(t.Context(), pool.GroupInfo{Name: reply, Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	c.post("Newsgroups: restante.cards", "Subject: my card", "", "card")
	if !strings.Contains(b.posted[2], "Followup-To: restante.reply\r\n") {
		t.Errorf("%q", b.posted[2])
	}
}

// Whatever the server says, a followup to a card goes to its owner alone.
func TestBridge_cardsAreAnsweredInPrivate(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	file(t, b.Store, cards, "<card@behind.example>", "", "my card\r\n")
	c := dial(t, start(t, Options{Desk: new(desk), News: serve(t, b)}))
	c.say("GROUP restante.cards")
	for command, want := range map[string]int{"ARTICLE 1": 1, "HEAD 1": 1, "ARTICLE <card@behind.example>": 1, "BODY 1": 0, "HDR followup-to 1": 0} {
		got := c.say(command)
		if n := strings.Count(strings.Join(got, "\n"), "\nFollowup-To: restante.reply\n"); n != want {
			t.Errorf("%s: %q", command, got)
		}
		if command == "HDR followup-to 1" && got[1] != "1 restante.reply" || command == "BODY 1" && got[1] != "my card" {
			t.Errorf("%s: %q", command, got)
		}
	}
}
