// Package pickup is the owner's side of pickup by command: it asks a gateway for
// its directory, has IDs blinded obliviously, and looks up entries by a sealed
// ID (docs/protocol.md, section 10). It checks every proof; whether a directory
// is to be believed is for [note.Chain] to say. It opens no connection and no
// entry, and keeps nothing.
package pickup

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// ErrAnswer is an answer that is not what the protocol has.
var ErrAnswer = errors.New("the gateway's answer can't be understood")

// A Refused is a command that the gateway refused.
type Refused struct {
	Code nntp.Code
	Text string // as the gateway said it
}

// Error implements error.
func (r *Refused) Error() string { return fmt.Sprintf("the gateway refused: %d %s", r.Code, r.Text) }

// Elements is how many elements each XBLIND asks for. Always that many, so that
// the count says nothing; more would not fit a line.
const Elements = 9

// Bounds on what a gateway may answer, in octets: a directory with 127 epochs of
// either kind of key has 14 kB.
const (
	maxDirectory = 1 << 20
	maxFound     = 64 << 20
	farTooMuch   = 2 * maxFound
)

// A Client speaks to one gateway. It is for one goroutine. Deadlines are the
// connection's, and so the caller's.
type Client struct {
	r *nntp.Reader
	w *nntp.Writer
}

// New returns a client on a connection whose greeting has not been read.
func New(conn io.ReadWriter) *Client {
	buffers := new(nntp.Buffers)
	return &Client{r: nntp.NewReader(conn, buffers), w: nntp.NewWriter(conn, buffers)}
}

// Over returns a client on a connection whose greeting was read already.
func Over(r *nntp.Reader, w *nntp.Writer) *Client { return &Client{r: r, w: w} }

// Hello reads the greeting. It returns a [*Refused] when the gateway is not to
// be talked to.
func (c *Client) Hello() error {
	reply, err := c.r.ReadReply()
	if err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	if reply.Code != nntp.CodePostingAllowed && reply.Code != nntp.CodeNoPosting {
		return &Refused{reply.Code, reply.Text}
	}
	return nil
}

// Directory asks for the gateway's directory, a signed note. Nothing of it is
// checked.
func (c *Client) Directory() ([]byte, error) {
	if err := c.ask("XKEYS"); err != nil {
		return nil, err
	}
	block, err := c.answer(nntp.CodeKeys, maxDirectory)
	if err != nil {
		return nil, err
	}
	var signed []byte
	for line := range block.Lines() {
		signed = append(append(signed, line...), '\n')
	}
	return signed, nil
}

// Blind has IDs blinded under the key of an epoch, which the directory gives,
// and returns them in their order. The gateway learns how many lines of nine
// elements were asked for, and nothing else. It returns [blind.ErrProof] when the
// gateway used another key, and a [*Refused] for an epoch whose key it hasn't.
func (c *Client) Blind(key *blind.Client, epoch uint64, ids []identity.ID) ([]*blind.Blinded, error) {
	var out []*blind.Blinded
	for len(ids) > 0 {
		n := min(len(ids), Elements)
		blinded, err := c.blindLine(key, epoch, ids[:n])
		if err != nil {
			return nil, err
		}
		out, ids = append(out, blinded[:n]...), ids[n:]
	}
	return out, nil
}

// blindLine has one line of IDs blinded, filled up with IDs of nobody.
func (c *Client) blindLine(key *blind.Client, epoch uint64, ids []identity.ID) ([]*blind.Blinded, error) {
	full := append(make([]identity.ID, 0, Elements), ids...)
	for len(full) < Elements {
		nobody := make([]byte, identity.Size)
		_, _ = rand.Read(nobody) // never fails: the process ends instead
		id, err := identity.IDFromBytes(nobody)
		if err != nil {
			return nil, err
		}
		full = append(full, id)
	}
	request, err := key.Blind(full)
	if err != nil {
		return nil, err
	}
	encoded := make([]string, Elements)
	for i, e := range request.Elements() {
		encoded[i] = base64.RawURLEncoding.EncodeToString(e)
	}
	if err := c.ask("XBLIND " + strconv.FormatUint(epoch, 10) + " " + strings.Join(encoded, ",")); err != nil {
		return nil, err
	}
	block, err := c.answer(nntp.CodeEvaluations, nntp.MaxLine*(Elements+1))
	if err != nil {
		return nil, err
	}
	var answer [][]byte
	for line := range block.Lines() {
		octets, err := base64.RawURLEncoding.Strict().DecodeString(string(line))
		if err != nil {
			return nil, ErrAnswer
		}
		answer = append(answer, octets)
	}
	if len(answer) != Elements+1 {
		return nil, ErrAnswer
	}
	return request.Finalize(answer[:Elements], answer[Elements])
}

// An Entry is an entry of a mailbox.
type Entry struct {
	Number pool.Number // in the pool's group
	ID     pool.MessageID
}

// Find asks which entries are those of an ID, sealed to the gateway's current
// seal key. The gateway learns the ID; over a connection without TLS, so does
// whoever can use the line again, which is why it refuses that.
func (c *Client) Find(to token.SealPublic, id identity.ID) ([]Entry, error) {
	sealed, err := to.SealID(id)
	if err != nil {
		return nil, err
	}
	if err := c.ask("XPICKUP " + base64.RawURLEncoding.EncodeToString(sealed)); err != nil {
		return nil, err
	}
	block, err := c.answer(nntp.CodeEntries, maxFound)
	if err != nil {
		return nil, err
	}
	var found []Entry
	for line := range block.Lines() {
		entry, err := parseEntry(string(line))
		if err != nil {
			return nil, err
		}
		found = append(found, entry)
	}
	return found, nil
}

// parseEntry reads "number message-id".
func parseEntry(line string) (Entry, error) {
	number, name, _ := strings.Cut(line, " ")
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 {
		return Entry{}, ErrAnswer
	}
	id, err := pool.ParseMessageID(name)
	if err != nil {
		return Entry{}, ErrAnswer
	}
	return Entry{pool.Number(n), id}, nil
}

func (c *Client) ask(line string) error {
	if err := c.w.Command(line); err != nil {
		return err
	}
	return c.w.Flush()
}

// answer reads a reply and the block behind it.
func (c *Client) answer(want nntp.Code, limit int) (nntp.Block, error) {
	reply, err := c.r.ReadReply()
	if err != nil {
		return nntp.Block{}, fmt.Errorf("read the answer: %w", err)
	}
	if reply.Code != want {
		return nntp.Block{}, &Refused{reply.Code, reply.Text}
	}
	block, err := c.r.ReadBlock(limit, farTooMuch)
	if err != nil {
		return nntp.Block{}, fmt.Errorf("read the answer: %w", err)
	}
	return block, nil
}
