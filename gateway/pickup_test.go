package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/pickup"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/test/pipe"
)

// An owner is somebody with a mailbox who picks up by command.
type owner struct {
	t   testing.TB
	at  *pipe.Listener
	box *identity.Mailbox
}

// running runs a gateway, in a bubble, until the test ends.
func running(t testing.TB, s Settings) (*Gateway, *pipe.Listener) {
	t.Helper()
	g, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	listener := pipe.Listen()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, g.Close()); err != nil {
			t.Error(err)
		}
	})
	return g, listener
}

func (o *owner) dial() net.Conn {
	o.t.Helper()
	conn, err := o.at.Dial()
	if err != nil {
		o.t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (o *owner) client() *pickup.Client {
	o.t.Helper()
	c := pickup.New(o.dial())
	if err := c.Hello(); err != nil {
		o.t.Fatal(err)
	}
	return c
}

// directory asks for the directory and checks its signature.
func (o *owner) directory(g *Gateway, c *pickup.Client) *note.Directory {
	o.t.Helper()
	signed, err := c.Directory()
	if err != nil {
		o.t.Fatal(err)
	}
	d, _, _, err := note.OpenDirectory(signed, g.keys.Signer().Verifier())
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}

// token mints a token off line, from a directory. The newest seal key but one
// is that of the epoch in which the directory was made.
func (o *owner) token(d *note.Directory) string {
	o.t.Helper()
	current := d.Seal[len(d.Seal)-2]
	seal, err := token.ParseSealPublic(current.Key[:])
	if err != nil {
		o.t.Fatal(err)
	}
	minted, err := token.Mint(seal, d.Domain, current.Epoch, o.box)
	if err != nil {
		o.t.Fatal(err)
	}
	return minted.MessageID(d.Domain)
}

// write has a stranger answer a token.
func (o *owner) write(to, body string) error {
	conn := textproto.NewConn(o.dial())
	if _, _, err := conn.ReadCodeLine(200); err != nil {
		return err
	}
	if err := conn.PrintfLine("POST"); err != nil {
		return err
	}
	if _, _, err := conn.ReadCodeLine(340); err != nil {
		return err
	}
	if err := conn.PrintfLine("Newsgroups: restante.reply\r\nSubject: hello\r\nReferences: %s\r\n\r\n%s\r\n.", to, body); err != nil {
		return err
	}
	if _, _, err := conn.ReadCodeLine(240); err != nil {
		return err
	}
	return conn.Close()
}

// blind has the mailbox's ID blinded for every epoch of a directory that the
// gateway still has the key of.
func (o *owner) blind(c *pickup.Client, d *note.Directory) map[uint64]*blind.Blinded {
	o.t.Helper()
	out := make(map[uint64]*blind.Blinded)
	for _, k := range d.Blind {
		client, err := blind.NewClient(k.Key[:])
		if err != nil {
			o.t.Fatal(err)
		}
		b, err := c.Blind(client, k.Epoch, []identity.ID{o.box.ID()})
		var refused *pickup.Refused
		if errors.As(err, &refused) && refused.Code == nntp.CodeNoEpoch {
			continue // its time came between
		} else if err != nil {
			o.t.Fatal(err)
		}
		out[k.Epoch] = b[0]
	}
	return out
}

// fetch asks for one entry and opens it.
func (o *owner) fetch(conn *textproto.Conn, b *blind.Blinded, id pool.MessageID) (body string, found bool) {
	o.t.Helper()
	if err := conn.PrintfLine("BODY %s", id); err != nil {
		o.t.Fatal(err)
	}
	if code, _, err := conn.ReadCodeLine(222); code == 430 {
		return "", false
	} else if err != nil {
		o.t.Fatal(err)
	}
	lines, err := conn.ReadDotLines()
	if err != nil {
		o.t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
	if err != nil {
		o.t.Fatal(err)
	}
	fragment, err := envelope.Open(o.box, b, string(id), payload)
	if err != nil {
		o.t.Errorf("an entry of hers does not open: %v", err)
	}
	_, body, _ = strings.Cut(string(fragment.Content), "\r\n\r\n")
	return strings.TrimSpace(body), true
}

// The three ways lead to the same entry: blinded off line and fetched by its
// tag, found by a sealed ID, and (office's tests) by a login.
func TestPickup_obliviousAndSealedFindTheSame(t *testing.T) { inBubble(t, pickUpBothWays) }

func pickUpBothWays(t *testing.T) {
	s := newSettings(t)
	s.Batches.Calendar.BatchInterval, s.Batches.Calendar.EpochLength = time.Second, time.Hour
	s.Admission.Connections = 100
	g, at := running(t, s)
	o := &owner{t, at, identity.NewSeed().Mailbox(3)}
	c := o.client()
	d := o.directory(g, c)
	from := s.Batches.Calendar.Batch(time.Now())
	if err := o.write(o.token(d), "Hello, whoever you are."); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // its batch leaves

	blinded := o.blind(c, d)
	reader := textproto.NewConn(o.dial())
	if _, _, err := reader.ReadCodeLine(200); err != nil {
		t.Fatal(err)
	}
	var seen []pool.MessageID
	for b := from; b <= s.Batches.Calendar.Batch(time.Now()); b++ {
		id := blinded[s.Batches.Calendar.EpochOf(b)]
		name := pool.MessageID(id.Tag(b, 0).MessageID(d.Domain))
		if body, ok := o.fetch(reader, id, name); ok {
			seen = append(seen, name)
			if body != "Hello, whoever you are." {
				t.Errorf("she reads %q", body)
			}
		}
	}
	if len(seen) != 1 {
		t.Fatalf("%d entries found by tag, want 1", len(seen))
	}
	seal, err := token.ParseSealPublic(d.Seal[len(d.Seal)-2].Key[:])
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Find(seal, o.box.ID())
	if err != nil || len(found) != 1 || found[0].ID != seen[0] || found[0].Number == 0 {
		t.Errorf("by the sealed ID she finds %v, %v", found, err)
	}
	if found, err := c.Find(seal, identity.NewSeed().Mailbox(0).ID()); err != nil || len(found) != 0 {
		t.Errorf("a mailbox that never was has %d entries, %v", len(found), err)
	}
}

func TestPickup_refusesWhatItMust(t *testing.T) { inBubble(t, pickUpWrongly) }

func pickUpWrongly(t *testing.T) {
	s := newSettings(t)
	s.Admission.Connections = 100
	g, at := running(t, s)
	o := &owner{t, at, identity.NewSeed().Mailbox(0)}
	c := o.client()
	d := o.directory(g, c)
	conn := textproto.NewConn(o.dial())
	if _, _, err := conn.ReadCodeLine(200); err != nil {
		t.Fatal(err)
	}
	good, zero := base64.RawURLEncoding.EncodeToString(d.Blind[0].Key[:]), strings.Repeat("A", 43)
	oldest, newest := d.Blind[0].Epoch, d.Blind[len(d.Blind)-1].Epoch
	for _, row := range []struct {
		why      string
		epoch    uint64
		elements string
		code     int
	}{
		{"an element", oldest, good, 291},
		{"the identity", oldest, zero, 501},
		{"the identity among others", oldest, good + "," + zero, 501},
		{"31 octets", oldest, good[:42], 501},
		{"no octets", oldest, good + ",", 501},
		{"above the field's size", oldest, strings.Repeat("_", 42) + "8", 501},
		{"a negative encoding", oldest, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 501},
		{"the newest epoch of the directory", newest, good, 291},
		{"an epoch not published yet", newest + 1, good, 490},
		{"an epoch before the gateway's time", oldest - 1, good, 490},
		{"the end of time", 1<<64 - 1, good, 490},
	} {
		if err := conn.PrintfLine("XBLIND %d %s", row.epoch, row.elements); err != nil {
			t.Fatal(err)
		}
		code, _, err := conn.ReadCodeLine(row.code)
		if err != nil {
			t.Errorf("%s: %d, want %d", row.why, code, row.code)
		}
		if code == 291 {
			if _, err := conn.ReadDotLines(); err != nil {
				t.Fatal(err)
			}
		}
	}
	other, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	var refused *pickup.Refused
	if _, err := c.Find(other.Public(), o.box.ID()); !errors.As(err, &refused) || refused.Code != nntp.CodeNotSealed {
		t.Errorf("sealed to another key: %v", err)
	}
	wrong, err := blind.NewClient(d.Blind[1].Key[:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Blind(wrong, oldest, []identity.ID{o.box.ID()}); !errors.Is(err, blind.ErrProof) {
		t.Errorf("another epoch's key: %v", err)
	}
}

// Epochs roll while people write and pick up. Whatever was accepted is found
// with keys that were blinded when the epoch was on, and the keys that have had
// their time are refused. Run with -race.
func TestKeys_rollWhileMailFlows(t *testing.T) { inBubble(t, rollKeys) }

func rollKeys(t *testing.T) {
	s := newSettings(t)
	s.Batches.Calendar = pool.Calendar{EpochLength: 2 * time.Second, BatchInterval: time.Second, Retention: 3, TokenLife: 3}
	s.Batches.Size, s.Batches.Slots, s.Batches.Backlog = 16, 8, 2
	s.Admission.Connections = 1000
	g, at := running(t, s)
	var people sync.WaitGroup
	first := s.Batches.Calendar.Epoch(time.Now())
	for i := range 3 {
		people.Go(func() {
			time.Sleep(time.Duration(i) * 70 * time.Millisecond)
			for s.Batches.Calendar.Epoch(time.Now()) < first+5 {
				o := &owner{t, at, identity.NewSeed().Mailbox(0)}
				o.exchange(g, s.Batches.Calendar)
			}
		})
	}
	people.Wait()
	oldest, newest := g.keys.Retained()
	if oldest+s.Batches.Calendar.Retention != newest || newest < first+5 {
		t.Errorf("epochs %d to %d are retained, the first was %d", oldest, newest, first)
	}
	if _, err := g.keys.Blind(first); err == nil {
		t.Error("the key of the first epoch is still there")
	}
}

// exchange has one message written and picked up.
func (o *owner) exchange(g *Gateway, calendar pool.Calendar) {
	c := o.client()
	d := o.directory(g, c)
	blinded := o.blind(c, d)
	from := calendar.Batch(time.Now())
	if err := o.write(o.token(d), "Hello."); err != nil {
		o.t.Error(err)
		return
	}
	reader := textproto.NewConn(o.dial())
	if _, _, err := reader.ReadCodeLine(200); err != nil {
		o.t.Error(err)
		return
	}
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for b := from; b <= calendar.Batch(time.Now()); b++ {
			id := blinded[calendar.EpochOf(b)]
			if id == nil {
				continue
			}
			if _, ok := o.fetch(reader, id, pool.MessageID(id.Tag(b, 0).MessageID(d.Domain))); ok {
				return
			}
		}
	}
	o.t.Error("an accepted message was not found")
}
