package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
	"time"
)

//go:embed restanted.toml.tmpl
var fileTemplate string

// Template returns the text of a commented configuration that says what
// conf says, with the one group that a new gateway starts with.
func Template(conf Config) ([]byte, error) {
	t, err := template.New("restanted.toml").Parse(fileTemplate)
	if err != nil {
		return nil, fmt.Errorf("configuration template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, conf); err != nil {
		return nil, fmt.Errorf("configuration template: %w", err)
	}
	return out.Bytes(), nil
}

// String writes d as people do: 168h and not 168h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
