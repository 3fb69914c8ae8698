package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/restante/restante/pool/record"
)

// fsckFile keeps what an interrupted check found.
const fsckFile = "fsck-state"

// fsckForm changes with what is in it.
const fsckForm = 3

// An fsckState is how far a check came, and what a repair set out to mend.
type fsckState struct {
	Store   string // what the store looked like; another one is checked anew
	Results map[uint32]*segmentResult
	Mending []string // problems that are to be told again should the repair be cut short
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
	fmt.Fprintln(h, c.index != nil, fsckForm)
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

// loadState returns the state of an interrupted check of this very store, or one
// without results.
func (c *checker) loadState() *fsckState {
	fresh := &fsckState{Store: c.look(), Results: make(map[uint32]*segmentResult)}
	text, err := record.ReadFile(c.files, filepath.Join(c.dir, fsckFile))
	if err != nil {
		return fresh
	}
	var state fsckState
	if json.Unmarshal(text, &state) != nil {
		return fresh
	}
	if fresh.Mending = state.Mending; state.Store != fresh.Store || state.Results == nil {
		return fresh
	}
	return &state
}

// keepState notes how far the check came. It goes on where that can't be, on a disk
// that is full or only read.
func (c *checker) keepState() {
	if c.stateless || c.saveState(c.state) == nil {
		return
	}
	c.stateless = true
	c.report.Notes = append(c.report.Notes, "How far the check was could not be noted: interrupted, it would have begun anew.")
}

// setOut notes durably what a repair is about to mend: cut short, nothing else may
// say which articles were lost.
func (c *checker) setOut() error {
	for _, problem := range c.report.Problems {
		if !slices.Contains(c.state.Mending, problem) {
			c.state.Mending = append(c.state.Mending, problem)
		}
	}
	return c.saveState(&fsckState{Mending: c.state.Mending})
}

// tellBefore tells what is known of losses before: lists of articles that were lost when
// the index was built anew, and what a repair had found that was cut short.
func (c *checker) tellBefore() {
	entries, _ := c.files.ReadDir(filepath.Join(c.dir, quarantineDir)) // mostly there is none
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, lostPrefix) && strings.HasSuffix(name, ".txt") {
			c.report.Notes = append(c.report.Notes, fmt.Sprintf("Articles were lost before this check: %s says which.", filepath.Join(quarantineDir, name)))
		}
	}
	for _, problem := range c.state.Mending {
		c.report.Notes = append(c.report.Notes, "A repair that was cut short had found: "+problem)
	}
}

func (c *checker) saveState(state *fsckState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return record.Replace(c.files, filepath.Join(c.dir, fsckFile), text)
}

// endState ends what is kept of a check that came to its end, but for what a
// repair set out to mend and did not. That nothing is left is of no importance.
func (c *checker) endState() {
	if len(c.state.Mending) > 0 && !c.report.Clean() && !c.report.Repaired {
		_ = c.saveState(&fsckState{Mending: c.state.Mending})
		return
	}
	_ = c.files.Remove(filepath.Join(c.dir, fsckFile))
}
