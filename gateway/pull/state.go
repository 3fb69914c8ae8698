package pull

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A state is how far pulling has come, by group. On disk it is a JSON object.
type state struct {
	Groups map[pool.Group]reached `json:"groups"`
}

// reached is how far pulling a group has come. It counts only in the store in which
// the articles are that came until then: the file may outlive them. That store is
// known by when it made the group, and by holding as much of it.
type reached struct {
	Next    pool.Number `json:"next"` // the first number there that was not looked at
	Created time.Time   `json:"created"`
	High    pool.Number `json:"high"` // here
}

// next is the first number of a group that was not looked at, 0 where the group
// here is not the one of which that was noted.
func (s *state) next(here pool.GroupInfo) pool.Number {
	r, ok := s.Groups[here.Name]
	if !ok || !r.Created.Equal(here.Created) || here.High < r.High {
		return 0
	}
	return r.Next
}

func (s *state) set(here pool.GroupInfo, next pool.Number) {
	s.Groups[here.Name] = reached{next, here.Created, here.High}
}

// loadState reads how far an earlier run had come. A file that can't be read is
// an error: a person must remove it.
func loadState(path string) (*state, error) {
	s := &state{Groups: make(map[pool.Group]reached)}
	if path == "" {
		return s, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil || s.Groups == nil {
		return nil, fmt.Errorf("how far pulling has come can't be read: remove %s to begin anew: %w", path, err)
	}
	return s, nil
}

// saveState replaces the file. An older one than the last costs looking at some
// articles again.
func saveState(path string, s *state) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = record.Replace(record.OS{}, path, text)
	}
	if err != nil {
		return fmt.Errorf("note how far pulling has come: %w", err)
	}
	return nil
}
