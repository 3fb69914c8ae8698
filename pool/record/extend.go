package record

import (
	"errors"
	"os"
)

// extendChunk is how many zeros are written at once. Records that go behind the
// zeros wait for a chunk at most.
const extendChunk = 256 << 10

// Extend makes room ahead: it writes zeros, a chunk of them, behind the file's
// end, unless that many octets of room are there already, and brings them to
// stable storage. It says whether it did. Records that go where zeros are need no
// change of the file's size or of where its blocks lie, which makes their sync
// cheaper. It may be called by one goroutine while others add, commit and
// close. An error means nothing for the records.
func (l *Log) Extend(ahead int64) (extended bool, err error) {
	zeros, err := l.extend(ahead)
	if zeros == nil || err != nil {
		return false, Full(err)
	}
	return true, Full(zeros.Sync())
}

func (l *Log) extend(ahead int64) (File, error) {
	if l.Failed() != nil {
		return nil, nil
	}
	end := l.End()
	l.roomMu.Lock()
	defer l.roomMu.Unlock()
	if l.sealed || l.room-end >= ahead {
		return nil, nil
	}
	if l.zeros == nil {
		// A file of its own: it would take the errors of syncing records, which
		// the system reports once for each opening, away from Commit.
		f, _, err := l.fs.OpenFile(l.path, os.O_RDWR)
		if err != nil {
			return nil, err
		}
		l.zeros = f
	}
	if l.blank == nil {
		l.blank = make([]byte, extendChunk)
	}
	if err := writeAll(l.zeros, l.blank, l.room); err != nil {
		return nil, err
	}
	l.room += extendChunk
	return l.zeros, nil
}

// Seal ends the adding: room that was made ahead is given back. It is for
// whoever adds; what was added may still be committed.
func (l *Log) Seal() error {
	l.roomMu.Lock()
	defer l.roomMu.Unlock()
	if l.sealed {
		return nil
	}
	l.sealed = true
	var err error
	if l.zeros != nil {
		err = l.zeros.Close()
		l.zeros, l.blank = nil, nil
	}
	if l.Failed() == nil && l.room > l.next {
		err = errors.Join(err, l.f.Truncate(l.next))
		l.room = l.next
	}
	return err
}
