package lying

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// A report is what restante sync --json prints, as far as it is looked at here.
type report struct {
	New      []int
	Findings []struct {
		Server, Gateway            string
		Swapped, Lacking, Unlisted int
		Mine                       int `json:"lacking_mine"`
		Batches                    uint64
		Since                      string
	}
	Troubles []struct{ Kind, Text, Gateway, Server string }
}

func (r *report) kinds() (out []string) {
	for _, t := range r.Troubles {
		out = append(out, t.Kind)
	}
	return out
}

// synchronise runs restante sync, and fails the test where what is said names an article or a
// token.
func synchronise(t *testing.T, u *harness.User) (r report, said string, code int) {
	t.Helper()
	out, said, code := u.Try("sync", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, said)
	}
	if strings.Contains(out+said, "@"+domain) {
		t.Errorf("an article or a token is named:\n%s%s", out, said)
	}
	return r, said, code
}

// set changes her settings, at less cost than [harness.User.Set].
func set(t *testing.T, u *harness.User, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(u.Home, "profiles", "default", "restante.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// inbox is how many messages she has.
func inbox(u *harness.User) int { return strings.Count(u.Run("inbox", "--json"), "\n") }

// A case is a lie and what comes of it.
type lieCase struct {
	name     string
	fresh    bool                                    // the user has never synchronised before
	misses   bool                                    // she is to notice what has not come
	gateway  string                                  // more lines of [[gateway]]
	before   func(*testing.T, *world, *harness.User) // what happens before the lie
	home     func(*testing.T, *world) lie
	pool     func(*testing.T, *world) lie
	kind     string // of the trouble
	code     int
	says     string // words of what the user is told
	mail     int    // messages that come all the same
	check    func(*testing.T, *report)
	verify   func(*testing.T, *world, *harness.User) // afterwards
	elsewise bool                                    // another server to take the pool from helps, as she is told
}

// What a user is told of each lie, and that nothing of it is taken for mail. With
// the same gateway and nobody who lies there is no complaint.
func TestSync_namesWhoeverLies(t *testing.T) {
	w := newWorld(t)
	t.Run("nobody lies", func(t *testing.T) {
		for _, u := range []*harness.User{w.known.Copy(t), w.fresh.Copy(t)} {
			r, said, code := synchronise(t, u)
			if code != 0 || said != "" || len(r.Findings)+len(r.Troubles) > 0 || len(r.New) != 1 {
				t.Errorf("exit code %d, %+v\n%s", code, r, said)
			}
		}
	})
	t.Run("nobody lies, and she asks for her own alone", w.matching)
	t.Run("nobody lies, and she watches", w.watching)
	t.Run("nobody lies, and she has her words alone", w.restored)
	for _, c := range slices.Concat(gatewayLies(), serverLies()) {
		t.Run(c.name, func(t *testing.T) { c.run(t, w) })
	}
}

func (c *lieCase) run(t *testing.T, w *world) {
	u := w.known.Copy(t)
	if c.fresh {
		u = w.fresh.Copy(t)
	}
	late := never
	if c.misses {
		late = soon
	}
	set(t, u, w.settings(c.gateway, w.pool.address, late))
	if c.before != nil {
		c.before(t, w, u)
	}
	if c.home != nil {
		w.home.tell(c.home(t, w))
	}
	if c.pool != nil {
		w.pool.tell(c.pool(t, w))
	}
	r, said, code := synchronise(t, u)
	if code != c.code || !slices.Contains(r.kinds(), c.kind) || !strings.Contains(said, c.says) {
		t.Errorf("exit code %d, want %d, kinds %q, want %q, and %q in\n%s", code, c.code, r.kinds(), c.kind, c.says, said)
	}
	for _, trouble := range r.Troubles {
		if named := trouble.Gateway == domain || trouble.Server == w.pool.address; !named || !strings.Contains(said, trouble.Text) {
			t.Errorf("it does not say who: %+v", trouble)
		}
	}
	if c.check != nil {
		c.check(t, &r)
	}
	if len(r.New) != c.mail {
		t.Errorf("%d messages, want %d", len(r.New), c.mail)
	}
	if c.verify != nil {
		c.verify(t, w, u)
	}
	w.home.tell(honest)
	w.pool.tell(honest)
	if c.elsewise {
		set(t, u, w.settings("", w.gateway.Address, never))
		if r, said, code := synchronise(t, u); code != 0 || len(r.Troubles) > 0 || inbox(u) != 1 {
			t.Errorf("from another server: exit code %d, %+v\n%s", code, r, said)
		}
	}
}
