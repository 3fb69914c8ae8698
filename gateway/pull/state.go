package pull

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A state is how far pulling has come, by group. On disk it is a JSON object.
type state struct {
	Groups map[pool.Group]reached `json:"groups"`
}

// reached is how far pulling a group has come. It counts only in the store in which
// the articles are that came until then: the file may outlive them. That store is
// known by when it made the group, and by holding as much of it. And it counts only at
// a server that has the same article under the same number: another one under that
// name, or one that lost its disk, numbers others so.
type reached struct {
	Next    pool.Number `json:"next"`    // the first number there that was not looked at
	Last    pool.Number `json:"last"`    // the last one before it under which there was an article; 0: not known
	Article string      `json:"article"` // which
	Created time.Time   `json:"created"`
	High    pool.Number `json:"high"` // here
}

// differs says whether an answer to STAT names another article than was looked at last.
// That this one is gone is no sign of that: articles go, and whoever begins anew has
// one under each number.
func (r reached) differs(there nntp.Reply) bool {
	id, ok := there.Article()
	return ok && digest(id) != r.Article
}

// of is how far a group was looked at, nothing where the group here is not the one
// of which that was noted.
func (s *state) of(here pool.GroupInfo) reached {
	r, ok := s.Groups[here.Name]
	if !ok || !r.Created.Equal(here.Created) || here.High < r.High {
		return reached{}
	}
	return r
}

// set notes how far a group was looked at.
func (s *state) set(here pool.GroupInfo, r reached) {
	r.Created, r.High = here.Created, here.High
	s.Groups[here.Name] = r
}

// digest is what a state has of a Message-ID: no host's name shows in it.
func digest(id pool.MessageID) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:8])
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
