package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/restante/restante/crypto/identity"
)

// What the two people write.
const (
	aliceCard = "I collect letters that nobody came for. Write to me!"
	bobReply  = "The violin is under the third stair. Tell no one."
	bobCard   = "I mend violins. Ask me anything."
	aliceNote = "How much for one that spent ten years under a stair?"
)

// patience is how long one step of the story may take: several batches.
const patience = 30 * time.Second

var errStory = errors.New("not as told")

// A teller plays the story and tells it.
type teller struct {
	out     io.Writer
	address string
	folder  string
	step    string // what is being done

	alice, bob string // passphrases
}

func (t *teller) say(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// scene starts a part of the story.
func (t *teller) scene(title string) {
	t.step = title
	t.say("\n== %s\n\n", title)
}

func (t *teller) story(ctx context.Context) (err error) {
	if t.alice, err = identity.NewPassphrase(); err != nil {
		return err
	}
	if t.bob, err = identity.NewPassphrase(); err != nil {
		return err
	}
	t.say("A Restante gateway named %s serves on %s, with fresh keys.\nIt releases a batch every %v; a real one does so every five minutes.\n",
		demoDomain, t.address, demoInterval)
	for _, scene := range []func(context.Context) error{
		t.aliceWrites, t.bobReplies, t.poolShows, t.aliceReads, t.cardIsAnswered, t.diskIsSearched,
	} {
		ctx, cancel := context.WithTimeout(ctx, patience)
		err := scene(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	t.say("\nEvery step worked.\n")
	return nil
}

// login opens a newsreader's connection for somebody who logs in.
func (t *teller) login(ctx context.Context, handle, passphrase string) (*reader, error) {
	r, err := dial(ctx, t.address)
	if err != nil {
		return nil, err
	}
	if err := r.login(handle, passphrase); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (t *teller) aliceWrites(ctx context.Context) error {
	t.scene("Alice logs in and posts to a public group")
	t.say("She types a handle, \"alice\", and a passphrase. That is her whole account:\nthe gateway derives her mailbox from them and stores neither.\n")
	r, err := t.login(ctx, "alice", t.alice)
	if err != nil {
		return err
	}
	defer r.close()
	reply, err := r.post("Newsgroups: restante.cards\nFrom: Alice Liddell <alice@home.example>\nSubject: Alice's card\nUser-Agent: TellTale/1.0\n\n" + aliceCard + "\n")
	if err != nil {
		return err
	}
	t.say("\nThe gateway answers: %s\nThat Message-ID is a reply token: her mailbox, sealed so that only the gateway can open it.\n", shortened(reply))
	return nil
}

func (t *teller) bobReplies(ctx context.Context) error {
	t.scene("Bob, not logged in, reads it and presses followup")
	r, err := dial(ctx, t.address)
	if err != nil {
		return err
	}
	defer r.close()
	card, err := r.await(ctx, "restante.cards", aliceCard)
	if err != nil {
		return err
	}
	t.say("He sees:\n%s\nHer name, address and newsreader are gone. Followup-To sends his answer to\nrestante.reply, which is always empty: what is posted there is delivered in private.\n",
		indented(card.headers("From", "Date", "Message-ID", "Followup-To")+"\n"+card.body))
	if _, err := r.post(card.followup("Bob Marley <bob@work.example>", bobReply)); err != nil {
		return err
	}
	t.say("\nBob writes: %s\n", bobReply)
	return nil
}

func (t *teller) poolShows(ctx context.Context) error {
	t.scene("The next batch leaves, and this is all that the public sees of it")
	r, err := dial(ctx, t.address)
	if err != nil {
		return err
	}
	defer r.close()
	lines, err := r.nextBatch(ctx, "restante.pool", demoBatch)
	if err != nil {
		return err
	}
	t.say("   number  subject   from                        octets  Message-ID\n")
	sizes := make(map[int]bool)
	for _, l := range lines {
		t.say("   %6s  %-8s  %-26s  %6d  %s\n", l.number, l.subject, l.from, l.octets, l.id)
		sizes[l.octets] = true
	}
	t.say("\nOne of these may hold Bob's reply; the rest are noise of the same size. Every batch\nlooks like this, mail or no mail, and nobody but Alice can tell which one is hers.\n")
	if len(sizes) != 1 {
		return fmt.Errorf("%w: entries of %d sizes", errStory, len(sizes))
	}
	return nil
}

func (t *teller) aliceReads(ctx context.Context) error {
	t.scene("Alice logs in again and finds it")
	r, err := t.login(ctx, "alice", t.alice)
	if err != nil {
		return err
	}
	defer r.close()
	mail, err := r.await(ctx, "restante.inbox", bobReply)
	if err != nil {
		return err
	}
	t.say("restante.inbox:\n%s\n", indented(mail.headers("From", "Subject", "Date")+"\n"+mail.body))
	receipt, err := r.await(ctx, "restante.sent", aliceCard)
	if err != nil {
		return err
	}
	t.say("restante.sent, her receipt:\n%s", indented(receipt.headers("Subject", "Restante-Destination", "Restante-Size", "Restante-Digest")))
	return t.wrongPassphrase(ctx)
}

// wrongPassphrase shows that there is nothing to check a passphrase against.
func (t *teller) wrongPassphrase(ctx context.Context) error {
	r, err := t.login(ctx, "alice", t.bob)
	if err != nil {
		return err
	}
	defer r.close()
	inbox, err := r.client.Group("restante.inbox")
	if err != nil {
		return err
	}
	t.say("\nWith another passphrase \"alice\" is somebody else: %d articles in restante.inbox.\n", inbox.Count)
	if inbox.Count != 0 {
		return fmt.Errorf("%w: a wrong passphrase found mail", errStory)
	}
	return nil
}

func (t *teller) cardIsAnswered(ctx context.Context) error {
	t.scene("Bob posts a card of his own, and Alice answers it")
	bob, err := t.login(ctx, "bob", t.bob)
	if err != nil {
		return err
	}
	defer bob.close()
	if _, err := bob.post("Newsgroups: restante.cards\nFrom: bob <bob@" + demoDomain + ">\nSubject: Bob's card\n\n" + bobCard + "\n"); err != nil {
		return err
	}
	alice, err := t.login(ctx, "alice", t.alice)
	if err != nil {
		return err
	}
	defer alice.close()
	card, err := alice.await(ctx, "restante.cards", bobCard)
	if err != nil {
		return err
	}
	t.say("Bob chose to be called something, with an address at the gateway itself:\n%s\n", indented(card.headers("From", "Subject")))
	if _, err := alice.post(card.followup("alice@home.example", aliceNote)); err != nil {
		return err
	}
	mail, err := bob.await(ctx, "restante.inbox", aliceNote)
	if err != nil {
		return err
	}
	t.say("Bob's inbox:\n%s", indented(mail.headers("From", "Subject")+"\n"+mail.body))
	return nil
}

// diskIsSearched looks through every file of the gateway for what nobody
// should find there.
func (t *teller) diskIsSearched(context.Context) error {
	t.scene("Somebody takes the gateway's disk away and searches it")
	words := []string{bobReply, aliceNote, t.alice, t.bob}
	files, octets := 0, 0
	err := filepath.WalkDir(t.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a queue file of a batch that has left meanwhile
		} else if err != nil {
			return err
		}
		files, octets = files+1, octets+len(text)
		for _, word := range words {
			if bytes.Contains(text, []byte(word)) {
				return fmt.Errorf("%w: something private is on the disk", errStory)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.say("%d files, %d octets: neither a passphrase nor a word of the private messages.\n", files, octets)
	return nil
}

// shortened cuts what is too long to be looked at.
func shortened(s string) string {
	const most = 76
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

func indented(s string) string {
	var out strings.Builder
	for line := range strings.Lines(s) {
		out.WriteString("    " + shortened(strings.TrimRight(line, "\r\n")) + "\n")
	}
	return out.String()
}
