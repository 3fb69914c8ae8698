package pooltest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContract_isCovered holds a table against the contracts' own words and against the
// suite: no sentence is left out, none is there that no contract has, no test is named
// that is not there, and none is there that no sentence names.
func TestContract_isCovered(t *testing.T) {
	said := sentencesOf(t, "store.go", "lend.go", "lines.go")
	there := make(map[string]bool)
	for _, c := range cases() {
		there[c.name] = false
	}
	for _, c := range durableCases() {
		there[c.name] = false
	}
	for sentence, held := range table(t) {
		if !said[sentence] {
			t.Errorf("no contract says %q", sentence)
		}
		delete(said, sentence)
		for _, name := range held {
			_, known := there[name]
			if elsewhere := strings.Contains(name, "."); elsewhere && !isTest(t, name) || !elsewhere && !known {
				t.Errorf("%q names %s, which is no test", sentence, name)
			}
			there[name] = true
		}
	}
	for sentence := range said {
		t.Errorf("no test is named for %q", sentence)
	}
	for name, named := range there {
		if !named {
			t.Errorf("%s is of no sentence", name)
		}
	}
}

// table reads which tests hold a store to each sentence: none where it says why.
func table(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "contract.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	sentence := ""
	for line := range strings.Lines(string(text)) {
		held, isHeld := strings.CutPrefix(line, "    ")
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case !isHeld:
			if _, twice := out[line]; twice {
				t.Errorf("twice: %q", line)
			}
			sentence = line
		case held[0] == '(':
			out[sentence] = nil
		default:
			out[sentence] = strings.Fields(held)
		}
	}
	return out
}

// isTest says whether a package has a test.
func isTest(t *testing.T, name string) bool {
	t.Helper()
	folder, test, _ := strings.Cut(name, ".")
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(folder), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+test+"(") {
			return true
		}
	}
	return false
}

// sentencesOf returns the sentences of the contracts in files of package pool: what is
// said of interfaces, their methods, [pool.Keep] and [pool.AppendLine].
func sentencesOf(t *testing.T, files ...string) map[string]bool {
	t.Helper()
	out := make(map[string]bool)
	add := func(of string, doc *ast.CommentGroup) {
		text := strings.Join(strings.Fields(strings.ReplaceAll(doc.Text(), "\n  - ", " ")), " ")
		text = strings.ReplaceAll(text, " Errors: ", " ")
		for s := range strings.SplitSeq(text, ". ") {
			out[of+": "+strings.TrimSuffix(s, ".")] = true
		}
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "AppendLine" {
					add(d.Name.Name, d.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					addType(spec, d.Doc, add)
				}
			}
		}
	}
	return out
}

func addType(spec ast.Spec, doc *ast.CommentGroup, add func(string, *ast.CommentGroup)) {
	s, ok := spec.(*ast.TypeSpec)
	if !ok || !s.Name.IsExported() {
		return
	}
	it, isInterface := s.Type.(*ast.InterfaceType)
	if !isInterface && s.Name.Name != "Keep" {
		return
	}
	add(s.Name.Name, doc)
	if !isInterface {
		return
	}
	for _, m := range it.Methods.List {
		for _, name := range m.Names {
			add(s.Name.Name+"."+name.Name, m.Doc)
		}
	}
}
