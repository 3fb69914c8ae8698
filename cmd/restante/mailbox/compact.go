package mailbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/restante/restante/pool/record"
)

// The file is written anew once it has so many octets, and less than half of them
// are of what still holds: cursors, directories and lookups that newer ones took the
// place of, fragments that were joined, articles that were posted.
const compactFrom = 1 << 20

// sealedMore is what a record has besides an event's text and octets.
const sealedMore = record.Overhead + 24 + 4 + 16

// A living event is one that still says something. Its octets stand at a place, if
// it has any.
type living struct {
	event Event
	at    place
}

// wasteful says whether the file is worth writing anew. One that is damaged is
// left as it is.
func (m *Mailbox) wasteful(from int64) bool {
	end := m.log.End()
	if m.Damaged || end < from {
		return false
	}
	used := int64(record.HeaderSize)
	for _, l := range m.living() {
		if l.at.size > 0 {
			used += record.Overhead + int64(l.at.size)
		} else if text, err := json.Marshal(&l.event); err == nil {
			used += int64(len(text)) + sealedMore
		}
	}
	return used < end/2
}

// compact writes what still holds into a new file, which takes the place of the old
// one. At every moment one of the two is there under the name, and whole. An error
// means that the old one is.
func (m *Mailbox) compact(files record.FS, path string) error {
	temp := path + ".new"
	if err := files.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	log, _, err := record.Open(files, temp, 0, nil)
	if err != nil {
		return err
	}
	err = m.copyTo(log)
	log.Vouch()
	if err == nil {
		err = log.Commit()
	}
	return errors.Join(err, log.Close())
}

func (m *Mailbox) copyTo(log *record.Log) error {
	for _, l := range m.living() {
		if l.at.size > 0 {
			octets, err := m.octets(l.at)
			if err != nil {
				return err
			}
			l.event.Octets = octets
		}
		sealed, err := m.seal(log.Next(), &l.event)
		if err != nil {
			return err
		}
		if _, err := log.Add(sealed); err != nil {
			return fmt.Errorf("write the mail anew: %w", err)
		}
	}
	return nil
}

// living returns what all events so far come to, in an order in which they make
// the same state again.
func (s *state) living() []living {
	var out []living
	add := func(e Event, at place) { out = append(out, living{e, at}) }
	add(Event{Boxes: &s.boxes}, place{})
	handles := maps.Clone(s.handles)
	for _, n := range s.numbers {
		kept := s.messages[n]
		add(Event{Message: &kept.Message}, kept.at)
		if kept.Read {
			add(Event{Read: &kept.Number}, place{})
		}
		if len(kept.Handle) == 16 {
			delete(handles, [16]byte(kept.Handle))
		}
	}
	for h := range handles {
		add(Event{Drop: h[:]}, place{})
	}
	for _, c := range s.contacts {
		add(Event{Contact: &c}, place{})
	}
	for _, parts := range s.parts {
		for _, p := range parts {
			add(Event{Part: &p.Part}, p.at)
		}
	}
	for _, l := range s.lookups {
		add(Event{Lookup: &l}, place{})
	}
	for _, b := range s.books {
		add(Event{Book: &b}, place{})
	}
	for _, c := range s.cursors {
		add(Event{Cursor: &c}, place{})
	}
	for _, b := range s.batches {
		add(Event{Batch: &b}, place{})
	}
	for _, h := range s.history {
		add(Event{History: &h}, place{})
	}
	for _, key := range slices.Sorted(maps.Keys(s.outgoing)) {
		o := s.outgoing[key]
		add(Event{Outgoing: &o.Outgoing}, o.at)
	}
	return out
}

// settle puts the new file in the place of the old one, which is closed.
func settle(files record.FS, path string) error {
	return errors.Join(files.Rename(path+".new", path), files.SyncDir(filepath.Dir(path)))
}
