package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// A Problem is one thing wrong with a configuration.
type Problem struct {
	Line, Column int    // from 1; 0 when a key is missing altogether
	Key          string // dotted, as in pool.batch_size
	Message      string // what is wrong and what to write instead
}

func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.Key, p.Message)
	}
	if p.Key == "" {
		return fmt.Sprintf("line %d, column %d: %s", p.Line, p.Column, p.Message)
	}
	return fmt.Sprintf("line %d, column %d: %s: %s", p.Line, p.Column, p.Key, p.Message)
}

// Problems is everything found wrong with a configuration, in the file's order.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Locate says where in the file at path the keys of problems stand that were found
// by whoever uses the configuration.
func Locate(path string, problems Problems) Problems {
	text, err := os.ReadFile(path)
	if err != nil {
		return problems // it was there a moment ago; without places they are right as well
	}
	where := positions(text)
	out := slices.Clone(problems)
	for i := range out {
		at := where[out[i].Key]
		out[i].Line, out[i].Column = at.Line, at.Column
	}
	slices.SortStableFunc(out, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return out
}

// decodeProblems turns what the TOML library found wrong into problems.
// shape is the type that the document was decoded into.
func decodeProblems(err error, shape reflect.Type) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var problems Problems
		for i := range unknown.Errors {
			problems = append(problems, unknownKey(&unknown.Errors[i], shape))
		}
		return problems
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		message := strings.TrimPrefix(wrong.Error(), "toml: ")
		return Problems{{line, column, strings.Join(wrong.Key(), "."), message}}
	}
	return err
}

func unknownKey(e *toml.DecodeError, shape reflect.Type) Problem {
	line, column := e.Position()
	key := strings.Join(e.Key(), ".")
	message := "there is no such key"
	if near := nearest(key, knownKeys(shape, "")); near != "" {
		message += fmt.Sprintf("; did you mean %s?", near)
	}
	return Problem{line, column, key, message}
}

// knownKeys lists the dotted names of every key and table in t.
func knownKeys(t reflect.Type, prefix string) []string {
	var keys []string
	for field := range t.Fields() {
		key := prefix + field.Tag.Get("toml")
		keys = append(keys, key)
		inner := field.Type
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, knownKeys(inner, key+".")...)
		}
	}
	return keys
}

// nearest returns the known key that takes the fewest changes to reach, or
// nothing when even that one is far off. A key in the wrong table counts as
// near.
func nearest(key string, known []string) string {
	best, fewest := "", len(key)/2+1
	for _, candidate := range known {
		d := min(distance(key, candidate), distance(last(key), last(candidate))+1)
		if d < fewest {
			best, fewest = candidate, d
		}
	}
	return best
}

func last(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// distance is the Levenshtein distance of two keys.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
