package disk

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// historyOf returns a store that can only read and write history.
func (c *checker) historyOf(files record.FS) *Store { return &Store{dir: c.dir, files: files} }

// history verifies the history files.
func (c *checker) history() error {
	store := c.historyOf(c.files)
	names, err := store.historyNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		head, err := store.readHistory(name, func(hash) error { return nil })
		if err != nil && !errors.Is(err, pool.ErrCorrupt) {
			return err
		}
		if err == nil && head.name() == name {
			continue
		}
		c.damagedHistory = append(c.damagedHistory, name)
		when := ""
		if !head.dropped.IsZero() {
			when = " on " + head.dropped.Format(time.DateOnly)
		}
		c.report.problem("History file %s is damaged: some of the articles that went%s may be taken again.", name, when)
	}
	return nil
}

// repairHistory copies damaged history files to the quarantine, and replaces
// them by what can still be read of them. Building the index adds what the old
// one knows.
func (c *checker) repairHistory() error {
	store := c.historyOf(c.options.Files)
	for _, name := range c.damagedHistory {
		named, ok := parseHistoryName(name)
		if !ok { // no file of ours
			continue
		}
		if err := c.copyAside(filepath.Join(c.dir, historyDir, name), "history."+name); err != nil {
			return err
		}
		var ids []hash
		head, err := store.readHistory(name, func(h hash) error {
			ids = append(ids, h)
			return nil
		})
		if err != nil && !errors.Is(err, pool.ErrCorrupt) {
			return err
		}
		named.dropped = head.dropped
		if head.dropped.IsZero() { // then they are remembered for longer
			named.dropped = time.Now()
		}
		if err := store.writeHistory(named, ids); err != nil {
			return err
		}
		c.report.Repairs = append(c.report.Repairs,
			fmt.Sprintf("History file %s was moved to %s, and what can be read of it written anew.", name, quarantineDir))
	}
	return nil
}
