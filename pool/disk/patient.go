package disk

import (
	"errors"
	"io"
	"syscall"

	"github.com/restante/restante/pool/record"
)

// patientFiles are files that can be read where the disk can't: what it does not
// give is zeros, which are no record, and counted. A check must get past a bad
// sector; whoever writes must not, lest it do away with what may be read tomorrow.
type patientFiles struct {
	record.FS
	missed *int64 // octets that the disk did not give
}

func (p patientFiles) OpenFile(path string, flag int) (record.File, int64, error) {
	f, size, err := p.FS.OpenFile(path, flag)
	if err != nil {
		return nil, 0, err
	}
	return patientFile{f, size, p.missed}, size, nil
}

type patientFile struct {
	record.File
	size   int64 // when it was opened
	missed *int64
}

// patientStep is how much is given up at once.
const patientStep = 4096

func (f patientFile) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	if !errors.Is(err, syscall.EIO) {
		return n, err
	}
	short := len(b) > int(max(f.size-offset, 0))
	if short {
		b = b[:max(f.size-offset, 0)]
	}
	for at := 0; at < len(b); {
		step := patientStep - int(offset+int64(at))%patientStep
		part := b[at:min(at+step, len(b))]
		if _, err := f.File.ReadAt(part, offset+int64(at)); errors.Is(err, syscall.EIO) {
			clear(part)
			*f.missed += int64(len(part))
		} else if err != nil && !errors.Is(err, io.EOF) {
			return at, err
		}
		at += len(part)
	}
	if short {
		return len(b), io.EOF
	}
	return len(b), nil
}
