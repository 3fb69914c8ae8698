package config

import (
	"bytes"
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// GroupTable returns the lines that a configuration needs for a newsgroup.
func GroupTable(g Group) ([]byte, error) {
	table := struct {
		Name        string `toml:"name"`
		Description string `toml:"description,omitempty"`
		Posting     string `toml:"posting"`
	}{g.Name, g.Description, g.Posting}
	var out bytes.Buffer
	out.WriteString("\n[[group]]\n")
	if err := toml.NewEncoder(&out).Encode(table); err != nil {
		return nil, fmt.Errorf("write a newsgroup: %w", err)
	}
	if g.Posting == "m" {
		out.WriteString("moderator = '' # write the moderator's token in angle brackets, or a mail address\n")
	}
	return out.Bytes(), nil
}
