package arch

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/restante/restante/"

// rooms is the plan: every package, with the packages of this module that it
// may import. "crypto/..." stands for everything below crypto. Libraries are
// named by the start of their path.
var rooms = map[string][]string{
	"cmd/manual":            {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"cmd/manual/manualtest": {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"cmd/restanted": {
		"cmd/manual", "config", "gateway", "gateway/admin", "gateway/batch", "gateway/certs", "gateway/feed", "gateway/keyring", "gateway/mirror", "gateway/nntp", "gateway/peer", "gateway/pull",
		"gateway/remote", "gateway/session", "crypto/...", "pool", "pool/archive", "pool/disk", "pool/record",
		"github.com/schollz/progressbar/v3", "golang.org/x/term", "github.com/KimMachineGun/automemlimit/memlimit",
		"github.com/spf13/cobra", "github.com/rs/zerolog", "github.com/dustin/go-nntp/client",
	},
	"cmd/restante": {
		"cmd/manual", "cmd/restante/...", "config", "crypto/...", "gateway/remote", "pool", "pool/article",
		"github.com/spf13/cobra", "github.com/schollz/progressbar/v3", "golang.org/x/term",
	},
	"cmd/restante/mailbox": {
		"crypto/envelope", "crypto/identity", "pool", "pool/article", "pool/record",
		"github.com/gofrs/flock", "golang.org/x/crypto/chacha20poly1305",
	},
	"cmd/restante/route":  {"gateway/remote", "golang.org/x/net/proxy"},
	"cmd/restante/letter": {"pool/article", "golang.org/x/text/encoding/htmlindex"},
	"cmd/restante/collect": {
		"cmd/restante/letter", "cmd/restante/mailbox", "crypto/...", "gateway/nntp", "gateway/pickup", "gateway/remote",
		"pool", "pool/article", "pool/entry",
	},
	"cmd/restante/desk": {
		"cmd/restante/collect", "cmd/restante/letter", "cmd/restante/mailbox", "cmd/restante/route", "crypto/...",
		"gateway/nntp", "gateway/remote", "pool", "pool/article", "pool/entry",
	},
	"cmd/restante/bridge": {
		"gateway/nntp", "gateway/remote", "gateway/session", "pool", "pool/article", "crypto/contact", "crypto/token",
		"github.com/rs/zerolog", "golang.org/x/sync/errgroup",
	},
	"cmd/restante/profile": {"crypto/identity", "filippo.io/age", "github.com/adrg/xdg", "github.com/tyler-smith/go-bip39"},

	"config": {"pool", "github.com/pelletier/go-toml/v2"},

	"gateway": {
		"gateway/...", "pool", "pool/...", "crypto/...",
		"github.com/rs/zerolog", "golang.org/x/sync/errgroup",
	},
	"gateway/admin":  {"github.com/prometheus/client_golang/prometheus"},
	"gateway/nntp":   {"pool"},
	"gateway/remote": {"gateway/nntp"},
	"gateway/pull":   {"gateway/nntp", "gateway/remote", "pool", "pool/record"},
	"gateway/feed": {
		"gateway/nntp", "gateway/remote", "pool", "pool/article", "pool/record",
		"github.com/rs/zerolog", "golang.org/x/sync/errgroup",
	},
	"gateway/inflate": {},
	"gateway/certs":   {"github.com/rs/zerolog", "golang.org/x/crypto/acme"},
	"gateway/session": {
		"gateway/inflate", "gateway/nntp", "pool", "pool/article",
		"github.com/emersion/go-sasl", "github.com/rs/zerolog",
	},
	"gateway/session/sessiontest": {"gateway/session", "pool", "github.com/rs/zerolog"},

	"gateway/office":  {"gateway/batch", "pool", "pool/article", "pool/control", "pool/entry", "crypto/..."},
	"gateway/batch":   {"github.com/rs/zerolog", "pool", "pool/article", "pool/control", "pool/entry", "pool/record", "crypto/..."},
	"gateway/mirror":  {"pool", "pool/article", "pool/entry", "pool/record", "crypto/..."},
	"gateway/intake":  {"github.com/rs/zerolog", "pool", "pool/article", "pool/entry", "pool/record", "crypto/..."},
	"gateway/peer":    {"gateway/mirror", "gateway/nntp", "pool", "pool/article", "pool/control", "pool/entry"},
	"gateway/keyring": {"pool", "pool/record", "crypto/...", "filippo.io/age"},
	"gateway/pickup":  {"gateway/nntp", "pool", "crypto/..."},

	"pool":         {},
	"pool/archive": {"pool", "pool/article", "golang.org/x/sync/semaphore"},
	"pool/article": {"pool"},
	"pool/control": {"pool", "pool/article"},
	"pool/record":  {"pool", "golang.org/x/sys/unix"},
	"pool/entry":   {"pool", "pool/article", "crypto/..."},
	"pool/memory":  {"pool", "pool/article"},
	"pool/disk": {
		"pool", "pool/article", "pool/record",
		"github.com/gofrs/flock", "github.com/rs/zerolog", "github.com/syndtr/goleveldb/leveldb", "golang.org/x/sync/errgroup", "golang.org/x/sys/unix",
	},
	"pool/record/recordtest": {"pool/record", "github.com/syndtr/goleveldb/leveldb/storage"},
	"pool/pooltest":          {"pool", "pool/article", "github.com/google/go-cmp/cmp"},

	"crypto/identity": {
		"crypto/erase", "golang.org/x/crypto/argon2", "github.com/ccojocar/zxcvbn-go", "github.com/sethvargo/go-diceware/diceware",
	},
	"crypto/erase":    {},
	"crypto/blind":    {"crypto/erase", "crypto/identity", "github.com/cloudflare/circl"},
	"crypto/token":    {"crypto/erase", "crypto/identity"},
	"crypto/contact":  {"crypto/identity", "crypto/token"},
	"crypto/envelope": {"crypto/erase", "crypto/identity", "crypto/blind", "crypto/token"},
	"crypto/note":     {"golang.org/x/mod/sumdb/note"},
}

// floors is the order of the top-level folders, the highest first. What lies on
// a floor imports nothing from a higher one.
var floors = []string{"cmd", "gateway", "pool", "crypto"}

// topLevel is all that the top level may hold, hidden files aside.
var topLevel = []string{
	"CHANGELOG.md", "LICENSE", "README.md", "cmd", "config", "crypto", "docs", "gateway", "go.mod", "go.sum", "pool", "test",
}

// ignored is what people leave there who build and try things out.
var ignored = []string{"restanted", "restante", "restanted.toml", "data"}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// packages returns every package of the module outside test, by its path below
// the root, with what its code (tests aside) imports on any system.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root(t), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		name, err := filepath.Rel(root(t), path)
		if err != nil {
			return err
		}
		if name == "test" || name == "docs" || e.Name() == "testdata" || strings.HasPrefix(e.Name(), ".") && name != "." {
			return filepath.SkipDir
		}
		context := build.Default
		context.UseAllFiles = true
		p, err := context.ImportDir(path, 0)
		var none *build.NoGoError
		if errors.As(err, &none) || err == nil && len(p.GoFiles) == 0 {
			return nil
		} else if err != nil {
			return err
		}
		found[filepath.ToSlash(name)] = p.Imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func allowed(path string, may []string) bool {
	first, _, _ := strings.Cut(path, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	inside, ours := strings.CutPrefix(path, module)
	for _, m := range may {
		if base, below := strings.CutSuffix(m, "..."); ours && below && strings.HasPrefix(inside, base) {
			return true
		}
		if ours && inside == m || !ours && (path == m || strings.HasPrefix(path, m+"/")) {
			return true
		}
	}
	return false
}

func TestImports_areThoseOfThePlan(t *testing.T) {
	found := packages(t)
	for name, imports := range found {
		may, planned := rooms[name]
		if !planned {
			t.Errorf("%s is not in the plan", name)
			continue
		}
		for _, path := range imports {
			if !allowed(path, may) {
				t.Errorf("%s imports %s, which the plan does not allow", name, path)
			}
		}
	}
	for name := range rooms {
		if _, ok := found[name]; !ok {
			t.Errorf("%s is in the plan and not in the house", name)
		}
	}
}

// forTests are the rooms that only tests use, and that are not below test.
var forTests = []string{"pool/pooltest", "pool/record/recordtest", "cmd/manual/manualtest", "gateway/session/sessiontest"}

func TestImports_runDownward(t *testing.T) {
	for name, imports := range packages(t) {
		from := slices.Index(floors, strings.Split(name, "/")[0])
		for _, path := range imports {
			inside, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			top := strings.Split(inside, "/")[0]
			if to := slices.Index(floors, top); from >= 0 && to >= 0 && to < from {
				t.Errorf("%s imports %s, a floor up", name, inside)
			}
			if top == "config" && !strings.HasPrefix(name, "cmd/") {
				t.Errorf("%s imports config, which is for cmd alone", name)
			}
			if top == "test" || slices.Contains(forTests, inside) {
				t.Errorf("%s imports %s, which is for tests", name, inside)
			}
		}
	}
}

func TestPlan_canBeBroken(t *testing.T) {
	for path, want := range map[string]bool{
		"crypto/hpke": true, module + "pool": true, module + "pool/disk": false,
		module + "gateway": false, "github.com/rs/zerolog": false, "github.com/spf13/cobra": true, "github.com/spf13/cobra/doc": true,
		module + "crypto/blind": true,
	} {
		if got := allowed(path, []string{"pool", "crypto/...", "github.com/spf13/cobra"}); got != want {
			t.Errorf("%s is allowed: %v, want %v", path, got, want)
		}
	}
}

func TestTopLevel_isFixed(t *testing.T) {
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name()] = true
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(topLevel, e.Name()) && !slices.Contains(ignored, e.Name()) {
			t.Errorf("%s is at the top level, and should not be", e.Name())
		}
	}
	for _, name := range topLevel {
		if !there[name] {
			t.Errorf("%s is missing at the top level", name)
		}
	}
}

func TestFiles_areUnderFiveHundredLines(t *testing.T) {
	err := filepath.WalkDir(root(t), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if lines := strings.Count(string(text), "\n"); lines > 500 {
			t.Errorf("%s has %d lines", e.Name(), lines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
