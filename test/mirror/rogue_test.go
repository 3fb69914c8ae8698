package mirror

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/test/harness"
)

// A rogue is a gateway that signs whatever it likes.
type rogue struct {
	t      *testing.T
	domain string
	signer *note.Signer
	epoch  uint64 // of all its directories
	last   *note.Directory
}

func newRogue(t *testing.T, domain string) *rogue {
	t.Helper()
	signer, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	return &rogue{t: t, domain: domain, signer: signer, epoch: epoch(time.Now())}
}

// epoch is that of gateways with epochs of an hour, as all are here.
func epoch(now time.Time) uint64 { return uint64(now.Unix()) / 3600 }

// article is a note as it is posted.
func (r *rogue) article(group pool.Group, id pool.MessageID, subject string, signed []byte) *article.Article {
	r.t.Helper()
	a, err := entry.Note(r.domain, group, id, subject, time.Now(), signed)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// directory is the next one, with so many blinding keys.
func (r *rogue) directory(keys int, change func(*note.Directory)) *article.Article {
	r.t.Helper()
	seal, err := token.NewSealKey()
	if err != nil {
		r.t.Fatal(err)
	}
	root := blind.NewRoot()
	key, err := root.Key(r.domain)
	if err != nil {
		r.t.Fatal(err)
	}
	d := &note.Directory{
		Domain: r.domain, Serial: 1, EpochLength: time.Hour, BatchInterval: time.Second,
		BatchSize: 4, SlotsPerBatch: 4, PoolRetention: 4, TokenLife: 12,
		Sign: [32]byte(r.signer.Verifier().Public()),
		Seal: []note.EpochKey{{Epoch: r.epoch + 1, Key: [32]byte(seal.Public().Bytes())}},
	}
	for i := range keys {
		d.Blind = append(d.Blind, note.EpochKey{Epoch: r.epoch + 2 + uint64(i), Key: [32]byte(key.Public())})
	}
	if r.last != nil {
		d.Serial, d.Previous = r.last.Serial+1, note.Hash(r.last.Text())
	}
	if change != nil {
		change(d)
	}
	r.last = d
	signed, err := note.Sign(d.Text(), r.signer)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.article("restante.keys", entry.DirectoryID(r.domain, d.Epoch(), d.Serial), entry.DirectorySubject(d.Epoch(), d.Serial), signed)
}

// entry is one of the batch of that second.
func (r *rogue) entry(at time.Time) *article.Article {
	r.t.Helper()
	tag := blind.RandomTag()
	payload, err := envelope.Cover(tag.MessageID(r.domain))
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := (&entry.Entry{Domain: r.domain, Group: "restante.pool", Tag: tag, Date: at.UTC().Truncate(time.Second), Payload: payload}).Article(r.signer)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// taken sends articles, and says how many were taken, and their octets.
func (r *reader) taken(all ...*article.Article) (n, octets int) {
	r.t.Helper()
	for _, a := range all {
		switch code := r.take(a.Get("Message-ID"), a.Text()); code {
		case nntp.CodeStreamTaken:
			n++
			octets += len(a.Text())
		case nntp.CodeStreamRejected:
		default:
			r.t.Fatalf("TAKETHIS: %d", code)
		}
	}
	return n, octets
}

// excess is how many articles were refused for being too many.
func excess(t *testing.T, g *harness.Gateway) int {
	t.Helper()
	var status struct {
		Figures []struct {
			Name, Label string
			Value       float64
		}
	}
	said, _ := g.TryRun("status", "--json") // which fails where something needs the operator
	if err := json.Unmarshal([]byte(said), &status); err != nil {
		t.Fatal(err)
	}
	for _, f := range status.Figures {
		if strings.HasSuffix(f.Name, "transit_rejected_total") && f.Label == "excess" {
			return int(f.Value)
		}
	}
	t.Fatal("the figure is not there")
	return 0
}

// A gateway that is learnt from what comes along can't fill the disk, keep others
// from being known that the operator names, or take the memory.
func TestRogueGateway_takesNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	a := gateway(t, "a.example")
	victim := gateway(t, harness.Domain, harness.Setting{Key: "most_gateways", Value: "3"}, harness.Setting{Key: "listen", Value: strconv.Quote(harness.FreeAddress(t))})
	connect(t, victim, link{domain: "evil.example", to: a}, link{domain: "a.example", to: a, reads: true})
	memory := resident(t, victim)
	evil := newRogue(t, "evil.example")
	r := newReader(t, victim.Address)
	if n, _ := r.taken(evil.directory(3, nil)); n != 1 {
		t.Fatal("the rogue is not learnt, and the test shows nothing")
	}

	var flood []*article.Article
	at := time.Now().Add(-time.Minute)
	for range 40 {
		flood = append(flood, evil.entry(at))
	}
	if n, _ := r.taken(flood...); n != 4 {
		t.Errorf("of a batch of four entries %d are taken", n)
	}
	if n, _ := r.taken(flood...); n != 0 {
		t.Errorf("%d more are taken", n)
	}
	var chain []*article.Article
	for range 45 {
		chain = append(chain, evil.directory(500, nil))
	}
	day := time.Now().Unix() / 86400
	n, octets := r.taken(chain...)
	if days := time.Now().Unix()/86400 - day + 1; n == 0 || int64(octets) > days*5<<20/4 {
		t.Errorf("%d directories of %d octets are taken", n, octets)
	}
	if n, _ := r.taken(newRogue(t, "giant.example").directory(3, func(d *note.Directory) { d.BatchSize = 1 << 40 })); n != 0 {
		t.Error("a gateway is learnt whose pool fills any disk")
	}
	if n, _ := r.taken(newRogue(t, "future.example").directory(3, func(d *note.Directory) { d.Seal[0].Epoch += 100 })); n != 0 {
		t.Error("a directory of an epoch to come is taken")
	}
	var many []*article.Article
	for i := range 20 {
		many = append(many, newRogue(t, fmt.Sprintf("r%d.example", i)).directory(3, nil))
	}
	if n, _ := r.taken(many...); n > 2 {
		t.Errorf("%d gateways more are learnt", n)
	}
	var notes []*article.Article
	for _, a := range many[10:] {
		_, body, _ := strings.Cut(string(a.Text()), "\r\n\r\n")
		signed := []byte(strings.ReplaceAll(body, "\r\n", "\n"))
		d, err := note.PeekDirectory(signed)
		if err != nil {
			t.Fatal(err)
		}
		v, err := note.NewVerifier(d.Domain, d.Sign[:])
		if err != nil {
			t.Fatal(err)
		}
		cosigned, err := note.Cosign(signed, v, evil.signer)
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, evil.article("restante.keys", pool.MessageID(fmt.Sprintf("<w.%032x@evil.example>", d.Sign[:16])), "witness: a directory, signed once more", cosigned))
	}
	if n, _ := r.taken(notes...); n != 0 {
		t.Errorf("%d testimonies about gateways that nobody knows are taken", n)
	}
	if n := excess(t, victim); n < 36+20 {
		t.Errorf("%d refusals are counted as too many", n)
	}
	gained := resident(t, victim) - memory
	t.Logf("the process gained %d MiB", gained>>20)
	if gained > 128<<20 {
		t.Error("that is too much")
	}
	// All places are taken, and there is one for whom the operator names.
	rewrite(t, victim, "nothing", "[[gateway]]\ndomain = \"a.example\"")
	victim.Reload()
	follows(t, victim, a, "a.example", 10)
}
