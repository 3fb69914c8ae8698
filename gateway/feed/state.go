package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A state is what is kept of a feed on disk: a JSON object, replaced whole.
type state struct {
	Version int                        `json:"version"`
	Next    map[pool.Group]pool.Number `json:"next"`  // the first number not yet settled
	Again   []place                    `json:"again"` // beyond that, those put off
	Counts  Counts                     `json:"counts"`
}

// A place is one article's number in a group.
type place struct {
	Group  pool.Group  `json:"group"`
	Number pool.Number `json:"number"`
}

const stateVersion = 1

// errState is a state file that can't be read: a person must remove it.
var errState = errors.New("the feed's state is damaged: remove the file to begin anew with what comes from now on")

// loadState reads a state, or returns an empty one where there is none.
func loadState(path string) (*state, error) {
	s := &state{Version: stateVersion, Next: make(map[pool.Group]pool.Number)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the feed's state: %w", err)
	}
	if err := json.Unmarshal(text, s); err != nil || s.Version != stateVersion || s.Next == nil {
		return nil, fmt.Errorf("%w: %s", errState, path)
	}
	return s, nil
}

// save replaces the file. What it says is durable when it returns; a feed that
// falls back to an older one offers some articles twice.
func (s *state) save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the feed's state: %w", err)
	}
	if err := record.Replace(record.OS{}, path, text); err != nil {
		return fmt.Errorf("write the feed's state: %w", err)
	}
	return nil
}
