package pull

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

// loadState reads how far an earlier run had come. A file that can't be read is
// an error: a person must remove it.
func loadState(path string) (map[pool.Group]pool.Number, error) {
	next := make(map[pool.Group]pool.Number)
	if path == "" {
		return next, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return next, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &next)
	}
	if err != nil || next == nil {
		return nil, fmt.Errorf("how far pulling has come can't be read: remove %s to begin anew: %w", path, err)
	}
	return next, nil
}

// saveState replaces the file. An older one than the last costs looking at some
// articles again.
func saveState(path string, next map[pool.Group]pool.Number) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(next)
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
