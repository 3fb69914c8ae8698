package bridge

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// watched are the packages of a gateway through which everything goes that its
// users bring and get.
var watched = []string{
	"crypto/blind", "crypto/envelope", "crypto/identity", "crypto/token",
	"gateway/batch", "gateway/intake", "gateway/office", "gateway/session",
}

// curious builds a gateway that writes down all that it sees: each function of the
// watched packages what it is given and what it returns. In crypto, each method
// also whose it is.
func curious(t *testing.T) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	seen, err := filepath.Abs("testdata/seen/seen.go")
	if err != nil {
		t.Fatal(err)
	}
	replaced := map[string]string{filepath.Join(root, "gateway/seen/seen.go"): seen}
	functions := 0
	for _, name := range watched {
		p, err := build.ImportDir(filepath.Join(root, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range p.GoFiles {
			text, n := patch(t, filepath.Join(p.Dir, file), strings.HasPrefix(name, "crypto/"))
			if n == 0 {
				continue
			}
			functions += n
			other := filepath.Join(folder, strings.ReplaceAll(name, "/", "-")+"-"+file)
			if err := os.WriteFile(other, text, 0o600); err != nil {
				t.Fatal(err)
			}
			replaced[filepath.Join(p.Dir, file)] = other
		}
	}
	t.Logf("%d functions of the gateway are watched", functions)
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(folder, "restanted")
	c := exec.CommandContext(t.Context(), "go", "build", "-overlay", list, "-o", program, "github.com/restante/restante/cmd/restanted")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// patch has each function of a file note what it is given, and what it returns.
func patch(t *testing.T, path string, owners bool) (text []byte, functions int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	p := patcher{at: func(pos token.Pos) int { return files.Position(pos).Offset }, put: make(map[int]string)}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
			p.function(file.Name.Name, f, owners)
		}
	}
	if p.functions == 0 {
		return nil, 0
	}
	p.put[p.at(file.Name.End())] = `; import "github.com/restante/restante/gateway/seen"`
	var out []byte
	for i, c := range text {
		out = append(append(out, p.put[i]...), c)
	}
	return out, p.functions
}

// A patcher collects what is put into a file, by offsets.
type patcher struct {
	at        func(token.Pos) int
	put       map[int]string
	functions int
}

func (p *patcher) function(pkg string, f *ast.FuncDecl, owners bool) {
	given, returned := names(f.Type.Params), p.results(f.Type.Results)
	if owners && f.Recv != nil {
		given = append(given, names(f.Recv)...)
	}
	name := strconv.Quote(pkg + "." + f.Name.Name)
	var notes string
	if len(given) > 0 {
		notes += fmt.Sprintf(" seen.Note(%s, false, %s);", name, strings.Join(given, ", "))
	}
	if len(returned) > 0 {
		// What it was given it may have filled.
		notes += fmt.Sprintf(" defer func() { seen.Note(%s, true, %s) }();", name, strings.Join(slices.Concat(returned, given), ", "))
	}
	if notes == "" {
		return
	}
	p.put[p.at(f.Body.Lbrace)+1] += notes
	p.functions++
}

// results names what a function returns where it has no names.
func (p *patcher) results(list *ast.FieldList) []string {
	if list == nil {
		return nil
	}
	var out []string
	for _, f := range list.List {
		if len(f.Names) > 0 {
			out = append(out, names(list)...)
			break
		}
		name := fmt.Sprintf("seen%d", len(out))
		before := name + " "
		if !list.Opening.IsValid() {
			before = "(" + before
			p.put[p.at(list.End())] = ")"
		}
		p.put[p.at(f.Type.Pos())] = before
		out = append(out, name)
	}
	return out
}

func names(list *ast.FieldList) []string {
	var out []string
	for _, f := range list.List {
		for _, n := range f.Names {
			if n.Name != "_" {
				out = append(out, n.Name)
			}
		}
	}
	return out
}

// A sight is something that a curious gateway has seen.
type sight struct {
	Place    string // session, intake or other
	Function string // that was given it, or returned it
	Octets   []byte
}

// sights reads what a curious gateway has written down until now. It writes things
// down in the order in which it sees them, and a little later: so it is shown a last
// one, which is waited for.
func sights(t *testing.T, g *harness.Gateway) []sight {
	t.Helper()
	const last = "The last thing that this gateway is to see."
	g.Dial().Post("From: x@home.example\nNewsgroups: misc.test\nSubject: end\n\n" + last + "\n")
	var text []byte
	for end := time.Now().Add(3 * time.Minute); !bytes.Contains(text, []byte(last)); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the gateway does not write down what it sees")
		}
		var err error
		if text, err = os.ReadFile(g.Config + ".seen"); err != nil {
			t.Fatal(err)
		}
	}
	const words = 3 // in a record, each behind its length
	var out []sight
	for {
		var record [words][]byte
		for i := range record {
			if len(text) < 4 || uint64(len(text)) < 4+uint64(binary.BigEndian.Uint32(text)) {
				return out
			}
			n := 4 + int(binary.BigEndian.Uint32(text))
			record[i], text = text[4:n], text[n:]
		}
		out = append(out, sight{string(record[0]), string(record[1]), record[2]})
	}
}

func TestPatch_notesEverything(t *testing.T) {
	const source = `package p

func (o *owner) both(a, _ []byte, b string) (int, error) { return 0, nil }
func one(n int) string { return "" }
func none() {}
func named(x int) (y []byte, err error) {
	return nil, nil
}
`
	path := filepath.Join(t.TempDir(), "p.go")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	text, n := patch(t, path, true)
	for _, want := range []string{
		`(seen0 int, seen1 error) { seen.Note("p.both", false, a, b, o); defer func() { seen.Note("p.both", true, seen0, seen1, a, b, o) }();`,
		`(seen0 string) { seen.Note("p.one", false, n); defer`,
		`{ seen.Note("p.named", false, x); defer func() { seen.Note("p.named", true, y, err, x) }();`,
		"func none() {}",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if n != 3 {
		t.Errorf("%d functions are watched, want 3", n)
	}
}
