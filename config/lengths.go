package config

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// bareLengths finds lengths of time that are numbers without a unit, in a document that
// decodes into a shape. The library takes them for nanoseconds: everything that is
// older than 720 would be gone at once. Only 0 needs no unit.
func bareLengths(text []byte, shape reflect.Type, where map[string]unstable.Position) Problems {
	var tree map[string]any
	_ = toml.Unmarshal(text, &tree) // it was decoded a moment ago
	var problems Problems
	eachBare(tree, shape, "", func(key string) {
		at := where[key]
		problems = append(problems, Problem{at.Line, at.Column, key, errDuration.Error()})
	})
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return problems
}

// eachBare calls say for each such key below one.
func eachBare(value any, shape reflect.Type, key string, say func(key string)) {
	if shape.Kind() == reflect.Pointer {
		shape = shape.Elem()
	}
	if _, isText := value.(string); shape == reflect.TypeFor[Duration]() && !isText && value != int64(0) {
		say(key)
	}
	switch value := value.(type) {
	case map[string]any:
		if shape.Kind() != reflect.Struct {
			return
		}
		for field := range shape.Fields() {
			name := field.Tag.Get("toml")
			if inner, there := value[name]; there {
				eachBare(inner, field.Type, joined(key, name), say)
			}
		}
	case []any:
		for i, inner := range value {
			if shape.Kind() == reflect.Slice {
				eachBare(inner, shape.Elem(), joined(key, strconv.Itoa(i)), say)
			}
		}
	}
}

func joined(key, part string) string {
	if key == "" {
		return part
	}
	return key + "." + part
}
