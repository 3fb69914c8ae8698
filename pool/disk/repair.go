package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// quarantineDir is where damaged octets go.
const quarantineDir = "quarantine"

// flagsVoid is that of a record in the place of damaged octets.
const flagsVoid = 3

func isVoid(payload []byte) bool {
	return len(payload) >= 2 && payload[0] == payloadVersion && payload[1] == flagsVoid
}

// leastRecord is fewer octets than any article's record has.
const leastRecord = 128

// errGroups is a store that can't be repaired.
var errGroups = errors.New("nothing was repaired, as the groups file is missing or damaged: put it back from a backup first")

// repair moves damaged octets to the quarantine and builds the index anew. Each
// step is durable before the next one, so it can be done again at any time.
func (c *checker) repair(ctx context.Context) error {
	if c.groupsLost {
		return errGroups
	}
	lost := int64(0)
	for _, g := range c.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		res := c.results[g.number]
		if len(res.Bad) == 0 {
			continue
		}
		octets, err := c.quarantine(g, res)
		if err != nil {
			return err
		}
		lost += octets
	}
	if err := replaceFile(c.files, filepath.Join(c.dir, doubtFile), nil); err != nil {
		return err
	}
	s, err := Open(c.dir, Options{ServerName: "fsck", Logger: zerolog.Nop()}) //nolint:contextcheck // building the index is not cut short
	if err != nil {
		return err
	}
	if lost > 0 && c.index == nil {
		err = c.burn(ctx, s, pool.Number(lost/leastRecord+1))
	}
	c.report.Repairs = append(c.report.Repairs, "The index was built anew.")
	return errors.Join(err, s.Close())
}

// burn leaves out as many numbers in each group as the lost octets may have had
// articles: without an index nothing else says which numbers were given.
func (c *checker) burn(ctx context.Context, s *Store, most pool.Number) error {
	groups, err := s.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := s.SetHigh(ctx, g.Name, min(g.High+most, pool.MaxNumber)); err != nil {
			return err
		}
	}
	c.report.Repairs = append(c.report.Repairs,
		fmt.Sprintf("Each group's next number is %d higher, since no index says which numbers the lost articles had.", most))
	return nil
}

// quarantine copies a segment's bad octets and then puts void records in their
// place. A segment that can't be read at all goes as a whole.
func (c *checker) quarantine(g *segment, res *segmentResult) (octets int64, err error) {
	folder := filepath.Join(c.dir, quarantineDir)
	if err := c.files.MkdirAll(folder); err != nil {
		return 0, err
	}
	if err := c.files.SyncDir(c.dir); err != nil {
		return 0, err
	}
	name := filepath.Join(folder, fmt.Sprintf("%d.%d", g.epoch, g.number))
	if res.Unreadable {
		if err := c.files.Rename(g.path, name+".seg"); err != nil {
			return 0, err
		}
		c.report.Repairs = append(c.report.Repairs, fmt.Sprintf("Segment %d of epoch %d was moved to %s as a whole.", g.number, g.epoch, quarantineDir))
		return g.size, errors.Join(c.files.SyncDir(folder), c.files.SyncDir(filepath.Dir(g.path)))
	}
	f, _, err := c.files.OpenFile(g.path, os.O_RDWR)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := record.NewReader(f)
	if err != nil {
		return 0, err
	}
	for _, gap := range res.Bad {
		bad := make([]byte, gap.To-gap.From)
		if _, err := f.ReadAt(bad, gap.From); err != nil {
			return octets, err
		}
		if err := replaceFile(c.files, fmt.Sprintf("%s.%d-%d", name, gap.From, gap.To), bad); err != nil {
			return octets, err
		}
		if err := void(f, r, gap); err != nil {
			return octets, err
		}
		octets += gap.To - gap.From
	}
	c.report.Repairs = append(c.report.Repairs, fmt.Sprintf("%d damaged octets of segment %d of epoch %d were moved to %s.", octets, g.number, g.epoch, quarantineDir))
	return octets, f.Sync()
}

// void puts void records in the place of bad octets. What is too short for one
// is left as it is, and skipped by whoever reads.
func void(f record.File, r *record.Reader, gap record.Gap) error {
	const least, most = record.Overhead + 2, record.Overhead + record.MaxPayload/2
	for at := gap.From; at < gap.To; {
		size := min(gap.To-at, most)
		if left := gap.To - at - size; left > 0 && left < least {
			size -= least
		}
		if size < least {
			return nil
		}
		payload := make([]byte, size-record.Overhead)
		payload[0], payload[1] = payloadVersion, flagsVoid
		if _, err := f.WriteAt(r.Frame(at, payload), at); err != nil {
			return err
		}
		at += size
	}
	return nil
}
