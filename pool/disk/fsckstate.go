package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fsckFile keeps what an interrupted check found.
const fsckFile = "fsck-state"

// An fsckState is how far a check came.
type fsckState struct {
	Store   string // what the store looked like; another one is checked anew
	Results map[uint32]*segmentResult
}

// look returns a sum of everything that changes when the store is used.
func (c *checker) look() string {
	h := sha256.New()
	for _, g := range c.segments {
		if info, err := os.Stat(g.path); err == nil {
			fmt.Fprintln(h, g.epoch, g.number, info.Size(), info.ModTime().UnixNano())
		}
	}
	for _, name := range []string{groupsFile, doubtFile} {
		if info, err := os.Stat(filepath.Join(c.dir, name)); err == nil {
			fmt.Fprintln(h, name, info.Size(), info.ModTime().UnixNano())
		}
	}
	fmt.Fprintln(h, c.index != nil)
	return hex.EncodeToString(h.Sum(nil))
}

// loadState returns the state of an interrupted check of this very store, or an
// empty one.
func (c *checker) loadState() *fsckState {
	fresh := &fsckState{Store: c.look(), Results: make(map[uint32]*segmentResult)}
	text, err := os.ReadFile(filepath.Join(c.dir, fsckFile))
	if err != nil {
		return fresh
	}
	var state fsckState
	if json.Unmarshal(text, &state) != nil || state.Store != fresh.Store || state.Results == nil {
		return fresh
	}
	return &state
}

func (c *checker) saveState(state *fsckState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return replaceFile(c.files, filepath.Join(c.dir, fsckFile), text)
}

func (c *checker) dropState() error {
	if err := os.Remove(filepath.Join(c.dir, fsckFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
