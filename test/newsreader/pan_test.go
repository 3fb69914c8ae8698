package newsreader

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// What Pan finds in its home folder instead of asking for it.
const (
	panServers = `<server-properties>
<server id="1">
<host>%s</host>
<port>%s</port>
<username>%s</username>
<password>%s</password>
<expiration-days>0</expiration-days>
<connection-limit>2</connection-limit>
<newsrc>%s</newsrc>
<rank>1</rank>
<use-ssl>0</use-ssl>
<trust>0</trust>
<compression-type>0</compression-type>
</server>
</server-properties>
`
	panPosting = `<posting>
<profiles>
<profile name="%[1]s">
<username>%[1]s</username>
<address>%[2]s</address>
<server>1</server>
<attribution>%%n wrote:</attribution>
</profile>
</profiles>
</posting>
`
	// One pane at a time, so that keys go to what is shown.
	panPreferences = `<preferences>
<flag name='get-new-headers-on-startup' value='true'/>
<flag name='tabbed-layout' value='true'/>
<flag name='use-password-storage' value='false'/>
</preferences>
`
	// The list of groups is a menu without a key otherwise.
	panKeys = `(gtk_accel_path "<Actions>/Actions/refresh-group-list" "F9")
`
)

// pan is somebody at Pan.
type pan struct {
	*display
	*person
}

// startPan opens Pan, subscribed to one group, and goes into it.
func startPan(t *testing.T, g *harness.Gateway, p *person, group string) *pan {
	t.Helper()
	p.file(t, "servers.xml", fmt.Sprintf(panServers, g.Host, g.Port, p.handle, escaped(t, p.passphrase), filepath.Join(p.home, "newsrc-1")))
	p.file(t, "posting.xml", fmt.Sprintf(panPosting, p.name, p.address))
	p.file(t, "preferences.xml", panPreferences)
	p.file(t, "accels.txt", panKeys)
	subscribe(t, p, "newsrc-1", []string{group})
	r := &pan{openDisplay(t, p.home, harness.Need(t, "pan")), p}
	r.shows("^Pan$")
	return r
}

func escaped(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	if err := xml.EscapeText(&out, []byte(text)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// lists asks for the groups and what they are for.
func (r *pan) lists(described ...string) {
	r.t.Helper()
	r.press("F9")
	for _, line := range described {
		r.until("Pan does not list "+line, func() bool { return holds(r.t, r.home, "newsgroups.dsc", line) })
	}
}

// opens goes into the group once Pan has the headers of an article in it.
func (r *pan) opens(group, subject string) {
	r.t.Helper()
	r.until("Pan has no headers of "+group, func() bool { return holds(r.t, r.home, "groups/"+group, subject) })
	r.until("Pan does not open "+group, func() bool {
		r.shows("^Pan")
		r.press("g") // the next group with something unread, once Pan has counted
		for end := time.Now().Add(patience / 60); time.Now().Before(end); time.Sleep(look) {
			if r.windows("^Pan: "+group) != "" {
				return true
			}
		}
		return false
	})
}

// reads opens the next article, and waits until Pan has it.
func (r *pan) reads(words string) {
	r.t.Helper()
	r.press("space")
	r.until("Pan does not get the article", func() bool { return holds(r.t, r.home, "article-cache/*.msg", words) })
	time.Sleep(time.Second) // until it is on the screen, which nothing tells
}

// The title of the window in which Pan lets people write.
const panWrites = "^Post Article$"

// posts writes an article to the group that is open.
func (r *pan) posts(subject, words string) {
	r.t.Helper()
	r.press("p")
	r.shows(panWrites)
	r.types(subject)
	r.press("Tab", "Tab", "Tab") // past the groups and the mail addresses
	r.sends(words)
}

// follows answers the article on the screen, wherever its author wants it. Pan
// quotes what it shows.
func (r *pan) follows(words string) {
	r.t.Helper()
	r.until("Pan does not let her answer", func() bool {
		r.press("f") // does nothing while Pan has yet to show the article
		for late := time.After(patience / 12); ; {
			if r.windows(panWrites) != "" {
				return true
			}
			select {
			case <-late:
				return false
			case <-time.After(4 * look):
			}
		}
	})
	r.shows(panWrites)
	r.sends(words)
}

// sends writes at the end of what is there, and lets the article go. The window
// stays where the server does not take it.
func (r *pan) sends(words string) {
	r.t.Helper()
	r.press("ctrl+End")
	r.types("\n" + words)
	r.press("ctrl+Return")
	r.closes(panWrites)
	r.shows("^Pan")
}

// quits ends Pan.
func (r *pan) quits() {
	r.t.Helper()
	r.press("ctrl+q")
	select {
	case err := <-r.ended:
		r.ended <- err
		if err != nil {
			r.t.Errorf("Pan ended with %v", err)
		}
	case <-time.After(patience):
		r.t.Fatal("Pan does not end")
	}
}

// Alice answers a card with Pan and posts one; Bob answers hers, and she answers
// him. What Pan quotes is what it showed.
func TestPan_listsReadsPostsAndFollowsUp(t *testing.T) {
	t.Parallel()
	const (
		bobsSubject, bobsWords = "Lost letters", "Mine went astray in the autumn."
		aliceSubject           = "Postlagernd"
		bobsReply              = "Who played it last?"
	)
	g := harness.Start(t)
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "alice", harness.Passphrase(t))
	bob := g.Dial()
	bob.Login("bob", harness.Passphrase(t))
	bob.Post("Newsgroups: restante.cards\nSubject: " + bobsSubject + "\n\n" + bobsWords + "\n")
	bob.Await("restante.cards", bobsWords)

	a := startPan(t, g, alice, "restante.cards")
	a.lists("misc.test:Try things out", "restante.inbox:Your private mail; log in to read it")
	a.opens("restante.cards", bobsSubject)
	a.reads(bobsWords)
	a.follows(replyWords)
	_, mail := bob.Await("restante.inbox", replyWords)
	if !strings.Contains(mail, "> "+bobsWords) {
		t.Errorf("Pan did not quote the card: %q", mail)
	}
	a.posts(aliceSubject, cardWords)
	header, _ := bob.Await("restante.cards", cardWords)
	if got := header.Get("From"); header.Get("Subject") != aliceSubject || got != "Anonymous <nobody@gw.example>" {
		t.Errorf("the card is from %q and about %q", got, header.Get("Subject"))
	}
	a.quits()

	bob.Post("Newsgroups: restante.reply\nReferences: " + header.Get("Message-Id") + "\nSubject: Re: " + aliceSubject + "\n\n" + bobsReply + "\n")
	awaitMail(g, alice, bobsReply)
	alice.home = t.TempDir() // another machine: all that she needs is the passphrase
	a = startPan(t, g, alice, "restante.inbox")
	a.lists("restante.reply:Always empty") // Pan warns of posts to groups that it has not heard of
	a.opens("restante.inbox", aliceSubject)
	a.reads(bobsReply)
	a.follows(backWords)
	if _, mail = bob.Await("restante.inbox", backWords); !strings.Contains(mail, "> "+bobsReply) {
		t.Errorf("Pan did not quote the reply: %q", mail)
	}
	a.quits()
	g.MustNotLog(alice.passphrase, "alice", "bob", bobsWords, cardWords, replyWords, backWords)
}
