package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

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

// errDisk is a disk that a repair could only make worse.
var errDisk = errors.New("nothing was repaired, as the disk does not give what it holds: copy the data folder to another disk first, then repair it there")

// repair moves damaged octets to the quarantine and builds the index anew. Each
// step is durable before the next one, so it can be done again at any time: what
// a crash leaves is mended by opening the store, or by the next repair.
func (c *checker) repair(ctx context.Context) error {
	if c.groupsLost {
		return errGroups
	}
	if *c.files.missed > 0 {
		return errDisk
	}
	if err := c.setOut(); err != nil {
		return fmt.Errorf("note what is to be repaired: %w", record.Full(err))
	}
	c.report.Repairing = true
	if err := c.announce(); err != nil {
		return err
	}
	for _, g := range c.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		res := c.results[g.number]
		if len(res.Bad) == 0 {
			continue
		}
		if err := c.quarantine(g, res); err != nil {
			return fmt.Errorf("put what is damaged aside: %w", record.Full(err))
		}
	}
	if err := c.repairHistory(); err != nil {
		return fmt.Errorf("repair the history: %w", record.Full(err))
	}
	return c.rebuild(ctx)
}

// announce notes that the index is to be built anew, and before that how many
// articles are going to be lost for good, should it not be known by then which
// numbers they had.
func (c *checker) announce() error {
	lost := int64(0)
	for _, res := range c.results {
		for _, gap := range res.Bad {
			lost += gap.To - gap.From
		}
		lost += res.Cut
	}
	if lost > 0 {
		path := filepath.Join(c.dir, lostFile)
		most := min(lost/leastRecord+1, int64(pool.MaxNumber))
		if text, err := record.ReadFile(c.options.Files, path); err == nil { // of a repair that was cut short
			before, _ := strconv.ParseInt(string(text), 10, 64)
			most = max(most, before)
		}
		if err := record.Replace(c.options.Files, path, fmt.Append(nil, most)); err != nil {
			return err
		}
	}
	return record.Replace(c.options.Files, filepath.Join(c.dir, doubtFile), nil)
}

// rebuild opens the store, which builds the index, and says what became of it.
func (c *checker) rebuild(ctx context.Context) error {
	for _, g := range c.segments {
		c.total += g.size
	}
	s, err := Open(c.dir, Options{ //nolint:contextcheck // read asks for the context
		ServerName: "fsck", Logger: zerolog.Nop(), Files: c.options.Files,
		read: func(octets int64) error {
			c.advance(octets)
			return ctx.Err()
		},
	})
	if err != nil {
		return fmt.Errorf("build the index anew: %w", err)
	}
	c.tellRebuilt(s.salvaged)
	return s.Close()
}

func (c *checker) tellRebuilt(s salvage) {
	say := func(format string, args ...any) {
		c.report.Repairs = append(c.report.Repairs, fmt.Sprintf(format, args...))
	}
	say("The index was built anew.")
	if s.list != "" {
		say("Articles of %d places are lost: %s says which.", s.lost, filepath.Join(quarantineDir, s.list))
	}
	if s.withdrawals > 0 {
		say("The records of %d withdrawals were lost. The old index knew them, and they were written again.", s.withdrawals)
	}
	if s.ids > 0 {
		say("%d articles that are gone were forgotten. The old index knew them, and they are remembered again.", s.ids)
	}
	if s.skipped > 0 {
		say("Each group's next number is %d higher, since no index says which numbers the lost articles had.", s.skipped)
	}
	if s.blind && (c.moved || len(c.damagedHistory) > 0) {
		say("No index says what else was lost. An article that was withdrawn may be seen again, if its withdrawal was among it.")
	}
}

// quarantine copies a segment's bad octets and then puts void records in their
// place. A segment that can't be read at all goes as a whole.
func (c *checker) quarantine(g *segment, res *segmentResult) error {
	c.moved = true
	name := fmt.Sprintf("%d.%d", g.epoch, g.number)
	if res.Unreadable {
		err := c.copyAside(g.path, name+".seg")
		if err == nil {
			err = errors.Join(c.options.Files.Remove(g.path), c.options.Files.SyncDir(filepath.Dir(g.path)))
		}
		if err == nil {
			c.report.Repairs = append(c.report.Repairs, fmt.Sprintf("Segment %d of epoch %d was moved to %s as a whole.", g.number, g.epoch, quarantineDir))
		}
		return err
	}
	octets, err := c.voidAll(g, name, res.Bad)
	if err == nil {
		c.report.Repairs = append(c.report.Repairs, fmt.Sprintf("%d damaged octets of segment %d of epoch %d were moved to %s.", octets, g.number, g.epoch, quarantineDir))
	}
	return err
}

// voidAll moves a segment's bad octets to files of that name.
func (c *checker) voidAll(g *segment, name string, bad []record.Gap) (octets int64, err error) {
	f, _, err := c.options.Files.OpenFile(g.path, os.O_RDWR)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := record.NewReader(f)
	if err != nil {
		return 0, err
	}
	for _, gap := range bad {
		if err := c.putAside(f, gap, fmt.Sprintf("%s.%d-%d", name, gap.From, gap.To)); err != nil {
			return octets, err
		}
		if err := void(f, r, gap); err != nil {
			return octets, err
		}
		octets += gap.To - gap.From
	}
	return octets, f.Sync()
}

// copyAside copies a file to the quarantine.
func (c *checker) copyAside(path, name string) error {
	f, size, err := c.options.Files.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	return errors.Join(c.putAside(f, record.Gap{To: size}, name), f.Close())
}

// putAside copies octets of a file to the quarantine, durably. A copy that is
// there already was made before the file was changed, and stays.
func (c *checker) putAside(from record.File, gap record.Gap, name string) error {
	folder := filepath.Join(c.dir, quarantineDir)
	if err := errors.Join(c.options.Files.MkdirAll(folder), c.options.Files.SyncDir(c.dir)); err != nil {
		return err
	}
	path := filepath.Join(folder, name)
	if f, _, err := c.options.Files.OpenFile(path, os.O_RDONLY); err == nil {
		return errors.Join(f.Close(), c.options.Files.SyncDir(folder))
	}
	to, _, err := c.options.Files.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	buf := make([]byte, min(gap.To-gap.From, 1<<20))
	for at := gap.From; at < gap.To && err == nil; at += int64(len(buf)) {
		buf = buf[:min(gap.To-at, int64(len(buf)))]
		if _, err = from.ReadAt(buf, at); err == nil || errors.Is(err, io.EOF) {
			_, err = to.WriteAt(buf, at-gap.From)
		}
	}
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = c.options.Files.Rename(path+".new", path)
	}
	if err != nil {
		return errors.Join(err, c.options.Files.Remove(path+".new"))
	}
	return c.options.Files.SyncDir(folder)
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
