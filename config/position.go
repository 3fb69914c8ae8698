package config

import (
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// positions finds where each key of a document stands. Keys are dotted; the
// n-th [[group]] is group.n, counted from 0, and a table in it group.n.table. A document that does not parse
// gives what came before the fault: the decoder reports the fault itself.
func positions(text []byte) map[string]unstable.Position {
	var p unstable.Parser
	p.Reset(text)
	found := make(map[string]unstable.Position)
	arrays := make(map[string]int)
	table := ""
	for p.NextExpression() {
		node := p.Expression()
		key, at := keyOf(&p, node)
		switch node.Kind {
		case unstable.Table:
			table = within(arrays, key) + "."
		case unstable.ArrayTable:
			table = key + "." + strconv.Itoa(arrays[key]) + "."
			arrays[key]++
		case unstable.KeyValue:
			key = table + key
		default:
			continue
		}
		if node.Kind == unstable.KeyValue {
			found[key] = at
		} else {
			found[table[:len(table)-1]] = at
		}
	}
	return found
}

// within is the key of a table, which may lie in the last one of an array.
func within(arrays map[string]int, key string) string {
	array, inner, found := strings.Cut(key, ".")
	if n := arrays[array]; found && n > 0 {
		return array + "." + strconv.Itoa(n-1) + "." + inner
	}
	return key
}

func keyOf(p *unstable.Parser, node *unstable.Node) (dotted string, at unstable.Position) {
	for parts := node.Key(); parts.Next(); {
		part := parts.Node()
		if dotted == "" {
			at = p.Shape(part.Raw).Start
		} else {
			dotted += "."
		}
		dotted += string(part.Data)
	}
	return dotted, at
}
