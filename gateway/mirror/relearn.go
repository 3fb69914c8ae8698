package mirror

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// A shelved is a directory of another gateway that is in the store, or an alarm.
type shelved struct {
	domain string // "" for an alarm
	serial uint64
	number pool.Number
}

// Relearn learns from the directories in the store what the book lacks of them: after
// a restart those that waited for earlier ones, which are in memory alone, and after
// the loss of the book all, and who has contradicted himself. Nobody brings again what
// is here.
func (p *Policy) Relearn(ctx context.Context, store pool.Reader, now time.Time) error {
	directories, alarms, err := p.shelved(ctx, store)
	if err != nil {
		return err
	}
	for _, d := range append(directories, alarms...) {
		stored, err := store.ByNumber(ctx, p.Groups.Keys, d.number)
		if errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrCorrupt) {
			continue
		} else if err != nil {
			return err
		}
		if d.domain != "" {
			_, err = p.Book.Learn(d.domain, entry.Signed(stored), now)
		} else if one, two, ok := splitProof(entry.Signed(stored)); ok {
			err = p.alarm(one, two)
		}
		if errors.Is(err, errBook) {
			return err
		} // else it was refused, as it would be from a peer
	}
	return nil
}

// shelved lists the directories in the store that are newer than those of the book,
// of each gateway in their order, and the alarms.
func (p *Policy) shelved(ctx context.Context, store pool.Reader) (directories, alarms []shelved, err error) {
	held := make(map[string]uint64)
	for _, s := range p.Book.List() {
		held[s.Domain] = s.Serial
	}
	err = store.Scan(ctx, p.Groups.Keys, pool.All, func(n pool.Number, overview []byte) bool {
		fields := strings.SplitN(string(overview), "\t", 5)
		if len(fields) < 5 {
			return true
		}
		if fields[0] == forkSubject {
			alarms = append(alarms, shelved{number: n})
			return true
		}
		id := pool.MessageID(fields[3])
		_, domain, _ := strings.Cut(strings.TrimSuffix(string(id), ">"), "@")
		if serial, ok := entry.ParseDirectoryID(id, domain); ok && domain != p.Book.own {
			if last, known := held[domain]; !known || serial > last {
				directories = append(directories, shelved{domain, serial, n})
			}
		}
		return true
	})
	slices.SortStableFunc(directories, func(a, b shelved) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.serial, b.serial))
	})
	return directories, alarms, err
}
