package peer

import (
	"sync"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// A draft is the memory of an article on its way: as it came, and as it is filed.
// Once it has been waited for, the next article uses it.
type draft struct {
	read  article.Article
	filed pool.Article
}

// spareHead is the most octets of a header whose memory is used again.
const spareHead = 4 << 10

// drafts are those that no article uses.
type drafts struct{ pool sync.Pool }

func (d *drafts) take() *draft {
	if spare, ok := d.pool.Get().(*draft); ok {
		return spare
	}
	return new(draft)
}

func (d *drafts) give(spare *draft) {
	spare.read.Reset()
	spare.filed.Body = nil
	if cap(spare.filed.Head) > spareHead {
		spare.filed = pool.Article{}
	}
	d.pool.Put(spare)
}
