package mailbox

import (
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool"
)

// The groups of a mailbox.
const (
	Inbox pool.Group = "restante.inbox"
	Sent  pool.Group = "restante.sent"
)

// Sealing says between whom a message was sealed.
type Sealing string

// The ways.
const (
	EndToEnd  Sealing = "end-to-end" // only the two who write to each other can read it
	ByGateway Sealing = "gateway"    // the gateway has seen it
)

// A Message is a message that came or was sent. Its article is [Mailbox.Article].
type Message struct {
	Number  pool.Number    `json:"number"` // one count for both groups, so that numbers have gaps in each
	Group   pool.Group     `json:"group"`
	Sealing Sealing        `json:"sealing"`
	Kind    envelope.Kind  `json:"kind"`
	Contact string         `json:"contact"` // whom it is from or to, by the name of [Contact]; "" for nobody known
	Gateway string         `json:"gateway"` // the gateway it came from or goes to
	Box     uint32         `json:"box"`     // the mailbox it came to, or answers come to
	ID      pool.MessageID `json:"id"`      // of the article
	Subject string         `json:"subject"`
	Date    time.Time      `json:"date"`    // as the sender says
	Arrived time.Time      `json:"arrived"` // when it was kept here
	Handle  []byte         `json:"handle,omitempty"`
	Read    bool           `json:"-"`
}

// A Contact is somebody who is written to.
type Contact struct {
	Name    string    `json:"name"`           // the user's own for her
	Card    string    `json:"card,omitempty"` // the newest card, as text; "" for somebody without restante
	Token   string    `json:"token"`          // the newest reply token, as a Message-ID
	Box     uint32    `json:"box"`            // the mailbox that only she was given; 0: none yet
	Gateway string    `json:"gateway"`        // where that mailbox is
	Since   time.Time `json:"since"`

	// Was is set in an event that changes the name: messages under it get the new one.
	Was string `json:"was,omitempty"`

	// Bound says that Card came to that mailbox. The one that was there before is
	// everybody's, perhaps; this one's key is for this user alone, and stays.
	Bound bool `json:"bound,omitempty"`
}

// A Part is a fragment that waits for the others.
type Part struct {
	Gateway string        `json:"gateway"`
	Box     uint32        `json:"box"`
	Handle  [16]byte      `json:"handle"`
	Kind    envelope.Kind `json:"kind"`
	Index   uint16        `json:"index"`
	Count   uint16        `json:"count"`
	Epoch   uint64        `json:"epoch"` // of the entry
}

// A Lookup is the server-blinded IDs of mailboxes 0, 1, 2 and so on at a gateway
// in an epoch.
type Lookup struct {
	Gateway string   `json:"gateway"`
	Epoch   uint64   `json:"epoch"`
	Key     [32]byte `json:"key"` // the gateway's public key under which they are
	Blinded [][]byte `json:"blinded"`
}

// A Book is what is known of a gateway's keys: its newest directory, and sums of
// those before, by serial.
type Book struct {
	Domain string              `json:"domain"`
	Pinned string              `json:"pinned,omitempty"` // the key that it began with, if that was given
	Signed []byte              `json:"signed"`
	Sums   map[uint64][32]byte `json:"sums"`
	Keys   [][]byte            `json:"keys"`             // signing keys that it had, the newest last
	ForkA  []byte              `json:"fork_a,omitempty"` // two directories that contradict each other
	ForkB  []byte              `json:"fork_b,omitempty"`
}

// A Cursor is how far a group was read at a server. The last article before Next is
// remembered: where the server has another one under its number, it numbers anew.
type Cursor struct {
	Server  string      `json:"server"`
	Group   pool.Group  `json:"group"`
	Next    pool.Number `json:"next"`
	Last    pool.Number `json:"last,omitempty"`    // the number of that article; 0: not known
	Article string      `json:"article,omitempty"` // its Message-ID

	// Unjudged is set while a run is under way: of a gateway's batches up to that
	// one nobody knows any more whether they were whole.
	Unjudged map[string]uint64 `json:"unjudged,omitempty"`
}

// A Batch is a batch of which not everything has come from a server: what its
// manifest names and what was seen, until both agree.
type Batch struct {
	Server  string              `json:"server"`
	Gateway string              `json:"gateway"`
	Batch   uint64              `json:"batch"`
	Named   map[string][32]byte `json:"named,omitempty"` // by tag, what is lacking; nil until the manifest came
	Seen    map[string][32]byte `json:"seen,omitempty"`  // by tag, what came before the manifest
	Listed  bool                `json:"listed"`          // whether the manifest came
	Done    bool                `json:"done"`            // it is whole, or too old to matter
}

// A History is what a server has shown of a gateway's chain of manifests: the
// stretches of it that have no hole, by ascending batch.
type History struct {
	Server    string    `json:"server"`
	Gateway   string    `json:"gateway"`
	Stretches []Stretch `json:"stretches"`
}

// A Stretch is manifests of which each names the one before it.
type Stretch struct {
	First  uint64 `json:"first"`  // batch
	Before []byte `json:"before"` // the sum that the first one names; zeros for a gateway's very first
	Last   uint64 `json:"last"`   // batch
	Sum    []byte `json:"sum"`    // of the last one
}

// An Outgoing is an article to be posted.
type Outgoing struct {
	Key    uint64      `json:"key"`    // its own
	Number pool.Number `json:"number"` // of the message that it is part of
}

// An Event is one thing that happened. One of its fields is set, and Octets are
// what belongs to it.
type Event struct {
	Message  *Message     `json:"message,omitempty"`
	Drop     []byte       `json:"drop,omitempty"` // the handle of a message that is not kept
	Read     *pool.Number `json:"read,omitempty"`
	Contact  *Contact     `json:"contact,omitempty"`
	Forget   string       `json:"forget,omitempty"` // a contact's name
	Boxes    *uint32      `json:"boxes,omitempty"`  // the number of the next fresh mailbox
	Part     *Part        `json:"part,omitempty"`
	Lookup   *Lookup      `json:"lookup,omitempty"`
	Book     *Book        `json:"book,omitempty"`
	Cursor   *Cursor      `json:"cursor,omitempty"`
	Batch    *Batch       `json:"batch,omitempty"`
	History  *History     `json:"history,omitempty"`
	Outgoing *Outgoing    `json:"outgoing,omitempty"`
	Posted   uint64       `json:"posted,omitempty"` // the Key of an Outgoing

	Octets []byte `json:"-"`
}
