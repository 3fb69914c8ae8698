package bridge

import (
	"sync"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// maxCards bounds how many cards are remembered. Each has some 1.5 KiB.
const maxCards = 1 << 12

// A rack holds the cards that a newsreader was shown, by the Message-IDs of their
// articles: were the server asked for a card once more when it is answered, it
// would learn who answers whom, just before something sealed is posted. Its methods
// may be called from many goroutines.
type rack struct {
	mu    sync.Mutex
	cards map[pool.MessageID]*contact.Card
}

func newRack() *rack { return &rack{cards: make(map[pool.MessageID]*contact.Card)} }

// put keeps the card in an article that was shown, if there is one.
func (r *rack) put(stored *pool.Stored) {
	card := cardIn(stored)
	if card == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cards) >= maxCards {
		clear(r.cards)
	}
	r.cards[stored.ID] = card
}

// get returns the card in an article that was shown, nil where there was none.
func (r *rack) get(id pool.MessageID) *contact.Card {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cards[id]
}

// cardIn is the card of whoever an answer to an article reaches: of its token, or
// in the group of cards. A card that merely stands there may be somebody else's.
func cardIn(stored *pool.Stored) *contact.Card {
	card, err := contact.ParseCard(string(article.Unstuff(stored.Body())))
	if err != nil {
		return nil
	}
	names, _ := article.HeaderField(stored.Head(), "Newsgroups")
	if card.Token == string(stored.ID) || names == string(cards) {
		return card
	}
	return nil
}
