package office

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// Bounds on what is remembered of posts.
const (
	repeatTime  = time.Hour
	repeatCount = 10_000
)

// repeats remembers, in memory and for a while, which posts were taken, so that
// a newsreader that lost the 240 and sends its article again does not send it
// twice. What it remembers is a sum under a key that ends with the process.
type repeats struct {
	key [sha256.Size]byte

	mu    sync.Mutex
	taken map[[sha256.Size]byte]taken
	order [][sha256.Size]byte // of taken, the oldest first
}

type taken struct {
	id pool.MessageID
	at time.Time
}

func newRepeats() *repeats {
	r := &repeats{taken: make(map[[sha256.Size]byte]taken)}
	_, _ = rand.Read(r.key[:]) // it never fails
	return r
}

// sum is what tells a post from others: its sender's mailbox, the message-id
// that her newsreader gave it, where it goes, and its body. A post without a
// message-id has none.
func (r *repeats) sum(post *article.Article, from *Mailbox) (sum [sha256.Size]byte, ok bool) {
	id := post.Get("Message-ID")
	if id == "" {
		return sum, false
	}
	mac := hmac.New(sha256.New, r.key[:])
	if from != nil {
		mac.Write(from.box.ID().AppendTo(nil))
	}
	for _, part := range [...]string{id, post.Get("Newsgroups"), post.Get("References"), post.Get("To")} {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	mac.Write(post.Body())
	return [sha256.Size]byte(mac.Sum(nil)), true
}

// seen returns the message-id that the same post was given before.
func (r *repeats) seen(sum [sha256.Size]byte) (pool.MessageID, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.taken[sum]
	return t.id, ok && time.Since(t.at) < repeatTime
}

// remember notes a post that was taken, and forgets the oldest ones.
func (r *repeats) remember(sum [sha256.Size]byte, id pool.MessageID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.order) > 0 && (len(r.order) >= repeatCount || time.Since(r.taken[r.order[0]].at) >= repeatTime) {
		delete(r.taken, r.order[0])
		r.order = r.order[1:]
	}
	if _, ok := r.taken[sum]; !ok {
		r.order = append(r.order, sum)
	}
	r.taken[sum] = taken{id, time.Now()}
}
