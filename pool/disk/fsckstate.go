package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/restante/restante/pool/record"
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
	folders := make(map[string]bool)
	for _, g := range c.segments {
		if folder := filepath.Dir(g.path); !folders[folder] {
			folders[folder] = true
			c.lookAt(h, folder)
		}
	}
	c.lookAt(h, c.dir)
	fmt.Fprintln(h, c.index != nil)
	return hex.EncodeToString(h.Sum(nil))
}

// lookAt adds the files of a folder to a sum, but for those that a check writes.
func (c *checker) lookAt(sum io.Writer, folder string) {
	entries, _ := c.files.ReadDir(folder)
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), fsckFile) && e.Name() != lockFile {
			fmt.Fprintln(sum, filepath.Base(folder), e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
}

// loadState returns the state of an interrupted check of this very store, or an
// empty one.
func (c *checker) loadState() *fsckState {
	fresh := &fsckState{Store: c.look(), Results: make(map[uint32]*segmentResult)}
	text, err := record.ReadFile(c.files, filepath.Join(c.dir, fsckFile))
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
	return record.Replace(c.files, filepath.Join(c.dir, fsckFile), text)
}

func (c *checker) dropState() error {
	if err := c.files.Remove(filepath.Join(c.dir, fsckFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
